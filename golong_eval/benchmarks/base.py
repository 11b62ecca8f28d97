"""What a benchmark is: rows of a data set, the prompt that asks them, and the rule that scores an answer.

    row -> Benchmark.sample -> Sample -> Benchmark.prompt -> Prompt -> (the harness) -> Answer -> Benchmark.score

A benchmark is a file in this folder with a class for its row and one or more subclasses of `Benchmark`. Loading,
generating, storing and reporting are the harness's. A scorer sees an answer and its row alone, so answers that were
stored anywhere can be scored again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from golong_eval.errors import ConfigError, DataError
from golong_eval.faults import explain
from golong_eval.judges.question import JudgeQuestion
from golong_eval.rewards import MetricSpec
from golong_eval.rewards.outcome import Outcome
from golong_eval.schema import Document, Language, Prompt, RowGold, Sample, SampleMetadata, Variant, sha256_text
from golong_eval.tasks import ContextMode

__all__ = [
    "Answer",
    "Benchmark",
    "DataSource",
    "Need",
    "NeedsEmbedding",
    "NeedsJudge",
    "Row",
    "RowT",
    "Said",
    "document",
]

Need = Literal["judge", "embedder", "chinese", "lm_eval", "bfcl"]
"""What scoring may need beside the rule: a judge or an embedder; or a package (jieba, lm-eval, bfcl-eval)."""


class Row(BaseModel):
    """Base of rows, in the schema that the data set ships. Columns that nobody reads are left out, not refused."""

    model_config = ConfigDict(extra="ignore", frozen=True)


RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True)
class DataSource:
    """Where a benchmark's rows come from.

    Attributes:
        hub: Data set on the Hugging Face hub; None for one that is generated.
        files: Patterns of the files to read, below the folder of the data set; a file given by the user is read
            whatever its name.
        revision: Commit, branch or tag to fetch.
        licence: As its card states.
        megabytes: About what `golong data fetch` downloads.
        gated: The hub asks for an account that has accepted its terms.
        sha256: Known hashes of files, by name.
        note: What a user should know of revisions.
    """

    hub: str | None
    files: tuple[str, ...] = ()
    revision: str = "main"
    licence: str = "unknown"
    megabytes: int = 0
    gated: bool = False
    sha256: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        text: As it was written, with its thinking where that stands in the response; a server may send it apart.
        final: What follows the thinking; what scorers read unless the published one is known to read all.
        language: Of the sample.
    """

    text: str
    final: str
    language: Language | None = None


@dataclass(frozen=True)
class NeedsJudge:
    """The rule can't decide; a judge has to.

    Attributes:
        question: What it is asked.
        right: The outcome if it says that the answer is right.
        wrong: The outcome if it says that it is wrong.
    """

    question: JudgeQuestion
    right: Outcome
    wrong: Outcome


@dataclass(frozen=True)
class NeedsEmbedding:
    """The value is ``(1 - weight) * outcome.value + weight * cosine`` where there is an embedder, else the outcome's.

    Attributes:
        outcome: The outcome by the rule alone.
        text: The answer, as it is embedded.
        references: The references; the largest cosine counts.
        weight: Share of the cosine.
    """

    outcome: Outcome
    text: str
    references: tuple[str, ...]
    weight: float = 0.5


Said = Outcome | NeedsJudge | NeedsEmbedding
"""What a rule says of an answer."""


class Benchmark(ABC, Generic[RowT]):
    """A benchmark, or one way to run it. To the harness it is a task.

    Subclasses set the attributes and write `sample`, `prompt`, `score` and `gold_answer`.
    """

    id: ClassVar[str]
    """What ``--tasks`` calls it."""
    name: ClassVar[str]
    """Its name in print."""
    capability: ClassVar[str]
    """What it measures, in a few words."""
    source: ClassVar[str]
    """Paper and official code."""
    data: ClassVar[DataSource]
    row: ClassVar[type[Row]]
    rule: ClassVar[str]
    """The scoring rule, one of `golong_eval.rewards.BENCHMARK_METRICS`."""
    version: ClassVar[int] = 1
    """Raised by every change that can move a score."""
    rule_version: ClassVar[int] = 1
    max_tokens: ClassVar[int]
    """Budget of an answer without thinking."""
    size: ClassVar[str]
    """How many rows, in words, for instance ``"503"``."""
    lengths: ClassVar[str]
    """For instance ``"8k-256k tokens"``."""
    languages: ClassVar[tuple[Language, ...]] = ("en",)
    needs: ClassVar[tuple[Need, ...]] = ()
    embeds: ClassVar[bool] = False
    """A part of the score is a cosine of embeddings, where there is an embedder."""
    binary: ClassVar[bool] = False
    """Scores are 0 or 1, nothing between."""
    flaws: ClassVar[str] = ""
    """What the published scoring gets wrong and ``strict`` does not; empty where the two are the same."""
    macro: ClassVar[str | None] = None
    """The group (a key of `SampleMetadata.groups`) whose unweighted mean is the published headline; None: the mean."""
    templates: ClassVar[tuple[str, ...]] = ()
    """All fixed texts of its prompts: their hash tells two wordings apart."""
    apart: ClassVar[tuple[str, ...]] = ()
    """Fields of the row with long texts (strings or lists), which stand in the sample's documents and not in its gold;
    scorers find them empty."""
    scored_by: ClassVar[tuple[str, ...]] = ()
    """Columns that the scorer reads: all that a file of stored predictions must have beside the answers."""

    def __init__(self, variant: Variant = "strict", judge: str | None = None, semantic: Any = None) -> None:
        self.variant: Variant = variant
        self.judge = judge
        self.semantic = semantic

    # ---- what a subclass writes

    @abstractmethod
    def sample(self, row: RowT, place: str) -> Sample:
        """Return the sample of a row; `make_sample` puts most of it together.

        Args:
            row: The row.
            place: File and number of the row, for rows without an id.
        """

    @abstractmethod
    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the prompt of a sample; with ``context="none"``, without its documents.

        Raises:
            DataError: ``context="evidence"``, and the data set marks no evidence.
        """

    @abstractmethod
    def score(self, answer: Answer, row: RowT, variant: Variant) -> Said:
        """Score an answer. It may raise nothing on what a model wrote.

        Args:
            answer: The answer; it has something to see in it after its thinking.
            row: The row, with its long texts (`apart`) left empty.
            variant: ``official``: as published, flaws included. ``strict``: right.
        """

    @abstractmethod
    def gold_answer(self, row: RowT) -> str | None:
        """Return an answer that a strict rule gives 1 without a judge: every row's gold is run through the scorer.

        None where the data set has no answers, but conditions that a program checks.
        """

    def second_prompt(self, sample: Sample, first: str) -> Prompt | None:
        """Return the prompt of the second call, for benchmarks whose protocol has two; None for all others.

        Args:
            sample: The sample.
            first: What the model said to the first prompt, without its thinking.
        """
        del sample, first
        return None

    second_max_tokens: ClassVar[int] = 0
    """Budget of the second call; `max_tokens` is that of the first. 0: there is none."""

    def solved(self, value: float, sample: Sample) -> bool:
        """Return whether a score counts as a pass in pass@k."""
        del sample
        return value >= 1

    generates: ClassVar[bool] = False
    """`generate` makes rows."""
    loads_itself: ClassVar[bool] = False
    """`load` needs no path: another package knows where the rows are."""

    def generate(self, length: int, count: int, seed: int, tokens: Any) -> Iterator[RowT]:
        """Yield rows of a benchmark that is generated and not loaded (`DataSource.hub` is None).

        Args:
            length: Tokens of prompt and answer.
            count: Rows of each of its tasks.
            seed: The same seed gives the same rows.
            tokens: Counts the tokens of a text: ``tokens(text) -> int``.
        """
        raise NotImplementedError(f"{self.id} is loaded, not generated")

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns of a row with what its file's name says, or None where it is of another benchmark.

        Args:
            fields: The columns as they stand in the file.
            file: The file.
        """
        del file
        return fields

    def load(
        self, path: Path | None, on_fault: Callable[[DataError], None] | None = None
    ) -> Iterator[tuple[str, RowT]]:
        """Yield the rows of a data set, each with its place (file and number).

        Args:
            path: A file, or the folder that holds the files of the data set; None where another package loads it.
            on_fault: Told of each malformed row, which is then left out; None: the first one is raised.

        Raises:
            ConfigError: There is no file of this data set.
            DataError: A file or a row is malformed.
        """
        from golong_eval.benchmarks.files import read_rows  # loads readers only where data is read

        if path is None:
            raise ConfigError(f"{self.name} is read from files", f"name them with --data {self.data_name()}=PATH")
        for raw in read_rows(path, self.data.files):
            place = f"{raw.file}:{raw.number}"
            fields = self.prepare(raw.fields, raw.file)
            if fields is None:
                continue
            try:
                row = self.read_row(fields, place)
            except DataError as error:
                if on_fault is None:
                    raise
                on_fault(error)
                continue
            yield place, row

    # ---- what the harness reads

    @classmethod
    def data_name(cls) -> str:
        """What ``--data`` and `golong data fetch` call the data set; several benchmarks of a file share it."""
        return cls.__module__.rpartition(".")[2]

    @property
    def metric(self) -> MetricSpec:
        """Identity of the scoring: rule, variant, judge, embedder."""
        return MetricSpec(
            name=self.rule,
            variant=self.variant,
            version=self.rule_version,
            judge=self.judge,
            semantic=self.semantic,
        )

    @property
    def prompt_hash(self) -> str:
        """First 12 digits of the SHA-256 over the prompts' fixed texts."""
        return sha256_text("\x00".join(self.templates))[:12]

    def scored_as(self, variant: Variant | None = None, judge: str | None = None, semantic: Any = None) -> Self:
        """Return the benchmark with another variant, judge or semantic part; what is None stays as it is."""
        return type(self)(variant or self.variant, self.judge if judge is None else judge, semantic or self.semantic)

    def without_models(self) -> Self:
        """Return the benchmark as its rule alone scores it."""
        return type(self)(self.variant)

    def read_row(self, fields: Mapping[str, Any], place: str) -> RowT:
        """Return a row from its columns, checked.

        Raises:
            DataError: A column is missing, or holds something else than it should; names the row and the column.
        """
        try:
            row: RowT = self.row.model_validate(fields)  # type: ignore[assignment]  # a class variable can't hold RowT
        except ValidationError as error:
            problems = explain(error, self.row)
            columns = ", ".join(list(fields)[:20])
            raise DataError(
                f"{place}: {problems[0]} (columns: {columns})",
                f"{self.name} expects the columns {', '.join(self.columns())}; another revision of the data?",
            ) from None
        return row

    def row_of(self, gold: RowGold) -> RowT:
        """Return the row that a sample's gold holds, its long texts empty."""
        return self.read_row({**self.empty_texts(), **gold.row}, self.id)

    def empty_texts(self) -> dict[str, Any]:
        """Return empty values for the columns of long texts (`apart`)."""
        fields = self.row.model_fields
        return {fields[name].alias or name: "" if fields[name].annotation is str else [] for name in self.apart}

    def row_of_columns(self, fields: Mapping[str, Any], place: str) -> RowT:
        """Return a row for scoring alone, from the columns that its scorer reads (`scored_by`); others stay unset.

        Raises:
            DataError: One of them is missing, or holds something else than it should.
        """
        values: dict[str, Any] = {}
        for name in self.scored_by:
            info = self.row.model_fields[name]
            found = next((key for key in (name, info.alias) if key is not None and key in fields), None)
            if found is None and not info.is_required():
                values[name] = info.get_default(call_default_factory=True)
                continue
            if found is None:
                raise DataError(
                    f"{place}: there is no column {name!r} (columns: {', '.join(fields)})",
                    f"the scorer of {self.name} reads {', '.join(self.scored_by)}; map names with --column NAME=COLUMN",
                )
            try:
                values[name] = TypeAdapter[Any](info.annotation or Any).validate_python(fields[found])
            except ValidationError as error:
                raise DataError(f"{place}: {found}: {error.errors()[0]['msg']}", "check the file") from None
        row: RowT = self.row.model_construct(None, **values)  # type: ignore[assignment]
        return row

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The columns that a row must have."""
        return tuple(info.alias or name for name, info in cls.row.model_fields.items() if info.is_required())

    def make_sample(
        self,
        row: RowT,
        identifier: str,
        *,
        question: str,
        answers: Sequence[str],
        documents: Sequence[Document] = (),
        language: Language = "en",
        difficulty: str | None = None,
        groups: Mapping[str, str] | None = None,
        candidates: int | None = None,
        cluster: str | None = None,
    ) -> Sample:
        """Return a sample of this benchmark.

        Args:
            row: The row, which becomes the gold without its long texts.
            identifier: What the data set calls it.
            question: The question, as a person reads it.
            answers: The right answers, as a person reads them.
            documents: Its context.
            language: Of the question.
            difficulty: As the data set grades it.
            groups: What scores are given by, beside length, language and difficulty.
            candidates: How many choices an answer has.
            cluster: What samples share that are not independent; None: their context.
        """
        kept: dict[str, JsonValue] = row.model_dump(mode="json", exclude=set(self.apart), by_alias=True)
        return Sample(
            id=f"{self.id}/{identifier}",
            task=self.id,
            documents=tuple(documents),
            question=question,
            gold=RowGold(answers=tuple(answers), row=kept),
            metadata=SampleMetadata(
                language=language,
                difficulty=difficulty,
                groups=dict(groups) if groups else None,
                candidates=candidates,
                cluster=cluster,
            ),
        )

    def no_evidence(self) -> DataError:
        """Return the error for ``context="evidence"``."""
        return DataError(f"{self.name} marks no evidence", "use --context full, or none for a run without documents")


def document(text: str, identifier: str = "D1", title: str = "") -> Document:
    """Return a text as a document of a sample."""
    return Document(id=identifier, title=title, text=text)
