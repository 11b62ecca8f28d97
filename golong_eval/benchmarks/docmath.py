"""DocMath-Eval: 800 calculations over long financial documents with tables.

    golong data fetch docmath
    golong run --model M --tasks docmath --judge MODEL --judge-url URL

No text of a model is ever run or evaluated, as the official program does.

Source: DocMath-Eval (arXiv 2311.09805); github.com/yale-nlp/DocMath-Eval; the rule of its ports: QwenLong-L1
(arXiv 2505.17667).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsJudge, Row, Said, document
from golong_eval.benchmarks.qa_text import last_line
from golong_eval.judges.question import JudgeQuestion, Rubric
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.rewards.quantities import Quantity, only_quantity, plain_math, read_quantity
from golong_eval.schema import Prompt, Sample, Variant
from golong_eval.tasks import ContextMode
from golong_eval.text import clean

__all__ = ["DocMath", "DocMathRow", "numbers_agree", "published_number"]

NUMBER = Rubric(
    id="docmath_number",
    text=(
        "The answer gives the same number as the right answer, with the same sign and scale: rounding to the precision "
        "that the right answer shows is fine, a percentage is the same as its fraction, and units may be left out. "
        "Several numbers, or none, are wrong."
    ),
)
_BEFORE = "Read the document below and work out the answer to the question that follows it.\n\n"
_AFTER = (
    "\n\nQuestion: {question}\n\nThink it through step by step, then end with a line of this form, the answer being "
    'one number:\n"Therefore, the answer is (insert answer here)".'
)
_PUBLISHED = re.compile(r"the answer is\s*:?\s*\$?\s*(-?[0-9][0-9,]*(?:\.[0-9]+)?)", re.IGNORECASE)
_CONCLUDED = re.compile(r"the answer is:?\s*(.*)", re.IGNORECASE)
_PERCENT = re.compile(r"percent|%|\bratio\b|\brate\b|\bshare\b|proportion", re.IGNORECASE)
_DIGITS = 40  # of a number that is compared
_TOLERANCE = Fraction(15, 10_000)


class DocMathRow(Row):
    """A row of one of the four test-mini splits."""

    question_id: str
    question: str
    paragraphs: tuple[str, ...]
    ground_truth: float
    source: str | None = None
    split: str | None = None
    """Told by the file it came from."""


def published_number(text: str) -> float | None:
    """Return the number behind the first "the answer is", as the ports of the published rule read it.

    >>> published_number("The answer is **(-1,234.5)**")
    -1234.5
    """
    found = _PUBLISHED.search(re.sub(r"[*()]", "", text))
    digits = found[1].replace(",", "") if found else ""
    return float(digits) if digits and len(digits) <= _DIGITS else None


def numbers_agree(answer: float, gold: float) -> bool:
    """Return whether two numbers are the same by the published rule, in the form of its ports.

    They differ by a power of ten, whatever their signs; or by about 100, 1,000 or 100,000; or both round up to the same
    at two decimals (three in the official repository); or by at most 0.15 % of the gold.

    >>> [numbers_agree(one, 0.0391) for one in (0.0312, -0.0391, 3.91, 0.0412)]
    [True, True, True, False]
    """
    if answer == gold:
        return True
    if not (math.isfinite(answer) and math.isfinite(gold)):
        return False
    if answer and gold:
        power = math.log10(abs(answer / gold))
        if abs(power - round(power)) < 1e-12:
            return True
        ratios = (abs(answer / gold), abs(gold / answer))
        if any(abs(ratio / scale - 1) <= 0.0015 for ratio in ratios for scale in (100, 1_000, 100_000)):
            return True
    if max(abs(answer), abs(gold)) < 1e15 and math.ceil(answer * 100) == math.ceil(gold * 100):
        return True
    return abs(answer - gold) <= 0.0015 * abs(gold)


class DocMath(Benchmark[DocMathRow]):
    """Four splits: simple and complex questions over short and long documents."""

    id = "docmath"
    name = "DocMath-Eval"
    capability = "calculations over long documents with tables"
    source = "arXiv 2311.09805; github.com/yale-nlp/DocMath-Eval"
    data = DataSource("yale-nlp/DocMath-Eval", ("*testmini*", "data/*testmini*"), licence="MIT", megabytes=70)
    row = DocMathRow
    rule = "docmath"
    max_tokens = 4096
    size = "800"
    lengths = "up to 1M characters"
    needs = ("judge",)
    binary = True
    flaws = (
        "the published rule ignores the sign and powers of ten and rounds up at two decimals, so 0.0312 passes for "
        "0.0391, and takes the first number that is stated, also inside the thinking"
    )
    templates = (_BEFORE, _AFTER)
    apart = ("paragraphs",)
    scored_by = ("ground_truth", "question")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns with the split, by the name of the file."""
        name = re.match(r"(?:data-)?((?:comp|simp)(?:long|short)_testmini)", file.name)
        return fields if name is None else {**fields, "split": name[1]}

    def sample(self, row: DocMathRow, place: str) -> Sample:
        """Return the sample of a row."""
        split = row.split or row.question_id.rpartition("-")[0] or "unknown"
        return self.make_sample(
            row,
            row.question_id,
            question=row.question,
            answers=[_shown(row.ground_truth)],
            documents=[document("\n\n".join(row.paragraphs))],
            groups={"split": split},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the document and the question."""
        if context == "evidence":
            raise self.no_evidence()
        text = "" if context == "none" else sample.documents[0].read()
        return Prompt(before=_BEFORE, documents=text, after=_AFTER.replace("{question}", sample.question))

    def score(self, answer: Answer, row: DocMathRow, variant: Variant) -> Said:
        """Score an answer by its number; a judge decides where the rule finds none, and officially where it differs.

        >>> row = DocMath().row_of_columns({"ground_truth": 0.0391, "question": "Which share?"}, "row 1")
        >>> said = Answer("Therefore, the answer is -0.0391", "Therefore, the answer is -0.0391")
        >>> [DocMath().score(said, row, variant).value for variant in ("official", "strict")]
        [1.0, 0.0]
        """
        right, wrong = Outcome(1.0), Outcome(0.0)
        if variant == "official":
            number = published_number(answer.text)
            said = answer.final
            if number is not None and numbers_agree(number, row.ground_truth):
                return Outcome(1.0, parsed=_shown(number))
        else:
            said = _conclusion(answer.final)
            if not said:
                return no_answer("no conclusion")
            found = _quantity(said)
            if found is not None:
                if _same(found, row.ground_truth):
                    return Outcome(1.0, parsed=said[:200])
                if not (_PERCENT.search(row.question) and _same_but_percent(found, row.ground_truth)):
                    return Outcome(0.0, parsed=said[:200])
            right, wrong = Outcome(1.0, parsed=said[:200]), Outcome(0.0, parsed=said[:200])
        golds = (_shown(row.ground_truth),)
        return NeedsJudge(JudgeQuestion(rubric=NUMBER, question=row.question, golds=golds, answer=said), right, wrong)

    def gold_answer(self, row: DocMathRow) -> str:
        """Return a conclusion with the number."""
        return f"Therefore, the answer is {_shown(row.ground_truth)}"


def _shown(number: float) -> str:
    """Return a number as digits, without an exponent."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.12f}".rstrip("0").rstrip(".")


def _conclusion(text: str) -> str:
    found = _CONCLUDED.findall(text)
    said = re.sub(r"[*`]", "", found[-1] if found else last_line(text)).strip().rstrip(".").strip()
    return said[1:-1].strip() if said.startswith("(") and said.endswith(")") else said


def _quantity(text: str) -> Quantity | None:
    """Return the one number of a text; None where there is none, or more than one."""
    plain = plain_math(clean(text[:400]))
    return read_quantity(plain) or only_quantity(plain)


def _same(answer: Quantity, gold: float) -> bool:
    """Return whether an answer is the gold: within 0.15 %, or equal once the gold is rounded as the answer is.

    A percentage is the gold as a fraction, or as the number of percent.
    """
    exact = Fraction(gold)
    values = [answer.value, answer.value / 100] if answer.percent else [answer.value]
    for value in values:
        if value == exact or abs(value - exact) <= _TOLERANCE * abs(exact):
            return True
        if (value < 0) == (exact < 0) and _rounds_to(exact, value):
            return True
    return False


def _same_but_percent(answer: Quantity, gold: float) -> bool:
    """Return whether an answer is the gold, but for which of the two is a percentage and which its fraction."""
    values = (answer.value * 100, answer.value / 100)
    return any(_same(Quantity(value), gold) for value in values)


def _rounds_to(exact: Fraction, value: Fraction) -> bool:
    """Return whether a number is another one rounded to two decimals or more that leave three figures of it."""
    for places in range(2, 9):
        unit = Fraction(1, 10**places)
        if (value / unit).denominator == 1:
            return abs(exact - value) <= unit / 2 and abs(value) >= 100 * unit
    return False
