"""One context: its units of text, and what can be proven about them.

Everything is made in one pass over the text, and held in memory of a few times its size: the units as they are,
and one string with all of them folded and in lower case, in which `str.count` and `str.find` prove uniqueness.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from golong_eval.schema import Document, Evidence, Language
from golong_eval.tasks.builders.sentences import Sentence, sentences
from golong_eval.tasks.builders.terms import fold, hyphenated, is_term, term_counts
from golong_eval.tasks.spec import document_heading

__all__ = ["SEPARATOR", "Context", "Drops", "OutsideSentence", "Place", "Unit", "evidence"]

Drops = Counter[str]
"""Candidates that were dropped, by reason."""

SEPARATOR = "\n\n"
"""Between rendered documents, as `TaskSpec.prompt` joins them."""

_BETWEEN = "\n"
"""Between folded units: in no folded text, so no quote can match across two units."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A whole document, or a section of one: an exact slice of its text."""

    label: str
    title: str
    text: str
    source: str
    """Name of the document it was taken from."""
    start: int
    opens: bool
    """It starts where the document or a section of it starts."""
    language: Language | None
    licence: str | None

    def document(self) -> Document:
        """Return the unit as a document of a sample."""
        return Document(
            id=self.label,
            title=self.title,
            text=self.text,
            language=self.language,
            source=f"{self.source}[{self.start}:{self.start + len(self.text)}]",
            licence=self.licence,
        )


class Place(NamedTuple):
    """A stretch of the text of one unit."""

    unit: int
    start: int
    end: int


class OutsideSentence(NamedTuple):
    """A sentence of the corpus that was not put into the context."""

    quote: str
    source: str


class Context:
    """The units of one context.

    Args:
        units: In the order in which they are shown.
        language: Of the questions.
        outside: Sentences from elsewhere in the corpus, for wrong statements.
        length: Tokens that the whole prompt may take.
        quote_fits: Whether a quote is short enough for a question at this length.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        language: Language,
        *,
        outside: Sequence[OutsideSentence] = (),
        length: int = 4096,
        quote_fits: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.units = tuple(units)
        self.language = language
        self.outside = tuple(outside)
        self.length = length
        self.quote_fits = quote_fits
        self.documents = tuple(unit.document() for unit in units)
        folded = [fold(unit.text).lower() for unit in units]
        self.lower = _BETWEEN.join(folded)
        self._starts = list(accumulate((len(text) + 1 for text in folded), initial=0))
        self._titles = "\n".join(unit.title for unit in units).lower()
        self.frequency: Counter[str] = Counter()
        """How often each term stands in the context."""
        self.document_frequency: Counter[str] = Counter()
        """How many units hold each term."""
        self._broken: set[str] = set()
        for unit in units:
            counts = term_counts(unit.text, language)
            self.frequency.update(counts)
            self.document_frequency.update(counts.keys())
            self._broken |= hyphenated(unit.text)
        self._sentences: dict[int, list[Sentence]] = {}

    def count(self, term: str, unit: int | None = None) -> int:
        """Count a lower-case string in the whole context, or in one unit; white space is folded."""
        if unit is None:
            return self.lower.count(term)
        return self.lower.count(term, self._starts[unit], self._starts[unit + 1])

    def counts(self, term: str) -> dict[int, int]:
        """Return the units that hold a term, and how often each does."""
        found = ((unit, self.count(term, unit)) for unit in range(len(self.units)))
        return {unit: count for unit, count in found if count}

    def word_counts(self, term: str) -> dict[int, int]:
        """Return the units that hold a term as a whole word (a string of characters in Chinese), and how often."""
        if self.language == "zh":
            return self.counts(term)
        found = Counter(
            bisect_right(self._starts, match.start()) - 1
            for match in re.finditer(rf"(?<!\w){re.escape(term)}(?!\w)", self.lower)
        )
        return dict(sorted(found.items()))

    def loose_count(self, term: str, unit: int) -> int:
        """Count a term in a unit with its title, also inside other words."""
        return self.count(term, unit) + self.units[unit].title.lower().count(term)

    def is_broken(self, term: str) -> bool:
        """Return whether a term stands somewhere broken over two lines, or is a part of such a word."""
        return term in self._broken

    def clean(self, term: str) -> bool:
        """Return whether a term can be counted without doubt.

        True when all places where its letters stand are the term by itself (see
        `golong_eval.tasks.builders.terms`), none is broken over two lines, and no title holds it.
        """
        if term in self._titles or term in self._broken or not is_term(term, self.language):
            return False
        # A Chinese term is asked for, and counted, as a string of characters.
        return self.language == "zh" or self.count(term) == self.frequency[term]

    def occurs_once(self, quote: str) -> bool:
        """Return whether a folded quote stands in exactly one place of the context, in any case."""
        quote = quote.lower()
        first = self.lower.find(quote)
        return first >= 0 and self.lower.find(quote, first + 1) < 0

    def fillings(self, left: str, right: str) -> int:
        """Count the places where ``left``, one run without white space, and ``right`` follow each other."""
        left, right = left.lower(), right.lower()
        if len(left) >= len(right):
            pattern, anchor = re.compile(r"\S{1,80}?" + re.escape(right)), left
            return sum(pattern.match(self.lower, at + len(left)) is not None for at in self._find_all(anchor))
        before = re.compile(re.escape(left) + r"\S{1,80}\Z")
        reach = len(left) + 80
        return sum(before.search(self.lower[max(0, at - reach) : at]) is not None for at in self._find_all(right))

    def _find_all(self, quote: str) -> Iterator[int]:
        at = self.lower.find(quote)
        while at >= 0:
            yield at
            at = self.lower.find(quote, at + 1)

    def places(self, term: str, unit: int) -> list[Place]:
        """Return every place of a lower-case term, as a whole word, in a unit's text."""
        word = term if self.language == "zh" else rf"(?<!\w){term}(?!\w)"
        pattern = re.compile(word, re.IGNORECASE)
        return [Place(unit, *match.span()) for match in pattern.finditer(self.units[unit].text)]

    def quotable(self, unit: int) -> list[Sentence]:
        """Return the sentences of a unit that questions can quote."""
        if unit not in self._sentences:
            self._sentences[unit] = sentences(self.units[unit].text, self.language)
        return self._sentences[unit]

    def draw(self, rng: random.Random, tries: int = 200) -> Iterator[tuple[int, Sentence]]:
        """Yield sentences, each near a place drawn uniformly from the context: early and late alike."""
        drawn: set[tuple[int, int]] = set()
        for _ in range(tries):
            at = rng.randrange(self._starts[-1])
            unit = bisect_right(self._starts, at) - 1
            found = self.quotable(unit)
            if not found:
                continue
            # Folding moves places a little; what matters is that the draw is uniform.
            share = (at - self._starts[unit]) / (self._starts[unit + 1] - self._starts[unit])
            target = share * len(self.units[unit].text)
            sentence = min(found, key=lambda sentence: abs((sentence.start + sentence.end) / 2 - target))
            if (unit, sentence.start) not in drawn:
                drawn.add((unit, sentence.start))
                yield unit, sentence


def evidence(documents: Sequence[Document], places: Sequence[Place]) -> tuple[Evidence, ...]:
    """Return places as evidence, each with its depth in the documents as a prompt renders them."""
    texts = [document.text or "" for document in documents]
    headings = [len(document_heading(document)) + 1 for document in documents]
    rendered = (heading + len(text) + len(SEPARATOR) for heading, text in zip(headings, texts, strict=True))
    starts = list(accumulate(rendered, initial=0))
    total = starts[-1] - len(SEPARATOR)
    return tuple(
        Evidence(
            document=documents[place.unit].id,
            start=place.start,
            end=place.end,
            depth=round((starts[place.unit] + headings[place.unit] + place.start) / total, 6),
        )
        for place in places
    )
