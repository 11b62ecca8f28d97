"""``golong plan``: what a run would take, exit codes, and the same text as a dry run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SMALL = ["--tasks", "t1,t2", "--length", "1k", "--limit", "2"]


def test_a_plan_says_what_a_dry_run_says_and_writes_nothing(golong) -> None:
    planned, dry = golong("plan", *SMALL), golong("run", *SMALL, "--dry-run")
    assert (planned.code, planned.out) == (0, dry.out), planned.err
    assert "4 answers" in planned.out
    assert not Path("runs").exists()


def test_a_plan_as_json_has_the_same_numbers(golong) -> None:
    printed = json.loads(golong("plan", *SMALL, "--gpu", "H100", "--json").out)
    assert [row["samples"] for row in printed["tasks"]] == [2, 2]
    assert printed["shape"]["kv_bytes_per_token"] == 2048
    assert printed["gpus"]["degree"] == 1
    several = json.loads(
        golong("plan", *SMALL, "--engine", "scripted", "--model", "gold", "--model", "empty", "--json").out
    )
    assert [plan["model"] for plan in several] == ["gold", "empty"]


def test_time_and_cost_are_printed_where_they_can_be_known(golong) -> None:
    outcome = golong("plan", *SMALL, "--prefill-tps", "100", "--decode-tps", "10", "--price", "1,2")
    assert "at 100 prompt and 10 answer tokens a second" in outcome.out
    assert "by --price" in outcome.out


def test_what_fits_nowhere_exits_1_with_the_whole_plan(golong) -> None:
    outcome = golong("plan", *SMALL, "--gpu", "1")
    assert outcome.code == 1
    assert "the weights do not fit on 4 x 1-GiB GPU" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--gpu", "H1000"], "unknown GPU 'H1000'"),
        (["--kv-dtype", "fp4"], "kv_dtype"),
        (["--prefill-tps", "100"], "needs both"),
        (["--measured", "nowhere"], "no answers of a run in nowhere"),
        (["--length", "64k"], "do not fit the model's 32,768 positions"),
    ],
)
def test_an_error_is_two_lines_and_exit_code_1(golong, arguments: list[str], problem: str) -> None:
    outcome = golong("plan", *SMALL, *arguments)
    assert outcome.code == 1
    told = [line for line in outcome.err.splitlines() if not line.startswith(("load", "build"))]
    assert len(told) == 2, outcome.err
    assert problem in told[0]


def test_dry_runs_of_several_models_are_one_json_list(golong) -> None:
    outcome = golong("run", "--engine", "scripted", "--model", "gold", "--model", "empty", "--tasks", "t1",
                     "--length", "1k", "--limit", "1", "--dry-run", "--json")  # fmt: skip
    assert [plan["model"] for plan in json.loads(outcome.out)] == ["gold", "empty"]
