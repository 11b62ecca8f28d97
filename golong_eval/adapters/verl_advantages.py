"""Our estimators in verl's trainers: advantages, their metrics, the settings, and the running scale in checkpoints.

`verl_plugin` puts this module's functions around verl's own; see there. How the task of a row comes to the estimator:

    V1: batch.keys -> TransferQueue -> data_source, extra_info, extra_fields -> Step (a context variable) -> estimator
    v0: DataProto.non_tensor_batch  ->                                       -> Step (a context variable) -> estimator

Parameters stand in the launch file as ``+algorithm.tmn.alpha=0.8`` and so on: those of the estimator, and ``decay``
for a running scale. Its state lives in the trainer's process, and goes to each checkpoint's ``golong_task_scale.json``.

Source: verl 0.9.1.
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from golong_eval.adapters.batch_advantages import SETTINGS, read_reward_settings, read_setting
from golong_eval.adapters.verl import FLAGS
from golong_eval.adapters.verl_plugin import NAMES
from golong_eval.adapters.verl_step import Step, step_of, step_of_columns, step_of_queue, warn_once
from golong_eval.advantages import TaskScale, broadcast, check_parameters, diagnose, estimate
from golong_eval.errors import ConfigError, DataError, nearest

__all__ = ["advantages_of", "begin", "check", "load", "parameters_of", "running_scale", "save"]

_log = logging.getLogger(__name__)

_REWARD = "golong_eval.adapters.verl"
_REWARD_ARGUMENTS = ("variant", "require_think")
_STATE = "golong_task_scale.json"


_STEP: contextvars.ContextVar[Step | None] = contextvars.ContextVar("golong_step", default=None)
_pending: dict[str, float] = {}  # metrics of the old trainer, which computes advantages without a place for them
_running: TaskScale | None = None


def advantages_of(
    name: str, token_level_rewards: Any, response_mask: Any, index: Any, config: Any, non_tensor_batch: Any
) -> tuple[Any, Any]:
    """Return advantages and returns, both (rows, tokens), as verl's estimators do.

    The reward of a row is the sum of its token-level rewards.

    Args:
        name: Name in `golong_eval.advantages.ESTIMATORS`.
        token_level_rewards: (rows, tokens).
        response_mask: (rows, tokens).
        index: The prompt of each row.
        config: verl's ``algorithm``.
        non_tensor_batch: Columns of the batch, where verl hands them over.

    Raises:
        ConfigError: A parameter is wrong, or there are no ids of prompts.
        DataError: What is known of the rows does not fit them.
    """
    import torch

    if index is None:
        raise ConfigError("verl gave no uid of the prompts", f"{name} needs groups of rollouts: rollout.n above 1")
    step = _STEP.get()
    if step is None and non_tensor_batch is not None:
        step = step_of_columns(non_tensor_batch, len(index))
    if step is None:
        step = step_of([None] * len(index), [None] * len(index))
    rewards = token_level_rewards.detach().sum(dim=-1)
    if len(step.source) != len(rewards):
        raise DataError(f"{len(step.source)} rows are known, and {len(rewards)} have rewards", "report this")
    parameters = parameters_of(name, config)
    prompts, tasks = [index[row] for row in step.counted], _tasks(step)
    counted = torch.as_tensor(step.counted, dtype=torch.long, device=rewards.device)
    unscored = torch.as_tensor([step.unscored[row] for row in step.counted], dtype=torch.bool, device=rewards.device)
    own = rewards[counted].masked_fill(unscored, float("nan"))
    found = estimate(name, own, prompts, tasks, **parameters)
    step.metrics = diagnose(own, found, prompts, tasks).to_dict("golong/") | _flag_shares(step)
    of_row = torch.as_tensor(step.source, dtype=torch.long, device=rewards.device)
    padded = torch.cat([found, found.new_zeros(1)])  # -1 is the last: 0
    spread = broadcast(padded[of_row], response_mask)
    return spread, spread


def _tasks(step: Step) -> list[str] | None:
    """Return the task of each row that counts; None, and a warning, where they are unknown."""
    tasks = [step.tasks[row] for row in step.counted]
    if tasks and all(task is None for task in tasks):
        warn_once("no row names its task (extra_info.task, or data_source): the whole batch is one task")
        return None
    if any(task is None for task in tasks):
        warn_once("some rows do not name their task (extra_info.task, or data_source): they are one, 'unknown'")
    return ["unknown" if task is None else task for task in tasks]


def _flag_shares(step: Step) -> dict[str, float]:
    """Return the share of the rollouts that have each flag of our reward."""
    many = len(step.flags)
    return {
        f"golong/{flag}_share": sum(float(told.get(flag) or 0) for told in step.flags) / many
        for flag in FLAGS
        if many and all(flag in told for told in step.flags)
    }


# What stands around verl's functions; `verl_plugin` puts it there. The first argument is verl's own function.


def with_queue(queue: Any, original: Callable[..., Any], trainer: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Compute advantages in the default trainer: fetch what is known of the rows, and log metrics by task."""
    if trainer.config.algorithm.adv_estimator not in NAMES:
        return original(trainer, batch, *args, **kwargs)
    with _known(step_of_queue(queue, batch)) as step:
        result = original(trainer, batch, *args, **kwargs)
    metrics = kwargs.get("metrics", args[0] if args else None)
    if metrics is not None:
        metrics.update(step.metrics)
    return result


def with_batch(original: Callable[..., Any], data: Any, *args: Any, **kwargs: Any) -> Any:
    """Compute advantages in the old trainer, whose batch has all columns."""
    name = kwargs.get("adv_estimator", args[0] if args else None)
    if name not in NAMES or _STEP.get() is not None:
        return original(data, *args, **kwargs)
    with _known(step_of_columns(data.non_tensor_batch, len(data))) as step:
        result = original(data, *args, **kwargs)
    _pending.update(step.metrics)
    return result


def with_metrics(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Add the metrics by task to those that the old trainer logs."""
    metrics = original(*args, **kwargs)
    metrics.update(_pending)
    _pending.clear()
    return metrics


def begin(original: Callable[..., Any], trainer: Any, *args: Any, **kwargs: Any) -> Any:
    """Check the settings before a trainer starts, which takes minutes, and begin without a running scale."""
    global _running
    config = kwargs.get("config", args[0] if args else None)
    if config is not None:
        check(config)
    _running = None
    return original(trainer, *args, **kwargs)


def save(original: Callable[..., Any], trainer: Any, *args: Any, **kwargs: Any) -> Any:
    """Save the running scale, then the checkpoint: a checkpoint that is complete has it."""
    if _running is not None:
        folder = Path(trainer.config.trainer.default_local_dir) / f"global_step_{trainer.global_steps}"
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{_STATE}.partial"
        partial.write_text(json.dumps(_running.state_dict()))
        partial.replace(folder / _STATE)
    return original(trainer, *args, **kwargs)


def load(original: Callable[..., Any], trainer: Any, *args: Any, **kwargs: Any) -> Any:
    """Load the checkpoint, then the running scale that was saved with it.

    Raises:
        DataError: It was kept with another decay.
    """
    result = original(trainer, *args, **kwargs)
    settings = trainer.config
    name = settings.algorithm.adv_estimator
    steps = getattr(trainer, "global_steps", 0)
    scale = parameters_of(NAMES[name], settings.algorithm).get("scale") if name in NAMES else None
    if scale is None or not steps:
        return result
    own = settings.trainer.resume_from_path if settings.trainer.resume_mode == "resume_path" else None
    folder = Path(own) if own else Path(settings.trainer.default_local_dir) / f"global_step_{steps}"
    if (folder / _STATE).exists():
        scale.load_state_dict(json.loads((folder / _STATE).read_text()))
    else:
        _log.warning("%s has no %s: the running scale of the tasks begins anew", folder, _STATE)
    return result


@contextmanager
def _known(step: Step) -> Iterator[Step]:
    token = _STEP.set(step)
    try:
        yield step
    finally:
        _STEP.reset(token)


# Settings.


def check(config: Any) -> None:
    """Check what a launch file says of us.

    Raises:
        ConfigError: A parameter is unknown or out of range, or a setting would do nothing.
        UnknownNameError: The reward's variant is unknown.
    """
    name = config.algorithm.adv_estimator
    if name in NAMES:
        parameters = parameters_of(NAMES[name], config.algorithm)
        rollouts = ((config.get("actor_rollout_ref") or {}).get("rollout") or {}).get("n")
        if rollouts == 1 and parameters.get("singles") != "official":
            raise ConfigError(
                f"{name} compares the rollouts of a prompt, and there is one: every advantage would be 0",
                "set actor_rollout_ref.rollout.n, for instance to 8",
            )
    elif config.algorithm.get("tmn") is not None:
        raise ConfigError(
            f"algorithm.tmn does nothing with algorithm.adv_estimator={name}", f"choose one of {', '.join(NAMES)}"
        )
    reward = config.get("reward") or {}
    function = reward.get("custom_reward_function") or {}
    old = (config.get("custom_reward_function") or {}).get("path")
    if old and _REWARD.split(".")[0] in str(old).replace("/", ".") and not function.get("path"):
        raise ConfigError(
            "verl ignores custom_reward_function.path at the top level",
            "write reward.custom_reward_function.path",
        )
    if str(function.get("path") or "").replace("/", ".").removesuffix(".py").endswith(_REWARD):
        for argument in function.get("reward_kwargs") or {}:
            if argument not in _REWARD_ARGUMENTS:
                close = nearest(argument, _REWARD_ARGUMENTS)
                hint = f"did you mean {close!r}?" if close else f"it takes {', '.join(_REWARD_ARGUMENTS)}"
                raise ConfigError(f"the reward takes no argument {argument!r}", hint)
        read_reward_settings((function.get("reward_kwargs") or {}).get)


def parameters_of(name: str, config: Any) -> dict[str, Any]:
    """Return an estimator's parameters from ``algorithm.tmn``, checked; ``decay`` as its running scale.

    Raises:
        ConfigError: One is unknown or out of range.
    """
    section = config.get("tmn") if config is not None else None
    parameters = {
        str(key): read_setting(str(key), value) if str(key) in SETTINGS else value
        for key, value in (section or {}).items()
        if value is not None
    }
    decay = parameters.pop("decay", 0.0)
    check_parameters(name, parameters, decay)
    if decay:
        parameters["scale"] = running_scale(decay)
    return parameters


def running_scale(decay: float) -> TaskScale:
    """Return the running scale of this process, made at its first use."""
    global _running
    if _running is None or _running.decay != decay:
        _running = TaskScale(decay)
    return _running
