"""Tables of results for a terminal: every number that is there, no more columns than needed, nothing that steers it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from golong_eval.errors import DocumentError
from golong_eval.harness import Results
from golong_eval.harness.results import Failure
from golong_eval.reports import results_notes, results_text, several_text
from golong_eval.reports.markdown_text import code, escaped
from golong_eval.reports.results_tables import group_names, slices_by
from golong_eval.reports.samples import Wanted, answer_data, prompt_text, select_answers, split_thinking
from golong_eval.reports.samples_text import gold_text, samples_text
from golong_eval.reports.terminal import json_text, shown, shown_line
from golong_eval.schema import (
    Generation,
    ItemsGold,
    NumberGold,
    RankingGold,
    ReferencesGold,
    TableGold,
    TextGold,
    sha256_text,
)

from .builders import ESCAPES, at_k, effective, estimate, hostile_run, piece, results, task

STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e]")


def cells(text: str, row: str) -> list[str]:
    """The cells of the first row that begins so."""
    line = next(line for line in text.splitlines() if line.split() and line.split()[0] == row)
    return re.split(r"  +", line)


def test_a_row_a_task_with_its_interval() -> None:
    assert cells(results_text(results()), "t1") == [
        *["t1", "Task t1", "f1[strict,v1]", "20", "100 %", "0.500", "0.400 – 0.600", "0.100", "0 %", "0 %"]
    ]


def test_what_finished_answers_score_stands_only_beside_capped_ones() -> None:
    assert "finished" not in results_text(results())
    text = results_text(results(task("t1", cap_hit_rate=0.5, mean_finished=0.9), task("t2")))
    assert cells(text, "task").index("finished") - 1 == cells(text, "t1").index("0.900") - 2
    assert "finished: mean of the answers with a score that did not end at their token cap" in text


@pytest.mark.parametrize(
    ("method", "note"),
    [
        ("fewer than 10 scores", "fewer than 10 answers"),
        ("fewer than 5 clusters", "fewer than 5 documents"),
        ("one cluster", "share one document"),
        ("all equal", "the same mean"),
        ("wilson over clusters", "Wilson's"),
        ("bootstrap-t", None),
        ("wilson", None),
        ("no scores", None),
    ],
)
def test_every_method_that_needs_it_has_one_line_with_its_tasks(method: str, note: str | None) -> None:
    two = results(task("t1", interval=method), task("t2"), task("t3", interval=method))
    found = [line for line in results_notes(two) if note is not None and note in line]
    assert len(results_notes(two)) == len(found) == (note is not None)
    assert all(line.startswith("t1, t3: ") for line in found)


def test_all_tasks_are_named_in_short_and_nothing_without_a_score() -> None:
    five = [task(f"t{number}", interval="all equal") for number in range(1, 6)]
    assert results_notes(results(*five, average=estimate(0.5)))[0].startswith("average: no interval: fewer")
    assert results_notes(results(*five))[0].startswith("all tasks: no interval")
    failed = task("t1", interval="all equal", scored=0, mean_scored=None, statuses={"provider_error": 20})
    assert not any("no interval" in note for note in results_notes(results(failed)))


def test_failures_are_told_with_the_interval_of_the_mean_without_them() -> None:
    row = task("t1", scored=15, statuses={"ok": 15, "provider_error": 3, "over_length": 2}, mean_scored=0.667)
    assert results_notes(results(row)) == [
        "t1: 5 of 20 answers have no score (3 provider_error, 2 over_length): mean 0.500 counts them as 0, "
        "0.667 (0.400 – 0.600) leaves them out"
    ]


def test_the_average_is_a_row_where_there_is_one() -> None:
    text = results_text(results(task("t1"), task("t2"), average=estimate(0.25, 0.2, 0.3, n=40)))
    assert cells(text, "average") == ["average", "40", "0.250", "0.200 – 0.300"]
    assert "average" not in results_text(results())


def test_repeats_have_a_table_of_the_greatest_k_and_of_all_in_detail() -> None:
    row = task("t1", repeats=4, at_k=(at_k(1, 0.5), at_k(2, 0.6), at_k(4, 0.75)), majority=estimate(0.55, 0.5, 0.6))
    both = results(row, task("t2", repeats=4, at_k=(at_k(1, 0.1), at_k(4, 0.2))))
    brief, whole = (re.sub("  +", "  ", results_text(both, details=details)) for details in (False, True))
    assert "t1  4  0.750 (0.650 – 0.850)  0.750  0.550 (0.500 – 0.600)" in brief
    assert "avg@4" in brief
    assert "0.600 (0.500 – 0.700)" not in brief
    assert "t1  2  0.600 (0.500 – 0.700)  0.600" in whole
    alone = results(task("t2", repeats=2, at_k=(at_k(2, 0.2),)))
    assert "majority" not in results_text(alone)
    assert "pass@k" not in results_text(results())


def sliced() -> Results:
    first = task(
        "t1",
        slices=(piece("length", "2K", 0.9, 0.8, 1.0), piece("length", "16K", 0.7), piece("language", "zh", 0.6)),
        effective_length=effective(2048),
    )
    second = task("t2", slices=(piece("length", "4K", 0.3), piece("language", "en", 0.2)))
    average = (piece("length", "2K", 0.6), piece("length", "16K", 0.5))
    return results(first, second, slices=average, effective_length=effective(16_384))


def test_slices_stand_in_details_alone_and_the_brief_table_points_there() -> None:
    brief, whole = results_text(sliced()), results_text(sliced(), details=True)
    assert "by length and other kinds of sample: golong report runs/m/1" in brief
    assert "by tokens" not in brief
    assert "golong report" not in whole
    table = whole.partition("by tokens of the prompt, up to:\n")[2]
    assert cells(table, "task") == ["task", "2K", "4K", "16K", "effective"]
    assert cells(table, "t1") == ["t1", "0.900 (0.80–1.00)", "–", "0.700", "2K"]
    assert cells(table, "t2") == ["t2", "–", "0.300", "–", "–"]
    assert cells(table, "average") == ["average", "0.600", "–", "0.500", "16K"]
    assert cells(table, "answers") == ["answers", "10", "10", "10"]
    assert cells(whole.partition("by language:\n")[2], "task") == ["task", "en", "zh"]
    assert "by difficulty" not in whole
    line = "effective length 16K of 32K: the longest up to which the mean stays at 85 % of that at 2K"
    assert line in brief
    assert line in whole


def test_one_group_is_no_table() -> None:
    alone = results(task("t1", slices=(piece("length", "2K", 0.9),)))
    assert slices_by(alone, "length") == {}
    assert "by tokens" not in results_text(alone, details=True)
    assert "golong report" not in results_text(alone)


def test_groups_are_sorted_by_size() -> None:
    row = {name: piece("depth", name, 0.5) for name in ("spread", "80-100 %", "0-20 %", "20-40 %")}
    assert group_names({"t1": row}) == ["0-20 %", "20-40 %", "80-100 %", "spread"]


def test_several_runs_have_an_average_only_over_the_same_tasks() -> None:
    mean = estimate(0.5, 0.4, 0.6)
    same = [results(task("t1"), task("t2"), model=name, average=mean) for name in "ab"]
    assert cells(several_text(same), "average") == ["average", "0.500 (0.400 – 0.600)", "0.500 (0.400 – 0.600)"]
    assert "average" not in several_text([same[0], results(task("t1"), task("t3"), average=mean)])
    other = results(task("t1", data_revision="2" * 16))
    assert "t1: the checkpoints answered different samples" in several_text([results(), other])


def test_nothing_in_a_table_steers_the_terminal() -> None:
    failure = Failure(task="t1", status="provider_error", reason=f"{ESCAPES}\nx", count=1, example=ESCAPES)
    bad = results(task("t1", name=ESCAPES), model=f"m{ESCAPES}", failed=(failure,), dropped={"t2": ESCAPES})
    for text in (results_text(bad, details=True), several_text([bad, bad])):
        assert not STEERS.search(text)
    assert r"\x1b[2J" in results_text(bad)


def test_text_is_shown_with_its_escapes_and_newlines() -> None:
    assert shown("a\r\n\tb\x00\x9b\u2066\U000e0041\ud800") == "a\\r\n\tb\\x00\\x9b\\u2066\\U000e0041\\ud800"
    assert shown("答案 naïve 🙂") == "答案 naïve 🙂"
    assert shown_line("x" * 10, 5) == "xxxx…"


def test_json_is_read_back_as_it_was_and_has_no_control_character() -> None:
    text = {"a": ESCAPES + "答\U000e0041", "b": [float("nan"), float("inf"), 0.1], "c": results()}
    written = json_text(text)
    assert not STEERS.search(written)
    assert "答" in written
    read = json.loads(written)
    assert (read["a"], read["b"]) == (text["a"], [None, None, 0.1])
    assert Results.model_validate(read["c"]) == results()


def test_golds_can_be_read() -> None:
    assert gold_text(TextGold(answers=("a", "b"))) == "a  or  b"
    assert gold_text(ItemsGold(items=("a", "b"))) == "a\nb"
    assert gold_text(RankingGold(items=("a", "b"))) == "1. a\n2. b"
    assert gold_text(NumberGold(value="3 km")) == "3 km"
    assert gold_text(TableGold(columns=("x", "y"), data=((1, None),))) == "x | y\n1 | "
    assert gold_text(ReferencesGold(texts=("a", "b"))) == "a\n  or\nb"


@pytest.mark.parametrize(
    ("text", "unfinished", "parts"),
    [
        ("D1", False, ("", "D1")),
        ("hm</think>\nD1", False, ("hm", "D1")),
        ("<think>hm", False, ("hm", None)),
        ("hm", True, ("hm", None)),
        ("", False, ("", "")),
    ],
)
def test_thinking_and_answer_are_told_apart(text: str, unfinished: bool, parts: tuple[str, str | None]) -> None:
    made = Generation(sample_id="a", text=text, finish_reason="stop", thinking_unfinished=unfinished)
    assert split_thinking(made) == parts


def test_no_answer_steers_the_terminal_and_every_kind_is_told(tmp_path: Path) -> None:
    run = hostile_run(tmp_path)
    selection = select_answers(run, Wanted())
    for full in (False, True):
        text = samples_text(selection, full=full)
        assert not STEERS.search(text)
        assert r"\x1b[2J" in text
        assert ("3,000 characters left out" in text) == (not full)
        assert ("never ends" in text) == full
        assert "15 of 15 matching answers shown" in text
        assert r"provider_error: RuntimeError: boom \x1b[2J" in text


def test_the_whole_prompt_is_that_which_was_asked(tmp_path: Path) -> None:
    run = hostile_run(tmp_path, per_task=2)
    selection = select_answers(run, Wanted())
    for row in selection.answers:
        whole = prompt_text(selection, row, whole=True)
        assert whole is not None
        assert row.generation is not None
        assert sha256_text(whole) == row.generation.prompt_hash
    data = answer_data(selection)
    assert [one["prompt"] for one in data] == [prompt_text(selection, row, whole=True) for row in selection.answers]
    assert data[0]["answer"].endswith('=HYPERLINK("http://x","y")')


def test_the_end_of_a_prompt_needs_no_document(tmp_path: Path) -> None:
    run = hostile_run(tmp_path, per_task=1)
    selection = select_answers(run, Wanted(ids=("t1-0",)))
    assert "The pump stopped at dawn." in samples_text(selection, tail=100_000)
    for file in (run.path / "samples.documents").iterdir():
        file.unlink()
    text = samples_text(selection, tail=100_000)
    assert "The pump stopped at dawn." not in text
    assert "Who opened the valve?" in text
    assert "…" in text
    with pytest.raises(DocumentError) as caught:
        samples_text(selection, full=True)
    assert caught.value.hint == "leave out --full"
    with pytest.raises(DocumentError):
        answer_data(selection)


# ---------------------------------------------------------------------------------------------------------
# Markdown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n# b `c`\t|", "a\\\\n\\# b \\`c\\`\\\\t\\|"),
        ("see https://a.b/c", "see https\\://a.b/c"),
        ("ftp://a and a: b", "ftp\\://a and a: b"),
        ("WWW.a.b", "WWW\\.a.b"),
        ("@name, (@other)", "@&#8288;name, (@&#8288;other)"),
        ("a@b.org", "a@&#8288;b.org"),
        ("avg@4 ndcg@gold[strict,v1]", "avg@4 ndcg@gold\\[strict,v1\\]"),
        ("&amp; <b>", "&amp;amp; &lt;b&gt;"),
    ],
)
def test_markdown_shows_text_as_it_is_and_links_nothing(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_code_in_markdown_can_not_be_left() -> None:
    assert code("golong samples a --id 'x y'") == "`golong samples a --id 'x y'`"
    assert code("a `b` <img>") == "a \\`b\\` &lt;img&gt;"
    assert code("a\n# b|c\\") == "a\\\\n\\# b\\|c\\\\"
