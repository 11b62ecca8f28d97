"""DocMath-Eval: 800 calculations over long financial documents with tables.

    golong data fetch docmath
    golong run --model M --tasks docmath --judge MODEL --judge-url URL

No text of a model is ever run or evaluated, as the published programs do.

Source: DocMath-Eval (arXiv 2311.09805); github.com/yale-nlp/DocMath-Eval; the rule of its ports: QwenLong-L1
(arXiv 2505.17667).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsJudge, Row, Said
from golong_eval.benchmarks.docmath_numbers import (
    numbers_agree,
    published_number,
    published_statement,
    same_number,
    shown,
)
from golong_eval.benchmarks.statements import last_statement
from golong_eval.errors import DataError
from golong_eval.judges.question import JudgeQuestion, Rubric
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Document, Evidence, Prompt, Sample, Variant, sha256_text
from golong_eval.tasks import ContextMode

__all__ = ["DocMath", "DocMathRow"]

NUMBER = Rubric(
    id="docmath_number",
    text=(
        "The answer gives the same number as the right answer, with the same sign: rounding to the precision that the "
        "right answer shows is fine, a percentage is the same as its fraction, and units may be left out, also a scale "
        "such as thousand where the right answer is plainly counted in it. Several numbers, or none, are wrong."
    ),
)
_BEFORE = "Read the text below and answer the question that follows it.\n\n<text>\n"
_OMITTED = "Answer the question below. The text it is about is left out here.\n\n"
_AFTER = '{question}\n\nGive your answer in this form: "Therefore, the answer is (insert answer here)".'
_CLOSE = "\n</text>\n\n"


class DocMathRow(Row):
    """A row of one of the four test-mini splits."""

    question_id: str
    question: str = Field(pattern=r"\S")
    paragraphs: tuple[str, ...]
    table_evidence: tuple[int, ...] | None = None
    paragraph_evidence: tuple[int, ...] | None = None
    ground_truth: float = Field(allow_inf_nan=False)
    source: str | None = None
    split: str | None = None
    """Told by the file it came from."""


class DocMath(Benchmark[DocMathRow]):
    """Four splits: simple and complex questions over short and long documents."""

    id = "docmath"
    name = "DocMath-Eval"
    capability = "calculations over long documents with tables"
    source = "arXiv 2311.09805; github.com/yale-nlp/DocMath-Eval"
    data = DataSource(
        "yale-nlp/DocMath-Eval", ("*testmini*", "data/*testmini*"), licence="MIT", megabytes=70, gated=True
    )
    row = DocMathRow
    rule = "docmath"
    max_tokens = 4096
    size = "800"
    lengths = "500 to 1M characters"
    needs = ("judge",)
    binary = True
    flaws = (
        "the published rule ignores signs and powers of ten and rounds up at two decimals, so 0.0312 passes for "
        "0.0391, takes the first number that is stated, and one that it can't read for 0"
    )
    templates = (_BEFORE, _OMITTED, _CLOSE, _AFTER)
    apart = ("paragraphs",)
    scored_by = ("ground_truth", "question")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns with the split, by the name of the file."""
        name = re.search(r"(?:comp|simp)(?:long|short)[_-]testmini", file.name)
        return fields if name is None else {**fields, "split": name[0].replace("-", "_")}

    def sample(self, row: DocMathRow, place: str) -> Sample:
        """Return the sample of a row; each paragraph is a document, those that the row names its evidence."""
        named = re.match(r"(?:comp|simp)(?:long|short)[_-]testmini", row.question_id)
        split = row.split or (named[0].replace("-", "_") if named else "unknown")
        documents = [Document(id=f"P{number}", text=text) for number, text in enumerate(row.paragraphs)]
        cited = {*(row.table_evidence or ()), *(row.paragraph_evidence or ())}
        evidence, start, whole = [], 0, max(sum(map(len, row.paragraphs)), 1)
        for number, text in enumerate(row.paragraphs):
            if number in cited:
                evidence.append(Evidence(document=f"P{number}", start=0, end=len(text), depth=start / whole))
            start += len(text)
        sample = self.make_sample(
            row,
            row.question_id,
            question=row.question,
            answers=[shown(row.ground_truth)],
            documents=documents,
            groups={"split": split},
            cluster=sha256_text("\n".join(row.paragraphs)),  # questions on one report, whatever their evidence
        )
        return sample.model_copy(update={"metadata": sample.metadata.model_copy(update={"evidence": tuple(evidence)})})

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the paragraphs in tags, the question, and the form of the answer.

        The whole message is cut if need be.

        Raises:
            DataError: ``context="evidence"``, and the row names none.
        """
        after = _AFTER.replace("{question}", sample.question.strip())
        if context == "none":
            return Prompt(after=_OMITTED + after)
        cited = {place.document for place in sample.metadata.evidence}
        if context == "evidence" and not cited:
            raise DataError(f"sample {sample.id!r} names no evidence", "use --context full, or none")
        texts = [one.read() for one in sample.documents if context == "full" or one.id in cited]
        return Prompt(before=_BEFORE, documents="\n".join(texts).strip(), after=_CLOSE + after, cut="message")

    def score(self, answer: Answer, row: DocMathRow, variant: Variant) -> Said:
        """Score an answer by its number. A judge decides where the rule can't, and officially where it finds another.

        >>> row = DocMath().row_of_columns({"ground_truth": 0.0391, "question": "Which share?"}, "row 1")
        >>> said = Answer("Therefore, the answer is -0.0312", "Therefore, the answer is -0.0312")
        >>> [DocMath().score(said, row, variant).value for variant in ("official", "strict")]
        [1.0, 0.0]
        """
        verdict: bool | None
        if variant == "official":
            stated = published_statement(answer.final)
            verdict = True if stated is not None and numbers_agree(published_number(stated), row.ground_truth) else None
            said = answer.final if stated is None else stated
        else:
            said = last_statement(answer.final).line
            if not said:
                return no_answer("no conclusion")
            verdict = same_number(said, row.ground_truth, row.question)
        right, wrong = Outcome(1.0, parsed=said[:200]), Outcome(0.0, parsed=said[:200])
        if verdict is not None:
            return right if verdict else wrong
        golds = (shown(row.ground_truth),)
        return NeedsJudge(JudgeQuestion(rubric=NUMBER, question=row.question, golds=golds, answer=said), right, wrong)

    def gold_answer(self, row: DocMathRow) -> str:
        """Return a conclusion with the number."""
        return f"Therefore, the answer is {shown(row.ground_truth)}"
