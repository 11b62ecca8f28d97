"""How many tokens a prompt may spend on what, and how many it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from golong_eval.errors import ConfigError
from golong_eval.schema import Language, Prompt, Sample, SampleMetadata, TextGold
from golong_eval.tasks.builders.draft import TaskBuilder, item_range
from golong_eval.tasks.builders.lengths import MIN_LENGTH
from golong_eval.tasks.builders.tokenizer import Tokenizer
from golong_eval.tasks.spec import TaskSpec

__all__ = ["Budget", "PromptLengths", "Share", "shares"]

_SHARED = 8192
"""From this length on all tasks ask about the same documents, and each leaves room for the longest question. In a
shorter prompt that would leave much of it empty: there each task fills its own, alike up to the last documents."""
_QUOTE_SHARE, _MIN_QUOTE, _MAX_QUOTE = 0.45, 16, 80
"""Tokens of one quote: a share of what the instructions leave, over the number of quotes, between bounds."""
_MEAN_QUOTE = 0.6
"""Of the longest quote: several quotes are seldom all of the greatest length."""
_MARGIN = 32
"""Tokens for the labels, terms and titles that the wording of a question is filled with."""
_MIN_DOCUMENTS = 100
_MIN_UNIT = 45
"""Tokens of a document with its heading: two sentences."""
_WHOLE = 1 << 18
"""Characters up to which a prompt is simply tokenised as a whole."""


class Budget(NamedTuple):
    """Tokens of one prompt, by part."""

    length: int
    """The whole prompt."""
    documents: int
    unit: int
    """One document or section, at most."""
    quote: int
    """One quote in a question, at most."""


class Share(NamedTuple):
    """Tasks that ask about the same documents, and their budget in each language that has room for documents."""

    tasks: tuple[str, ...]
    budgets: dict[Language, Budget]


def shares(
    length: int, tokenizer: Tokenizer, specs: Mapping[str, TaskSpec], builders: Mapping[str, TaskBuilder]
) -> list[Share]:
    """Return which tasks share their documents, and what is left for these beside instructions and question.

    A language in which too little is left is missing: a tokenizer can need three times as many tokens for the
    Chinese instructions as for the English ones.

    Args:
        length: Tokens of the whole prompt.
        tokenizer: Counts tokens.
        specs: The specs of the tasks that are asked for, by id.
        builders: Their builders.

    Raises:
        ConfigError: For some task too little is left in any language, or the length is under 512.
    """
    if length < MIN_LENGTH:
        raise ConfigError(f"a length of {length} tokens is too short", f"give --length {MIN_LENGTH} or more")
    found = [Share((task,), _budgets(length, tokenizer, spec, builders[task])) for task, spec in specs.items()]
    if length >= _SHARED:
        languages = set.intersection(*(set(share.budgets) for share in found))
        common: dict[Language, Budget] = {}
        for language in sorted(languages):
            each = [share.budgets[language] for share in found]
            documents = min(budget.documents for budget in each)
            common[language] = Budget(length, documents, documents // 8, min(budget.quote for budget in each))
        found = [Share(tuple(specs), common)]
    for share in found:
        if not share.budgets:
            raise ConfigError(
                f"a length of {length} tokens, by the tokenizer {tokenizer.name!r}, leaves no room for documents "
                f"beside the instructions of {', '.join(share.tasks)}",
                "give a greater --length, or leave the task out",
            )
    return found


def _budgets(length: int, tokenizer: Tokenizer, spec: TaskSpec, builder: TaskBuilder) -> dict[Language, Budget]:
    found: dict[Language, Budget] = {}
    languages: tuple[Language, ...] = ("en", "zh")
    quotes = min(builder.quotes, item_range(length)[1]) if builder.quotes > 4 else builder.quotes
    for language in languages:
        wording = max(tokenizer.count(wording.get(language)) for wording in builder.wordings)
        free = length - _instructions(spec, language, tokenizer) - wording - _MARGIN
        quote = max(_MIN_QUOTE, min(_MAX_QUOTE, int(_QUOTE_SHARE * free / max(1, quotes))))
        documents = free - int(quotes * quote * (1 if quotes == 1 else _MEAN_QUOTE))
        if documents >= _MIN_DOCUMENTS:
            parts = 2 if builder.whole_sections and length < 2048 else 5 if documents < 800 else 8
            found[language] = Budget(length, documents, max(_MIN_UNIT, documents // parts), quote)
    return found


def _instructions(spec: TaskSpec, language: Language, tokenizer: Tokenizer) -> int:
    empty = Sample(
        id="-", task=spec.id, question="-", gold=TextGold(answers=("-",)), metadata=SampleMetadata(language=language)
    )
    prompt = spec.prompt(empty)
    return tokenizer.count(prompt.before) + tokenizer.count(prompt.after)


class PromptLengths:
    """Counts the tokens of prompts that share one block of documents, which is tokenised once.

    Exact: a short prompt is tokenised whole. Of a long one, what stands before and after the documents is
    counted together with the 2,000 characters of documents next to it, so that tokens over the borders are right.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._documents = ""
        self._tokens = 0

    def count(self, prompt: Prompt) -> int:
        """Return the tokens of the whole prompt."""
        if len(prompt.documents) < _WHOLE:
            return self._tokenizer.count(prompt.text)
        if prompt.documents != self._documents:
            self._documents = prompt.documents
            self._tokens = self._tokenizer.count(prompt.documents)
        return (
            self._tokens
            + self._tokenizer.count_put_before(prompt.documents, prompt.before)
            + self._tokenizer.count_added(prompt.documents, prompt.after)
        )
