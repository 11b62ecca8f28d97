"""Our estimators in verl itself, in both trainers: the advantages by hand, the rows' tasks, metrics, checkpoints."""

from __future__ import annotations

import importlib.metadata
import logging
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("verl", reason="needs verl")

import torch
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo import metric_utils, ray_trainer
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, compute_grpo_outcome_advantage
from verl.trainer.ppo.v1 import trainer_base
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from golong_eval.adapters import verl_advantages
from golong_eval.adapters.verl import FLAGS
from golong_eval.adapters.verl_plugin import NAMES
from golong_eval.advantages import estimate
from golong_eval.errors import ConfigError

pytestmark = pytest.mark.verl

# Two prompts of t1: variances 0.5 and 0.02, sigma^2 = 0.26; one of t9: variance 0.02, sigma = 0.1414.
REWARDS = [1.0, 0.6, 0.3, 0.0, 0.4, 0.5]
PROMPTS = ["p", "q", "r", "p", "q", "r"]
TASKS = ["t1", "t1", "t9", "t1", "t1", "t9"]
TMN = [0.980581, 0.196116, -0.707107, -0.980581, -0.196116, 0.707107]


def batch(tasks: list[str] | None = None, **more: list[Any]) -> DataProto:
    """Six rollouts as the old trainer has them: rewards at the last token, masks of different lengths."""
    lengths = [3, 2, 3, 1, 3, 2]
    mask = torch.tensor([[1] * n + [0] * (3 - n) for n in lengths])
    rewards = torch.zeros(6, 3)
    for row, (reward, n) in enumerate(zip(REWARDS, lengths, strict=True)):
        rewards[row, n - 1] = reward
    columns: dict[str, Any] = {"uid": PROMPTS, **more}
    if tasks is not None:
        columns |= {"data_source": [f"golong_{t}" for t in tasks], "extra_info": [{"task": t} for t in tasks]}
    tensors = TensorDict({"token_level_rewards": rewards, "response_mask": mask}, batch_size=6)
    return DataProto(tensors, {name: np.array(values, dtype=object) for name, values in columns.items()})


def advantages(data: DataProto, name: str, algorithm: Any) -> list[float]:
    found = ray_trainer.compute_advantage(data, name, config=algorithm)
    spread, mask = found.batch["advantages"], found.batch["response_mask"]
    assert torch.equal(spread, spread[:, :1] * mask)
    assert torch.equal(spread, found.batch["returns"])
    first: list[float] = spread[:, 0].tolist()
    return first


def test_the_entry_point_is_found_and_has_registered_all_estimators() -> None:
    (point,) = [p for p in importlib.metadata.entry_points(group="verl.plugins") if p.name == "golong_eval"]
    assert point.value == "golong_eval.adapters.verl_plugin"
    assert set(NAMES) <= set(ADV_ESTIMATOR_REGISTRY)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "True"),
        ({"VERL_USE_EXTERNAL_PLUGINS": "none"}, "False"),
        (
            {
                "VERL_USE_EXTERNAL_PLUGINS": "none",
                "VERL_USE_EXTERNAL_MODULES": "golong_eval.adapters.verl_plugin",
            },
            "True",
        ),
    ],
)
def test_import_verl_is_enough_and_loads_nothing_heavy_of_ours(environment: dict[str, str], expected: str) -> None:
    code = (
        "import sys, verl\n"
        "ours = sorted(name for name in sys.modules if name.startswith('golong_eval.'))\n"
        "light = {'golong_eval.adapters' + name for name in ('', '.import_hook', '.verl_plugin')}\n"
        "assert not set(ours) - light, ours\n"
        "assert 'verl.trainer.ppo.core_algos' not in sys.modules\n"
        "from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY\n"
        "print('tmn_reweight' in ADV_ESTIMATOR_REGISTRY)"
    )
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.split()[-1] == expected


def test_in_verl_s_function_the_advantages_are_those_by_hand(settings: Callable[..., Any]) -> None:
    algorithm = settings("algorithm.adv_estimator=tmn").algorithm
    assert advantages(batch(TASKS), "tmn", algorithm) == pytest.approx(TMN, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_estimator_is_ours_in_verl_s_function(name: str, settings: Callable[..., Any]) -> None:
    algorithm = settings(f"algorithm.adv_estimator={name}").algorithm
    own = estimate(NAMES[name], torch.tensor(REWARDS), PROMPTS, TASKS)
    assert advantages(batch(TASKS), name, algorithm) == own.tolist()


def of_one_task(rewards: list[float], prompts: list[str]) -> DataProto:
    """Rollouts of one token each."""
    many = len(rewards)
    columns = {"uid": prompts, "data_source": ["golong_t1"] * many, "extra_info": [{"task": "t1"}] * many}
    tensors = {"token_level_rewards": torch.tensor(rewards)[:, None], "response_mask": torch.ones(many, 1)}
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    return DataProto(TensorDict(tensors, batch_size=many), arrays)


@pytest.mark.parametrize(
    ("tmn", "right", "wrong"),
    [
        ([], 1.9260, -0.3894),  # 1.5 e^0.25, -0.5 e^-0.25
        (["gamma=2.0"], 2.4731, -0.3033),  # 1.5 e^0.5, -0.5 e^-0.5
        (["gamma=2.0", "recenter=True"], 2.0823, -0.6941),  # less their mean, 0.3908
        (["gamma=0.0"], 1.5, -0.5),
    ],
)
def test_parameters_come_from_the_launch_file(
    tmn: list[str], right: float, wrong: float, settings: Callable[..., Any]
) -> None:
    """One right of four: s = 0.5, pass rate 1/4."""
    overrides = [f"+algorithm.tmn.{one}" for one in tmn]
    algorithm = settings("algorithm.adv_estimator=tmn_reweight", *overrides).algorithm
    found = advantages(of_one_task([0.0, 1.0, 0.0, 0.0], ["p"] * 4), "tmn_reweight", algorithm)
    assert found == pytest.approx([wrong, right, wrong, wrong], abs=1e-4)


def test_alpha_moves_the_threshold(settings: Callable[..., Any]) -> None:
    """p passes 3 of 4 by the task's mean, 0.35, and 2 of 4 by 0.8 * 0.5 + 0.2 * 0.35 = 0.47: weight 1."""
    rewards, prompts = [0.9, 0.3, 0.5, 0.2, 0.4, 0.1, 0.2, 0.2], ["p", "q"] * 4
    sigma = math.sqrt((0.26 / 3 + 0.02 / 3) / 2)
    for alpha, weight in ((0.8, 1.0), (0.0, math.exp(-0.25))):
        algorithm = settings("algorithm.adv_estimator=tmn_reweight", f"+algorithm.tmn.alpha={alpha}").algorithm
        found = advantages(of_one_task(rewards, prompts), "tmn_reweight", algorithm)
        assert found[0] == pytest.approx(0.4 / sigma * weight, abs=1e-4)


def test_our_grpo_is_verl_s_grpo() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards = torch.rand(64, 1, generator=generator).round(decimals=1)
    prompts = np.array([str(i % 16) for i in range(64)], dtype=object)
    theirs, _ = compute_grpo_outcome_advantage(rewards, torch.ones(64, 1), prompts)
    ours, _ = ADV_ESTIMATOR_REGISTRY["golong_grpo"](
        token_level_rewards=rewards, response_mask=torch.ones(64, 1), index=prompts, config={}
    )
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_without_our_columns_the_old_trainer_s_batch_is_one_task(
    settings: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = advantages(batch(), "tmn", settings("algorithm.adv_estimator=tmn").algorithm)
    assert found == estimate("tmn", torch.tensor(REWARDS), PROMPTS, None).tolist()
    assert "no row names its task" in caplog.text


def test_rows_without_a_score_are_left_out_in_the_old_trainer(settings: Callable[..., Any]) -> None:
    flags = {flag: [0.0] * 6 for flag in FLAGS}
    flags["unscored"] = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    found = advantages(batch(TASKS, **flags), "tmn", settings("algorithm.adv_estimator=tmn").algorithm)
    # q has one scored rollout left, so t1 has p alone: sigma = 0.7071
    assert found == pytest.approx([0.707107, 0.0, -0.707107, -0.707107, 0.0, 0.707107], abs=1e-5)


def test_the_trainers_that_import_the_function_by_name_have_ours() -> None:
    from verl.experimental.separation import ray_trainer as separated
    from verl.trainer.ppo.v1 import utils

    for module in (separated, utils):
        assert module.compute_advantage is ray_trainer.compute_advantage
    assert separated.compute_data_metrics is metric_utils.compute_data_metrics


def test_verl_s_own_estimators_go_on_as_ever(settings: Callable[..., Any]) -> None:
    data = batch(TASKS)
    theirs, _ = compute_grpo_outcome_advantage(
        data.batch["token_level_rewards"], data.batch["response_mask"], data.non_tensor_batch["uid"]
    )
    assert advantages(batch(TASKS), "grpo", settings().algorithm) == theirs[:, 0].tolist()
    assert not verl_advantages._pending


def test_the_old_trainer_logs_metrics_by_task(settings: Callable[..., Any]) -> None:
    advantages(batch(TASKS), "tmn", settings("algorithm.adv_estimator=tmn").algorithm)
    assert ray_trainer.compute_data_metrics is metric_utils.compute_data_metrics
    data = batch(TASKS)
    for name in ("token_level_scores", "advantages", "returns"):
        data.batch[name] = data.batch["token_level_rewards"]
    data.batch["prompts"] = data.batch["responses"] = torch.ones(6, 3, dtype=torch.long)
    data.batch["attention_mask"] = torch.cat([torch.ones(6, 3, dtype=torch.long), data.batch["response_mask"]], 1)
    metrics = metric_utils.compute_data_metrics(data, use_critic=False)
    assert metrics["golong/t9/mean_reward"] == pytest.approx(0.4)
    assert "golong/t9/mean_reward" not in metric_utils.compute_data_metrics(data, use_critic=False)


def test_a_wrong_setting_stops_the_trainer_before_it_starts(settings: Callable[..., Any]) -> None:
    config = settings("algorithm.adv_estimator=tmn_reweight", "+algorithm.tmn.alhpa=0.5")
    with pytest.raises(ConfigError, match="alhpa"):
        trainer_base.get_trainer_cls("sync")(config)
    with pytest.raises(ConfigError, match="alhpa"):
        ray_trainer.RayPPOTrainer(config, None, {}, None)


def test_the_running_scale_is_saved_and_loaded_with_verl_s_checkpoints(
    settings: Callable[..., Any], tmp_path: Path
) -> None:
    """The methods of verl's trainer, with workers that save nothing."""
    config = settings(
        "algorithm.adv_estimator=tmn", "+algorithm.tmn.decay=0.5", f"trainer.default_local_dir={tmp_path}"
    )
    advantages(batch(TASKS), "tmn", config.algorithm)
    before = verl_advantages._running
    assert before is not None

    def a_trainer() -> Any:
        trainer_class = trainer_base.get_trainer_cls("sync")
        trainer = trainer_class.__new__(trainer_class)
        trainer.config, trainer.global_steps, trainer.use_critic, trainer.trainer_mode = config, 4, False, "sync"
        nothing = SimpleNamespace(save_checkpoint=lambda *_, **__: None, load_checkpoint=lambda *_, **__: None)
        trainer.actor_rollout_wg = nothing
        trainer.train_dataloader = SimpleNamespace(state_dict=dict, load_state_dict=lambda _: None)
        trainer.checkpoint_callback = SimpleNamespace(on_save=lambda **_: None)
        return trainer

    a_trainer()._save_checkpoint()
    assert (tmp_path / "latest_checkpointed_iteration.txt").read_text() == "4"
    verl_advantages._running = None
    a_trainer()._load_checkpoint()
    assert verl_advantages._running is not None
    assert verl_advantages._running is not before
    assert verl_advantages._running.state_dict() == before.state_dict()


@pytest.mark.timeout(600)
def test_in_the_default_trainer_tasks_come_from_a_real_queue(queue: Any, settings: Callable[..., Any]) -> None:
    from transfer_queue import KVBatchMeta

    keys, rows = [], []
    uids = {"p": "a0", "q": "b1", "r": "c2"}
    for row, (prompt, task, reward) in enumerate(zip(PROMPTS, TASKS, REWARDS, strict=True)):
        length = 2 + row % 3
        scores = torch.zeros(length)
        scores[-1] = reward
        keys.append(f"{uids[prompt]}_{row // 3}_0")
        rows.append(_queued(uids[prompt], task, scores, torch.ones(length, dtype=torch.long), 0.0))
    # One rollout that has no score, and one that verl made up to fill its ranks.
    keys += ["a0_2_0", "pad9_0_0"]
    rows.append(_queued("a0", "t1", torch.zeros(2), torch.ones(2, dtype=torch.long), 1.0))
    rows.append(_queued("pad9", "t1", torch.zeros(1), torch.zeros(1, dtype=torch.long), 0.0))
    tags: list[dict[str, Any]] = [{"status": "success"} for _ in keys]
    tags[-1]["is_padding"] = True
    queue.kv_batch_put(keys=keys, partition_id="train", fields=list_of_dict_to_tensordict(rows), tags=tags)

    trainer_class = trainer_base.get_trainer_cls("sync")
    trainer = trainer_class.__new__(trainer_class)
    trainer.config = settings("algorithm.adv_estimator=tmn", "algorithm.rollout_correction=null")
    order = [3, 0, 6, 5, 1, 7, 2, 4]  # as verl balances its ranks
    meta = KVBatchMeta(partition_id="train", keys=[keys[i] for i in order], tags=[tags[i] for i in order])
    metrics: dict[str, Any] = {}
    trainer._compute_advantage(meta, metrics=metrics)

    stored = queue.kv_batch_get(keys=keys, partition_id="train", select_fields=["advantages", "response_mask"])
    expected = [*TMN, 0.0, 0.0]
    for value, mask, wanted in zip(stored["advantages"], stored["response_mask"], expected, strict=True):
        assert value.tolist() == pytest.approx([wanted * bit for bit in mask.tolist()], abs=1e-5)
    assert metrics["golong/rows"] == 7
    assert metrics["golong/unscored"] == 1
    assert metrics["golong/t9/mean_reward"] == pytest.approx(0.4)
    assert metrics["golong/unscored_share"] == pytest.approx(1 / 7)


@pytest.mark.timeout(600)
def test_rows_without_our_columns_are_one_task_in_the_default_trainer(
    queue: Any, settings: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    from transfer_queue import KVBatchMeta

    keys = [f"{prompt}_{row}_0" for row, prompt in enumerate(PROMPTS)]
    rows = [
        _queued(uid, "t1", torch.tensor([reward]), torch.ones(1), 0.0)
        for uid, reward in zip(PROMPTS, REWARDS, strict=True)
    ]
    bare = [{name: row[name] for name in ("uid", "response_mask", "rm_scores")} for row in rows]
    tags: list[dict[str, Any]] = [{} for _ in keys]
    queue.kv_batch_put(keys=keys, partition_id="train", fields=list_of_dict_to_tensordict(bare), tags=tags)
    trainer_class = trainer_base.get_trainer_cls("sync")
    trainer = trainer_class.__new__(trainer_class)
    trainer.config = settings("algorithm.adv_estimator=tmn", "algorithm.rollout_correction=null")
    with caplog.at_level(logging.WARNING):
        trainer._compute_advantage(KVBatchMeta(partition_id="train", keys=keys, tags=tags), metrics={})
    stored = queue.kv_batch_get(keys=keys, partition_id="train", select_fields=["advantages"])["advantages"]
    own = estimate("tmn", torch.tensor(REWARDS), PROMPTS, None)
    assert [value.item() for value in stored] == pytest.approx(own.tolist(), abs=1e-6)
    assert "no row names its task" in caplog.text


def _queued(uid: str, task: str, scores: Any, mask: Any, unscored: float) -> dict[str, Any]:
    """A rollout as verl's agent loop puts it into the queue."""
    flags = dict.fromkeys(FLAGS, 0.0) | {"unscored": unscored}
    return {
        "uid": uid,
        "response_mask": mask,
        "rm_scores": scores,
        "data_source": f"golong_{task}",
        "extra_info": {"task": task, "index": 0},
        "extra_fields": {"reward_extra_info": {"score": 0.0, "acc": 0.0, **flags}, "min_global_steps": 1},
    }
