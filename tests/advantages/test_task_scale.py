"""The running scale: by hand, over checkpoints, and decay 0 the published method."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from golong_eval.advantages import TaskScale, estimate, tmn, tmn_reweight
from golong_eval.errors import ConfigError, DataError

STEPS = [
    ([1.0, 0.0, 0.2, 0.0], ["a", "a", "b", "b"], ["t1", "t1", "t2", "t2"]),
    ([0.6, 0.4], ["c", "c"], ["t1", "t1"]),
    ([0.0, 0.0, 1.0, 0.0], ["d", "d", "e", "e"], ["t1", "t1", "t2", "t2"]),
]


def test_by_hand() -> None:
    """t1 sees variances .5, .02, 0; t2 sees .02, nothing, .5. Weights of a step at decay .5: 1/4, 1/2, 1."""
    scale = TaskScale(decay=0.5)
    for step in STEPS:
        out = tmn(*step, scale=scale)
    t1 = (0.25 * 0.5 + 0.5 * 0.02) / 1.75
    t2 = (0.25 * 0.02 + 0.5) / 1.25
    assert scale.variance("t1") == pytest.approx(t1)
    assert scale.variance("t2") == pytest.approx(t2)
    assert scale.mean("t1") == pytest.approx((0.25 * 0.5 + 0.5 * 0.5) / 1.75)
    assert out == pytest.approx([0, 0, 0.5 / math.sqrt(t2), -0.5 / math.sqrt(t2)], abs=1e-5)


def test_equal_numbers_of_prompts_are_adams_bias_corrected_average() -> None:
    decay, average, scale = 0.9, 0.0, TaskScale(decay=0.9)
    rng = np.random.default_rng(3)
    for step in range(1, 30):
        rewards = rng.random(8)
        tmn(rewards, np.repeat([0, 1], 4), ["t"] * 8, scale=scale)
        average = decay * average + (1 - decay) * rewards.reshape(2, 4).var(axis=1, ddof=1).mean()
        assert scale.variance("t") == pytest.approx(average / (1 - decay**step))


@pytest.mark.parametrize("name", ["tmn", "tmn_reweight"])
def test_decay_0_is_the_published_method(name: str) -> None:
    scale = TaskScale(decay=0)
    for step in STEPS:
        np.testing.assert_array_equal(estimate(name, *step, scale=scale), estimate(name, *step))


def test_the_baseline_runs_too() -> None:
    """After a step of full marks the task's baseline is above a group that is below it: nothing passes, at alpha 0."""
    scale = TaskScale(decay=0.99)
    tmn_reweight([1.0, 1.0], ["p", "p"], ["t", "t"], scale=scale)
    out = tmn_reweight([0.4, 0.2], ["q", "q"], ["t", "t"], alpha=0, scale=scale)
    step1 = np.array([0.1, -0.1]) / (math.sqrt(scale.variance("t") or 0) + 1e-6)
    assert out / step1 == pytest.approx([math.exp(0.5), math.exp(-0.5)])


def test_a_task_that_stays_away_keeps_its_average() -> None:
    scale = TaskScale(decay=0.5)
    tmn([1.0, 0.0], ["a", "a"], ["rare", "rare"], scale=scale)
    for _ in range(3000):
        tmn([0.2, 0.0], ["b", "b"], ["often", "often"], scale=scale)
    assert scale.variance("rare") == pytest.approx(0.5)
    assert scale.mean("rare") == pytest.approx(0.5)


def test_unscored_and_single_rows_leave_it_alone() -> None:
    scale = TaskScale()
    tmn([math.nan, 1.0], ["a", "a"], ["t", "t"], scale=scale)
    assert scale.variance("t") is None
    assert scale.mean("t") is None


@pytest.mark.parametrize("cut", [1, 2])
def test_a_restored_scale_goes_on_alike(cut: int) -> None:
    torch = pytest.importorskip("torch")
    whole, first = TaskScale(0.8), TaskScale(0.8)
    outs = [tmn_reweight(torch.tensor(r), p, t, scale=whole) for r, p, t in STEPS]
    for r, p, t in STEPS[:cut]:
        tmn_reweight(torch.tensor(r), p, t, scale=first)
    second = TaskScale(0.8)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for (r, p, t), want in zip(STEPS[cut:], outs[cut:], strict=True):
        assert torch.equal(tmn_reweight(torch.tensor(r), p, t, scale=second), want)


@pytest.mark.parametrize("decay", [-0.1, 1.0, math.nan])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match="decay"):
        TaskScale(decay)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ({}, "no state"),
        ({"version": 1, "decay": 0.9, "tasks": [["t1", 1.0]]}, "no state"),
        ({"version": 2, "decay": 0.9, "tasks": []}, "version 2"),
        ({"version": 1, "decay": 0.5, "tasks": []}, "decay 0.5"),
    ],
)
def test_a_wrong_state_is_refused(state: dict[str, object], what: str) -> None:
    with pytest.raises(DataError, match=what):
        TaskScale(0.9).load_state_dict(state)
