"""Which prompts a step takes: shares over the run, a least number in a step, every sample before any comes again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.errors import ConfigError
from golong_eval.training import RELEASED_SHARES, plan_prompts, task_shares

TASKS = st.lists(st.sampled_from([f"t{n}" for n in range(1, 10)]), min_size=1, max_size=60)


@settings(max_examples=80, deadline=None)
@given(
    tasks=TASKS,
    prompts=st.integers(1, 20),
    steps=st.integers(1, 8),
    mixture=st.sampled_from(["data", "equal"]),
    seed=st.integers(0, 3),
)
def test_shares_hold_over_the_run(tasks: list[str], prompts: int, steps: int, mixture: Any, seed: int) -> None:
    plan = plan_prompts(tasks, prompts, steps, mixture=mixture, seed=seed)
    assert len(plan) == prompts * steps
    shares = task_shares(tasks, mixture)
    assert sum(shares.values()) == pytest.approx(1)
    for done in range(1, steps + 1):
        counts = Counter(tasks[place] for place in plan[: done * prompts])
        for task, share in shares.items():
            assert abs(counts[task] - share * done * prompts) <= len(shares)  # whole numbers, made good later
    seen = Counter(plan)
    for task in shares:
        times = [seen[place] for place, other in enumerate(tasks) if other == task]
        assert max(times) - min(times) <= 1  # all of a task's samples before any comes again


@settings(max_examples=50, deadline=None)
@given(tasks=TASKS, steps=st.integers(1, 6), at_least=st.integers(1, 3))
def test_every_step_has_each_task(tasks: list[str], steps: int, at_least: int) -> None:
    prompts = at_least * len(set(tasks)) + 2
    plan = plan_prompts(tasks, prompts, steps, mixture="data", at_least=at_least)
    for step in range(steps):
        counts = Counter(tasks[place] for place in plan[step * prompts : (step + 1) * prompts])
        assert min(counts[task] for task in set(tasks)) >= at_least


def test_a_longer_plan_begins_with_the_shorter_one() -> None:
    """So a training that is made longer goes on with the prompts that were to come."""
    tasks = ["t1"] * 7 + ["t9"] * 5
    assert plan_prompts(tasks, 4, 9, seed=5)[:12] == plan_prompts(tasks, 4, 3, seed=5)
    assert plan_prompts(tasks, 4, 3, seed=5) != plan_prompts(tasks, 4, 3, seed=6)


def test_the_released_shares() -> None:
    """92.4, 4.2 and 3.4 per cent of T1-T4, T5 and T6-T9."""
    assert sum(RELEASED_SHARES.values()) == pytest.approx(1)
    shares = task_shares([f"t{n}" for n in range(1, 10)], "released")
    assert shares["t5"] == pytest.approx(0.042)
    assert sum(shares[f"t{n}"] for n in range(6, 10)) == pytest.approx(0.034)


@pytest.mark.parametrize(
    ("mixture", "what"),
    [({"t2": 1.0}, "no samples"), ({"t1": -1.0}, "is -1"), ({"t1": float("nan")}, "is nan"), ({"t1": 0.0}, "no task")],
)
def test_a_wrong_mixture_is_refused(mixture: Any, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        task_shares(["t1"], mixture)


def test_too_few_prompts_and_no_samples_are_refused() -> None:
    with pytest.raises(ConfigError, match="no room for 2"):
        plan_prompts(["t1", "t2"], prompts=3, steps=1, at_least=2)
    with pytest.raises(ConfigError, match="no samples"):
        plan_prompts([], prompts=3, steps=1)


def test_a_task_without_a_share_is_not_taken() -> None:
    plan = plan_prompts(["t1", "t2"], prompts=2, steps=2, mixture={"t2": 1.0})
    assert set(plan) == {1}
