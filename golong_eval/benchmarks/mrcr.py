"""OpenAI MRCR: in a long conversation, repeat the i-th of several answers to the same request, to the letter.

    golong data fetch mrcr
    golong run --model M --tasks mrcr --context-policy skip

``mrcr`` takes all rows; ``mrcr_128k``, ``mrcr_512k`` and ``mrcr_1m`` those of prompt and answer up to 128K tokens,
above that up to 512K, and above that.

Source: github.com/openai and its data set ``openai/mrcr``; MRCR (arXiv 2409.12640).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import AliasChoices, Field, field_validator

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Row, document
from golong_eval.benchmarks.conversations import turns_of
from golong_eval.benchmarks.similarity import difflib_ratio
from golong_eval.errors import ConfigError, DataError
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Variant, sha256_text
from golong_eval.tasks import ContextMode

__all__ = ["MRCR", "MRCR1M", "MRCR128K", "MRCR512K", "MRCRRow"]

_OLD, _NEW, _GOLONGRL = "before 2025-12-05", "2025-12-05 or later", "GoLongRL"
_FILE = re.compile(r"[248]needle(?P<part>_\d+)?")
# Of 2,400 rows the longest has 5.24 million characters in at most 2**20 tokens (o200k_base), and the mean is 944,000
# characters in about 190,000 tokens, if the eight bins are filled evenly.
_CHARACTERS_PER_TOKEN = 5.0


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
    bin: str | None = None
    """Its length class, as GoLongRL's file names it."""
    id: str | None = None
    revision: str | None = None
    """Of the data: told by the columns, or by the file that the row came from."""

    @field_validator("prompt", mode="before")
    @classmethod
    def _as_json(cls, value: object) -> object:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value

    @field_validator("id", "bin", "date_added", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return None if value is None else str(value)


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
        note="the files were replaced on 2025-12-05, and older scores do not compare; --revision fetches older ones",
    )
    row = MRCRRow
    rule = "mrcr"
    max_tokens = 4096
    size = "2,400"
    lengths = "4k-1M tokens"
    flaws = "the published rule compares without stripping: a line end before the random string costs all"
    apart = ("prompt",)
    scored_by = ("answer", "random_string_to_prepend")
    between: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    """Tokens of the rows that belong to it, above the first and up to the second."""

    def load(
        self, path: Path | None, on_fault: Callable[[DataError], None] | None = None
    ) -> Iterator[tuple[str, MRCRRow]]:
        """Return the rows.

        Raises:
            ConfigError: A folder holds the files of both revisions.
        """
        from golong_eval.benchmarks.files import files_of

        if path is not None and path.is_dir():
            found = {_revision(file) for file in files_of(path, self.data.files)}
            if {_OLD, _NEW} <= found:
                raise ConfigError(
                    f"{path} holds the files of both revisions of {self.name}",
                    "move the older (2needle.parquet, 4needle.parquet, 8needle.parquet) to a folder of their own",
                )
        return super().load(path, on_fault)

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any] | None:
        """Return the columns with the revision of the data; None for a row of another length."""
        low, high = self.between
        if not low < _tokens(fields) <= high:
            return None
        revision = _GOLONGRL if "needle_count" in fields else _NEW if fields.get("date_added") else _revision(file)
        return {**fields, "revision": revision}

    def read_row(self, fields: Mapping[str, Any], place: str) -> MRCRRow:
        """Return a row; its prompt is a list of messages, and its answer begins with the random string."""
        row = super().read_row(fields, place)
        if not row.answer.startswith(row.random_string_to_prepend) or not row.random_string_to_prepend:
            raise DataError(f"{place}: answer: does not begin with random_string_to_prepend", "check the file")
        return row

    def sample(self, row: MRCRRow, place: str) -> Sample:
        """Return the sample of a row; the conversation is its one document, as JSON."""
        turns = turns_of(row.prompt, place)
        groups = {"needles": str(row.n_needles)} if row.n_needles else {}
        groups |= {"bin": row.bin} if row.bin else {}
        groups |= {"revision": row.revision} if row.revision else {}
        index = "" if row.desired_msg_index is None else f"-{row.desired_msg_index}"
        name = row.id or f"{row.n_needles}-{row.random_string_to_prepend}{index}"
        return self.make_sample(
            row,
            name,
            question=turns[-1].content,
            answers=[row.answer],
            documents=[document(row.prompt)],
            groups=groups,
            cluster=sha256_text("\x00".join(turn.content for turn in turns[:-1])),  # questions on one conversation
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the messages as they are; without documents, the last one alone."""
        if context == "evidence":
            raise self.no_evidence()
        if context == "none":
            return Prompt(after=sample.question)
        turns = turns_of(sample.documents[0].read(), sample.id)
        return Prompt(history=tuple(turns[:-1]), after=turns[-1].content)

    def score(self, answer: Answer, row: MRCRRow, variant: Variant) -> Outcome:
        """Score an answer. difflib's heuristic for frequent letters and the order of its arguments are its definition.

        >>> row = MRCR().row_of_columns({"answer": "k3y8 a poem", "random_string_to_prepend": "k3y8"}, "row 1")
        >>> said = ("k3y8 a poem", " k3y8 a poet", "a poem")
        >>> [MRCR().score(Answer(text, text), row, "strict").value for text in said]
        [1.0, 0.8571428571428571, 0.0]
        """
        thought = answer.text != answer.final
        said = answer.final.strip() if variant == "strict" else answer.final.lstrip() if thought else answer.text
        prefix = row.random_string_to_prepend
        if not said.startswith(prefix):
            return no_answer("the response does not begin with the random string")
        gold, said = row.answer.removeprefix(prefix), said.removeprefix(prefix)
        value = difflib_ratio(said, gold)
        if value is None:
            return no_answer(f"difflib would take too long: {len(said)} characters against {len(gold)}", said[:200])
        return Outcome(value, parsed=said[:200])

    def gold_answer(self, row: MRCRRow) -> str:
        """Return the answer with its random string."""
        return row.answer


class MRCR128K(MRCR):
    """Rows of up to 128K tokens: the column of the published tables."""

    id = "mrcr_128k"
    name = "MRCR up to 128K"
    size = "about 1,500"
    lengths = "4k-128k tokens"
    between = (float("-inf"), 131_072)


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


def _revision(file: Path) -> str | None:
    """Return the revision that a file of the hub belongs to by its name, or None where that is another's."""
    named = _FILE.fullmatch(file.stem)
    return None if named is None else _OLD if named["part"] is None else _NEW


def _tokens(fields: Mapping[str, Any]) -> float:
    """Return the tokens of prompt and answer: as the row counts them, else by its characters."""
    counted, characters = fields.get("n_tokens_qwen"), fields.get("n_chars")
    if isinstance(counted, int | float):
        return counted
    if not isinstance(characters, int | float):
        characters = len(str(fields.get("prompt", "")))
    return characters / _CHARACTERS_PER_TOKEN
