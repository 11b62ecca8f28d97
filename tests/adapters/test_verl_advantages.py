"""verl's estimators are ours, whatever the order of the rows; rows that do not count change nothing.

These need no verl; tests/adapters/verl runs the same in verl itself.
"""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from golong_eval.adapters import verl_advantages as adapter
from golong_eval.adapters import verl_step
from golong_eval.adapters.verl import FLAGS
from golong_eval.adapters.verl_advantages import advantages_of
from golong_eval.adapters.verl_step import Step, step_of, step_of_columns
from golong_eval.advantages import estimate
from golong_eval.errors import ConfigError, DataError, UnknownNameError


@pytest.fixture(autouse=True)
def fresh() -> None:
    adapter._running = None
    verl_step._said.clear()
    adapter._pending.clear()


def settings(**tmn: Any) -> dict[str, Any]:
    return {"tmn": tmn} if tmn else {}


def run(
    step: Step | None, rewards: list[float], prompts: list[str], name: str = "tmn", tokens: int = 3, **tmn: Any
) -> torch.Tensor:
    """Advantages of responses of `tokens` tokens, the last of which is not the policy's in odd rows."""
    spread = torch.zeros(len(rewards), tokens)
    spread[:, 1] = torch.tensor(rewards)
    mask = torch.ones(len(rewards), tokens, dtype=torch.int64)
    mask[1::2, -1] = 0
    token = adapter._STEP.set(step)
    try:
        advantages, returns = advantages_of(name, spread, mask, prompts, settings(**tmn), None)
    finally:
        adapter._STEP.reset(token)
    assert torch.equal(advantages, returns)
    assert torch.equal(advantages, advantages[:, :1] * mask)  # each token has the response's, others 0
    return advantages[:, 0]


# Two prompts of t1: variances 0.5 and 0.02, sigma^2 = 0.26; one of t9: variance 0.02, sigma = 0.1414.
REWARDS = [1.0, 0.6, 0.3, 0.0, 0.4, 0.5]
PROMPTS = ["p", "q", "r", "p", "q", "r"]
TASKS = ["t1", "t1", "t9", "t1", "t1", "t9"]
EXPECTED = [0.980581, 0.196116, -0.707107, -0.980581, -0.196116, 0.707107]


def known(tasks: list[str] | list[str | None], **more: Any) -> Step:
    return step_of([None] * len(tasks), [{"task": task} for task in tasks], **more)


def test_the_advantages_are_those_by_hand_with_prompts_in_any_order() -> None:
    assert run(known(TASKS), REWARDS, PROMPTS).tolist() == pytest.approx(EXPECTED, abs=1e-5)
    order = [3, 0, 5, 1, 2, 4]
    mixed = run(known([TASKS[i] for i in order]), [REWARDS[i] for i in order], [PROMPTS[i] for i in order])
    assert mixed.tolist() == pytest.approx([EXPECTED[i] for i in order], abs=1e-5)


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "task_norm", "batch_norm", "tmn", "tmn_reweight"])
def test_every_estimator_is_ours(name: str) -> None:
    own = estimate(name, torch.tensor(REWARDS), PROMPTS, TASKS)
    assert torch.equal(run(known(TASKS), REWARDS, PROMPTS, name), own)


def test_a_row_without_a_score_has_advantage_0_and_changes_no_other() -> None:
    flags = [{"unscored": 0.0}] * 6 + [{"unscored": 1.0}, {"unscored": 1.0}]
    step = known([*TASKS, "t1", "t9"], flags=flags)
    found = run(step, [*REWARDS, 0.0, 0.0], [*PROMPTS, "p", "s"]).tolist()
    assert found == pytest.approx([*EXPECTED, 0.0, 0.0], abs=1e-5)
    assert step.metrics["golong/unscored"] == 2


def test_rows_that_verl_made_up_to_fill_its_ranks_enter_no_statistic() -> None:
    """They copy the task of a real row, with reward 0: an all-equal prompt that would shrink the task's scale."""
    step = known([*TASKS, "t1", "t1"], padding=[False] * 6 + [True] * 2)
    found = run(step, [*REWARDS, 0.0, 0.0], [*PROMPTS, "pad", "pad"]).tolist()
    assert found == pytest.approx([*EXPECTED, 0.0, 0.0], abs=1e-5)
    assert step.metrics["golong/rows"] == 6


def test_the_last_output_of_a_session_counts_and_all_its_outputs_share_its_advantage() -> None:
    keys = ["p_0_0", "p_0_1", "q_0_0", "r_0_0", "p_1_0", "q_1_10", "q_1_9", "r_1_0"]
    tasks = ["t1", "t1", "t1", "t9", "t1", "t1", "t1", "t9"]
    rewards = [0.9, 1.0, 0.6, 0.3, 0.0, 0.4, 0.9, 0.5]  # those of outputs that are not the last do not count
    found = run(known(tasks, keys=keys), rewards, [key[0] for key in keys]).tolist()
    expected = [EXPECTED[row] for row in (0, 0, 1, 2, 3, 4, 4, 5)]
    assert found == pytest.approx(expected, abs=1e-5)


def test_without_tasks_the_batch_is_one_task_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for step in (None, known([None] * 6)):
            alone = run(step, REWARDS, PROMPTS)
            assert torch.equal(alone, estimate("tmn", torch.tensor(REWARDS), PROMPTS, None))
    assert len(caplog.records) == 1
    assert "no row names its task" in caplog.text


def test_rows_that_name_no_task_beside_some_that_do_are_one(caplog: pytest.LogCaptureFixture) -> None:
    tasks: list[str | None] = ["t1", "t1", None, "t1", "t1", None]
    with caplog.at_level(logging.WARNING):
        assert run(known(tasks), REWARDS, PROMPTS).tolist() == pytest.approx(EXPECTED, abs=1e-5)
    assert "'unknown'" in caplog.text


def test_a_task_comes_from_released_columns_too() -> None:
    modes = ["T1.1 Global Cohesive Retrieval", "T4.1 Global-Coverage Constrained Summary", None]
    step = step_of(["longbench_pro", "longbench_pro", "EM"], [{"reward_mode": mode} for mode in modes])
    assert step.tasks == ["t7", "t9", "t1"]


def test_verl_s_columns_are_read_where_it_hands_them_over() -> None:
    """The coming signature of estimators, and the slot of gdpo."""
    columns = {"data_source": [f"golong_{task}" for task in TASKS], "extra_info": [{"task": task} for task in TASKS]}
    spread, mask = torch.tensor(REWARDS)[:, None], torch.ones(6, 1)
    found, _ = advantages_of("tmn", spread, mask, PROMPTS, settings(), columns)
    assert found[:, 0].tolist() == pytest.approx(EXPECTED, abs=1e-5)


def test_texts_of_numpy_are_texts() -> None:
    sources = np.array([np.str_(f"golong_{task}") for task in TASKS], dtype=object)
    assert step_of_columns({"data_source": sources}, 6).tasks == [f"golong_{task}" for task in TASKS]
    assert step_of_columns({"data_source": np.array(["a", "b"])}, 2).tasks == ["a", "b"]
    assert step_of_columns({"data_source": "a"}, 2).tasks == ["a", "a"]


def test_keys_of_another_form_are_sessions_of_their_own() -> None:
    step = step_of(["a"] * 4, [None] * 4, keys=["one", "two", "x_y", "5"])
    assert (step.counted, step.source) == ([0, 1, 2, 3], [0, 1, 2, 3])


def test_metrics_are_per_task() -> None:
    flags = [{name: float(name == "unparsed" and row == 0) for name in FLAGS} for row in range(6)]
    step = known(TASKS, flags=flags)
    run(step, REWARDS, PROMPTS)
    assert step.metrics["golong/t1/mean_reward"] == pytest.approx(0.5)
    assert step.metrics["golong/t9/mean_reward"] == pytest.approx(0.4)
    assert step.metrics["golong/t1/rms_group_std"] == pytest.approx(math.sqrt(0.26))
    assert step.metrics["golong/unparsed_share"] == pytest.approx(1 / 6)
    assert all(type(value) is float for value in step.metrics.values())


def test_a_running_scale_goes_from_step_to_step() -> None:
    run(known(TASKS), REWARDS, PROMPTS, decay=0.5)
    second = run(known(TASKS), [0.5 * reward for reward in REWARDS], PROMPTS, decay=0.5)
    # t1: (0.5 * (0.5 + 0.02) + (0.125 + 0.005)) / (0.5 * 2 + 2) = 0.13
    assert second[0].item() == pytest.approx(0.25 / math.sqrt(0.13), abs=1e-5)


def test_rows_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(DataError, match="5 rows"):
        run(known(TASKS[:5]), REWARDS, PROMPTS)


def test_without_groups_there_is_no_advantage() -> None:
    with pytest.raises(ConfigError, match=r"rollout\.n"):
        advantages_of("tmn", torch.zeros(1, 1), torch.ones(1, 1), None, {}, None)


@pytest.mark.parametrize(
    ("name", "tmn", "says"),
    [
        ("tmn_reweight", {"alhpa": 0.5}, "alhpa"),
        ("tmn_reweight", {"alpha": 1.5}, "alpha"),
        ("tmn", {"alpha": 0.5}, "alpha"),
        ("tmn", {"singles": "maybe"}, "singles"),
        ("tmn", {"decay": 1.0}, "decay"),
        ("golong_grpo", {"decay": 0.9}, "task scale"),
        ("grpo", {"alpha": 0.8}, "does nothing"),
    ],
)
def test_a_wrong_setting_is_refused_before_a_trainer_starts(name: str, tmn: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        adapter.check(config(name, tmn))


def test_one_rollout_a_prompt_is_refused_since_all_advantages_would_be_0() -> None:
    """verl's default, easily forgotten."""
    alone = {"actor_rollout_ref": {"rollout": {"n": 1}}}
    with pytest.raises(ConfigError, match="there is one") as refused:
        adapter.check(Mapped(config("tmn", {}) | alone))
    assert "rollout.n" in refused.value.hint
    adapter.check(Mapped(config("tmn", {"singles": "official"}) | alone))
    adapter.check(Mapped(config("tmn", {}) | {"actor_rollout_ref": {"rollout": {"n": 2}}}))


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"reward": {"custom_reward_function": {"path": path, "reward_kwargs": {"require_thinking": True}}}}, "think")
        for path in (
            "pkg://golong_eval.adapters.verl",
            "pkg://golong_eval/adapters/verl",
            "/x/golong_eval/adapters/verl.py",
        )
    ]
    + [
        (
            {
                "reward": {
                    "custom_reward_function": {
                        "path": "pkg://golong_eval.adapters.verl",
                        "reward_kwargs": {"variant": "stirct"},
                    }
                }
            },
            "stirct",
        ),
        ({"custom_reward_function": {"path": "pkg://golong_eval.adapters.verl"}}, "ignores"),
    ],
)
def test_a_reward_that_verl_would_ignore_or_not_understand_is_refused(section: dict[str, Any], says: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=says):
        adapter.check(Mapped(config("tmn", {}) | section))


class Mapped(dict[str, Any]):
    """As OmegaConf's mappings, which give their keys as attributes too."""

    __getattr__ = dict.__getitem__


def config(name: str, tmn: dict[str, Any], **trainer: Any) -> Any:
    return Mapped(algorithm=Mapped(adv_estimator=name, tmn=tmn or None), trainer=SimpleNamespace(**trainer))


class Trainer:
    """What the checkpoints of verl's trainers have: settings, steps, and these two methods."""

    def __init__(self, given: Any, steps: int) -> None:
        self.config, self.global_steps = given, steps

    def save(self) -> str:
        return adapter.save(lambda _: "saved", self)

    def load(self) -> str:
        return adapter.load(lambda _: "loaded", self)


def test_the_running_scale_survives_a_restart(tmp_path: Path) -> None:
    given = config("tmn", {"decay": 0.5}, default_local_dir=str(tmp_path), resume_mode="auto", resume_from_path=None)
    run(known(TASKS), REWARDS, PROMPTS, decay=0.5)
    assert Trainer(given, 7).save() == "saved"
    assert json.loads((tmp_path / "global_step_7" / "golong_task_scale.json").read_text())["decay"] == 0.5
    through = run(known(TASKS), REWARDS, PROMPTS, decay=0.5)

    adapter.begin(lambda *_: None, None, given)  # a new trainer starts without one
    assert adapter._running is None
    assert Trainer(given, 7).load() == "loaded"
    assert torch.equal(run(known(TASKS), REWARDS, PROMPTS, decay=0.5), through)


def test_a_checkpoint_by_its_path_is_read_there(tmp_path: Path) -> None:
    given = config("tmn", {"decay": 0.5}, default_local_dir=str(tmp_path))
    run(known(TASKS), REWARDS, PROMPTS, decay=0.5)
    Trainer(given, 3).save()
    other = config(
        "tmn",
        {"decay": 0.5},
        default_local_dir="elsewhere",
        resume_mode="resume_path",
        resume_from_path=str(tmp_path / "global_step_3"),
    )
    adapter._running = None
    Trainer(other, 3).load()
    assert adapter.running_scale(0.5).variance("t1") == pytest.approx(0.26)


def test_a_checkpoint_without_a_scale_is_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = config("tmn", {"decay": 0.5}, default_local_dir=str(tmp_path), resume_mode="auto", resume_from_path=None)
    with caplog.at_level(logging.WARNING):
        Trainer(given, 3).load()
        assert "begins anew" in caplog.text
        caplog.clear()
        Trainer(given, 0).load()  # a first start has none to miss
        Trainer(config("grpo", {}), 3).load()
        assert not caplog.records


def test_nothing_is_saved_without_a_running_scale(tmp_path: Path) -> None:
    run(known(TASKS), REWARDS, PROMPTS)
    Trainer(config("tmn", {}, default_local_dir=str(tmp_path)), 3).save()
    assert not list(tmp_path.iterdir())
