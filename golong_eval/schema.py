"""The values that travel through golong-eval: documents, samples, golds, generations and rewards.

    Sample -> TaskSpec.prompt(sample) -> Prompt -> Engine.generate -> Generation -> reward -> RewardResult

Everything is a Pydantic v2 model, frozen, and refuses unknown keys. Nothing here knows a metric's
rules, a task or an engine.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from golong_eval.errors import DocumentError

__all__ = [
    "Cell",
    "Document",
    "Edit",
    "Evidence",
    "Frozen",
    "Generation",
    "Gold",
    "ItemsGold",
    "Language",
    "NumberGold",
    "OrderGold",
    "Prompt",
    "RankingGold",
    "ReferencesGold",
    "RewardResult",
    "RowGold",
    "Sample",
    "SampleMetadata",
    "Status",
    "TableGold",
    "TextGold",
    "Turn",
    "Variant",
    "sha256_text",
]

Language = Literal["en", "zh"]
"""The languages that prompts and rewards have rules for."""

Variant = Literal["strict", "official"]
"""Which rules a reward follows: ``strict`` closes the holes of the published (``official``) code."""

Status = Literal[
    "ok",
    "empty",
    "unparsed",
    "over_length",
    "provider_error",
    "scorer_error",
    "judge_error",
]
"""What became of one answer. The first three are the model's (value 0 to 1); the others are ours (no value)."""

Cell = str | int | float | bool | None
"""A table cell."""

_NonBlank = Annotated[str, Field(pattern=r"\S")]


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Frozen(BaseModel):
    """Base of all data: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(Frozen):
    """One document, or one section of one, as it stands in a context.

    Exactly one of `text` and `path` is given. A path is relative to the file that holds the sample
    until the sample is loaded, absolute after.
    """

    id: _NonBlank
    """What questions and answers call it, for instance ``D3``. Unique in a sample."""
    title: str = ""
    text: str | None = None
    path: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Hash of the text behind `path`; `read` refuses a file that has changed."""
    language: str | None = None
    source: str | None = None
    """Where the text comes from: a file, and for a section its place in it."""
    licence: str | None = None

    @model_validator(mode="after")
    def _one_of_text_and_path(self) -> Self:
        if (self.text is None) == (self.path is None):
            raise ValueError("give exactly one of 'text' and 'path'")
        return self

    def read(self) -> str:
        """Return the text.

        Raises:
            DocumentError: The file is missing, is not UTF-8, or has changed since the sample was made.
        """
        if self.text is not None:
            return self.text
        assert self.path is not None
        try:
            text = Path(self.path).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DocumentError(
                f"document {self.id!r}: cannot read {self.path} ({error})",
                "keep the folder of documents beside the file of samples that names it",
            ) from error
        if self.sha256 is not None and sha256_text(text) != self.sha256:
            raise DocumentError(
                f"document {self.id!r}: {self.path} has changed since the sample was made",
                "build the samples again, or restore the file",
            )
        return text


class TextGold(Frozen):
    """One short answer and its aliases, for `exact_match` and `accuracy`."""

    type: Literal["text"] = "text"
    answers: tuple[_NonBlank, ...] = Field(min_length=1)


class ItemsGold(Frozen):
    """A set of items, for `f1` and `sub_em`."""

    type: Literal["items"] = "items"
    items: tuple[_NonBlank, ...] = Field(min_length=1)


class RankingGold(Frozen):
    """Items from best to worst, for `ndcg`."""

    type: Literal["ranking"] = "ranking"
    items: tuple[_NonBlank, ...] = Field(min_length=1)


class OrderGold(Frozen):
    """Items from first to last, for `pairwise_accuracy`."""

    type: Literal["order"] = "order"
    items: tuple[_NonBlank, ...] = Field(min_length=1)


class TableGold(Frozen):
    """A table, for `iou`."""

    type: Literal["table"] = "table"
    columns: tuple[_NonBlank, ...] = Field(min_length=1)
    data: tuple[tuple[Cell, ...], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("column names repeat")
        for number, row in enumerate(self.data, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"row {number} has {len(row)} cells for {len(self.columns)} columns")
        return self


class NumberGold(Frozen):
    """A number, with its unit if it has one, or a mathematical expression, for `math_verify`."""

    type: Literal["number"] = "number"
    value: _NonBlank


class ReferencesGold(Frozen):
    """Reference texts, any of which is a good answer, for `rouge_l`."""

    type: Literal["references"] = "references"
    texts: tuple[_NonBlank, ...] = Field(min_length=1)


class RowGold(Frozen):
    """The row of a benchmark that a sample was made of, for the scorer of that benchmark; long texts left out."""

    type: Literal["row"] = "row"
    answers: tuple[str, ...] = ()
    """The right answers, as a person reads them."""
    row: dict[str, JsonValue]


Gold = Annotated[
    TextGold | ItemsGold | RankingGold | OrderGold | TableGold | NumberGold | ReferencesGold | RowGold,
    Field(discriminator="type"),
]
"""The right answer, in the form its metric needs."""


class Evidence(Frozen):
    """A place in the context that the gold rests on."""

    document: str
    """Id of the document in its sample."""
    start: int = Field(ge=0)
    """First character, counted in the document's text."""
    end: int = Field(ge=0)
    """One past the last character."""
    depth: float = Field(ge=0, le=1)
    """Where the place starts in the context: 0 is its first character, 1 its last."""


class Edit(Frozen):
    """A stretch cut out of a real text."""

    document: str
    start: int = Field(ge=0)
    """Where it stood, in characters of the original text of the section."""
    removed: str


class SampleMetadata(Frozen):
    """What is known of a sample beside its question."""

    language: Language = "en"
    """Language of the question, and of the prompt around it."""
    evidence: tuple[Evidence, ...] = ()
    candidates: int | None = Field(default=None, ge=1)
    """How many labels or choices an answer can name, where the question lists them: sets the chance level."""
    cluster: str | None = None
    """Samples of one cluster are not independent. Set by builders; else derived from evidence or context."""
    length: int | None = Field(default=None, ge=1)
    """Tokens of the whole prompt, before any chat template, as counted by `tokenizer`."""
    tokenizer: str | None = None
    difficulty: str | None = None
    """For instance ``hard``: how the makers of the sample graded it; scores are given by it too."""
    groups: dict[str, str] | None = None
    """What a benchmark sorts its samples by, for instance ``{"needles": "4"}``; scores are given by each."""
    builder: str | None = None
    """Identity of the builder that made the sample, for instance ``t7@1``."""
    seed: int | None = None
    edits: tuple[Edit, ...] = ()
    extra: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """The user's own notes; golong-eval never reads them."""


class Sample(Frozen):
    """A question over documents, with its gold."""

    id: _NonBlank
    task: _NonBlank
    documents: tuple[Document, ...] = ()
    question: _NonBlank
    gold: Gold
    metadata: SampleMetadata = SampleMetadata()

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        ids = [document.id for document in self.documents]
        if len(set(ids)) != len(ids):
            raise ValueError("two documents have the same id")
        for place in self.metadata.evidence:
            if place.document not in ids:
                raise ValueError(f"evidence names the document {place.document!r}, which the sample lacks")
        return self


class Turn(Frozen):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Prompt(Frozen):
    """A prompt: a user's message in three parts, so that a context can be cut or shared without touching the question.

    Earlier messages, where there are some, go before it as they are.
    """

    history: tuple[Turn, ...] = ()
    """The conversation before the message; it is never cut."""
    before: str = ""
    documents: str = ""
    """All documents with their headings, as one text."""
    after: str
    cut: Literal["documents", "message"] = "documents"
    """What the context policy ``truncate`` takes the middle out of: the documents, or (as some published harnesses
    have it) the whole message."""

    @property
    def message(self) -> str:
        """The user's message."""
        return self.before + self.documents + self.after

    @property
    def text(self) -> str:
        """The whole prompt as one text; of a conversation, each message behind its role."""
        if not self.history:
            return self.message
        turns = [f"{turn.role}: {turn.content}" for turn in self.history]
        return "\n\n".join([*turns, f"user: {self.message}"])

    def as_cut(self) -> Prompt:
        """Return the prompt with that in the place of the documents which is cut where it is too long."""
        return self if self.cut == "documents" else Prompt(history=self.history, documents=self.message, after="")

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation as chat templates and servers take it."""
        turns = [{"role": turn.role, "content": turn.content} for turn in self.history]
        return [*turns, {"role": "user", "content": self.message}]


class Generation(Frozen):
    """What an engine gave back for one request."""

    sample_id: str
    repeat: int = 0
    text: str | None
    """The answer with its thinking as the model wrote them; None when the engine failed."""
    finish_reason: Literal["stop", "length", "error"]
    thinking_unfinished: bool = False
    """The model was still thinking when its tokens ran out (also when the opening tag stood in the prompt)."""
    thinking_apart: bool = False
    """The server sent the thinking apart from the answer; the tags around it in `text` are ours."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    """Prompt tokens served from a prefix cache, where the engine tells."""
    first_prompt_tokens: int | None = None
    """Of a protocol with two calls, tokens of the first one's prompt, which had the documents."""
    prompt_shared: bool = False
    """The prompt went out once for several repeats, and its tokens are counted with another of them."""
    reasoning_tokens: int | None = None
    """Of the completion's tokens, those spent on thinking, where the engine tells."""
    context_cut: bool = False
    """The documents were truncated to fit the model."""
    cut_tokens: int = 0
    """Tokens of the documents that the cut took out."""
    seconds: float | None = Field(default=None, allow_inf_nan=False)
    """From when the engine took the request up to its answer, where the engine tells; with retries."""
    from_cache: bool = False
    """The answer was taken from the response cache."""
    error: str | None = None
    prompt_hash: str | None = None
    """SHA-256 of the prompt's text; the harness fills it in."""
    over_length: bool = False
    """The error is that the prompt does not fit the model, by the run's context policy."""

    @field_validator("text", "error", mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        """Replace lone surrogates, which no file can hold as UTF-8."""
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value

    @property
    def hit_cap(self) -> bool:
        """Whether the answer ended at its token cap."""
        return self.finish_reason == "length"

    @model_validator(mode="after")
    def _text_or_error(self) -> Self:
        if (self.text is None) != (self.error is not None) or (self.error is not None) != (
            self.finish_reason == "error"
        ):
            raise ValueError("a generation has either a text or an error")
        return self


_MODELS_OWN: frozenset[Status] = frozenset({"ok", "empty", "unparsed"})


class RewardResult(Frozen):
    """What a reward says of one response."""

    value: float | None = Field(ge=0, le=1, allow_inf_nan=False)
    """The reward in [0, 1]; None when the failure is ours."""
    status: Status
    metric: str
    """Identity of the metric, for instance ``ndcg@gold[strict,v1]``."""
    parts: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """What the value is made of, for instance precision and recall."""
    parsed: str | tuple[str, ...] | None = None
    """What was read as the answer."""
    reason: str | None = None
    """Why there is no answer or no score."""

    @model_validator(mode="after")
    def _status_is_not_score(self) -> Self:
        if (self.value is None) == (self.status in _MODELS_OWN):
            raise ValueError(f"status {self.status!r} does not go with value {self.value!r}")
        if self.value and self.status != "ok":
            raise ValueError(f"status {self.status!r} does not go with value {self.value!r}")
        return self
