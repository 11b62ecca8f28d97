"""The estimators once more, by loops over dictionaries with Python's statistics: slow, and plain to read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from statistics import fmean, stdev, variance

EPS = 1e-6


def plain(
    name: str,
    rewards: Sequence[float],
    prompts: Sequence[Hashable],
    tasks: Sequence[Hashable],
    singles: str = "leave_out",
    center: str = "group",
    alpha: float = 0.8,
    gamma: float = 1.0,
) -> list[float]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts):
        if not math.isnan(rewards[row]):
            groups[prompt].append(row)
    if singles == "leave_out":
        groups = {prompt: rows for prompt, rows in groups.items() if len(rows) > 1}
    task_of = {prompt: tasks[rows[0]] for prompt, rows in groups.items()}
    mean, var = {}, {}
    for prompt, rows in groups.items():
        values = [rewards[row] for row in rows]
        mean[prompt] = fmean(values) if len(rows) > 1 else 0.0
        var[prompt] = variance(values) if len(rows) > 1 else 1.0
    of_task: dict[Hashable, list[Hashable]] = defaultdict(list)
    for prompt in groups:
        of_task[task_of[prompt]].append(prompt)
    out = [0.0] * len(rewards)
    everything = [rewards[row] for rows in groups.values() for row in rows]
    for prompt, rows in groups.items():
        task = task_of[prompt]
        of_rows = [rewards[row] for other in of_task[task] for row in groups[other]]
        sigma = math.sqrt(fmean(var[other] for other in of_task[task]))
        baseline = fmean(mean[other] for other in of_task[task])
        threshold = alpha * mean[prompt] + (1 - alpha) * baseline
        if len(rows) == 1:
            threshold = baseline
        passed = fmean(rewards[row] > threshold + 1e-9 for row in rows)
        for row in rows:
            distance = rewards[row] - mean[prompt]
            if name == "grpo":
                out[row] = distance / (math.sqrt(var[prompt]) + EPS)
            elif name == "dr_grpo":
                out[row] = distance
            elif name == "task_norm":
                spread = stdev(of_rows) if len(of_rows) > 1 else 0.0
                top = distance if center == "group" else rewards[row] - fmean(of_rows)
                out[row] = top / (spread + EPS) if spread > 1e-12 else 0.0
            elif name == "batch_norm":
                spread = stdev(everything) if len(everything) > 1 else 0.0
                out[row] = distance / (spread + EPS) if spread > 1e-12 else 0.0
            else:
                out[row] = distance / (sigma + EPS)
                if name == "tmn_reweight":
                    above = rewards[row] > mean[prompt]
                    out[row] *= math.exp(gamma * (0.5 - passed if above else passed - 0.5))
    return out
