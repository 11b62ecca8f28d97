"""Fill contexts with whole documents and sections, drawn in a seeded order, up to a budget of tokens.

A document longer than a unit is split (see `golong_eval.tasks.builders.sections`), and a context takes a run of its
units that starts at a drawn place; only when all documents have given their share come the rest of the units. The
last unit is cut at a paragraph so that the budget is used up. What was not taken supplies the sentences that stand
outside the context.

A context is in English or in Chinese, as the first document drawn is. Documents in other languages that put spaces
between words are used, with English questions, only where a folder has too little in these two.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from golong_eval.errors import DocumentError
from golong_eval.schema import Language
from golong_eval.tasks.builders.context import SEPARATOR, Context, OutsideSentence, Unit
from golong_eval.tasks.builders.corpus import Corpus, SourceDocument
from golong_eval.tasks.builders.lengths import MIN_LENGTH, length_label
from golong_eval.tasks.builders.prompt_lengths import Budget
from golong_eval.tasks.builders.sections import Span, split
from golong_eval.tasks.builders.sentences import sentences
from golong_eval.tasks.builders.tokenizer import Tokenizer
from golong_eval.tasks.spec import document_heading, render_document

__all__ = ["Filler"]

_Group = Literal["en", "zh", "any"]
"""Documents that share a context: English, Chinese, or all that put spaces between words."""
_LANGUAGES: dict[_Group, Language] = {"en": "en", "zh": "zh", "any": "en"}
"""The language of the questions."""

_FILLED = 0.9
"""A corpus that fills less than this share of the budget is too small for the length."""
_GLANCE, _LIKELY = 200, 0.5
"""After so many documents, a group that would not fill this share of the budget is given up for another."""
_SLACK = 0.01
_MIN_UNIT_CHARACTERS = 60
_MISSES = 12
"""Documents tried for the last stretch of a context."""
_SHARES = (0.15, 0.3, 0.6)
"""Of the budget, what one document may take at first: some contexts are mixed, others mostly about one thing."""
_OUTSIDE_SOURCES, _OUTSIDE_SPANS, _OUTSIDE_SENTENCES = 8, 3, 30
_OUTSIDE_ENOUGH = 24
_OUTSIDE_WINDOW = 20_000
_MAX_TITLE = 140


@dataclass
class _Fill:
    """A context in the making."""

    budget: int
    unit: int
    units: list[Unit] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)
    left: list[tuple[int, list[Span]]] = field(default_factory=list)
    """Documents with the spans that were not taken."""
    misses: int = 0

    @property
    def room(self) -> int:
        return self.budget - sum(self.costs)

    @property
    def full(self) -> bool:
        return self.room <= _SLACK * self.budget or self.misses >= _MISSES


class Filler:
    """Makes the contexts of a build, one at a time.

    Args:
        corpus: The documents.
        tokenizer: Counts tokens.
        seed: With the number of a context, it decides the context.
    """

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, seed: int) -> None:
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.seed = seed
        self._too_small: dict[tuple[_Group, Budget], int] = {}
        """How many tokens there are in all."""
        self._unlikely: set[tuple[_Group, Budget]] = set()

    def context(self, number: int, budgets: Mapping[Language, Budget]) -> Context:
        """Make a context. Its language is that of the first document drawn.

        Args:
            number: Contexts of the same number begin alike.
            budgets: For each language that questions can be asked in.

        Raises:
            DocumentError: No document can be used, or all together don't fill the length.
        """
        order = list(range(len(self.corpus.names)))
        random.Random(f"{self.seed}/{number}").shuffle(order)
        # What looks too small after some documents is read to its end only when nothing else is left.
        for certain in (False, True):
            while True:
                ruled_out = set(self._too_small) | (set() if certain else self._unlikely)
                group = self._group(order, budgets, ruled_out)
                if group is None:
                    break
                rng = random.Random(f"{self.seed}/{number}/{group}")
                context = self._filled(order, group, budgets[_LANGUAGES[group]], rng, certain)
                if context is not None:
                    return context
        raise self._shortage(budgets)

    def _group(
        self, order: list[int], budgets: Mapping[Language, Budget], ruled_out: set[tuple[_Group, Budget]]
    ) -> _Group | None:
        """Return the group of the first document of which there are enough."""
        others = False
        left = {group for group, budget in budgets.items() if (group, budget) not in ruled_out}
        for index in order:
            if not left and others:
                break
            if index not in self.corpus.languages and self.corpus.read(index) is None:
                continue
            group = self.corpus.languages[index]
            if group in left:
                return group
            others = others or group is None
        return "any" if others and "en" in budgets and ("any", budgets["en"]) not in ruled_out else None

    def _shortage(self, budgets: Mapping[Language, Budget]) -> DocumentError:
        held: dict[Language, int] = {}
        for (group, found), tokens in self._too_small.items():
            language = _LANGUAGES[group]
            if found == budgets.get(language):
                held[language] = max(tokens, held.get(language, 0))
        if not held:
            if len(self.corpus.skipped) == len(self.corpus.names):
                return self.corpus.unusable()
            return DocumentError(
                f"the documents of {self.corpus.label} are in a language whose instructions alone fill the length",
                "give a greater --length, or a --tokenizer that knows the language",
            )
        language, tokens = max(held.items(), key=lambda item: item[1])
        budget = budgets[language]
        fits = (tokens + budget.length - budget.documents) // 1024
        other = " in one language" if len(held) > 1 else ""
        skipped = f" ({len(self.corpus.skipped)} files skipped)" if self.corpus.skipped else ""
        smaller = f"--length {length_label(fits * 1024) if fits else MIN_LENGTH} or "
        return DocumentError(
            f"{self.corpus.label} holds {tokens} tokens{other}{skipped}: too few for a length of "
            f"{length_label(budget.length)}",
            f"give {smaller if fits * 1024 < budget.length else ''}more documents",
        )

    def _filled(
        self, order: list[int], group: _Group, budget: Budget, rng: random.Random, certain: bool
    ) -> Context | None:
        fill = _Fill(budget.documents, budget.unit)
        seen: set[bytes] = set()
        unread = iter(order)
        found = 0.0
        for visited, index in enumerate(unread, 1):
            if not certain and visited % _GLANCE == 0 and found / visited * len(order) < _LIKELY * fill.budget:
                self._unlikely.add((group, budget))
                return None
            document = self._read(index, group)
            if document is None:
                continue
            if document.digest in seen:
                self.corpus.repeated.add(index)
                continue
            seen.add(document.digest)
            found += len(document.text) / self._density(document)
            self._take_share(fill, index, document, rng)
            if fill.full:
                break
        if not fill.full:
            self._take_rest(fill)
        block = self._trim(fill)
        # A short context may have no room for the next paragraph, where there is one.
        unfitting = fill.left and fill.room < fill.unit
        if block < _FILLED * fill.budget and fill.misses < _MISSES and not unfitting:
            self._too_small[group, budget] = block
            return None
        outside = self._outside(fill, unread, group, seen, rng)
        return Context(
            fill.units,
            _LANGUAGES[group],
            outside=outside,
            length=budget.length,
            quote_fits=lambda quote: self.tokenizer.count(quote) <= budget.quote,
        )

    def _read(self, index: int, group: _Group) -> SourceDocument | None:
        """Return a document of the group; one known to be of another is not read again."""
        if index in self.corpus.languages and not _belongs(self.corpus.languages[index], group):
            return None
        document = self.corpus.read(index)
        return document if document is not None and _belongs(document.language, group) else None

    def _take_share(self, fill: _Fill, index: int, document: SourceDocument, rng: random.Random) -> None:
        limit = max(_MIN_UNIT_CHARACTERS, int(fill.unit * self._density(document)))
        spans = [span for span in document.spans(limit) if span.end - span.start >= _MIN_UNIT_CHARACTERS]
        if not spans:
            return
        share = rng.choice(_SHARES) * fill.budget
        if len(document.text) > share * self._density(document):
            # Where a section starts, if there are sections.
            first = rng.choice([at for at, span in enumerate(spans) if span.opens] or [0])
            spans = spans[first:] + spans[:first]
        self._take(fill, index, document, spans, share)

    def _take_rest(self, fill: _Fill) -> None:
        left, fill.left = fill.left, []
        for index, spans in left:
            document = self.corpus.read(index)
            assert document is not None
            if fill.full:
                fill.left.append((index, spans))
            else:
                self._take(fill, index, document, spans, fill.room)

    def _take(self, fill: _Fill, index: int, document: SourceDocument, spans: list[Span], share: float) -> None:
        """Put units into the context until the share, or the budget, is used up."""
        taken = 0
        used = 0
        for span in spans:
            if fill.full or used >= share:
                break
            cost = self._put(fill, document, span)
            if not cost:
                fill.misses += 1
                break
            used += cost
            taken += 1
            if fill.units[-1].start + len(fill.units[-1].text) < span.end:
                break  # it was cut
        if spans[taken:]:
            fill.left.append((index, spans[taken:]))

    def _put(self, fill: _Fill, document: SourceDocument, span: Span) -> int:
        """Put a span, or as much of it as there is room for, into the context; return its tokens."""
        pieces = [span]
        for _ in range(2):
            unit = _unit(len(fill.units) + 1, document, pieces[0])
            # The separator goes first: where a text ends, many tokenizers treat white space differently.
            cost = self.tokenizer.count(SEPARATOR + render_document(unit.document()))
            if cost <= fill.room:
                fill.units.append(unit)
                fill.costs.append(cost)
                return cost
            density = (pieces[0].end - pieces[0].start) / cost
            heading = self.tokenizer.count(f"{document_heading(unit.document())}\n\n")
            limit = int((fill.room - heading) * density * 0.95)
            if limit < _MIN_UNIT_CHARACTERS:
                return 0
            within = split(document.text[span.start : span.end], limit)
            if not within or within[0].end - within[0].start < _MIN_UNIT_CHARACTERS or within[0].start > limit:
                return 0
            first = within[0]
            pieces = [Span(span.start + first.start, span.start + first.end, span.opens, span.heading)]
        return 0

    def _trim(self, fill: _Fill) -> int:
        """Drop last units until the block of documents is within the budget; return its tokens."""
        while fill.units:
            block = self.tokenizer.count(SEPARATOR.join(render_document(unit.document()) for unit in fill.units))
            if block <= fill.budget:
                return block
            fill.units.pop()
            fill.costs.pop()
        return 0

    def _outside(
        self, fill: _Fill, unread: Iterator[int], group: _Group, seen: set[bytes], rng: random.Random
    ) -> list[OutsideSentence]:
        """Return sentences of the corpus that were not put into the context, first of documents that were."""
        found: list[OutsideSentence] = []
        for index, spans in rng.sample(fill.left, min(_OUTSIDE_SOURCES, len(fill.left))):
            document = self.corpus.read(index)
            assert document is not None
            found += _sentences_of(document, rng.sample(spans, min(_OUTSIDE_SPANS, len(spans))), _LANGUAGES[group], rng)
        for index in unread:
            if len({sentence.source for sentence in found}) >= 2 * _OUTSIDE_SOURCES:
                break
            document = self._read(index, group)
            if document is None or document.digest in seen:
                continue
            found += _sentences_of(document, [_window(document.text, rng)], _LANGUAGES[group], rng)
        # The context holds the whole corpus: take something out again.
        while len(found) < _OUTSIDE_ENOUGH and len(fill.units) > 4:
            if sum(fill.costs[:-1]) < _FILLED * fill.budget:
                break
            unit = fill.units.pop()
            fill.costs.pop()
            found += [
                OutsideSentence(sentence.quote, unit.source) for sentence in sentences(unit.text, _LANGUAGES[group])
            ]
        return found

    def _density(self, document: SourceDocument) -> float:
        """Return characters for a token, from the middle of a document."""
        if document.density is None:
            middle = len(document.text) // 2
            sample = document.text[max(0, middle - 2000) : middle + 2000]
            document.density = len(sample) / max(1, self.tokenizer.count(sample))
        return document.density


def _unit(number: int, document: SourceDocument, span: Span) -> Unit:
    title = document.title
    if span.heading and span.heading not in title:
        title = f"{title}: {span.heading}"
    return Unit(
        label=f"D{number}",
        title=title[:_MAX_TITLE].rstrip(),
        text=document.text[span.start : span.end],
        source=document.name,
        start=span.start,
        opens=span.opens,
        language=document.language,
        licence=document.licence,
    )


def _window(text: str, rng: random.Random) -> Span:
    """Return a stretch between blank lines, of a text that would take long to search as a whole."""
    at = rng.randrange(max(1, len(text) - _OUTSIDE_WINDOW))
    start = 0 if len(text) <= _OUTSIDE_WINDOW else text.find("\n\n", at) + 1
    end = text.rfind("\n\n", start + 1, start + _OUTSIDE_WINDOW) if len(text) - start > _OUTSIDE_WINDOW else -1
    return Span(start, end if end > 0 else min(len(text), start + _OUTSIDE_WINDOW), start == 0, None)


def _belongs(language: Language | None, group: _Group) -> bool:
    return language == group or (group == "any" and language != "zh")


def _sentences_of(
    document: SourceDocument, spans: list[Span], language: Language, rng: random.Random
) -> list[OutsideSentence]:
    found = [
        OutsideSentence(sentence.quote, document.name)
        for span in spans
        for sentence in sentences(document.text[span.start : span.end], language)
    ]
    return rng.sample(found, min(_OUTSIDE_SENTENCES, len(found)))
