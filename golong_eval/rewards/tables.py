"""Find a JSON table in text and read its cells, in time linear in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from golong_eval.text import fold

__all__ = ["CellKey", "Table", "TableError", "cell_key", "last_table"]

CellKey = tuple[str, str]
"""What a cell says, so that two cells that say the same are equal: its kind and its canonical text."""

_MAX_HEIGHT = 6  # a table is at most four brackets deep; what is deeper is never parsed, only looked into
_MAX_DIGITS = 1000
_CACHED_LENGTH = 200


class TableError(ValueError):
    """A JSON value that is meant as a table and is not a proper one."""


@dataclass(frozen=True)
class Table:
    """Columns with rows of equal length. Cells are strings, numbers (as `Decimal` or int), booleans or None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def _number(text: str) -> Decimal:
    # Never int(text): Python refuses 4,300 digits and more with a ValueError, and takes quadratic time before.
    try:
        return Decimal(text) if len(text) <= _MAX_DIGITS else _refuse(text)
    except InvalidOperation:
        return _refuse(text)


def _refuse(text: str) -> Decimal:
    raise TableError(f"{text[:20]!r} is no JSON number, or one of more than {_MAX_DIGITS} characters")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise TableError("a key repeats")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_refuse)

_NUMBER_TEXT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,6})?")


def cell_key(cell: Any) -> CellKey:
    """Return what a cell says: 1, 1.0 and "1" say the same; true says the same as "true", and not 1.

    >>> cell_key(1.0) == cell_key("1") == cell_key(Decimal("1.00")), cell_key(True) == cell_key(1)
    (True, False)
    """
    if cell is None:
        return ("null", "")
    text = cell if isinstance(cell, str) else str(cell).lower()
    if isinstance(cell, bool):
        return ("text", text)
    return _text_key(text) if len(text) <= _CACHED_LENGTH else _text_key.__wrapped__(text)


@lru_cache(maxsize=1 << 13)  # the cells of a table come again in each rollout of a group
def _text_key(text: str) -> CellKey:
    text = fold(text)
    if len(text) > _MAX_DIGITS or not _NUMBER_TEXT.fullmatch(text):
        return ("text", text)
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return ("text", text)
    assert isinstance(exponent, int)  # the pattern lets no NaN through
    figures = "".join(map(str, digits)).lstrip("0")
    exponent += len(figures) - len(figures.rstrip("0"))
    figures = figures.rstrip("0")
    return ("number", f"{'-' if sign else ''}{figures}e{exponent}" if figures else "0")


NamesColumns = Callable[[Sequence[Any]], bool]


def read_table(value: Any, names_columns: NamesColumns) -> Table | None:
    """Read a JSON value as a table; None when it is not meant as one.

    Tables are ``{"columns": [...], "data": [[...], ...]}``; a list of objects with the same keys (also as ``data``);
    and a list of rows, if `names_columns` says that the first one is a header: columns are aligned by name, and
    rows alone have none.

    Raises:
        TableError: It is meant as a table, and has ragged rows, repeated columns or cells that are no plain values.
    """
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "columns" in value[0]:
        value = value[0]
    columns: Any = None
    rows = value
    if isinstance(value, dict):
        columns, rows = value.get("columns"), value.get("data")
    if not isinstance(rows, list):
        return None
    if rows and all(isinstance(row, dict) for row in rows):
        if columns is None:
            columns = list(rows[0])
        if any(set(row) != set(map(str, columns)) for row in rows):
            raise TableError("the rows have different keys")
        rows = [[row[str(name)] for name in columns] for row in rows]
    elif isinstance(value, list) and value and isinstance(value[0], list) and names_columns(value[0]):
        columns, rows = value[0], value[1:]
    return None if columns is None else _table(columns, rows)


def _table(columns: Any, rows: list[Any]) -> Table:
    if not isinstance(columns, list) or not columns:
        raise TableError("the columns are not a list of names")
    if not all(isinstance(name, str | Decimal) for name in columns):
        raise TableError("a column name is not a text")
    names = tuple(str(name) for name in columns)
    if len(set(names)) != len(names):
        raise TableError("column names repeat")
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        raise TableError("a row has not as many cells as there are columns")
    if any(isinstance(cell, list | dict) for row in rows for cell in row):
        raise TableError("a cell is not a plain value")
    return Table(names, tuple(tuple(row) for row in rows))


_OUTSIDE = re.compile(r"[{\[]")
# Inside a bracket: a string up to its end or, unclosed, the end of its line (JSON has no line breaks in strings).
_INSIDE = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|[{}\[\]]')


def _spans(text: str) -> list[tuple[int, int, int]]:
    """Return (start, end, height) of all balanced brackets, in the order of their ends."""
    spans: list[tuple[int, int, int]] = []
    stack: list[list[int]] = []  # start and height of what is open
    at = 0
    while True:
        match = (_INSIDE if stack else _OUTSIDE).search(text, at)
        if match is None:
            return spans
        at = match.end()
        token = text[match.start()]
        if token in "{[":
            stack.append([match.start(), 1])
        elif token in "}]":
            start, height = stack.pop()
            if text[start] != ("{" if token == "}" else "["):
                stack.clear()  # crossed brackets: nothing that is open can be JSON any more
                continue
            spans.append((start, at, height))
            if stack:
                stack[-1][1] = max(stack[-1][1], height + 1)


def _candidates(spans: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Give the spans worth parsing, last first, each before what it contains."""
    for start, end, height in sorted(spans, key=lambda span: (-span[1], span[0])):
        if 2 <= height <= _MAX_HEIGHT:
            yield start, end


def last_table(
    text: str, names_columns: NamesColumns, preferred: Callable[[Table], bool] = lambda _: True
) -> Table | None:
    """Return the last table among the JSON in a text, in code fences or in prose; None when there is none.

    The last one that is `preferred` goes before a later one that is not.

    Raises:
        TableError: The last JSON that is meant as a table is not a proper one.
    """
    read_from = len(text)
    last = None
    for start, end in _candidates(_spans(text)):
        if start >= read_from:
            continue  # inside of a list that was read and is no table
        try:
            value = _DECODER.decode(text[start:end])
        except TableError:
            if last is None and (text[start] == "[" or '"data"' in text[start:end]):
                raise
            continue
        except ValueError:
            continue
        table = read_table(value, names_columns)
        if table is not None:
            if preferred(table):
                return table
            last = last or table
        if table is not None or isinstance(value, list):
            read_from = start
    return last
