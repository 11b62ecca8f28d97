"""What a batch's advantages do to its tasks: who gets how much of the update, and from what."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import Any

from golong_eval.advantages.arrays import Array, is_tensor
from golong_eval.advantages.batch import read_batch
from golong_eval.advantages.estimators import EPS
from golong_eval.errors import DataError

__all__ = ["BatchDiagnostics", "TaskDiagnostics", "diagnose"]

_BINS = 10
_FULL = 1 - 1e-9


@dataclass(frozen=True)
class TaskDiagnostics:
    """One task's part of a batch. Means and deviations are NaN where nothing was scored.

    Attributes:
        prompts: Prompts of the task.
        rows: Its rollouts.
        unscored: Those without a reward (NaN).
        singles: Prompts with one scored rollout.
        share_of_prompts: Of the batch's prompts.
        mean_reward: Over scored rows.
        std_reward: Over scored rows, Bessel.
        mean_group_std: Mean over prompts of two or more scored rollouts of s_u.
        rms_group_std: Root of the mean over those prompts of s_u^2: the sigma_k of TMN.
        full_marks: Share of scored rows with reward 1.
        all_equal: Share of those prompts whose rewards are all equal: they teach nothing.
        mean_rewards: Prompts by their mean reward, in ten bins of [0, 1]; rewards outside are counted at the ends.
        mean_abs_advantage: Over scored rows.
        share_of_advantage: Of the batch's sum of |A|.
        weight_min: Smallest |A| as a multiple of what TMN gives that row; NaN where all are 0.
        weight_max: Largest.
    """

    prompts: int
    rows: int
    unscored: int
    singles: int
    share_of_prompts: float
    mean_reward: float
    std_reward: float
    mean_group_std: float
    rms_group_std: float
    full_marks: float
    all_equal: float
    mean_rewards: tuple[int, ...]
    mean_abs_advantage: float
    share_of_advantage: float
    weight_min: float
    weight_max: float


@dataclass(frozen=True)
class BatchDiagnostics:
    """A batch as a whole, and each of its tasks.

    Attributes:
        prompts: Prompts in the batch.
        rows: Rollouts.
        unscored: Rollouts without a reward.
        mean_reward: Over scored rows.
        mean_task_reward: Mean over tasks of their mean reward.
        all_equal: Share of prompts (of two or more scored rollouts) whose rewards are all equal.
        cv_abs_advantage: Imbalance between tasks: population standard deviation over tasks, divided by the mean, of
            each task's mean |A| (GoLongRL reports 0.54 for Dr. GRPO, 0.34 for GRPO, 0.18 for TMN). NaN where all are
            0.
        tasks: By task id, in order of the ids' text.
    """

    prompts: int
    rows: int
    unscored: int
    mean_reward: float
    mean_task_reward: float
    all_equal: float
    cv_abs_advantage: float
    tasks: dict[Hashable, TaskDiagnostics]

    def to_dict(self, prefix: str = "") -> dict[str, float]:
        """Return all numbers flat, ``{prefix}cv_abs_advantage`` and ``{prefix}TASK/mean_reward``, for a logger.

        What is undefined (NaN) is left out, and so are the histograms.
        """
        flat = {prefix + field.name: getattr(self, field.name) for field in fields(self) if field.name != "tasks"}
        for task, part in self.tasks.items():
            for field in fields(part):
                if field.name != "mean_rewards":
                    flat[f"{prefix}{task}/{field.name}"] = getattr(part, field.name)
        return {name: float(value) for name, value in flat.items() if not math.isnan(value)}


def diagnose(rewards: Any, advantages: Any, prompt_ids: Any, task_ids: Any | None = None) -> BatchDiagnostics:
    """Describe a batch, whatever gave its advantages.

    Args:
        rewards: (rows,) as the estimators take them; NaN where a row was not scored.
        advantages: (rows,) finite.
        prompt_ids: The prompt of each row.
        task_ids: The task of each row; without them the batch is one task, ``all``.

    Raises:
        DataError: As the estimators; or an advantage is not finite.

    >>> batch = diagnose([1.0, 0.0, 0.6, 0.4], [0.5, -0.5, 0.1, -0.1], ["p", "p", "q", "q"], ["t1", "t1", "t9", "t9"])
    >>> round(batch.cv_abs_advantage, 3)  # mean |A| of 0.5 and 0.1
    0.667
    >>> round(batch.tasks["t1"].share_of_advantage, 3)
    0.833
    """
    import numpy as np

    rewards, advantages, prompt_ids, task_ids = (_numpy(part) for part in (rewards, advantages, prompt_ids, task_ids))
    batch = read_batch(rewards, prompt_ids, task_ids, "leave_out")
    sizes = np.abs(np.asarray(advantages, np.float64))
    if sizes.shape != batch.values.shape:
        raise DataError(f"advantages of shape {sizes.shape} for {len(batch.values)} rewards", "give one a row")
    if not np.isfinite(sizes).all():
        raise DataError(
            f"the advantage of row {int(np.flatnonzero(~np.isfinite(sizes))[0])} is not finite", "look there"
        )
    spread = np.sqrt(batch.variance)
    grouped = batch.counted > 0
    prompts = batch.by_task(batch.counted)
    sigma = np.sqrt(batch.by_task(batch.variance * batch.counted) / prompts.clip(1))
    usual = np.abs(batch.deviation) / (sigma + EPS)[batch.task][batch.prompt]
    scored, rows_task = batch.scored > 0, batch.task[batch.prompt]
    mass = sizes.sum()
    names = ["all"] if task_ids is None and batch.tasks.size else batch.tasks.names()
    tasks: dict[Hashable, TaskDiagnostics] = {}
    for k in sorted(range(len(names)), key=lambda number: str(names[number])):
        rows, mine = rows_task == k, batch.task == k
        here, groups = rows & scored, mine & grouped
        reward, moved = batch.values[here], here & (usual > 0)
        ratio = sizes[moved] / usual[moved]
        bins = np.clip((batch.mean[mine & (batch.count > 0)] * _BINS + 1e-9).astype(int), 0, _BINS - 1)
        tasks[names[k]] = TaskDiagnostics(
            prompts=int(mine.sum()),
            rows=int(rows.sum()),
            unscored=int((rows & ~scored).sum()),
            singles=int((mine & (batch.count == 1)).sum()),
            share_of_prompts=float(mine.sum() / len(mine)),
            mean_reward=_mean(reward),
            std_reward=float(reward.std(ddof=1)) if len(reward) > 1 else math.nan,
            mean_group_std=_mean(spread[groups]),
            rms_group_std=float(sigma[k]) if groups.any() else math.nan,
            full_marks=_mean(reward >= _FULL),
            all_equal=_mean(batch.variance[groups] == 0),
            mean_rewards=tuple(np.bincount(bins, minlength=_BINS).tolist()),
            mean_abs_advantage=_mean(sizes[here]),
            share_of_advantage=float(sizes[rows].sum() / mass) if mass else math.nan,
            weight_min=float(ratio.min()) if len(ratio) else math.nan,
            weight_max=float(ratio.max()) if len(ratio) else math.nan,
        )
    means = np.array([part.mean_abs_advantage for part in tasks.values() if not math.isnan(part.mean_abs_advantage)])
    return BatchDiagnostics(
        prompts=len(batch.count),
        rows=len(scored),
        unscored=int((~scored).sum()),
        mean_reward=_mean(batch.values[scored]),
        mean_task_reward=_mean([part.mean_reward for part in tasks.values() if not math.isnan(part.mean_reward)]),
        all_equal=_mean(batch.variance[grouped] == 0),
        cv_abs_advantage=float(means.std() / means.mean()) if len(means) and means.mean() > 0 else math.nan,
        tasks=tasks,
    )


def _numpy(values: Any) -> Array:
    if not is_tensor(values):
        return values
    values = values.detach().cpu()
    return values.double().numpy() if values.dtype.is_floating_point else values.numpy()


def _mean(values: Any) -> float:
    return float(sum(values) / len(values)) if len(values) else math.nan
