"""verl accepts every setting of our launch files, and they are the published ones.

The settings are read by running the launch file with an interpreter that prints its arguments.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl", reason="needs verl")

from hydra import compose, initialize_config_module
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import omega_conf_to_dataclass, validate_config
from verl.workers.rollout.utils import get_max_position_embeddings

from golong_eval.adapters import verl_advantages
from golong_eval.adapters.verl import compute_score
from golong_eval.engines import embedded_model

pytestmark = pytest.mark.verl

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "training" / "verl"
LAUNCH_FILES = sorted(path.stem for path in FOLDER.glob("*.sh") if path.stem != "settings")
GIVEN = {"MODEL": "a/checkpoint", "TRAIN_FILE": "train.parquet", "VAL_FILE": "val.parquet"}


def started(folder: Path, file: str, *arguments: str, **environment: str) -> list[str]:
    """What the launch file starts: the arguments of its interpreter."""
    printer = folder / "python"
    printer.write_text('#!/bin/sh\nprintf "%s\\0" "$RAY_ADDRESS" "$@"\n')
    printer.chmod(0o755)
    out = subprocess.run(
        ["bash", str(FOLDER / f"{file}.sh"), *arguments],
        env={"PATH": os.environ["PATH"], "PYTHON": str(printer), **GIVEN, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return out.stdout.split("\0")[:-1]


def configuration(words: list[str]) -> Any:
    assert words[1:3] == ["-m", "verl.trainer.main_ppo"]
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=words[3:])
    OmegaConf.resolve(config)
    return config


def test_there_is_a_launch_file_for_each_run() -> None:
    assert LAUNCH_FILES == ["grpo_30b", "grpo_4b", "tmn_reweight_30b", "tmn_reweight_4b"]


@pytest.mark.parametrize("rollout", ["sglang", "vllm"])
@pytest.mark.parametrize("file", LAUNCH_FILES)
def test_verl_s_own_checks_accept_every_setting(file: str, rollout: str, tmp_path: Path) -> None:
    config = configuration(started(tmp_path, file, ROLLOUT=rollout))
    validate_config(config, need_reference_policy(config), need_critic(config))
    for part in (config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout, config.algorithm.filter_groups):
        omega_conf_to_dataclass(part)
    verl_advantages.check(config)
    assert not need_critic(config)
    assert not need_reference_policy(config)
    assert config.trainer.use_v1
    assert config.actor_rollout_ref.rollout.name == rollout


@pytest.mark.parametrize("file", LAUNCH_FILES)
def test_the_settings_are_the_published_ones(file: str, tmp_path: Path) -> None:
    config = configuration(started(tmp_path, file))
    actor, rollout, data = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout, config.data
    assert (data.train_batch_size, actor.ppo_mini_batch_size, actor.ppo_epochs, rollout.n) == (128, 128, 1, 16)
    assert (data.max_prompt_length, data.max_response_length, rollout.max_model_len) == (163_840, 16_384, 180_224)
    assert (rollout.prompt_length, rollout.response_length) == (163_840, 16_384)
    assert (rollout.temperature, rollout.top_p, rollout.top_k) == (1.0, 1.0, -1)
    assert (actor.clip_ratio_low, actor.clip_ratio_high, actor.clip_ratio_c) == (0.2, 0.28, 3.0)
    assert (actor.use_kl_loss, config.algorithm.use_kl_in_reward, actor.loss_agg_mode) == (False, False, "token-mean")
    optim = actor.optim
    assert (optim.lr, optim.lr_warmup_steps, optim.weight_decay, optim.clip_grad) == (2e-6, 5, 0.1, 1.0)
    assert (config.trainer.total_epochs, config.trainer.save_freq) == (10, 5)
    assert (config.trainer.nnodes, config.trainer.n_gpus_per_node) == (16, 8)
    filters = config.algorithm.filter_groups
    assert (filters.enable, filters.metric, filters.max_inflight_gen_batches * data.train_batch_size) == (
        True,
        "reward",
        512,
    )
    big = "30b" in file
    megatron = actor.megatron
    assert (megatron.tensor_model_parallel_size, megatron.context_parallel_size) == (4 if big else 8, 8)
    assert (megatron.expert_model_parallel_size, megatron.expert_tensor_parallel_size) == (4 if big else 1, 1)
    assert data.train_max_samples == (-1 if big else 8000)
    if "tmn" in file:
        assert config.algorithm.adv_estimator == "tmn_reweight"
        assert dict(config.algorithm.tmn) == {"alpha": 0.8, "gamma": 1.0, "decay": 0.0}
        assert verl_advantages.parameters_of("tmn_reweight", config.algorithm) == {"alpha": 0.8, "gamma": 1.0}
    else:
        assert config.algorithm.adv_estimator == "golong_grpo"


@pytest.mark.parametrize("file", LAUNCH_FILES)
def test_the_reward_is_ours_and_gated(file: str, tmp_path: Path) -> None:
    from verl.trainer.ppo.reward import get_custom_reward_fn

    config = configuration(started(tmp_path, file))
    reward = get_custom_reward_fn(config)
    assert reward is not None
    assert reward.args[0] is compute_score
    truth = {"golden_label": "7"}
    assert reward(data_source="EM", solution_str="thinking</think>7", ground_truth=truth)["score"] == 1
    assert reward(data_source="EM", solution_str="7", ground_truth=truth)["unparsed"] == 1
    # The old keys at the top level, which verl ignores, are left empty.
    assert config.custom_reward_function.path is None
    assert config.reward_model.reward_manager is None


def test_nothing_of_ours_shuts_verl_out_of_an_environment() -> None:
    """Hydra needs antlr4 4.9. Without an extra of math-verify that pins another, pip finds one that suits both."""
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert not [line for line in needs if "antlr" in line]
    assert importlib.metadata.version("antlr4-python3-runtime").startswith("4.9.")


def test_a_cluster_that_is_not_up_is_no_cluster_of_one(tmp_path: Path) -> None:
    assert started(tmp_path, "grpo_4b")[0] == "auto"
    assert started(tmp_path, "grpo_4b", RAY_ADDRESS="ray:6379")[0] == "ray:6379"
    assert started(tmp_path, "grpo_4b", NNODES="1")[0] == ""


def test_arguments_go_to_verl_and_win(tmp_path: Path) -> None:
    words = started(tmp_path, "grpo_4b", "trainer.total_epochs=1", "algorithm.adv_estimator=tmn", NNODES="2", GPUS="64")
    config = configuration(words)
    assert (config.trainer.total_epochs, config.algorithm.adv_estimator, config.trainer.nnodes) == (1, "tmn", 2)
    assert config.transfer_queue.backend.SimpleStorage.num_data_storage_units == 4


def test_several_files_of_rows_are_a_list(tmp_path: Path) -> None:
    config = configuration(started(tmp_path, "grpo_4b", TRAIN_FILE="[a.parquet,b.parquet]"))
    assert list(config.data.train_files) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_missing_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        started(tmp_path, "grpo_4b", **{name: ""})
    assert f"{name}=" in failed.value.stderr


def test_verl_reads_the_scaling_of_a_checkpoint_with_yarn(tmp_path: Path) -> None:
    """verl's model configuration, and the length that its rollout servers take from it."""
    out = tmp_path / "yarn"
    command = [sys.executable, str(FOLDER / "with_yarn.py"), embedded_model(), str(out), "--factor", "5.5"]
    subprocess.run(command, check=True)
    model = configuration(started(tmp_path, "grpo_4b", MODEL=str(out))).actor_rollout_ref.model
    read = omega_conf_to_dataclass(model)
    assert get_max_position_embeddings(read.hf_config) == 180_224
    assert read.hf_config.rope_parameters["rope_type"] == "yarn"
    assert read.hf_config.rope_parameters["factor"] == 5.5
    assert read.hf_config.rope_parameters["rope_theta"] == 10000.0
    assert read.tokenizer.eos_token_id == 2


def test_a_setting_that_verl_does_not_have_would_be_refused(tmp_path: Path) -> None:
    """What this file rests on: the published launch files name settings that their configuration lacks."""
    words = started(tmp_path, "tmn_reweight_4b")
    for wrong in ("algorithm.difficulty_reweight=True", "actor_rollout_ref.actor.load_weight=True"):
        with pytest.raises(ConfigCompositionException, match="Could not override"):
            configuration([*words, wrong])
    config = configuration([*words, "trainer.nnodes=1", "trainer.n_gpus_per_node=4"])
    with pytest.raises(AssertionError, match="n_gpus"):
        validate_config(config, False, False)


def starts_of_the_page() -> list[list[str]]:
    """The arguments of each start of verl in docs/verl.md."""
    page = (ROOT / "docs" / "verl.md").read_text().replace("\\\n", " ")
    lines = [line for line in page.splitlines() if "verl.trainer.main_ppo" in line and line.startswith("    ")]
    return [shlex.split(line)[1:] for line in lines]


def test_the_commands_of_the_page_are_accepted() -> None:
    found = starts_of_the_page()
    assert found
    for words in found:
        config = configuration(["", *words])
        validate_config(config, need_reference_policy(config), need_critic(config))
        verl_advantages.check(config)
        assert json.dumps(OmegaConf.to_container(config, resolve=True))


@pytest.mark.timeout(300)
def test_a_wrong_parameter_ends_the_command_of_the_page_in_the_trainer_s_own_process(tmp_path: Path) -> None:
    """The command itself: Ray, the trainer's actor, and in it the plugin."""
    words = [
        *starts_of_the_page()[0],
        f"actor_rollout_ref.model.path={embedded_model()}",
        "+algorithm.tmn.alhpa=0.5",
        "ray_kwargs.ray_init.num_cpus=16",  # logical; with fewer than the queue's units it waits for ever
        "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 1
    assert "golong_eval.errors.ConfigError: the estimator tmn_reweight has no parameter 'alhpa'" in done.stderr
    assert "did you mean 'alpha'?" in done.stderr
