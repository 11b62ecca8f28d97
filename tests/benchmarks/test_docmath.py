"""DocMath-Eval: paragraphs with their evidence, the published comparison to the letter, and the strict one."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import benchmark_named
from golong_eval.benchmarks.base import Answer, NeedsJudge
from golong_eval.benchmarks.docmath_numbers import (
    numbers_agree,
    published_number,
    published_statement,
    same_number,
    shown,
)
from golong_eval.errors import DataError
from golong_eval.rewards.outcome import Outcome

ONE = benchmark_named("docmath")
STATED = "Therefore, the answer is "
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def fields(**other: Any) -> dict[str, Any]:
    whole = {
        "question_id": "complong-testmini-7",
        "source": "x",
        "original_question_id": "7",
        "question": "What is the margin?",
        "paragraphs": ["Lamps.", "| Income | 182 |\n| Revenue | 1,400 |", "In thousands."],
        "table_evidence": [1],
        "paragraph_evidence": [2, 99],
        "python_solution": "def solution():\n    return 182 / 1400",
        "ground_truth": 0.13,
    }
    return {**whole, **other}


def sample(file: str = "rows.jsonl", **other: Any) -> Any:
    row = ONE.read_row(ONE.prepare(fields(**other), Path(file)) or {}, "rows:1")
    return ONE.sample(row, "rows:1")


def outcome(text: str, gold: float, variant: str, question: str = "How much?") -> float | None:
    """Return the value, None where a judge has to decide."""
    row = ONE.row_of_columns({"ground_truth": gold, "question": question}, "row")
    result = ONE.score(Answer(text, text.rpartition("</think>")[2]), row, variant)  # type: ignore[arg-type]
    assert isinstance(result, Outcome | NeedsJudge)
    return result.value if isinstance(result, Outcome) else None


def test_each_paragraph_is_a_document_and_neither_they_nor_the_solution_stand_in_the_gold() -> None:
    one = sample()
    assert [document.id for document in one.documents] == ["P0", "P1", "P2"]
    assert {"paragraphs", "python_solution"}.isdisjoint(one.gold.row)
    assert one.gold.answers == ("0.13",)
    assert [place.document for place in one.metadata.evidence] == ["P1", "P2"]  # there is no paragraph 99
    assert one.metadata.evidence[0].depth == pytest.approx(6 / sum(map(len, fields()["paragraphs"])))


def test_questions_on_one_report_are_one_cluster_whatever_their_evidence() -> None:
    assert sample().metadata.cluster == sample(table_evidence=[], paragraph_evidence=[0]).metadata.cluster
    assert sample().metadata.cluster != sample(paragraphs=["Other."]).metadata.cluster


def test_a_prompt_has_the_paragraphs_in_tags_then_the_question_and_the_form() -> None:
    prompt = ONE.prompt(sample())
    assert "<text>\nLamps.\n| Income | 182 |\n| Revenue | 1,400 |\nIn thousands.\n</text>\n\nWhat is" in prompt.text
    assert prompt.text.endswith('"Therefore, the answer is (insert answer here)".')
    assert "Lamps." not in ONE.prompt(sample(), "evidence").text
    assert "182" in ONE.prompt(sample(), "evidence").text
    assert "182" not in ONE.prompt(sample(), "none").text
    with pytest.raises(DataError, match="names no evidence"):
        ONE.prompt(sample(table_evidence=None, paragraph_evidence=[]), "evidence")


@pytest.mark.parametrize(
    ("file", "name", "split"),
    [
        ("complong_testmini.json", "7", "complong_testmini"),
        ("simpshort_testmini-00000-of-00001.parquet", "complong-testmini-7", "simpshort_testmini"),
        ("rows.jsonl", "compshort-testmini-7", "compshort_testmini"),
        ("rows.jsonl", "simplong_testmini-7", "simplong_testmini"),
        ("rows.jsonl", "7", "unknown"),
    ],
)
def test_the_split_is_told_by_the_file_or_else_by_the_id(file: str, name: str, split: str) -> None:
    assert sample(file, question_id=name).metadata.groups == {"split": split}


@pytest.mark.parametrize("truth", [math.nan, math.inf, "much", None])
def test_a_gold_that_is_no_number_is_named(truth: Any) -> None:
    with pytest.raises(DataError, match="ground_truth"):
        sample(ground_truth=truth)


# ---- the published rule


@pytest.mark.parametrize(
    ("text", "stated", "value"),
    [
        ("the answer is 5.", "5", 5.0),
        ("The Answer is **(1,234.50)**", "1234.50", 1234.5),
        ("the answer is $-3. So the answer is 4", "$-3", -3.0),
        ("the answer is =5%", "=5", 5.0),
        ("the answer is -$3", None, None),
        ("the answer is: 5", None, None),
        ("the answer is about 5", None, None),
        ("the answer is 1e5", "1", 1.0),
        ("the answer is 12 million", "12", 12.0),
        ("the answer is .25", ".25", 25.0),
        ("the answer is -.25", "-.25", -0.25),
        ("the answer is .05", ".05", 0.0),
        ("the answer is 05.2", "05.2", 5.2),
        ("the answer is 05", "05", 0.0),
        ("the answer is 1.2.3", "1.2.3", 0.0),
        ("the answer is ...", "", 0.0),
        (" 5% ", "5%", 5.0),
        ("5 apples", None, None),
        ("the answer is " + "9" * 400, "9" * 400, math.inf),
        ("the answer is " + "9" * 5_000, "9" * 5_000, 0.0),
    ],
)
def test_what_the_published_rule_reads(text: str, stated: str | None, value: float | None) -> None:
    assert published_statement(text) == stated
    if stated is not None:
        assert published_number(stated) == value


@pytest.mark.parametrize(
    ("answer", "gold", "agree"),
    [
        (0.0312, 0.0391, True),  # both round up to 0.04; wrong by the official repository's three decimals
        (-0.0312, 0.0391, True),
        (0.0412, 0.0391, False),
        (5.0, -5.0, True),
        (12.5, 1250.0, True),
        (1250.0, 0.125, True),
        (1.2515, 125.0, True),  # 125.15 is 0.12 % off
        (1.253, 125.0, False),  # 125.3 is 0.24 % off
        (1.2515, 1250.0, True),
        (1.2515, 125_000.0, True),
        (1.2515, 12_500.0, False),  # about 10,000 times is not among the ratios
        (100.15, 100.0, True),
        (100.16, 100.0, False),
        (100.0, 100.16, False),  # by the gold: 0.16 is 0.1597 % of 100.16
        (0.0, 0.0, True),
        (0.0, 0.001, False),
        (0.009, 0.001, True),  # both round up to 0.01
        (math.inf, 1.0, False),
        (math.nan, 1.0, False),
        (1e308, 1e-308, False),
        (1e305, 1e305, True),
    ],
)
def test_the_published_comparison_by_hand(answer: float, gold: float, agree: bool) -> None:
    assert numbers_agree(answer, gold) is agree


@given(FINITE, FINITE)
def test_the_published_comparison_never_raises_and_does_not_see_the_sign_of_a_number_equal_to_the_gold(
    answer: float, gold: float
) -> None:
    assert isinstance(numbers_agree(answer, gold), bool)
    assert numbers_agree(gold, gold)
    assert numbers_agree(-gold, gold)


# ---- the strict rule


@given(FINITE)
def test_every_gold_is_right_by_both_rules_as_it_is_shown(gold: float) -> None:
    row = ONE.row_of_columns({"ground_truth": gold, "question": "?"}, "row")
    answer = ONE.gold_answer(row)
    assert answer is not None
    assert outcome(answer, gold, "strict") == 1.0


@given(FINITE.filter(lambda number: abs(number) > 1e-3))
def test_neither_another_sign_nor_another_scale_is_right(gold: float) -> None:
    assert same_number(shown(-gold), gold, "How much?") is False
    if abs(gold) < 1e300:
        assert same_number(shown(gold * 1000), gold, "How much?") is False


@pytest.mark.parametrize(
    ("said", "gold", "question", "same"),
    [
        ("0.13", 0.13, "", True),
        ("13%", 0.13, "", True),
        ("13 percent", 13.0, "", True),
        ("13", 0.13, "", False),
        ("13", 0.13, "What percentage?", None),
        ("0.13", 13.0, "What is the growth rate?", None),
        ("1.3", 0.13, "What percentage?", False),
        ("0.1312", 0.13, "", True),
        ("0.1351", 0.13, "", False),
        ("0.14", 0.1, "", False),  # a gold of one figure is no licence to round
        ("0.0391", 0.04, "", True),
        ("12.04", 12.0, "", True),
        ("12.4", 12.0, "", False),
        ("0.135", 0.134567, "", True),
        ("0.13", 0.134567, "", False),
        ("13.5%", 0.134567, "", True),
        ("1001.5", 1000.0, "", True),
        ("1001.6", 1000.0, "", False),
        ("$1,250", 1250.0, "", True),
        ("- 44.5", -44.5, "", True),
        ("minus 44.5", -44.5, "", True),
        ("a decrease of 44.5", -44.5, "", None),
        ("44.5", -44.5, "", False),
        ("1.25 million", 1_250_000.0, "", True),
        ("1.25 million", 1.25, "How much, in millions?", True),
        ("1.25 million", 1.25, "How much?", None),
        ("$1.25M", 1.25, "How much, in millions?", True),
        ("1.25 thousand", 1.25, "How much, in millions?", None),
        ("1,250,000", 1.25, "How much, in millions?", False),
        ("5 or 6", 5.0, "", None),
        ("5" + " and so on" * 50 + " or 6", 5.0, "", None),
        ("unknown", 5.0, "", None),
        ("0", 0.0, "", True),
        ("0.004", 0.0, "", False),
        ("3.5.2019", 3.5, "", None),
        ("nan", 5.0, "", None),
        ("inf", 5.0, "", None),
        ("1e999999", 5.0, "", None),
        ("10**10**10", 5.0, "", None),
        ("1_000_0", 10000.0, "", None),
        ("__import__('os').system('false')", 5.0, "", None),
        ("٥", 5.0, "", None),
        ("9" * 2_000_000, 5.0, "", None),
    ],
)
def test_the_strict_comparison_by_hand(said: str, gold: float, question: str, same: bool | None) -> None:
    started = time.monotonic()
    assert same_number(said, gold, question) is same
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("text", "gold", "official", "strict"),
    [
        (f"So the answer is 44? No. {STATED}-44.5", -44.5, None, 1.0),
        (f"{STATED}-44.5? No. {STATED}44", -44.5, 1.0, 0.0),
        (f"<think>the answer is 44</think>{STATED}-44.5", -44.5, 1.0, 1.0),
        (f"{STATED}**(1,250)**.", 1250.0, 1.0, 1.0),
        (rf"{STATED}\(\boxed{{1250}}\)", 1250.0, None, 1.0),
        ("**Answer: 1,250**", 1250.0, None, 1.0),
        (f"{STATED}1.2.3", 0.0, 1.0, None),
        (f"{STATED}1253", 1250.0, None, 0.0),
    ],
)
def test_what_the_rules_say(text: str, gold: float, official: float | None, strict: float | None) -> None:
    assert (outcome(text, gold, "official"), outcome(text, gold, "strict")) == (official, strict)


def test_a_judge_is_asked_of_the_statement() -> None:
    row = ONE.row_of_columns({"ground_truth": 1250.0, "question": "How much?"}, "row")
    text = f"Well.\n{STATED}1253"
    asked = ONE.score(Answer(text, text), row, "official")
    assert isinstance(asked, NeedsJudge)
    assert (asked.question.answer, asked.question.golds) == ("1253", ("1250",))


@pytest.mark.parametrize("text", [STATED * 40_000, STATED + "9" * 2_000_000, STATED + "1," * 500_000, "(" * 900_000])
def test_a_long_hostile_answer_takes_no_time(text: str) -> None:
    started = time.monotonic()
    for variant in ("official", "strict"):
        assert not outcome(text, 5.0, variant)
    assert time.monotonic() - started < 20
