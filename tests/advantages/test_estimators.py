"""Advantages: the formulas by hand, the same by plain loops, what must not change them, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.advantages import (
    ESTIMATORS,
    TaskScale,
    batch_norm,
    broadcast,
    check_parameters,
    dr_grpo,
    estimate,
    grpo,
    task_norm,
    tmn,
    tmn_reweight,
)
from golong_eval.errors import ConfigError, DataError, UnknownNameError

from .plain import plain

# Fractions of twelve: half of them tie, and none is so near to another that rounding could decide.
LEVELS = [0.0, 0.25, 1 / 3, 0.5, 0.75, 1.0]


@st.composite
def batches(draw: st.DrawFn, unscored: bool = True) -> tuple[list[float], list[str], list[str]]:
    """Rows of up to six prompts of up to three tasks in any order, with groups of one to five."""
    rows = []
    for prompt in range(draw(st.integers(0, 6))):
        task = f"t{draw(st.integers(1, 3))}"
        for _ in range(draw(st.integers(1, 5))):
            levels = st.sampled_from([*LEVELS, math.nan] if unscored else LEVELS)
            rows.append((draw(levels), f"p{prompt}", task))
    rows = draw(st.permutations(rows))
    return [r for r, _, _ in rows], [p for _, p, _ in rows], [t for _, _, t in rows]


@settings(max_examples=150, deadline=None)
@given(batch=batches(), singles=st.sampled_from(["leave_out", "official"]), alpha=st.sampled_from([0.0, 0.5, 0.8, 1.0]))
def test_equal_to_plain_loops(batch: Any, singles: Any, alpha: float) -> None:
    rewards, prompts, tasks = batch
    for name in ESTIMATORS:
        for extra in [{"center": "group"}, {"center": "task"}] if name == "task_norm" else [{}]:
            more: dict[str, Any] = dict(extra, **({"alpha": alpha} if name == "tmn_reweight" else {}))
            got = estimate(name, rewards, prompts, tasks, singles=singles, **more)
            want = plain(name, rewards, prompts, tasks, singles=singles, **more)
            assert got.shape == (len(rewards),)
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9, err_msg=name)


def test_by_hand() -> None:
    """Two prompts of t1 with rewards 1 0 and 0.6 0.4; one of t2 with 0.9 0.1."""
    rewards, prompts = [1.0, 0.0, 0.6, 0.4, 0.9, 0.1], ["a", "a", "b", "b", "c", "c"]
    tasks = ["t1"] * 4 + ["t2"] * 2
    half = 0.70711  # one above, one below: 1 / sqrt 2 whatever the distance
    assert grpo(rewards, prompts) == pytest.approx([half, -half] * 3, abs=1e-4)
    assert dr_grpo(rewards, prompts) == pytest.approx([0.5, -0.5, 0.1, -0.1, 0.4, -0.4])
    # t1: 1 0 .6 .4 about .5: squares .25 .25 .01 .01, over 3: std 0.41633. t2: .9 .1: std 0.56569
    want = [1.2010, -1.2010, 0.2402, -0.2402, half, -half]
    assert task_norm(rewards, prompts, tasks) == pytest.approx(want, abs=1e-4)
    # all six about .5: .25 .25 .01 .01 .16 .16 = .84, over 5: std 0.40988
    assert batch_norm(rewards, prompts) == pytest.approx([1.2199, -1.2199, 0.2440, -0.2440, 0.9759, -0.9759], abs=1e-4)
    # sigma of t1: sqrt((.5 + .02) / 2) = .50990
    assert tmn(rewards, prompts, tasks) == pytest.approx([0.9806, -0.9806, 0.1961, -0.1961, half, -half], abs=1e-4)


def test_reweighting_by_hand() -> None:
    """Of a hard prompt the good rollout counts more, of an easy one the bad one; t1's mean is (1/4 + 3/4) / 2."""
    rewards = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    prompts, tasks = ["hard"] * 4 + ["easy"] * 4, ["t1"] * 8
    step1 = tmn(rewards, prompts, tasks)  # sigma = 1/2
    assert step1 == pytest.approx([1.5, -0.5, -0.5, -0.5, 0.5, 0.5, 0.5, -1.5], abs=1e-5)
    up, down = math.exp(0.25), math.exp(-0.25)
    want = [1.5 * up, *[-0.5 * down] * 3, *[0.5 * down] * 3, -1.5 * up]
    assert tmn_reweight(rewards, prompts, tasks) == pytest.approx(want, abs=1e-5)
    assert tmn_reweight(rewards, prompts, tasks, gamma=0) == pytest.approx(step1)


def test_alpha_moves_the_threshold() -> None:
    """Prompt a has mean .5, its task .3: .4 passes at alpha 0 (above .3) and not at alpha 1 (below .5)."""
    rewards, prompts = [0.7, 0.4, 0.4, 0.1, 0.1, 0.1], ["a", "a", "a", "b", "b", "b"]
    tasks = ["t1"] * 6
    near, far = tmn_reweight(rewards, prompts, tasks, alpha=1), tmn_reweight(rewards, prompts, tasks, alpha=0)
    step1 = tmn(rewards, prompts, tasks)
    assert near[:3] / step1[:3] == pytest.approx([math.exp(0.5 - 1 / 3), *[math.exp(1 / 3 - 0.5)] * 2])
    assert far[:3] / step1[:3] == pytest.approx([math.exp(0.5 - 1), *[math.exp(1 - 0.5)] * 2])


def test_group_sums_of_the_paper_and_recentring() -> None:
    """1, 4, 8 and 15 right of 16: the weights break the zero sum of a group unless it is restored."""
    rights = [1, 4, 8, 15]
    rewards = np.array([[1.0] * right + [0.0] * (16 - right) for right in rights]).ravel()
    prompts, tasks = np.repeat(np.arange(4), 16), ["t1"] * 64
    sums = tmn_reweight(rewards, prompts, tasks).reshape(4, 16).sum(1)
    assert sums == pytest.approx([2.20, 3.94, 0.0, -2.20], abs=0.01)
    again = tmn_reweight(rewards, prompts, tasks, recenter=True).reshape(4, 16)
    assert again.sum(1) == pytest.approx([0, 0, 0, 0], abs=1e-12)
    assert np.ptp(again, axis=1) == pytest.approx(np.ptp(tmn_reweight(rewards, prompts, tasks).reshape(4, 16), axis=1))


@settings(max_examples=60, deadline=None)
@given(batch=batches(), shift=st.floats(-3, 3), factor=st.floats(0.1, 10))
def test_shift_and_scale_of_a_task_change_nothing(batch: Any, shift: float, factor: float) -> None:
    rewards, prompts, tasks = batch
    moved = [factor * r + shift if t == "t1" else r for r, t in zip(rewards, tasks, strict=True)]
    for name in ("tmn", "tmn_reweight"):
        before, after = estimate(name, rewards, prompts, tasks), estimate(name, moved, prompts, tasks)
        np.testing.assert_allclose(after, before, rtol=2e-4, atol=1e-7, err_msg=name)  # eps is not scaled


@settings(max_examples=60, deadline=None)
@given(batch=batches(), seed=st.integers(0, 9))
def test_the_order_of_rows_and_the_kind_of_ids_do_not_matter(batch: Any, seed: int) -> None:
    rewards, prompts, tasks = batch
    order = np.random.default_rng(seed).permutation(len(rewards))
    numbers = {prompt: 10**12 * number - 5 for number, prompt in enumerate(dict.fromkeys(prompts))}
    for name in ESTIMATORS:
        want = estimate(name, rewards, prompts, tasks)
        moved = estimate(
            name, np.array(rewards)[order], [("x", prompts[i]) for i in order], np.array([tasks[i] for i in order])
        )
        np.testing.assert_allclose(moved, want[order], rtol=1e-9, atol=1e-12)
        as_numbers = estimate(name, rewards, np.array([numbers[p] for p in prompts], np.int64), tasks)
        np.testing.assert_allclose(as_numbers, want, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(batch=batches(), singles=st.sampled_from(["leave_out", "official"]))
def test_torch_gives_what_numpy_gives(batch: Any, singles: Any) -> None:
    torch = pytest.importorskip("torch")
    rewards, prompts, tasks = batch
    places = {prompt: number for number, prompt in enumerate(prompts)}
    prompt_ids = torch.tensor([places[p] for p in prompts], dtype=torch.int64)
    task_ids = torch.tensor([int(t[1:]) for t in tasks], dtype=torch.int32)
    for name in ESTIMATORS:
        want = estimate(name, rewards, prompts, tasks, singles=singles)
        for ids in ((prompt_ids, task_ids), (prompts, tasks), (prompt_ids, np.array(tasks))):
            got = estimate(name, torch.tensor(rewards, dtype=torch.float64), *ids, singles=singles)
            assert got.dtype == torch.float64
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtype_and_device_come_back(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rewards = torch.tensor([1.0, 0.0, 0.5, 0.5], dtype=getattr(torch, dtype), requires_grad=True)
    for function in ESTIMATORS.values():
        out = function(rewards, torch.tensor([3, 3, 9, 9]))
        assert (out.dtype, out.device, out.requires_grad) == (rewards.dtype, rewards.device, False)
    if dtype != "bfloat16":
        assert grpo(np.array([1.0, 0.0], dtype), [1, 1]).dtype == np.dtype(dtype)


def test_whole_numbers_give_floats() -> None:
    assert grpo([1, 0], [1, 1]).dtype == np.float64
    assert grpo(np.array([1, 0], np.int8), [1, 1]).tolist() == pytest.approx([0.70711, -0.70711], abs=1e-4)


def test_nearly_equal_rewards_keep_their_spread() -> None:
    """E[x^2] - E[x]^2 in float32 would give 0 here, or a negative number; two passes in float64 do not."""
    rewards = np.array([0.9, 0.9 + 1e-5], np.float32)
    assert grpo(rewards, [0, 0])[1] == pytest.approx(0.7071 * 7.07 / (7.07 + 1), rel=0.15)  # s = 7.1e-6 beside eps 1e-6


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7, 1.0])
@pytest.mark.parametrize("size", [3, 7, 16])
def test_equal_rewards_give_exactly_nothing(value: float, size: int) -> None:
    """The mean of sixteen 0.1 is not 0.1 in floating point; the advantage is 0 all the same."""
    for name in ESTIMATORS:
        out = estimate(name, [value] * size + [1.0, 0.0], ["p"] * size + ["q", "q"], ["t1"] * size + ["t2"] * 2)
        assert (out[:size] == 0).all(), name
    assert (task_norm([value] * size, ["p"] * size, center="task") == 0).all()


def test_equal_groups_count_in_the_scale() -> None:
    """A solved prompt halves sigma^2: dynamic sampling, which drops it, happens before."""
    alone = tmn([1.0, 0.0], ["p", "p"], ["t1"] * 2)
    beside = tmn([1.0, 0.0, 1.0, 1.0], ["p", "p", "q", "q"], ["t1"] * 4)
    assert beside[0] == pytest.approx(alone[0] * math.sqrt(2), rel=1e-5)


def test_one_prompt_of_a_task_is_grpo() -> None:
    rewards = [0.2, 0.9, 0.4]
    assert tmn(rewards, ["p"] * 3, ["t1"] * 3) == pytest.approx(grpo(rewards, ["p"] * 3))


def test_singles() -> None:
    """Left out they change nothing; as published they have mean 0, variance 1 and pull their task's scale."""
    rewards, prompts, tasks = [1.0, 0.0, 0.5], ["p", "p", "q"], ["t1"] * 3
    for name in ESTIMATORS:
        ours = estimate(name, rewards, prompts, tasks)
        assert ours[2] == 0
        assert ours[:2] == pytest.approx(estimate(name, rewards[:2], prompts[:2], tasks[:2])), name
    assert grpo(rewards, prompts, tasks, singles="official")[2] == pytest.approx(0.5, abs=1e-5)
    assert tmn(rewards, prompts, tasks, singles="official")[2] == pytest.approx(0.5 / math.sqrt(0.75), abs=1e-5)
    # threshold M_k = (0.5 + 0) / 2: 0.5 passes, p = 1, and being above its mean of 0 it gets exp(-0.5)
    reweighted = tmn_reweight(rewards, prompts, tasks, singles="official")
    assert reweighted[2] == pytest.approx(0.5 / math.sqrt(0.75) * math.exp(-0.5), abs=1e-5)
    assert (task_norm([0.5], ["q"], ["t1"], singles="official") == 0).all()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_unscored_rows_are_as_if_absent(name: str) -> None:
    rewards, prompts, tasks = [1.0, math.nan, 0.0, 0.3, math.nan], list("aaabb"), ["t1"] * 5
    out = estimate(name, rewards, prompts, tasks)
    kept = [0, 2, 3]
    assert out[1] == out[4] == 0
    want = estimate(name, [rewards[i] for i in kept], [prompts[i] for i in kept], [tasks[i] for i in kept])
    assert out[kept] == pytest.approx(want)
    assert (estimate(name, [math.nan] * 3, [1, 1, 2], [1, 1, 1]) == 0).all()
    assert estimate(name, [None, 1.0, 0.0], [1, 1, 1], [1, 1, 1])[0] == 0


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_empty_batch_gives_none(name: str) -> None:
    assert estimate(name, [], [], []).shape == (0,)
    torch = pytest.importorskip("torch")
    assert estimate(name, torch.zeros(0), torch.zeros(0, dtype=torch.long)).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (([1.0, math.inf], [1, 1], [1, 1]), "row 1 is infinite"),
        (([1.0, 0.0], [1], [1, 1]), "1 prompt ids for 2 rewards"),
        (([1.0, 0.0], [1, 1], ["t1", None]), "row 1 has no task id"),
        (([1.0, 0.0], [1, 1], [1.0, math.nan]), "row 1 has no task id"),
        (([1.0, 0.0], [None, 1], None), "row 0 has no prompt id"),
        (([1.0, 0.0], ["p", "p"], ["t1", "t2"]), r"two tasks \(row [01], prompt 'p'\)"),
        (([[1.0], [0.0]], [1, 1], None), r"shape \(2, 1\)"),
        (([[1.0], [0.0, 1.0]], [1, 1], None), "one number a row"),
        ((["1", "0"], [1, 1], None), "dtype"),
        (([True, False], [1, 1], None), "dtype"),
        (([1.0, 0.0], [["p"], ["p"]], None), "not hashable"),
        (([1.0, 0.0], "pp", None), "not one a row"),
        (([1.0, 0.0], np.array([[1], [1]]), None), "not one a row"),
    ],
)
def test_bad_data_is_named(arguments: Any, what: str) -> None:
    for name in ESTIMATORS:
        with pytest.raises(DataError, match=what):
            estimate(name, *arguments)


@pytest.mark.parametrize(
    ("call", "error", "what"),
    [
        (lambda: estimate("tnm", [], []), UnknownNameError, "tnm"),
        (lambda: estimate("tmn", [], [], alhpa=1), ConfigError, "alhpa"),
        (lambda: estimate("grpo", [], [], alpha=1), ConfigError, "alpha"),
        (lambda: check_parameters("tmn_reweight", {"alpha": 1.5}), ConfigError, "alpha=1.5"),
        (lambda: check_parameters("tmn_reweight", {"gamma": -1}), ConfigError, "gamma"),
        (lambda: check_parameters("tmn_reweight", {"gamma": math.nan}), ConfigError, "gamma"),
        (lambda: check_parameters("task_norm", {"center": "prompt"}), ConfigError, "center"),
        (lambda: check_parameters("grpo", {"singles": "drop"}), ConfigError, "singles"),
    ],
)
def test_bad_parameters_are_named(call: Callable[[], object], error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what) as caught:
        call()
    assert caught.value.hint  # type: ignore[attr-defined]


def test_lists_of_tensors_are_no_ids_and_numbers_of_numpy_come_out_plain() -> None:
    """Equal tensors are different keys: each row would be a prompt of its own, and all advantages 0."""
    torch = pytest.importorskip("torch")
    with pytest.raises(DataError, match="list of tensors"):
        grpo(torch.ones(2), [torch.tensor(1), torch.tensor(1)])
    scale = TaskScale()
    tmn([1.0, 0.0], [0, 0], [np.int64(3)] * 2, scale=scale)
    assert json.loads(json.dumps(scale.state_dict()))["tasks"][0][0] == 3


def test_weights_lie_in_their_range() -> None:
    rng = np.random.default_rng(0)
    rewards, prompts, tasks = rng.random(640), np.repeat(np.arange(40), 16), np.repeat(np.arange(40) % 9, 16)
    ratio = tmn_reweight(rewards, prompts, tasks) / tmn(rewards, prompts, tasks)
    assert math.exp(-0.5) - 1e-12 <= ratio.min() < 1 < ratio.max() <= math.exp(0.5) + 1e-12


@pytest.mark.parametrize("kind", ["bool", "int64", "float32"])
def test_broadcast(kind: str) -> None:
    torch = pytest.importorskip("torch")
    mask = [[1, 1, 0], [0, 1, 0]]
    want = [[0.5, 0.5, 0], [0, -2, 0]]
    assert broadcast(np.array([0.5, -2.0], np.float32), np.array(mask, kind)).tolist() == want
    out = broadcast(torch.tensor([0.5, -2.0]), torch.tensor(mask, dtype=getattr(torch, kind)))
    assert (out.tolist(), out.dtype) == (want, torch.float32)
    with pytest.raises(DataError, match="shape"):
        broadcast(np.zeros(3), np.zeros((2, 2)))
