"""A running scale and baseline of each task, for batches that hold few prompts of it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from golong_eval.advantages.arrays import Array
from golong_eval.advantages.batch import Batch
from golong_eval.errors import ConfigError, DataError

__all__ = ["TaskScale"]


class TaskScale:
    """Running averages of a task's within-prompt variance and of its prompts' mean reward.

    With a single prompt of a task in the batch its scale is that prompt's own spread, and TMN falls back to GRPO. At
    128 prompts a step that is the usual case for a task that makes up 1 % of the data. Given to `tmn` or
    `tmn_reweight` as ``scale``, this keeps for each task the decayed sums of s_u^2, of m_u and of the number of
    prompts; the averages are their quotients. So a step counts by its prompts and by its age, and the first steps
    need no correction for a start at zero: for equal numbers of prompts the average is the bias-corrected exponential
    average of Adam (Kingma and Ba 2015, section 3). A task that is absent from a batch keeps its averages.

    Args:
        decay: What a step's weight is multiplied by at every further step, in [0, 1). 0 is the published method: the
            batch alone.

    Raises:
        ConfigError: ``decay`` lies outside [0, 1).

    >>> from golong_eval.advantages import tmn
    >>> scale = TaskScale(decay=0.5)
    >>> for rewards in ([1.0, 0.0], [0.2, 0.0]):
    ...     _ = tmn([*rewards], ["p", "p"], ["t1", "t1"], scale=scale)
    >>> round(scale.variance("t1"), 4)  # (0.5 * 0.5 + 0.02) / (0.5 + 1)
    0.18
    >>> round(scale.mean("t1"), 4)  # (0.5 * 0.5 + 0.1) / (0.5 + 1)
    0.2333
    """

    def __init__(self, decay: float = 0.9) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay={decay}", "give a decay from 0 (the batch alone) to below 1")
        self.decay = float(decay)
        self._sums: dict[Hashable, tuple[float, float, float]] = {}  # prompts, s_u^2, m_u

    def variance(self, task: Hashable) -> float | None:
        """Return the running mean of the task's within-prompt variances; None before its first prompt."""
        prompts, variance, _ = self._sums.get(task, (0.0, 0.0, 0.0))
        return variance / prompts if prompts else None

    def mean(self, task: Hashable) -> float | None:
        """Return the running mean of its prompts' mean rewards; None before its first prompt."""
        prompts, _, mean = self._sums.get(task, (0.0, 0.0, 0.0))
        return mean / prompts if prompts else None

    def update(self, batch: Batch) -> tuple[Array, Array]:
        """Take a batch in, and return the variance and the mean of each of its tasks: two arrays (T,)."""
        prompts = batch.by_task(batch.counted).tolist()
        variances = batch.by_task(batch.variance * batch.counted).tolist()
        means = batch.by_task(batch.mean * batch.counted).tolist()
        names = batch.tasks.names()
        new = {
            name: (a, b, c)
            for name, a, b, c in zip(names, prompts, variances, means, strict=True)
            if a  # scored ones
        }
        for task, sums in self._sums.items():
            added = new.get(task, (0.0, 0.0, 0.0))
            weight, variance, mean = (old * self.decay + more for old, more in zip(sums, added, strict=True))
            if weight < _FAINT:  # kept as averages: nothing of it may be lost however long the task stays away
                weight, variance, mean = sums
            new[task] = (weight, variance, mean)
        self._sums = new
        like = batch.mean
        make = like.new_tensor if hasattr(like, "new_tensor") else _numpy_array
        return make([self.variance(name) or 0.0 for name in names]), make([self.mean(name) or 0.0 for name in names])

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain lists: it goes into JSON where the task ids do, and into a checkpoint."""
        return {"version": 1, "decay": self.decay, "tasks": [[task, *sums] for task, sums in self._sums.items()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state.

        Raises:
            DataError: It is no state of a task scale, or one with another decay.
        """
        try:
            version, decay = state["version"], float(state["decay"])
            sums = {task: (float(a), float(b), float(c)) for task, a, b, c in state["tasks"]}
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"no state of a task scale ({error!r})", "give what state_dict() returned") from None
        if version != 1:
            raise DataError(f"a task scale's state of version {version}", "read it with the golong-eval that wrote it")
        if decay != self.decay:
            raise DataError(
                f"the state was kept with decay {decay}, this scale has {self.decay}",
                f"make it with TaskScale(decay={decay}), or start a new run",
            )
        self._sums = sums

    def __repr__(self) -> str:
        return f"TaskScale(decay={self.decay}, tasks={len(self._sums)})"


_FAINT = 1e-200


def _numpy_array(values: list[float]) -> Array:
    import numpy as np

    return np.asarray(values)
