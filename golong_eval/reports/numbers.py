"""Scores, shares and intervals in the form in which every table has them."""

from __future__ import annotations

__all__ = ["ends", "percent", "score", "score_with_ends"]

NONE = "–"


def score(value: float | None) -> str:
    """Return a score with three decimals, a dash for None."""
    return NONE if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Return a share in whole per cent.

    >>> percent(0.125), percent(None)
    ('12 %', '–')
    """
    return NONE if value is None else f"{100 * value:.0f} %"


def ends(low: float | None, high: float | None) -> str:
    """Return the ends of an interval.

    >>> ends(0.25, 1.0), ends(None, None)
    ('0.250 – 1.000', '–')
    """
    return NONE if low is None or high is None else f"{low:.3f} – {high:.3f}"


def score_with_ends(mean: float | None, low: float | None, high: float | None) -> str:
    """Return a score with its interval, where it has one.

    >>> score_with_ends(0.5, 0.25, 1.0), score_with_ends(0.5, None, None)
    ('0.500 (0.250 – 1.000)', '0.500')
    """
    return score(mean) + ("" if low is None or high is None else f" ({ends(low, high)})")
