"""What the strict list metrics share: read the distinct items of an answer, then say what they are worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import ItemsGold, OrderGold, RankingGold
from golong_eval.text import GoldItems, Item

__all__ = ["ListScorer"]


@dataclass(frozen=True)
class ListScorer(ABC):
    """A list of gold items, ready to score answers of one item a line, by the rules of `golong_eval.text`."""

    gold: ItemsGold | RankingGold | OrderGold
    _items: GoldItems = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_items", GoldItems(self.gold.items))

    @abstractmethod
    def value_of(self, answered: Sequence[Item]) -> tuple[float, Mapping[str, float]]:
        """Return the value of the answered items, at least one, and what it is made of."""

    def __call__(self, area: str, _ask: Ask) -> Outcome:
        """Score one answer area."""
        answered = self._items.read(area)
        if not answered:
            return no_answer("no items")
        value, parts = self.value_of(answered)
        return Outcome(value, parts, tuple(item.text for item in answered))
