"""LongBench v2: 503 four-way questions over contexts of 8k to 2M words.

    golong data fetch longbench_v2
    golong run --model M --tasks longbench_v2

``longbench_v2`` asks once. ``longbench_v2_cot`` asks twice, as the leaderboard's CoT column does: the model first
reasons over the text, then answers from its own reasoning, the text left out.

Source: LongBench v2 (arXiv 2412.15204); github.com/THUDM/LongBench, ``pred.py`` and ``result.py``.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Row, document
from golong_eval.rewards.choices import stated_choice
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Variant
from golong_eval.tasks import ContextMode

__all__ = ["LongBenchV2", "LongBenchV2CoT", "LongBenchV2Row"]

_OPENING = "Read the text below, then answer the question that follows it.\n\n<text>\n"
_OMITTED = "Answer the question below. The text is too long and omitted here.\n\n"
_QUESTION = "What is the correct answer to this question: {question}\nChoices:\n(A) {A}\n(B) {B}\n(C) {C}\n(D) {D}\n\n"
_FORM = 'Give your answer in this form: "The correct answer is (insert answer here)".'
_REASON = "Let's think step by step:"
_DECIDE = " {reasoning}\n\nGoing by the above, which single choice is most likely right? "

_LONGEST = 100_000  # characters at the end of an answer that are read
_FORM_STATED = re.compile(r"(?i:the correct answer is):?\s*(?:\(([A-Da-d])\)|([A-D])(?![A-Za-z0-9]))")
_DENIED = re.compile(r"(?:\bnot\b|n['’]t\b|\bnever\b|\bif\b|\bwhether\b|\bunlikely\b)[^.!?\n]*$", re.IGNORECASE)
_BESIDE = re.compile(r"\s*(?:\(?or\b|and\b|/|,\s*(?:or|and)?\s*(?=\(?[A-D]\b))\s*\(?[A-D]\b")
_PUBLISHED = (re.compile(r"The correct answer is \(([A-D])\)"), re.compile(r"The correct answer is ([A-D])"))


class LongBenchV2Row(Row):
    """A row of ``data.json``."""

    id: str = Field(alias="_id")
    domain: str
    sub_domain: str
    difficulty: Literal["easy", "hard"]
    length: Literal["short", "medium", "long"]
    question: str
    choice_a: str = Field(alias="choice_A")
    choice_b: str = Field(alias="choice_B")
    choice_c: str = Field(alias="choice_C")
    choice_d: str = Field(alias="choice_D")
    answer: Literal["A", "B", "C", "D"]
    context: str

    def asked(self) -> str:
        """Return the question with its choices."""
        a, b, c, d = self.choice_a, self.choice_b, self.choice_c, self.choice_d
        return _QUESTION.format(question=self.question.strip(), A=a.strip(), B=b.strip(), C=c.strip(), D=d.strip())


def _stated(text: str) -> str | None:
    """Return the choice that a text states: by the last statement of the form that was asked for, else in any words.

    >>> _stated("The correct answer is (B). I rejected (C)."), _stated("I don't think the correct answer is (B).")
    ('B', None)
    """
    plain = text.replace("*", "")[-_LONGEST:]
    statements = list(_FORM_STATED.finditer(plain))
    if not statements:
        return stated_choice(plain)
    last = statements[-1]
    if _DENIED.search(plain[max(0, last.start() - 60) : last.start()]) or _BESIDE.match(plain, last.end()):
        return None
    return (last[1] or last[2]).upper()


class LongBenchV2(Benchmark[LongBenchV2Row]):
    """One call.

    The published rule takes the first statement of the form; ``strict`` what the reward `accuracy` reads: the last
    choice that is stated outside of the thinking, in whatever words, not negated, and alone.
    """

    id = "longbench_v2"
    name = "LongBench v2"
    capability = "reasoning over long documents, four choices"
    source = "arXiv 2412.15204; github.com/THUDM/LongBench"
    data = DataSource("THUDM/LongBench-v2", ("data.json",), licence="Apache-2.0", megabytes=465)
    row = LongBenchV2Row
    rule = "longbench_v2"
    max_tokens = 128
    size = "503"
    lengths = "8k-2M words"
    binary = True
    flaws = (
        "the published rule reads the whole response, so the first guess inside the thinking counts, "
        "is case-sensitive, takes (A) or (B) for A, and divides by the answers that came"
    )
    templates: ClassVar[tuple[str, ...]] = (_OPENING, _QUESTION, _FORM)
    apart = ("context",)
    scored_by = ("answer",)

    def sample(self, row: LongBenchV2Row, place: str) -> Sample:
        """Return the sample of a row."""
        return self.make_sample(
            row,
            row.id,
            question=row.asked().strip(),
            answers=[row.answer],
            documents=[document(row.context)],
            difficulty=row.difficulty,
            groups={"domain": row.domain, "length_class": row.length},
            candidates=4,
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the text in tags, the question, and the form of the answer; the whole message is cut if need be."""
        return self._first(sample, context, _FORM)

    def _first(self, sample: Sample, context: ContextMode, ending: str) -> Prompt:
        if context == "evidence":
            raise self.no_evidence()
        if context == "none":
            return Prompt(after=_OMITTED + sample.question + "\n\n" + ending)
        text = sample.documents[0].read()
        after = f"\n</text>\n\n{sample.question}\n\n{ending}"
        return Prompt(before=_OPENING, documents=text.strip(), after=after, cut="message")

    def score(self, answer: Answer, row: LongBenchV2Row, variant: Variant) -> Outcome:
        """Score an answer.

        >>> row = LongBenchV2().row_of_columns({"answer": "B"}, "row 1")
        >>> final = "The correct answer is (B)."
        >>> said = Answer(f"<think>The correct answer is (A)?</think>{final}", final)
        >>> [LongBenchV2().score(said, row, variant).value for variant in ("official", "strict")]
        [0.0, 1.0]
        """
        if variant == "official":
            text = answer.text.replace("*", "")
            found = next((match for form in _PUBLISHED if (match := form.search(text)) is not None), None)
            letter = None if found is None else found[1]
        else:
            letter = _stated(answer.final)
        if letter is None:
            return no_answer("no single choice is stated")
        return Outcome(float(letter == row.answer), parsed=letter)

    def gold_answer(self, row: LongBenchV2Row) -> str:
        """Return the right choice in the form that is asked for."""
        return f"The correct answer is ({row.answer})."


class LongBenchV2CoT(LongBenchV2):
    """Two calls: reasoning over the text, then a choice from the reasoning alone."""

    id = "longbench_v2_cot"
    name = "LongBench v2 (CoT)"
    max_tokens = 1024
    second_max_tokens = 128
    templates = (_OPENING, _QUESTION, _REASON, _OMITTED, _DECIDE, _FORM)

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the first call's prompt."""
        return self._first(sample, context, _REASON)

    def second_prompt(self, sample: Sample, first: str) -> Prompt:
        """Return the second call's prompt."""
        decide = _DECIDE.format(reasoning=first.strip())
        return Prompt(after=f"{_OMITTED}{sample.question}\n\n{_REASON}{decide}{_FORM}")
