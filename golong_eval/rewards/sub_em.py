"""T6, fragment matching: SubEM, the share of items that are right."""

from __future__ import annotations

from dataclasses import dataclass, field

from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import ItemsGold
from golong_eval.text import GoldItems

__all__ = ["SubEM"]


@dataclass(frozen=True)
class SubEM:
    r"""Right items over ``max(number of gold items, number of answered items)``.

    Items are the distinct lines of the answer area by the rules of `golong_eval.text`.

    Source: LongBench Pro (arXiv 2601.02872), ``SubEM``; reward of GoLongRL (arXiv 2605.19577). The published code is
    recall alone, so that 500 lines of junk with the gold among them earn 1.0: here every item too many costs.

    >>> score = SubEM(ItemsGold(items=("F1: D7", "F2: D3")))
    >>> [score(area, Ask()).value for area in ("1. F1: D7\n2. F2: D3", "F1: D7\nF2: D4", "F1: D7\nF2: D1\nF2: D3")]
    [1.0, 0.5, 0.6666666666666666]
    """

    gold: ItemsGold
    _items: GoldItems = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_items", GoldItems(self.gold.items))

    def __call__(self, area: str, _ask: Ask) -> Outcome:
        """Score one answer area."""
        answered = self._items.read(area)
        if not answered:
            return no_answer("no items")
        hits = sum(item.gold is not None for item in answered)
        return Outcome(
            hits / max(len(self._items), len(answered)),
            {"hits": float(hits), "answered": float(len(answered)), "gold": float(len(self._items))},
            tuple(item.text for item in answered),
        )
