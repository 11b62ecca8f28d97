"""The advantage estimators, one function each.

Notation of the docstrings: prompt u has G_u scored rollouts with rewards r_i, mean m_u and Bessel-corrected variance
s_u^2; k(u) is its task; eps = 1e-6. What all estimators take and promise:

- ``rewards``: (rows,) real numbers, a list, a NumPy array or a torch tensor. Advantages come back in the same
  library, dtype and device (a list, and whole numbers, give float64). Work is done in float64. NaN means "not
  scored": advantage 0, and the row enters no statistic. An infinite reward is an error.
- ``prompt_ids``, ``task_ids``: one id a row of any hashable kind, rows in any order, groups of any size. Integer
  tensors stay on their device; other ids cost one pass. Without ``task_ids`` all prompts are of one task.
- ``singles``: what becomes of a prompt with one scored rollout. ``"leave_out"``: it has advantage 0 and enters no
  statistic, as nothing can be told from it. ``"official"``: as GoLongRL's and verl's code has it, mean 0 and standard
  deviation 1, so that its advantage is its reward (over the scale), and these values enter its task's statistics.
- Rewards are meant to lie near [0, 1]; up to 1e6 in size nothing is lost.
- An empty batch gives no advantages. A group of equal rewards gives exactly 0, and counts in its task's scale.

Errors, for all: `golong_eval.errors.DataError` for lengths that differ, an infinite reward, a missing id (None, NaN)
or a prompt with two tasks, naming the row; `golong_eval.errors.ConfigError` for a parameter out of its range.

Sources: GRPO, arXiv 2402.03300; Dr. GRPO, arXiv 2503.20783; the task-level baseline, QwenLong-L1.5, Eq. 7; TMN and
TMN-Reweight, GoLongRL (arXiv 2605.19577).
"""

from __future__ import annotations

from typing import Any, Literal

from golong_eval.advantages.arrays import Array, sum_by
from golong_eval.advantages.batch import Batch, Singles, read_batch
from golong_eval.advantages.task_scale import TaskScale
from golong_eval.errors import ConfigError

__all__ = ["EPS", "batch_norm", "dr_grpo", "grpo", "task_norm", "tmn", "tmn_reweight"]

EPS = 1e-6
_TIE = 1e-9  # a reward must pass the threshold by this much: else rounding would decide whether equal is above


def grpo(rewards: Any, prompt_ids: Any, task_ids: Any | None = None, *, singles: Singles = "leave_out") -> Array:
    """Return (r_i - m_u) / (s_u + eps): the group's mean and its standard deviation.

    >>> grpo([1.0, 0.0, 0.0, 0.0], [7, 7, 7, 7]).round(4).tolist()
    [1.5, -0.5, -0.5, -0.5]
    """
    batch = read_batch(rewards, prompt_ids, task_ids, singles)
    return batch.given(batch.deviation / (batch.xp.sqrt(batch.variance) + EPS)[batch.prompt])


def dr_grpo(rewards: Any, prompt_ids: Any, task_ids: Any | None = None, *, singles: Singles = "leave_out") -> Array:
    """Return r_i - m_u: no scale at all, so that a task whose rewards spread widely weighs more.

    >>> dr_grpo([1.0, 0.0, 0.0, 0.0], [7, 7, 7, 7]).tolist()
    [0.75, -0.25, -0.25, -0.25]
    """
    batch = read_batch(rewards, prompt_ids, task_ids, singles)
    return batch.given(batch.deviation * 1.0)


def task_norm(
    rewards: Any,
    prompt_ids: Any,
    task_ids: Any | None = None,
    *,
    center: Literal["group", "task"] = "group",
    singles: Singles = "leave_out",
) -> Array:
    """Return (r_i - centre) / (std of all rewards of the task, Bessel, + eps).

    ``center="group"`` subtracts m_u, as QwenLong-L1.5 has it; ``center="task"`` the mean of the task's rewards, as
    GoLongRL has it in its comparison: then a hard prompt's rollouts are all pushed down, right or wrong. A task with
    a single row has no standard deviation: 0.

    >>> rewards, prompts, tasks = [1.0, 0.0, 1.0, 1.0], ["p", "p", "q", "q"], ["t1"] * 4
    >>> task_norm(rewards, prompts, tasks).round(4).tolist()  # the std of 1, 0, 1, 1 is 0.5
    [1.0, -1.0, 0.0, 0.0]
    >>> task_norm(rewards, prompts, tasks, center="task").round(4).tolist()
    [0.5, -1.5, 0.5, 0.5]
    """
    if center not in ("group", "task"):
        raise ConfigError(f"center={center!r}", "give center='group' or center='task'")
    batch = read_batch(rewards, prompt_ids, task_ids, singles)
    rows = batch.scored * batch.counted[batch.prompt]
    from_mean, spread = _around(batch, rows, batch.task[batch.prompt], batch.tasks.size)
    top = batch.deviation if center == "group" else from_mean
    return batch.given(top * rows / (spread + EPS) * (spread > 0))


def batch_norm(rewards: Any, prompt_ids: Any, task_ids: Any | None = None, *, singles: Singles = "leave_out") -> Array:
    """Return (r_i - m_u) / (std of all rewards of the batch, Bessel, + eps).

    >>> batch_norm([1.0, 0.0, 1.0, 1.0], ["p", "p", "q", "q"]).round(4).tolist()
    [1.0, -1.0, 0.0, 0.0]
    """
    batch = read_batch(rewards, prompt_ids, task_ids, singles)
    rows = batch.scored * batch.counted[batch.prompt]
    _, spread = _around(batch, rows, batch.prompt * 0, 1)
    return batch.given(batch.deviation * rows / (spread + EPS) * (spread > 0))


def tmn(
    rewards: Any,
    prompt_ids: Any,
    task_ids: Any | None = None,
    *,
    scale: TaskScale | None = None,
    singles: Singles = "leave_out",
) -> Array:
    """Return (r_i - m_u) / (sigma_k + eps), sigma_k the root of the mean of s_u^2 over the task's prompts.

    Task-level mean normalisation, step 1 of TMN-Reweight: rewards of different metrics spread differently, and
    sigma_k brings each task to the same scale while prompts of one task keep theirs.

    Args:
        rewards: (rows,) real numbers.
        prompt_ids: The prompt of each row.
        task_ids: The task of each row.
        scale: A running scale, which takes this batch in; None: the batch alone, as published.
        singles: What becomes of a prompt with one scored rollout.

    >>> rewards, prompts = [1.0, 0.0, 0.6, 0.4], ["p", "p", "q", "q"]
    >>> tmn(rewards, prompts, ["t1"] * 4).round(4).tolist()  # sigma^2 is the mean of 0.5 and 0.02
    [0.9806, -0.9806, 0.1961, -0.1961]
    """
    batch = read_batch(rewards, prompt_ids, task_ids, singles)
    variance, _ = _task_statistics(batch, scale)
    return batch.given(_scaled(batch, variance))


def tmn_reweight(
    rewards: Any,
    prompt_ids: Any,
    task_ids: Any | None = None,
    *,
    alpha: float = 0.8,
    gamma: float = 1.0,
    recenter: bool = False,
    scale: TaskScale | None = None,
    singles: Singles = "leave_out",
) -> Array:
    """Return the advantages of `tmn`, each multiplied by a weight that depends on how hard the prompt is.

    The threshold t_u = alpha m_u + (1 - alpha) M_k lies between the prompt's mean and M_k, the mean of m_u over the
    task's prompts; the pass rate p_u is the share of the group with r_i > t_u. Rows above m_u get the weight
    exp(gamma (0.5 - p_u)), the others exp(gamma (p_u - 0.5)): of a hard prompt the good rollouts count more and the
    bad ones less, of an easy one the reverse. Weights lie in [exp(-gamma / 2), exp(gamma / 2)], for gamma 1 in
    [0.607, 1.649].

    The weights break the zero sum of a group; ``recenter`` subtracts the group's mean again (ours, not published).
    For 0/1 rewards alpha has no effect. A reward passes by more than 1e-9, so that rounding cannot decide a tie (the
    published comparison has no such slack).

    Args:
        rewards: (rows,) real numbers.
        prompt_ids: The prompt of each row.
        task_ids: The task of each row.
        alpha: In [0, 1]: how far the threshold follows the prompt instead of its task.
        gamma: 0 or more: strength of the weights; 0 is `tmn`.
        recenter: Subtract the mean of each group's weighted advantages.
        scale: A running scale and baseline, which takes this batch in; None: the batch alone, as published.
        singles: What becomes of a prompt with one scored rollout.

    >>> rewards = [1.0, 0.0, 0.0, 0.0]  # s = 0.5; p = 1/4: weights e^0.25 = 1.284 and e^-0.25 = 0.7788
    >>> tmn_reweight(rewards, ["p"] * 4, ["t1"] * 4).round(4).tolist()
    [1.926, -0.3894, -0.3894, -0.3894]
    >>> tmn_reweight(rewards, ["p"] * 4, ["t1"] * 4, recenter=True).round(4).tolist()
    [1.7366, -0.5789, -0.5789, -0.5789]
    """
    if not (isinstance(alpha, int | float) and 0 <= alpha <= 1):
        raise ConfigError(f"alpha={alpha!r}", "give a number from 0 (the task's mean) to 1 (the prompt's own)")
    if not (isinstance(gamma, int | float) and 0 <= gamma < float("inf")):
        raise ConfigError(f"gamma={gamma!r}", "give a number of 0 or more")
    if not isinstance(recenter, bool):
        raise ConfigError(f"recenter={recenter!r}", "give True or False")
    batch = read_batch(rewards, prompt_ids, task_ids, singles)
    xp, prompt = batch.xp, batch.prompt
    variance, mean = _task_statistics(batch, scale)
    baseline = mean[batch.task]
    threshold = alpha * batch.mean + (1 - alpha) * baseline
    if batch.singles == "official":
        threshold = xp.where(batch.count == 1, baseline, threshold)
    passed = (batch.values > (threshold + _TIE * abs(threshold).clip(min=1.0))[prompt]) * batch.scored
    many = len(batch.count)
    rate = sum_by(passed, prompt, many) / batch.count.clip(min=1)
    tilt = gamma * (0.5 - rate[prompt])
    advantages = _scaled(batch, variance) * xp.exp(xp.where(batch.deviation > 0, tilt, -tilt))
    if recenter:
        centre = sum_by(advantages, prompt, many) / batch.count.clip(min=1)
        if batch.singles == "official":
            centre = xp.where(batch.count == 1, xp.zeros_like(centre), centre)
        advantages = advantages - centre[prompt] * batch.scored
    return batch.given(advantages)


def _scaled(batch: Batch, variance: Array) -> Array:
    return batch.deviation / (batch.xp.sqrt(variance) + EPS)[batch.task][batch.prompt]


def _task_statistics(batch: Batch, scale: TaskScale | None) -> tuple[Array, Array]:
    """Return sigma_k^2 and M_k, two arrays (T,)."""
    if scale is not None:
        return scale.update(batch)
    prompts = batch.by_task(batch.counted).clip(min=1)
    return batch.by_task(batch.variance * batch.counted) / prompts, batch.by_task(batch.mean * batch.counted) / prompts


def _around(batch: Batch, rows: Array, numbers: Array, count: int) -> tuple[Array, Array]:
    """Return each row's distance from the mean of its number's rows, and their standard deviation with Bessel's."""
    n = sum_by(rows, numbers, count)
    mean = sum_by(batch.values * rows, numbers, count) / n.clip(min=1)
    distance = (batch.values - mean[numbers]) * rows
    equal = abs(distance) <= 1e-12 * abs(mean)[numbers]
    distance = batch.xp.where(equal, batch.xp.zeros_like(distance), distance)
    spread = batch.xp.sqrt(sum_by(distance * distance, numbers, count) / (n - 1).clip(min=1))
    return distance, spread[numbers]
