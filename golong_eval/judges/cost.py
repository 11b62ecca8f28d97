"""What judging took: questions, tokens, money."""

from __future__ import annotations

from collections.abc import Iterable

from golong_eval.judges.question import Verdict
from golong_eval.schema import Frozen

__all__ = ["Spent", "spent"]


class Spent(Frozen):
    """What a judge was asked, and what its verdicts took."""

    questions: int
    errors: int
    """Of these, without a verdict."""
    cached: int
    """Of these, answered by the cache: they took nothing."""
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None
    """By the price; None without one."""


def spent(verdicts: Iterable[Verdict], price: tuple[float, float] | None = None) -> Spent:
    """Return what verdicts took. Errors have taken tokens, too; those from the cache have not.

    Args:
        verdicts: The verdicts.
        price: Of a million prompt tokens, and of a million completion tokens.

    >>> one = Verdict(key="k", judge="j@1", outcome="right", prompt_tokens=1000, completion_tokens=500)
    >>> spent([one, one.model_copy(update={"cached": True})], price=(2.0, 4.0)).cost
    0.004
    """
    given = list(verdicts)
    fresh = [verdict for verdict in given if not verdict.cached]
    prompt = sum(verdict.prompt_tokens for verdict in fresh)
    completion = sum(verdict.completion_tokens for verdict in fresh)
    return Spent(
        questions=len(given),
        errors=sum(verdict.outcome == "error" for verdict in given),
        cached=len(given) - len(fresh),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=None if price is None else (prompt * price[0] + completion * price[1]) / 1e6,
    )
