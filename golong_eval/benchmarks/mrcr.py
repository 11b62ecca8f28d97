"""OpenAI MRCR: in a long conversation, repeat the i-th of several answers to the same request, to the letter.

    golong data fetch mrcr
    golong run --model M --tasks mrcr --context-policy skip

``mrcr`` takes all rows; ``mrcr_128k``, ``mrcr_512k`` and ``mrcr_1m`` those of prompt and answer up to 128K tokens, above
that up to 512K, and above that.

Source: github.com/openai and its data set ``openai/mrcr``; MRCR (arXiv 2409.12640).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, ClassVar

from pydantic import AliasChoices, Field, TypeAdapter, ValidationError

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Row, document
from golong_eval.errors import DataError
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Turn, Variant
from golong_eval.tasks import ContextMode

__all__ = ["MRCR", "MRCR1M", "MRCR128K", "MRCR512K", "MRCRRow"]

_OLD, _NEW, _GOLONGRL = "before 2025-12-05", "2025-12-05 or later", "GoLongRL"
_LONGEST = 20  # times the length of the gold: a longer answer is no repetition of it, and comparing takes minutes
_CHARACTERS_PER_TOKEN = 4.0
_TURNS = TypeAdapter(list[Turn])


class MRCRRow(Row):
    """A row of the hub's files, or of GoLongRL's ``mrcr_0_128K.jsonl``, which names some columns otherwise."""

    prompt: str
    """JSON: the messages."""
    answer: str
    random_string_to_prepend: str
    n_needles: int = Field(validation_alias=AliasChoices("n_needles", "needle_count"), default=0)
    desired_msg_index: int | None = None
    total_messages: int | None = None
    n_chars: int | None = None
    n_tokens_qwen: int | None = None
    date_added: str | None = None
    id: str | None = None
    revision: str | None = None
    """Told by the file it came from."""

    @property
    def tokens(self) -> float:
        """Tokens of prompt and answer: as the row counts them, else about a quarter of its characters."""
        return self.n_tokens_qwen or (self.n_chars or len(self.prompt)) / _CHARACTERS_PER_TOKEN


class MRCR(Benchmark[MRCRRow]):
    """All rows. The score is CPython's ``difflib`` ratio of (response, answer), or 0 without the right prefix."""

    id = "mrcr"
    name = "OpenAI MRCR"
    capability = "finding one of several alike passages, and repeating it to the letter"
    source = "data set openai/mrcr; arXiv 2409.12640"
    data = DataSource(
        "openai/mrcr",
        ("[248]needle/*.parquet", "[248]needle.parquet"),
        licence="MIT",
        megabytes=1390,
        note="the files were replaced on 2025-12-05, and older scores do not compare; --revision fetches the older ones",
    )
    row = MRCRRow
    rule = "mrcr"
    max_tokens = 4096
    size = "2,400"
    lengths = "4k-1M tokens"
    flaws = "the published rule compares without stripping, and takes thinking in the response for the answer"
    apart = ("prompt",)
    scored_by = ("answer", "random_string_to_prepend")
    between: ClassVar[tuple[float, float]] = (0, float("inf"))
    """Tokens of the rows that belong to it, above the first and up to the second."""

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns with the revision of the data; None for a row of another length."""
        prompt = fields.get("prompt")
        ready: dict[str, Any] = dict(fields)
        if isinstance(prompt, list):
            ready["prompt"] = json.dumps(prompt, ensure_ascii=False)
        if ready.get("id") is not None:
            ready["id"] = str(ready["id"])
        of_hub = file.suffix == ".parquet"
        ready["revision"] = (
            _GOLONGRL if "needle_count" in fields else (_NEW if "_" in file.stem else _OLD) if of_hub else None
        )
        low, high = self.between
        tokens = fields.get("n_tokens_qwen") or (fields.get("n_chars") or len(str(ready.get("prompt", "")))) / 4.0
        return ready if low < tokens <= high else None

    def read_row(self, fields: Mapping[str, Any], place: str) -> MRCRRow:
        """Return a row; its prompt is a list of messages, and its answer begins with the random string."""
        row = super().read_row(fields, place)
        if not row.answer.startswith(row.random_string_to_prepend) or not row.random_string_to_prepend:
            raise DataError(f"{place}: answer: does not begin with random_string_to_prepend", "check the file")
        return row

    def sample(self, row: MRCRRow, place: str) -> Sample:
        """Return the sample of a row; the conversation is its one document, as JSON."""
        turns = _turns(row.prompt, place)
        groups = {"needles": str(row.n_needles)} if row.n_needles else {}
        if row.revision is not None:
            groups["revision"] = row.revision
        name = row.id or f"{row.n_needles}-{row.random_string_to_prepend}"
        return self.make_sample(
            row,
            name,
            question=turns[-1].content,
            answers=[row.answer],
            documents=[document(row.prompt)],
            groups=groups,
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the messages as they are; without documents, the last one alone."""
        if context == "evidence":
            raise self.no_evidence()
        if context == "none":
            return Prompt(after=sample.question)
        turns = _turns(sample.documents[0].read(), sample.id)
        return Prompt(history=tuple(turns[:-1]), after=turns[-1].content)

    def score(self, answer: Answer, row: MRCRRow, variant: Variant) -> Outcome:
        """Score an answer. difflib's heuristic for frequent letters and the order of its arguments are its definition.

        >>> row = MRCR().row_of_columns({"answer": "k3y8 a poem", "random_string_to_prepend": "k3y8"}, "row 1")
        >>> [MRCR().score(Answer(text, text), row, "strict").value for text in ("k3y8 a poem", " k3y8 a poet", "a poem")]
        [1.0, 0.8571428571428571, 0.0]
        """
        said = answer.text if variant == "official" else answer.final.strip()
        prefix = row.random_string_to_prepend
        if not said.startswith(prefix):
            return no_answer("the response does not begin with the random string")
        gold, said = row.answer.removeprefix(prefix), said.removeprefix(prefix)
        if len(said) > _LONGEST * max(len(gold), 1_000):
            return no_answer(f"a response of {len(said)} characters is no repetition of one of {len(gold)}")
        return Outcome(SequenceMatcher(None, said, gold).ratio(), parsed=said[:200])

    def gold_answer(self, row: MRCRRow) -> str:
        """Return the answer with its random string."""
        return row.answer


class MRCR128K(MRCR):
    """Rows of up to 128K tokens: the column of the published tables."""

    id = "mrcr_128k"
    name = "MRCR up to 128K"
    size = "about 1,500"
    lengths = "4k-128k tokens"
    between = (0, 131_072)


class MRCR512K(MRCR):
    """Rows of more than 128K tokens, up to 512K."""

    id = "mrcr_512k"
    name = "MRCR 128K to 512K"
    size = "about 600"
    lengths = "128k-512k tokens"
    between = (131_072, 524_288)


class MRCR1M(MRCR):
    """Rows of more than 512K tokens."""

    id = "mrcr_1m"
    name = "MRCR 512K to 1M"
    size = "about 300"
    lengths = "512k-1M tokens"
    between = (524_288, float("inf"))


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
