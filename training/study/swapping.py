"""What a step of the supervised start reads: some questions of a context, its words perhaps exchanged for others."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from contexts import END_OF_PROMPT, Passage, Question, encode
from copying import FIRST_TOKEN
from model import VOCABULARY

from golong_eval.tasks import BUILDERS, load_tasks

WEIGHTS = {"t1": 1.0, "t2": 1.5, "t3": 1.0, "t4": 1.0, "t5": 0.7, "t6": 1.0, "t7": 6.0, "t8": 1.0, "t9": 1.0}
"""How often a task's questions are drawn."""


class Swapper:
    """Exchanges words for other words, the same everywhere; instructions, digits and signs stay.

    Args:
        folder: The tokenizer's.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.brief_end = encode(tokenizer, END_OF_PROMPT)
        specs = load_tasks()
        kept: set[int] = set(range(FIRST_TOKEN))
        for task, builder in BUILDERS.items():
            texts = [specs[task].prompt_template.en, specs[task].answer_contract.en, END_OF_PROMPT]
            for text in (*texts, *(wording.en for wording in builder.wordings)):
                # At the start of a line and elsewhere: the first token differs.
                kept |= set(encode(tokenizer, text)) | set(encode(tokenizer, f"\n\n{text}"))
        kept |= set(encode(tokenizer, "\n\nDocument D1: A B C D E F F1: F2"))
        kinds: dict[tuple[bool, bool], list[int]] = defaultdict(list)
        for token, number in tokenizer.get_vocab().items():
            word = token.removeprefix("\u0120")
            if number not in kept and len(word) > 1 and word.isascii() and word.isalpha():
                kinds[token != word, word[0].isupper()].append(number)
        self._kinds = [sorted(kind) for kind in kinds.values()]

    def table(self, generator: random.Random) -> list[int]:
        """Return for each token the one to put in its place."""
        table = list(range(VOCABULARY))
        for kind in self._kinds:
            for token, other in zip(kind, generator.sample(kind, len(kind)), strict=True):
                table[token] = other
        return table


def prepare(
    passage: Passage,
    count: int,
    generator: random.Random,
    swapper: Swapper,
    brief: float,
    swap: float,
    kind: Sequence[str] = (),
) -> Passage:
    """Return a context with some of its questions, perhaps with exchanged words, perhaps without instructions."""
    fitting = [question for question in passage.questions if question.task in kind] or passage.questions
    weighted = sorted(fitting, key=lambda question: generator.random() ** (1 / WEIGHTS[question.task]), reverse=True)
    questions = weighted[:count]
    if generator.random() < brief:
        questions = [_brief(question, swapper.brief_end) for question in questions]
    return swapped(Passage(passage.tokens, questions), swapper, generator, swap)


def swapped(passage: Passage, swapper: Swapper, generator: random.Random, share: float) -> Passage:
    """Return a context with its words exchanged for others, in a share of cases."""
    if generator.random() >= share:
        return passage
    table = swapper.table(generator)
    return Passage(
        [table[token] for token in passage.tokens],
        [
            question._replace(
                tokens=[table[token] for token in question.tokens],
                blanks=tuple((at, table[token]) for at, token in question.blanks),
            )
            for question in passage.questions
        ],
    )


def _brief(question: Question, end: list[int]) -> Question:
    first, last = question.asked
    asked = question.tokens[first:last]
    answer = question.tokens[question.answer :]
    return Question(
        question.task,
        asked + end + answer,
        (0, len(asked)),
        len(asked) + len(end),
        tuple((at - first, number) for at, number in question.hints),
        tuple((at - first, token) for at, token in question.blanks),
    )
