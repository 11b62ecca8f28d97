"""T8: quotes put in the order in which they appear.

Proof: each quote stands in exactly one place of the context, and no two places overlap. The quotes are listed in
an order drawn apart from their places.
"""

from __future__ import annotations

import random

from golong_eval.schema import OrderGold
from golong_eval.tasks.builders.context import Context, Drops, Place
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording, item_range

__all__ = ["BUILDER", "build"]

LETTERS = "ABCDEF"
QUESTION = Wording(
    en=(
        "The quotes below were copied from the documents, line breaks folded into spaces. Put them in the order in "
        "which they appear in the documents above, first to last. List their letters, one per line.\n\n{quotes}"
    ),
    zh="下面的句子都抄自上面的文档。请按它们在文档中出现的先后顺序排列，列出其字母，每行一个。\n\n{quotes}",
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when too few sentences are unique."""
    fewest, most = item_range(context.length)
    wanted = rng.randint(fewest, most)
    found: list[tuple[Place, str]] = []
    for unit, sentence in context.draw(rng):
        if not context.quote_fits(sentence.quote):
            drops["sentence too long for the length"] += 1
        elif not context.occurs_once(sentence.quote):
            drops["sentence stands in more than one place"] += 1
        else:
            found.append((Place(unit, sentence.start, sentence.end), sentence.quote))
            if len(found) == wanted:
                break
    if len(found) < fewest:
        drops["too few unique sentences"] += 1
        return None
    rng.shuffle(found)
    listed = "\n".join(f"{letter}. {quote}" for letter, (_, quote) in zip(LETTERS, found, strict=False))
    ordered = sorted(zip(LETTERS, found, strict=False), key=lambda lettered: lettered[1][0])
    return Draft(
        QUESTION.fill(context.language, quotes=listed),
        OrderGold(items=tuple(letter for letter, _ in ordered)),
        [place for _, (place, _) in ordered],
        candidates=len(found),
    )


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,), quotes=6)
