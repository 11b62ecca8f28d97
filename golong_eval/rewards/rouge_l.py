"""T9, summarization: ROUGE-L."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import repeat

from rapidfuzz.distance import LCSseq

from golong_eval.errors import DataError
from golong_eval.rewards.chinese import SEGMENTER
from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import ReferencesGold
from golong_eval.text import HAN

__all__ = ["RougeL", "tokens"]

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# rouge-score's tokens are the runs of [a-z0-9]; other Latin letters part them, as they do there. Chinese runs and the
# words of other scripts come on top: letters that are neither Latin nor symbols, with the marks that belong to them.
_NO_WORD = "\x00-\u02ff\u1d00-\u1dbf\u1e00-\u1eff\u2000-\u2c7f\u3200-\u33ff\ua720-\ua7ff\uab30-\uab6f\ufb00-\ufb06"
_MARKED = (
    "\u0900-\u0963\u0966-\u0e3e\u0e40-\u0e4e\u0e50-\u1049"  # blocks from Devanagari to Burmese, with their vowel signs
)
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
_ASCII_WORDS = bytes(c if chr(c) in "abcdefghijklmnopqrstuvwxyz0123456789" else 32 for c in range(256))
_TOKEN = re.compile(
    rf"[a-z0-9]+|(?P<han>{HAN.pattern}+)|(?:(?!{HAN.pattern})(?:[^\W{_NO_WORD}]|[{_MARKED}])[{_MARKS}]*)+"
)
_OTHER = re.compile("[\u0300-\u1fff\u2c80-\U0010ffff]")  # all that may be a token, or turn into one, and is not ASCII


def tokens(text: str, *, segment: bool) -> list[str]:
    """Return the tokens of a text.

    Latin script: `rouge-score`'s, the runs of ``[a-z0-9]`` in lower case. Chinese: jieba's words, or single
    characters without `segment`. Other scripts: runs of word characters. Full-width letters and digits are read as
    plain ones.

    >>> tokens("The price rose 3.5% (café)", segment=False)
    ['the', 'price', 'rose', '3', '5', 'caf']
    """
    text = text.lower()
    if text.isascii() or _OTHER.search(text) is None:
        return text.encode("ascii", "replace").translate(_ASCII_WORDS).decode("ascii").split()
    text = text.translate(_FULL_WIDTH).lower()
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        if match["han"] is None:
            found.append(match[0])
        else:
            found.extend(SEGMENTER.words_of_run(match[0]) if segment else match[0])
    return found


def _numbered(words: Iterable[str], numbers: dict[str, int]) -> list[int]:
    """Return a number for each word; words of no reference are all -1."""
    return list(map(numbers.get, words, repeat(-1)))


@dataclass(frozen=True)
class RougeL:
    """F1 of the longest common subsequence of tokens, maximum over the references.

    With a common subsequence of l tokens, precision ``P = l / |answer|``, recall ``R = l / |reference|``, value
    ``2PR / (P + R)``. Read on the answer area; no limit on length.

    For Latin script this is `rouge-score`'s ``rougeL`` F (``use_stemmer=False``) to the last digit. Chinese runs are
    cut by jieba (the ``zh`` extra) if a reference has Chinese in it; if none has, Chinese characters of the answer
    count one by one, as the junk that they are.

    Source: Lin (2004); LongBench Pro (arXiv 2601.02872), ``summary``; reward of GoLongRL (arXiv 2605.19577). The
    published code uses the ``rouge`` package, which counts unique words, so that a reference said five times still
    earns about 1.0, and fails on long sentences; it reads the whole response.

    >>> score = RougeL(ReferencesGold(texts=("The cat sat on the mat.",)))
    >>> score("the cat on the mat", Ask()).parts["recall"]
    0.8333333333333334
    """

    gold: ReferencesGold
    _numbers: dict[str, int] = field(init=False, repr=False, hash=False, compare=False)
    _references: tuple[tuple[int, ...], ...] = field(init=False, repr=False)
    _segment: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        segment = any(_OTHER.search(text) and HAN.search(text) for text in self.gold.texts)
        if segment:
            SEGMENTER.ready()
        numbers: dict[str, int] = {}
        references = []
        for text in self.gold.texts:
            words = tokens(text, segment=segment)
            if not words:
                raise DataError("a reference text has no word in it", "give references with letters or digits")
            references.append(tuple(numbers.setdefault(word, len(numbers)) for word in words))
        object.__setattr__(self, "_numbers", numbers)
        object.__setattr__(self, "_references", tuple(references))
        object.__setattr__(self, "_segment", segment)

    def __call__(self, area: str, _ask: Ask) -> Outcome:
        """Score one answer area."""
        answer = _numbered(tokens(area, segment=self._segment), self._numbers)
        if not answer:
            return no_answer("no words")
        best: tuple[float, float, float] = (0.0, 0.0, 0.0)
        for reference in self._references:
            common = LCSseq.similarity(answer, reference)
            precision, recall = common / len(answer), common / len(reference)
            value = 2 * precision * recall / (precision + recall) if common else 0.0
            best = max(best, (value, precision, recall))
        return Outcome(best[0], {"precision": best[1], "recall": best[2]}, area)
