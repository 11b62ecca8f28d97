"""Speed of the advantage estimators beside verl's `grpo` (a loop) and `grpo_vectorized`, measured in one run.

    make .venv-verl/ready.stamp                        # verl in an environment of its own
    .venv-verl/bin/python bench/advantages.py          # --device cuda where there is one

The scalar part: rewards and ids to one advantage a row; responses have one token, so that verl's functions, which
take token rewards and give token advantages, do no more. Ids are texts in an object array, as verl gives them to all
three. "By numbers" is ours with ids that are integer tensors already. The whole: one advantage a row spread over 2,048
rows of 16,384 tokens, beside the multiplication with the mask alone. Rounds alternate the sides; numbers are medians.
Targets: at least 20 x the loop, no slower than the vectorised form, the whole within 1.5 x of the multiplication.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import uuid
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage, compute_grpo_vectorized_outcome_advantage

from golong_eval.advantages import broadcast, grpo, tmn_reweight

GROUP = 16
TASKS = 9


def timed(call: Callable[[], Any], device: str) -> float:
    """Return the seconds of one call."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def alternate(sides: dict[str, Callable[[], Any]], rounds: int, device: str) -> dict[str, float]:
    """Return the median seconds of each side; the first round warms up and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, call in sides.items():
            spent = timed(call, device)
            if number:
                seconds[name].append(spent)
    return {name: median(values) for name, values in seconds.items()}


def scalar(prompts: int, rounds: int, device: str) -> dict[str, float]:
    """Measure from rewards and ids to one advantage a row."""
    rng = np.random.default_rng(prompts)
    rows = prompts * GROUP
    rewards = torch.tensor(rng.integers(0, 5, rows) / 4, dtype=torch.float32, device=device)
    uids = np.repeat(np.array([str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(prompts)], object), GROUP)
    tasks = np.repeat(np.array([f"t{number % TASKS + 1}" for number in range(prompts)], object), GROUP)
    prompt_numbers = torch.arange(rows, device=device) // GROUP
    task_numbers = prompt_numbers % TASKS
    tokens, mask = rewards[:, None], torch.ones(rows, 1, device=device)
    peer = compute_grpo_outcome_advantage(tokens, mask, uids)[0][:, 0]
    torch.testing.assert_close(peer, grpo(rewards, uids), rtol=1e-4, atol=1e-4)  # the same numbers, or no race
    return alternate(
        {
            "verl grpo": lambda: compute_grpo_outcome_advantage(tokens, mask, uids),
            "verl grpo_vectorized": lambda: compute_grpo_vectorized_outcome_advantage(tokens, mask, uids),
            "ours grpo": lambda: grpo(rewards, uids),
            "ours tmn_reweight": lambda: tmn_reweight(rewards, uids, tasks),
            "ours tmn_reweight by numbers": lambda: tmn_reweight(rewards, prompt_numbers, task_numbers),
        },
        rounds,
        device,
    )


def whole(rounds: int, device: str) -> dict[str, float]:
    """Measure the same spread over the tokens, beside the multiplication with the mask."""
    rows, tokens = 2048, 16_384
    rewards = torch.rand(rows, device=device)
    ids = np.repeat(np.array([f"p{number}" for number in range(rows // GROUP)], object), GROUP)
    tasks = np.repeat(np.array([f"t{number % TASKS}" for number in range(rows // GROUP)], object), GROUP)
    lengths = torch.randint(1, tokens, (rows,), device=device)
    mask = (torch.arange(tokens, device=device) < lengths[:, None]).long()  # verl's masks are int64
    column = torch.rand(rows, 1, device=device)
    return alternate(
        {
            "mask multiplication": lambda: column * mask,
            "ours, whole": lambda: broadcast(tmn_reweight(rewards, ids, tasks), mask),
        },
        rounds,
        device,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", help="write the seconds to this file")
    given = parser.parse_args()
    device = torch.cuda.get_device_name() if given.device == "cuda" else platform.processor() or platform.machine()
    print(f"verl {version('verl')}, torch {torch.__version__}, {torch.get_num_threads()} threads, {device}")
    results = {}
    for prompts in (128, 1024, 8192):
        seconds = results[f"{prompts} x {GROUP}"] = scalar(prompts, given.rounds, given.device)
        print(f"\n{prompts:,} prompts x {GROUP}")
        for name, value in seconds.items():
            loop, vector = seconds["verl grpo"] / value, seconds["verl grpo_vectorized"] / value
            print(f"  {name:<30} {1000 * value:10.2f} ms   {loop:7.1f} x grpo   {vector:6.1f} x grpo_vectorized")
        ours = seconds["ours tmn_reweight"]
        good = seconds["verl grpo"] >= 20 * ours and seconds["verl grpo_vectorized"] >= ours
        print(f"  {'reached' if good else 'NOT REACHED'}: 20 x the loop, no slower than the vectorised form")
    seconds = results["whole"] = whole(given.rounds, given.device)
    ratio = seconds["ours, whole"] / seconds["mask multiplication"]
    print("\n2,048 rows x 16,384 tokens")
    for name, value in seconds.items():
        print(f"  {name:<30} {1000 * value:10.2f} ms")
    print(f"  {'reached' if ratio <= 1.5 else 'NOT REACHED'}: {ratio:.2f} x the mask multiplication, 1.5 at most")
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
