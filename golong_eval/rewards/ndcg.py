"""T7, graded ranking: normalised discounted cumulative gain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

from golong_eval.rewards.list_scorer import ListScorer
from golong_eval.text import Item

__all__ = ["NDCG", "ndcg_of_places"]


def ndcg_of_places(places: Sequence[int | None], n: int) -> float:
    """Return the NDCG at n of a ranking of n items with linear gains n, n-1, ..., 1.

    Args:
        places: For each answered item its place (from 0) in the gold order, or None for an intruder; no repeats.
        n: Number of gold items, which is also the cut-off.

    >>> round(ndcg_of_places([3, 2, 1, 0], 4), 3)
    0.749
    """
    discounts = _discounts(n)
    gains = [n - place if place is not None else 0 for place in places[:n]]
    return math.fsum(map(mul, gains, discounts)) / math.fsum(map(mul, range(n, 0, -1), discounts))


@lru_cache(maxsize=256)
def _discounts(n: int) -> tuple[float, ...]:
    return tuple(1 / math.log2(rank + 1) for rank in range(1, n + 1))


@dataclass(frozen=True)
class NDCG(ListScorer):
    r"""NDCG with linear gain and cut-off at the number of gold items, times ``min(1, gold / answered)``.

    With n gold items, the item at gold place i (from 1) gains n + 1 - i, and an answer at rank r is discounted by
    1 / log2(r + 1). The first position of a repeated item counts, and does not push the others back. The last
    factor keeps a dump of all candidates from being free.

    Chance is high: a random order of the right items earns 0.87 at n = 4, and even the reversed list 0.749.

    Source: LongBench Pro (arXiv 2601.02872), ``NDCG``; reward of GoLongRL (arXiv 2605.19577). The published code
    (pytrec_eval) counts the last position of a repeat, and items after the cut-off cost nothing.

    >>> from golong_eval.rewards.outcome import Ask
    >>> from golong_eval.schema import RankingGold
    >>> score = NDCG(RankingGold(items=("a", "b", "c", "d")))
    >>> orders = ("a\nb\nc\nd", "b\na\nc\nd", "d\nc\nb\na", "a\nx\ny\nb")
    >>> [round(score(order, Ask()).value, 3) for order in orders]
    [1.0, 0.95, 0.749, 0.723]
    """

    def value_of(self, answered: Sequence[Item]) -> tuple[float, Mapping[str, float]]:
        """Return NDCG with its penalty of length, and both factors."""
        n = len(self._items)
        ndcg = min(1.0, ndcg_of_places([item.gold for item in answered], n))  # against rounding
        length = min(1.0, n / len(answered))
        return ndcg * length, {"ndcg": ndcg, "length": length}
