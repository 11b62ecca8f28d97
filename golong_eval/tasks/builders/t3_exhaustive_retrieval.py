"""T3: every document that mentions a term.

Proof: the term's letters stand in the context only as that whole word, in no title, and in no hyphenated or
inflected form, so that whole-word and substring search name the same documents; between 2 and 12 of them, and
at most half of all.
"""

from __future__ import annotations

import random

from golong_eval.schema import ItemsGold
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording

__all__ = ["BUILDER", "build"]

MAX_GOLD = 12
TRIES = 200
QUESTION = Wording(
    en=(
        'Which documents mention the word "{term}", in upper or lower case? List the label of every one of them '
        "(such as D0), one per line, and no others."
    ),
    zh="哪些文档提到了“{term}”？请列出所有这些文档的编号（形如 D0），每行一个，不要列出其他文档。",
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when no term is left to try."""
    most = max(2, min(MAX_GOLD, len(context.units) // 2))
    if len(context.units) < 3:
        drops["too few documents in the context"] += 1
        return None
    terms = sorted(term for term, units in context.document_frequency.items() if 2 <= units <= most)
    if not terms:
        drops["no term in a fitting number of documents"] += 1
    for term in rng.sample(terms, min(TRIES, len(terms))):
        if not context.clean(term):
            drops["term also stands inside other words, in a title, or broken over lines"] += 1
            continue
        units = sorted(context.counts(term))
        if not 2 <= len(units) <= most:
            drops["term in too many documents"] += 1
            continue
        return Draft(
            QUESTION.fill(context.language, term=term),
            ItemsGold(items=tuple(context.units[unit].label for unit in units)),
            [context.places(term, unit)[0] for unit in units],
            candidates=len(context.units),
        )
    return None


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,))
