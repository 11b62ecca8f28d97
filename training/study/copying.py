"""The first stage of the supervised start: copying of random tokens, which is where reading begins.

A sequence is random tokens, then stretches of it again; the loss is on what is repeated, every token of it. Few kinds
of token first: with many, nothing emerges for thousands of steps. Then the pool that kinds are drawn from grows, twice
as large each time: a new token stands among known ones, so the way to it is known.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

FIRST_TOKEN = 8
"""Under it stand the tokens with a meaning of their own."""


class Lesson(NamedTuple):
    """Sequences of one difficulty."""

    pool: int
    """Kinds of token in all."""
    kinds: int
    """Of these, how many stand in one sequence."""
    length: tuple[int, int]
    """Least and most tokens of the first copy."""
    repeats: int
    """Stretches of it that follow; a single one is all of it."""
    rows: int
    """Sequences of a batch."""

    def batch(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens (rows, length) and which of them the loss is on; all rows are of one length."""

        def draw(low: int, high: int, *size: int) -> torch.Tensor:
            return torch.randint(low, high + 1, size, generator=generator)

        size = int(draw(*self.length))
        table = draw(0, self.pool - 1, self.rows, self.kinds) if self.kinds < self.pool else None
        words = draw(0, self.kinds - 1, self.rows, size)
        words = FIRST_TOKEN + (words if table is None else table.gather(1, words))
        parts, marks = [words], [torch.zeros(self.rows, size, dtype=torch.bool)]
        wide = size if self.repeats == 1 else max(8, size // 4)
        for _ in range(self.repeats):
            starts = draw(0, size - wide, self.rows)
            mark = torch.ones(self.rows, wide, dtype=torch.bool)
            # Where a stretch begins can't be known: nothing to learn from its first tokens.
            mark[:, : 1 if self.repeats == 1 else 2] = False
            parts.append(words.gather(1, starts[:, None] + torch.arange(wide)))
            marks.append(mark)
        return torch.cat(parts, 1), torch.cat(marks, 1)


def lessons(vocabulary: int) -> list[Lesson]:
    """Return the lessons, from the easiest."""
    whole = vocabulary - FIRST_TOKEN
    growing = [Lesson(pool, 64, (16, 48), 1, 48) for pool in (128, 256, 512, 1024, 2048, whole)]
    return [Lesson(64, 64, (12, 40), 1, 64), *growing, Lesson(whole, 512, (64, 256), 4, 12)]
