"""T2: which of four statements stands in the documents, word for word?

Proof: the right one is a sentence of the context; the other three are real sentences from elsewhere in the
corpus, of about the same length, and none of them stands in the context, in any case or line breaking. All four are
of different documents, or all of one, so that the right one is not the odd one out. The letter is drawn uniformly,
and so is the right one's rank by length.
"""

from __future__ import annotations

import random

from golong_eval.schema import TextGold
from golong_eval.tasks.builders.context import Context, Drops, Place
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording
from golong_eval.tasks.builders.sentences import Sentence

__all__ = ["BUILDER", "build"]

LETTERS = "ABCD"
QUESTION = Wording(
    en=(
        "Exactly one of the four statements below stands in the documents word for word (line breaks folded into "
        "spaces). Which one? Answer with its letter.\n\n{statements}"
    ),
    zh="下面四句话中，只有一句逐字出现在文档中。是哪一句？请回答其字母。\n\n{statements}",
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when no sentence is left to try."""
    # Drawn before the sentence: what has to be dropped can't bend either.
    letter, shorter = rng.randrange(len(LETTERS)), rng.randrange(len(LETTERS))
    for unit, sentence in context.draw(rng):
        if not context.quote_fits(sentence.quote):
            drops["sentence too long for the length"] += 1
            continue
        if not context.occurs_once(sentence.quote):
            drops["sentence stands in more than one place"] += 1
            continue
        wrong = _wrong_statements(context, unit, sentence, shorter, rng)
        if wrong is None:
            drops["too few sentences of fitting length outside the context"] += 1
            continue
        statements = [*wrong[:letter], sentence.quote, *wrong[letter:]]
        listed = "\n".join(f"{name}. {statement}" for name, statement in zip(LETTERS, statements, strict=True))
        return Draft(
            QUESTION.fill(context.language, statements=listed),
            TextGold(answers=(LETTERS[letter],)),
            [Place(unit, sentence.start, sentence.end)],
            candidates=len(LETTERS),
        )
    return None


def _wrong_statements(
    context: Context, unit: int, sentence: Sentence, shorter: int, rng: random.Random
) -> list[str] | None:
    """Return three sentences from outside, of which so many are shorter than the right one.

    The three nearest in length would lie on both sides of it, and the statement of middling length would be a
    better guess than chance; for the same reason none is of equal length. Nor may the right one be the odd one out:
    either all four are of different documents, or, where the corpus has too few others, all of the same.
    """
    source = context.units[unit].source
    wanted = len(sentence.quote)
    others = {outside.source for outside in context.outside} - {source}
    mixed = len(others) >= len(LETTERS) - 1
    ranked = sorted(
        {
            outside
            for outside in context.outside
            if (outside.source != source) == mixed and len(outside.quote) != wanted
        },
        key=lambda outside: (abs(len(outside.quote) - wanted), outside),
    )
    room = {True: shorter, False: len(LETTERS) - 1 - shorter}
    chosen: dict[str, str] = {}
    sources: set[str] = set()
    for outside in ranked:
        side, folded = len(outside.quote) < wanted, outside.quote.lower()
        if not room[side] or folded in chosen or (mixed and outside.source in sources):
            continue
        if context.quote_fits(outside.quote) and context.count(folded) == 0:
            chosen[folded] = outside.quote
            sources.add(outside.source)
            room[side] -= 1
            if not any(room.values()):
                break
    if any(room.values()):
        return None
    wrong = list(chosen.values())
    rng.shuffle(wrong)
    return wrong


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,), quotes=4)
