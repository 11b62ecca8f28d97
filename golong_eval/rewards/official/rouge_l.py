"""Published reward of summaries: summary-level ROUGE-L over unique words, as the package ``rouge`` 1.0.1 has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from golong_eval.rewards.chinese import SEGMENTER
from golong_eval.rewards.official.reading import normalized
from golong_eval.rewards.outcome import Ask, Outcome
from golong_eval.schema import ReferencesGold
from golong_eval.text import HAN, detect_language

__all__ = ["RougeL", "common_words", "summary_level_f"]

_MAX_WORK = 200_000_000  # pairs of words; a summary of 600 words and its reference are 360,000
_MAX_HAN_RUN = 5_000  # characters without a break, after which one is made: jieba is quadratic in them
_HAN_RUN = re.compile(f"{HAN.pattern}{{{_MAX_HAN_RUN}}}")


class _TooLongError(Exception):
    """The answer takes too long by this formula."""


def common_words(reference: Sequence[str], answer: Sequence[str]) -> set[str]:
    """Return the words of the longest common subsequence that ``rouge`` finds, among several as long.

    It walks back through the table of lengths, and where two words differ goes up only if the length above is larger
    than the one on the left. Here the table is bit-parallel (Crochemore et al. 2001; Hyyrö 2004): bit j of row i tells
    whether the length grows from column j to j + 1, and that is the question the walk asks.

    >>> sorted(common_words("a b c".split(), "c a b".split()))
    ['a', 'b']
    """
    places = _places(answer)
    full = (1 << len(answer)) - 1
    row, rows = full, []
    for word in reference:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & full
        rows.append(row)
    found: set[str] = set()
    j = len(answer)
    for i in range(len(reference) - 1, -1, -1):
        word, grows = reference[i], full & ~rows[i]
        # Left while the words differ and the length does not grow here: to the last place that is either.
        stop = (grows | places.get(word, 0)) & ((1 << j) - 1)
        j = stop.bit_length()
        if not j:
            break
        if answer[j - 1] == word:
            found.add(word)
            j -= 1
    return found


def _places(words: Sequence[str]) -> dict[str, int]:
    """Return where each word stands, as the bits of a number."""
    bits: dict[str, bytearray] = {}
    for place, word in enumerate(words):
        if word not in bits:
            bits[word] = bytearray(len(words) // 8 + 1)
        bits[word][place >> 3] |= 1 << (place & 7)
    return {word: int.from_bytes(of_word, "little") for word, of_word in bits.items()}


def _sentences(text: str) -> list[list[str]]:
    """Return the words of each sentence: sentences end at every full stop, words at every space."""
    return [" ".join(sentence.split()).split(" ") for sentence in text.split(".") if sentence]


def _pairs(reference: list[str], sentences: list[tuple[str, ...]]) -> Iterator[list[str]]:
    """Give the sentences of the answer, each once, without words that are not in the reference sentence.

    Those never change the walk: where one stands, it goes left.
    """
    own = set(reference)
    kept = dict.fromkeys(tuple(word for word in sentence if word in own) for sentence in sentences)
    yield from (list(sentence) for sentence in kept if sentence)


def summary_level_f(answer: str, reference: str) -> float | None:
    """Return the F value of ``rouge`` 1.0.1 (``rouge-l``, unique words), or None where it finds no sentence.

    Raises:
        _TooLongError: That would take more than some seconds.

    >>> round(summary_level_f("the cat sat on the mat", "the cat on the mat"), 6)
    0.888889
    """
    answered, referred = _sentences(answer), _sentences(reference)
    if not answered or not referred:
        return None
    distinct = list(dict.fromkeys(map(tuple, answered)))
    union: set[str] = set()
    work = 0
    for sentence in referred:
        for words in _pairs(sentence, distinct):
            if union.issuperset(words):
                continue
            work += len(sentence) * len(words)
            if work > _MAX_WORK:
                raise _TooLongError
            union |= common_words(sentence, words)
    precision = len(union) / len({word for sentence in answered for word in sentence})
    recall = len(union) / len({word for sentence in referred for word in sentence})
    return 2.0 * (precision * recall / (precision + recall + 1e-8))


@dataclass(frozen=True)
class RougeL:
    """ROUGE-L of the package ``rouge`` 1.0.1: summary level, unique words; maximum over the references.

    Read is everything after the thinking, preamble and marker included, in lower case with white space collapsed.
    Chinese (by the request's language, else if the references are Chinese) is cut by jieba first. Where that package
    fails on its recursion (sentences of some 600 words), this is the value of its formula. An answer or a reference
    without a sentence is 0, as are all references then.

    Source: LongBench Pro, ``Summary``, without its half of embeddings; reward of GoLongRL.

    >>> score = RougeL(ReferencesGold(texts=("The cat sat on the mat.",)))
    >>> round(score("the cat sat on the mat. " * 5, Ask()).value, 6)
    1.0
    """

    gold: ReferencesGold
    _chinese: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        chinese = detect_language("\n".join(self.gold.texts)) == "zh"
        if chinese:
            SEGMENTER.ready()
        object.__setattr__(self, "_chinese", chinese)

    def __call__(self, answer: str, ask: Ask) -> Outcome:
        """Score one answer."""
        chinese = self._chinese if ask.language is None else ask.language == "zh"
        texts = [normalized(text) for text in (answer, *self.gold.texts)]
        if chinese:
            texts[0] = _HAN_RUN.sub(r"\g<0> ", texts[0])
            texts = [" ".join(SEGMENTER.words(text)) for text in texts]
        try:
            values = [summary_level_f(texts[0], text) for text in texts[1:]]
        except _TooLongError:
            return _too_long()
        found = [value for value in values if value is not None]
        if len(found) < len(values):
            return Outcome(0.0, parsed=answer, reason="no sentence")
        return Outcome(max(found), parsed=answer)


def _too_long() -> Outcome:
    return Outcome(0.0, status="scorer_error", reason="too long for the published formula")
