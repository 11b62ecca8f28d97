"""LongBench v2: the prompt, the two rules, two calls, and real rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import AnswerToScore, benchmark_named, score_answers
from golong_eval.benchmarks.base import Answer
from golong_eval.errors import DataError
from golong_eval.schema import RowGold

ONE = benchmark_named("longbench_v2")
TWO = benchmark_named("longbench_v2_cot")
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "longbench_v2_sample.jsonl"


def row(answer: str = "B") -> dict[str, str]:
    choices = {f"choice_{letter}": f"choice {letter}" for letter in "ABCD"}
    return {
        "_id": "1",
        "domain": "Single-Document QA",
        "sub_domain": "Legal",
        "difficulty": "hard",
        "length": "short",
        "question": "Which?",
        "answer": answer,
        "context": " The text. ",
        **choices,
    }


def values(text: str, answer: str = "B") -> tuple[float | None, float | None]:
    gold = ONE.sample(ONE.read_row(row(answer), "row"), "row").gold
    official, strict = (
        score_answers(ONE.scored_as(variant), [AnswerToScore(text, gold)])[0].value
        for variant in ("official", "strict")
    )
    return official, strict


def test_the_text_stands_in_the_sample_and_not_in_its_gold() -> None:
    sample = ONE.sample(ONE.read_row(row(), "row"), "row")
    assert isinstance(sample.gold, RowGold)
    assert "context" not in sample.gold.row
    assert sample.documents[0].text == " The text. "
    assert ONE.row_of(sample.gold).answer == "B"
    assert sample.metadata.groups == {"domain": "Single-Document QA", "length_class": "short"}
    assert (sample.metadata.difficulty, sample.metadata.candidates) == ("hard", 4)


def test_a_prompt_has_the_text_in_tags_then_the_question_its_choices_and_the_form() -> None:
    prompt = ONE.prompt(ONE.sample(ONE.read_row(row(), "row"), "row"))
    assert "<text>\nThe text.\n</text>" in prompt.text
    assert prompt.text.index("</text>") < prompt.text.index("Which?") < prompt.text.index("(D) choice D")
    assert prompt.text.endswith('"The correct answer is (insert answer here)".')
    assert prompt.cut == "message"


def test_the_second_call_has_the_reasoning_and_no_text() -> None:
    sample = TWO.sample(TWO.read_row(row(), "row"), "row")
    first = TWO.prompt(sample).text
    assert first.endswith("Let's think step by step:")
    second = TWO.second_prompt(sample, "  It says so.  ")
    assert second is not None
    assert "The text." not in second.text
    assert "step by step: It says so.\n" in second.text
    assert second.text.endswith('"The correct answer is (insert answer here)".')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The correct answer is (B).", (1.0, 1.0)),
        ("The correct answer is **B**", (1.0, 1.0)),
        ("<think>The correct answer is (A).</think>The correct answer is (B).", (0.0, 1.0)),
        ("<think>The correct answer is (B).</think>I don't know.", (1.0, 0.0)),
        ("the correct answer is (b)", (0.0, 1.0)),
        ("The correct answer is (A). No. The correct answer is (B).", (0.0, 1.0)),
        ("The correct answer is (B) or (C).", (1.0, 0.0)),
        ("The correct answer is B and C", (1.0, 0.0)),
        ("The correct answer is a bird.", (0.0, 0.0)),
        ("The correct answer is Bird.", (1.0, 0.0)),
        ("B", (0.0, 1.0)),
        ("(B).", (0.0, 1.0)),
        ("", (0.0, 0.0)),
    ],
)
def test_what_the_rules_read(text: str, expected: tuple[float, float]) -> None:
    assert values(text) == expected


@given(st.text(max_size=300))
def test_no_text_gets_a_score_but_0_and_1_and_only_a_statement_gets_1(text: str) -> None:
    official, strict = values(text)
    assert {official, strict} <= {0.0, 1.0}
    if official:
        assert "The correct answer is" in text.replace("*", "")


def test_a_long_hostile_answer_takes_no_time() -> None:
    assert values("The correct answer is (" * 50_000) == (0.0, 0.0)
    assert (
        ONE.score(Answer("x", " " * 1_000_000 + "(" * 10), ONE.row_of_columns({"answer": "A"}, "row"), "strict").value
        == 0
    )


def test_a_missing_column_and_a_wrong_answer_are_named() -> None:
    fields = row()
    del fields["choice_C"]
    with pytest.raises(DataError, match=r"file:3: needs the key 'choice_C'"):
        ONE.read_row(fields, "file:3")
    with pytest.raises(DataError, match="answer"):
        ONE.read_row(row("E"), "file:4")


def test_columns_that_nobody_reads_are_left_out() -> None:
    assert ONE.read_row({**row(), "added_later": 1}, "row").answer == "B"


@pytest.mark.skipif(not SHARED.is_file(), reason="no sample of the real data beside the repository")
def test_real_rows_are_read_and_their_golds_score_1() -> None:
    rows = [json.loads(line) for line in SHARED.read_text().splitlines()]
    assert len(rows) == 30
    for number, fields in enumerate(rows, 1):
        read = ONE.read_row(fields, f"row {number}")
        sample = ONE.sample(read, "")
        answer = AnswerToScore(ONE.gold_answer(read), sample.gold)
        assert [score_answers(ONE.scored_as(v), [answer])[0].value for v in ("strict", "official")] == [1.0, 1.0]
        assert len(ONE.prompt(sample).text) > len(fields["context"].strip())
