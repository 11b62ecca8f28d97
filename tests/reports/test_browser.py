"""The report in a real headless Chromium, opened from a file, as people open it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golong_eval.harness import StoredRun
from golong_eval.reports.html import write_report

from .builders import ESCAPES
from .hostile import MARKUP, hostile_everywhere
from .large import FACT, long_text, write_run

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
HOSTILE = f"</script><script>alert(1)</script><img src=x onerror=alert(2)>{{{{7*7}}}}\u2028{ESCAPES}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = os.environ.get("GOLONG_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as driver:
        # Without a Chromium of the system, the one of `playwright install chromium`; without either this fails.
        browser = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """A page opened from a file, with everything that went wrong in it."""

    def __init__(self, browser: Any, file: Path, fragment: str = "", **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        start = time.perf_counter()
        self.page.goto(file.as_uri() + fragment)
        self.page.locator("#rows tbody tr").first.wait_for()
        self.seconds = time.perf_counter() - start

    def ids(self) -> list[str]:
        names: list[str] = self.page.locator("#rows tbody tr button").all_inner_texts()
        return names

    def detail(self) -> str:
        text: str = self.page.locator("#detail").inner_text()
        return text

    def close(self) -> None:
        assert self.wrong == []
        assert [url for url in self.asked if not url.startswith(("file:", "data:"))] == []
        self.context.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    folder = tmp_path_factory.mktemp("small") / "run"
    return write_run(folder, [long_text(6_000, 0.9), long_text(90_000, 0.5)], 160, extra=HOSTILE)


@pytest.fixture(scope="module")
def report(run: StoredRun) -> Path:
    return write_report(run)


def test_filters_and_sorting(chromium: Any, report: Path) -> None:
    visit = Visit(chromium, report)
    page = visit.page
    assert page.locator("#count").inner_text() == "160 of 160 answers"
    assert len(visit.ids()) == 50
    page.select_option("#f-status", "provider_error")
    assert page.locator("#count").inner_text() == "40 of 160 answers"
    page.select_option("#f-status", "truncated")
    assert visit.ids()[:2] == ["s000002", "s000006"]
    page.select_option("#f-status", "")
    page.fill("#f-low", "0.5")
    assert page.locator("#count").inner_text() == "40 of 160 answers"
    page.fill("#f-low", "0")
    page.fill("#f-text", "S00015")
    assert visit.ids() == [f"s00015{digit}" for digit in range(10)]
    page.fill("#f-text", "LIGHT number 15?")  # in a question alone, which has no id's digits
    page.get_by_text("1 of 160 answers").wait_for()
    assert visit.ids() == ["s000015"]
    page.fill("#f-text", "")
    page.select_option("#f-sort", "prompt, shortest first")
    assert visit.ids()[0] == "s000000"
    page.select_option("#f-sort", "time, shortest first")
    assert visit.ids()[0] == "s000000"
    page.select_option("#f-sort", "prompt, longest first")
    assert visit.ids()[0] == "s000049"  # 90,000 characters / 4, plus 49
    page.select_option("#f-sort", "score, lowest first")
    for _ in range(3):
        page.click("#next")
    assert page.locator("#page").inner_text() == "page 4 of 4"
    # What has no score comes last.
    assert page.locator("#rows tbody tr").last.inner_text().split("\t")[2:4] == ["provider_error", "–"]
    visit.close()


def test_an_answer_in_full(chromium: Any, report: Path) -> None:
    visit = Visit(chromium, report)
    page = visit.page
    page.locator("#rows tbody tr button").nth(2).focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("heading", name="s000001").wait_for()
    text = visit.detail()
    for part in ("Bob", "Ada", "Thinking", "Parsed answer", "Gold", "Who keeps light number 1?", "Read."):
        assert part in text
    assert page.evaluate("location.hash") == "#sample=s000001&repeat=0"
    page.locator("#detail summary", has_text="D1").click()
    page.locator("#detail mark").first.wait_for()
    marked = "".join(page.locator("#detail mark").all_text_contents())
    assert marked == FACT.strip()[2:]
    page.get_by_role("button", name="Go to the evidence").click()
    assert page.locator("#detail mark").first.is_visible()
    page.go_back()
    visit.close()


def test_a_link_opens_its_answer(chromium: Any, report: Path) -> None:
    visit = Visit(chromium, report, "#sample=s000150&repeat=0")
    visit.page.get_by_role("heading", name="s000150").wait_for()
    assert "s000150" in visit.ids()
    visit.page.evaluate("location.hash = '#sample=nobody&repeat=0'")
    visit.page.get_by_text("This run has no answer to nobody").wait_for()
    visit.close()


def test_hostile_text_is_shown_and_does_nothing(chromium: Any, report: Path) -> None:
    visit = Visit(chromium, report, "#sample=s000000&repeat=0")
    page = visit.page
    page.get_by_role("heading", name="s000000").wait_for()
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}" in visit.detail()
    assert page.locator("#detail img, #detail script, main script").count() == 0
    # A policy that is no more than a comment would let this one run.
    page.evaluate("""() => { const tag = document.createElement('div');
        tag.innerHTML = '<img src="data:," onerror="window.ran = 1">'; document.body.append(tag); }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in visit.wrong)
    visit.wrong.clear()
    visit.close()


def test_hostile_text_is_text_wherever_it_stands(chromium: Any, tmp_path: Path) -> None:
    visit = Visit(chromium, write_report(hostile_everywhere(tmp_path)))
    page = visit.page
    shown = MARKUP.partition("\u2028")[0]
    assert shown in page.locator("h1").inner_text()
    for number in range(5):
        page.locator("#rows tbody tr button").nth(number).click()
        page.locator("#detail h3", has_text=f"id{number}").wait_for()
        text = visit.detail()
        expected = ["error"] if number in (2, 3) else ["thinking", "parsed"]
        for part in ("question", "title", *expected, *["cell", "column"] * (number == 4)):
            assert f"{part} {shown}" in text, (number, part)
        page.locator("#detail details summary").first.click()
        page.locator("#detail mark").wait_for()
        assert page.locator("#detail mark").text_content() == f"text {MARKUP} end"
    assert page.locator("main img, main script, header script").count() == 0
    # What turns the direction of writing ends with its own line: the task beside it stands at its place.
    cells = page.locator("#rows tbody tr").first.locator("td")
    assert cells.nth(0).bounding_box()["x"] < cells.nth(1).bounding_box()["x"]
    assert (
        page.locator("#rows tbody tr").first.evaluate("row => getComputedStyle(row.querySelector('bdi')).unicodeBidi")
        == "isolate"
    )
    # An id that holds anything has an address too.
    page.reload()
    page.locator("#detail h3", has_text="id4").wait_for()
    visit.close()


def test_side_files_work_from_a_folder(chromium: Any, run: StoredRun, tmp_path: Path) -> None:
    page_file = write_report(run, tmp_path / "a b#c.html", embedded=10_000)
    assert page_file.with_suffix(".samples").is_dir()
    visit = Visit(chromium, page_file)
    visit.page.locator("#rows tbody tr button").first.click()
    visit.page.get_by_role("heading", name="s000000").wait_for()
    visit.page.locator("#detail summary", has_text="D1").click()
    visit.page.locator("#detail mark").first.wait_for()
    visit.page.fill("#f-text", "light number 15?")
    visit.page.get_by_text("1 of 160 answers").wait_for()
    visit.close()
    # What is damaged or missing is said, and tried again when it is asked for again.
    part = page_file.with_suffix(".samples") / "d-0.js"
    whole = part.read_text()
    part.write_text("")
    visit = Visit(chromium, page_file, "#sample=s000000&repeat=0")
    visit.page.locator("#detail summary", has_text="D1").click()
    visit.page.get_by_text("is damaged: write the report again").wait_for()
    part.write_text(whole)
    visit.page.locator("#detail summary", has_text="D1").click()
    visit.page.locator("#detail summary", has_text="D1").click()
    visit.page.locator("#detail mark").first.wait_for()
    visit.close()
    shutil.rmtree(page_file.with_suffix(".samples"))
    visit = Visit(chromium, page_file)
    visit.page.locator("#rows tbody tr button").first.click()
    visit.page.get_by_text("is missing: keep that folder beside this page").wait_for()
    visit.page.fill("#f-text", "light number 15?")
    visit.page.get_by_text("questions can't be searched").wait_for()
    visit.wrong.clear()
    visit.close()


def test_narrow_and_dark(chromium: Any, report: Path) -> None:
    visit = Visit(chromium, report, viewport={"width": 360, "height": 700}, color_scheme="dark")
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator("#rows tbody tr button").first.click()
    page.get_by_role("heading", name="s000000").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    # The score itself is in sight, and the text of figures can be read.
    mean = page.locator(".headline thead th", has_text="mean").bounding_box()
    assert mean["x"] + mean["width"] <= 360
    assert page.locator("#scores svg").first.bounding_box()["width"] >= 0.7 * 720
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(20, 23, 26)"
    visit.close()


def test_figures_are_drawn(chromium: Any, report: Path) -> None:
    visit = Visit(chromium, report)
    page = visit.page
    assert page.locator("#figures svg").count() >= 4
    for figure in page.locator("svg").all():
        assert figure.evaluate("one => one.querySelector(':scope > title').textContent")
        assert figure.evaluate("one => one.querySelector(':scope > desc').textContent")
        box = figure.bounding_box()
        assert box["width"] > 100
        assert box["height"] > 40
    assert page.locator("#scores figure svg text", has_text="0.250").count() == 1
    visit.close()


def test_controls_have_names_and_text_has_contrast(chromium: Any, report: Path) -> None:
    for scheme in ("light", "dark"):
        visit = Visit(chromium, report, color_scheme=scheme)
        page = visit.page
        unnamed = page.evaluate("""() => [...document.querySelectorAll('input, select, button')]
            .filter(one => !one.labels?.length && !one.ariaLabel && !one.textContent.trim()).map(one => one.id)""")
        assert unnamed == []
        for name, least in (("--ink", 12), ("--muted", 4.5), ("--accent", 4.5), ("--bad", 4.5)):
            ratio = page.evaluate(CONTRAST, name)
            assert ratio >= least, (scheme, name, ratio)
        visit.close()


CONTRAST = """(name) => {
    const probe = document.createElement('i');
    document.body.append(probe);
    const light = (value) => {
        probe.style.color = `var(${value})`;
        const parts = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
        const linear = parts.map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const lights = [[light(name), light('--bg')], [light(name), light('--panel')]];
    probe.remove();
    return Math.min(...lights.map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)));
}"""


def test_a_million_tokens_do_not_stall_it(chromium: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [long_text(5_000_000, 0.7)], 8)
    visit = Visit(chromium, write_report(run))
    page = visit.page
    page.locator("#rows tbody tr button").first.click()
    summary = page.locator("#detail summary", has_text="D1")
    summary.wait_for()
    start = time.perf_counter()
    summary.click()
    page.get_by_role("button", name="Go to the evidence").click()
    page.locator("#detail mark").first.wait_for()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert time.perf_counter() - start < 2
    visit.close()


def test_a_long_line_does_not_stall_it(chromium: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [FACT], 1, extra="x" * 20_000_000)
    visit = Visit(chromium, write_report(run))
    start = time.perf_counter()
    visit.page.locator("#rows tbody tr button").first.click()
    visit.page.locator("#detail summary", has_text="Thinking").click()
    visit.page.locator("#detail .text div").nth(5).wait_for(state="attached")
    assert time.perf_counter() - start < 3
    visit.close()


def test_a_link_goes_before_filters(chromium: Any, report: Path) -> None:
    visit = Visit(chromium, report)
    visit.page.select_option("#f-status", "truncated")
    visit.page.evaluate("location.hash = '#sample=s000150&repeat=0'")
    visit.page.get_by_role("heading", name="s000150").wait_for()
    assert "s000150" in visit.ids()
    assert visit.page.locator("#rows tr[aria-current]").count() == 1
    visit.close()


def test_a_hundred_thousand_samples_open_in_two_seconds(chromium: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [long_text(2_000, 0.5 + number / 100) for number in range(20)], 100_000)
    file = write_report(run)
    assert file.stat().st_size < 20_000_000
    assert file.with_suffix(".samples").is_dir()
    visit = Visit(chromium, file)
    assert visit.seconds < 2
    interactive = visit.page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert interactive < 2000
    start = time.perf_counter()
    visit.page.select_option("#f-sort", "score, lowest first")
    assert visit.ids()[0] == "s000001"
    assert time.perf_counter() - start < 2
    visit.page.locator("#rows tbody tr button").nth(7).click()
    visit.page.locator("#detail h3").wait_for()
    start = time.perf_counter()
    visit.page.fill("#f-text", "number 99999?")
    visit.page.get_by_text("1 of 100,000 answers").wait_for()
    assert time.perf_counter() - start < 2
    visit.close()
