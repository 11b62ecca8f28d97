"""T1: a sentence is quoted with one word left out, which stands nowhere else in the context. Which word?

Proof: the word occurs once in all documents, as a word and as a substring, in any case, and not in a title
or the question; the sentence around the blank fits one place only. The place is drawn uniformly.
"""

from __future__ import annotations

import random

from golong_eval.schema import TextGold
from golong_eval.tasks.builders.blanks import blank_term
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording

__all__ = ["BUILDER", "build"]

QUESTION = Wording(
    en=(
        "The sentence below was copied from one of the documents, line breaks folded into spaces, with one word "
        "left out at ____. Which word is it?\n\n{quote}"
    ),
    zh="下面的句子抄自其中一篇文档，____ 处略去了一个词。略去的是哪个词？\n\n{quote}",
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when no sentence is left to try."""
    for unit, sentence in context.draw(rng):
        blank = blank_term(context, unit, sentence, rng, drops)
        if blank is None:
            continue
        question = QUESTION.fill(context.language, quote=blank.quote)
        if blank.missing.lower() in question.lower():
            drops["the question holds the answer"] += 1
            continue
        return Draft(question, TextGold(answers=(blank.missing,)), [blank.place])
    return None


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,), quotes=1)
