"""The command as a user types it: tables, exit codes, two-line errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_help_and_version(golong) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        outcome = golong(*arguments)
        assert (outcome.code, "Usage: golong" in outcome.out) == (0, True)
    assert golong("--version").out == "0.1.0\n"
    assert "list" in golong("tasks").out
    assert "--documents" in golong("run", "--help").out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["run", "--modle", "x"], "--modle"),
        (["rn"], "rn"),
        (["run", "--limit", "many"], "--limit"),
        (["run", "--tasks", "t0"], "unknown task 't0'"),
        (["run", "--model", "./nowhere"], "no checkpoint folder at ./nowhere"),
        (["run", "--engine-arg", "batch"], "'batch' is not KEY=VALUE"),
        (["run", "--engine", "scripted", "--model", "no.jsonl"], "no script or file 'no.jsonl'"),
        (["run", "--documents", "./nowhere"], "no documents at nowhere"),
        (["run", "--resume"], "no run of embedded to resume"),
        (["tasks", "show", "t77"], "unknown task 't77'"),
        (["tasks", "build", "--out", "a.jsonl", "--length", "tall"], "tall"),
        (["tasks", "build", "--out", "a.jsonl", "--tasks", "t1,x"], "'x'"),
        (["tasks", "new", "My Task"], "My Task"),
    ],
)
def test_an_error_is_two_lines_and_exit_code_1(golong, arguments: list[str], problem: str) -> None:
    outcome = golong(*arguments)
    assert outcome.code == 1
    told = [line for line in outcome.err.splitlines() if not line.startswith(("load", "build"))]
    assert len(told) == 2, outcome.err
    assert told[0].startswith("golong: ")
    assert problem in told[0]
    assert told[1].startswith("        ")


def test_underscores_are_accepted(golong) -> None:
    outcome = golong("run", "--engine=scripted", "--output_dir=out", "--length", "1k", "--limit", "1", "--tasks", "t1")
    assert outcome.code == 0, outcome.err
    assert list(Path("out").rglob("results.json"))


def test_run_prints_the_table_and_json(golong) -> None:
    arguments = ["run", "--engine", "scripted", "--length", "1k", "--limit", "2"]
    table = golong(*arguments)
    assert table.code == 0, table.err
    rows = [line.split() for line in table.out.splitlines() if line.startswith("t")][1:]
    assert [row[0] for row in rows][:9] == [f"t{number}" for number in range(1, 10)]
    assert all("1.000" in row for row in rows[:9])
    printed = json.loads(golong(*arguments, "--json").out)
    assert [row["mean"] for row in printed["tasks"]] == [1.0] * 9


def test_failures_exit_2_and_say_so(golong) -> None:
    outcome = golong(
        *["run", "--engine", "scripted", "--length", "1k", "--limit", "3", "--tasks", "t1", "--engine-arg", "fail=1"]
    )
    assert outcome.code == 2
    assert "3 of 3 answers have no score (3 provider_error)" in outcome.out


def test_dry_run_writes_nothing(golong) -> None:
    outcome = golong("run", "--tasks", "t1,t2", "--length", "1k", "--limit", "2", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "4 answers" in outcome.out
    assert not Path("runs").exists()
    refused = golong("run", "--tasks", "t1", "--length", "64k", "--dry-run")
    assert (refused.code, "do not fit the model" in refused.err) == (1, True)


def test_build_validate_run(golong) -> None:
    built = golong("tasks", "build", "--length", "1k", "--per-task", "2", "--out", "mine.jsonl")
    assert built.code == 0, built.err
    again = golong("tasks", "build", "--length", "1k", "--per-task", "2", "--out", "mine.jsonl")
    assert (again.code, "exists" in again.err) == (1, True)
    first = {file.name: file.read_bytes() for file in [Path("mine.jsonl"), *Path("mine.documents").iterdir()]}
    assert golong("tasks", "build", "--length", "1k", "--per-task", "2", "--out", "mine.jsonl", "--overwrite").code == 0
    assert {file.name: file.read_bytes() for file in [Path("mine.jsonl"), *Path("mine.documents").iterdir()]} == first
    valid = golong("tasks", "validate", "mine.jsonl")
    assert (valid.code, "0 faults" in valid.out) == (0, True), valid.err
    ran = golong("run", "--engine", "scripted", "--tasks", "mine.jsonl")
    assert ran.code == 0, ran.err


def test_validate_reports_faults_by_line(golong) -> None:
    golong("tasks", "build", "--length", "1k", "--per-task", "1", "--out", "mine.jsonl")
    rows = Path("mine.jsonl").read_text().splitlines()
    rows[1] = rows[1].replace('"task":', '"tsk":')
    rows[3] = "{"
    Path("mine.jsonl").write_text("\n".join(rows))
    outcome = golong("tasks", "validate", "mine.jsonl")
    assert outcome.code == 1
    assert "mine.jsonl:2:" in outcome.err
    assert "'tsk'" in outcome.err
    assert "mine.jsonl:4:" in outcome.err


def test_a_task_of_one_s_own(golong) -> None:
    made = golong("tasks", "new", "my_task")
    assert made.code == 0, made.err
    assert golong("tasks", "validate", "my_task").code == 0
    assert "my_task" in golong("tasks", "list", "--include", "my_task").out
    ran = golong("run", "--include", "my_task", "--tasks", "my_task", "--engine", "scripted")
    assert ran.code == 0, ran.err
    assert "1.000" in ran.out


def test_list_and_show(golong) -> None:
    listed = golong("tasks", "list").out
    assert all(f"t{number} " in listed for number in range(1, 10))
    for language in ("en", "zh"):
        shown = golong("tasks", "show", "t7", "--language", language)
        assert shown.code == 0, shown.err
        assert "a right answer" in shown.out
    assert golong("tasks", "validate").code == 0


def test_a_closed_pipe_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "golong_eval", "tasks", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert process.stderr == ""


def test_the_embedded_checkpoint_runs(golong) -> None:
    outcome = golong("run", "--limit", "1", "--length", "1k", "--max-tokens", "4", "--tasks", "t1,t5,t9")
    assert outcome.code == 0, outcome.err
    assert "untrained" in outcome.out
    assert "more than 10 % of answers ended at their token cap" in outcome.out
