"""The rows of a JSON file, read by pieces: an array of objects, or an object with one such array in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from golong_eval.errors import DataError

__all__ = ["json_rows"]

_PIECE = 1 << 18
_SPACE = re.compile(r"[ \t\n\r]*")
_NAMES = ("data", "rows", "train", "validation", "valid", "dev", "test", "eval")
_NEAR = 16  # characters from the end within which an error may be that of a value cut off there


def json_rows(content: IO[str], file: Path) -> Iterator[tuple[int, Any]]:
    """Yield the items of an array, each with its place from 1.

    Of an object, those of the array under ``data``, ``rows`` or the name of a split; under another name, where it is
    the object's only array of objects.

    Args:
        content: The file's text.
        file: For messages.

    Raises:
        DataError: No JSON (names the line), or no array to take; also two arrays, after the rows of the first.
    """
    reader = _Reader(content, file)
    start = reader.peek()
    if start == "[":
        yield from reader.items()
    elif start == "{":
        yield from _of_object(reader, file)
    else:
        reader.value()  # tells what is wrong
        raise DataError("neither an array of rows nor an object with one", "name another file", file=file)
    if reader.peek():
        raise reader.error("something follows its end")


def _of_object(reader: _Reader, file: Path) -> Iterator[tuple[int, Any]]:
    taken: list[str] = []
    others: dict[str, list[Any]] = {}
    for name in reader.names():
        if reader.peek() == "[" and name in _NAMES:
            taken.append(name)
            if len(taken) > 1:
                raise DataError(
                    f"an object with two arrays of rows, {taken[0]!r} and {name!r}", "put each into a file", file=file
                )
            yield from reader.items()
            continue
        value = reader.value()
        if isinstance(value, list) and value and isinstance(value[0], dict):
            others[name] = value
    if taken:
        return
    if len(others) != 1:
        has = f"several arrays of rows ({', '.join(others)})" if others else "no array of rows"
        raise DataError(
            f"an object with {has}", "name another file; one with an object a line ends in .jsonl", file=file
        )
    yield from enumerate(next(iter(others.values())), 1)


class _Reader:
    """Reads values one after the other, and holds no more of the text than the one it reads.

    The whole text would take four bytes a character where a single one of them is beyond the basic plane.
    """

    def __init__(self, content: IO[str], file: Path) -> None:
        self._content, self._file = content, file
        self._decoder = json.JSONDecoder()
        self._text, self._at, self._line = "", 0, 1

    def peek(self) -> str:
        """Return the next character that is no space; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def value(self) -> Any:
        """Return the next value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut_off = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _NEAR
                if not (cut_off and self._more()):
                    raise self.error(error.msg, error.pos) from None
            except RecursionError:
                raise self.error("nested too deeply") from None
            except ValueError as error:  # a number of thousands of digits
                raise self.error(str(error).partition(";")[0]) from None
            else:
                if len(self._text) - end > len("e-") or not self._more():  # a number may go on
                    self._at = end
                    return value

    def items(self) -> Iterator[tuple[int, Any]]:
        """Yield the items of the array that begins here."""
        self._take("[")
        number = 0
        while self.peek() != "]":
            if number:
                self._take(",")
            number += 1
            yield number, self.value()
        self._take("]")

    def names(self) -> Iterator[str]:
        """Yield the names of the object that begins here; its values are to be read in between."""
        self._take("{")
        first = True
        while self.peek() != "}":
            if not first:
                self._take(",")
            first = False
            name = self.value()
            if not isinstance(name, str):
                raise self.error("a name of an object is no text")
            self._take(":")
            yield name
        self._take("}")

    def error(self, reason: str, at: int | None = None) -> DataError:
        """Return the error for what stands here."""
        line = self._line + self._text.count("\n", 0, self._at if at is None else at)
        hint = "get it again; a file with an object a line ends in .jsonl"
        return DataError(f"no JSON ({reason})", hint, file=self._file, line=line)

    def _take(self, character: str) -> None:
        found = self.peek()
        if found != character:
            raise self.error(f"{character!r} is missing" if found else "it ends too early")
        self._at += 1

    def _more(self) -> bool:
        """Read on, as much as there is already; return whether anything came."""
        new = self._content.read(max(_PIECE, len(self._text) - self._at))
        if new:
            self._line += self._text.count("\n", 0, self._at)
            self._text, self._at = self._text[self._at :] + new, 0
        return bool(new)
