"""LongMemEval: 500 questions on the long memory of a chat assistant, over its earlier sessions with a user.

    golong data fetch longmemeval_s
    golong run --model M --tasks longmemeval_s --judge JUDGE

``longmemeval_s`` has about 115k tokens of sessions a question, ``longmemeval_m`` about 500 sessions, and
``longmemeval_oracle`` the sessions with the evidence alone.

Source: LongMemEval (arXiv 2410.10813); github.com/xiaowu0162/LongMemEval, ``run_generation.py`` and ``evaluate_qa.py``.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsJudge, Row, Said
from golong_eval.benchmarks.longmemeval_rubrics import rubric_of
from golong_eval.errors import DataError
from golong_eval.judges.question import JudgeQuestion
from golong_eval.rewards.exact_match import ExactMatch
from golong_eval.rewards.outcome import Outcome
from golong_eval.schema import Document, Evidence, Prompt, RowGold, Sample, TextGold, Variant
from golong_eval.tasks import ContextMode
from golong_eval.text import clean

__all__ = ["LongMemEval", "LongMemEvalM", "LongMemEvalOracle", "LongMemEvalRow", "SessionTurn"]

_OPENING = (
    "Below are earlier chat sessions between you and a user. Answer the user's question from what is relevant in them."
    "\n\nEarlier sessions:\n\n"
)
_OMITTED = "Answer the user's question. Your earlier chat sessions with the user are left out here.\n\n"
_SESSION = "### Session {number}:\nSession Date: {date}\nSession Content:\n{content}\n\n"
_QUESTION = "Current Date: {date}\nQuestion: {question}\nAnswer:"

_WEEKDAY = re.compile(r"\([^()]{1,20}\)")
_FORMS = ("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d")


class SessionTurn(Row):
    """A message of a session; its mark ``has_answer`` is left out."""

    role: str
    content: str


class LongMemEvalRow(Row):
    """A row of ``longmemeval_*.json``."""

    question_id: str
    question_type: Literal[
        "single-session-user",
        "single-session-assistant",
        "single-session-preference",
        "multi-session",
        "temporal-reasoning",
        "knowledge-update",
    ]
    question: str = Field(pattern=r"\S")
    answer: str | int | float
    question_date: str
    haystack_session_ids: list[str]
    haystack_dates: list[str]
    haystack_sessions: list[list[SessionTurn]]
    answer_session_ids: list[str] = Field(default_factory=list)

    @property
    def abstains(self) -> bool:
        """Whether the right answer is that there is none."""
        return "_abs" in self.question_id


def _when(date: str, place: str) -> datetime:
    text = " ".join(_WEEKDAY.sub(" ", date).split())
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)  # the data names no zone, and only the order counts
        except ValueError:
            continue
    raise DataError(f"{place}: {date!r} is no date of a session", "dates look like 2023/05/20 (Sat) 02:21")


class LongMemEval(Benchmark[LongMemEvalRow]):
    """A judge decides by one of five rubrics; ``strict`` asks it only where the answer is not plainly the reference."""

    id = "longmemeval_s"
    name = "LongMemEval-S"
    capability = "memory over many chat sessions"
    source = "arXiv 2410.10813; github.com/xiaowu0162/LongMemEval"
    data = DataSource(
        "xiaowu0162/longmemeval-cleaned",
        ("longmemeval_s_cleaned.json",),
        licence="MIT",
        megabytes=280,
        sha256={"longmemeval_s_cleaned.json": "d6f21ea9d60a0d56f34a05b609c79c88a451d2ae03597821ea3d5a9678c3a442"},
        note="files from before September 2025 have other labels, and their rows can't be told from these",
    )
    row = LongMemEvalRow
    rule = "longmemeval"
    max_tokens = 1024
    size = "500"
    lengths = "about 115k tokens"
    needs = ("judge",)
    binary = True
    flaws = "the published scoring asks the judge for every answer, also one that is the reference word for word"
    templates: ClassVar[tuple[str, ...]] = (_OPENING, _OMITTED, _SESSION, _QUESTION)
    apart = ("haystack_session_ids", "haystack_dates", "haystack_sessions")
    scored_by = ("question_id", "question_type", "question", "answer")

    def sample(self, row: LongMemEvalRow, place: str) -> Sample:
        """Return the sample of a row: each session a document, oldest first, those with the answer its evidence."""
        count = len(row.haystack_sessions)
        dates, ids = len(row.haystack_dates), len(row.haystack_session_ids)
        if not dates == ids == count:
            raise DataError(
                f"{place}: {count} sessions with {dates} dates and {ids} ids",
                "each session has one of each; check the file",
            )
        order = sorted(range(count), key=lambda one: _when(row.haystack_dates[one], place))
        texts = [json.dumps([turn.model_dump() for turn in row.haystack_sessions[one]]) for one in order]
        documents = [
            Document(id=f"S{number}", title=row.haystack_dates[one], text=text)
            for number, (one, text) in enumerate(zip(order, texts, strict=True), 1)
        ]
        evidence, start, whole = [], 0, max(sum(map(len, texts)), 1)
        for one, document, text in zip(order, documents, texts, strict=True):
            if row.haystack_session_ids[one] in row.answer_session_ids:
                evidence.append(Evidence(document=document.id, start=0, end=len(text), depth=start / whole))
            start += len(text)
        sample = self.make_sample(
            row,
            row.question_id,
            question=row.question,
            answers=[str(row.answer)],
            documents=documents,
            groups={"question_type": row.question_type, "abstention": "yes" if row.abstains else "no"},
        )
        return sample.model_copy(update={"metadata": sample.metadata.model_copy(update={"evidence": tuple(evidence)})})

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the sessions by date, then the date of the question, which is always given, and the question."""
        assert isinstance(sample.gold, RowGold)
        asked = _QUESTION.format(date=self.row_of(sample.gold).question_date, question=sample.question)
        if context == "none":
            return Prompt(after=_OMITTED + asked)
        cited = {place.document for place in sample.metadata.evidence}
        if context == "evidence" and not cited:
            raise DataError(
                f"sample {sample.id!r} names no session with its answer", "use --context full, or none for no sessions"
            )
        shown = [one for one in sample.documents if context == "full" or one.id in cited]
        blocks = (_SESSION.format(number=one.id[1:], date=one.title, content=one.read()) for one in shown)
        return Prompt(before=_OPENING, documents="".join(blocks), after=asked)

    def score(self, answer: Answer, row: LongMemEvalRow, variant: Variant) -> Said:
        """Score an answer, or say what a judge is to be asked.

        >>> columns = {"question_id": "1", "question_type": "multi-session", "question": "How many?", "answer": 3}
        >>> row = LongMemEval().row_of_columns(columns, "row 1")
        >>> LongMemEval().score(Answer("", "**3**."), row, "strict").value
        1.0
        >>> LongMemEval().score(Answer("", "Three, I think."), row, "strict").question.rubric.id
        'longmemeval'
        """
        gold, said = str(row.answer), answer.final
        if variant == "strict" and _is(gold, said, row.abstains or row.question_type == "single-session-preference"):
            return Outcome(1.0, parsed=clean(said))
        rubric = rubric_of(row.question_type, row.abstains)
        question = JudgeQuestion(rubric=rubric, question=row.question, golds=(gold,), answer=said)
        parsed = clean(said[:2000])
        return NeedsJudge(question, right=Outcome(1.0, parsed=parsed), wrong=Outcome(0.0, parsed=parsed))

    def gold_answer(self, row: LongMemEvalRow) -> str:
        """Return the reference."""
        return str(row.answer)


def _is(gold: str, said: str, described: bool) -> bool:
    """Whether an answer is the reference; where that only describes a good answer, nothing less than all its words."""
    if described or not gold.strip():
        return said.strip() == gold.strip()
    return ExactMatch(TextGold(answers=(gold,))).matches(said)


class LongMemEvalM(LongMemEval):
    """About 500 sessions a question."""

    id = "longmemeval_m"
    name = "LongMemEval-M"
    data = DataSource(
        LongMemEval.data.hub,
        ("longmemeval_m_cleaned.json",),
        licence=LongMemEval.data.licence,
        megabytes=2740,
        note=LongMemEval.data.note,
    )
    lengths = "about 500 sessions"


class LongMemEvalOracle(LongMemEval):
    """Only the sessions with the evidence: the ceiling for a memory that recalls all that is needed."""

    id = "longmemeval_oracle"
    name = "LongMemEval (oracle)"
    data = DataSource(
        LongMemEval.data.hub,
        ("longmemeval_oracle.json",),
        licence=LongMemEval.data.licence,
        megabytes=15,
        note=LongMemEval.data.note,
    )
    lengths = "the sessions with the evidence"
