"""How the published code reads answers and golds: answer area, lines, normalisation."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["answer_area", "answer_lines", "gold_lines", "normalized"]


def normalized(text: str) -> str:
    """Return a text in lower case, white space stripped and collapsed.

    >>> normalized(" A  b ")
    'a b'
    """
    return " ".join(text.lower().split())


def answer_area(text: str) -> str:
    """Return what follows the last ``[Answer]``; else the last ``[答案]``; else the whole text. Stripped.

    >>> answer_area("[Answer] 1 [答案] 2")
    '1 [答案] 2'
    """
    for marker in ("[Answer]", "[答案]"):
        _, found, after = text.rpartition(marker)
        if found:
            return after.strip()
    return text.strip()


def answer_lines(text: str) -> list[str]:
    r"""Return the lines of the answer area, normalised. Blank lines are lines.

    >>> answer_lines("[Answer]\nA\n\nB")
    ['a', '', 'b']
    """
    return [normalized(line) for line in answer_area(text).lower().split("\n")]


def gold_lines(items: Iterable[str]) -> list[str]:
    """Return gold items, normalised; repeats stay."""
    return [normalized(item) for item in items]
