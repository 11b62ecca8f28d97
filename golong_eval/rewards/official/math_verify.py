"""Published reward of numbers and expressions: math_verify on the end of the answer."""

from __future__ import annotations

from dataclasses import dataclass

from golong_eval.rewards import math_pool as math_pool  # loaded here, where a fork waits for it
from golong_eval.rewards.outcome import Ask, Comparison, Outcome, no_answer
from golong_eval.schema import NumberGold

__all__ = ["MathVerify"]

_READ = 500  # characters at the end


@dataclass(frozen=True)
class MathVerify:
    r"""1 if math_verify finds the gold in the last 500 characters: as its text, or as an equal expression; else 0.

    Every failure is 0. The published code fails on every answer in a worker thread, where the time limits of
    math_verify can't be set; here they are those of `golong_eval.rewards.math_pool`, in any thread.

    Source: GoLongRL, reward ``math_longcot_math_verify``.

    >>> score = MathVerify(NumberGold(value="1/2"))
    >>> [score(answer, Ask()).value for answer in (r"\boxed{0.5}", "It is $3$.")]
    [1.0, 0.0]
    """

    gold: NumberGold

    def __call__(self, answer: str, ask: Ask) -> Outcome:
        """Score one answer."""
        verdict = ask.compare(Comparison(self.gold.value, answer[-_READ:], "official"))
        if verdict.outcome == "down":
            return Outcome(0.0, status="scorer_error", reason=verdict.reason)
        if verdict.outcome in ("answer_unread", "failed"):
            return no_answer(verdict.reason)
        return Outcome(float(verdict.outcome == "equal"))
