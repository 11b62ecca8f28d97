"""T5: a table of facts, one row for each quoted sentence.

A row holds the label of the document that the sentence is from, the word left out of the sentence (as in T1: the only
filling), and how often a given term occurs in that document (as in T3: counted without doubt). The sentences are of
different documents, in a seeded order, and the question names none of these: no column can be copied from it.
"""

from __future__ import annotations

import random
from collections import Counter

from golong_eval.schema import TableGold
from golong_eval.tasks.builders.blanks import Blank, blank_term
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording, item_range

__all__ = ["BUILDER", "build"]

MIN_ROWS = 3
MAX_COUNT = 20
TRIES = 200
MAX_BLANKS = 16
SENTENCES = 8
COLUMNS = ("document", "missing", "count")
QUESTION = Wording(
    en=(
        "Each sentence below was copied from another one of the documents, line breaks folded into spaces, with one "
        "word left out at ____. Make a table with one row for each sentence and these columns: document (the label "
        "of the document that the sentence is from, such as D0), missing (the word left out), count (how often the "
        'word "{term}" occurs in that document, in upper or lower case).\n\n{quotes}'
    ),
    zh=(
        "下面的句子分别抄自不同的文档，____ 处各略去了一个词。请制作一个表格，每个句子一行，列为："
        "document（句子所在文档的编号，形如 D0）、missing（略去的词）、"
        "count（“{term}”在该文档正文中出现的次数）。\n\n{quotes}"
    ),
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when too few documents have a sentence with a unique word."""
    wanted = rng.randint(MIN_ROWS, item_range(context.length)[1])
    blanks: dict[int, Blank] = {}
    for unit in rng.sample(range(len(context.units)), len(context.units)):
        blank = _blank(context, unit, rng, drops)
        if blank is not None:
            blanks[unit] = blank
            if len(blanks) == MAX_BLANKS:
                break
    if len(blanks) < MIN_ROWS:
        drops["too few documents with a sentence to quote"] += 1
        return None
    return _table(context, blanks, min(wanted, len(blanks)), rng, drops)


def _blank(context: Context, unit: int, rng: random.Random, drops: Drops) -> Blank | None:
    found = context.quotable(unit)
    for sentence in rng.sample(found, min(SENTENCES, len(found))):
        blank = blank_term(context, unit, sentence, rng, drops)
        if blank is not None:
            return blank
    return None


def _table(context: Context, blanks: dict[int, Blank], wanted: int, rng: random.Random, drops: Drops) -> Draft | None:
    terms = sorted(term for term, found in context.document_frequency.items() if found >= 2)
    best: tuple[str, dict[int, int]] | None = None
    most = (0, 0)
    # Terms of many documents first, of as many in a seeded order: the rest need not be looked at.
    for term in sorted(rng.sample(terms, len(terms)), key=lambda term: -context.document_frequency[term])[:TRIES]:
        held = {unit: context.count(term, unit) for unit in blanks}
        units = _spread({unit: count for unit, count in held.items() if count <= MAX_COUNT}, wanted)
        # A column of zeros, or of ones, asks little: in all of the documents is best, and differently often.
        spread = (sum(held[unit] > 0 for unit in units), len({held[unit] for unit in units}))
        if len(units) == wanted and spread[0] and spread > most and context.clean(term):
            best, most = (term, {unit: held[unit] for unit in units}), spread
    if best is None:
        drops["no term in the documents quoted"] += 1
        return None
    term, held = best
    units = rng.sample(sorted(held), len(held))
    quotes = "\n".join(f"- {blanks[unit].quote}" for unit in units)
    question = QUESTION.fill(context.language, term=term, quotes=quotes)
    if any(blanks[unit].missing.lower() in question.lower() for unit in units):
        drops["the question holds the answer"] += 1
        return None
    rows = tuple((context.units[unit].label, blanks[unit].missing, held[unit]) for unit in units)
    places = [place for unit in units for place in (blanks[unit].place, *context.places(term, unit))]
    return Draft(question, TableGold(columns=COLUMNS, data=rows), places)


def _spread(held: dict[int, int], wanted: int) -> list[int]:
    """Return documents that hold a term differently often, as far as there are such."""
    seen: Counter[int] = Counter()
    ranked = []
    for unit, count in held.items():
        ranked.append((count == 0, seen[count], unit))
        seen[count] += 1
    return [unit for _, _, unit in sorted(ranked)[:wanted]]


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,), quotes=6)
