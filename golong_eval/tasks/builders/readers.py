"""Turn the bytes of one file into text: plain text, Markdown, HTML, PDF, and any of these gzipped.

Text and Markdown are kept as they are (line ends become line feeds). HTML becomes Markdown, without scripts,
styles, navigation, images, link targets and emphasis marks (see `golong_eval.tasks.builders.html_text`). Of a PDF the
text layer is taken.
"""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import re
import warnings
import zlib
from pathlib import PurePosixPath
from typing import NamedTuple

from golong_eval._optional import require
from golong_eval.errors import MissingExtraError
from golong_eval.tasks.builders.html_text import html_text

__all__ = ["MAX_FILE_BYTES", "MAX_HTML_BYTES", "MAX_PDF_PAGES", "Extracted", "Unreadable", "extract", "kind_of"]

MAX_FILE_BYTES = 64 * 2**20
"""Larger files, packed or unpacked, are skipped."""
MAX_HTML_BYTES = 8 * 2**20
"""HTML is parsed into a tree of many times its size."""
MAX_PDF_PAGES = 3000
"""A page takes tens of milliseconds."""

_KINDS = {
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".md": "text",
    ".markdown": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    "": "text",
}
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([A-Za-z0-9_:.-]+)", re.IGNORECASE)


class Unreadable(Exception):  # noqa: N818 - a verdict on a file, caught where files are read
    """A file that can't be used; ``str(error)`` is the reason that the report counts."""


class Extracted(NamedTuple):
    """The text of a file, and the title that its format states, if it does."""

    text: str
    title: str | None


def kind_of(name: str) -> str | None:
    """Return how a file is read (``text``, ``html`` or ``pdf``), by its suffix; None for other suffixes.

    A name without a suffix (README, changelog, copyright) is tried as text.
    """
    path = PurePosixPath(name.lower())
    return _KINDS.get(PurePosixPath(path.stem).suffix if path.suffix == ".gz" else path.suffix)


def extract(name: str, data: bytes) -> Extracted:
    """Return the text of a file.

    Args:
        name: File name; its suffix picks the reader.
        data: The bytes of the file.

    Raises:
        Unreadable: With the reason.
        MissingExtraError: A package for HTML or PDF is not installed.
    """
    if name.lower().endswith(".gz"):
        data = _unpacked(data)
    kind = kind_of(name)
    if kind == "pdf":
        found = _pdf(data)
    elif kind == "html":
        found = _html(data)
    else:
        found = Extracted(_decoded(data), None)
    text = found.text.replace("\r\n", "\n").replace("\r", "\n")
    # Text layers of PDFs hold lone surrogates, which no UTF-8 file can.
    text = text.encode("utf-8", "replace").decode("utf-8")
    if not text.strip():
        raise Unreadable("empty")
    return Extracted(text, found.title)


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            unpacked = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable("unreadable gzip") from error
    if len(unpacked) > MAX_FILE_BYTES:
        raise Unreadable("too large")
    return unpacked


def _decoded(data: bytes, declared: str | None = None) -> str:
    if not data:
        raise Unreadable("empty")
    encoding = declared or "utf-8"
    if data.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in data:
        raise Unreadable("binary")
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable("undecodable") from error
    if "\0" in text:
        raise Unreadable("binary")
    return text


def _html(data: bytes) -> Extracted:
    if len(data) > MAX_HTML_BYTES:
        raise Unreadable("too large")
    declared = _CHARSET.search(data[:2048])
    source = _decoded(data, declared[1].decode("ascii") if declared else None)
    try:
        text, title = html_text(source)
    except MissingExtraError:
        raise
    except Exception as error:  # any page can break a parser; a page must not break a build
        raise Unreadable("unreadable HTML") from error
    return Extracted(text, title)


def _pdf(data: bytes) -> Extracted:
    pypdf = require("pypdf", "data", "reading PDF")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every flaw of every file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = pypdf.PdfReader(io.BytesIO(data))
            pages = None if len(reader.pages) > MAX_PDF_PAGES else [page.extract_text() for page in reader.pages]
            title = reader.metadata.title if reader.metadata else None
    except Exception as error:  # any file can break a parser; a file must not break a build
        raise Unreadable("unreadable PDF") from error
    if pages is None:
        raise Unreadable("too large")
    return Extracted("\n\n".join(pages), title if isinstance(title, str) else None)
