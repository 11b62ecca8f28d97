"""T3, exhaustive retrieval: F1 over items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from golong_eval.rewards.list_scorer import ListScorer
from golong_eval.text import Item

__all__ = ["F1"]


@dataclass(frozen=True)
class F1(ListScorer):
    r"""Harmonic mean of precision and recall between the set of answered items and the set of gold items.

    With h right items among p answered and g gold ones, ``F1 = 2h / (p + g)``. Items are the distinct lines of the
    answer area by the rules of `golong_eval.text`; their order does not matter.

    Source: LongBench Pro (arXiv 2601.02872), ``F1``; reward of GoLongRL (arXiv 2605.19577). The published code takes
    a blank line for an item, so that a perfect list of four with blank lines earns 0.889, and matches exact lines.

    >>> from golong_eval.rewards.outcome import Ask
    >>> from golong_eval.schema import ItemsGold
    >>> score = F1(ItemsGold(items=("D1", "D3", "D7")))
    >>> score("- D3\n- **D1**\n- D9\n- D4", Ask()).parts
    {'precision': 0.5, 'recall': 0.6666666666666666}
    >>> round(score("D3\nD1\nD9\nD4", Ask()).value, 4)
    0.5714
    """

    def value_of(self, answered: Sequence[Item]) -> tuple[float, Mapping[str, float]]:
        """Return F1, with precision and recall."""
        hits = sum(item.gold is not None for item in answered)
        parts = {"precision": hits / len(answered), "recall": hits / len(self._items)}
        return 2 * hits / (len(answered) + len(self._items)), parts
