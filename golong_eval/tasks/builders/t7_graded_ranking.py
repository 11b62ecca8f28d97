"""T7: named documents, ranked by how often a term occurs in them.

Proof: the counts are at least 1 and all distinct, and two ways of counting give the same order: the whole word, and its
letters also inside longer words and in titles. So inflections and headings can't make a second right answer. The
documents are listed in an order drawn apart from the counts.
"""

from __future__ import annotations

import random
from itertools import pairwise

from golong_eval.schema import RankingGold
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording, item_range, label_list

__all__ = ["BUILDER", "build"]

MAX_COUNT = 30
TRIES = 300
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
    wanted = rng.randint(fewest, most)
    least = fewest * (fewest + 1) // 2  # 1 + 2 + 3 + 4
    terms = sorted(
        term
        for term, units in context.document_frequency.items()
        if units >= fewest and context.frequency[term] >= least
    )
    for term in rng.sample(terms, min(TRIES, len(terms))):
        by_count: dict[int, list[int]] = {}
        for unit, count in context.word_counts(term).items():
            if count <= MAX_COUNT:
                by_count.setdefault(count, []).append(unit)
        if len(by_count) < fewest:
            drops["too few distinct counts"] += 1
            continue
        levels = sorted(rng.sample(sorted(by_count), min(wanted, len(by_count))), reverse=True)
        ranked = [rng.choice(by_count[count]) for count in levels]
        loosely = [context.loose_count(term, unit) for unit in ranked]
        if context.is_broken(term) or any(first <= second for first, second in pairwise(loosely)):
            drops["order depends on how inflections, titles or broken words are counted"] += 1
            continue
        listed = rng.sample(ranked, len(ranked))
        labels = label_list([context.units[unit].label for unit in listed], context.language)
        return Draft(
            QUESTION.fill(context.language, term=term, labels=labels),
            RankingGold(items=tuple(context.units[unit].label for unit in ranked)),
            [place for unit in ranked for place in context.places(term, unit)],
            candidates=len(ranked),
        )
    drops["no term with enough distinct counts"] += 1
    return None


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,))
