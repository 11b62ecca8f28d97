"""The ratio of CPython's difflib, exactly, with a bound on its work: answers can be made that would take it hours."""

from __future__ import annotations

from difflib import Match, SequenceMatcher
from itertools import accumulate

__all__ = ["difflib_ratio"]

_MOST_STEPS = 100_000_000  # about 10 seconds; 200,000 characters of prose against 10,000 take a tenth of it


class _TooManyStepsError(Exception):
    """The comparison was given up."""


class _Counted(SequenceMatcher[str]):
    """difflib's matcher with its default heuristic (autojunk), which counts its steps before it takes them."""

    def __init__(self, said: str, gold: str) -> None:
        super().__init__(None, said, gold)
        places: dict[str, list[int]] = vars(self)["b2j"]  # of each letter of the gold that may begin a match
        steps = {letter: len(found) + 1 for letter, found in places.items()}
        self._steps = [0, *accumulate(steps.get(letter, 1) for letter in said)]
        self._left = _MOST_STEPS

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        self._left -= self._steps[-1 if ahi is None else ahi] - self._steps[alo]
        if self._left < 0:
            raise _TooManyStepsError
        return super().find_longest_match(alo, ahi, blo, bhi)


def difflib_ratio(said: str, gold: str) -> float | None:
    """Return ``difflib.SequenceMatcher(None, said, gold).ratio()``; None where that would take too long.

    The order of the arguments matters, and so does difflib's heuristic: in a gold of 200 characters and more, those
    that make up over 1 % of it begin no match.

    >>> difflib_ratio("abcd", "abcd efgh")
    0.6153846153846154
    """
    try:
        return _Counted(said, gold).ratio()
    except _TooManyStepsError:
        return None
