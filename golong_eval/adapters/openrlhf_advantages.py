"""OpenRLHF with our advantage estimators: its list of them is fixed, so one method of it is wrapped.

    python -m golong_eval.adapters.openrlhf_advantages --algo.advantage.estimator dr_grpo ...

The options are those of ``openrlhf.cli.train_ppo_ray``. Ray is started with a hook in every process, which waits until
OpenRLHF's experience maker is imported (the trainer's process alone does) and then wraps
``RemoteExperienceMaker.compute_advantages_and_returns``. Where you start Ray yourself, the hook is
``runtime_env={"worker_process_setup_hook": "golong_eval.adapters.openrlhf_advantages.install"}``.

OpenRLHF's method still does all the rest: length penalties come before the advantages and KL after, as ever. It runs as
for ``dr_grpo``, which neither divides nor whitens, with our advantages where its rewards would be, and without its
subtraction of the group's mean.

Settings are environment variables ``GOLONG_NAME``; see `golong_eval.adapters.batch_advantages`.

Source: OpenRLHF 0.11.2.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import os
import runpy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from golong_eval._optional import require
from golong_eval.adapters.batch_advantages import (
    REWARD_SETTINGS,
    SETTINGS,
    BatchAdvantages,
    check_environment,
    fill_tasks,
    read_advantages,
)
from golong_eval.adapters.import_hook import patch_on_import
from golong_eval.adapters.rows import decode_label
from golong_eval.errors import ConfigError, DataError

__all__ = ["install", "main", "with_advantages"]

_log = logging.getLogger(__name__)

_MODULE = "openrlhf.trainer.ppo_utils.experience_maker"
_BASE = "dr_grpo"
_LOGGED = ("cv_abs_advantage", "all_equal", "rms_group_std", "share_of_advantage", "mean_reward")


def install() -> None:
    """Wrap OpenRLHF's experience maker, now or when this process imports it. A second call does nothing."""
    patch_on_import("openrlhf", (_MODULE,), _patch, _unusual)


def _unusual(name: str) -> None:
    raise ImportError(f"golong-eval can't extend {name}: it is loaded in an unusual way")


def _patch(module: ModuleType) -> None:
    """Patch the module. One that is not as expected must stop the training: it would train without our estimator."""
    maker = getattr(module, "RemoteExperienceMaker", None)
    original = getattr(maker, "compute_advantages_and_returns", None)
    if maker is None or original is None or not hasattr(module, "apply_length_penalties"):
        raise ImportError(f"golong-eval is made for OpenRLHF 0.11.2, and can't extend {_MODULE} here")
    if getattr(original, "_golong", False):
        return

    @functools.wraps(original)
    def compute_advantages_and_returns(self: Any, experiences: list[Any]) -> list[Any]:
        return with_advantages(module, original, self, experiences)

    compute_advantages_and_returns._golong = True  # type: ignore[attr-defined]
    maker.compute_advantages_and_returns = compute_advantages_and_returns


def with_advantages(module: Any, original: Callable[..., Any], maker: Any, experiences: list[Any]) -> list[Any]:
    """Compute advantages by our estimator, and the rest by OpenRLHF's own method.

    The prompt of a row is its place divided by ``n_samples_per_prompt`` as in OpenRLHF, its task that of its label.
    A row that `golong_eval.adapters.openrlhf.reward_func` could not score is left out. Metrics by task go to ``info``.

    Args:
        module: OpenRLHF's module.
        original: Its method.
        maker: The experience maker.
        experiences: The batch; its rewards stay what they are after length penalties.

    Raises:
        ConfigError: The estimator of the command line is not ``dr_grpo``, or a setting of ours is wrong.
        DataError: The rows are no whole groups, or a row's task is unknown.
    """
    import torch

    _check_settings()
    args = maker.strategy.args
    if args.algo.advantage.estimator != _BASE:
        raise ConfigError(
            f"--algo.advantage.estimator {args.algo.advantage.estimator} would change our advantages",
            f"--algo.advantage.estimator {_BASE}",
        )
    for experience in experiences:
        experience.rewards = experience.rewards.to(torch.promote_types(experience.rewards.dtype, torch.float32))
    module.apply_length_penalties(experiences, args)
    rewards = [experience.rewards for experience in experiences]
    found, metrics = _advantages(torch.cat(rewards), experiences, args.rollout.n_samples_per_prompt)
    clip = args.reward.clip_range
    if clip and bool(((found < clip[0]) | (found > clip[1])).any()):
        _log.warning("--reward.clip_range %s clips advantages", tuple(clip))
    try:
        for experience, own in zip(experiences, found.split([len(part) for part in rewards]), strict=True):
            experience.rewards = own
        with _rest_only(module, args):
            result: list[Any] = original(maker, experiences)
    finally:
        for experience, own in zip(experiences, rewards, strict=True):
            experience.rewards = own
    for experience in result:
        many = len(experience.rewards)
        experience.info.pop("group_reward_std", None)  # of the advantages; ours is golong_TASK_rms_group_std
        experience.info |= {name: torch.full((many,), value) for name, value in metrics.items()}
    return result


def _check_settings() -> None:
    for name in REWARD_SETTINGS:
        if f"GOLONG_{name.upper()}" in os.environ:
            raise ConfigError(
                f"GOLONG_{name.upper()} does nothing with OpenRLHF",
                f"give {name} in the file of --reward.remote_url: reward_func = RewardFunction({name}=...)",
            )
    check_environment(SETTINGS)


def _advantages(rewards: Any, experiences: list[Any], samples: int) -> tuple[Any, dict[str, float]]:
    import torch

    places = list(itertools.chain.from_iterable(experience.index for experience in experiences))
    if len(places) % samples or sorted(places) != list(range(len(places))):
        raise DataError(f"{len(places)} rows are no groups of {samples}", "report this")
    prompts = [place // samples for place in places]
    flags = [
        experience.info.get("golong_unscored", torch.zeros(len(experience.rewards))).bool()
        for experience in experiences
    ]
    unscored = torch.cat([flag.reshape(-1) for flag in flags])
    labels = list(itertools.chain.from_iterable(experience.labels for experience in experiences))
    tasks = fill_tasks(prompts, [_task(label, bool(bad)) for label, bad in zip(labels, unscored, strict=True)])
    give = _estimator(tuple((name, os.environ.get(f"GOLONG_{name.upper()}")) for name in SETTINGS))
    found = give(rewards.masked_fill(unscored, math.nan), prompts, tasks)
    logged = {
        "golong_" + name.removeprefix("golong/").replace("/", "_"): value
        for name, value in give.metrics.items()
        if name.endswith(_LOGGED)
    }
    return found, logged


def _task(label: Any, unscored: bool) -> str | None:
    try:
        return decode_label(label).task
    except DataError:
        if unscored:
            return None
        raise


@cache
def _estimator(settings: tuple[tuple[str, str | None], ...]) -> BatchAdvantages:
    """Return the estimator of this process: its running scale goes from one step to the next."""
    return read_advantages(dict(settings).get)


@contextmanager
def _rest_only(module: Any, args: Any) -> Iterator[None]:
    """Let OpenRLHF's method skip what is done: penalties, and shaping, which it has none of for an unknown name."""
    penalties, estimator = module.apply_length_penalties, args.algo.advantage.estimator
    module.apply_length_penalties = _nothing
    args.algo.advantage.estimator = "golong"
    try:
        yield
    finally:
        module.apply_length_penalties = penalties
        args.algo.advantage.estimator = estimator


def _nothing(experiences: Any, args: Any) -> None:
    """Stands for the length penalties, which are in the rewards already."""


def main() -> None:
    """Start Ray with the hook, and OpenRLHF's ``train_ppo_ray`` with the options of this command line.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: A setting of ours is wrong.
    """
    ray: Any = require("ray", "ray", "training with OpenRLHF")
    _check_settings()
    read_advantages(lambda name: os.environ.get(f"GOLONG_{name.upper()}"))  # better now than after minutes
    ours = {name: value for name, value in os.environ.items() if name.startswith("GOLONG_")}
    theirs = {"TOKENIZERS_PARALLELISM": "true", "NCCL_DEBUG": "WARN", "RAY_ENABLE_ZERO_COPY_TORCH_TENSORS": "1"}
    theirs = {name: os.environ.get(name, value) for name, value in theirs.items()}
    ray.init(runtime_env={"worker_process_setup_hook": f"{_NAME}.install", "env_vars": theirs | ours})
    runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__", alter_sys=True)


_NAME = "golong_eval.adapters.openrlhf_advantages"

if __name__ == "__main__":
    main()
