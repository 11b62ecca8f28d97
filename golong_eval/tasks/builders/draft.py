"""What a builder hands back, and the wording that builders share."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from golong_eval.schema import Document, Edit, Gold, Language
from golong_eval.tasks.builders.context import Context, Drops, Place

__all__ = ["BLANK", "Build", "Draft", "TaskBuilder", "Wording", "item_range", "label_list"]

BLANK = "____"
"""Stands for what was left out of a quote. No sentence that is quoted holds an underscore."""


class Draft(NamedTuple):
    """A question with its gold, before its length is checked and it becomes a sample."""

    question: str
    gold: Gold
    places: Sequence[Place]
    """The evidence; in the edited text where a document is edited."""
    candidates: int | None = None
    documents: tuple[Document, ...] | None = None
    """The documents, where they are not those of the context (T9)."""
    edits: tuple[Edit, ...] = ()
    key: str = ""
    """What must not be asked twice beside the question itself."""


class Build(Protocol):
    """The ``build`` function of a task."""

    def __call__(self, context: Context, rng: random.Random, drops: Drops) -> Draft | None:
        """Make one question over a context, or None when no candidate is left; count what was dropped and why."""


class Wording(NamedTuple):
    """A template for `str.format` in each language of questions."""

    en: str
    zh: str

    def fill(self, language: Language, **fields: object) -> str:
        """Return the template with its fields filled."""
        return self.get(language).format(**fields)

    def get(self, language: Language) -> str:
        """Return the template."""
        return self.zh if language == "zh" else self.en


class TaskBuilder(NamedTuple):
    """Everything that the driver needs to know of a task's builder."""

    build: Build
    version: int
    """Raised by every change that can move a score."""
    wordings: tuple[Wording, ...]
    """The question templates: room is kept for the longest."""
    quotes: int = 0
    """The most quotes in a question; room is kept for them."""
    whole_sections: bool = False
    """It needs units of more than a few sentences, also in a short context."""


def item_range(length: int) -> tuple[int, int]:
    """Return how many items a question may list, fewest and most: a short context has few to offer.

    >>> item_range(512), item_range(1024), item_range(65536)
    ((3, 3), (4, 4), (4, 6))
    """
    if length < 1024:
        return 3, 3
    return (4, 4) if length < 2048 else (4, 6)


def label_list(labels: Sequence[str], language: Language) -> str:
    """Return labels as running text, in the order given.

    >>> label_list(["D3", "D1", "D9"], "en"), label_list(["D3", "D1"], "zh")
    ('D3, D1 and D9', 'D3、D1')
    """
    if language == "zh":
        return "、".join(labels)
    return " and ".join([", ".join(labels[:-1]), labels[-1]]) if len(labels) > 1 else labels[0]
