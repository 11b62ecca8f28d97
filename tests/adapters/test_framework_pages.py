"""What the pages of the training frameworks tell people to type works, as far as it needs no framework."""

from __future__ import annotations

import importlib.util
import json
import pydoc_data.topics
import re
from pathlib import Path

import pytest
import yaml

from golong_eval.adapters.batch_advantages import SETTINGS
from golong_eval.cli.main import main

from ..test_docs import as_run_here, commands

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("openrlhf", "slime", "verifiers", "roll", "nemo_rl")


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.frameworks] * (page == "verifiers")) for page in PAGES]
)
def test_the_commands_and_the_python_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if page == "verifiers":
        pytest.importorskip("verifiers", reason="needs verifiers")
    papers = tmp_path / "papers"
    papers.mkdir()
    for name in ("compound", "typesseq", "formatstrings", "import", "execmodel", "debugger"):
        (papers / f"{name}.md").write_text(pydoc_data.topics.topics[name])
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    found = commands(text)
    assert found
    for command in found:
        with pytest.raises(SystemExit) as ended:
            main(as_run_here(command, papers, ""))
        assert not ended.value.code, (command, capsys.readouterr().err)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})
    if page != "verifiers":
        assert Path("rows.jsonl").read_text(encoding="utf-8").count("\n") >= 5


@pytest.mark.parametrize("page", PAGES)
def test_the_names_and_files_of_a_page_are_there(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"golong_eval\.adapters\.\w+", text)):
        assert importlib.util.find_spec(name) is not None, name
    for file in re.findall(r"training/[\w/]+\.(?:sh|py|yaml)", text):
        assert (DOCS.parent / file).exists(), file
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        assert isinstance(yaml.safe_load(block), dict)
    for target, anchor in re.findall(r"\]\((\w+\.md)(?:#([\w-]+))?\)", text):
        headings = re.findall(r"^#+ (.*)$", (DOCS / target).read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", ["verl", "openrlhf", "slime", "verifiers"])
def test_a_page_installs_what_building_samples_needs(page: str) -> None:
    found = re.findall(r"pip install '?golong-eval\[([\w,]+)\]", (DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert found
    assert all("data" in extras.split(",") for extras in found)


def test_the_job_of_ray_carries_the_hook_and_the_settings() -> None:
    text = (DOCS / "openrlhf.md").read_text(encoding="utf-8")
    (given,) = re.findall(r"--runtime-env-json '(.*?)'", text, re.DOTALL)
    environment = json.loads(given)
    module, _, name = environment["worker_process_setup_hook"].rpartition(".")
    assert (module, name) == ("golong_eval.adapters.openrlhf_advantages", "install")
    assert {key.removeprefix("GOLONG_").lower() for key in environment["env_vars"]} <= set(SETTINGS)
    assert environment["env_vars"]
