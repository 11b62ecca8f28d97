"""LongMemEval: sessions in the order of their dates, the date of the question, evidence, and who decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import AnswerToScore, NeedsJudge, judge_questions, score_answers
from golong_eval.benchmarks import longmemeval as module
from golong_eval.benchmarks.base import Answer
from golong_eval.benchmarks.longmemeval import LongMemEval, LongMemEvalM, LongMemEvalOracle
from golong_eval.errors import DataError
from golong_eval.judges.question import Verdict
from golong_eval.schema import RowGold

ONE = LongMemEval()
ROWS = json.loads((Path(module.__file__).parent / "rows" / "longmemeval.json").read_text())
TYPES = ("single-session-user", "multi-session", "temporal-reasoning", "knowledge-update", "single-session-preference")


def sample_of(**changes: Any) -> Any:
    return ONE.sample(ONE.read_row({**ROWS[1], **changes}, "row 2"), "row 2")


def said(text: str, variant: str = "strict", **columns: Any) -> Any:
    fields = {"question_id": "1", "question_type": "multi-session", "question": "How many?", "answer": 3, **columns}
    row = ONE.row_of_columns(fields, "row")
    return ONE.score(Answer(text, text), row, "official" if variant == "official" else "strict")


def test_sessions_stand_in_the_order_of_their_dates_and_equal_dates_in_that_of_the_file() -> None:
    sample = sample_of()
    dates = [document.title for document in sample.documents]
    assert dates == ["2023/04/01 (Sat) 07:40", "2023/05/20 (Sat) 02:21", "2023/06/10 (Sat) 08:15"]
    assert [document.id for document in sample.documents] == ["S1", "S2", "S3"]
    same = sample_of(haystack_dates=["2023/01/02 (Mon) 03:04"] * 3)
    assert ["54 minutes" in (document.text or "") for document in same.documents] == [True, False, False]


def test_a_date_is_not_sorted_as_a_word() -> None:
    sample = sample_of(haystack_dates=["2023/10/01 (Sun) 10:00", "2023/10/01 (Sun) 9:59", "2023/9/30 (Sat) 23:59"])
    assert [document.title[5:10].strip() for document in sample.documents] == ["9/30", "10/01", "10/01"]


def test_a_prompt_gives_sessions_then_the_date_of_the_question_then_the_question_and_no_mark_of_the_answer() -> None:
    text = ONE.prompt(sample_of()).text
    order = ["### Session 1:", "58 minutes", "### Session 3:", "54 minutes", "Current Date: 2023/07/02 (Sun) 09:30"]
    places = [text.index(part) for part in [*order, "Question: What is my best time"]]
    assert places == sorted(places)
    assert "has_answer" not in text
    assert text.endswith("Answer:")


def test_without_documents_the_date_stays() -> None:
    text = ONE.prompt(sample_of(), "none").text
    assert "Current Date: 2023/07/02" in text
    assert "minutes!" not in text


def test_evidence_is_the_sessions_that_are_named_and_nothing_else_is_shown_where_it_alone_is_asked_for() -> None:
    sample = sample_of()
    assert [place.document for place in sample.metadata.evidence] == ["S1", "S3"]
    assert sample.metadata.evidence[0].depth == 0
    assert 0.5 < sample.metadata.evidence[1].depth < 1
    text = ONE.prompt(sample, "evidence").text
    assert "### Session 1:" in text
    assert "### Session 3:" in text
    assert "beans" not in text
    with pytest.raises(DataError, match="names no session"):
        ONE.prompt(sample_of(answer_session_ids=[]), "evidence")


def test_the_sessions_stand_in_the_documents_and_not_in_the_gold() -> None:
    gold = sample_of().gold
    assert isinstance(gold, RowGold)
    assert not set(ONE.apart) & set(gold.row)
    assert ONE.row_of(gold).answer == 54
    assert ONE.row_of(gold).haystack_sessions == []


def test_groups_are_type_and_abstention() -> None:
    assert sample_of().metadata.groups == {"question_type": "knowledge-update", "abstention": "no"}
    assert sample_of(question_id="a_abs").metadata.groups == {"question_type": "knowledge-update", "abstention": "yes"}


@given(st.sampled_from(TYPES), st.booleans(), st.text(min_size=1).filter(lambda text: text.strip().isprintable()))
def test_the_published_scoring_always_asks_and_the_strict_one_never_about_the_reference_itself(
    kind: str, abstains: bool, gold: str
) -> None:
    columns = {"question_type": kind, "question_id": "1_abs" if abstains else "1", "answer": gold}
    assert isinstance(said(gold, "official", **columns), NeedsJudge)
    if gold.strip():
        assert not isinstance(said(gold, **columns), NeedsJudge)


@pytest.mark.parametrize(
    ("kind", "identifier", "rubric"),
    [
        ("single-session-user", "1", "longmemeval"),
        ("single-session-assistant", "1", "longmemeval"),
        ("multi-session", "1", "longmemeval"),
        ("temporal-reasoning", "1", "longmemeval_temporal"),
        ("knowledge-update", "1", "longmemeval_update"),
        ("single-session-preference", "1", "longmemeval_preference"),
        ("temporal-reasoning", "1_abs", "longmemeval_abstention"),
    ],
)
def test_each_type_has_its_rubric_and_abstention_goes_before_it(kind: str, identifier: str, rubric: str) -> None:
    asked = said("perhaps", question_type=kind, question_id=identifier)
    assert asked.question.rubric.id == rubric
    assert asked.question.golds == ("3",)


def test_only_equality_is_right_without_a_judge() -> None:
    assert said("**3**.").value == 1
    assert said("The answer is 3").value == 1
    for text in ("13", "3 or 4", "not 3", "It is not this:\n3", "33", "3" * 100_000):
        assert isinstance(said(text), NeedsJudge), text
    described = {"question_type": "single-session-preference", "answer": "The user wants tea."}
    assert isinstance(said("the user wants tea", **described), NeedsJudge)


def test_a_verdict_becomes_the_score_and_without_one_there_is_none() -> None:
    sample = sample_of()
    answers = [AnswerToScore("<think>58?</think>I think 54.", sample.gold)]
    for benchmark in (ONE, ONE.scored_as("official")):
        (question,) = judge_questions(ONE, answers)
        assert question.answer == "I think 54."
        assert score_answers(benchmark, answers)[0].status == "judge_error"
        for outcome, value in (("right", 1.0), ("wrong", 0.0)):
            verdict = Verdict.model_validate({"key": question.key, "judge": "j", "outcome": outcome})
            assert score_answers(benchmark, answers, verdicts={question.key: verdict})[0].value == value


def test_faults_of_rows_are_named() -> None:
    with pytest.raises(DataError, match="3 sessions with 1 dates and 3 ids"):
        sample_of(haystack_dates=["2023/01/02 (Mon) 03:04"])
    with pytest.raises(DataError, match=r"row 2: 'tomorrow' is no date"):
        sample_of(haystack_dates=["tomorrow"] * 3)
    with pytest.raises(DataError, match="question_type"):
        sample_of(question_type="other")


def test_three_files_of_one_data_set() -> None:
    sets = [type_.data for type_ in (LongMemEval, LongMemEvalM, LongMemEvalOracle)]
    assert {one.hub for one in sets} == {"xiaowu0162/longmemeval-cleaned"}
    assert len({one.files for one in sets}) == 3
    assert {type_.data_name() for type_ in (LongMemEval, LongMemEvalM, LongMemEvalOracle)} == {"longmemeval"}
