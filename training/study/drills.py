"""The second stage of the supervised start: one look-up at a time, in the shape of the tasks' answers.

A whole question asks for several look-ups and pays for many words of instruction. Here a continuation of a context is a
few words cut out of it and what there is to say about them: the label of their document, the word left out, which of
some statements stands there, in which order they come, which documents hold a word. So a step practises ten times as
many look-ups, each of them one step of thought shorter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from contexts import Passage, Question, encode
from marks import Hints, Marks


class Drills(Marks):
    """Makes drills over contexts that are tokens already.

    Args:
        tokenizer: The study's.
    """

    def __init__(self, tokenizer: Any) -> None:
        def head(text: str) -> list[int]:
            """Return the tokens of a text before which and after which a paragraph stands."""
            return encode(tokenizer, f"\n\n{text}\n\nA")[:-1]

        super().__init__(tokenizer)
        self._which = head("Which one? Answer with its letter.")
        self._order = head("List their letters, one per line.")
        self._match = head("Match every fragment to the label of its document.")
        self._word = head("Which word is it?")
        quoted = encode(tokenizer, '\n\nWhich documents mention the word "a"')
        self._mention, self._quote = quoted[:-2], quoted[-1:]
        self._kinds: dict[str, Callable[..., Question | None]] = {
            "label": self._label_of,
            "missing": self._missing,
            "which": self._which_stands,
            "order": self._order_of,
            "mention": self._mentioned,
            "label now": self._labels_now,
            "which now": self._which_now,
            "missing soon": self._missing_soon,
        }

    def make(
        self, passage: Passage, other: Passage, count: int, kinds: Sequence[str], generator: random.Random
    ) -> Passage:
        """Return a context with drills over it; wrong statements come from another one."""
        documents, outside = self.documents(passage.tokens), self.documents(other.tokens)
        return Passage(passage.tokens, self._drills(documents, outside, count, kinds, generator))

    def make_small(
        self, passages: Sequence[Passage], count: int, kinds: Sequence[str], generator: random.Random
    ) -> Passage:
        """Return a small context with drills: a few words of a few documents each, under labels drawn anew."""
        texts = [text for passage in passages for _, text in self.documents(passage.tokens) if len(text) > 14]
        generator.shuffle(texts)
        chosen, outside = texts[: generator.randint(2, 5)], [([], text) for text in texts[5:12]]
        labels = generator.sample(range(1, 13), len(chosen))
        documents, tokens = [], []
        for number, text in zip(labels, chosen, strict=True):
            size = generator.randint(12, 30)
            start = generator.randint(0, max(0, len(text) - size))
            words = text[start : start + size]
            documents.append((self._labels[number], words))
            tokens += [
                *self._break,
                self._document,
                *self._labels[number],
                self._colon,
                *words[:2],
                *self._line,
                *words,
            ]
        return Passage(tokens, self._drills(documents, outside, count, kinds, generator))

    def _drills(
        self, documents: Any, outside: Any, count: int, kinds: Sequence[str], generator: random.Random
    ) -> list[Question]:
        found = []
        for _ in range(3 * count):
            question = self._kinds[generator.choice(kinds)](documents, outside, generator)
            if question is not None:
                found.append(question)
            if len(found) == count:
                break
        return found

    def _stretch(
        self, documents: list[tuple[list[int], list[int]]], low: int, high: int, generator: random.Random
    ) -> tuple[int, int, list[int]] | None:
        """Return a document's number, and a place and words of it, beginning with a word."""
        for _ in range(12):
            number = generator.randrange(len(documents))
            text = documents[number][1]
            size = generator.randint(low, high)
            start = generator.randint(0, max(0, len(text) - size))
            words = text[start : start + size]
            letters = sum(word in self._starts or word in self._inside for word in words)
            if len(words) == size and words[0] in self._starts and letters >= 0.6 * size:
                return number, start, words
        return None

    def _question(
        self, kind: str, asked: list[int], answer: list[int], hints: Hints = (), blanks: Hints = ()
    ) -> Question:
        head = asked + self._end
        tokens = head + self._answer + answer + [self._eos]
        return Question(kind, tokens, (0, len(asked)), len(head), tuple(hints), tuple(blanks))

    def _found_in(self, start: int, words: list[int], number: int, more: int = 0) -> list[tuple[int, int]]:
        """Return the hints of words that were copied from a document: from the fourth on they can be found."""
        return [(at, number) for at in range(start + 3, start + len(words) + more)]

    def _at_once(self, kind: str, tokens: list[int], hints: Hints = (), blanks: Hints = ()) -> Question:
        # No answer apart: what there is to say follows at once, and the loss is on all of it.
        return Question(kind, tokens, (0, 1), 1, tuple(hints), tuple(blanks))

    def _labels_now(self, documents: Any, _outside: Any, generator: random.Random) -> Question | None:
        tokens, hints = list(self._line), []
        for _ in range(4):
            found = self._stretch(documents, 5, 9, generator)
            if found is None:
                return None
            label = documents[found[0]][0]
            hints += self._found_in(len(tokens), found[2], self._number(label), more=1)
            tokens += found[2] + [self._colon] + label + self._line
        return self._at_once("label now", tokens, hints)

    def _missing_soon(self, documents: Any, _outside: Any, generator: random.Random) -> Question | None:
        tokens, blanks = list(self._line), []
        for _ in range(2):
            found = self._stretch(documents, 8, 16, generator)
            words = found[2] if found is not None else []
            places = [at for at in range(3, len(words) - 1) if words[at] in self._starts]
            if not places:
                return None
            at = generator.choice(places)
            blanks.append((len(tokens) + at, words[at]))
            tokens += words[:at] + self._blank + words[at + 1 :] + [self._colon, words[at]] + self._line
        return self._at_once("missing soon", tokens, (), blanks)

    def _which_now(self, documents: Any, outside: Any, generator: random.Random) -> Question | None:
        tokens, hints = list(self._line), []
        for _ in range(4):
            right = generator.random() < 0.5
            found = self._stretch(documents if right else outside, 5, 10, generator)
            if found is None:
                return None
            number = self._number(documents[found[0]][0]) if right else 0
            hints += self._found_in(len(tokens), found[2], number, more=1)
            tokens += found[2] + [self._colon] + self._letters[0 if right else 1] + self._line
        return self._at_once("which now", tokens, hints)

    def _label_of(self, documents: Any, _outside: Any, generator: random.Random) -> Question | None:
        asked, answer, hints = list(self._match), [], []
        count = generator.choice((1, 1, 2, 3))
        for number in range(count):
            found = self._stretch(documents, 6, 12, generator)
            if found is None:
                return None
            label = documents[found[0]][0]
            asked += self._fragment[number]
            hints += self._found_in(len(asked), found[2], self._number(label))
            asked += found[2] + self._line * (number + 1 < count)
            answer += self._fragment[number] + label + self._line * (number + 1 < count)
        return self._question("label", asked, answer, hints)

    def _missing(self, documents: Any, _outside: Any, generator: random.Random) -> Question | None:
        found = self._stretch(documents, 10, 22, generator)
        if found is None:
            return None
        words = found[2]
        places = [at for at in range(3, len(words) - 2) if words[at] in self._long]
        if not places:
            return None
        at = generator.choice(places)
        end = at + 1
        while end < len(words) and words[end] in self._inside:
            end += 1
        if sum(text.count(words[at]) for _, text in documents) != 1 and generator.random() < 0.7:
            return None
        asked = self._word + words[:at] + self._blank + words[end:]
        return self._question("missing", asked, words[at:end], (), [(len(self._word) + at, words[at])])

    def _which_stands(self, documents: Any, outside: Any, generator: random.Random) -> Question | None:
        count = generator.choice((2, 2, 3, 4))
        right = generator.randrange(count)
        asked, hints = list(self._which), []
        for place in range(count):
            found = self._stretch(documents if place == right else outside, 8, 16, generator)
            if found is None:
                return None
            asked += self._choices[place]
            number = self._number(documents[found[0]][0]) if place == right else 0
            hints += self._found_in(len(asked), found[2], number)
            asked += found[2] + self._line * (place + 1 < count)
        return self._question("which", asked, self._letters[right], hints)

    def _order_of(self, documents: Any, _outside: Any, generator: random.Random) -> Question | None:
        count = generator.choice((2, 2, 3))
        found = [each for _ in range(count) if (each := self._stretch(documents, 6, 12, generator)) is not None]
        if len({number for number, _, _ in found}) < count:
            return None
        asked, hints = list(self._order), []
        for place, (number, _, words) in enumerate(found):
            asked += self._choices[place]
            hints += self._found_in(len(asked), words, self._number(documents[number][0]))
            asked += words + self._line * (place + 1 < count)
        ranked = sorted(range(count), key=lambda place: found[place][:2])
        answer = [token for place in ranked for token in self._letters[place] + self._line]
        return self._question("order", asked, answer[: -len(self._line)], hints)

    def _mentioned(self, documents: Any, _outside: Any, generator: random.Random) -> Question | None:
        text = generator.choice(documents)[1]
        words = [at for at, token in enumerate(text[:-1]) if token in self._long and text[at + 1] not in self._inside]
        if not words:
            return None
        word = text[generator.choice(words)]
        holding = [label for label, held in documents if word in held]
        if len(holding) > 3 or (len(holding) == 1 and generator.random() < 0.5):
            return None
        answer = [token for label in holding for token in label + self._line]
        return self._question("mention", [*self._mention, word, *self._quote], answer[: -len(self._line)])


AT_ONCE = ("label now", "missing soon", "which now")
KINDS = (
    ("label now", "label now", "missing soon", "which now"),
    ("missing soon", "missing"),
    ("label", "missing", "mention"),
    ("label", "which", "order"),
)
"""Drills that share a batch, being of like length."""
