"""Count tokens, or make them, with a named tokenizer, exactly and in bounded memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path
from typing import Any

from golong_eval._content import content_path
from golong_eval._optional import require
from golong_eval.errors import ConfigError, GolongError

__all__ = ["Tokenizer", "load_tokenizer"]

_EMBEDDED = "training/embedded/checkpoint/tokenizer.json"
_PIECE = 1 << 18
"""Characters tokenised at once: a tokenizer's own record of a text takes some hundred bytes a token."""
_PIECES_KEPT = 32
"""Pieces whose tokens are remembered: prompts over one context share most of theirs. Some 30 MB at most."""
_OVERLAP = 1 << 11
"""Characters of context shared by neighbouring pieces; no tokenizer looks that far."""


class Tokenizer:
    """A tokenizer without a chat template.

    Args:
        name: What the user called it; samples record it.
        backend: A ``tokenizers.Tokenizer``.
    """

    def __init__(self, name: str, backend: Any) -> None:
        self.name = name
        self._backend = backend
        # A checkpoint may ship with truncation switched on, which would cap every count.
        backend.no_truncation()
        backend.no_padding()
        self._cached_ids = lru_cache(_PIECES_KEPT)(self._ids_between)

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, without special tokens around it.

        A long text is counted in pieces: after the first, a piece adds the tokens of (what stands
        before it + piece) less those of what stands before it. That equals the count of the whole
        for every tokenizer whose choices at one place do not depend on text 2,000 characters away.
        """
        if len(text) <= _PIECE:
            return self._encoded(text)
        total = start = 0
        while start < len(text):
            end = _cut(text, start)
            total += self.count_added(text[:start], text[start:end]) if start else self._encoded(text[:end])
            start = end
        return total

    def ids(self, text: str) -> array[int]:
        """Return the tokens of a text, four bytes each, without special tokens around it.

        A long text is tokenised in pieces, each with its surroundings; of a piece are the tokens that start in it.
        They are those of the whole under the same condition as in `count`.
        """
        if len(text) <= _PIECE:
            return array("I", self._backend.encode(text, add_special_tokens=False).ids)
        tokens = array("I")
        start = 0
        while start < len(text):
            end = _cut(text, start)
            first = max(0, start - _OVERLAP)
            tokens += self._cached_ids(text[first : end + _OVERLAP], start - first, end - first)
            start = end
        return tokens

    def count_added(self, text: str, added: str) -> int:
        """Return by how many tokens a text grows when ``added`` is put behind it."""
        near = text[-_OVERLAP:]
        return self._encoded(near + added) - self._encoded(near)

    def count_put_before(self, text: str, added: str) -> int:
        """Return by how many tokens a text grows when ``added`` is put before it."""
        near = text[:_OVERLAP]
        return self._encoded(added + near) - self._encoded(near)

    def _ids_between(self, text: str, start: int, end: int) -> array[int]:
        encoding = self._backend.encode(text, add_special_tokens=False)
        starts = [place for place, _ in encoding.offsets]
        return array("I", encoding.ids[bisect_left(starts, start) : bisect_left(starts, end)])

    def _encoded(self, text: str) -> int:
        return len(self._backend.encode(text, add_special_tokens=False))


def _cut(text: str, start: int) -> int:
    """Return where the piece from ``start`` ends: at a line break where there is one."""
    end = start + _PIECE
    if end >= len(text):
        return len(text)
    line = text.rfind("\n", start + _PIECE // 2, end)
    return line + 1 if line > 0 else end


def load_tokenizer(name: str) -> Tokenizer:
    """Load the tokenizer that lengths are measured with.

    Args:
        name: ``embedded`` (that of the embedded checkpoint), a checkpoint folder, a ``tokenizer.json``,
            or a name on the Hugging Face hub.

    Raises:
        ConfigError: There is no such tokenizer, or its file can't be read.
        MissingExtraError: The package ``tokenizers`` is not installed.
    """
    backend = require("tokenizers", "data", "counting tokens").Tokenizer
    path = content_path(_EMBEDDED) if name == "embedded" else Path(name)
    try:
        if path.is_dir():
            path = path / "tokenizer.json"
            if not path.is_file():
                raise ConfigError(f"no tokenizer.json in {name}", "name a folder with a fast tokenizer, or the file")
        if path.is_file():
            return Tokenizer(name, backend.from_file(str(path)))
        if name.startswith((".", "/", "~")) or name.endswith(".json"):
            raise ConfigError(f"no tokenizer at {name}", "give a checkpoint folder, a tokenizer.json or 'embedded'")
        return Tokenizer(name, backend.from_pretrained(name))
    except GolongError:
        raise
    except Exception as error:  # the Rust library raises bare Exception for everything
        raise ConfigError(
            f"cannot load the tokenizer {name!r} ({' '.join(str(error).split())[:200]})",
            "give a checkpoint folder, a tokenizer.json, a hub name or 'embedded'",
        ) from error
