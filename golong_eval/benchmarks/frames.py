"""FRAMES: 824 questions that take several articles of an encyclopedia, here with the articles in the prompt.

    golong data fetch frames
    golong run --model M --tasks frames --judge MODEL --judge-url URL

Source: FRAMES (arXiv 2409.12941); the text version and its scoring: QwenLong-L1 (arXiv 2505.17667).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsJudge, Row, Said
from golong_eval.benchmarks.longbench_v1_qa import SAME, concluded
from golong_eval.benchmarks.qa_text import normalized
from golong_eval.errors import DataError
from golong_eval.judges.question import JudgeQuestion
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Document, Prompt, Sample, Variant
from golong_eval.tasks import ContextMode

__all__ = ["Frames", "FramesRow"]

_BEFORE = "Read the articles below and answer the question about them.\n\n<text>\n"
_AFTER = (
    "\n</text>\n\nQuestion: {question}\n\nThink it through step by step, then end with a line of this form:\n"
    '"Therefore, the answer is (insert answer here)".'
)
_LONGEST = 20_000  # characters of an answer that are compared


class Article(BaseModel):
    """An article."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: str = ""
    text: str


class FramesRow(Row):
    """A row of the text version, ``test.jsonl``."""

    question: str = Field(validation_alias=AliasChoices("Prompt", "prompt", "question"))
    answer: str = Field(validation_alias=AliasChoices("Answer", "answer"))
    wiki_items: tuple[Article, ...]
    reasoning_types: str = ""
    number: str = Field(default="", validation_alias=AliasChoices("Unnamed: 0", "id", "number"))


class Frames(Benchmark[FramesRow]):
    """All articles in the prompt; an answer is right if the rule says so, else if the judge does."""

    id = "frames"
    name = "FRAMES"
    capability = "questions over several articles"
    source = "arXiv 2409.12941; arXiv 2505.17667"
    data = DataSource(
        "Tongyi-Zhiwen/frames",
        ("test.jsonl",),
        megabytes=57,
        note="google/frames-benchmark has no article texts: this is the version with them",
    )
    row = FramesRow
    rule = "frames"
    max_tokens = 8192
    size = "824"
    lengths = "68k characters on average, up to 557k"
    needs = ("judge",)
    binary = True
    flaws = (
        "the published rule takes an answer for right that has the gold in it or stands in the gold, so a list of "
        "guesses, a part of a name and even 'the' are right"
    )
    templates = (_BEFORE, _AFTER)
    apart = ("wiki_items",)
    scored_by = ("answer", "question")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns; the version without texts is told as such.

        Raises:
            DataError: The row has links, and no articles.
        """
        if "wiki_items" not in fields and any(name.startswith("wikipedia_link") for name in fields):
            raise DataError(
                "these are the questions with links alone, without the articles",
                "golong data fetch frames gets the version with them",
                file=file,
            )
        number = fields.get("Unnamed: 0")
        return fields if number is None else {**fields, "Unnamed: 0": str(number)}

    def sample(self, row: FramesRow, place: str) -> Sample:
        """Return the sample of a row; each article is a document."""
        if not row.wiki_items:
            raise DataError(f"{place}: wiki_items: there is no article", "check the file")
        articles = [
            Document(id=f"D{number}", title=article.title, text=article.text)
            for number, article in enumerate(row.wiki_items, 1)
        ]
        kinds = [kind.strip() for kind in row.reasoning_types.split("|") if kind.strip()]
        kind = kinds[0] if len(kinds) == 1 else "several" if kinds else "unknown"
        return self.make_sample(
            row,
            row.number or place.rpartition(":")[2],
            question=row.question,
            answers=[row.answer],
            documents=articles,
            groups={"reasoning": kind, "articles": str(len(articles)) if len(articles) < 6 else "6 or more"},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the articles, each under its title, and the question."""
        if context == "evidence":
            raise self.no_evidence()
        shown = () if context == "none" else sample.documents
        text = "\n\n".join(f"{one.title}\n{one.read()}" for one in shown)
        return Prompt(before=_BEFORE, documents=text, after=_AFTER.replace("{question}", sample.question))

    def score(self, answer: Answer, row: FramesRow, variant: Variant) -> Said:
        """Score an answer. What the rule can't find right, a judge decides.

        >>> row = Frames().row_of_columns({"answer": "The Hague", "question": "Where?"}, "row 1")
        >>> said = Answer("Therefore, the answer is the", "Therefore, the answer is the")
        >>> [Frames().score(said, row, variant).value for variant in ("official", "strict")]
        [1.0, 0.0]
        """
        if variant == "official":
            text = answer.final.replace("*", "")
            said = re.split("the answer is", text, flags=re.IGNORECASE)[-1].strip().strip(".")[:_LONGEST]
            one, other = normalized(said), normalized(row.answer)
            if one in other or other in one:
                return Outcome(1.0, parsed=said[:500])
        else:
            said = concluded(answer.final)[:_LONGEST]
            if not normalized(said):
                return no_answer("no conclusion")
            if normalized(said) == normalized(row.answer):
                return Outcome(1.0, parsed=said[:500])
        question = JudgeQuestion(rubric=SAME, question=row.question, golds=(row.answer,), answer=said)
        return NeedsJudge(question, Outcome(1.0, parsed=said[:500]), Outcome(0.0, parsed=said[:500]))

    def gold_answer(self, row: FramesRow) -> str:
        """Return a conclusion with the gold."""
        return f"Therefore, the answer is {row.answer}"
