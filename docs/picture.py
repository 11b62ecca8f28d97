"""Draw the pictures of the report: a run of scripted answers, looked at in a headless Chromium.

    pip install -e '.[browser]' && python docs/picture.py docs

The script knows the golds and gives them away less often in longer prompts, so that every figure has something to show.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.harness import evaluate, read_run
from golong_eval.reports.html import write_report
from golong_eval.rewards import render_gold
from golong_eval.tasks import read_samples

LENGTHS = "1k,2k,4k,8k"


def main() -> None:
    """Write the pictures to the folder that is named."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        page_file = write_report(read_run(run_scripted(Path(folder))))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=os.environ.get("GOLONG_CHROMIUM") or shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1180, "height": 980})
            page.goto(page_file.as_uri())
            page.screenshot(path=out / "report.png")
            _look(page, "figures", out / "report-figures.png")
            page.select_option("#f-sort", "score, lowest first")
            page.locator("#rows tbody tr button").nth(2).click()
            page.locator("#detail h3").wait_for()
            _look(page, "samples", out / "report-samples.png")
            page.emulate_media(color_scheme="dark")
            _look(page, "samples", out / "report-dark.png")
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": 360, "height": 740})
            _look(page, "scores", out / "report-narrow.png")
            browser.close()


def _look(page: Page, section: str, file: Path) -> None:
    page.evaluate("name => document.getElementById(name).scrollIntoView()", section)
    page.screenshot(path=file)


def run_scripted(folder: Path) -> str:
    """Run the script on nine tasks at four lengths, and return the run's folder."""
    gold = evaluate(model="gold", engine="scripted", length=LENGTHS, limit=12, output_dir=folder)
    samples = {sample.id: sample for sample in read_samples(Path(gold.run) / "samples.jsonl")}

    def answer(request: GenerationRequest) -> str:
        sample = samples[request.sample_id]
        dice = random.Random(request.sample_id)
        right = 0.92 - 0.045 * (sample.metadata.length or 0) / 1000
        lines = render_gold(sample.gold).splitlines()
        if dice.random() > right:
            dice.shuffle(lines)
            lines = lines[: max(1, len(lines) - 2)] if len(lines) > 2 else ["[Answer]", "I could not find it."]
        return "<think>The question is about one place in the documents.</think>\n" + "\n".join(lines)

    return evaluate(model=ScriptedEngine(answer), length=LENGTHS, limit=12, output_dir=folder).run


if __name__ == "__main__":
    main()
