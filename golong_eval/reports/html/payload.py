"""What the page's script is given: a compact index of all answers, and each one in full in parts of about a megabyte.

A part is JSON. In a small report it stands in the page; beyond a limit it is a script beside it that hands its JSON
over, because a page opened from a folder may load scripts but not fetch files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from golong_eval.harness import StoredAnswer, StoredRun
from golong_eval.harness.records import StoredPrompt
from golong_eval.reports.samples import facets, split_thinking
from golong_eval.reports.samples_text import gold_text
from golong_eval.schema import Document, sha256_text

__all__ = ["Part", "SampleIndex", "document_part", "documents_of", "encode", "sample_parts"]

_PART = 1_000_000  # characters of answers in one part
TRUNCATED, CUT, CACHED = 1, 2, 4
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Part:
    """One piece of the payload.

    Attributes:
        name: Its name, letters, digits and dashes.
        text: Its JSON, safe inside a script element.
    """

    name: str
    text: str

    @property
    def is_document(self) -> bool:
        """Whether it is a document's text, and no answers."""
        return self.name.startswith("d-")

    @property
    def size(self) -> int:
        """Bytes that it takes in a file."""
        return len(self.text.encode())


class SampleIndex:
    """What the list of answers is filtered and sorted by, in columns; filled while parts are made."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("id", "task", "repeat", "status", "score", "flags", "prompt", "answer", "seconds")
        }
        self.starts: list[int] = []
        """Row that each part begins with."""

    def __len__(self) -> int:
        return len(self.columns["id"])

    def add(self, row: StoredAnswer) -> None:
        """Add an answer."""
        made, result = row.generation, row.result
        flags = 0
        if made is not None:
            flags = TRUNCATED * made.hit_cap + CUT * made.context_cut + CACHED * made.from_cache
        values = (
            row.sample.id,
            row.sample.task,
            row.repeat,
            result.status,
            None if result.value is None else round(result.value, 6),
            flags,
            None if made is None else made.prompt_tokens,
            None if made is None else made.completion_tokens,
            None if made is None or made.seconds is None else round(made.seconds, 3),
        )
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)


def encode(value: object) -> str:
    r"""Return a value as JSON that can't end a script element or start a comment in it; lone surrogates become ``?``.

    >>> encode({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES).encode("utf-8", "replace").decode("utf-8")


def sample_parts(run: StoredRun, index: SampleIndex) -> Iterator[Part]:
    """Yield the answers in full, in the run's order, and fill the index.

    Long texts that many answers share (instructions, answer contracts) stand once in each part.
    """
    prompts = {prompt.hash: prompt for prompt in run.prompts().values()}
    strings: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    size = 0
    for row in run.rows():
        if not rows:
            index.starts.append(len(index))
        index.add(row)
        made = row.generation
        data = _answer(row, prompts.get((made.prompt_hash if made is not None else None) or ""), strings)
        rows.append(data)
        size += sum(len(value) for value in data.values() if isinstance(value, str)) + 500
        if size + sum(map(len, strings)) > _PART:
            yield _part(len(index.starts) - 1, strings, rows)
            strings, rows, size = {}, [], 0
    if rows:
        yield _part(len(index.starts) - 1, strings, rows)


def documents_of(run: StoredRun) -> dict[str, Document]:
    """Return each distinct document by the hash of its text."""
    return {_hash(document): document for sample in run.samples.values() for document in sample.documents}


def document_part(digest: str, document: Document) -> Part:
    """Return a document's text as a part.

    Raises:
        DocumentError: The text can't be read, or has changed.
    """
    return Part(f"d-{digest[:16]}", encode(document.read()))


def _hash(document: Document) -> str:
    return document.sha256 or sha256_text(document.read())


def _part(number: int, strings: Iterable[str], rows: list[dict[str, Any]]) -> Part:
    return Part(f"s-{number}", encode({"strings": list(strings), "rows": rows}))


def _answer(row: StoredAnswer, prompt: StoredPrompt | None, strings: dict[str, int]) -> dict[str, Any]:
    def shared(text: str) -> int:
        return strings.setdefault(text, len(strings))

    made, result, sample = row.generation, row.result, row.sample
    thinking, answer = ("", None) if made is None else split_thinking(made)
    cited = {place.document for place in sample.metadata.evidence}
    shown = {"none": (), "evidence": [one for one in sample.documents if one.id in cited]}.get(
        prompt.context if prompt is not None else "full", sample.documents
    )
    data: dict[str, Any] = {
        "question": sample.question,
        "before": None if prompt is None else shared(prompt.before),
        "after": None if prompt is None else prompt.after,
        "context": None if prompt is None else prompt.context,
        "documents": [[document.id, document.title, _hash(document)[:16]] for document in shown],
        "evidence": [[place.document, place.start, place.end] for place in sample.metadata.evidence],
        "facets": facets(row),
        "thinking": thinking,
        "answer": answer,
        "parsed": "\n".join(result.parsed) if isinstance(result.parsed, tuple) else result.parsed,
        "gold": gold_text(sample.gold),
        "parts": dict(result.parts),
        "reason": result.reason,
    }
    if made is not None:
        data |= {
            "error": made.error,
            "cut_tokens": made.cut_tokens,
            "reasoning_tokens": made.reasoning_tokens,
            "cached_tokens": made.cached_tokens,
            "unfinished": made.thinking_unfinished,
        }
    return {
        name: value
        for name, value in data.items()
        if value is not None and value is not False and value not in ("", [], {})
    }
