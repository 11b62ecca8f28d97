"""CorpusQA: the prompt as it is shipped, what is read as the answer, and what is plainly equal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import AnswerToScore, benchmark_named, score_answers
from golong_eval.benchmarks.base import Answer, NeedsJudge
from golong_eval.benchmarks.corpusqa_answers import plainly_equal
from golong_eval.benchmarks.statements import last_statement, undressed
from golong_eval.errors import DataError
from golong_eval.rewards.outcome import Outcome
from golong_eval.schema import RowGold

ONE = benchmark_named("corpusqa_128k")
DOCUMENTS = "[1] First report.\n[2] Second report, which is longer.\n\n"
ASKED = "Which share?\n\nEnd with: The answer is: xxx"


def fields(answer: str = "12.50%", **other: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": DOCUMENTS + ASKED}]
    whole = {"id": "financial_en_7", "prompt": messages, "question": "Which share?", "answer": answer}
    return {**whole, **other}


def sample(**other: Any) -> Any:
    row = ONE.read_row(ONE.prepare(fields(**other), Path("128k_4domains.jsonl")) or {}, "file:1")
    return ONE.sample(row, "file:1")


def said(text: str, answer: str, question: str = "Which?", variant: str = "strict") -> Any:
    row = ONE.row_of_columns({"answer": answer, "question": question}, "row")
    return ONE.score(Answer(text, text.rpartition("</think>")[2]), row, variant)  # type: ignore[arg-type]


def test_the_messages_are_sent_as_they_are_and_only_what_stands_before_the_question_can_be_cut() -> None:
    prompt = ONE.prompt(sample())
    assert prompt.messages == fields()["prompt"]
    assert (prompt.documents, prompt.after, prompt.cut) == (DOCUMENTS, ASKED, "documents")


def test_a_question_that_is_not_behind_the_documents_leaves_the_message_whole() -> None:
    for asked in ("Another question?", "First report."):
        prompt = ONE.prompt(sample(question=asked))
        assert prompt.messages == fields()["prompt"]
        assert (prompt.documents, prompt.cut) == (DOCUMENTS + ASKED, "message")


def test_without_documents_the_question_and_the_rules_are_left() -> None:
    assert ONE.prompt(sample(), "none").messages[-1]["content"] == ASKED
    assert ONE.prompt(sample(question="Another question?"), "none").message == "Another question?"
    with pytest.raises(DataError, match="marks no evidence"):
        ONE.prompt(sample(), "evidence")


def test_the_documents_stand_in_the_sample_and_not_in_its_gold() -> None:
    one = sample()
    assert isinstance(one.gold, RowGold)
    assert set(one.gold.row) == {"id", "question", "answer"}
    assert one.metadata.groups == {"domain": "financial_en"}
    assert sample(id="financial_zh_1").metadata.language == "zh"


@pytest.mark.parametrize("name", ["financial_fr_1", "financial_en", "education_zh_2", "x"])
def test_an_id_of_no_known_domain_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="names no domain") as caught:
        sample(id=name)
    assert "financial_zh" in (caught.value.hint or "")


@pytest.mark.parametrize("prompt", ["text", "[]", [{"role": "assistant", "content": "x"}], [{"content": "x"}]])
def test_a_prompt_that_is_no_list_of_messages_is_named(prompt: Any) -> None:
    with pytest.raises(DataError, match="prompt"):
        sample(prompt=prompt)


@pytest.mark.parametrize("answer", ["12.50%", "[]", "['a', \"b's\", 3]", "Foo Inc.", "2021-03", "a\nb", "'q'", "(x)"])
def test_every_gold_is_right_by_the_strict_rule_and_goes_to_the_judge_by_the_published_one(answer: str) -> None:
    row = ONE.row_of_columns({"answer": answer, "question": "?"}, "row")
    text = ONE.gold_answer(row)
    assert text is not None
    assert isinstance(said(text, answer), Outcome)
    assert isinstance(said(text, answer, variant="official"), NeedsJudge)


@given(st.text(max_size=60).filter(lambda text: bool(text.strip())))
def test_what_is_equal_does_not_depend_on_which_is_the_gold_of_two_texts_alike(text: str) -> None:
    line = undressed(text)
    if line:
        assert plainly_equal(line, text, "")


@pytest.mark.parametrize(
    ("one", "gold", "question", "equal"),
    [
        ("1,234.5", "1234.50", "", True),
        ("1234.51", "1234.50", "", False),
        ("12.5 %", "12.50%", "", True),
        ("0.125", "12.50%", "", False),
        ("5 km", "5", "", False),
        ("3.5.2019", "3.50", "", False),
        ("2021-3", "2021-03", "", True),
        ("2021年3月", "2021-03", "", True),
        ("2021-03", "2021-04", "", False),
        ("ALPHA corp", "Alpha Corp.", "", True),
        ("b; a", "['a', 'b']", "", True),
        ("[b, a]", "['a', 'b']", "Which are they?", True),
        ("[b, a]", "['a', 'b']", "Sort them by size.", False),
        ("[a, b]", "['a', 'b']", "Sort them by size.", True),
        ("[b, a]", "['a', 'b']", "按收入从高到低列出", False),
        ("[a, b, c]", "['a', 'b']", "", False),
        ("[a]", "['a', 'a']", "", False),
        ("[a, b, c]", "['a, b', 'c']", "", False),
        ("['a, b', 'c']", "['c', 'a, b']", "", True),
        ("['O'Brien', 'x']", "[\"O'Brien\", 'x']", "", True),
        ("[1.0, 2]", "[2, 1]", "", True),
        ("[ ]", "[]", "", True),
        ("none", "[]", "", False),
        ("b, a", "a, b", "", False),  # a name with a comma is no list
        ("[a, , b]", "['a', 'b']", "", False),
    ],
)
def test_what_is_plainly_equal(one: str, gold: str, question: str, equal: bool) -> None:
    assert plainly_equal(one, gold, question) is equal


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("The answer is: 3\nThe answer is: 4", "4"),
        ("The answer is: 3? No. The answer is: 4", "4"),
        ("**The answer is:** 4.", "4"),
        ("**The answer is: 4**", "4"),
        ("the **answer** is 4", "4"),
        ("The answer is：\n\n4", "4"),
        ("The answer is: 4\nThe answer is:", "4"),
        ("The answer is: -4", "-4"),
        ("The answer is: - 4", "-4"),
        ("The answer is: [\"a\", 'b']", "[\"a\", 'b']"),
        (r"The answer is: $\boxed{4}$.", "4"),
        ("So it is.\n\n- 4 apples\n\n", "-4 apples"),
        ("So it is.\n\n- apples\n\n", "apples"),
        ("", ""),
        ("The answer is: **", "The answer is:"),
    ],
)
def test_the_last_statement_is_read(text: str, line: str) -> None:
    assert last_statement(text).line == line


def test_the_published_rule_takes_the_first_statement_of_all_and_strict_the_last_outside_of_the_thinking() -> None:
    text = "<think>The answer is: 1\n</think>The answer is: 2\nThe answer is: 3"
    official, strict = said(text, "9", variant="official"), said(text, "9")
    assert (official.question.answer, strict.question.answer) == ("1", "3")
    assert said("all of it", "9", variant="official").question.answer == "all of it"


def test_a_judge_decides_what_is_not_plainly_equal_and_without_one_there_is_no_score() -> None:
    asked = said("The answer is: twelve", "12")
    assert isinstance(asked, NeedsJudge)
    assert (asked.right.value, asked.wrong.value, asked.question.golds) == (1.0, 0.0, ("12",))
    gold = sample(answer="12").gold
    (result,) = score_answers(ONE, [AnswerToScore("The answer is: twelve", gold)])
    assert (result.status, result.value) == ("judge_error", None)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is: " * 60_000,
        "The answer is: [" + "'a," * 300_000,
        "The answer is: " + "'" * 900_000,
        "the answer is" + " " * 900_000 + "*",
        "The answer is: " + "9" * 900_000,
        "\n" * 900_000,
        "The answer is: *\n" * 60_000,
    ],
)
def test_a_long_hostile_answer_takes_no_time(text: str) -> None:
    started = time.monotonic()
    for gold in ("['a', 'b']", "[" + ", ".join(f"'name {number}'" for number in range(800)) + "]", "12"):
        assert not (isinstance(said(text, gold), Outcome) and said(text, gold).value)
    assert time.monotonic() - started < 20


def test_stored_rows_hold_the_prompt_as_json() -> None:
    text = json.dumps(fields()["prompt"])
    assert ONE.prompt(sample(prompt=text)).messages == fields()["prompt"]
