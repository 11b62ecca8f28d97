"""The rows of a batch as the estimators see them: prompts and tasks as numbers, and each prompt's mean and spread."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from golong_eval.advantages.arrays import Array, Codes, encode, sum_by, to_wide
from golong_eval.errors import ConfigError, DataError

__all__ = ["Batch", "Singles", "read_batch"]

Singles = Literal["leave_out", "official"]
_ROUNDING = 1e-12  # a distance from the mean this small beside the mean is the mean's own rounding


@dataclass(frozen=True)
class Batch:
    """n rows of P prompts of T tasks.

    Attributes:
        xp: ``numpy`` or ``torch``.
        dtype: What the advantages are given in.
        values: (n,) rewards in float64; 0 where a row was not scored.
        scored: (n,) 1 where it was, else 0.
        prompt: (n,) the prompt of each row.
        task: (P,) the task of each prompt.
        tasks: Task ids as numbers.
        count: (P,) scored rows of each prompt.
        mean: (P,) the mean of its rewards, m_u.
        variance: (P,) their variance with Bessel's correction, s_u^2; 0 for fewer than two rows.
        deviation: (n,) reward less m_u; exactly 0 in a group of equal rewards, and where a row was not scored.
        counted: (P,) 1 where the prompt enters the statistics of its task, else 0.
        singles: What is done with prompts of one scored row.
    """

    xp: ModuleType
    dtype: Any
    values: Array
    scored: Array
    prompt: Array
    task: Array
    tasks: Codes
    count: Array
    mean: Array
    variance: Array
    deviation: Array
    counted: Array
    singles: Singles

    def by_task(self, values: Array) -> Array:
        """Return the sums over each task's prompts: (P,) to (T,)."""
        return sum_by(values, self.task, self.tasks.size)

    def rows_by_task(self, values: Array) -> Array:
        """Return the sums over each task's rows: (n,) to (T,)."""
        return self.by_task(sum_by(values, self.prompt, len(self.count)))

    def given(self, advantages: Array) -> Array:
        """Return advantages in the dtype of the rewards."""
        if self.xp.__name__ == "torch":
            return advantages.to(self.dtype)
        return advantages.astype(self.dtype, copy=False)


def read_batch(rewards: Any, prompt_ids: Any, task_ids: Any | None, singles: Singles) -> Batch:
    """Read the arguments that all estimators share.

    Raises:
        ConfigError: ``singles`` is neither of its two values.
        DataError: Lengths differ, a reward is infinite, an id is missing, or the rows of one prompt have two tasks.
    """
    if singles not in ("leave_out", "official"):
        raise ConfigError(f"singles={singles!r}", "give singles='leave_out' or singles='official'")
    xp, values, dtype = to_wide(rewards)
    prompts = encode(prompt_ids, values, "prompt")
    prompt, many = prompts.numbers, prompts.size
    if task_ids is None:
        rows = prompt * 0
        tasks = Codes(rows, min(1, many), [None][: min(1, many)])
    else:
        tasks = encode(task_ids, values, "task")
        rows = tasks.numbers
    task = prompt[:0] if not many else _zeros_like(prompt, many)
    task[prompt] = rows
    other = task[prompt] != rows
    if bool(other.any()):
        row = int(other.nonzero()[0][0])
        raise DataError(
            f"the rows of one prompt have two tasks (row {row}, prompt {prompts.names()[int(prompt[row])]!r})",
            "give every rollout of a prompt the prompt's task",
        )
    missing = xp.isnan(values)
    zero, one = xp.zeros_like(values), xp.ones_like(values)
    scored, values = xp.where(missing, zero, one), xp.where(missing, zero, values)
    count = sum_by(scored, prompt, many)
    mean = sum_by(values, prompt, many) / count.clip(min=1)
    single = count == 1
    if singles == "official":
        mean = xp.where(single, xp.zeros_like(mean), mean)
    at = mean[prompt]
    deviation = (values - at) * scored
    deviation = xp.where(abs(deviation) <= _ROUNDING * abs(at), zero, deviation)
    variance = sum_by(deviation * deviation, prompt, many) / (count - 1).clip(min=1)
    if singles == "official":
        variance = xp.where(single, xp.ones_like(variance), variance)
        counted = count >= 1
    else:
        counted = count >= 2
    counted = xp.where(counted, xp.ones_like(mean), xp.zeros_like(mean))
    return Batch(xp, dtype, values, scored, prompt, task, tasks, count, mean, variance, deviation, counted, singles)


def _zeros_like(numbers: Array, count: int) -> Array:
    if hasattr(numbers, "new_zeros"):
        return numbers.new_zeros(count)
    import numpy as np

    return np.zeros(count, numbers.dtype)
