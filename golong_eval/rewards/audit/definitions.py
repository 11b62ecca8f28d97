"""What each metric's definition pays for an answer: written from the contract a second time, apart from the rewards.

The strict definitions, which are what a training reward ought to pay. Where a reward pays more, it has a hole. Shared
with the rewards are only ROUGE-L's tokens, rapidfuzz's common subsequence, and the folding of case and width.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal, InvalidOperation

from rapidfuzz.distance import LCSseq

from golong_eval.rewards.rouge_l import tokens
from golong_eval.schema import Cell
from golong_eval.text import HAN, fold

__all__ = ["items_value", "key_for", "rows_value", "text_value"]


def items_value(metric: str, answered: Sequence[str], gold: Sequence[str]) -> float:
    """Return what a list of items earns; repeats count where they stand first.

    Args:
        metric: ``f1``, ``sub_em``, ``ndcg`` or ``pairwise_accuracy``.
        answered: The items of the answer, in order.
        gold: The gold items, in order.

    >>> items_value("sub_em", ["a", "x", "y", "a"], ["a", "b"])
    0.3333333333333333
    """
    key = key_for(gold)
    order = {item: place for place, item in enumerate(dict.fromkeys(map(key, gold)))}
    places = [order.get(item) for item in dict.fromkeys(map(key, answered))]
    n, answers = len(order), len(places)
    right = [place for place in places if place is not None]
    if not answers:
        return 0.0
    if metric == "f1":
        return 2 * len(right) / (answers + n)
    if metric == "sub_em":
        return len(right) / max(n, answers)
    if metric == "ndcg":
        gained = sum((n - place) / math.log2(rank + 2) for rank, place in enumerate(places[:n]) if place is not None)
        ideal = sum((n - rank) / math.log2(rank + 2) for rank in range(n))
        return gained / ideal * min(1.0, n / answers)
    if n == 1:  # scored by exact match, which reads the last line
        return float(places[-1] == 0)
    ordered = sum(first < second for at, second in enumerate(right) for first in right[:at])
    return ordered / max(math.comb(n, 2), math.comb(answers, 2))


def key_for(items: Iterable[str]) -> Callable[[str], str]:
    """Return what makes two items one: their folded text, or, where that would merge gold items, their text."""
    distinct = {_collapsed(item) for item in items}
    return fold if len(set(map(fold, distinct))) == len(distinct) else _collapsed


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def rows_value(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    gold_columns: Sequence[str],
    gold_rows: Sequence[Sequence[Cell]],
) -> float:
    """Return what a table earns: Jaccard of the rows on the shared columns, times shared over all columns.

    >>> rows_value(["a"], [[1], [2]], ["a", "b"], [["1.0", "x"], [3, "y"]])
    0.16666666666666666
    """
    shared = [column for column in columns if column in gold_columns]
    answered = Counter(tuple(_cell(row[columns.index(column)]) for column in shared) for row in rows)
    gold = Counter(tuple(_cell(row[gold_columns.index(column)]) for column in shared) for row in gold_rows)
    union = (answered | gold).total()
    if not shared or not union:
        return 0.0
    return (answered & gold).total() / union * len(shared) / len({*columns, *gold_columns})


def _cell(cell: Cell) -> Hashable:
    if cell is None or isinstance(cell, bool):
        return str(cell).lower()
    try:
        return Decimal(str(cell))
    except InvalidOperation:
        return fold(str(cell))


def text_value(text: str, references: Sequence[str]) -> float:
    """Return the ROUGE-L F1 of a text, the best over the references.

    >>> round(text_value("the cat on the mat", ["The cat sat on the mat."]), 3)
    0.909
    """
    segment = any(HAN.search(reference) for reference in references)
    answer = tokens(text, segment=segment)
    best = 0.0
    for reference in references:
        words = tokens(reference, segment=segment)
        common = LCSseq.similarity(words, answer)
        if common:
            best = max(best, 2 * common / (len(answer) + len(words)))
    return best
