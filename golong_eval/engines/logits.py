"""What is done to a model's scores before a token is chosen: seeded sampling, and the end of a budget of thinking."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

__all__ = ["SeededSampler", "ThinkingLimit"]


class SeededSampler:
    """Temperature and top-p sampling with a generator per row, by the Gumbel-max trick.

    Adding Gumbel noise to log-probabilities and taking the largest draws from their distribution, so
    each row's draw depends on its own seed alone and not on its neighbours in the batch.
    """

    def __init__(self, temperature: float, top_p: float, seeds: list[int]) -> None:
        import torch
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        self._warpers = [TemperatureLogitsWarper(temperature)] + ([TopPLogitsWarper(top_p)] if top_p < 1 else [])
        # Noise is drawn on the CPU, so that a seed means the same on every device.
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return the scores with each row's noise; the largest of a row is its draw."""
        import torch

        scores = scores.float()
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        noise = torch.stack(
            [torch.empty(scores.shape[-1]).exponential_(generator=generator) for generator in self._generators]
        )
        return scores - noise.log().to(scores.device)


class ThinkingLimit:
    """Ends the thinking of each row of a batch after a number of tokens, by writing the closing tag.

    Args:
        budget: Tokens of thinking.
        opening: Tokens of the tag that opens it.
        closing: Tokens of the tag that closes it.
        opened: Whether each row's prompt has opened it already.
    """

    def __init__(self, budget: int, opening: Sequence[int], closing: Sequence[int], opened: Sequence[bool]) -> None:
        self._rows = [_Thinking(budget, list(opening), list(closing), is_open) for is_open in opened]
        self._began = False

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return the scores, with one token left where it must follow."""
        # The first call sees the prompts alone, each further one a new token at the end.
        last = input_ids[:, -1].tolist() if self._began else [None] * len(self._rows)
        self._began = True
        forced = [row.next_token(token) for row, token in zip(self._rows, last, strict=True)]
        for place, token in enumerate(forced):
            if token is not None:
                scores[place] = -float("inf")
                scores[place, token] = 0.0
        return scores


class _Thinking:
    """Where one row is: before its thinking, in it for `spent` tokens, writing the closing tag, or past it."""

    def __init__(self, budget: int, opening: list[int], closing: list[int], opened: bool) -> None:
        self._budget, self._opening, self._closing = budget, opening, closing
        self._tail: deque[int] = deque(maxlen=max(len(opening), len(closing)))
        self._open, self._over = opened, False
        self._spent = 0
        self._written = 0

    def next_token(self, token: int | None) -> int | None:
        """Take the row's new token; return the one that must follow, or None where the model chooses."""
        if self._over:
            return None
        if token is not None:
            self._tail.append(token)
            self._spent += self._open
        if self._written:
            return self._write()
        if self._open and self._ends_with(self._closing):
            self._over = True
        elif not self._open and self._ends_with(self._opening):
            self._open = True
        if self._open and not self._over and self._spent >= self._budget:
            return self._write()
        return None

    def _write(self) -> int | None:
        if self._written == len(self._closing):
            self._over = True
            return None
        self._written += 1
        return self._closing[self._written - 1]

    def _ends_with(self, tag: list[int]) -> bool:
        return list(self._tail)[-len(tag) :] == tag
