"""Sentences with one word or number left out, where only one filling is possible."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from golong_eval.tasks.builders.context import Context, Drops, Place
from golong_eval.tasks.builders.draft import BLANK
from golong_eval.tasks.builders.sentences import Sentence
from golong_eval.tasks.builders.terms import is_term, zh_words

__all__ = ["Blank", "blank_number", "blank_term"]

_WORD = re.compile(r"(?<![^\s\"“‘(])[^\W\d_]+(?=[,;:.!?)\"”’]*(?:\s|\Z))")
# Alone between spaces and closing punctuation: no decimals, versions, dates, ranges, thousands, units or labels.
_EN_NUMBER = re.compile(r"(?<=\s)(?:0|[1-9]\d{0,5})(?=[,;:.!?)]?(?:\s|\Z))")
_ZH_NUMBER = re.compile(
    r"(?<![0-9A-Za-z.,:/\-–—~+*=%&#@第零一二三四五六七八九十百千万亿])(?<![0-9A-Za-z] )(?:0|[1-9]\d{0,5})"
    r"(?!\s?[0-9A-Za-z.,:/\-–—~+*=%&#@零一二三四五六七八九十百千万亿年月日号点])"
)
_HYPHEN_AFTER = re.compile(r"\s*[-–—/]")


class Blank(NamedTuple):
    """A quoted sentence with something left out, and what it was."""

    quote: str
    missing: str
    place: Place
    """Where the missing word or number stands."""
    sentence: Place


def blank_term(context: Context, unit: int, sentence: Sentence, rng: random.Random, drops: Drops) -> Blank | None:
    """Leave out of a sentence one word that stands nowhere else in the context, as a word or part of one."""
    if not _usable(context, sentence, drops):
        return None
    spans = list(_zh_terms(sentence.quote) if context.language == "zh" else _en_terms(sentence.quote))
    rng.shuffle(spans)
    for start, end in spans:
        term = sentence.quote[start:end].lower()
        if not is_term(term, context.language) or context.frequency[term] > 1:
            continue
        if context.clean(term) and context.count(term) == 1:
            return _blank(context, unit, sentence, start, end, drops)
    drops["no word of the sentence is the only one in the context"] += 1
    return None


def blank_number(context: Context, unit: int, sentence: Sentence, rng: random.Random, drops: Drops) -> Blank | None:
    """Leave out of a sentence one whole number that stands by itself."""
    pattern = _ZH_NUMBER if context.language == "zh" else _EN_NUMBER
    spans = [
        match.span()
        for match in pattern.finditer(sentence.quote)
        if match.start() > 0 and not _HYPHEN_AFTER.match(sentence.quote, match.end())
    ]
    if not spans or not _usable(context, sentence, drops):
        return None
    return _blank(context, unit, sentence, *rng.choice(spans), drops)


def _usable(context: Context, sentence: Sentence, drops: Drops) -> bool:
    if not context.quote_fits(sentence.quote):
        drops["sentence too long for the length"] += 1
    elif not context.occurs_once(sentence.quote):
        drops["sentence stands in more than one place"] += 1
    else:
        return True
    return False


def _blank(context: Context, unit: int, sentence: Sentence, start: int, end: int, drops: Drops) -> Blank | None:
    left, missing, right = sentence.quote[:start], sentence.quote[start:end], sentence.quote[end:]
    if context.fillings(left, right) != 1:
        drops["the blank has another filling"] += 1
        return None
    # White space may differ between quote and text; other characters don't.
    text = context.units[unit].text
    skip = len("".join(left.split()))
    at = sentence.start
    while skip or text[at].isspace():
        skip -= not text[at].isspace()
        at += 1
    return Blank(
        quote=left + BLANK + right,
        missing=missing,
        place=Place(unit, at, at + len(missing)),
        sentence=Place(unit, sentence.start, sentence.end),
    )


def _en_terms(quote: str) -> Iterator[tuple[int, int]]:
    # The first word is written as a first word: that would be a clue.
    return (match.span() for match in _WORD.finditer(quote) if match.start() > 0)


def _zh_terms(quote: str) -> Iterator[tuple[int, int]]:
    at = 0
    for word in zh_words(quote):
        if at:
            yield at, at + len(word)
        at += len(word)
