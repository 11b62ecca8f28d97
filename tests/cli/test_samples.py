"""``golong samples``: the answers that were asked for, in the order asked for, whatever a model wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ..reports.builders import hostile_run

STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e]")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three tasks of five answers each, by number: hostile, endless thinking, empty, overlong, failed."""
    return hostile_run(tmp_path / "made").path


def shown(text: str) -> list[str]:
    return re.findall(r"^── (\S+), repeat", text, re.MULTILINE)


def ids(text: str) -> list[str]:
    return [one["id"] for one in json.loads(text)]


def test_every_answer_has_what_is_known_of_it(golong, run: Path) -> None:
    outcome = golong("samples", run, "--id", "t7-0", "--tail", "60")
    assert outcome.code == 0, outcome.err
    assert shown(outcome.out) == ["t7-0"]
    lines = outcome.out.splitlines()
    assert lines[1].startswith("score     0.000  ndcg@gold[strict,v1]")
    assert "sample    t7; length" in outcome.out
    assert "depth 40-60 %, language en" in outcome.out
    assert "thinking  " in outcome.out
    assert "(--full shows them)" in outcome.out
    assert "question  Who opened the valve?" in outcome.out
    assert "    1. D1\n    2. D2\n    3. D3\n" in outcome.out
    assert outcome.out.endswith(f"1 of 1 matching answers shown: {run}\n")
    full = golong("samples", run, "--id", "t7-0", "--full").out
    assert "The pump stopped at dawn." in full
    assert "(--full" not in full


def test_nothing_in_it_steers_the_terminal(golong, run: Path) -> None:
    for more in ([], ["--full"], ["--json"]):
        outcome = golong("samples", run, "--limit", "50", *more)
        assert not STEERS.search(outcome.out)
        assert "HYPERLINK" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--task", "t8,t1", "--status", "ok"], ["t1-0", "t1-3", "t8-0", "t8-3"]),
        (["--task", "t1", "--status", "provider_error"], ["t1-4"]),
        (["--task", "t1", "--status", "provider-error,empty"], ["t1-2", "t1-4"]),
        (["--status", "empty"], ["t1-2", "t7-2", "t8-2"]),
        (["--status", "truncated"], []),
        (["--status", "context-cut"], []),
        (["--id", "t8-0", "--id", "t1-0"], ["t1-0", "t8-0"]),
        (["--task", "t7", "--limit", "2"], ["t7-0", "t7-1"]),
        (["--task", "t7", "--lowest", "9"], ["t7-0", "t7-1", "t7-2", "t7-3"]),
        (["--repeat", "0", "--task", "t1", "--limit", "1"], ["t1-0"]),
    ],
)
def test_filters(golong, run: Path, arguments: list[str], expected: list[str]) -> None:
    outcome = golong("samples", run, *arguments, "--json")
    assert outcome.code == 0, outcome.err
    assert sorted(ids(outcome.out)) == sorted(expected)
    assert sorted(shown(golong("samples", run, *arguments).out)) == sorted(expected)


def test_ranking_leaves_out_what_has_no_score_and_counts_it(golong) -> None:
    samples = ["tasks", "build", "--out", "s.jsonl", "--tasks", "t3", "--length", "1k", "--per-task", "3"]
    assert golong(*samples).code == 0
    rows = [json.loads(line) for line in Path("s.jsonl").read_text().splitlines()]
    golds = [row["gold"]["items"] for row in rows]
    answers = ["[Answer]\n" + "\n".join(golds[0]), "[Answer]\n" + "\n".join([*golds[1], "D99"]), "[Answer]\nD99"]
    lines = [json.dumps({"id": row["id"], "response": text}) for row, text in zip(rows, answers, strict=True)]
    Path("answers.jsonl").write_text("\n".join(lines) + "\n")
    ran = golong("run", "--engine", "scripted", "--model", "answers.jsonl", "--tasks", "s.jsonl", "--no-report")
    assert ran.code == 0, ran.err
    (run,) = Path("runs").glob("*/*")
    names = [row["id"] for row in rows]
    assert ids(golong("samples", run, "--lowest", "3", "--json").out) == names[::-1]
    assert ids(golong("samples", run, "--highest", "2", "--json").out) == names[:2]
    assert ids(golong("samples", run, "--highest", "2", "--limit", "1", "--json").out) == names[:1]
    assert golong("samples", run, "--lowest", "1").out.endswith(f"1 of 3 matching answers shown: {run}\n")


def test_unranked_answers_are_counted(golong, run: Path) -> None:
    outcome = golong("samples", run, "--lowest", "2")
    assert "2 of 15 matching answers shown; 3 without a score have no place in the ranking" in outcome.out


def test_capped_answers_are_found(golong) -> None:
    ran = golong("run", "--engine", "scripted", "--engine-arg", "truncate=3", "--tasks", "t1", "--length", "1k",
                 "--limit", "2", "--no-report")  # fmt: skip
    assert ran.code == 0, ran.err
    (run,) = Path("runs", "gold").iterdir()
    outcome = golong("samples", run, "--status", "truncated")
    assert len(shown(outcome.out)) == 2
    assert re.search(r"^status .*, truncated", outcome.out, re.MULTILINE)


def test_json_has_whole_texts_and_no_nan(golong, run: Path) -> None:
    outcome = golong("samples", run, "--limit", "50", "--json")
    found = {one["id"]: one for one in json.loads(outcome.out, parse_constant=pytest.fail)}
    assert len(found) == 15
    assert found["t1-3"]["answer"] == "y" * 5000
    assert (found["t1-1"]["thinking"], found["t1-1"]["answer"]) == ("never ends", None)
    assert (found["t1-4"]["score"], found["t1-4"]["status"]) == (None, "provider_error")
    assert found["t1-0"]["thinking"].startswith("hm \x1b[2J")
    assert found["t1-0"]["gold"] == {"type": "text", "answers": ["Ada"]}
    assert "The pump stopped at dawn." in found["t1-0"]["prompt"]


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        (["--task", "t1,t77"], "unknown task of this run 't77'", "did you mean 't7'?"),
        (["--status", "truncate"], "unknown status 'truncate'", "did you mean 'truncated'?"),
        (["--id", "t1-44"], "unknown sample 't1-44'", "did you mean 't1-4'?"),
        (["--repeat", "1"], "the run has no repeat 1", "0 to 0"),
        (["--lowest", "1", "--highest", "1"], "both the lowest and the highest", "--lowest"),
        (["--variant", "offical"], "unknown variant 'offical'", "did you mean 'official'?"),
        (["--variant", "official"], "no results.official.json", "--variant official"),
        (["--limit", "0"], "--limit", "golong samples --help"),
    ],
)
def test_mistakes_are_told_in_two_lines(golong, run: Path, arguments: list[str], problem: str, hint: str) -> None:
    outcome = golong("samples", run, *arguments)
    assert outcome.code == 1
    told = outcome.err.strip().splitlines()
    assert len(told) == 2, outcome.err
    assert problem in told[0]
    assert hint in told[1]
