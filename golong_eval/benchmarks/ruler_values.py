"""What an answer to RULER names: numbers, UUIDs, variables or the words of a list, read for the strict rule."""

from __future__ import annotations

import re
from collections.abc import Sequence

from golong_eval.text import clean, fold, visible

__all__ = ["answers", "named_values"]

_THOUSANDS = re.compile(r"(?<![0-9,])[0-9]{1,3}(?:,[0-9]{3}){1,9}(?![0-9,])")
_NUMBERS = re.compile(r"(?<![0-9a-z])[0-9]+(?![0-9a-z])")
_UUIDS = re.compile(r"(?<![0-9a-z-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z-])")
_WORDS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_ANY_WORDS = re.compile(r"\w+")
_BREAKS = re.compile(r"[\n,;:.!?、，。]|(?<!\w)(?:and|&)(?!\w)")
_SMALL_WORDS = """
a all an are as at based be by can count counted do each for from has have here i in is it my of on so that the there
these they this those to was were which with you your
"""
_SENTENCE = frozenset(_SMALL_WORDS.split())
"""Words of sentences: a stretch that has one is no item of a list."""
_HEDGES = re.compile(r"\bor\b|\bnot\b|n['’]t\b|\bneither\b|,[^,.\n]{1,40},|^[^,.\n]{1,30},\s*(?:,|$)")
"""Beside an answer: alternatives, a denial, or a list of more than two."""
_QA_WORDS = 32  # the published budget of an answer to a question, in tokens


def named_values(text: str, task: str, references: Sequence[str], question: str) -> list[str]:
    """Return the different values of the references' kind that an answer names, those of the question left out.

    Of numbers, the kind is those with as many digits as a reference; of variables, words in capitals as long as one.

    >>> named_values("1,234,567 of the 3, not 7654321", "niah_single_1", ["1234567"], "")
    ['1234567', '7654321']
    >>> named_values("The three words are abc, def and ghi.", "fwe", ["abc", "def", "xyz"], "which three words")
    ['abc', 'def', 'ghi']
    """
    golds = {fold(gold) for gold in references}
    asked = fold(question)
    if all(map(_NUMBERS.fullmatch, golds)):
        sizes = set(map(len, golds))
        plain = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), fold(text))
        found = [one for one in _NUMBERS.findall(plain) if len(one) in sizes]
        aside = set(_NUMBERS.findall(asked))
    elif all(map(_UUIDS.fullmatch, golds)):
        found, aside = _UUIDS.findall(fold(text)), set(_UUIDS.findall(asked))
    elif task == "vt":
        sizes = set(map(len, golds))
        words = _WORDS.findall(clean(text))
        found = [word.lower() for word in words if word.lower() in golds or (word.isupper() and len(word) in sizes)]
        aside = set(_WORDS.findall(asked))
    else:
        found, aside = _listed(text, golds), set(_WORDS.findall(asked))
    return [one for one in dict.fromkeys(found) if one in golds or one not in aside]


def _listed(text: str, golds: set[str]) -> list[str]:
    """Return the words of a list: all from its first right word to its last, and around it what is no sentence."""
    stretches = [_WORDS.findall(fold(part)) for part in _BREAKS.split(visible(text).lower())]
    right = [place for place, words in enumerate(stretches) if not golds.isdisjoint(words)]
    first, last = (right[0], right[-1]) if right else (0, -1)
    return [
        word
        for place, words in enumerate(stretches)
        if first <= place <= last or _SENTENCE.isdisjoint(words)
        for word in words
        if word in golds or word not in _SENTENCE
    ]


def answers(text: str, references: Sequence[str]) -> bool:
    """Whether an answer has a reference in its first words, word for word; of yes and no, the first said counts.

    >>> answers("It is Oslo.", ["Oslo"]), answers("I do not know", ["no"])
    (True, False)
    """
    golds = [_ANY_WORDS.findall(fold(reference)) for reference in references]
    shown = fold(text)
    if any(_HEDGES.search(shown.replace(fold(reference), " ")) for reference in references if fold(reference) in shown):
        return False
    words = _ANY_WORDS.findall(shown)[: max(_QA_WORDS, *map(len, golds))]
    said = next((word for word in words if word in ("yes", "no")), None)
    return any(
        gold == [said] if gold in (["yes"], ["no"]) else f" {' '.join(gold)} " in f" {' '.join(words)} "
        for gold in golds
        if gold
    )
