"""What the page's script is given: a compact index of all answers, and each one in full in parts of about a megabyte.

A part is JSON. In a small report it stands in the page; beyond a limit it is a script beside it that hands its JSON
over, because a page opened from a folder may load scripts but not fetch files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from golong_eval.errors import DocumentError
from golong_eval.harness import StoredAnswer, StoredRun
from golong_eval.harness.records import StoredPrompt
from golong_eval.reports.samples import facets, split_thinking
from golong_eval.reports.samples_text import gold_text
from golong_eval.schema import Document, Gold, RowGold, TableGold, Turn, sha256_text

__all__ = ["Bundles", "Part", "SampleIndex", "encode", "question_parts", "sample_parts"]

PART = 1_000_000
"""Characters of answers or documents in one part; a longer answer or document has one of its own."""
TRUNCATED, CUT, CACHED = 1, 2, 4
_TURNS = TypeAdapter(list[Turn])
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Part:
    """One piece of the payload.

    Attributes:
        name: Its name: ``s-0``, ... for answers, ``d-0``, ... for documents, ``q-0``, ... for questions to search in.
        text: Its JSON, safe inside a script element.
    """

    name: str
    text: str

    @property
    def size(self) -> int:
        """Bytes that it takes in a file."""
        return len(self.text.encode())


class SampleIndex:
    """What the list of answers is filtered and sorted by, in columns; filled while parts are made.

    A name that is the one before it stands there as 0.
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("id", "task", "repeat", "status", "score", "flags", "prompt", "answer", "seconds")
        }
        self.starts: list[int] = []
        """Row that each part begins with."""
        self._last = ("", "", "")

    def __len__(self) -> int:
        return len(self.columns["id"])

    def add(self, row: StoredAnswer) -> None:
        """Add an answer."""
        made, result = row.generation, row.result
        flags = 0
        if made is not None:
            flags = TRUNCATED * made.hit_cap + CUT * made.context_cut + CACHED * made.from_cache
        given = made if made is not None and made.text is not None else None  # a failure counted no tokens
        names = (row.sample.id, row.sample.task, result.status)
        identifier, task, status = (new if new != old else 0 for new, old in zip(names, self._last, strict=True))
        self._last = names
        values = (
            identifier,
            task,
            row.repeat,
            status,
            None if result.value is None else round(result.value, 6),
            flags,
            None if given is None else given.prompt_tokens or None,  # 0: nobody counted
            None if given is None else given.completion_tokens,
            None if given is None or given.seconds is None else round(given.seconds, 3),
        )
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)


class Bundles:
    """The documents of a run, each distinct text once, small ones put together.

    Args:
        run: The run.

    Raises:
        DocumentError: A document has no hash, and can't be read.
    """

    def __init__(self, run: StoredRun) -> None:
        self._bundles: list[list[Document]] = []
        self._of_benchmarks: set[str] = set()
        self._places: dict[str, int] = {}
        self._characters: dict[str, int] = {}
        room = 0
        for sample in run.samples.values():
            for document in sample.documents:
                digest = hash_of(document)
                if isinstance(sample.gold, RowGold):
                    self._of_benchmarks.add(digest)
                if digest in self._places:
                    continue
                size = _size(document)
                if not self._bundles or size > room:
                    self._bundles.append([])
                    room = PART
                room -= size
                self._bundles[-1].append(document)
                self._places[digest] = len(self._bundles) - 1

    def place(self, document: Document) -> int:
        """Return the number of the part that holds a document."""
        return self._places[hash_of(document)]

    def characters(self, document: Document) -> int | None:
        """Return the length of a document's text once `parts` has read it; None where it could not."""
        return self._characters.get(hash_of(document))

    def parts(self) -> Iterator[Part]:
        """Yield the parts: texts by the first 16 digits of their hash. One that can't be read says why.

        A conversation, which benchmarks hold as JSON, is shown as its messages.
        """
        for number, documents in enumerate(self._bundles):
            texts: dict[str, str | dict[str, str]] = {}
            for document in documents:
                digest = hash_of(document)
                text = _read(document)
                if isinstance(text, str) and digest in self._of_benchmarks:
                    text = _conversation(text) or text
                texts[digest[:16]] = text
                if isinstance(text, str):
                    self._characters[digest] = len(text)
            yield Part(f"d-{number}", encode(texts))


def encode(value: object) -> str:
    r"""Return a value as JSON that can't end a script element or start a comment in it; lone surrogates become ``?``.

    >>> encode({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES).encode("utf-8", "replace").decode("utf-8")


def sample_parts(run: StoredRun, index: SampleIndex, bundles: Bundles) -> Iterator[Part]:
    """Yield the answers in full, in the run's order, and fill the index; the bundles must have yielded their parts.

    What many answers share (instructions, lists of documents) stands once in each part.
    """
    prompts = run.prompts()
    shared: dict[str, int] = {}
    rows: list[str] = []
    size = 0
    for row in run.rows():
        if not rows:
            index.starts.append(len(index))
        index.add(row)
        made = row.generation
        prompt = prompts.get((made.prompt_hash if made is not None else None) or "")
        before = len(shared)
        rows.append(encode(_answer(row, prompt, shared, bundles)))
        size += len(rows[-1]) + sum(map(len, list(shared)[before:]))
        if size > PART:
            yield _part(len(index.starts) - 1, shared, rows)
            shared, rows, size = {}, [], 0
    if rows:
        yield _part(len(index.starts) - 1, shared, rows)


def question_parts(run: StoredRun) -> Iterator[Part]:
    """Yield the questions by themselves, one for each sample of the index, so that all can be searched at once."""
    questions: list[str] = []
    size = number = 0
    last = ""
    for row in run.rows():
        if row.sample.id == last:
            continue  # another repeat
        last = row.sample.id
        questions.append(row.sample.question)
        size += len(row.sample.question) + 3
        if size > PART:
            yield Part(f"q-{number}", encode(questions))
            questions, size, number = [], 0, number + 1
    if questions:
        yield Part(f"q-{number}", encode(questions))


def hash_of(document: Document) -> str:
    """Return the hash of a document's text.

    Raises:
        DocumentError: It has none, and can't be read.
    """
    return document.sha256 or sha256_text(document.read())


def _part(number: int, shared: Mapping[str, int], rows: list[str]) -> Part:
    return Part(f"s-{number}", f'{{"shared":[{",".join(shared)}],"rows":[{",".join(rows)}]}}')


def _answer(row: StoredAnswer, prompt: StoredPrompt | None, shared: dict[str, int], bundles: Bundles) -> dict[str, Any]:
    def once(value: object) -> int:
        return shared.setdefault(encode(value), len(shared))

    made, result, sample = row.generation, row.result, row.sample
    thinking, answer = ("", None) if made is None or made.text is None else split_thinking(made)
    cited = {place.document for place in sample.metadata.evidence}
    context = "full" if prompt is None else prompt.context
    shown = [one for one in sample.documents if context == "full" or (context == "evidence" and one.id in cited)]
    data: dict[str, Any] = {
        "question": sample.question,
        "before": None if prompt is None else once(prompt.before),
        "after": None if prompt is None else prompt.after,
        "documents": once([_listed(one, bundles) for one in shown]),
        "evidence": [[place.document, place.start, place.end] for place in sample.metadata.evidence],
        "facets": facets(row),
        "thinking": thinking,
        "answer": answer,
        "parsed": "\n".join(result.parsed) if isinstance(result.parsed, tuple) else result.parsed,
        "gold": gold_text(sample.gold),
        "gold_table": _cells(sample.gold),
        "parts": dict(result.parts),
        "reason": result.reason,
    }
    if made is not None:
        data |= {
            "error": made.error,
            "cut_tokens": made.cut_tokens,
            "reasoning_tokens": made.reasoning_tokens,
            "cached_tokens": made.cached_tokens,
            "unfinished": made.thinking_unfinished or None,
        }
    return {name: value for name, value in data.items() if value is not None}


def _listed(document: Document, bundles: Bundles) -> list[str | int | None]:
    place, characters = bundles.place(document), bundles.characters(document)
    return [document.id, document.title, place, hash_of(document)[:16], characters]


def _cells(gold: Gold) -> list[list[str]] | None:
    """Return a table with its header as text, to be shown as a table; None for other golds."""
    if not isinstance(gold, TableGold):
        return None
    return [list(gold.columns), *(["" if cell is None else str(cell) for cell in row] for row in gold.data)]


def _size(document: Document) -> int:
    if document.path is None:
        return len(document.text or "")
    file = Path(document.path)
    return file.stat().st_size if file.is_file() else 0


def _conversation(text: str) -> str | None:
    """Return a conversation in JSON as each message behind its role; None where a text is none."""
    if not text.startswith("[{"):
        return None
    try:
        turns = _TURNS.validate_json(text)
    except ValidationError:
        return None
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns)


def _read(document: Document) -> str | dict[str, str]:
    try:
        return document.read()
    except DocumentError as error:
        return {"error": f"{error}"}
