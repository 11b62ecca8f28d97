"""FRAMES: 824 questions that take several articles of an encyclopedia, here with the articles in the prompt.

    golong data fetch frames
    golong run --model M --tasks frames --judge MODEL --judge-url URL

Source: FRAMES (arXiv 2409.12941); the text version and its scoring: QwenLong-L1 (arXiv 2505.17667).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsJudge, Row, Said
from golong_eval.benchmarks.qa_text import normalized
from golong_eval.benchmarks.statements import last_statement, undressed
from golong_eval.errors import DataError
from golong_eval.judges.question import JudgeQuestion, Rubric
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Document, Prompt, Sample, Variant
from golong_eval.tasks import ContextMode
from golong_eval.text import fold

__all__ = ["Frames", "FramesRow"]

SAME = Rubric(
    id="frames_answer",
    text=(
        "The answer says the same as the right answer: it names the same person, thing, place, time or number, "
        "whatever its wording. More detail is fine where it does not change what is said, and a number may be rounded "
        "as the right answer is. Where the right answer has several parts, all are there. Several answers to choose "
        "from, a part of the right one, or a refusal are wrong."
    ),
)
_BEFORE = "Read the articles below and answer the question that follows them.\n\n<text>\n"
_OMITTED = "Answer the question below. The articles it is about are left out here.\n\n"
_CLOSE = "\n</text>\n\n"
_AFTER = '{question}\n\nGive your answer in this form: "Therefore, the answer is (insert answer here)".'
_STATED = "the answer is"
_MANY = 6  # articles


class Article(BaseModel):
    """An article."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: str = ""
    text: str


class FramesRow(Row):
    """A row of the text version, ``test.jsonl``."""

    question: str = Field(validation_alias=AliasChoices("Prompt", "prompt", "question"), pattern=r"\S")
    answer: str = Field(validation_alias=AliasChoices("Answer", "answer"), pattern=r"\S", coerce_numbers_to_str=True)
    wiki_items: tuple[Article, ...]
    reasoning_types: str | None = None
    number: str | None = Field(
        default=None, validation_alias=AliasChoices("Unnamed: 0", "id", "number"), coerce_numbers_to_str=True
    )


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
        "guesses, a part of a name or number and even 'the' are right"
    )
    templates = (_BEFORE, _OMITTED, _CLOSE, _AFTER)
    apart = ("wiki_items",)
    scored_by = ("answer", "question")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns; the version without texts is told as such.

        Raises:
            DataError: The row has links, and no articles.
        """
        if "wiki_items" not in fields and any(name.startswith(("wikipedia_link", "wiki_links")) for name in fields):
            raise DataError(
                "these are the questions with links alone, without the articles (google/frames-benchmark)",
                "golong data fetch frames gets the version with them, Tongyi-Zhiwen/frames",
                file=file,
            )
        return fields

    def sample(self, row: FramesRow, place: str) -> Sample:
        """Return the sample of a row; each article is a document."""
        if not row.wiki_items:
            raise DataError(f"{place}: wiki_items: there is no article", "check the file")
        articles = [
            Document(id=f"D{number}", title=article.title, text=article.text)
            for number, article in enumerate(row.wiki_items, 1)
        ]
        kinds = [kind.strip() for kind in (row.reasoning_types or "").split("|") if kind.strip()]
        kind = kinds[0] if len(kinds) == 1 else "several" if kinds else "unknown"
        count = str(len(articles)) if len(articles) < _MANY else f"{_MANY} or more"
        return self.make_sample(
            row,
            row.number or place.rpartition(":")[2],
            question=row.question,
            answers=[row.answer],
            documents=articles,
            groups={"reasoning_type": kind, "articles": count},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the articles in tags, each under its title, the question, and the form of the answer.

        The whole message is cut if need be.
        """
        if context == "evidence":
            raise self.no_evidence()
        after = _AFTER.replace("{question}", sample.question.strip())
        if context == "none":
            return Prompt(after=_OMITTED + after)
        text = "\n".join(f"{one.title}\n{one.read()}" for one in sample.documents)
        return Prompt(before=_BEFORE, documents=text.strip(), after=_CLOSE + after, cut="message")

    def score(self, answer: Answer, row: FramesRow, variant: Variant) -> Said:
        """Score an answer. What the rule can't find right, a judge decides.

        >>> row = Frames().row_of_columns({"answer": "The Hague", "question": "Where?"}, "row 1")
        >>> said = Answer("Therefore, the answer is the", "Therefore, the answer is the")
        >>> [type(Frames().score(said, row, variant)).__name__ for variant in ("official", "strict")]
        ['Outcome', 'NeedsJudge']
        """
        if variant == "official":
            _, found, after = answer.final.replace("*", "").rpartition(_STATED)
            said = after.strip().strip(".").strip()
            if not found or not said:
                return no_answer(f"there is nothing behind {_STATED!r}")
            one, other = normalized(said), normalized(row.answer)
            right = one in other or other in one
        else:
            line, said = last_statement(answer.final)
            if not line:
                return no_answer("no conclusion")
            right = _same(line, undressed(row.answer))
        if right:
            return Outcome(1.0, parsed=said[:500])
        question = JudgeQuestion(rubric=SAME, question=row.question, golds=(row.answer,), answer=said)
        return NeedsJudge(question, Outcome(1.0, parsed=said[:500]), Outcome(0.0, parsed=said[:500]))

    def gold_answer(self, row: FramesRow) -> str:
        """Return a conclusion with the gold."""
        return f"Therefore, the answer is {' '.join(row.answer.split())}"


def _same(said: str, gold: str) -> bool:
    """Return whether two texts read alike, normalised if that leaves something of them: "A" is an article too."""
    return fold(said) == fold(gold) or normalized(said) == normalized(gold) != ""
