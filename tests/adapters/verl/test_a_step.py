"""One step of verl's default trainer, from its data set to advantages, with all of its parts but the models.

Its data set reads our rows, its agent loop scores rollouts in a real reward worker and puts them into a real queue, its
buffer drops the group whose rewards are all equal, it fills its ranks up, and our estimator gives the advantages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl", reason="needs verl")

import ray
from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput
from verl.experimental.reward_loop.reward_loop import RewardLoopWorker
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.v1 import AgentLoopWorkerTQ, trainer_base
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils.dataset.rl_dataset import RLHFDataset

from golong_eval.adapters.verl import write_verl_rows
from golong_eval.engines import embedded_model
from golong_eval.schema import ItemsGold, NumberGold, Sample, TextGold

from .conftest import REWARD

pytestmark = pytest.mark.verl

SAMPLES = [
    Sample(id="a", task="t3", question="Which?", gold=ItemsGold(items=("D1", "D2"))),
    Sample(id="b", task="t3", question="Which?", gold=ItemsGold(items=("D3",))),
    Sample(id="c", task="t1", question="What?", gold=TextGold(answers=("7",))),
    Sample(id="e", task="t4", question="What?", gold=NumberGold(value=r"\frac{x^2-1}{x-1}")),
    Sample(id="d", task="t1", question="What?", gold=TextGold(answers=("8",))),
]
THINKING = "<think>hm</think>"
ANSWERS = {
    "a": ["D1\nD2", "D4"],  # F1 1, 0: variance 0.5
    "b": ["D3", "D3\nD5\nD6"],  # F1 1 and 2 * 1/3 * 1 / (4/3) = 0.5: variance 0.125
    "c": ["7", "6"],  # 1, 0: variance 0.5
    "e": [r"\boxed{x+1}", r"\boxed{x+2}"],  # 1, 0, by math_verify in a process of the reward worker
    "d": ["9", "9"],  # all wrong: dropped
}
# sigma of t3: sqrt((0.5 + 0.125) / 2) = 0.559017; of t1 and t4: sqrt(0.5) = 0.707107
EXPECTED = {
    "a": [0.894427, -0.894427],
    "b": [0.447214, -0.447214],
    "c": [0.707107, -0.707107],
    "e": [0.707107, -0.707107],
}


@pytest.mark.timeout(600)
def test_a_step_from_the_data_set_to_advantages(
    queue: Any, settings: Callable[..., Any], tokenizer: Any, tmp_path: Path
) -> None:
    write_verl_rows(SAMPLES, tmp_path / "rows.parquet")
    config = settings(
        *REWARD,
        "+reward.custom_reward_function.reward_kwargs.require_think=True",
        "algorithm.adv_estimator=tmn",
        "algorithm.filter_groups.enable=True",
        "algorithm.rollout_correction.rollout_is=token",
        f"actor_rollout_ref.model.path={embedded_model()}",
    )
    dataset = RLHFDataset(data_files=[str(tmp_path / "rows.parquet")], tokenizer=tokenizer, config=config.data)
    reward = ray.remote(RewardLoopWorker).options(num_cpus=0).remote(config)

    worker_class = AgentLoopWorkerTQ.__ray_metadata__.modified_class
    loop = worker_class.__new__(worker_class)
    loop.reward_loop_worker_handles, loop.processor, loop.distillation_enabled = [reward], None, False
    loop.mm_processor_kwargs = None
    asyncio.run(_roll_out(loop, dataset, tokenizer, queue))

    asked: list[int] = []
    buffer = ReplayBuffer(
        trainer_mode="sync",
        trainer_config=config.trainer.v1.sync,
        max_off_policy_threshold=8,
        max_off_policy_strategy="drop",
        sampler_kwargs={},
        poll_interval=0.1,
        refill_fn=asked.append,
        filter_groups_metric=config.algorithm.filter_groups.metric,
        train_batch_size=4,
        gen_batch_size=1,
    )
    sampled, _ = buffer.sample(global_steps=1, partition_id="train", batch_size=4)
    assert {key.split("_")[0] for key in sampled.keys} == set(EXPECTED)
    sampled = upsample_batch_to_divisible_size(sampled, 5, tokenizer.eos_token_id)
    assert len(sampled.keys) == 10
    sampled.reorder([5, 0, 9, 2, 8, 1, 6, 3, 7, 4])
    # The actor would recompute these; here it agrees with the rollout.
    log_probs = queue.kv_batch_get(keys=sampled.keys, partition_id="train", select_fields=["rollout_log_probs"])
    log_probs["old_log_probs"] = log_probs.pop("rollout_log_probs")
    queue.kv_batch_put(keys=sampled.keys, partition_id="train", fields=log_probs)

    trainer_class = trainer_base.get_trainer_cls("sync")
    trainer = trainer_class.__new__(trainer_class)
    trainer.config = config
    metrics: dict[str, Any] = {}
    trainer._compute_advantage(sampled, metrics=metrics)

    stored = queue.kv_batch_get(keys=sampled.keys, partition_id="train", select_fields=["advantages", "responses"])
    for key, advantages, responses in zip(sampled.keys, stored["advantages"], stored["responses"], strict=True):
        uid, session, _ = key.split("_")
        wanted = EXPECTED[uid][int(session)] if uid in EXPECTED else 0.0
        assert advantages.tolist() == pytest.approx([wanted] * len(responses), abs=1e-5), key
    assert metrics["golong/rows"] == 8
    assert metrics["golong/t3/rms_group_std"] == pytest.approx(0.559017, abs=1e-5)
    assert metrics["golong/t1/mean_reward"] == pytest.approx(0.5)
    assert [metrics[f"golong/{flag}_share"] for flag in ("unscored", "unparsed", "empty")] == [0, 0, 0]


async def _roll_out(loop: Any, dataset: RLHFDataset, tokenizer: Any, queue: Any) -> None:
    """What the agent loop does with the answers of a model."""
    for columns in (dataset[i] for i in range(len(dataset))):
        uid = columns["extra_info"]["sample"]
        await queue.async_kv_put(
            key=uid, partition_id="train", tag={"is_prompt": True, "status": "running", "global_steps": 1}
        )
        for session, answer in enumerate(ANSWERS[uid]):
            response = tokenizer.encode(f"{THINKING}[Answer]\n{answer}", add_special_tokens=False)
            output = AgentLoopOutput(
                prompt_ids=tokenizer.encode("question"),
                response_ids=[*response, tokenizer.eos_token_id],
                response_mask=[1] * (len(response) + 1),
                response_logprobs=[-1.0] * (len(response) + 1),
                metrics=AgentLoopMetrics(),
                extra_fields={"min_global_steps": 1, "max_global_steps": 1},
            )
            kept = {name: value for name, value in columns.items() if name != "dummy_tensor"}
            await loop._agent_loop_postprocess(output, False, uid=uid, session_id=session, global_steps=1, **kept)
        await queue.async_kv_put(key=uid, partition_id="train", tag={"status": "finished"})
