"""T8, sequence reconstruction: pairwise accuracy."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from golong_eval.rewards.exact_match import ExactMatch
from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import OrderGold, TextGold
from golong_eval.text import GoldItems

__all__ = ["PairwiseAccuracy"]


@dataclass(frozen=True)
class PairwiseAccuracy:
    r"""Pairs of gold items that the answer has in the right order, over ``max(gold pairs, answered pairs)``.

    A list of n items has n (n - 1) / 2 pairs. Items are the distinct lines of the answer area by the rules of
    `golong_eval.text`; a repeated item counts where it stands first. A gold of a single item is scored by exact
    match. A random order of the right items earns 0.5.

    Source: LongBench Pro (arXiv 2601.02872), ``pairwise accuracy``; reward of GoLongRL (arXiv 2605.19577). The
    published code divides by the answered pairs alone, so that two right items of six earn 1.0; blank lines count
    as items, and repeated gold items reach 4.0.

    >>> score = PairwiseAccuracy(OrderGold(items=("a", "b", "c", "d")))
    >>> orders = ("a\nb\nc\nd", "b\na\nc\nd", "a\nb", "a\nb\nx\nc\nd")
    >>> [round(score(order, Ask()).value, 3) for order in orders]
    [1.0, 0.833, 0.167, 0.6]
    """

    gold: OrderGold
    _items: GoldItems = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_items", GoldItems(self.gold.items))

    def __call__(self, area: str, ask: Ask) -> Outcome:
        """Score one answer area."""
        if len(self._items) == 1:
            return ExactMatch(TextGold(answers=self._items.items))(area, ask)
        answered = self._items.read(area)
        if not answered:
            return no_answer("no items")
        before: list[int] = []
        ordered = 0
        for item in answered:
            if item.gold is not None:
                ordered += bisect_left(before, item.gold)
                insort(before, item.gold)
        gold_pairs, answered_pairs = _pairs(len(self._items)), _pairs(len(answered))
        return Outcome(
            ordered / max(gold_pairs, answered_pairs),
            {"ordered": float(ordered), "gold_pairs": float(gold_pairs), "answered_pairs": float(answered_pairs)},
            tuple(item.text for item in answered),
        )


def _pairs(n: int) -> int:
    return n * (n - 1) // 2
