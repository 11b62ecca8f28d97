"""LongBench v1: 21 data sets in English, Chinese and code, each with its own metric; here as officially scored.

    golong run --model M --tasks longbench_v1 --data longbench_v1=path/to/data --context-policy truncate
    golong score --benchmark longbench_v1 --predictions FILE --column answers=gold

Source: LongBench (arXiv 2308.14508); github.com/THUDM/LongBench.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Need, Row, Said, document
from golong_eval.benchmarks.longbench_v1_prompts import PROMPTS
from golong_eval.benchmarks.longbench_v1_rules import CLASSIFIED, FIRST_LINE, RULES, official_score, strict_score
from golong_eval.errors import DataError, nearest
from golong_eval.schema import Language, Prompt, Sample, Variant
from golong_eval.tasks import ContextMode

__all__ = ["LongBenchV1", "LongBenchV1Row"]


class LongBenchV1Row(Row):
    """A row of ``data/SET.jsonl``."""

    id: str = Field(alias="_id")
    input: str
    context: str
    answers: tuple[str, ...] = Field(min_length=1)
    length: int
    dataset: str
    language: Literal["en", "zh"] = "en"
    """Of the text around the code, where a row names a programming language."""
    all_classes: tuple[str, ...] | None = None

    @field_validator("language", mode="before")
    @classmethod
    def _of_code(cls, value: object) -> object:
        return "en" if isinstance(value, str) and value != "zh" else value


class LongBenchV1(Benchmark[LongBenchV1Row]):
    """All data sets by their official metrics; the headline is the unweighted mean over the sets."""

    id = "longbench_v1"
    name = "LongBench v1"
    capability = "QA, summaries, few examples, counting, retrieval and code, by words in common"
    source = "arXiv 2308.14508; github.com/THUDM/LongBench"
    data = DataSource(
        "THUDM/LongBench",
        ("data/*[!_]?.jsonl", "*[!_]?.jsonl"),  # not those of LongBench-E, which end in _e
        licence="MIT",
        megabytes=115,
        note="shipped as data.zip, to be unpacked by hand",
    )
    row = LongBenchV1Row
    rule = "longbench_v1"
    max_tokens = 512
    size = "4,750"
    lengths = "1k-18k words"
    languages: ClassVar[tuple[Language, ...]] = ("en", "zh")
    needs: ClassVar[tuple[Need, ...]] = ("chinese",)
    flaws = (
        "the published rules read thinking and a leading 'Answer:' as words of the answer, count the distinct words of "
        "summaries, leave out classes while they walk through them, and pass over lines of code with # or // in them"
    )
    macro = "dataset"
    templates: ClassVar[tuple[str, ...]] = tuple(text for pair in PROMPTS.values() for text in pair)
    apart = ("context",)
    scored_by: ClassVar[tuple[str, ...]] = ("answers", "dataset", "all_classes")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns, a set of LongBench-E (SET_e) by the name of its set."""
        return _without_e(fields)

    def read_row(self, fields: Mapping[str, Any], place: str) -> LongBenchV1Row:
        """Return a row, whose data set is a known one."""
        return _known(super().read_row(fields, place), place)

    def row_of_columns(self, fields: Mapping[str, Any], place: str) -> LongBenchV1Row:
        """Return a row for scoring alone, whose data set is a known one."""
        row = super().row_of_columns(_without_e(fields), place)
        return _known(row, place) if "dataset" in self.scored_by else row

    def sample(self, row: LongBenchV1Row, place: str) -> Sample:
        """Return the sample of a row."""
        length = "under 4k words" if row.length < 4_000 else "4k-8k words" if row.length < 8_000 else "8k words or more"
        return self.make_sample(
            row,
            f"{row.dataset}/{row.id}",
            question=row.input if row.input.strip() else "-",
            answers=row.answers,
            documents=[document(row.context)],
            language=row.language,
            groups={"dataset": row.dataset, "length_class": length},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the prompt of the sample's data set; too long, the whole message loses its middle."""
        if context == "evidence":
            raise self.no_evidence()
        before, after = PROMPTS[(sample.metadata.groups or {})["dataset"]]
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
        classes = row.all_classes or ()
        if variant == "official":
            return official_score(answer.text, row.answers, row.dataset, classes)
        return strict_score(answer.final, row.answers, row.dataset, classes)

    def gold_answer(self, row: LongBenchV1Row) -> str:
        """Return the first right answer, on one line where only the first is read."""
        return " ".join(row.answers[0].split()) if row.dataset in FIRST_LINE else row.answers[0]


def _without_e(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    name = fields.get("dataset")
    return {**fields, "dataset": name.removesuffix("_e")} if isinstance(name, str) else fields


def _known(row: LongBenchV1Row, place: str) -> LongBenchV1Row:
    if row.dataset not in RULES:
        close = nearest(row.dataset, RULES)
        raise DataError(
            f"{place}: dataset: unknown set {row.dataset!r}",
            f"did you mean {close!r}?" if close else f"known: {', '.join(RULES)}",
        )
    if row.dataset in CLASSIFIED and not row.all_classes:
        raise DataError(f"{place}: all_classes: {row.dataset} is scored by its classes", "add the column")
    return row
