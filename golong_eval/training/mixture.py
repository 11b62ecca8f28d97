"""Which prompts a training step takes: shares of tasks over the run, and a least number of each task in every step."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias

from golong_eval.errors import ConfigError

__all__ = ["RELEASED_SHARES", "Mixture", "plan_prompts", "task_shares"]

Mixture: TypeAlias = Literal["data", "released", "equal"] | Mapping[str, float]
"""``data``: as the samples are; ``released``: GoLongRL's shares; ``equal``; or shares by task, of any sum."""

RELEASED_SHARES: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(("t1", "t2", "t3", "t4"), 0.924 / 4),
        "t5": 0.042,
        **dict.fromkeys(("t6", "t7", "t8", "t9"), 0.034 / 4),
    }
)
"""Shares of the 22,965 released rows: T1-T4 92.4 %, T5 4.2 %, T6-T9 3.4 % (GoLongRL, arXiv 2605.19577). What each of
T1-T4 and of T6-T9 has was not published: they share alike."""


def task_shares(tasks: Sequence[str], mixture: Mixture = "data") -> dict[str, float]:
    """Return the share of each task that the samples have; they sum to 1.

    Args:
        tasks: The task of each sample.
        mixture: How to mix.

    Raises:
        ConfigError: A share is given to a task without samples, is negative, or all are 0.

    >>> task_shares(["t1", "t1", "t9", "t1"])
    {'t1': 0.75, 't9': 0.25}
    >>> task_shares(["t1", "t1", "t9", "t1"], {"t1": 1, "t9": 3})
    {'t1': 0.25, 't9': 0.75}
    """
    counts: dict[str, float] = {}
    for task in sorted(tasks):
        counts[task] = counts.get(task, 0) + 1
    match mixture:
        case "data":
            weights = counts
        case "equal":
            weights = dict.fromkeys(counts, 1.0)
        case "released":
            weights = {task: RELEASED_SHARES.get(task, 0.0) for task in counts}
        case _:
            for task, share in mixture.items():
                if task not in counts:
                    raise ConfigError(
                        f"the mixture has a share for {task}, of which there are no samples",
                        f"the samples are of {', '.join(counts)}",
                    )
                if not 0 <= share < float("inf"):
                    raise ConfigError(f"the mixture's share of {task} is {share}", "give a number of 0 or more")
            weights = {task: float(mixture.get(task, 0)) for task in counts}
    total = sum(weights.values())
    if not total:
        raise ConfigError("the mixture gives no task of the samples a share", f"name one of {', '.join(counts)}")
    return {task: weight / total for task, weight in weights.items()}


def plan_prompts(
    tasks: Sequence[str], prompts: int, steps: int, *, mixture: Mixture = "data", at_least: int = 0, seed: int = 0
) -> list[int]:
    """Return the samples of a training, step after step: ``steps * prompts`` places in the list of samples.

    Every step has its tasks' shares as nearly as whole numbers allow, and what a step rounds off the next ones make
    good, so that the shares of the run are right. Each task's samples are taken in a shuffled order, all of them
    before any comes again. The order of the tasks within a step is shuffled too. Same arguments, same plan.

    Args:
        tasks: The task of each sample.
        prompts: Prompts a step.
        steps: Steps.
        mixture: How to mix.
        at_least: Prompts of each task that has a share in every step; the rest is shared out by the mixture.
        seed: Seed.

    Raises:
        ConfigError: There are no samples; or a step has no room for ``at_least`` prompts of each task.

    >>> plan = plan_prompts(["t1"] * 8 + ["t9"] * 2, prompts=5, steps=2, at_least=1)
    >>> sorted(plan)  # eight and two in ten, one t9 in each step
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if not tasks:
        raise ConfigError("there are no samples to train on", "make some with: golong tasks build --out FILE.jsonl")
    shares = {task: share for task, share in task_shares(tasks, mixture).items() if share}
    if at_least * len(shares) > prompts:
        raise ConfigError(
            f"{prompts} prompts a step have no room for {at_least} of each of {len(shares)} tasks",
            f"give at_least {prompts // len(shares)}, or {at_least * len(shares)} prompts a step",
        )
    rng = random.Random(seed)
    order: dict[str, list[int]] = {task: [] for task in shares}
    given, plan = dict.fromkeys(shares, 0), []
    for step in range(1, steps + 1):
        # What each is behind its share by now; at least at_least.
        room = dict.fromkeys(shares, at_least)
        for _ in range(prompts - at_least * len(shares)):
            behind = max(shares, key=lambda task: shares[task] * prompts * step - given[task] - room[task])
            room[behind] += 1
        chosen = []
        for task, number in room.items():
            given[task] += number
            for _ in range(number):
                if not order[task]:
                    order[task] = [place for place, other in enumerate(tasks) if other == task]
                    rng.shuffle(order[task])
                chosen.append(order[task].pop())
        rng.shuffle(chosen)
        plan += chosen
    return plan
