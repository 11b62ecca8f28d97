"""ROLL's worker and normalisation: our scores in float32, and the advantages of each prompt's rows.

ROLL is not on PyPI and is not run here: the batches are of the form that its pipeline hands over.
"""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from golong_eval.adapters import roll as adapter
from golong_eval.adapters.roll import install, reward_postprocess, rewards_of, write_roll_rows
from golong_eval.adapters.rows import decode_label
from golong_eval.advantages import TaskScale, tmn, tmn_reweight
from golong_eval.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from golong_eval.tasks import load_catalogue

from .labelled import BROKEN, T1, T3, labelled, samples

PAD = 0


class Tokenizer:
    """Text as its code points; padding is decoded, as special tokens are."""

    def batch_decode(self, tokens: Any, *, skip_special_tokens: bool) -> list[str]:
        assert not skip_special_tokens
        return ["".join("<pad>" if token == PAD else chr(token) for token in row) for row in tokens.tolist()]


def padded(texts: list[str], *, left: bool = False) -> Any:
    width = max(map(len, texts))
    rows = []
    for text in texts:
        tokens, padding = [ord(character) for character in text], [PAD] * (width - len(text))
        rows.append(padding + tokens if left else tokens + padding)
    return torch.tensor(rows)


def answers(responses: list[str], labels: list[Any], prompts: list[str] | None = None) -> Any:
    tensors = {
        "responses": padded(responses),
        "prompts": padded(prompts or ["<|user|>Which?<|assistant|>\n"] * len(labels), left=True),
    }
    return SimpleNamespace(batch=tensors, non_tensor_batch={"ground_truth": labels})


def rewarded(values: list[float], label: str = T3, **columns: Any) -> Any:
    columns = {"ground_truth": [label] * len(values)} | columns
    return SimpleNamespace(
        batch={"response_level_rewards": torch.tensor(values, dtype=torch.float32)}, non_tensor_batch=columns
    )


def pipeline(many: int = 2, **changes: Any) -> Any:
    generating = SimpleNamespace(num_return_sequences=many)
    settings = {"adv_estimator": "reinforce", "gamma": 1, "whiten_advantages": False, "reward_clip": None}
    return SimpleNamespace(actor_infer=SimpleNamespace(generating_args=generating), **(settings | changes))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter._advantages.cache_clear()
    for name in ("ESTIMATOR", "ALPHA", "DECAY", "SCALE_FILE", "VARIANT", "REQUIRE_THINK"):
        monkeypatch.delenv(f"GOLONG_{name}", raising=False)


def test_the_worker_s_rewards_are_our_scores_in_float32() -> None:
    material = labelled()
    found = rewards_of(answers([one.response for one in material], [one.label for one in material]), Tokenizer())
    assert found["scores"].dtype == found["response_level_rewards"].dtype == torch.float32
    assert found["scores"].tolist() == pytest.approx([one.value for one in material], abs=1e-7)
    assert found["response_level_rewards"].tolist() == found["scores"].tolist()
    assert found["token_level_rewards"].dtype == torch.float32
    assert found["token_level_rewards"].abs().sum() == 0
    assert len(found["token_level_rewards"]) == len(material)


def test_special_tokens_thinking_and_settings_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(response: str, label: Any = T3, prompt: str = "Which?") -> float:
        return float(rewards_of(answers([response], [label], [prompt]), Tokenizer())["scores"][0])

    assert one("[Answer]\nD1\nD3<|im_end|>") == 1.0
    assert one("D1\nD3", prompt="Which?<think>\n") == 0.0
    assert one("hm</think>D1\nD3", prompt="Which?<think>\n") == 1.0
    assert one("[Answer]\nD1\nD3", BROKEN) == 0.0
    monkeypatch.setenv("GOLONG_VARIANT", "official")
    assert one("D1\n\nD3") == pytest.approx(0.8)
    monkeypatch.setenv("GOLONG_VARIANT", "strict")
    monkeypatch.setenv("GOLONG_REQUIRE_THINK", "1")
    assert one("[Answer]\nD1\nD3") == 0.0
    monkeypatch.setenv("GOLONG_REQUIRE_THINK", "Off")
    assert one("[Answer]\nD1\nD3") == 1.0
    monkeypatch.setenv("GOLONG_REQUIRE_THINK", "perhaps")
    with pytest.raises(ConfigError, match="require_think"):
        one("D1")
    monkeypatch.setenv("GOLONG_VARIANT", "loose")
    with pytest.raises(UnknownNameError):
        one("D1")


def test_an_unknown_variable_is_refused_by_worker_and_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLONG_ESTIMATER", "tmn")
    with pytest.raises(ConfigError, match="GOLONG_ESTIMATER"):
        rewards_of(answers(["[Answer]\nD1"], [T3]), Tokenizer())
    with pytest.raises(ConfigError, match="GOLONG_ESTIMATER"):
        reward_postprocess(rewarded([1.0, 0.0]), pipeline())


def test_the_advantages_of_a_domain_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLONG_ESTIMATOR", "tmn")
    data, metrics = reward_postprocess(rewarded([1.0, 0.0, 0.6, 0.4]), pipeline(), {})
    sigma = math.sqrt(0.26)  # variances 0.5 and 0.02
    assert data.batch["response_level_rewards"].tolist() == pytest.approx(
        [0.5 / sigma, -0.5 / sigma, 0.1 / sigma, -0.1 / sigma], abs=1e-5
    )
    assert data.batch["response_level_rewards"].dtype == torch.float32
    assert metrics["golong/t3/mean_reward"] == pytest.approx(0.5)


def test_half_precision_rewards_give_advantages_in_full() -> None:
    data = rewarded([1.0, 0.0, 0.5, 0.5])
    data.batch["response_level_rewards"] = data.batch["response_level_rewards"].half()
    found = reward_postprocess(data, pipeline())[0].batch["response_level_rewards"]
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx(list(tmn_reweight([1.0, 0.0, 0.5, 0.5], [0, 0, 1, 1], ["t3"] * 4)), abs=1e-6)


def test_a_domain_without_our_labels_is_its_own_task() -> None:
    data = rewarded([1.0, 0.0], ground_truth=["42", "42"], domain=["math", "math"])
    _, metrics = reward_postprocess(data, pipeline())
    assert "golong/math/mean_reward" in metrics
    with pytest.raises(DataError, match="unknown"):
        reward_postprocess(rewarded([1.0, 0.0], ground_truth=["42", "42"]), pipeline())


def test_each_domain_has_a_running_scale_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOLONG_ESTIMATOR", "tmn")
    monkeypatch.setenv("GOLONG_DECAY", "0.5")
    monkeypatch.setenv("GOLONG_SCALE_FILE", str(tmp_path / "scale.json"))
    scale = TaskScale(0.5)
    for step, values in enumerate([[1.0, 0.0], [0.2, 0.0], [0.9, 0.1]]):
        if step == 2:
            adapter._advantages.cache_clear()
        reward_postprocess(rewarded([0.3, 0.2], T1), pipeline())  # forgets nothing of the other domain
        found = reward_postprocess(rewarded(values), pipeline())[0].batch["response_level_rewards"]
        assert found.tolist() == pytest.approx(list(tmn(values, [0, 0], ["t3"] * 2, scale=scale)), abs=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scale.t1.json", "scale.t3.json"]


def test_the_clip_of_roll_is_kept() -> None:
    data, metrics = reward_postprocess(rewarded([1.0, 0.0, 1.0, 0.0]), pipeline(reward_clip=0.5))
    assert data.batch["response_level_rewards"].abs().max() == 0.5
    assert metrics["critic/reward_clip_frac"] == 1.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"adv_estimator": "gae"}, "gae"),
        ({"gamma": 0.99}, "gamma"),
        ({"whiten_advantages": True}, "whiten_advantages"),
        ({"whiten_rewards": True}, "whiten_rewards"),
    ],
)
def test_settings_of_roll_that_would_change_the_advantages_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        reward_postprocess(rewarded([1.0, 0.0]), pipeline(**changes))


def test_rows_that_are_no_whole_groups_are_refused() -> None:
    with pytest.raises(DataError, match="no groups of 2"):
        reward_postprocess(rewarded([1.0, 0.0, 1.0]), pipeline())
    with pytest.raises(DataError, match="a group of 2 rows has two tasks"):
        reward_postprocess(rewarded([1.0, 0.0], ground_truth=[T3, T1]), pipeline())


def test_rows_have_the_columns_that_roll_reads(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert write_roll_rows(samples(), file) == len(samples())
    catalogue = load_catalogue()
    for line, sample in zip(file.read_text(encoding="utf-8").splitlines(), samples(), strict=True):
        row = json.loads(line)
        assert json.loads(row["messages"]) == catalogue.get(sample.task).prompt(sample).messages
        assert decode_label(row["ground_truth"]).task == sample.task
        assert row["domain"] == row["tag"] == f"golong_{sample.task}"


@pytest.mark.parametrize("function", [reward_postprocess, rewards_of, install])
def test_the_functions_can_be_pickled(function: Any) -> None:
    assert pickle.loads(pickle.dumps(function)) is function


def test_without_roll_the_message_says_so() -> None:
    try:
        import roll  # noqa: F401
    except ImportError:
        for use in (install, lambda: adapter.GolongRewardWorker):
            with pytest.raises(MissingExtraError, match="ROLL"):
                use()
    with pytest.raises(AttributeError):
        _ = adapter.Nonsense


@pytest.mark.frameworks
def test_the_worker_and_the_hook_fit_a_checkout_of_roll() -> None:
    pytest.importorskip("roll.pipeline.rlvr.rlvr_pipeline", reason="needs a checkout of ROLL in PYTHONPATH")
    from roll.distributed.executor.worker import Worker
    from roll.pipeline.rlvr import rlvr_pipeline

    install()
    assert rlvr_pipeline.reward_postprocess is reward_postprocess
    assert issubclass(adapter.GolongRewardWorker, Worker)
    assert pickle.loads(pickle.dumps(adapter.GolongRewardWorker)) is adapter.GolongRewardWorker
