"""T7: named documents, ranked by how often a term occurs in them.

Proof: the counts are at least 1 and all distinct, and two ways of counting give the same order: the whole word, and its
letters also inside longer words and in titles. So inflections and headings can't make a second right answer. The
documents are listed in an order drawn apart from the counts.

A long document holds most words more often. So two questions are found, one that the order by length answers better
than chance and one that it answers worse, and one of them is drawn, such that on the mean length tells nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from golong_eval.schema import RankingGold
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording, item_range, label_list

__all__ = ["BUILDER", "build"]

MAX_COUNT = 30
SHORT = 4096
"""Tokens under which a context may not have a word with four distinct counts that also passes for length."""
TRIES = 300
CHOICES = 8
"""Of documents, for one term."""
QUESTION = Wording(
    en=(
        'Rank the documents {labels} by how often the word "{term}" occurs in them, in upper or lower case: the one '
        "with the most occurrences first. List their labels, one per line."
    ),
    zh="请按“{term}”在正文中出现的次数，把文档 {labels} 从多到少排列。请列出文档编号，每行一个。",
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when no term has enough distinct counts."""
    fewest, most = item_range(context.length)
    fewest = 3 if context.length < SHORT else fewest
    wanted = rng.randint(fewest, most)
    least = fewest * (fewest + 1) // 2  # 1 + 2 + 3 + 4
    terms = sorted(
        term
        for term, units in context.document_frequency.items()
        if units >= fewest and context.frequency[term] >= least
    )
    long_wins: _Ranking | None = None
    long_loses: _Ranking | None = None
    for term in rng.sample(terms, min(TRIES, len(terms))):
        for ranked in _rankings(context, term, (fewest, wanted), rng, drops):
            ranking = _Ranking(term, ranked, _by_length(context, ranked))
            if ranking.by_length > 0:
                long_wins = long_wins or ranking
            else:
                long_loses = long_loses or ranking
        if long_wins is not None and long_loses is not None:
            # On the mean over both, the order by length earns what any order does.
            share = long_wins.by_length / (long_wins.by_length - long_loses.by_length)
            return _draft(context, long_loses if rng.random() < share else long_wins, rng)
    drops[
        "no term with enough distinct counts"
        if long_wins is long_loses is None
        else "the length of the documents would tell the order"
    ] += 1
    return None


class _Ranking(NamedTuple):
    """Documents by how often they hold a term, and what the order by length would earn, less the chance level."""

    term: str
    units: list[int]
    by_length: float


def _rankings(
    context: Context, term: str, sizes: tuple[int, int], rng: random.Random, drops: Drops
) -> Iterator[list[int]]:
    """Yield some choices of documents with distinct counts of a term, most first."""
    fewest, wanted = sizes
    by_count: dict[int, list[int]] = {}
    for unit, count in context.word_counts(term).items():
        if count <= MAX_COUNT:
            by_count.setdefault(count, []).append(unit)
    if len(by_count) < fewest:
        drops["too few distinct counts"] += 1
        return
    if context.is_broken(term):
        drops["term broken over lines"] += 1
        return
    for _ in range(CHOICES):
        levels = sorted(rng.sample(sorted(by_count), min(wanted, len(by_count))), reverse=True)
        ranked = [rng.choice(by_count[count]) for count in levels]
        loosely = [context.loose_count(term, unit) for unit in ranked]
        if any(first <= second for first, second in pairwise(loosely)):
            drops["order depends on how inflections or titles are counted"] += 1
            continue
        yield ranked


def _by_length(context: Context, ranked: list[int]) -> float:
    """Return the NDCG of the order by length, longest first, less that of a random order."""
    size = len(ranked)
    discounts = [1 / math.log2(rank + 2) for rank in range(size)]
    gains = {unit: size - rank for rank, unit in enumerate(ranked)}
    longest_first = sorted(ranked, key=lambda unit: -len(context.units[unit].text))
    got = sum(gains[unit] * discount for unit, discount in zip(longest_first, discounts, strict=True))
    best = sum(gains[unit] * discount for unit, discount in zip(ranked, discounts, strict=True))
    mean = sum(gains.values()) * sum(discounts) / size
    return (got - mean) / best


def _draft(context: Context, ranking: _Ranking, rng: random.Random) -> Draft:
    term, ranked, _ = ranking
    listed = rng.sample(ranked, len(ranked))
    labels = label_list([context.units[unit].label for unit in listed], context.language)
    return Draft(
        QUESTION.fill(context.language, term=term, labels=labels),
        RankingGold(items=tuple(context.units[unit].label for unit in ranked)),
        [place for unit in ranked for place in context.places(term, unit)],
        candidates=len(ranked),
    )


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,))
