"""From settings to the arguments of vLLM, with a stand-in for its list of them. Needs no vLLM."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import JsonValue

from golong_eval.engines import EngineSettings, RopeScaling, embedded_model
from golong_eval.engines.vllm.arguments import Plan, plan
from golong_eval.engines.vllm.replicas import device_slices
from golong_eval.errors import ConfigError, ModelError


@dataclasses.dataclass
class EngineArgs:
    model: str = ""
    dtype: str = "auto"
    max_num_seqs: int = 256
    tensor_parallel_size: int = 1
    hf_overrides: dict[str, Any] | None = None
    reasoning_parser: str = ""
    reasoning_config: dict[str, Any] | None = None
    use_tqdm_on_load: bool = True
    revision: str | None = None


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vllm", "vllm.engine", "vllm.engine.arg_utils", "vllm.platforms"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["vllm.engine.arg_utils"].EngineArgs = EngineArgs  # type: ignore[attr-defined]


def planned(model: str | None = None, args: dict[str, JsonValue] | None = None, **settings: Any) -> Plan:
    return plan(model or embedded_model(), EngineSettings(args=args or {}, **settings))


def test_arguments_of_vllm_pass_through_and_ours_do_not() -> None:
    made = planned(args={"dtype": "float32", "max_num_seqs": 4, "in_flight": 7, "use_tqdm_on_load": True})
    assert made.own.in_flight == 7
    assert made.arguments == {
        "model": embedded_model(),
        "dtype": "float32",
        "max_num_seqs": 4,
        "use_tqdm_on_load": True,
        "trust_remote_code": False,
        "generation_config": "vllm",
    }


def test_an_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown key 'max_num_seq'") as caught:
        planned(args={"max_num_seq": 4})
    assert "did you mean 'max_num_seqs'?" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        planned(args={"dataparallel": 2})
    assert "did you mean 'data_parallel'?" in caught.value.hint


@pytest.mark.parametrize("args", [{"data_parallel": 0}, {"in_flight": "many"}, {"lora": 3}])
def test_own_arguments_are_checked(args: dict[str, JsonValue]) -> None:
    with pytest.raises(ConfigError, match="engine arguments of vllm"):
        planned(args=args)


@pytest.mark.parametrize(
    ("key", "hint"), [("max_model_len", "--max-model-len"), ("tokenizer", "own"), ("data_parallel_size", "replicas")]
)
def test_what_is_settled_elsewhere_says_where(key: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} is not taken") as caught:
        planned(args={key: 1})
    assert hint in caught.value.hint


def test_the_length_asked_for_is_at_most_the_model_s() -> None:
    """As in transformers; vLLM itself refuses more."""
    assert "max_model_len" not in planned().arguments
    assert planned(max_model_len=5_000).arguments["max_model_len"] == 5_000
    assert planned(max_model_len=50_000).arguments["max_model_len"] == 32_768
    wider = {"max_position_embeddings": 65_536}
    made = planned(max_model_len=50_000, args={"hf_overrides": wider})
    assert (made.arguments["max_model_len"], made.arguments["hf_overrides"]) == (50_000, wider)


def test_a_rotary_scaling_is_a_whole_override() -> None:
    made = planned(rope_scaling=RopeScaling(factor=4.0))
    assert made.arguments["max_model_len"] == 131_072
    assert made.arguments["hf_overrides"] == {
        "max_position_embeddings": 131_072,
        "rope_parameters": {
            "rope_theta": 10_000.0,
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32_768,
        },
    }
    assert planned(rope_scaling=RopeScaling(factor=4.0), max_model_len=100_000).arguments["max_model_len"] == 100_000


def test_two_overrides_are_refused() -> None:
    with pytest.raises(ConfigError, match="two overrides"):
        planned(rope_scaling=RopeScaling(factor=2.0), args={"hf_overrides": {"rope_theta": 1}})
    with pytest.raises(ConfigError, match="JSON object"):
        planned(args={"hf_overrides": "rope_theta=1"})


@pytest.mark.parametrize(("rank", "taken"), [(4, 8), (8, 8), (24, 32), (512, 512)])
def test_the_largest_rank_of_an_adapter_is_read(tmp_path: Path, rank: int, taken: int) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "rank_pattern": {"q_proj": rank}}))
    made = planned(args={"lora": str(tmp_path)})
    assert (made.arguments["enable_lora"], made.arguments["max_lora_rank"]) == (True, taken)


@pytest.mark.parametrize("config", [None, "{", "{}", '{"r": 1024}'])
def test_a_folder_without_a_usable_adapter_is_told(tmp_path: Path, config: str | None) -> None:
    if config is not None:
        (tmp_path / "adapter_config.json").write_text(config)
    with pytest.raises(ModelError):
        planned(args={"lora": str(tmp_path)})


def test_a_budget_of_thinking_says_where_thinking_starts_and_ends() -> None:
    made = planned(thinking_budget=100)
    assert made.arguments["reasoning_config"] == {"reasoning_start_str": "<think>", "reasoning_end_str": "</think>"}
    made = planned(thinking_budget=100, args={"reasoning_parser": "seed_oss"})
    assert made.arguments["reasoning_parser"] == "seed_oss"
    assert "reasoning_parser" not in planned(args={"reasoning_parser": "seed_oss"}).arguments


@pytest.mark.parametrize("config", [None, "{", "[]"])
def test_a_folder_without_a_usable_configuration_is_told(tmp_path: Path, config: str | None) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedded_model(), folder)
    (folder / "config.json").unlink()
    if config is not None:
        (folder / "config.json").write_text(config)
    with pytest.raises(ModelError) as caught:
        planned(str(folder))
    assert str(folder) in str(caught.value)


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The devices of replicas, by what the environment names and how many of it there are."""

    def found(visible: str | None, there: int, replicas: int, each: int = 1) -> list[str]:
        platform = SimpleNamespace(is_cpu=lambda: False, device_control_env_var="CUDA_VISIBLE_DEVICES")
        sys.modules["vllm.platforms"].current_platform = platform  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: there)))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return [part["CUDA_VISIBLE_DEVICES"] for part in device_slices(replicas, each)]

    return found


def test_each_replica_has_devices_of_its_own(slices: Callable[..., list[str]]) -> None:
    assert slices("4,5,6,7", 4, 2, 2) == ["4,5", "6,7"]
    assert slices("GPU-a, GPU-b", 2, 2) == ["GPU-a", "GPU-b"]
    assert slices(None, 2, 2) == ["0", "1"]


@pytest.mark.parametrize(
    ("visible", "there", "count"), [("4,5", 2, 2), ("0,-1", 1, 1), ("-1", 0, 0), ("", 0, 0), ("0,0", 0, 1)]
)
def test_a_list_of_devices_is_read_as_cuda_does(
    slices: Callable[..., list[str]], visible: str, there: int, count: int
) -> None:
    """Up to the first that is none, and each once."""
    with pytest.raises(ConfigError, match=f"and {count} are visible"):
        slices(visible, there, 3)


def test_devices_that_there_are_not_are_told(slices: Callable[..., list[str]]) -> None:
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES=0,1,7 names 3 devices, and 2 of them are there"):
        slices("0,1,7", 2, 3)


def test_without_devices_replicas_share_the_processor() -> None:
    sys.modules["vllm.platforms"].current_platform = SimpleNamespace(is_cpu=lambda: True)  # type: ignore[attr-defined]
    assert device_slices(2, 1) == [{}, {}]
