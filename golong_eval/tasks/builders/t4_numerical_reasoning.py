"""T4: a count, a sum or a difference over stated places.

The kind is drawn: how often a term occurs in two or three named documents together (counted without doubt, see
T3), or the sum or difference of whole numbers left out of quoted sentences (each blank has one filling, each
number stands by itself: no decimals, versions, dates, ranges or thousands separators).

Small counts are far more common than large ones. So the total is drawn first, uniformly from those that the context
allows, and then a term and documents with that total: a constant answer earns one in as many (`candidates`) at most.
"""

from __future__ import annotations

import random
import re
from itertools import combinations, zip_longest

from golong_eval.schema import NumberGold
from golong_eval.tasks.builders.blanks import Blank, blank_number
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording, label_list

__all__ = ["BUILDER", "build"]

MIN_TOTAL, MAX_TOTAL = 3, 30
MIN_CHOICES = 3
"""Different totals that a context must allow for a count to be asked."""
TRIES = 200
SUBSETS = 30
COUNT = Wording(
    en='How often does the word "{term}" occur, in upper or lower case, in the documents {labels} together?',
    zh="“{term}”一共在文档 {labels} 的正文中出现了多少次？",
)
SUM = Wording(
    en=(
        "Each sentence below was copied from one of the documents, line breaks folded into spaces, with one whole "
        "number left out at ____. What is the sum of the missing numbers?\n\n{quotes}"
    ),
    zh="下面每个句子都抄自某一篇文档，____ 处略去了一个整数。略去的这些整数之和是多少？\n\n{quotes}",
)
DIFFERENCE = Wording(
    en=(
        "Each sentence below was copied from one of the documents, line breaks folded into spaces, with one whole "
        "number left out at ____. What is the larger of the two missing numbers minus the smaller?\n\n{quotes}"
    ),
    zh="下面每个句子都抄自某一篇文档，____ 处略去了一个整数。略去的两个整数中，较大的减去较小的等于多少？\n\n{quotes}",
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question of a drawn kind, or of another kind where that one can't be made."""
    kinds = ["count", "sum", "difference"]
    rng.shuffle(kinds)
    for kind in kinds:
        draft = _count(context, rng, drops) if kind == "count" else _arithmetic(context, rng, drops, kind)
        if draft is not None:
            return draft
    return None


def _count(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    by_total = _countable(context, rng, drops)
    if len(by_total) < MIN_CHOICES:
        drops["too few different totals"] += 1
        return None
    total = rng.choice(sorted(by_total))
    term, units = rng.choice(by_total[total])
    labels = label_list([context.units[unit].label for unit in units], context.language)
    return Draft(
        COUNT.fill(context.language, term=term, labels=labels),
        NumberGold(value=str(total)),
        [place for unit in units for place in context.places(term, unit)],
        candidates=len(by_total),
    )


def _countable(context: Context, rng: random.Random, drops: Drops) -> dict[int, list[tuple[str, tuple[int, ...]]]]:
    """Return terms with the documents to count them in, by how often they occur there together.

    Words follow Zipf's law: of terms drawn alike nearly all would be rare. So each band of frequency gives as many.
    """
    bands: dict[int, list[str]] = {}
    for term in sorted(context.document_frequency):
        if context.document_frequency[term] >= 2 and context.frequency[term] >= MIN_TOTAL:
            bands.setdefault(context.frequency[term].bit_length(), []).append(term)
    shuffled = [rng.sample(band, len(band)) for _, band in sorted(bands.items())]
    terms = [term for row in zip_longest(*shuffled) for term in row if term is not None]
    found: dict[int, list[tuple[str, tuple[int, ...]]]] = {}
    for term in terms[:TRIES]:
        if not context.clean(term):
            drops["term also stands inside other words, in a title, or broken over lines"] += 1
            continue
        counts = context.counts(term)
        for units in _subsets(sorted(counts), rng):
            total = sum(counts[unit] for unit in units)
            if MIN_TOTAL <= total <= MAX_TOTAL:
                found.setdefault(total, []).append((term, units))
    return found


def _subsets(units: list[int], rng: random.Random) -> list[tuple[int, ...]]:
    """Return the pairs and triples of documents; some of them, where there are many."""
    few = len(units) <= 6
    return [
        subset
        for size in (2, 3)
        if size <= len(units)
        for subset in (
            combinations(units, size) if few else (tuple(sorted(rng.sample(units, size))) for _ in range(SUBSETS))
        )
    ]


def _arithmetic(context: Context, rng: random.Random, drops: Drops, kind: str) -> Draft | None:
    wanted = rng.choice((2, 3)) if kind == "sum" else 2
    blanks: list[Blank] = []
    for unit, sentence in context.draw(rng, tries=600):
        blank = blank_number(context, unit, sentence, rng, drops)
        if blank is None:
            continue
        blanks.append(blank)
        if len(blanks) < wanted:
            continue
        numbers = [int(blank.missing) for blank in blanks]
        gold = sum(numbers) if kind == "sum" else max(numbers) - min(numbers)
        wording = SUM if kind == "sum" else DIFFERENCE
        quotes = "\n".join(f"- {blank.quote}" for blank in blanks)
        question = wording.fill(context.language, quotes=quotes)
        if _states(question, gold):
            drops["the question holds the answer"] += 1
            blanks.pop()
            continue
        return Draft(question, NumberGold(value=str(gold)), [blank.place for blank in blanks])
    drops["too few sentences with a number that stands by itself"] += 1
    return None


def _states(question: str, number: int) -> bool:
    """Return whether a number stands in a question; the 3 of the label D3 does not count."""
    return re.search(rf"(?<!\w){number}(?!\w)", question) is not None


BUILDER = TaskBuilder(
    build,
    version=1,
    wordings=(
        COUNT,
        SUM,
        DIFFERENCE,
    ),
    quotes=3,
)
