"""Diagnostics: by hand, against the estimators' own behaviour, and with nothing to say."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from golong_eval.advantages import diagnose, dr_grpo, grpo, tmn, tmn_reweight
from golong_eval.errors import DataError


def test_by_hand() -> None:
    """t1: a 1 0, b 1 1, c .5 alone; t9: d .6 .4, and one row not scored."""
    rewards = [1.0, 0.0, 1.0, 1.0, 0.5, 0.6, 0.4, math.nan]
    prompts, tasks = list("aabbcddd"), ["t1"] * 5 + ["t9"] * 3
    batch = diagnose(rewards, dr_grpo(rewards, prompts), prompts, tasks)
    t1, t9 = batch.tasks["t1"], batch.tasks["t9"]
    assert (batch.prompts, batch.rows, batch.unscored) == (4, 8, 1)
    assert (t1.prompts, t1.rows, t1.unscored, t1.singles) == (3, 5, 0, 1)
    assert (t9.prompts, t9.rows, t9.unscored, t9.singles) == (1, 3, 1, 0)
    assert t1.mean_reward == pytest.approx(0.7)
    assert t1.std_reward == pytest.approx(math.sqrt((0.09 + 0.49 + 0.09 + 0.09 + 0.04) / 4))
    assert t1.mean_group_std == pytest.approx(math.sqrt(0.5) / 2)
    assert t1.rms_group_std == pytest.approx(0.5)
    assert t1.full_marks == pytest.approx(3 / 5)
    assert t1.all_equal == pytest.approx(1 / 2)
    assert t1.mean_rewards == (0, 0, 0, 0, 0, 2, 0, 0, 0, 1)  # means .5, .5 and 1
    assert t1.mean_abs_advantage == pytest.approx(0.2)
    assert t9.mean_abs_advantage == pytest.approx(0.1)
    assert t1.share_of_advantage == pytest.approx(1.0 / 1.2)
    assert batch.cv_abs_advantage == pytest.approx(0.05 / 0.15)
    assert batch.all_equal == pytest.approx(1 / 3)
    assert batch.mean_reward == pytest.approx(4.5 / 7)
    assert batch.mean_task_reward == pytest.approx((0.7 + 0.5) / 2)
    assert t1.share_of_prompts == pytest.approx(3 / 4)


def test_a_scale_balances_tasks() -> None:
    """Tasks whose rewards spread by 1, 0.3 and 0.05: without a scale the first has nearly all of the update."""
    rng = np.random.default_rng(1)
    spread = np.repeat([1.0, 0.3, 0.05], 160)
    rewards = np.where(spread == 1.0, rng.integers(0, 2, 480), 0.5 + spread * rng.standard_normal(480))
    prompts, tasks = np.repeat(np.arange(60), 8), np.repeat(["t1", "t2", "t9"], 160)
    none, group, task = (
        diagnose(rewards, f(rewards, prompts, tasks), prompts, tasks).cv_abs_advantage for f in (dr_grpo, grpo, tmn)
    )
    assert none > 0.5
    assert group < 0.2
    assert task < 0.2


def test_the_range_of_weights_is_that_of_reweighting() -> None:
    rewards, prompts, tasks = [1.0, 0.0, 0.0, 0.0], ["p"] * 4, ["t1"] * 4
    plain = diagnose(rewards, tmn(rewards, prompts, tasks), prompts, tasks).tasks["t1"]
    assert (plain.weight_min, plain.weight_max) == pytest.approx((1, 1))
    tilted = diagnose(rewards, tmn_reweight(rewards, prompts, tasks), prompts, tasks).tasks["t1"]
    assert (tilted.weight_min, tilted.weight_max) == pytest.approx((math.exp(-0.25), math.exp(0.25)))


def test_a_flat_dictionary_of_numbers() -> None:
    batch = diagnose([1.0, 0.0], [1.0, -1.0], ["p", "p"], ["t1", "t1"])
    flat = batch.to_dict("golong/")
    assert flat["golong/t1/mean_reward"] == 0.5
    assert flat["golong/cv_abs_advantage"] == 0
    assert all(type(value) is float and math.isfinite(value) for value in flat.values())
    assert json.loads(json.dumps(flat)) == flat


def test_what_is_undefined_is_left_out() -> None:
    """No rewards at all, an empty batch, and advantages of 0: no number is made up."""
    nothing = diagnose([math.nan, math.nan], [0.0, 0.0], ["p", "p"], ["t1", "t1"])
    assert math.isnan(nothing.mean_reward)
    assert "t1/mean_reward" not in nothing.to_dict()
    assert "cv_abs_advantage" not in nothing.to_dict()
    empty = diagnose([], [], [], [])
    assert (empty.rows, empty.tasks) == (0, {})
    equal = diagnose([0.5, 0.5], [0.0, 0.0], ["p", "p"])
    assert equal.tasks["all"].all_equal == 1
    assert math.isnan(equal.tasks["all"].weight_min)


def test_a_mean_of_seven_tenths_is_in_its_bin() -> None:
    """Three times 0.7 has a mean a little below it."""
    batch = diagnose([0.7] * 3, [0.0] * 3, ["p"] * 3, ["t"] * 3)
    assert batch.tasks["t"].mean_rewards[7] == 1


def test_tensors_are_read() -> None:
    torch = pytest.importorskip("torch")
    rewards, ids = torch.tensor([1.0, 0.0], dtype=torch.bfloat16), torch.tensor([4, 4])
    batch = diagnose(rewards, grpo(rewards, ids), ids, torch.tensor([1, 1]))
    assert batch.tasks[1].mean_reward == 0.5


def test_bad_advantages_are_refused() -> None:
    with pytest.raises(DataError, match="row 1 is not finite"):
        diagnose([1.0, 0.0], [1.0, math.nan], ["p", "p"])
    with pytest.raises(DataError, match="shape"):
        diagnose([1.0, 0.0], [1.0], ["p", "p"])
