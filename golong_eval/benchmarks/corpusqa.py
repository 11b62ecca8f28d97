"""CorpusQA: questions that take whole collections of documents: statements, school pages, property listings.

    golong data fetch corpusqa
    golong run --model M --tasks corpusqa_128k --judge MODEL --judge-url URL

Source: CorpusQA, data set ``Tongyi-Zhiwen/CorpusQA``; GoLongRL (arXiv 2605.19577), its evaluation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsJudge, Row, Said, document
from golong_eval.benchmarks.conversations import turns_of
from golong_eval.benchmarks.corpusqa_answers import plainly_equal
from golong_eval.benchmarks.statements import last_statement
from golong_eval.errors import DataError
from golong_eval.judges.question import JudgeQuestion, Rubric
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Variant, sha256_text
from golong_eval.tasks import ContextMode

__all__ = ["CorpusQA1M", "CorpusQA128K", "CorpusQARow"]

EQUAL = Rubric(
    id="corpusqa_equal",
    text=(
        "The two answers to the problem are equivalent: the same number (two decimals decide, and a percentage is the "
        "same as its fraction where the problem asks for either), the same name or date, or the same items in any "
        "order unless the problem asks for one. A list with an item too many or too few is wrong, and so are several "
        "answers to choose from; an empty list is an answer."
    ),
)
_DOMAINS = ("financial_zh", "financial_en", "education_en", "real_estate_en")
_PUBLISHED = re.compile(r"The answer is: (.*)")


class CorpusQARow(Row):
    """A row of ``128k_4domains.jsonl`` or ``1m_4domains.jsonl``."""

    id: str
    prompt: str
    """JSON: the messages."""
    question: str = Field(pattern=r"\S")
    answer: str = Field(pattern=r"\S")

    @property
    def domain(self) -> str:
        """The collection that it is about, by the start of its id."""
        return next((domain for domain in _DOMAINS if self.id.startswith(f"{domain}_")), "")


class CorpusQA128K(Benchmark[CorpusQARow]):
    """Collections of about 92K tokens."""

    id = "corpusqa_128k"
    name = "CorpusQA 128K"
    capability = "questions over whole collections: filtering, counting, comparing"
    source = "data set Tongyi-Zhiwen/CorpusQA"
    data = DataSource("Tongyi-Zhiwen/CorpusQA", ("128k_4domains.jsonl",), megabytes=130)
    row = CorpusQARow
    rule = "corpusqa"
    max_tokens = 4096
    size = "329"
    lengths = "about 92k tokens"
    languages = ("en", "zh")
    needs = ("judge",)
    binary = True
    flaws = (
        "the published rule takes the first 'The answer is' of the whole response, so a guess inside the reasoning "
        "decides, and counts a judge that fails as a wrong answer"
    )
    macro = "domain"
    apart = ("prompt",)
    scored_by = ("answer", "question")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns, the messages as JSON."""
        prompt = fields.get("prompt")
        return {**fields, "prompt": json.dumps(prompt, ensure_ascii=False)} if isinstance(prompt, list) else fields

    def sample(self, row: CorpusQARow, place: str) -> Sample:
        """Return the sample of a row; its messages are its one document, as JSON."""
        if not row.domain:
            raise DataError(f"{place}: id: {row.id!r} names no domain", f"known: {', '.join(_DOMAINS)}")
        message = turns_of(row.prompt, place)[-1].content
        start = message.rfind(row.question.strip())
        return self.make_sample(
            row,
            row.id,
            question=row.question,
            answers=[row.answer],
            documents=[document(row.prompt)],
            language="zh" if row.domain.endswith("_zh") else "en",
            groups={"domain": row.domain},
            cluster=sha256_text(message[:start]) if start > 0 else None,  # questions on one collection
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the messages as they are; of the last one, what stands before the question can be cut.

        Where the question is not found behind the documents, the message is cut in its middle.
        """
        if context == "evidence":
            raise self.no_evidence()
        turns = turns_of(sample.documents[0].read(), sample.id)
        message, history = turns[-1].content, tuple(turns[:-1])
        start = message.rfind(sample.question.strip())
        behind = 2 * start > len(message)
        if context == "none":
            rules = tuple(turn for turn in history if turn.role == "system")
            return Prompt(history=rules, after=message[start:] if behind else sample.question)
        if not behind:
            return Prompt(history=history, documents=message, after="", cut="message")
        return Prompt(history=history, documents=message[:start], after=message[start:])

    def score(self, answer: Answer, row: CorpusQARow, variant: Variant) -> Said:
        """Score an answer. By the published rule a judge decides all; strictly, only what is not plainly equal.

        >>> row = CorpusQA128K().row_of_columns({"answer": "12.50%", "question": "Which share?"}, "row 1")
        >>> said = Answer("The answer is: 12.5 %", "The answer is: 12.5 %")
        >>> [type(CorpusQA128K().score(said, row, variant)).__name__ for variant in ("official", "strict")]
        ['NeedsJudge', 'Outcome']
        """
        if variant == "official":
            found = _PUBLISHED.search(answer.text)
            said = found[1].strip() if found else answer.text
        else:
            said = last_statement(answer.final).line
            if not said:
                return no_answer("no answer is stated")
        right, wrong = Outcome(1.0, parsed=said[:500]), Outcome(0.0, parsed=said[:500])
        if variant == "strict" and plainly_equal(said, row.answer, row.question):
            return right
        question = JudgeQuestion(rubric=EQUAL, question=row.question, golds=(row.answer,), answer=said)
        return NeedsJudge(question, right, wrong)

    def gold_answer(self, row: CorpusQARow) -> str:
        """Return the gold as the prompt asks for it."""
        return f"The answer is: {' '.join(row.answer.split())}"


class CorpusQA1M(CorpusQA128K):
    """Collections of about 905K tokens."""

    id = "corpusqa_1m"
    name = "CorpusQA 1M"
    data = DataSource("Tongyi-Zhiwen/CorpusQA", ("1m_4domains.jsonl",), megabytes=1300)
    lengths = "about 905k tokens"
