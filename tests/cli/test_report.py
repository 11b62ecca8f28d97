"""``golong report``, the reports that other verbs write, and JSON of every verb that prints a table."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golong_eval.errors import DocumentError, StorageError
from golong_eval.harness import Results

SCRIPTED = ["run", "--engine", "scripted", "--length", "1k", "--limit", "2", "--tasks", "t1,t7"]


def runs(model: str = "gold") -> list[Path]:
    return sorted(file.parent for file in Path("runs", model).glob("*/config.json"))


@pytest.fixture
def run(golong) -> Path:
    assert golong(*SCRIPTED, "--model", "gold", "--no-report").code == 0
    return runs()[0]


def strict_json(text: str) -> Any:
    """Read JSON and nothing but JSON: NaN and infinities are none."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    return json.loads(text, parse_constant=refuse)


# ---------------------------------------------------------------------------------------------------------
# golong report


def test_a_report_has_the_table_of_the_run_and_writes_html(golong, run: Path) -> None:
    outcome = golong("report", run)
    assert outcome.code == 0, outcome.err
    assert "ndcg@gold[strict,v1]" in outcome.out
    assert f"run folder: {run}\n" in outcome.out
    assert outcome.out.endswith(f"report: {run}/report.html\n")
    assert (run / "report.html").stat().st_size
    assert not (run / "export").exists()


def test_a_report_of_many_lengths_has_slices_that_the_run_points_to(golong) -> None:
    ran = golong("run", "--engine", "scripted", "--length", "1k,2k", "--limit", "1", "--tasks", "t1,t2", "--no-report")
    assert ran.code == 0, ran.err
    (path,) = runs()
    assert f"golong report {path}" in ran.out
    assert "by tokens of the prompt" not in ran.out
    shown = golong("report", path, "--no-html").out
    assert "by tokens of the prompt, up to:\ntask" in shown
    assert "effective length 2K of 2K" in shown
    assert not (path / "report.html").exists()


def test_exports_are_written_where_they_are_told(golong, run: Path) -> None:
    outcome = golong("report", run, "--no-html", "--export", "markdown,csv", "--export", "lm-eval")
    assert outcome.code == 0, outcome.err
    assert {file.name for file in (run / "export").iterdir()} == {
        *("results.md", "results.csv", "slices.csv", "samples.csv", "lm-eval")
    }
    assert f"csv: {run}/export/results.csv and 2 more beside it\n" in outcome.out
    elsewhere = golong("report", run, "--export", "csv", "--out", "there/it")
    assert elsewhere.code == 0, elsewhere.err
    assert {file.name for file in Path("there/it").iterdir()} == {
        *("report.html", "results.csv", "slices.csv", "samples.csv")
    }
    assert not (run / "report.html").exists()


def test_another_variant_has_a_report_and_exports_of_its_own(golong, run: Path) -> None:
    missing = golong("report", run, "--variant", "official")
    assert missing.code == 1
    assert f"golong score {run} --variant official" in missing.err
    scored = golong("score", run, "--variant", "official")
    assert scored.out.endswith(f"report: {run}/report.official.html\n")
    assert not (run / "report.html").exists()
    outcome = golong("report", run, "--variant", "official", "--export", "csv")
    assert outcome.code == 0, outcome.err
    assert "ndcg@gold[official,v1]" in outcome.out
    assert (run / "export" / "official" / "results.csv").is_file()


def test_the_strict_variant_of_strict_tasks_is_the_run_itself(golong, run: Path) -> None:
    assert golong("score", run, "--variant", "strict", "--no-report").code == 0
    assert not (run / "results.strict.json").exists()
    outcome = golong("report", run, "--variant", "strict")
    assert outcome.code == 0, outcome.err
    assert (run / "report.html").is_file()


def test_other_metrics_are_the_variant_custom(golong, run: Path) -> None:
    missing = golong("report", run, "--variant", "custom")
    assert "--metric TASK=METRIC" in missing.err
    scored = golong("score", run, "--metric", "t7=ndcg@gold[strict,v1,chance_corrected]")
    assert scored.out.endswith(f"report: {run}/report.custom.html\n")
    assert "chance_corrected" in golong("report", run, "--variant", "custom").out


def test_a_run_that_was_moved_is_named_by_where_it_is(golong, run: Path) -> None:
    shutil.move(run, "moved")
    outcome = golong("report", "moved", "--json")
    assert strict_json(outcome.out)["run"] == "moved"
    assert outcome.err == "report: moved/report.html\n"


def test_several_runs_make_one_table_and_a_report_each(golong) -> None:
    assert golong(*SCRIPTED, "--model", "gold", "--model", "empty", "--no-report").code == 0
    both = [*runs("gold"), *runs("empty")]
    outcome = golong("report", *both)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0].split() == ["task", "metric", "gold", "empty"]
    assert all((path / "report.html").is_file() for path in both)
    assert golong("report", *both, "--out", "all").code == 0
    assert {path.name for path in Path("all").iterdir()} == {f"{path.parent.name}-{path.name}" for path in both}
    assert [one["model"] for one in strict_json(golong("report", *both, "--json").out)] == ["gold", "empty"]


def test_a_run_without_all_its_answers_is_reported_and_says_so(golong) -> None:
    assert golong(*SCRIPTED, "--engine-arg", "fail=1", "--no-report").code == 2
    outcome = golong("report", *runs())
    assert outcome.code == 0, outcome.err
    assert "2 of 2 answers have no score (2 provider_error)" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        (["nowhere"], "nowhere: no config.json here", "runs/MODEL/STAMP"),
        (["{run}", "--variant", "offical"], "unknown variant 'offical'", "did you mean 'official'?"),
        (["{run}", "--export", "cvs"], "unknown export 'cvs'", "did you mean 'csv'?"),
        (["{run}", "--out", "{run}/config.json"], "config.json", "--out"),
        ([], "Missing argument", "golong report --help"),
    ],
)
def test_mistakes_are_told_in_two_lines(golong, run: Path, arguments: list[str], problem: str, hint: str) -> None:
    outcome = golong("report", *(argument.replace("{run}", str(run)) for argument in arguments))
    assert outcome.code == 1
    told = outcome.err.strip().splitlines()
    assert len(told) == 2, outcome.err
    assert problem in told[0]
    assert hint in told[1]


def test_a_run_that_was_never_scored_says_how_to_go_on(golong, run: Path) -> None:
    (run / "results.json").unlink()
    outcome = golong("report", run)
    assert outcome.code == 1
    assert "the run has no results.json" in outcome.err
    assert f"golong score {run}" in outcome.err
    assert golong("score", run, "--no-report").code == 0
    assert golong("report", run).code == 0


# ---------------------------------------------------------------------------------------------------------
# The reports of other verbs


def test_a_run_ends_with_the_path_of_its_report(golong) -> None:
    outcome = golong(*SCRIPTED, "--model", "gold")
    (path,) = runs()
    assert outcome.out.endswith(f"run folder: {path}\nreport: {path}/report.html\n")
    assert (path / "report.html").is_file()
    assert "report" not in golong(*SCRIPTED, "--model", "empty", "--no-report").out.replace("golong report", "")
    assert not (runs("empty")[0] / "report.html").exists()
    several = golong(*SCRIPTED, "--model", "wrong", "--model", "gold")
    assert several.out.count("report: ") == 2


def test_a_merged_run_has_a_report(golong) -> None:
    for part in ("1/2", "2/2"):
        assert golong(*SCRIPTED, "--model", "gold", "--shard", part, "--no-report").code == 0
    merged = golong("merge", *runs())
    assert merged.code == 0, merged.err
    assert merged.out.splitlines()[-1].endswith("-merged/report.html")


@pytest.mark.parametrize("error", [StorageError("cannot write it", "free some space"), OSError(28, "no space left")])
def test_a_report_that_can_not_be_written_loses_nothing(
    golong, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(importlib.import_module("golong_eval.reports.html"), "write_report", fail)
    outcome = golong(*SCRIPTED, "--model", "gold")
    (path,) = runs()
    assert outcome.code == 0
    assert "1.000" in outcome.out
    assert f"no report was written ({error}); later: golong report {path}" in outcome.out.splitlines()[-1]
    assert golong("score", path).code == 0
    silent = golong("score", path, "--json")
    assert strict_json(silent.out)
    assert "no report was written" in silent.err


# ---------------------------------------------------------------------------------------------------------
# JSON

_VERBS: dict[str, tuple[list[str], Callable[[Any], bool]]] = {
    "tasks list": (
        ["tasks", "list"],
        lambda found: [row["id"] for row in found][:9] == [f"t{n}" for n in range(1, 10)],
    ),
    "tasks show": (["tasks", "show", "t7", "--language", "zh"], lambda found: len(found["examples"][0]["right"]) > 0),
    "tasks validate": (["tasks", "validate"], lambda found: found == {"checked": "the built-in tasks", "faults": []}),
    "tasks build": (
        ["tasks", "build", "--out", "mine.jsonl", "--length", "1k", "--per-task", "1", "--tasks", "t1,t2"],
        lambda found: [row["made"] for row in found["tasks"]] == [1, 1],
    ),
    "plan": (["plan", *SCRIPTED[1:]], lambda found: found["model"] == "gold"),
    "run --dry-run": ([*SCRIPTED, "--dry-run"], lambda found: found["model"] == "gold"),
    "run": (SCRIPTED, lambda found: bool(Results.model_validate(found).tasks)),
    "score": (["score", "{run}"], lambda found: bool(Results.model_validate(found).tasks)),
    "report": (["report", "{run}"], lambda found: bool(Results.model_validate(found).tasks)),
    "samples": (["samples", "{run}"], lambda found: len(found) == 4),
    "audit": (["audit", "--metric", "f1", "--limit", "1"], lambda found: found["variant"] == "strict"),
}


@pytest.mark.parametrize("verb", _VERBS)
def test_json_is_all_that_a_verb_prints(golong, run: Path, verb: str) -> None:
    arguments, holds = _VERBS[verb]
    outcome = golong(*(argument.replace("{run}", str(run)) for argument in arguments), "--json")
    assert outcome.code == 0, outcome.err
    assert holds(strict_json(outcome.out))


def test_faults_are_json_too(golong) -> None:
    Path("mine.jsonl").write_text("{\n")
    outcome = golong("tasks", "validate", "mine.jsonl", "--json")
    assert outcome.code == 1
    (fault,) = strict_json(outcome.out)["faults"]
    assert (fault["file"], fault["line"]) == ("mine.jsonl", 1)


# ---------------------------------------------------------------------------------------------------------
# Terminals

_ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202egnp"
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


def test_nothing_in_a_folder_steers_the_terminal(golong, run: Path) -> None:
    content = json.loads((run / "results.json").read_text())
    failure = {"task": _ESCAPES, "status": _ESCAPES, "reason": _ESCAPES, "count": 1, "example": _ESCAPES}
    content |= dict.fromkeys(("engine", "context", "started", "stopped", "shard", "model"), _ESCAPES)
    content |= {"dropped": {_ESCAPES: _ESCAPES}, "failed": [failure], "failures": 1}
    (run / "results.json").write_text(json.dumps(content))
    other = run.with_name(f"other{_ESCAPES}")
    shutil.copytree(run, other)
    for arguments in (
        ["report", run],
        ["report", other, "--export", "markdown,csv"],
        ["report", run, other, "--no-html"],
        ["samples", other],
        ["compare", run, other],
        ["compare", run, other, "--markdown"],
        ["score", other],
    ):
        outcome = golong(*arguments)
        assert outcome.code == 0, outcome.err
        assert not _STEERS.search(outcome.out + outcome.err), arguments
        assert "\\x1b[2J" in outcome.out or "\\x1b\\[2J" in outcome.out, arguments


def test_no_error_steers_the_terminal(golong) -> None:
    for verb in ("report", "samples", "score", "merge"):
        outcome = golong(verb, f"no{_ESCAPES}where")
        assert outcome.code == 1
        assert not _STEERS.search(outcome.err)
        assert "\\x1b[2J" in outcome.err


def test_a_report_of_documents_that_are_gone_is_told_and_loses_nothing(golong, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DocumentError("document 'D1' has changed", "build the samples again")

    monkeypatch.setattr(importlib.import_module("golong_eval.reports.html"), "write_report", fail)
    outcome = golong(*SCRIPTED, "--model", "gold")
    assert outcome.code == 0
    assert "no report was written (document 'D1' has changed); later: golong report" in outcome.out
