"""What the README and the guides tell people to type works, in the order in which they tell it."""

from __future__ import annotations

import json
import pydoc_data.topics
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from golong_eval.benchmarks import data_set_named
from golong_eval.benchmarks.suites import suite_named
from golong_eval.cli.main import main
from golong_eval.engines import embedded_model

from .engines.chat_server import ChatServer

ROOT = Path(__file__).parents[1]
SMALL = ["--limit", "1", "--max-tokens", "4"]


def commands(text: str) -> list[str]:
    """The `golong` command lines of indented blocks and inline code, without their comments."""
    lines = re.findall(r"^ {4}(golong [^\n#]+)", text, re.MULTILINE)
    return [part.strip() for line in lines for part in line.split("&&")]


def as_run_here(command: str, papers: Path, server: str) -> list[str]:
    """The same command with a checkpoint, documents and a server of this machine, and as little to do as possible."""
    if command.startswith("golong data fetch"):
        return ["tasks", "list"]  # there is no network
    if "--data data" in command or "--suite" in command:
        words = with_shipped_rows(re.sub("--judge m --judge-url [^ ]+", "--judge none", command), server)
        return [*words, "--output-dir", "benchmarks"]  # apart: runs of the same tasks are compared further down
    command = command.replace("path/to/checkpoint", embedded_model()).replace("~/papers", str(papers))
    if "--base-url" in command:
        command = re.sub(r"http://localhost:800[01]/v1", server, command).replace("org/model", "m")
    if "path/to/another" in command:
        command = command.replace("path/to/another", shutil.copytree(embedded_model(), Path("another")).name)
    if "responses.jsonl" in command:
        ids = [json.loads(line)["id"] for line in Path("mine.jsonl").read_text().splitlines()]
        Path("responses.jsonl").write_text("".join(json.dumps({"id": name, "response": "D1"}) + "\n" for name in ids))
    if "/RUN" in command:
        command = re.sub(r"(\w+)/(\w+)/RUN", lambda found: str(max(Path(found[1], found[2]).iterdir())), command)
    command = re.sub(r"--length [\w,]+", "--length 1k", command).replace("--per-task 20", "--per-task 1")
    words = shlex.split(command)[1:]
    if words[0] == "train":
        return [*words, "--show"]  # trl is not here; tests/training trains
    if words[0] == "audit":
        return [*words, "--limit", "1"]
    if words[0] == "plan":
        return [*words, "--limit", "1"]
    return words + (SMALL if words[0] == "run" and "scripted" not in words else [])


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in ("compound", "typesseq", "formatstrings", "import", "execmodel", "debugger", "naming", "with"):
        (folder / f"{name}.md").write_text(pydoc_data.topics.topics[name])
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        *(f"docs/{name}.md" for name in ("tasks", "rewards", "running", "endpoints", "planning", "clusters")),
        "docs/reports.md",
        "docs/comparing.md",
    ],
)
def test_the_commands_of_a_page_run_in_order(
    page: str, papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with ChatServer(entry={"id": "m", "max_model_len": 32_768}) as server:
        _run_commands(page, papers, server.url, capsys)


def _run_commands(page: str, papers: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = commands((ROOT / page).read_text())
    assert len(found) >= 2
    for command in found:
        with pytest.raises(SystemExit) as ended:
            main(as_run_here(command, papers, server))
        expected = 2 if "audit --variant official" in command else None  # attacks earn too much
        assert (ended.value.code or None) == expected, (command, capsys.readouterr().err)


SHIPPED = ROOT / "golong_eval" / "benchmarks" / "rows" / "longbench_v2.json"
BENCHMARK_PAGES = sorted(f"docs/benchmarks/{page.name}" for page in (ROOT / "docs" / "benchmarks").glob("*.md"))


def judge_or_answer(body: dict[str, Any]) -> str:
    """What the server of the pages of benchmarks says: a verdict to a judge's question."""
    code = re.findall(r"VERDICT ([0-9a-f]+): RIGHT", body["messages"][0]["content"])
    return f"VERDICT {code[-1]}: WRONG" if code else "Yes."


def with_shipped_rows(command: str, server: str) -> list[str]:
    """A command of a benchmark's page, over the rows that are shipped, with a judge of this machine."""
    command = command.replace("path/to/checkpoint", embedded_model()).replace("http://localhost:8000/v1", server)
    command = command.replace("--judge MODEL", "--judge m").replace("NAME/RUN", "checkpoint/RUN")
    if "/RUN" in command:
        command = re.sub(r"(\w+)/(\w+)/RUN", lambda found: str(max(Path(found[1], found[2]).iterdir())), command)
    words = shlex.split(command.replace("path/to/data.json", str(SHIPPED)))[1:]
    if words[0] != "run":
        return words
    if "--tasks" in words:
        tasks = words[words.index("--tasks") + 1].split(",")
    else:
        tasks = list(suite_named(words[words.index("--suite") + 1]).tasks)
    if "smoke" not in words and "--data" in words and "generated" not in command:
        at = words.index("--data")
        words[at : at + 2] = [part for name in tasks for part in ("--data", f"{name}=shipped")]
    if "--length" in words:
        words[words.index("--length") + 1] = "2k"
    for option in ("--limit", "--max-tokens", "--max-prompt-tokens", "--temperature"):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    return [*words, *SMALL, "--context-policy", "truncate", "--temperature", "0.7"]


@pytest.mark.parametrize("page", [*BENCHMARK_PAGES, "docs/judges.md", "docs/benchmarks.md"])
def test_the_commands_of_a_benchmark_s_page_run_in_order(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if page.endswith("general.md"):
        pytest.importorskip("lm_eval", reason="needs lm-eval")
    monkeypatch.chdir(tmp_path)
    Path("predictions.jsonl").write_text(json.dumps({"dataset": "qasper", "gold": ["a"], "pred": "a"}) + "\n")
    found = commands((ROOT / page).read_text())
    assert len(found) >= 2
    with ChatServer(entry={"id": "m", "max_model_len": 32_768}) as server:
        server.answer = judge_or_answer
        for command in found:
            if command.startswith("golong data fetch"):
                assert data_set_named(command.split()[3]).data.hub
                continue
            if any(word in command for word in ("--embedder", "--labels", "--summaries")):
                continue  # these need a model, a person, or real data
            with pytest.raises(SystemExit) as ended:
                main(with_shipped_rows(command, server.url))
            assert not ended.value.code, (command, capsys.readouterr().err)


@pytest.mark.parametrize(
    "page", ["README.md", "docs/rewards.md", "docs/statistics.md", "docs/comparing.md", "docs/advantages.md"]
)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        shrunk = block.replace("path/to/checkpoint", embedded_model()).replace('"8k"', '"1k", limit=1, max_tokens=4')
        names: dict[str, object] = {}
        exec(compile(shrunk, page, "exec"), names)
        for line in block.splitlines():
            expression, _, value = line.partition("  # ")
            if re.match(r"[0-9']", value):
                assert eval(expression.strip(), names) == eval(value), line


def test_every_file_that_the_readme_links_to_exists() -> None:
    for page in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/tasks.md",
        "docs/architecture.md",
        "docs/rewards.md",
        "docs/statistics.md",
        "docs/audit.md",
        "docs/running.md",
        "docs/endpoints.md",
        "docs/vllm.md",
        "docs/planning.md",
        "docs/clusters.md",
        "docs/reports.md",
        "docs/comparing.md",
        "docs/judges.md",
        "docs/benchmarks.md",
        "docs/advantages.md",
        "docs/training.md",
        "docs/trl.md",
        "docs/verl.md",
        "docs/openrlhf.md",
        "docs/slime.md",
        "docs/verifiers.md",
        "docs/roll.md",
        "docs/nemo_rl.md",
        "docs/lm_eval.md",
        "docs/inspect.md",
        *BENCHMARK_PAGES,
    ):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / target).exists(), (page, target)


@pytest.mark.slow
def test_the_page_of_the_audit_is_what_the_audit_says(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "docs" / "audit.py"), str(tmp_path)], check=True, cwd=ROOT)
    for name in ("audit.md", "audit-strict.svg", "audit-official.svg"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), (
            "write it again: python docs/audit.py"
        )
