"""T6, fragment matching: SubEM, the share of items that are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from golong_eval.rewards.list_scorer import ListScorer
from golong_eval.text import Item

__all__ = ["SubEM"]


@dataclass(frozen=True)
class SubEM(ListScorer):
    r"""Right items over ``max(number of gold items, number of answered items)``.

    Items are the distinct lines of the answer area by the rules of `golong_eval.text`.

    Source: LongBench Pro (arXiv 2601.02872), ``SubEM``; reward of GoLongRL (arXiv 2605.19577). The published code is
    recall alone, so that 500 lines of junk with the gold among them earn 1.0: here every item too many costs.

    >>> from golong_eval.rewards.outcome import Ask
    >>> from golong_eval.schema import ItemsGold
    >>> score = SubEM(ItemsGold(items=("F1: D7", "F2: D3")))
    >>> [score(area, Ask()).value for area in ("1. F1: D7\n2. F2: D3", "F1: D7\nF2: D4", "F1: D7\nF2: D1\nF2: D3")]
    [1.0, 0.5, 0.6666666666666666]
    """

    def value_of(self, answered: Sequence[Item]) -> tuple[float, Mapping[str, float]]:
        """Return the share, with what it is a share of."""
        hits = sum(item.gold is not None for item in answered)
        parts = {"hits": float(hits), "answered": float(len(answered)), "gold": float(len(self._items))}
        return hits / max(len(self._items), len(answered)), parts
