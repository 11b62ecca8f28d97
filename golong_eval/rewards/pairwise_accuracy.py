"""T8, sequence reconstruction: pairwise accuracy."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from golong_eval.rewards.exact_match import ExactMatch
from golong_eval.rewards.list_scorer import ListScorer
from golong_eval.rewards.outcome import Ask, Outcome
from golong_eval.schema import TextGold
from golong_eval.text import Item

__all__ = ["PairwiseAccuracy"]


@dataclass(frozen=True)
class PairwiseAccuracy(ListScorer):
    r"""Pairs of gold items that the answer has in the right order, over ``max(gold pairs, answered pairs)``.

    A list of n items has n (n - 1) / 2 pairs. Items are the distinct lines of the answer area by the rules of
    `golong_eval.text`; a repeated item counts where it stands first. A gold of a single item is scored by exact
    match. A random order of the right items earns 0.5.

    Source: LongBench Pro (arXiv 2601.02872), ``pairwise accuracy``; reward of GoLongRL (arXiv 2605.19577). The
    published code divides by the answered pairs alone, so that two right items of six earn 1.0; blank lines count
    as items, and repeated gold items reach 4.0.

    >>> from golong_eval.schema import OrderGold
    >>> score = PairwiseAccuracy(OrderGold(items=("a", "b", "c", "d")))
    >>> orders = ("a\nb\nc\nd", "b\na\nc\nd", "a\nb", "a\nb\nx\nc\nd")
    >>> [round(score(order, Ask()).value, 3) for order in orders]
    [1.0, 0.833, 0.167, 0.6]
    """

    def __call__(self, area: str, ask: Ask) -> Outcome:
        """Score one answer area."""
        if len(self._items) == 1:
            return ExactMatch(TextGold(answers=self._items.items))(area, ask)
        return super().__call__(area, ask)

    def value_of(self, answered: Sequence[Item]) -> tuple[float, Mapping[str, float]]:
        """Return the share of pairs, with what it is a share of."""
        before: list[int] = []
        ordered = 0
        for item in answered:
            if item.gold is not None:
                ordered += bisect_left(before, item.gold)
                insort(before, item.gold)
        pairs = _pairs(len(self._items)), _pairs(len(answered))
        parts = {"ordered": float(ordered), "gold_pairs": float(pairs[0]), "answered_pairs": float(pairs[1])}
        return ordered / max(pairs), parts


def _pairs(n: int) -> int:
    return n * (n - 1) // 2
