"""LongBench v1: 21 data sets in English, Chinese and code, each with its own metric; here as officially scored.

    golong data fetch longbench_v1
    golong run --model M --tasks longbench_v1 --context-policy truncate

Stored predictions: ``golong score --benchmark longbench_v1 --predictions FILE --column answers=gold``.

Source: LongBench (arXiv 2308.14508); github.com/THUDM/LongBench, ``metrics.py`` and ``eval.py``. The rules of
classification, counting, retrieval and code are restated from memory of that program; those of QA were checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Need, Row, Said, document
from golong_eval.benchmarks.qa_text import first_line, token_f1
from golong_eval.errors import DataError, nearest
from golong_eval.rewards.outcome import Ask, Outcome
from golong_eval.rewards.registry import scorer_class
from golong_eval.schema import Language, Prompt, ReferencesGold, Sample, Variant
from golong_eval.tasks import ContextMode

__all__ = ["LongBenchV1", "LongBenchV1Row", "bare_answer"]

_FORM = "Give the answer alone, with no other words."
_PROMPTS: dict[str, tuple[str, str]] = {
    "qa": (
        "Answer a question about the text below. " + _FORM + "\n\nText:\n",
        "\n\n" + _FORM + "\n\nQuestion: {input}\nAnswer:",
    ),
    "qa_zh": (
        "阅读下面的文本，然后回答问题。只给出答案，不要输出其他内容。\n\n文本：\n",
        "\n\n只给出答案。\n\n问题：{input}\n回答：",
    ),
    "summary": ("Write a summary of the text below.\n\nText:\n", "\n\n{input}\nSummary:"),
    "summary_zh": ("为下面的文本写一份摘要。\n\n文本：\n", "\n\n{input}\n摘要："),
    "examples": ("Work in the same way as the examples below.\n\n", "\n\n{input}"),
    "count": (
        "Some of the paragraphs below stand there more than once. How many different ones are there?\n\n",
        "\n\nGive the number alone, such as 1, 2 or 3.\n\nThe number of different paragraphs is:",
    ),
    "retrieval": (
        "Below are 30 paragraphs, and then a summary of one of them.\n\n",
        '\n\nSummary:\n{input}\n\nSay which paragraph it is of, in the form "Paragraph 1".\n\nThe answer is:',
    ),
    "retrieval_zh": (
        "下面有若干段落，最后是其中一段的摘要。\n\n",
        "\n\n摘要：\n{input}\n\n说明它属于哪一段，格式为“段落1”。\n\n答案是：",
    ),
    "code": ("Complete the code below.\n", "{input}Next line of code:\n"),
}
_LEAD = re.compile(
    r"(?:the )?(?:final )?answer(?:\s+is\b|\s*[:：])\s*[:：]?\s*|(?:答案|回答)(?:是|\s*[:：])\s*", re.IGNORECASE
)
_FIRST_LINE = frozenset({"trec", "triviaqa", "samsum", "lsht"})
_LONGEST = 50_000  # characters of an answer; budgets end at 512 tokens


class LongBenchV1Row(Row):
    """A row of ``data/SET.jsonl``."""

    id: str = Field(alias="_id")
    input: str
    context: str
    answers: tuple[str, ...] = Field(min_length=1)
    length: int
    dataset: str
    language: Literal["en", "zh"] = "en"
    all_classes: tuple[str, ...] | None = None


def bare_answer(text: str) -> str:
    """Return an answer without what models put around it: code fences, emphasis, a leading ``Answer:``.

    >>> bare_answer("**Answer:** Paris")
    'Paris'
    """
    lines = [line for line in text.strip().splitlines() if not line.strip().startswith("```")]
    plain = re.sub(r"[*`]", "", "\n".join(lines)).strip()
    lead = _LEAD.match(plain)
    return plain if lead is None else plain[lead.end() :]


def _f1(language: Language) -> Callable[[str, LongBenchV1Row], float]:
    return lambda said, row: max(token_f1(said, gold, language) for gold in row.answers)


def _rouge(language: Language) -> Callable[[str, LongBenchV1Row], float]:
    def score(said: str, row: LongBenchV1Row) -> float:
        from golong_eval.rewards.official.rouge_l import summary_level_f

        texts = [said, *row.answers]
        if language == "zh":
            from golong_eval.rewards.chinese import SEGMENTER

            SEGMENTER.ready()
            texts = [" ".join(SEGMENTER.words(text)) for text in texts]
        return max(summary_level_f(texts[0], gold) or 0.0 for gold in texts[1:])

    return score


def _classification(said: str, row: LongBenchV1Row) -> float:
    """Return 1 over the number of classes named, if the right one is; a class inside of the right one is none."""
    gold = row.answers[0]
    named = [name for name in row.all_classes or () if name in said]
    kept = [name for name in named if not (name in gold and name != gold)]
    return 1 / len(kept) if gold in kept else 0.0


def _share_of_numbers(said: str, gold: str) -> float:
    numbers = re.findall(r"[0-9]+", said)
    return numbers.count(gold) / len(numbers) if numbers else 0.0


def _count(said: str, row: LongBenchV1Row) -> float:
    return _share_of_numbers(said, row.answers[0].strip())


def _retrieval(said: str, row: LongBenchV1Row) -> float:
    found = re.search(r"[0-9]+", row.answers[0])
    return _share_of_numbers(said, found[0]) if found else 0.0


def _code(said: str, row: LongBenchV1Row) -> float:
    """Return the similarity of the first line that is no comment."""
    from rapidfuzz import fuzz

    lines = said.lstrip("\n").split("\n")
    line = next((line for line in lines if not any(mark in line for mark in ("`", "#", "//"))), "")
    return round(fuzz.ratio(line, row.answers[0])) / 100


_Rule = Callable[[str, LongBenchV1Row], float]
_EN, _ZH = _f1("en"), _f1("zh")
_SUMMARIES = (_rouge("en"), _rouge("zh"))
SETS: Mapping[str, tuple[str, _Rule]] = {
    **dict.fromkeys(("narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique"), ("qa", _EN)),
    "multifieldqa_zh": ("qa_zh", _ZH),
    "dureader": ("qa_zh", _SUMMARIES[1]),
    **dict.fromkeys(("gov_report", "qmsum", "multi_news"), ("summary", _SUMMARIES[0])),
    "vcsum": ("summary_zh", _SUMMARIES[1]),
    "trec": ("examples", _classification),
    "lsht": ("examples", _classification),
    "triviaqa": ("examples", _EN),
    "samsum": ("examples", _SUMMARIES[0]),
    "passage_count": ("count", _count),
    "passage_retrieval_en": ("retrieval", _retrieval),
    "passage_retrieval_zh": ("retrieval_zh", _retrieval),
    "lcc": ("code", _code),
    "repobench-p": ("code", _code),
}
"""Kind of prompt and rule of each data set."""


class LongBenchV1(Benchmark[LongBenchV1Row]):
    """All data sets by their official metrics; the headline is the unweighted mean over the sets."""

    id = "longbench_v1"
    name = "LongBench v1"
    capability = "QA, summaries, few examples, counting, retrieval and code, by words in common"
    source = "arXiv 2308.14508; github.com/THUDM/LongBench"
    data = DataSource("THUDM/LongBench", ("data/*.jsonl", "*.jsonl"), licence="MIT", megabytes=115)
    row = LongBenchV1Row
    rule = "longbench_v1"
    max_tokens = 512
    size = "4,750"
    lengths = "1k-18k words"
    languages: ClassVar[tuple[Language, ...]] = ("en", "zh")
    needs: ClassVar[tuple[Need, ...]] = ("chinese",)
    flaws = (
        "the published rules read thinking, emphasis and a leading 'Answer:' as words of the answer, and count the "
        "distinct words of summaries"
    )
    macro = "dataset"
    templates: ClassVar[tuple[str, ...]] = tuple(text for pair in _PROMPTS.values() for text in pair)
    apart = ("context",)
    scored_by: ClassVar[tuple[str, ...]] = ("answers", "dataset", "all_classes", "language")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns; a file of LongBench-E is named SET_e."""
        name = fields.get("dataset")
        return {**fields, "dataset": name.removesuffix("_e")} if isinstance(name, str) else fields

    def read_row(self, fields: Mapping[str, Any], place: str) -> LongBenchV1Row:
        """Return a row, whose data set is a known one."""
        row = super().read_row(fields, place)
        if row.dataset not in SETS:
            close = nearest(row.dataset, SETS)
            raise DataError(
                f"{place}: dataset: unknown set {row.dataset!r}", f"did you mean {close!r}?" if close else ""
            )
        return row

    def sample(self, row: LongBenchV1Row, place: str) -> Sample:
        """Return the sample of a row."""
        length = "under 4k words" if row.length < 4_000 else "4k-8k words" if row.length < 8_000 else "8k words or more"
        return self.make_sample(
            row,
            f"{row.dataset}/{row.id}",
            question=row.input.strip() or "-",
            answers=row.answers,
            documents=[document(row.context)],
            language=row.language,
            groups={"dataset": row.dataset, "length_class": length},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the prompt of the sample's data set; too long, the whole message loses its middle."""
        if context == "evidence":
            raise self.no_evidence()
        kind, _ = SETS[(sample.metadata.groups or {})["dataset"]]
        before, after = _PROMPTS[kind]
        question = "" if sample.question == "-" else sample.question
        text = "" if context == "none" else sample.documents[0].read()
        return Prompt(before=before, documents=text, after=after.replace("{input}", question), cut="message")

    def score(self, answer: Answer, row: LongBenchV1Row, variant: Variant) -> Said:
        """Score an answer by its data set's metric.

        >>> row = LongBenchV1().row_of_columns({"answers": ["Cipriano Castro"], "dataset": "2wikimqa"}, "row 1")
        >>> said = Answer("**Answer:** Cipriano Castro", "**Answer:** Cipriano Castro")
        >>> [round(LongBenchV1().score(said, row, variant).value, 3) for variant in ("official", "strict")]
        [0.8, 1.0]
        """
        _, rule = SETS[row.dataset]
        if variant == "strict" and rule in _SUMMARIES:
            scorer = scorer_class("rouge_l", "strict")(ReferencesGold(texts=row.answers))
            outcome: Outcome = scorer(answer.final[:_LONGEST], Ask(language=row.language))
            return outcome
        said = answer.text if variant == "official" else bare_answer(answer.final)
        if row.dataset in _FIRST_LINE:
            said = first_line(said)
        return Outcome(min(1.0, rule(said[:_LONGEST], row)), parsed=said[:200])

    def gold_answer(self, row: LongBenchV1Row) -> str:
        """Return the first right answer."""
        return row.answers[0]
