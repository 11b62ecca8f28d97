"""What a scorer says of one answer, before it becomes a `RewardResult`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from golong_eval.schema import Language

__all__ = [
    "Ask",
    "Compare",
    "Comparison",
    "LaterError",
    "Outcome",
    "Scorer",
    "ScorerClass",
    "Verdict",
    "compare_now",
    "no_answer",
]


class Comparison(NamedTuple):
    """Two texts for math_verify. ``strict``: two expressions; ``official``: an expression, and a text with one."""

    gold: str
    answer: str
    rules: Literal["strict", "official"] = "strict"


class Verdict(NamedTuple):
    """What came of a comparison.

    ``equal`` and ``different`` are math_verify's; ``gold_unread`` and ``answer_unread`` say that it could not parse
    that side. ``failed`` is the item's fault (time, memory, an exception): it was stopped and its process replaced.
    ``down`` is ours: there is no process to ask.
    """

    outcome: Literal["equal", "different", "gold_unread", "answer_unread", "failed", "down"]
    reason: str = ""
    lasting: bool = True
    """Whether the same comparison would come to the same again; not after a kill from outside, or by the clock."""


class LaterError(Exception):
    """A comparison that a batch has not made yet: score the answer again when it has."""


class Compare(Protocol):
    """Asks math_verify.

    Raises:
        LaterError: The verdict comes later.
    """

    def __call__(self, comparison: Comparison, /) -> Verdict:
        """Return what math_verify says."""
        ...


def compare_now(comparison: Comparison) -> Verdict:
    """Ask the pool of math processes that this process shares, and wait."""
    from golong_eval.rewards.math_pool import shared_pool

    return shared_pool().compare(comparison)


@dataclass(frozen=True)
class Ask:
    """What a scorer may know, and ask, beside the answer."""

    question: str | None = None
    language: Language | None = None
    compare: Compare = compare_now


@dataclass(frozen=True)
class Outcome:
    """A value in [0, 1] with what it was made of."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    parsed: str | tuple[str, ...] | None = None
    status: Literal["ok", "empty", "unparsed", "scorer_error", "judge_error"] = "ok"
    reason: str | None = None


class Scorer(Protocol):
    """A gold that has been read, ready to score answers. Picklable, and free of mutable state."""

    def __call__(self, answer: str, ask: Ask, /) -> Outcome:
        """Score one answer, which has something to see in it.

        Strict scorers get the answer area, official ones everything after the thinking.
        """
        ...


class ScorerClass(Protocol):
    """Reads a gold."""

    def __call__(self, gold: Any, /) -> Scorer:
        """Return the scorer of a gold."""
        ...


def no_answer(reason: str, parsed: str | tuple[str, ...] | None = None) -> Outcome:
    """Return the outcome of an answer that is none in the metric's form."""
    return Outcome(0.0, status="unparsed", reason=reason, parsed=parsed)
