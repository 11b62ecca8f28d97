"""Reward terms beside the metric, for training: overlong penalty, format bonus, repetition gate. Off by default.

    shaped value = gates x (metric + bonuses) + penalties

The metric's own value stays what it is, so that what is reported and what is trained on can't be confused.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from golong_eval.errors import ConfigError
from golong_eval.schema import RewardResult
from golong_eval.text import ANSWER_MARKERS, CLOSE_THINK, OPEN_THINK

__all__ = ["FormatBonus", "OverlongPenalty", "RepetitionGate", "RewardTerm", "Shaped", "shaped"]


class RewardTerm(Protocol):
    """One term: a number for each response, and what is done with it."""

    @property
    def name(self) -> str:
        """What it is called in logs."""
        ...

    @property
    def kind(self) -> Literal["gate", "bonus", "penalty"]:
        """Gates are factors in [0, 1]; bonuses are at least 0, penalties at most 0, and both are added."""
        ...

    def __call__(self, result: RewardResult, response: str, tokens: int | None) -> float:
        """Return the term of one response."""
        ...


@dataclass(frozen=True)
class Shaped:
    """A shaped reward, and what it is made of."""

    value: float | None
    """None where the metric has no value. May leave [0, 1]."""
    metric: float | None
    """The metric's value."""
    terms: dict[str, float] = field(default_factory=dict)
    """The number of each term, by name."""


def shaped(result: RewardResult, response: str, terms: Sequence[RewardTerm], tokens: int | None = None) -> Shaped:
    r"""Return the reward of a response with terms added.

    Args:
        result: What the metric says.
        response: What the model wrote, with its thinking.
        terms: The terms.
        tokens: Length of the response in tokens, which an overlong penalty needs.

    Raises:
        ConfigError: Two terms have the same name, or a term lacks what it needs.

    >>> from golong_eval.rewards import score
    >>> answer = "<think>D1 has it.</think>[Answer]\nD1"
    >>> terms = [OverlongPenalty(max_tokens=100, buffer=50), FormatBonus(0.25)]
    >>> shaped(score("f1", answer, ["D1"]), answer, terms, tokens=75).value
    0.75
    """
    found = {term.name: term(result, response, tokens) for term in terms}
    if len(found) < len(terms):
        raise ConfigError("two reward terms have the same name", "give each term once")
    if result.value is None:
        return Shaped(None, None, found)
    factor, bonus, penalty = 1.0, 0.0, 0.0
    for term in terms:
        number = found[term.name]
        if term.kind == "gate":
            factor *= number
        elif term.kind == "bonus":
            bonus += number
        else:
            penalty += number
    return Shaped(factor * (result.value + bonus) + penalty, result.value, found)


@dataclass(frozen=True)
class OverlongPenalty:
    """Soft overlong punishment: 0 up to ``max_tokens - buffer`` tokens, then falling in a line to ``-weight``.

    With length l, limit L and buffer B it is ``weight x max(-1, min(0, (L - B - l) / B))``.

    Source: DAPO (arXiv 2503.14476), equation 13.

    >>> penalty = OverlongPenalty(max_tokens=16_000, buffer=4_000)
    >>> [penalty.of(tokens) for tokens in (12_000, 14_000, 20_000)]
    [0.0, -0.5, -1.0]
    """

    max_tokens: int
    buffer: int
    weight: float = 1.0
    name: str = field(default="overlong_penalty", init=False)
    kind: Literal["penalty"] = field(default="penalty", init=False)

    def __post_init__(self) -> None:
        if not 0 < self.buffer <= self.max_tokens or self.weight < 0:
            raise ConfigError(
                f"an overlong penalty of {self}", "give 0 < buffer <= max_tokens, and a weight of at least 0"
            )

    def of(self, tokens: int) -> float:
        """Return the penalty of a length."""
        over = (self.max_tokens - self.buffer - tokens) / self.buffer
        return self.weight * max(-1.0, min(0.0, over))

    def __call__(self, result: RewardResult, response: str, tokens: int | None) -> float:  # noqa: ARG002  # of the protocol
        """Return the penalty of one response."""
        if tokens is None:
            raise ConfigError("the overlong penalty needs the length of the response", "give tokens=")
        return self.of(tokens)


@dataclass(frozen=True)
class FormatBonus:
    r"""`weight` for a response in form: one closed thinking, then text with one answer marker, and an answer read.

    Without an answer that the metric could read (``unparsed``, ``empty``) there is no bonus. A wrong answer in form has
    it, and for lists and texts anything is an answer: keep the weight small.

    >>> from golong_eval.rewards import score
    >>> answer = "<think>D1?</think>[Answer]\nD2"
    >>> FormatBonus(0.1)(score("f1", answer, ["D1"]), answer, None)
    0.1
    """

    weight: float
    name: str = field(default="format_bonus", init=False)
    kind: Literal["bonus"] = field(default="bonus", init=False)

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ConfigError(f"a format bonus of {self.weight}", "give a weight of at least 0")

    def __call__(self, result: RewardResult, response: str, tokens: int | None) -> float:  # noqa: ARG002  # of the protocol
        """Return the bonus of one response."""
        thinking, closed, shown = response.partition(CLOSE_THINK)
        in_form = (
            result.status == "ok"
            and bool(closed)
            and CLOSE_THINK not in shown
            and OPEN_THINK not in shown
            and thinking.count(OPEN_THINK) <= 1
            and sum(map(shown.count, ANSWER_MARKERS)) == 1
        )
        return self.weight if in_form else 0.0


@dataclass(frozen=True)
class RepetitionGate:
    """0 for a response that goes in a loop somewhere, else 1. Read is all of it, thinking included.

    The response is cut into windows of `window` bytes; in a window that zlib shrinks below `ratio` of its size, nearly
    everything was said before, to the letter. English prose shrinks to about 0.4, a numbered list of labels to 0.3, one
    sentence said of two hundred documents ("Document D17: the term is not mentioned in this document.") to 0.05, a
    sentence said again and again to 0.02, a paragraph of three hundred characters to 0.035.
    A loop shorter than about a window goes unseen;
    hundreds of equal rows of a table are one. Takes time linear in the response.

    >>> gate = RepetitionGate()
    >>> [gate.shut(text) for text in ("Wait, let me check that again. " * 300, "A short answer.")]
    [True, False]
    """

    ratio: float = 0.04
    window: int = 8192
    name: str = field(default="repetition_gate", init=False)
    kind: Literal["gate"] = field(default="gate", init=False)

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1 or self.window < 512:
            raise ConfigError(
                f"a repetition gate of {self}", "give a ratio in (0, 1) and a window of 512 bytes or more"
            )

    def shut(self, response: str) -> bool:
        """Whether the response goes in a loop."""
        data = response.encode("utf-8", "surrogatepass")
        # The last window ends with the response: a loop is what a response most often ends in.
        starts = [*range(0, len(data) - self.window, self.window), max(0, len(data) - self.window)]
        windows = (data[start : start + self.window] for start in starts)
        return any(len(part) >= 512 and len(zlib.compress(part, 1)) < self.ratio * len(part) for part in windows)

    def __call__(self, result: RewardResult, response: str, tokens: int | None) -> float:  # noqa: ARG002  # of the protocol
        """Return the gate of one response."""
        return float(not self.shut(response))
