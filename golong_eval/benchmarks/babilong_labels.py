"""What an answer to BABILong can be, and which of it an answer names: the published rule, and the strict one."""

from __future__ import annotations

import re

from golong_eval.benchmarks.babilong_generator import OBJECTS, PLACES
from golong_eval.text import fold, visible

__all__ = ["LABELS", "published", "strict"]

_YES_NO = ("no", "yes")
LABELS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("qa1", "qa2", "qa3", "qa4"), PLACES),
    "qa5": ("bill", "fred", "jeff", "mary", *OBJECTS),
    "qa6": _YES_NO,
    "qa7": ("none", "one", "two", "three"),
    "qa8": (*OBJECTS, "nothing"),
    "qa9": _YES_NO,
    "qa10": ("maybe", *_YES_NO),
}
"""What an answer can be, by task."""

_YES_NO_TASKS = ("qa6", "qa9", "qa10")
_WORDS = re.compile(r"\w+")
_DENIED = re.compile(r"(?:\b(?:not|never|neither|nor)\b|n['’]t\b)(?:(?!\bbut\b)[^,;])*")
"""A denial, up to a comma or a "but": what it names is no answer."""
_STATES = frozenset(("is", "are", "answer", "s"))
_UNKNOWN = re.compile(r"\b(?:cannot|unknown|unclear)\b")
_SENTENCES = re.compile(r"[.!?](?=\s|$)|:")
_SENTENCES_AND_LINES = re.compile(r"[.!?](?=\s|$)|:|\n")
_NEXT = re.compile(r"\bquestion:|<context>|<example>", re.IGNORECASE)


def published(text: str, task: str, question: str, target: str) -> tuple[bool, list[str]]:
    """Return whether the published rule takes an answer for right, and the labels that it reads."""
    text = text.lower().split(".")[0].split("<context>")[0].split("<example>")[0]
    text = text.split("Question")[0]  # as published: nothing that is in lower case holds this
    target, asked = target.lower(), question.lower()
    found = [label for label in LABELS[task] if label in text and label not in asked]
    wanted = target.split(",") if "," in target and len(target) > 3 else [target]
    return all(one in found for one in wanted) and len(found) == len(wanted), found


def _stated(text: str, task: str) -> list[str]:
    """Return the words of the last sentence that states an answer (what is so), or else that names a label.

    What a sentence denies is left out.
    """
    named: list[str] = []
    stated: list[str] = []
    breaks = _SENTENCES if task == "qa8" else _SENTENCES_AND_LINES
    for part in breaks.split(_NEXT.split(visible(text), maxsplit=1)[0]):
        sentence = fold(part)
        if task not in _YES_NO_TASKS:
            sentence = _DENIED.sub(" ", sentence)
            if _UNKNOWN.search(sentence):
                continue
        words = _WORDS.findall(sentence.replace(",", " or "))
        if not set(words).isdisjoint(LABELS[task]):
            named = words
            if len(words) <= 3 or not _STATES.isdisjoint(words):
                stated = words
    return stated or named


def strict(text: str, task: str, question: str, target: str) -> tuple[bool, list[str]]:
    """Return whether an answer states the target and nothing beside it, and the labels that it states."""
    labels = LABELS[task]
    words = [word for word in _stated(text, task) if word not in ("the", "a", "in")]
    wanted = {one.strip() for one in target.lower().split(",")}
    asked = set(_WORDS.findall(question.lower())) - wanted
    listed: set[str] = set()  # labels that are given beside others, "the kitchen or the garden": no part of a sentence
    for before, joint, after in zip(words, words[1:], words[2:], strict=False):
        if joint in ("or", "and") and before in labels and after in labels:
            listed |= {before, after}
    found = [word for word in dict.fromkeys(words) if word in labels and (word not in asked or word in listed)]
    return set(found) == wanted, found
