"""Published rewards of lists: F1, SubEM, NDCG and pairwise accuracy. Blank lines count as items."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field

from golong_eval.rewards.official.reading import answer_lines, gold_lines
from golong_eval.rewards.outcome import Ask, Outcome
from golong_eval.schema import ItemsGold, OrderGold, RankingGold

__all__ = ["F1", "NDCG", "PairwiseAccuracy", "SubEM"]


@dataclass(frozen=True)
class F1:
    r"""Harmonic mean of precision and recall between the set of lines and the set of gold items.

    Source: LongBench Pro, ``F1_Score``.

    >>> score = F1(ItemsGold(items=("a", "b", "c", "d")))
    >>> round(score("a\n\nb\n\nc\n\nd", Ask()).value, 3)
    0.889
    """

    gold: ItemsGold

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        lines, gold = set(answer_lines(answer)), set(gold_lines(self.gold.items))
        hits = len(lines & gold)
        if not hits:
            return Outcome(0.0, {"precision": 0.0, "recall": 0.0})
        precision, recall = hits / len(lines), hits / len(gold)
        return Outcome(2 * precision * recall / (precision + recall), {"precision": precision, "recall": recall})


@dataclass(frozen=True)
class SubEM:
    r"""Share of the gold items that are a line of the answer area: recall alone.

    Source: LongBench Pro, ``SubEM``.

    >>> SubEM(ItemsGold(items=("a", "b")))("junk\n" * 500 + "b\na", Ask()).value
    1.0
    """

    gold: ItemsGold

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        lines, gold = set(answer_lines(answer)), gold_lines(self.gold.items)
        hits = sum(item in lines for item in gold)
        return Outcome(hits / len(gold), {"hits": float(hits), "gold": float(len(gold))})


@dataclass(frozen=True)
class NDCG:
    r"""NDCG with linear gains n, n-1, ..., 1, cut off at the number of gold items, as pytrec_eval computes it.

    A repeated line takes its last position, a repeated gold item its lower gain; the cut-off counts repeats.

    Source: LongBench Pro, ``NDCG``.

    >>> score = NDCG(RankingGold(items=("a", "b", "c", "d")))
    >>> [round(score(answer, Ask()).value, 3) for answer in ("d\nc\nb\na", "a\nb\nc\nd\na")]
    [0.749, 0.885]
    """

    gold: RankingGold
    _gains: dict[str, int] = field(init=False, repr=False, hash=False, compare=False)
    _ideal: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        items = gold_lines(self.gold.items)
        gains = {item: len(items) - place for place, item in enumerate(items)}
        object.__setattr__(self, "_gains", gains)
        object.__setattr__(self, "_ideal", _dcg(sorted(gains.values(), reverse=True)))

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        last_first = dict.fromkeys(reversed(answer_lines(answer)))
        ranked = list(reversed(last_first))[: len(self.gold.items)]
        return Outcome(min(1.0, _dcg([self._gains.get(line, 0) for line in ranked]) / self._ideal))


def _dcg(gains: list[int]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


@dataclass(frozen=True)
class PairwiseAccuracy:
    r"""Gold pairs that are present and in order, over the pairs of **answered** lines.

    A repeated line counts where it stands last. Fewer than two lines or gold items, and values above 1 (repeated gold
    items reach them), are 0.

    Source: LongBench Pro, ``Pairwise_Accuracy``.

    >>> score = PairwiseAccuracy(OrderGold(items=("a", "b", "c", "d", "e", "f")))
    >>> [round(score(answer, Ask()).value, 3) for answer in ("a\nb", "a\n\nb\n\nc")]
    [1.0, 0.3]
    """

    gold: OrderGold

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        lines, gold = answer_lines(answer), gold_lines(self.gold.items)
        pairs = len(lines) * (len(lines) - 1) // 2
        if len(gold) < 2 or not pairs:
            return Outcome(0.0, {"ordered": 0.0, "answered_pairs": float(pairs)})
        places = {line: place for place, line in enumerate(lines)}
        before: list[int] = []
        ordered = 0
        for place in (places[item] for item in gold if item in places):
            ordered += bisect_left(before, place)
            insort(before, place)
        value = ordered / pairs
        return Outcome(value if value <= 1 else 0.0, {"ordered": float(ordered), "answered_pairs": float(pairs)})
