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

from pydantic import TypeAdapter, ValidationError

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsJudge, Row, Said, document
from golong_eval.benchmarks.qa_text import last_line
from golong_eval.errors import DataError
from golong_eval.judges.question import JudgeQuestion, Rubric
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.rewards.quantities import plain_math, read_quantity
from golong_eval.schema import Prompt, Sample, Turn, Variant
from golong_eval.tasks import ContextMode
from golong_eval.text import clean, is_blank

__all__ = ["CorpusQA1M", "CorpusQA128K", "CorpusQARow", "stated"]

EQUAL = Rubric(
    id="corpusqa_equal",
    text=(
        "The two answers to the problem are equivalent: the same number (two decimals decide, and a percentage is the "
        "same as its fraction where the problem asks for either), the same name, or the same set of items in any order "
        "unless the problem asks for one. A list with an item too many or too few is wrong; an empty list is an answer."
    ),
)
_DOMAINS = ("financial_zh", "financial_en", "education_en", "real_estate_en")
_PUBLISHED = re.compile(r"The answer is: (.*)")
_STATED = re.compile(r"the answer is\s*:?\s*(.*)", re.IGNORECASE)
_DECORATION = re.compile(r"[*`$]|\\boxed")
_TURNS = TypeAdapter(list[Turn])


class CorpusQARow(Row):
    """A row of ``128k_4domains.jsonl`` or ``1m_4domains.jsonl``."""

    id: str
    prompt: str
    """JSON: the messages."""
    question: str
    answer: str

    @property
    def domain(self) -> str:
        """The collection that it is about, by the start of its id."""
        return next((domain for domain in _DOMAINS if self.id.startswith(domain)), "")


def stated(text: str) -> str:
    r"""Return what the last "The answer is" of a text says, else its last line, without decoration.

    >>> stated("The answer is: 3? No.\n**The answer is: 4.50**")
    '4.50'
    """
    found = _STATED.findall(text)
    return _DECORATION.sub("", found[-1] if found else last_line(text)).strip().strip("{}").rstrip(".。").strip()


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
        """Return the sample of a row; its document is what the last message has before the question."""
        if not row.domain:
            raise DataError(f"{place}: id: {row.id!r} names no domain", f"known: {', '.join(_DOMAINS)}")
        _turns(row.prompt, place)
        return self.make_sample(
            row,
            row.id,
            question=row.question,
            answers=[row.answer],
            documents=[document(row.prompt)],
            language="zh" if row.domain.endswith("_zh") else "en",
            groups={"domain": row.domain},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the messages as they are; of the last one, what stands before the question can be cut."""
        if context == "evidence":
            raise self.no_evidence()
        turns = _turns(sample.documents[0].read(), sample.id)
        message = turns[-1].content
        start = message.rfind(sample.question)
        if start < 0:
            return Prompt(history=tuple(turns[:-1]), documents=message, after="", cut="message")
        before = "" if context == "none" else message[:start]
        return Prompt(history=tuple(turns[:-1]), documents=before, after=message[start:])

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
            said = stated(answer.final)
        if is_blank(said):
            return no_answer("no answer is stated")
        right = Outcome(1.0, parsed=said[:500])
        if variant == "strict" and _equal(said, row.answer):
            return right
        question = JudgeQuestion(rubric=EQUAL, question=row.question, golds=(row.answer,), answer=said)
        return NeedsJudge(question, right, Outcome(0.0, parsed=said[:500]))

    def gold_answer(self, row: CorpusQARow) -> str:
        """Return the gold as the prompt asks for it."""
        return f"The answer is: {row.answer}"


class CorpusQA1M(CorpusQA128K):
    """Collections of about 905K tokens."""

    id = "corpusqa_1m"
    name = "CorpusQA 1M"
    data = DataSource("Tongyi-Zhiwen/CorpusQA", ("1m_4domains.jsonl",), megabytes=1300)
    lengths = "about 905k tokens"


def _equal(said: str, gold: str) -> bool:
    """Return whether two answers are plainly the same: as texts, as numbers of one kind, or as lists in any order."""
    if clean(said).casefold() == clean(gold).casefold():
        return True
    one, other = (read_quantity(plain_math(clean(text))) for text in (said[:200], gold[:200]))
    if one is not None and other is not None:
        return (one.value, one.unit, one.percent) == (other.value, other.unit, other.percent)
    items = [_items(text) for text in (said, gold)]
    return items[0] is not None and items[0] == items[1]


def _items(text: str) -> list[str] | None:
    """Return the items of a list in brackets, sorted; None of any other text."""
    plain = clean(text).casefold()
    if not (plain.startswith("[") and plain.endswith("]")) or len(plain) > 20_000:
        return None
    return sorted(part.strip(" '\"") for part in re.split("[,，;；]", plain[1:-1]) if part.strip(" '\""))


def _turns(prompt: str, place: str) -> list[Turn]:
    try:
        turns = _TURNS.validate_json(prompt)
    except ValidationError as error:
        raise DataError(
            f"{place}: prompt: no list of messages ({error.errors()[0]['msg']})", "check the file"
        ) from None
    if not turns or turns[-1].role != "user":
        raise DataError(f"{place}: prompt: the last message is not the user's", "check the file")
    return turns
