"""What the best guess earns that knows the metric and the candidates, and nothing of the content."""

from __future__ import annotations

import math
import re

from golong_eval.errors import DataError
from golong_eval.rewards.golds import coerce_gold
from golong_eval.schema import Gold, ItemsGold, OrderGold, RankingGold, Variant
from golong_eval.text import GoldItems

__all__ = ["chance_level"]

_KEY_AND_LABEL = re.compile(r".+?[:：].+", re.DOTALL)


def chance_level(metric: str, gold: Gold, candidates: int | None = None, variant: Variant = "strict") -> float | None:
    """Return the expected reward of the best content-free guess, or None where it can't be told.

    With N candidates and n gold items:

    - ``accuracy``, ``choice``: 1 / N.
    - ``sub_em``: where all items are "key: label", 1 / N, each label guessed among the N by itself; else n / N, which
      naming every candidate earns. In its official variant, which pays for recall alone, 1: name everything.
    - ``f1``: 2n / (N + n), which naming every candidate earns.
    - ``ndcg``: the expectation over all orders of the right items. With gains g_i = n + 1 - i and discounts
      d_r = 1 / log2(r + 1) it is ``(sum g)(sum d) / (n sum g_i d_i)``: 0.87 at n = 4, 0.83 at n = 12. (The reversed
      list of four earns 0.749; a single item has one order and earns 1.)
    - ``pairwise_accuracy``: 1/2; with a single gold item, which is scored by exact match, 0.
    - ``math_verify``: 1 / N where N equally likely results are given, else 0.
    - ``exact_match``: 0.
    - ``iou``, ``rouge_l``: None. Text without content earns something that no formula tells: stop words 0.2 to 0.3 in
      ROUGE-L, a column of guessed counts or of all labels a little of a table.

    Args:
        metric: Name of the metric.
        gold: The sample's gold.
        candidates: How many labels, choices or results an answer can name, where they are known.
        variant: The metric's variant.

    Raises:
        UnknownNameError: No such metric.
        DataError: The gold does not fit the metric, or there are fewer candidates than gold items.

    >>> chance_level("f1", ItemsGold(items=("D1", "D2")), 6)
    0.5
    >>> round(chance_level("ndcg", RankingGold(items=("a", "b", "c", "d"))), 2)
    0.87
    """
    gold = coerce_gold(metric, gold)
    if candidates is not None and candidates < 1:
        raise DataError(f"there can't be {candidates} candidates", "give the number of labels that an answer can name")
    if metric in ("accuracy", "choice"):
        return None if candidates is None else 1 / candidates
    if metric == "sub_em" and candidates is not None and isinstance(gold, ItemsGold):
        if variant == "official":
            return 1.0
        if all(map(_KEY_AND_LABEL.fullmatch, gold.items)):
            return 1 / candidates
    if metric == "math_verify":
        return 0.0 if candidates is None else 1 / candidates
    if metric in ("iou", "rouge_l"):
        return None
    if not isinstance(gold, ItemsGold | RankingGold | OrderGold):
        return 0.0
    n = len(GoldItems(gold.items))
    if metric == "pairwise_accuracy":
        return 0.5 if n > 1 else 0.0
    if metric == "ndcg":
        discounts = [1 / math.log2(rank + 1) for rank in range(1, n + 1)]
        gains = range(n, 0, -1)
        ideal = math.fsum(gain * discount for gain, discount in zip(gains, discounts, strict=True))
        return sum(gains) * math.fsum(discounts) / (n * ideal)
    if candidates is None:
        return None
    if candidates < n:
        raise DataError(f"{candidates} candidates for {n} gold items", "count every label that an answer can name")
    return n / candidates if metric == "sub_em" else 2 * n / (candidates + n)
