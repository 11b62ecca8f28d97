"""``golong audit`` as a user types it: table, exit codes, files, two-line errors."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from golong_eval.rewards.audit import ATTACKS, AuditReport

LISTS = ("--metric", "f1", "--metric", "sub_em", "--metric", "ndcg", "--metric", "pairwise_accuracy")
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


def test_strict_lists_pass_and_the_table_fits(golong) -> None:
    outcome = golong("audit", *LISTS)
    assert outcome.code == 0, outcome.out
    lines = outcome.out.splitlines()
    assert lines[0].startswith("audit of the strict rewards: 13 samples")
    assert lines[2].split() == ["F1", "SubEM", "NDCG", "pairs"]
    assert max(map(len, lines)) <= 110
    assert {attack.name for attack in ATTACKS} <= {line[:28].strip() for line in lines}
    assert lines[-1].startswith("no attack earns more than it may")


def test_nine_columns_fit_too(golong) -> None:
    outcome = golong("audit", "--variant", "official", "--limit", "1")
    assert outcome.code == 2
    table, _, rest = outcome.out.partition("more than the bound")
    assert max(map(len, table.splitlines())) <= 110
    assert "unclosed thinking, t2-example-2: 1.000, bound 0.000" in rest
    assert "1!" in table


def test_a_function_from_the_current_directory(golong) -> None:
    Path("mine.py").write_text(
        "def reward(response, gold):\n    return 1.0\n\ndef broken(response, gold):\n    1 / 0\n"
    )
    outcome = golong("audit", "--metric", "f1", "--limit", "1", "--function", "mine:reward")
    assert (outcome.code, "audit of the function mine:reward" in outcome.out) == (2, True), outcome.err
    broken = golong("audit", "--metric", "f1", "--limit", "1", "--function", "mine:broken")
    assert broken.code == 2
    assert "raises ZeroDivisionError: division by zero" in broken.out
    assert "–E" in broken.out


def test_everything_is_written_as_json(golong) -> None:
    assert golong("audit", "--metric", "f1", "--limit", "1", "--out", "audit.json").code == 0
    report = AuditReport.model_validate_json(Path("audit.json").read_bytes())
    assert report.identities == {"f1": "f1[strict,v1]"}
    assert json.loads(Path("audit.json").read_text())["cases"][0]["bounds"]["source"] == "formula"


def test_a_task_and_samples_of_one_s_own(golong) -> None:
    golong("tasks", "new", "my_task")
    assert golong("audit", "--task", "my_task").code == 0
    assert "my_task" not in golong("audit", *LISTS, "--limit", "1").out
    golong("tasks", "build", "--length", "1k", "--per-task", "1", "--tasks", "t3,t8", "--out", "mine.jsonl")
    outcome = golong("audit", "--samples", "mine.jsonl")
    assert (outcome.code, ": 2 samples," in outcome.out) == (0, True), outcome.err
    assert ": 1 samples," in golong("audit", "--samples", "mine.jsonl", "--metric", "f1").out


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        (["--metric", "subem"], "unknown metric 'subem'", "did you mean 'sub_em'?"),
        (["--variant", "offical"], "unknown variant 'offical'", "did you mean 'official'?"),
        (["--function", "missing_module:f"], "no module 'missing_module'", "missing_module.py"),
        (["--function", "json:dump_s"], "unknown function of json 'dump_s'", "did you mean 'dumps'?"),
        (["--function", "json:__name__"], "can't be called", "f(response, gold)"),
        (["--function", "json"], "'json' names no function", "module:function"),
        (["--function", "json:dumps", "--variant", "official"], "no official variant", "leave --variant out"),
        (["--task", "nowhere"], "nowhere", "task.yaml"),
        (["--samples", "nowhere.jsonl"], "nowhere.jsonl", "JSONL"),
        (["--task", "a", "--samples", "b"], "both", "one after the other"),
        (["--figure", "audit.pdf"], "audit.pdf is neither .svg nor .png", "audit.svg"),
        (["--out", "no/where.json", "--limit", "1"], "cannot write", "folder"),
        (["--limt", "1"], "--limt", "golong audit --help"),
    ],
)
def test_an_error_is_two_lines_and_exit_code_1(golong, arguments: list[str], problem: str, hint: str) -> None:
    outcome = golong("audit", "--metric", "f1", *arguments)
    assert outcome.code == 1
    told = [line for line in outcome.err.splitlines() if not line.startswith("audit")]
    assert len(told) == 2, outcome.err
    assert problem in told[0]
    assert hint in told[1]


@pytest.mark.skipif(HAS_MATPLOTLIB, reason="matplotlib is installed")
def test_a_figure_names_what_to_install(golong) -> None:
    outcome = golong("audit", "--figure", "audit.svg")
    assert (outcome.code, "golong-eval[plot]" in outcome.err) == (1, True)


@pytest.mark.skipif(not HAS_MATPLOTLIB, reason="needs the extra plot")
def test_a_figure_is_the_same_every_time(golong) -> None:
    for name in ("first.svg", "again.svg", "one.png"):
        assert golong("audit", "--metric", "sub_em", "--limit", "1", "--figure", name).code == 0
    assert Path("first.svg").read_bytes() == Path("again.svg").read_bytes()
    assert "dump of every candidate" in Path("first.svg").read_text()
    assert Path("one.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in Path().iterdir()) == ["again.svg", "first.svg", "one.png"]


def test_a_file_that_can_not_be_written_is_told_before_anything_is_done(golong) -> None:
    for option in ("--out", "--figure"):
        outcome = golong("audit", option, "nowhere/audit.svg")
        assert outcome.code == 1
        assert "there is no folder nowhere" in outcome.err
        assert "Traceback" not in outcome.err
