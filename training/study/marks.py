"""Contexts and questions as tokens: where documents, statements, fragments and blanks stand in them.

What a question quotes is looked for in the documents, so that the supervised start can say what its states in the
middle should know: which document some words are from, what a blank stands for, where to look for the next word of an
answer. None of it is in a prompt, and nothing of it is needed once the model is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contexts import END_OF_PROMPT, Passage, Question, encode

Hints = Sequence[tuple[int, int]]
PARTS = 32
"""Numbers of parts of a text; see `Marks.parts`."""


class Marks:
    """Finds the parts of contexts and questions.

    Args:
        tokenizer: The study's.
    """

    def __init__(self, tokenizer: Any) -> None:
        words = {number: token for token, number in tokenizer.get_vocab().items()}
        self._words = words
        self._starts = {
            n for n, word in words.items() if word[:1] == "\u0120" and word[1:].isascii() and word[1:].isalpha()
        }
        self._long = {number for number in self._starts if len(words[number]) >= 5}
        self._inside = {number for number, word in words.items() if word.isascii() and word.isalpha()}
        self._space = {number for number, word in words.items() if set(word) <= {"\u0120", "\u010a"} and len(word) > 0}
        self._breaks = {number for number, word in words.items() if word[:1] == "\u010a"}
        self._digits = {number for number, word in words.items() if word.isdigit()}
        self._document, self._label = encode(tokenizer, " Document")[0], encode(tokenizer, " D")[0]
        self._colon = encode(tokenizer, " D1:")[-1]
        self._line = encode(tokenizer, "\nA")[:1]
        self._break = encode(tokenizer, "\n\nA")[:1]
        self._labels = [encode(tokenizer, f" D{number}") for number in range(13)]
        self._end = encode(tokenizer, END_OF_PROMPT)
        self._answer = encode(tokenizer, "[Answer]\nA")[:-1]
        self._eos = tokenizer.eos_token_id
        self._blank = encode(tokenizer, " ____")
        self.blank = self._blank[0]
        self._choices = [encode(tokenizer, f"\n{letter}.")[1:] for letter in "ABCD"]
        self._letters = [encode(tokenizer, f"\n{letter}")[1:] for letter in "ABCDEF"]
        self._fragment = [encode(tokenizer, f"\nF{number}:")[1:] for number in range(1, 5)]
        marks = [
            encode(tokenizer, f"\n{mark}")[1:] for mark in ("A.", "B.", "C.", "D.", "E.", "F.", "F1", "F2", "F3", "F4")
        ]
        self._line_starts = {(mark[0], mark[1]): place for place, mark in enumerate(marks)}

    def documents(self, tokens: list[int]) -> list[tuple[list[int], list[int]]]:
        """Return the label and the text of each document, its line breaks and indents left out."""
        places = [
            at
            for at in range(1, len(tokens) - 3)
            if tokens[at] == self._document
            and tokens[at + 1] == self._label
            and tokens[at + 2] in self._digits
            and tokens[at - 1] in self._breaks
        ]
        found = []
        for at, end in zip(places, [*places[1:], len(tokens)], strict=True):
            label = [self._label]
            start = at + 2
            while tokens[start] in self._digits:
                label.append(tokens[start])
                start += 1
            while start < end and tokens[start] not in self._breaks:
                start += 1
            found.append((label, [token for token in tokens[start:end] if token not in self._space | self._breaks]))
        return found

    def hinted(self, passage: Passage) -> Passage:
        """Return a context whose questions have hints: what they quote is looked for in the documents."""
        documents = [(self._number(label), text) for label, text in self.documents(passage.tokens)]
        joined = [(number, text, _joined(text)) for number, text in documents]
        return Passage(passage.tokens, [self._with_hints(question, joined) for question in passage.questions])

    def _with_hints(self, question: Question, documents: list[tuple[int, list[int], str]]) -> Question:
        hints: list[tuple[int, int]] = []
        blanks: list[tuple[int, int]] = []
        first, last = question.asked
        lines = [at for at in range(first, last) if question.tokens[at] in self._breaks]
        for start, end in zip(lines, [*lines[1:], last], strict=False):
            places = [at for at in range(start, end) if question.tokens[at] not in self._space | self._breaks]
            mark = (question.tokens[places[0]], question.tokens[places[1]]) if len(places) > 8 else None
            if mark in self._line_starts:
                skip = 3 if len(self._words[question.tokens[places[1]]]) == 1 and question.task == "t6" else 2
                places = places[skip:]
            elif mark is None or question.task not in ("t1", "t5"):
                continue
            elif question.task == "t5":
                places = places[1:]
            words = [question.tokens[at] for at in places]
            blank = next((at for at, word in enumerate(words) if word == self._blank[0]), None)
            known = words if blank is None else max(words[:blank], words[blank + 1 :], key=len)
            found = [
                (number, text, at) for number, text, whole in documents if (at := _place(known, whole)) is not None
            ]
            if len(found) > 1 or len(known) < 4:
                continue
            number = found[0][0] if found else 0
            hints += [(at, number) for at in places[3:]]
            if found and blank is not None:
                _, text, at = found[0]
                # The words left of the blank are known, or those right of it.
                gap = at + blank if len(known) == blank else at - 1
                if known == words[:blank] and gap < len(text):
                    blanks.append((places[blank], text[gap]))
        return question._replace(hints=tuple(hints), blanks=tuple(blanks))

    def looks(self, question: Question) -> list[tuple[int, int, int]]:
        """Return from which token to look at which stretch of the question, to say what comes next."""
        tokens, first = question.tokens, question.answer + len(self._answer) - 1
        blocks = _blocks(question.hints)
        if question.task in ("missing", "t1"):
            return [(first, at, at + 1) for at, _ in question.blanks]
        if question.task == "missing soon":
            ends = [at for at in range(len(tokens) - 1) if tokens[at] == self._colon]
            return [
                (end, at, at + 1)
                for at, word in question.blanks
                if (end := next((e for e in ends if e > at and tokens[e + 1] == word), None)) is not None
            ]
        if question.task == "label now":
            return [(end, start, end) for start, end, _ in blocks]
        if question.task == "t5":
            rows = [at for at in range(first, len(tokens) - 1) if tokens[at] == self._label]
            found = []
            if len(rows) == len(blocks):
                for row, (start, end, _) in zip(rows, blocks, strict=True):
                    found.append((row, start, end))
                    for at, word in question.blanks:
                        if start - 4 <= at < end and word in tokens[row + 2 : row + 9]:
                            found.append((tokens.index(word, row + 2) - 1, at, at + 1))
            return found
        if question.task in ("label", "t6"):
            places = [at for at in range(first, len(tokens) - 1) if tokens[at] == self._label]
            if len(places) == len(blocks):
                return [(at, start, end) for at, (start, end, _) in zip(places, blocks, strict=True)]
        if question.task in ("which", "t2"):
            return [(first, start, end) for start, end, number in blocks if number]
        if question.task in ("order", "t8"):
            letters = [letter[0] for letter in self._letters]
            said = [
                (at - 1, letters.index(tokens[at])) for at in range(first + 1, len(tokens)) if tokens[at] in letters
            ]
            if len(said) == len(blocks):
                return [(at, *blocks[place][:2]) for at, place in said]
        return []

    def parts(self, tokens: list[int]) -> list[int]:
        """Return for each token the number of the part of the text that it stands in, 0 before the first.

        Documents have the numbers of their labels, lines that begin with a letter or with F and a number come after.
        """
        found = []
        part = 0
        for at, token in enumerate(tokens):
            if at + 2 < len(tokens) and at and tokens[at - 1] in self._breaks:
                after = tokens[at + 1 : at + 3]
                if token == self._document and after[0] == self._label and after[1] in self._digits:
                    digits = [self._words[tokens[place]] for place in (at + 2, at + 3) if tokens[place] in self._digits]
                    part = min(int("".join(digits)), PARTS - 11)
                elif (place := self._line_starts.get((token, after[0]))) is not None:
                    part = PARTS - 10 + place
            found.append(part)
        return found

    def _number(self, label: list[int]) -> int:
        return min(int("".join(self._words[digit] for digit in label[1:])), PARTS - 11)


def _joined(tokens: Sequence[int]) -> str:
    return "," + ",".join(map(str, tokens)) + ","


def _place(words: Sequence[int], whole: str) -> int | None:
    """Return at which token of a joined text some words stand; None if they don't."""
    at = whole.find(_joined(words))
    return None if at < 0 else whole.count(",", 0, at)


def _blocks(hints: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return the stretches that hints lie in, with their number."""
    blocks: list[tuple[int, int, int]] = []
    for at, number in hints:
        if blocks and at - blocks[-1][1] < 4 and number == blocks[-1][2]:
            blocks[-1] = (blocks[-1][0], at + 1, number)
        else:
            blocks.append((at, at + 1, number))
    return blocks
