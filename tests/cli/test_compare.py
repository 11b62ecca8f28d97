"""``golong compare``: what it prints, what it refuses, and its exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

SCRIPTED = ["run", "--engine", "scripted", "--length", "1k", "--limit", "12"]


def made(golong, model: str, *arguments: str, tasks: str = "t1,t7") -> Path:
    before = set(Path("runs").glob("*/*"))
    outcome = golong(*SCRIPTED, "--model", model, "--tasks", tasks, "--no-report", *arguments)
    assert outcome.code in (0, 2), outcome.err
    (run,) = set(Path("runs").glob("*/*")) - before
    return run


def half_right(run: Path) -> str:
    """A file of answers: those of a run of golds, every other one wrong and the last one missing."""
    lines = []
    for file in sorted((run / "predictions").iterdir()):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for place, row in enumerate(rows[:-1]):
            lines.append({"id": row["sample_id"], "response": "[Answer]\nqwzx" if place % 2 else row["text"]})
    Path("half.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return "half.jsonl"


def test_two_runs_make_a_table_with_sentences(golong) -> None:
    gold = made(golong, "gold")
    half = made(golong, half_right(gold))
    outcome = golong("compare", gold, half, "--show", "2")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0] == "half.jsonl compared with gold"
    assert str(gold) in lines[1]
    assert str(half) in lines[2]
    assert lines[3] == "differ in: model"
    table = [line.split() for line in lines[5:10]]
    assert table[0][:6] == ["task", "metric", "n", "clusters", "gold", "half.jsonl"]
    # 5 of 12 wrong, 1 without an answer.
    assert table[2][:3] == ["t1", "exact_match[strict,v1]", "12"]
    assert table[2][4:7] == ["1.000", "0.500", "-0.500"]
    assert table[2][-1] == "0/6/6"
    assert table[4][0] == "average"
    assert "no part of Holm's family" in outcome.out
    assert "average: half.jsonl is lower by" in outcome.out
    assert (
        "t1: 1 answer of half.jsonl to these samples without a score, counted as 0; "
        "over the 11 scored in both runs the difference is -0.455"
    ) in outcome.out
    assert "largest losses (2 of 12)" in outcome.out
    assert "(failed)" not in outcome.out.split("largest losses")[0]
    assert f"half.jsonl: golong samples {half} --id t1-" in outcome.out
    assert "gains" not in outcome.out


def test_a_difference_that_was_not_found_says_what_would_have_been(golong) -> None:
    gold = made(golong, "gold", tasks="t1")
    answers = [json.loads(line) for line in (gold / "predictions" / "t1.jsonl").read_text().splitlines()]
    for name, wrong in (("a", {0, 1}), ("b", {2, 3, 4})):
        rows = [
            {"id": row["sample_id"], "response": "[Answer]\nqwzx" if place in wrong else row["text"]}
            for place, row in enumerate(answers)
        ]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = golong("compare", made(golong, "a.jsonl", tasks="t1"), made(golong, "b.jsonl", tasks="t1"))
    assert outcome.code == 0, outcome.err
    # Five samples differ: too few for six of one sign, which it takes.
    assert "t1: no difference was found, and too few clusters differ to say what could have been" in outcome.out
    assert "t1: no interval: fewer than 10 clusters differ" in outcome.out
    assert "* p below 0.05; each interval" in outcome.out
    assert "largest gains of b.jsonl (2 of 2)" in outcome.out
    assert "largest losses (3 of 3)" in outcome.out


def test_several_runs_make_a_table_each(golong) -> None:
    runs = [made(golong, model) for model in ("gold", "empty", "wrong")]
    outcome = golong("compare", *runs)
    assert outcome.code == 0, outcome.err
    assert "empty compared with gold" in outcome.out
    assert "wrong compared with gold" in outcome.out
    assert "for all 4 tests here" in outcome.out
    assert outcome.out.count("differ in: model") == 2


def test_markdown_has_real_links_to_reports(golong) -> None:
    gold, wrong = made(golong, "gold"), made(golong, "wrong")
    (wrong / "report.html").write_text("")
    outcome = golong("compare", gold, wrong, "--markdown", "--show", "1")
    assert outcome.code == 0, outcome.err
    assert "## wrong compared with gold" in outcome.out
    assert "|---|---|--:|" in outcome.out
    assert "exact\\_match\\[strict,v1\\]" in outcome.out
    assert f"[wrong]({wrong}/report.html#sample=t1-" in outcome.out
    assert f"`golong samples {gold} --id t1-" in outcome.out
    rows = [line for line in outcome.out.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows[:4]} == {12}
    text = golong("compare", gold, wrong, "--show", "1").out
    assert f"wrong: {wrong}/report.html#sample=t1-" in text
    assert "\x1b" not in text


def test_json_has_every_pair_where_asked(golong) -> None:
    gold, wrong = made(golong, "gold"), made(golong, "wrong")
    outcome = golong("compare", gold, wrong, "--json")
    assert outcome.code == 0, outcome.err
    (one,) = json.loads(outcome.out)["comparisons"]
    assert [(row["task"], row["difference"], row["pairs"]) for row in one["tasks"]] == [
        ("t1", -1.0, None),
        ("t7", -1.0, None),
    ]
    with_pairs = json.loads(golong("compare", gold, wrong, "--json", "--pairs").out)
    pairs = with_pairs["comparisons"][0]["tasks"][0]["pairs"]
    assert [pair["difference"] for pair in pairs] == [-1.0] * 12
    json.loads(outcome.out, parse_constant=pytest.fail)


def test_contexts_compare_where_that_is_allowed(golong) -> None:
    full, none = made(golong, "gold"), made(golong, "gold", "--context", "none")
    refused = golong("compare", full, none)
    assert refused.code == 1
    assert "t1, t7: context differs (full, none)" in refused.err
    assert "add --allow context" in refused.err
    assert len(refused.err.strip().splitlines()) == 2
    outcome = golong("compare", full, none, "--allow", "context,context_policy")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("gold, context none compared with gold, context full")
    assert "differ in: context\n" in outcome.out
    assert "context differs (full, none): compared because that was allowed" in outcome.out
    assert "t1, t7: all scores are equal" in outcome.out


def test_what_is_refused_is_listed_beside_what_is_not(golong) -> None:
    gold, wrong = made(golong, "gold"), made(golong, "wrong")
    assert golong("score", wrong, "--metric", "t7=ndcg@gold[strict,v1,chance_corrected]").code == 0
    assert golong("score", gold, "--metric", "t1=exact_match").code == 0
    for run in (gold, wrong):
        if not (run / "results.custom.json").exists():
            (run / "results.custom.json").write_text((run / "results.json").read_text())
    outcome = golong("compare", gold, wrong, "--variant", "custom")
    assert outcome.code == 0, outcome.err
    assert (
        "not compared: t7: metric differs (ndcg@gold[strict,v1], ndcg@gold[strict,v1,chance_corrected])" in outcome.out
    )
    assert "\nt7 " not in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["."], "one run alone"),
        ([".", "."], "is named twice"),
        ([".", ".."], "no config.json here"),
        ([".", "..", "--allow", "seed"], "unknown difference to allow 'seed'"),
        ([".", "..", "--json", "--markdown"], "two forms of one output"),
        ([".", "..", "--pairs"], "--pairs adds to the JSON"),
        ([".", "..", "--show", "-1"], "--show"),
    ],
)
def test_mistakes_are_told_in_two_lines(golong, arguments: list[str], message: str) -> None:
    outcome = golong("compare", *arguments)
    assert outcome.code == 1
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 2


@pytest.mark.parametrize("name", ["a#b (c)", "a#sample=b", "golong x"])
def test_markdown_links_to_folders_of_any_name(golong, name: str) -> None:
    gold, wrong = made(golong, "gold", tasks="t1"), made(golong, "wrong", tasks="t1")
    (wrong / "report.html").write_text("")
    wrong.parent.rename(name)
    outcome = golong("compare", gold, Path(name, wrong.name), "--markdown", "--show", "1")
    assert f"[wrong]({quote(f'{name}/{wrong.name}')}/report.html#sample=t1-" in outcome.out


def test_ids_in_markdown_stay_text(golong) -> None:
    samples = ["tasks", "build", "--out", "s.jsonl", "--tasks", "t1", "--length", "1k", "--per-task", "3"]
    assert golong(*samples).code == 0
    rows = [json.loads(line) for line in Path("s.jsonl").read_text().splitlines()]
    lines = [json.dumps(row | {"id": f"`{place}`\n# <img src=x>|@me"}) for place, row in enumerate(rows)]
    Path("s.jsonl").write_text("\n".join(lines) + "\n")
    gold, wrong = (made(golong, model, tasks="s.jsonl") for model in ("gold", "wrong"))
    outcome = golong("compare", gold, wrong, "--markdown", "--show", "2")
    assert outcome.code == 0, outcome.err
    assert "&lt;img src=x&gt;" in outcome.out
    assert "<img" not in outcome.out
    assert "\n# <" not in outcome.out
    assert not re.search(r"(?<![\\\w])`\d", outcome.out)
    assert "@me" not in outcome.out
