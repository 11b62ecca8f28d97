"""Haystacks: filler text for generated benchmarks, what is hidden in it, and as much of it as fits a length."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from golong_eval.errors import ConfigError

__all__ = ["fit", "hide", "prose"]

T = TypeVar("T")

_FULL = 0.97  # of the room: a text this long is not made longer
_TRIES = 40


@lru_cache(maxsize=1)
def _lines() -> tuple[str, ...]:
    from pydoc_data.topics import topics

    lines = (" ".join(line.split()) for name in sorted(topics) for line in topics[name].splitlines())
    return tuple(line for line in lines if any(map(str.isalpha, line)))


def prose(count: int) -> list[str]:
    """Return the first lines of Python's help topics, from the start again where there are too few.

    They come with Python, so that nothing has to be downloaded; another version of Python has other lines.
    """
    lines = _lines()
    return [lines[place % len(lines)] for place in range(count)]


def hide(needles: Sequence[str], filler: Sequence[str], draw: random.Random) -> list[str]:
    """Return the filler with the needles at random places, their order kept."""
    places = sorted(draw.randint(0, len(filler)) for _ in needles)
    made: list[str] = []
    start = 0
    for place, needle in zip(places, needles, strict=True):
        made += [*filler[start:place], needle]
        start = place
    return [*made, *filler[start:]]


def fit(build: Callable[[int], T], size: Callable[[T], int], room: int, guess: int, what: str) -> tuple[T, int]:
    """Return what `build` makes of the most filler that leaves it within the room, and how much filler that is.

    Args:
        build: Makes a text of so many pieces of filler; the same number gives the same text.
        size: Its tokens.
        room: As many as it may have.
        guess: How much filler to try first; a good one needs one try.
        what: What is made, for the error.

    Raises:
        ConfigError: It does not fit without any filler.
    """
    low, high = 0, -1
    best, used = build(0), 0
    at_low = size(best)
    if at_low > room:
        raise ConfigError(
            f"{what} takes {at_low} tokens without any filler, and there is room for {room}",
            "give a larger --length, 1k or more",
        )
    number = max(1, guess)
    for _ in range(_TRIES):
        made = build(number)
        tokens = size(made)
        if tokens > room:
            high = number
        else:
            low, at_low, best, used = number, tokens, made, number
            if tokens >= _FULL * room:
                break
        if high >= 0 and high - low <= 1:
            break
        each = max((tokens - at_low) / (number - low), 0.01) if number > low else max(tokens / number, 0.01)
        ahead = max(1, int((0.995 * room - at_low) / each))
        number = low + ahead if high < 0 else min(max(low + ahead, low + 1), high - 1)
    return best, used
