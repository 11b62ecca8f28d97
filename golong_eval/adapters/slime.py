"""slime 0.3: the reward, the advantages in its reward hook, and the rows.

    --custom-rm-path golong_eval.adapters.slime.reward
    --custom-reward-post-process-path golong_eval.adapters.slime.post_process
    --input-key prompt --label-key label --metadata-key metadata --apply-chat-template

`post_process` sees all samples of a rollout at once, so TMN and TMN-Reweight fit in without a patch: with the
estimators ``grpo``, ``gspo`` and ``cispo`` slime spreads what it returns over the tokens, unchanged. Settings are
attributes ``golong_NAME`` of slime's arguments (keys of the YAML file of ``--custom-config-path``), or environment
variables ``GOLONG_NAME``: those of `golong_eval.adapters.batch_advantages`, and ``variant`` and ``require_think`` of
the reward.

Source: slime 0.3.1.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from golong_eval.adapters.batch_advantages import (
    REWARD_SETTINGS,
    SETTINGS,
    BatchAdvantages,
    check_environment,
    check_names,
    fill_tasks,
    read_advantages,
    read_reward_settings,
)
from golong_eval.adapters.responses import with_opened_thinking, without_end_tokens
from golong_eval.adapters.rows import (
    Row,
    Scored,
    decode_label,
    log_failures,
    score_labels,
    write_rows,
)
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Sample, Variant

__all__ = ["post_process", "reward", "write_slime_rows"]

_log = logging.getLogger(__name__)

_UNCHANGED = ("grpo", "gspo", "cispo")
"""Estimators that take the rewards of the hook as the advantages."""

_THREADS = 4  # each call is a sample or a group: work that takes milliseconds, mathematics in processes aside


async def reward(args: Any, sample: Any, **_kwargs: Any) -> Any:
    """Return the reward of a sample, or of each of a list of them (``--group-rm``), for ``--custom-rm-path``.

    The work is done in threads, and mathematics in processes: the event loop, and with it the rollout, goes on.

    Never raises on a sample. One without a score (an unreadable label, a failure of ours) gets 0.0 and
    ``remove_sample``, so that slime takes it out of the loss and `post_process` out of the statistics, and an error in
    the log, once a kind. What the metric said stands in ``sample.metadata["golong"]``.

    Args:
        args: slime's arguments. With ``reward_key`` or ``eval_reward_key`` a reward is a dict with these keys.
        sample: A ``Sample``, or a list of them.
        **_kwargs: What else slime may pass.

    Raises:
        ConfigError: A setting is unknown or wrong.
    """
    samples = sample if isinstance(sample, list) else [sample]
    _check_names(args)
    variant, require_think = read_reward_settings(lambda name: _setting(args, name))
    loop = asyncio.get_running_loop()
    scored = await loop.run_in_executor(_threads(os.getpid()), _score, samples, variant, require_think)
    keys = [key for name in ("reward_key", "eval_reward_key") if (key := getattr(args, name, None))]
    rewards: list[Any] = []
    for one, of in zip(scored, samples, strict=True):
        said = {"task": one.task, "status": one.status} | ({} if one.error is None else {"error": one.error})
        before = (of.metadata or {}).get("golong") or {}
        of.metadata = (of.metadata or {}) | {"golong": said}
        if one.value is None:
            of.remove_sample = True
        elif "error" in before:  # scored anew: it was removed for want of a score
            of.remove_sample = False
        value = one.value or 0.0
        rewards.append(dict.fromkeys(keys, value) if keys else value)
    return rewards if isinstance(sample, list) else rewards[0]


def _score(samples: Sequence[Any], variant: Variant | None, require_think: bool) -> list[Scored]:
    responses = [
        with_opened_thinking(sample.prompt, without_end_tokens(sample.response))
        if isinstance(sample.response, str)
        else sample.response
        for sample in samples
    ]
    labels = [sample.label for sample in samples]
    scored = score_labels(labels, responses, variant=variant, require_think=require_think)
    log_failures(_log, scored, "slime is given 0.0, and remove_sample")
    return scored


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Return the threads of this process; a forked one has its own."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix=f"golong-reward-{process}")


def post_process(args: Any, samples: Sequence[Any]) -> tuple[list[float], list[float]]:
    """Return rewards and advantages of a rollout, for ``--custom-reward-post-process-path``.

    Prompts are told apart by ``sample.group_index`` (groups may differ in size), tasks by the label, or by
    ``sample.metadata["task"]`` where rows are not ours. Samples that are parts of one rollout (``rollout_id``) count
    once, by the last of them. A sample with ``remove_sample``, and one whose reward is None or NaN, enters no statistic
    and has advantage 0. What `golong_eval.advantages.diagnose` says is logged as a line of JSON.

    Args:
        args: slime's arguments.
        samples: The samples, or lists of them.

    Returns:
        The rewards as the samples have them (0.0 for None), and the advantages, in the order of the samples.

    Raises:
        ConfigError: A setting is wrong, or the estimator of slime would not take the advantages as they are.
        DataError: A sample has no group, a group has two tasks, or a task is unknown.
    """
    _check(args)
    flat = [one for group in samples for one in (group if isinstance(group, list) else [group])]
    rewards = [_reward_of(args, sample) for sample in flat]
    tasks = fill_tasks([sample.group_index for sample in flat], [_task_of(sample) for sample in flat])
    last: dict[Any, int] = {}  # of each rollout, the row of its last sample
    rollouts: list[Any] = []
    for row, sample in enumerate(flat):
        part = getattr(sample, "rollout_id", None)
        rollouts.append(("row", row) if part is None else (sample.group_index, part))
        last[rollouts[-1]] = row
    counted = list(last.values())
    advantages = _advantages(_settings(args))
    found = advantages(
        [math.nan if flat[row].remove_sample else rewards[row] for row in counted],
        [flat[row].group_index for row in counted],
        [tasks[row] for row in counted],
    )
    of_rollout = dict(zip(last, map(float, found), strict=True))
    _log.info("golong-eval: %s", json.dumps(advantages.metrics))
    return [0.0 if math.isnan(value) else value for value in rewards], [
        0.0 if sample.remove_sample else of_rollout[rollout] for sample, rollout in zip(flat, rollouts, strict=True)
    ]


def _reward_of(args: Any, sample: Any) -> float:
    value = sample.reward
    if isinstance(value, dict):
        key = getattr(args, "reward_key", None)
        if not key:
            raise ConfigError("the rewards are dicts", "name the key of the reward: --reward-key")
        value = value.get(key)
    return math.nan if value is None else float(value)


def _task_of(sample: Any) -> str | None:
    metadata = sample.metadata or {}
    said = (metadata.get("golong") or {}).get("task") or metadata.get("task")
    if said:
        return str(said)
    try:
        return decode_label(sample.label).task
    except DataError as error:
        if sample.remove_sample:
            return None
        raise DataError(f"the task of sample {sample.index} is unknown: {error}", 'set metadata["task"]') from None


def _check_names(args: Any) -> None:
    known = (*SETTINGS, *REWARD_SETTINGS)
    check_names(getattr(args, "__dict__", {}), known, "golong_")
    check_environment(known)


def _check(args: Any) -> None:
    _check_names(args)
    estimator = getattr(args, "advantage_estimator", "grpo")
    if estimator not in _UNCHANGED:
        raise ConfigError(
            f"--advantage-estimator {estimator} makes advantages of its own of these",
            f"choose one of {', '.join(_UNCHANGED)}, which take them as they are",
        )
    if getattr(args, "normalize_advantages", False):
        raise ConfigError("--normalize-advantages would undo the scale of the tasks", "leave it out")


def _setting(args: Any, name: str) -> Any:
    value = getattr(args, f"golong_{name}", None)
    return os.environ.get(f"GOLONG_{name.upper()}") if value is None else value


def _settings(args: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name in SETTINGS if (value := _setting(args, name)) is not None)


@cache
def _advantages(settings: tuple[tuple[str, Any], ...]) -> BatchAdvantages:
    """Return the estimator of this process: its running scale goes from one rollout to the next."""
    return read_advantages(dict(settings).get)


def write_slime_rows(
    samples: Iterable[Sample],
    path: Path | str,
    *,
    variant: Variant | None = None,
    include: Sequence[Path | str] = (),
) -> int:
    """Write samples as JSON lines with ``prompt`` (messages), ``label`` and ``metadata``; return how many.

    ``metadata`` has ``task``, ``sample`` and ``source_name``, by which slime logs.

    Arguments and errors are those of `golong_eval.adapters.rows.write_rows`.
    """
    return write_rows(samples, path, _row, variant=variant, include=include)


def _row(row: Row) -> dict[str, Any]:
    task = row.task.id
    return {
        "prompt": row.task.prompt(row.sample).messages,
        "label": row.label,
        "metadata": {"task": task, "sample": row.sample.id, "source_name": f"golong_{task}"},
    }
