"""The documents of a build: an index of handles, and one text at a time read on demand."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import stat
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from golong_eval.errors import DocumentError
from golong_eval.schema import Language
from golong_eval.tasks.builders import readers
from golong_eval.tasks.builders.sections import Span, first_heading, split
from golong_eval.tasks.builders.terms import document_language

__all__ = ["Corpus", "SourceDocument", "open_corpus"]

_CACHE_CHARACTERS = 16 * 2**20
"""Texts kept between contexts: enough for small folders, a constant for large ones."""
_MAX_TITLE = 100
_SKIPS_NAMED = 5


@dataclass(slots=True)
class SourceDocument:
    """One document of the corpus with its text."""

    name: str
    """Path in the folder, or topic."""
    title: str
    text: str
    digest: bytes
    language: Language | None
    """``en``, ``zh``, or None for other languages that put spaces between words."""
    licence: str | None = None
    density: float | None = None
    """Characters for a token, once measured."""
    _spans: dict[int, list[Span]] = field(default_factory=dict)

    def spans(self, limit: int) -> list[Span]:
        """Return its sections, or runs of paragraphs, of at most ``limit`` characters."""
        if limit not in self._spans:
            self._spans.clear()
            self._spans[limit] = split(self.text, limit)
        return self._spans[limit]


@dataclass(slots=True)
class Corpus:
    """Handles to documents in a fixed order. Reading is lazy; what can't be read is recorded once."""

    label: str
    names: list[str]
    root: Path | None
    """None: the names are pydoc topics."""
    other_suffixes: Counter[str] = field(default_factory=Counter)
    """Files left alone because of their suffix."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Files that could not be used, with the reason."""
    languages: dict[int, Language | None] = field(default_factory=dict)
    """Of the documents read so far: those in another language need not be read again."""
    repeated: set[int] = field(default_factory=set)
    """Documents left out of a context that already held the same text."""
    _cache: OrderedDict[int, SourceDocument] = field(default_factory=OrderedDict)
    _cached: int = 0

    def read(self, index: int) -> SourceDocument | None:
        """Return a document, or None when it can't be used (`skipped` says why)."""
        name = self.names[index]
        if name in self.skipped:
            return None
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        try:
            document = _pydoc_topic(name) if self.root is None else _file(self.root, name)
        except readers.Unreadable as reason:
            self.skipped[name] = str(reason)
            return None
        self.languages[index] = document.language
        self._cache[index] = document
        self._cached += len(document.text)
        while self._cached > _CACHE_CHARACTERS and len(self._cache) > 1:
            self._cached -= len(self._cache.popitem(last=False)[1].text)
        return document

    def unusable(self) -> DocumentError:
        """Return the error for a corpus in which nothing can be used."""
        seen = [f"{name} ({reason})" for name, reason in sorted(self.skipped.items())[:_SKIPS_NAMED]]
        seen += [
            f"{count} x {suffix or 'no suffix'}" for suffix, count in self.other_suffixes.most_common(_SKIPS_NAMED)
        ]
        rest = len(self.skipped) - min(len(self.skipped), _SKIPS_NAMED)
        what = ", ".join(seen) + (f" and {rest} more files" if rest else "")
        return DocumentError(
            f"no usable document in {self.label}" + (f"; skipped: {what}" if what else " (it is empty)"),
            "give a folder with text, Markdown, HTML or PDF files, or --documents pydoc",
        )


def open_corpus(documents: str | Path) -> Corpus:
    """Index a folder, a single file, or the word ``pydoc``; no text is read yet.

    Folders are walked in sorted order. Hidden files and folders are left out; links are followed, each
    folder and file once.

    Raises:
        DocumentError: The path does not exist, can't be listed, or holds nothing of a readable kind.
    """
    if documents == "pydoc":
        from pydoc_data import topics

        return Corpus(f"pydoc {platform.python_version()}", sorted(topics.topics), None)
    path = Path(documents)
    if path.is_file():
        corpus = Corpus(str(path), [path.name], path.parent)
        if readers.kind_of(path.name) is None:
            corpus.other_suffixes[_suffix(path.name)] += 1
            raise corpus.unusable()
        return corpus
    if not path.is_dir():
        raise DocumentError(f"no documents at {path}", "give a folder, a file, or the word pydoc")
    corpus = Corpus(str(path), [], path)
    for name in _walk(path, corpus.skipped):
        if readers.kind_of(name) is None:
            corpus.other_suffixes[_suffix(name)] += 1
        else:
            corpus.names.append(name)
    if not corpus.names:
        raise corpus.unusable()
    return corpus


def _walk(root: Path, skipped: dict[str, str]) -> Iterator[str]:
    """Yield the paths of regular files under a folder, relative and in sorted order."""
    seen: set[tuple[int, int]] = set()

    def unlistable(error: OSError) -> None:
        skipped[os.path.relpath(error.filename, root)] = "unreadable folder"

    for folder, folders, files in os.walk(root, followlinks=True, onerror=unlistable):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(name for name in files if not name.startswith(".")):
            name = (Path(folder) / file).relative_to(root).as_posix()
            try:
                status = (root / name).stat()
            except OSError:
                skipped[name] = "unreadable"
                continue
            if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield name


def _suffix(name: str) -> str:
    path = PurePosixPath(name.lower())
    return "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix


def _file(root: Path, name: str) -> SourceDocument:
    path = root / name
    try:
        if path.stat().st_size > readers.MAX_FILE_BYTES:
            raise readers.Unreadable("too large")
        data = path.read_bytes()
    except OSError as error:
        raise readers.Unreadable("unreadable") from error
    extracted = readers.extract(name, data)
    parts = PurePosixPath(name).parts
    stem = parts[-1].removesuffix(".gz")
    # A changelog or README means little without the folder it stands in.
    fallback = "/".join([*parts[-2:-1], PurePosixPath(stem).stem])
    return _document(name, extracted.title or first_heading(extracted.text) or fallback, extracted.text)


def _pydoc_topic(name: str) -> SourceDocument:
    from pydoc_data import topics

    text = topics.topics[name]
    if not text.strip():
        raise readers.Unreadable("empty")
    document = _document(
        f"pydoc_data.topics {platform.python_version()}/{name}", first_heading(text) or name, text.replace("\r\n", "\n")
    )
    document.licence = "PSF-2.0"
    return document


def _document(name: str, title: str, text: str) -> SourceDocument:
    language = document_language(text)
    if language == "unspaced":
        raise readers.Unreadable("a language without spaces between words that is not Chinese")
    return SourceDocument(
        # A file name may hold bytes that are no UTF-8, which a sample file can't.
        name=os.fsencode(name).decode("utf-8", "backslashreplace"),
        title=re.sub(r"\s+", " ", title).strip()[:_MAX_TITLE].rstrip(),
        text=text,
        digest=hashlib.sha256(text.encode("utf-8")).digest(),
        language=language,
    )
