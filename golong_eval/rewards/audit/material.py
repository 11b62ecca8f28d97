"""What attacks are made of: the gold in pieces, wrong pieces of the same form, words, and an honest wrong answer."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from golong_eval.rewards.audit.candidates import column_candidates, other_answers, paired
from golong_eval.rewards.audit.case import AuditCase
from golong_eval.rewards.audit.definitions import items_value, key_for, rows_value, text_value
from golong_eval.rewards.golds import render_gold
from golong_eval.schema import (
    Cell,
    ItemsGold,
    Language,
    NumberGold,
    OrderGold,
    RankingGold,
    ReferencesGold,
    TableGold,
    TextGold,
)
from golong_eval.text import HAN

__all__ = ["STOP_WORDS", "Material", "Unit"]

Unit = str | tuple[Cell, ...]
"""A piece of an answer that the metric counts: an item, a row, or a clause of a summary."""

STOP_WORDS = {
    "en": ["the", "of", "and", "to", "in", "a", "is", "that", "it", "was", "for", "on", "with", "as", "be", "by", "at"],
    "zh": list("的了在是和有不这为上也个到说以与对将从一"),
}
_CLAUSE = re.compile(r"(?<=[.!?;,])\s+|(?<=[。！？；，])|\n+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ORDERED = ("ndcg", "pairwise_accuracy")


class Material:
    """A case, and everything that attacks are built from. The same case always gives the same texts."""

    def __init__(self, case: AuditCase) -> None:
        self.case = case
        self.marker = "[答案]" if case.language == "zh" else "[Answer]"
        self.ordered = case.metric in _ORDERED

    def answer(self, body: str) -> str:
        """Return an answer under the marker that the prompt asks for."""
        return f"{self.marker}\n{body}"

    def both(self, body: str) -> tuple[str, str]:
        """Return an answer without and with its marker."""
        return body, self.answer(body)

    def random(self, what: str) -> random.Random:
        """Return a generator that depends on the sample and the purpose alone."""
        return random.Random(f"{self.case.id}/{what}")

    # -- the gold ------------------------------------------------------------------------------------------

    @cached_property
    def body(self) -> str:
        """The gold as an answer, without a marker."""
        return render_gold(self.case.gold).partition("\n")[2]

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The pieces of the gold that count one by one; none where the answer is a single text or number."""
        match self.case.gold:
            case ItemsGold(items=items) | RankingGold(items=items) | OrderGold(items=items):
                key = key_for(items)
                return tuple({key(item): " ".join(item.split()) for item in reversed(items)}.values())[::-1]
            case TableGold(data=rows):
                return rows
            case ReferencesGold(texts=texts):
                return tuple(clause.strip() for clause in _CLAUSE.split(texts[0]) if clause.strip())
            case _:
                return ()

    @property
    def is_list(self) -> bool:
        """Whether the gold is a list of items."""
        return isinstance(self.case.gold, ItemsGold | RankingGold | OrderGold)

    @property
    def is_single(self) -> bool:
        """Whether the gold is a single short answer."""
        return isinstance(self.case.gold, TextGold | NumberGold)

    def render(self, units: Sequence[Unit]) -> str:
        """Return pieces as an answer, without a marker."""
        if isinstance(self.case.gold, TableGold):
            return table(self.case.gold.columns, units)
        between = "\n" if self.is_list else "" if HAN.search(self.body) else " "
        return between.join(map(str, units))

    def value(self, units: Sequence[Unit]) -> float:
        """Return what the metric's definition pays for pieces."""
        match self.case.gold:
            case TableGold(columns=columns, data=rows):
                return rows_value(columns, [unit for unit in units if isinstance(unit, tuple)], columns, rows)
            case ReferencesGold(texts=texts):
                return text_value(self.render(units), texts)
            case _:
                return items_value(self.case.metric, [*map(str, units)], [*map(str, self.units)])

    # -- what is not the gold ------------------------------------------------------------------------------

    @cached_property
    def others(self) -> tuple[str, ...]:
        """Answers, or items, of the gold's form that are not right."""
        return other_answers(self.case)

    def column(self, place: int) -> Sequence[Cell]:
        """Return what could stand in a column of the gold table, from the documents."""
        assert isinstance(self.case.gold, TableGold)
        return column_candidates(self.case, [row[place] for row in self.case.gold.data])

    def junk(self, count: int) -> list[Unit]:
        """Return pieces that are not of the gold: real ones from the sample first, then made-up ones."""
        real: list[Unit] = list(self.others)
        if isinstance(self.case.gold, ReferencesGold):
            real = [sentence for text in self.case.documents for sentence in sentences(text)]
        made = [f"entry {number}" for number in range(1, count + 1)]
        if isinstance(self.case.gold, TableGold):
            return [(name,) * len(self.case.gold.columns) for name in made]
        return [*real, *made][:count]

    @cached_property
    def wrong(self) -> tuple[str, ...]:
        """Honest wrong answers, without a marker: the right form, other content of the same sample.

        - A choice, text or number: the first other one.
        - A set of items: as many other candidates; items "key: label": every key with the next one's label.
        - A ranking or order: its second half before its first.
        - A table: one column moved down by one row, that with which the fewest rows stay right.
        - References: the opening of each document, as long as the first reference (a lead summary).
        """
        match self.case.gold:
            case ReferencesGold(texts=texts):
                return tuple(filter(None, (_lead(text, len(texts[0])) for text in self.case.documents)))
            case TextGold() | NumberGold():
                return self.others[:1]
            case _:
                return (self.render(self._wrong_units),)

    @cached_property
    def _wrong_units(self) -> list[Unit]:
        if isinstance(self.case.gold, TableGold):
            rows = self.case.gold.data
            before = (rows[-1], *rows)
            moved: list[list[Unit]] = [
                [(*row[:at], other[at], *row[at + 1 :]) for row, other in zip(rows, before, strict=False)]
                for at in range(len(self.case.gold.columns))
            ]
            return min(moved, key=self.value)
        items = [*map(str, self.units)]
        half = (len(items) + 1) // 2
        if self.ordered:
            return [*items[half:], *items[:half]] if len(items) > 1 else self.junk(1)
        pairs = paired(items)
        labels = [label for _, _, label in pairs]
        if len(set(labels)) > 1:
            return [key + colon + label for (key, colon, _), label in zip(pairs, labels[1:] + labels[:1], strict=True)]
        return self.junk(len(items))

    @cached_property
    def wrong_value(self) -> float:
        """What the metric's definition pays for the honest wrong answer; the best of them where there are several."""
        match self.case.gold:
            case ReferencesGold(texts=texts):
                return max((text_value(wrong, texts) for wrong in self.wrong), default=0.0)
            case TextGold() | NumberGold():
                return 0.0
            case _:
                return self.value(self._wrong_units)

    # -- words ---------------------------------------------------------------------------------------------

    @cached_property
    def question_words(self) -> list[str]:
        """The words of the question, in order; Chinese in pairs of characters."""
        return words(self.case.question)

    @cached_property
    def frequent_words(self) -> list[str]:
        """The 40 most frequent words of the documents that are no stop words."""
        skipped = set(STOP_WORDS[self.case.language])
        met = (word for text in self.case.documents for word in words(text) if word.lower() not in skipped)
        return [word for word, _ in Counter(met).most_common(40)]

    @cached_property
    def openings(self) -> list[str]:
        """The first sentence of each document."""
        return [found[0] for text in self.case.documents if (found := sentences(text))]

    @cached_property
    def content_free(self) -> tuple[tuple[str, str, float], ...]:
        """Strategies that read nothing, for metrics whose chance no formula tells: name, answer, value by definition.

        Texts: stop words, the question, the documents and their openings, their most frequent words. Tables: one
        column alone, filled with 1 to k, with the documents' labels, or with every number or name in the documents.
        """
        match self.case.gold:
            case ReferencesGold(texts=texts):
                bodies = [("stop words", text) for text in stop_word_texts(self.case.language)]
                bodies += [("the question", self.case.question), ("openings of all documents", " ".join(self.openings))]
                bodies += [("a document's opening", opening) for opening in self.openings]
                bodies += [("frequent words", " ".join(self.frequent_words))]
                bodies += [("a document", text) for text in self.case.documents]
                return tuple((name, body, text_value(body, texts)) for name, body in bodies if body.strip())
            case TableGold(columns=columns, data=rows):
                found: list[tuple[str, str, float]] = []
                for place, column in enumerate(columns):
                    guesses: list[tuple[str, Sequence[Cell]]] = [
                        (f"1 to {last} as {column!r}", range(1, last + 1)) for last in range(1, 11)
                    ]
                    guesses += [(f"all labels as {column!r}", self.case.labels)]
                    guesses += [(f"everything in the documents as {column!r}", self.column(place))]
                    for name, cells in guesses:
                        if cells:
                            one = [(cell,) for cell in cells]
                            found.append((name, table([column], one), rows_value([column], one, columns, rows)))
                return tuple(found)
            case _:
                return ()


def stop_word_texts(language: Language) -> list[str]:
    """Return texts of nothing but stop words: all of them, and cycles of the most frequent, in several lengths."""
    words = STOP_WORDS[language]
    texts = [" ".join(words * times) for times in (1, 3)]
    cycles = (words[:7], words[:4], [words[0], words[2], words[0], words[5]])
    return texts + [" ".join((cycle * 40)[:length]) for cycle in cycles for length in (10, 20, 40, 80)]


def table(columns: Sequence[str], rows: Sequence[Any]) -> str:
    """Return a table as JSON."""
    return json.dumps({"columns": list(columns), "data": [list(row) for row in rows]}, ensure_ascii=False)


def words(text: str) -> list[str]:
    """Return the words of a text; runs of Chinese characters in pairs.

    >>> words("the keeper's log 守灯人")
    ['the', "keeper's", 'log', '守灯', '人']
    """
    found: list[str] = []
    for word in _WORD.findall(text):
        found += [word[at : at + 2] for at in range(0, len(word), 2)] if HAN.search(word) else [word]
    return found


def sentences(text: str) -> list[str]:
    """Return the sentences of a text.

    >>> sentences("Lamp lit. Fog from 05:20.")
    ['Lamp lit.', 'Fog from 05:20.']
    """
    return [sentence.strip() for sentence in _SENTENCE.split(text) if sentence.strip()]


def _lead(text: str, length: int) -> str:
    """Return the first sentences of a text, until they are as long as a reference."""
    taken: list[str] = []
    for sentence in sentences(text):
        taken.append(sentence)
        if sum(map(len, taken)) >= length:
            break
    return " ".join(taken)
