"""Published rewards of short answers: exact match, accuracy and choice."""

from __future__ import annotations

import re
from dataclasses import dataclass

from golong_eval.rewards.official.reading import answer_lines, normalized
from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import TextGold

__all__ = ["Accuracy", "Choice", "ExactMatch"]


@dataclass(frozen=True)
class ExactMatch:
    """1 if the answer, stripped, is the gold or an alias, stripped. Nothing else is normalised.

    Source: GoLongRL, reward ``EM``.

    >>> score = ExactMatch(TextGold(answers=("e0",)))
    >>> [score(answer, Ask()).value for answer in (" e0 ", "e0.")]
    [1.0, 0.0]
    """

    gold: TextGold

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        found = answer.strip()
        return Outcome(float(any(found == alias.strip() for alias in self.gold.answers)), parsed=found)


@dataclass(frozen=True)
class Accuracy:
    """1 if the first line of the answer area is the first gold answer, normalised.

    Source: LongBench Pro, ``Accuracy``.

    >>> score = Accuracy(TextGold(answers=("B",)))
    >>> [score(answer, Ask()).value for answer in ("[Answer] b", "[Answer] A, no: b")]
    [1.0, 0.0]
    """

    gold: TextGold

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        first = answer_lines(answer)[0]
        return Outcome(float(first == normalized(self.gold.answers[0])), parsed=first)


_CHOICES = tuple(map(re.compile, (r"The correct answer is \(([A-D])\)", "The correct answer is ([A-D])")))


def _choice(text: str) -> str | None:
    plain = text.replace("*", "")
    found = next(filter(None, (pattern.search(plain) for pattern in _CHOICES)), None)
    return None if found is None else found[1]


@dataclass(frozen=True)
class Choice:
    """1 if the first "The correct answer is (X)", else the first "The correct answer is X", has the gold letter.

    X is one of A to D; asterisks are removed first. A gold may be the letter, or such a sentence.

    Source: GoLongRL, reward ``selection``. `golong_eval.rewards.accuracy` is its strict form: the published code
    loses a corrected answer, and every other way to say one.

    >>> score = Choice(TextGold(answers=("B",)))
    >>> said = ("The correct answer is **(B)**.", "The correct answer is A. No, the answer is B.")
    >>> [score(answer, Ask()).value for answer in said]
    [1.0, 0.0]
    """

    gold: TextGold

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        found = _choice(answer)
        if found is None:
            return no_answer("it does not say 'The correct answer is'")
        return Outcome(float(any(found in (gold, _choice(gold)) for gold in self.gold.answers)), parsed=found)
