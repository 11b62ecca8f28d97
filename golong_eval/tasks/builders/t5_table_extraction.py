"""T5: a table of facts, one row for each named document.

A row holds the document's label, the word left out of a sentence quoted from it (as in T1: the only filling),
and how often a given term occurs in it (as in T3: counted without doubt).
"""

from __future__ import annotations

import random

from golong_eval.schema import TableGold
from golong_eval.tasks.builders.blanks import Blank, blank_term
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording, item_range, label_list

__all__ = ["BUILDER", "build"]

MIN_ROWS = 3
MAX_COUNT = 20
TRIES = 200
COLUMNS = ("document", "missing", "count")
QUESTION = Wording(
    en=(
        "Make a table with one row for each of the documents {labels} and these columns: document (its label), "
        "missing (the word left out at ____ in the sentence copied from it below, line breaks folded into spaces), "
        'count (how often the word "{term}" occurs in it, in upper or lower case).\n\n{quotes}'
    ),
    zh=(
        "请制作一个表格，文档 {labels} 每篇一行，列为：document（文档编号）、"
        "missing（下面抄自该文档的句子中 ____ 处略去的词）、count（“{term}”在该文档正文中出现的次数）。\n\n{quotes}"
    ),
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when too few documents have a sentence with a unique word."""
    wanted = rng.randint(MIN_ROWS, item_range(context.length)[1])
    blanks: dict[int, Blank] = {}
    for unit, sentence in context.draw(rng):
        if unit in blanks:
            continue
        blank = blank_term(context, unit, sentence, rng, drops)
        if blank is not None:
            blanks[unit] = blank
            if len(blanks) == wanted:
                break
    if len(blanks) < MIN_ROWS:
        drops["too few documents with a sentence to quote"] += 1
        return None
    units = sorted(blanks)
    return _table(context, units, blanks, rng, drops)


def _table(
    context: Context, units: list[int], blanks: dict[int, Blank], rng: random.Random, drops: Drops
) -> Draft | None:
    missing = {blank.missing.lower() for blank in blanks.values()}
    terms = sorted(term for term, found in context.document_frequency.items() if found >= 2 and term not in missing)
    best: tuple[str, dict[int, int]] | None = None
    most = 0
    for term in rng.sample(terms, min(TRIES, len(terms))):
        held = {unit: context.count(term, unit) for unit in units}
        # A column of zeros asks nothing: the more of the documents hold the term, the better.
        spread = sum(map(bool, held.values()))
        if spread > most and max(held.values()) <= MAX_COUNT and context.clean(term):
            best, most = (term, held), spread
            if most == len(units):
                break
    if best is None:
        drops["no term in the named documents"] += 1
        return None
    term, held = best
    labels = [context.units[unit].label for unit in units]
    quotes = "\n".join(f"{context.units[unit].label}: {blanks[unit].quote}" for unit in units)
    question = QUESTION.fill(context.language, labels=label_list(labels, context.language), term=term, quotes=quotes)
    if any(word in question.lower() for word in missing):
        drops["the question holds the answer"] += 1
        return None
    rows = tuple((context.units[unit].label, blanks[unit].missing, held[unit]) for unit in units)
    places = [place for unit in units for place in (blanks[unit].place, *context.places(term, unit))]
    return Draft(question, TableGold(columns=COLUMNS, data=rows), places)


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,), quotes=6)
