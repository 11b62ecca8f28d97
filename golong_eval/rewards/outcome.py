"""What a scorer says of one answer area, before it becomes a `RewardResult`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from golong_eval.schema import Language

__all__ = ["Ask", "Outcome", "Scorer", "no_answer"]


@dataclass(frozen=True)
class Ask:
    """What a scorer may know beside the answer."""

    question: str | None = None
    language: Language | None = None


@dataclass(frozen=True)
class Outcome:
    """A value in [0, 1] with what it was made of."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    parsed: str | tuple[str, ...] | None = None
    status: Literal["ok", "unparsed", "scorer_error"] = "ok"
    reason: str | None = None


class Scorer(Protocol):
    """A gold that has been read, ready to score answer areas. Picklable, and free of mutable state."""

    def __call__(self, area: str, ask: Ask, /) -> Outcome:
        """Score one answer area, which has something to see in it."""
        ...


def no_answer(reason: str, parsed: str | tuple[str, ...] | None = None) -> Outcome:
    """Return the outcome of an area that holds no answer in the metric's form."""
    return Outcome(0.0, status="unparsed", reason=reason, parsed=parsed)
