"""T6: quoted fragments, each matched to the document that holds it.

Proof: each fragment stands in exactly one place of the context, in any case or line breaking. The documents are
drawn uniformly from those with such a fragment, and each at most once: long ones are no better guess than short ones.
"""

from __future__ import annotations

import random

from golong_eval.schema import ItemsGold
from golong_eval.tasks.builders.context import Context, Drops, Place
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording, item_range
from golong_eval.tasks.builders.sentences import Sentence
from golong_eval.tasks.builders.terms import fold, zh_words

__all__ = ["BUILDER", "build"]

MIN_WORDS, MAX_WORDS = 6, 12
MIN_HAN, MAX_HAN = 10, 20
TRIES = 20
MAX_CANDIDATES = 64
QUESTION = Wording(
    en=(
        "Each fragment below was copied from exactly one of the documents, line breaks folded into spaces. Match "
        "every fragment to the label of its document: one line per fragment, such as F0: D0.\n\n{fragments}"
    ),
    zh="下面每个片段都只抄自其中一篇文档。请把每个片段与其文档的编号对应起来，每行一个，形如 F0: D0。\n\n{fragments}",
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when too few fragments are unique."""
    if len(context.units) < 2:
        drops["too few documents in the context"] += 1
        return None
    fewest, most = item_range(context.length)
    wanted = rng.randint(fewest, most)
    # Of many documents not all are looked at for the sake of the chance level, which is small then.
    few = len(context.units) <= MAX_CANDIDATES
    able: list[tuple[str, Place]] = []
    for unit in rng.sample(range(len(context.units)), len(context.units)):
        fragment = _unique_fragment(context, unit, rng, drops)
        if fragment is not None:
            able.append(fragment)
            if len(able) == wanted and not few:
                break
    found = able[:wanted]
    if len(found) < fewest:
        drops["too few unique fragments"] += 1
        return None
    listed = "\n".join(f"F{number}: {quote}" for number, (quote, _) in enumerate(found, 1))
    items = (f"F{number}: {context.units[place.unit].label}" for number, (_, place) in enumerate(found, 1))
    return Draft(
        QUESTION.fill(context.language, fragments=listed),
        ItemsGold(items=tuple(items)),
        [place for _, place in found],
        candidates=len(able) if few else len(context.units),
    )


def _unique_fragment(context: Context, unit: int, rng: random.Random, drops: Drops) -> tuple[str, Place] | None:
    """Return a fragment of a document that stands nowhere else in the context."""
    sentences = context.quotable(unit)
    for sentence in rng.sample(sentences, min(TRIES, len(sentences))):
        quote, place = _fragment(context, unit, sentence, rng)
        if not context.quote_fits(quote):
            drops["fragment too long for the length"] += 1
        elif not context.occurs_once(quote):
            drops["fragment stands in more than one place"] += 1
        else:
            return quote, place
    return None


def _fragment(context: Context, unit: int, sentence: Sentence, rng: random.Random) -> tuple[str, Place]:
    """Cut some neighbouring words out of a sentence; of Chinese, words up to a number of characters."""
    text = context.units[unit].text[sentence.start : sentence.end]
    chinese = context.language == "zh"
    words: list[tuple[int, int]] = []
    at = 0
    for word in zh_words(text) if chinese else text.split():
        at = text.index(word, at)
        if not chinese or word.isalnum():
            words.append((at, at + len(word)))
        at += len(word)
    size = rng.randint(MIN_HAN, MAX_HAN) if chinese else rng.randint(MIN_WORDS, MAX_WORDS)
    if chinese:
        # As many words as make the characters wanted.
        size = max(1, sum(end - words[-1][1] + size >= 0 for _, end in words))
    first = rng.randint(0, max(0, len(words) - size))
    start, end = words[first][0], words[min(len(words), first + size) - 1][1]
    return fold(text[start:end]), Place(unit, sentence.start + start, sentence.start + end)


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,), quotes=6)
