"""LongBench v1's QA sets as QwenLong and GoLongRL report them: five sets, reasoning first, right or wrong by a judge.

    golong run --model M --tasks longbench_v1_qa --judge MODEL --judge-url URL

Source: QwenLong-L1.5 and GoLongRL (arXiv 2605.19577), column LBV1-QA; data of LongBench (arXiv 2308.14508).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golong_eval.benchmarks.base import Answer, NeedsJudge, Said
from golong_eval.benchmarks.longbench_v1 import LongBenchV1, LongBenchV1Row
from golong_eval.benchmarks.qa_text import covers, last_line, reads_alike
from golong_eval.benchmarks.statements import last_statement, undressed
from golong_eval.judges.question import JudgeQuestion, Rubric
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Variant
from golong_eval.tasks import ContextMode

__all__ = ["LongBenchV1QA", "concluded"]

SAME = Rubric(
    id="same_answer",
    text=(
        "The answer means the same as a right answer: it names the same person, thing, time, number or fact, whatever "
        "its wording and language. More detail is fine where it does not change or widen what is said; several "
        "alternatives, or a refusal, are wrong."
    ),
)
_SETS = frozenset({"2wikimqa", "hotpotqa", "musique", "narrativeqa", "qasper"})
_BEFORE = "Read the text below and answer the question about it.\n\n<text>\n"
_AFTER = (
    "\n</text>\n\nQuestion: {input}\n\nThink it through step by step, then end with a line of this form:\n"
    '"Therefore, the answer is (insert answer here)".'
)
_CONCLUDED = re.compile(r"therefore, the answer is", re.IGNORECASE)
_NOTHING = re.compile(r"(?:therefore,? )?(?:the answer is)?[ :.]*", re.IGNORECASE)


def concluded(text: str) -> str:
    r"""Return what the last line with "therefore, the answer is" says after it, else the last line, as published.

    >>> concluded("So it is he.\nTherefore, the answer is (Paris).")
    'Paris'
    """
    for line in reversed(text.splitlines()):
        if found := list(_CONCLUDED.finditer(line)):
            return undressed(line[found[-1].end() :].lstrip("*: "))
    return undressed(last_line(text))


class LongBenchV1QA(LongBenchV1):
    """Five sets; an answer is right if the rule says so, else if the judge does."""

    id = "longbench_v1_qa"
    name = "LongBench v1 QA (judged)"
    capability = "questions over one and several documents"
    source = "GoLongRL (arXiv 2605.19577), LBV1-QA; data of arXiv 2308.14508"
    rule = "longbench_v1_qa"
    max_tokens = 8192
    size = "1,000"
    languages = ("en",)
    needs = ("judge",)
    binary = True
    flaws = (
        "the published rule takes an answer for right that has the gold anywhere in it, so a list of guesses is right, "
        "and knows the first of several right answers only"
    )
    templates = (_BEFORE, _AFTER)
    scored_by = ("answers", "input")

    @classmethod
    def data_name(cls) -> str:
        """It is made of the same data set."""
        return "longbench_v1"

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns; None for a row of another set."""
        ready = super().prepare(fields, file)
        return None if ready is None or ready.get("dataset") not in _SETS else ready

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the text in tags, the question, and the form of the conclusion."""
        if context == "evidence":
            raise self.no_evidence()
        text = "" if context == "none" else sample.documents[0].read()
        return Prompt(before=_BEFORE, documents=text, after=_AFTER.replace("{input}", sample.question), cut="message")

    def score(self, answer: Answer, row: LongBenchV1Row, variant: Variant) -> Said:
        """Score an answer. What the rule can't find right, a judge decides.

        >>> row = LongBenchV1QA().row_of_columns({"answers": ["Paris"], "input": "Where?"}, "row 1")
        >>> said = Answer("Therefore, the answer is Rome or Paris.", "Therefore, the answer is Rome or Paris.")
        >>> [type(LongBenchV1QA().score(said, row, variant)).__name__ for variant in ("official", "strict")]
        ['Outcome', 'NeedsJudge']
        """
        if variant == "official":
            line = said = concluded(answer.final)
            golds = row.answers[:1]
            right = covers(line, golds[0])
        else:
            line, said = last_statement(answer.final)
            golds = row.answers
            right = any(reads_alike(line, undressed(gold)) for gold in golds)
        if _NOTHING.fullmatch(line):
            return no_answer("no conclusion")
        if right:
            return Outcome(1.0, parsed=said[:500])
        question = JudgeQuestion(rubric=SAME, question=row.input or "-", golds=golds, answer=said)
        return NeedsJudge(question, Outcome(1.0, parsed=said[:500]), Outcome(0.0, parsed=said[:500]))

    def gold_answer(self, row: LongBenchV1Row) -> str:
        """Return a conclusion with the first right answer."""
        return f"Therefore, the answer is {' '.join(row.answers[0].split())}"
