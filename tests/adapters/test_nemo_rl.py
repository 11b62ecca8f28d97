"""NeMo-RL's environment and estimator: our scores, and advantages by prompt and task over the tokens.

NeMo-RL is not on PyPI and is not run here: batches, message logs and configurations are of the form that it hands over.
"""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from golong_eval.adapters import nemo_rl as adapter
from golong_eval.adapters.nemo_rl import (
    EnvironmentReturn,
    GolongAdvantageEstimator,
    GolongEnvironment,
    data_processor,
    install,
    write_nemo_rl_rows,
)
from golong_eval.adapters.rows import decode_label
from golong_eval.advantages import tmn, tmn_reweight
from golong_eval.errors import ConfigError, MissingExtraError, UnknownNameError
from golong_eval.tasks import load_catalogue

from .labelled import BROKEN, T1, T3, labelled, samples

RIGHT = "[Answer]\nD1\nD3"


def talk(response: str, prompt: str = "<|user|>Which?<|assistant|>\n") -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]


def stepped(responses: list[str], labels: list[Any], **settings: Any) -> EnvironmentReturn:
    environment = GolongEnvironment(settings)
    return environment.step([talk(text) for text in responses], [{"label": label} for label in labels])


def test_the_environment_gives_our_scores_and_ends_the_episode() -> None:
    material = labelled()
    found = stepped([one.response for one in material], [one.label for one in material])
    assert found.rewards.dtype == torch.float32
    assert found.rewards.tolist() == pytest.approx([one.value for one in material], abs=1e-7)
    assert bool(found.terminateds.all())
    assert len(set(map(len, (found.observations, found.metadata, found.next_stop_strings, found.answers)))) == 1
    observations, metadata, stops, rewards, terminateds, answers = found  # as NeMo-RL takes it apart
    assert {one["role"] for one in observations} == {"environment"}
    assert metadata[0] == {"label": material[0].label}
    assert (len(stops), len(rewards), len(terminateds)) == (len(material),) * 3
    assert all(answer is None or isinstance(answer, str) for answer in answers)


def test_settings_thinking_and_special_tokens_are_seen() -> None:
    assert stepped(["D1\n\nD3"], [T3], variant="official").rewards.tolist() == pytest.approx([0.8])
    assert stepped([RIGHT], [T3], require_think=True).rewards.tolist() == [0.0]
    assert stepped([RIGHT + "<|im_end|>"], [T3]).rewards.tolist() == [1.0]
    cut = GolongEnvironment().step([talk("D1\nD3", "Which?<think>\n")], [{"label": T3}])
    assert cut.rewards.tolist() == [0.0]
    with pytest.raises(UnknownNameError):
        GolongEnvironment({"variant": "loose"})


def test_metrics_are_the_mean_reward() -> None:
    batch = {"rewards": torch.tensor([1.0, 0.5])}
    assert GolongEnvironment().global_post_process_and_metrics(batch) == (batch, {"golong/mean_reward": 0.75})
    assert GolongEnvironment().global_post_process_and_metrics({})[1] == {}


LABELS = [T3, T3, T3, T3, T1, T1]
VALUES = [1.0, 0.0, 0.6, 0.4, 1.0, 0.0]
PROMPTS = torch.tensor([[5, 6, 7]] * 2 + [[5, 6, 0]] * 2 + [[8, 8, 8]] * 2)  # token ids, padded
MASK = torch.tensor([[0, 1, 1]] * 3 + [[0, 1, 0]] * 3)


def batch_of(labels: list[Any], **columns: Any) -> dict[str, Any]:
    logs = [[*talk(RIGHT), {"role": "environment", "content": "Environment: scored."}] for _ in labels]
    return {"message_log": logs, "extra_env_info": [{"label": label} for label in labels]} | columns


def estimated(config: Any, values: list[float] = VALUES, batch: Any = None, **more: Any) -> Any:
    estimator = GolongAdvantageEstimator(config, None)
    batch = batch_of(LABELS) if batch is None else batch
    return estimator.compute_advantage(
        prompt_ids=more.pop("prompt_ids", PROMPTS),
        rewards=torch.tensor(values),
        mask=MASK,
        repeated_batch=batch,
        logprobs_policy=None,
        logprobs_reference=None,
        **more,
    )


def test_the_advantages_by_hand_lie_on_the_tokens_of_the_policy() -> None:
    found = estimated({"name": "grpo", "golong": {"estimator": "tmn"}})
    sigma = math.sqrt(0.26)  # T3: variances 0.5 and 0.02; T1 alone: 0.5
    expected = [0.5 / sigma, -0.5 / sigma, 0.1 / sigma, -0.1 / sigma, 0.707107, -0.707107]
    assert found.shape == MASK.shape
    for row, value in enumerate(expected):
        assert found[row].tolist() == pytest.approx([value * int(bit) for bit in MASK[row]], abs=1e-5)


@pytest.mark.parametrize("config", [{"name": "grpo"}, SimpleNamespace(name="grpo"), {"golong": None}])
def test_without_settings_it_is_tmn_reweight(config: Any) -> None:
    expected = tmn_reweight(VALUES, [0, 0, 1, 1, 2, 2], ["t3"] * 4 + ["t1"] * 2)
    assert estimated(config)[:, 1].tolist() == pytest.approx(list(expected), abs=1e-6)
    assert estimated(config, prompt_ids=torch.tensor([3, 3, 1, 1, 2, 2]))[:, 1].tolist() == pytest.approx(
        list(expected), abs=1e-6
    )


def test_a_row_without_a_score_is_told_by_the_environment_and_left_out() -> None:
    labels = [BROKEN, *LABELS]
    environment = GolongEnvironment()
    logs = [talk(RIGHT) for _ in labels]
    told = environment.step(logs, [{"label": label} for label in labels])
    assert told.rewards[0] == 0.0
    batch = batch_of(labels, task_name=["t3"] * 5 + ["t1"] * 2)
    batch["message_log"] = [[*log, said] for log, said in zip(logs, told.observations, strict=True)]
    estimator = GolongAdvantageEstimator({"golong": {"estimator": "tmn"}})
    found = estimator.compute_advantage(
        torch.cat([PROMPTS[:1], PROMPTS]), torch.tensor([0.0, *VALUES]), torch.cat([MASK[:1], MASK]), batch
    )
    expected = tmn(VALUES, [0, 0, 1, 1, 2, 2], ["t3"] * 4 + ["t1"] * 2)
    assert found[:, 1].tolist() == pytest.approx([0.0, *expected], abs=1e-6)
    assert estimator.metrics["golong/unscored"] == 1.0


def test_rows_that_must_not_count_do_not() -> None:
    valid = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    found = estimated({"golong": {"estimator": "tmn"}}, valid_mask=valid)
    expected = tmn(VALUES[:4], [0, 0, 1, 1], ["t3"] * 4)
    assert found[:, 1].tolist() == pytest.approx([*expected, 0.0, 0.0], abs=1e-6)


def test_rows_that_are_not_ours_have_the_task_of_their_name() -> None:
    batch = {"task_name": ["a"] * 4 + ["b"] * 2, "extra_env_info": [{"ground_truth": "42"}] * 6}
    found = estimated({"golong": {"estimator": "tmn"}}, batch=batch)
    expected = tmn(VALUES, [0, 0, 1, 1, 2, 2], ["a"] * 4 + ["b"] * 2)
    assert found[:, 1].tolist() == pytest.approx(list(expected), abs=1e-6)
    with pytest.raises(ConfigError, match="no task"):
        estimated({}, batch={"total_reward": torch.tensor(VALUES)})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"estimtor": "tmn"}, "estimtor"),
        ({"estimator": "tmn", "alpha": 0.5}, "does nothing"),
        ({"alpha": 2}, "alpha"),
        ("tmn", "mapping"),
    ],
)
def test_settings_are_checked_when_training_begins(settings: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        GolongAdvantageEstimator({"golong": settings})


def test_rows_become_what_the_trainer_reads(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert write_nemo_rl_rows(samples(), file) == len(samples())
    tokenizer = Tokenizer()
    catalogue = load_catalogue()
    for idx, (line, sample) in enumerate(zip(file.read_text(encoding="utf-8").splitlines(), samples(), strict=True)):
        row = json.loads(line)
        made = data_processor(row, None, tokenizer, 1_000_000, idx)
        (message,) = made["message_log"]
        assert message["content"] == catalogue.get(sample.task).prompt(sample).message + "<|assistant|>"
        assert made["length"] == len(message["token_ids"]) == len(message["content"])
        assert decode_label(made["extra_env_info"]["label"]).task == sample.task
        assert (made["idx"], made["task_name"], made["loss_multiplier"]) == (idx, f"golong_{sample.task}", 1.0)
        short = data_processor(row, None, tokenizer, 10, idx)
        assert (short["loss_multiplier"], len(short["message_log"][0]["token_ids"])) == (0.0, 4)


class Tokenizer:
    """Text as its code points."""

    def apply_chat_template(self, messages: list[dict[str, str]], **_options: Any) -> str:
        return "".join(message["content"] for message in messages) + "<|assistant|>"

    def __call__(self, text: str, **_options: Any) -> dict[str, Any]:
        return {"input_ids": torch.tensor([[ord(character) for character in text]])}


@pytest.mark.parametrize(
    "thing",
    [
        GolongEnvironment({"variant": "official"}),
        GolongAdvantageEstimator({"golong": {"estimator": "tmn", "decay": 0.9}}),
        data_processor,
        install,
    ],
)
def test_all_can_be_pickled(thing: Any) -> None:
    copy = pickle.loads(pickle.dumps(thing))
    if isinstance(thing, GolongEnvironment):
        assert copy.step([talk("D1\n\nD3")], [{"label": T3}]).rewards.tolist() == pytest.approx([0.8])


def test_without_nemo_rl_the_message_says_so() -> None:
    try:
        import nemo_rl  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match="NeMo-RL"):
            install()
    with pytest.raises(AttributeError):
        _ = adapter.Nonsense


RAY = """
import importlib
import ray

label = {label!r}
actor = getattr(importlib.import_module("golong_eval.adapters.nemo_rl"), "GolongEnvironmentActor")
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
handle = actor.options(num_cpus=0).remote({{"variant": "strict"}})
talk = [{{"role": "user", "content": "Which?"}}, {{"role": "assistant", "content": "[Answer]\\nD1"}}]
steps = ray.get([handle.step.remote([talk], [{{"label": label}}]) for _ in range(4)])  # at once, in its threads
for observations, metadata, stops, rewards, terminateds, answers in steps:
    print(round(float(rewards[0]), 3), metadata[0] == {{"label": label}}, bool(terminateds.all()))
ray.get(handle.shutdown.remote())
ray.shutdown()
"""


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_the_environment_is_an_actor_of_a_real_ray() -> None:
    pytest.importorskip("ray", reason="needs Ray")
    done = subprocess.run([sys.executable, "-c", RAY.format(label=T3)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["0.667 True True"] * 4, done.stderr


@pytest.mark.frameworks
def test_the_estimator_and_the_environment_fit_a_checkout_of_nemo_rl() -> None:
    pytest.importorskip("nemo_rl.algorithms.grpo", reason="needs a checkout of NeMo-RL in PYTHONPATH")
    from nemo_rl.algorithms import grpo
    from nemo_rl.environments.interfaces import EnvironmentReturn as Theirs
    from nemo_rl.environments.utils import ENV_REGISTRY

    install("golong_test")
    assert grpo.GRPOAdvantageEstimator is GolongAdvantageEstimator
    assert ENV_REGISTRY["golong_test"]["actor_class_fqn"].endswith("GolongEnvironmentActor")
    assert EnvironmentReturn._fields == Theirs._fields
