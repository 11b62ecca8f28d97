"""From a recipe to TRL's settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golong_eval.errors import ConfigError, nearest
from golong_eval.training.recipe import Recipe

if TYPE_CHECKING:
    from golong_eval.training.trl_trainer import TMNGRPOConfig

__all__ = ["make_config", "steps_of"]

_LOSSES = {"token_mean": "dapo", "sequence_mean": "grpo", "dr_grpo": "dr_grpo"}
_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def steps_of(recipe: Recipe, samples: int) -> int:
    """Return how many optimiser steps a recipe makes of so many training samples."""
    if recipe.steps is not None:
        return recipe.steps
    assert recipe.epochs is not None
    return max(1, round(recipe.epochs * samples / recipe.rollouts.prompts))


def make_config(recipe: Recipe, output_dir: Path, steps: int, processes: int = 1) -> TMNGRPOConfig:
    """Return the trainer's settings.

    One optimiser step takes the whole of what is generated: ``rollouts.prompts * rollouts.group`` rows over all
    processes, ``optimiser.rows_per_device`` of them at a time.

    Raises:
        ConfigError: The rows of a step can't be shared out evenly; ``trl`` holds a key that TRL does not have, or
        that the
            recipe has itself.
    """
    import torch

    from golong_eval.training.trl_trainer import TMNGRPOConfig

    rollouts, loss, optimiser = recipe.rollouts, recipe.loss, recipe.optimiser
    rows = rollouts.prompts * rollouts.group
    at_once = processes * optimiser.rows_per_device
    if rows % at_once:
        raise ConfigError(
            f"{rollouts.prompts} prompts x {rollouts.group} rollouts can't be shared by {processes} processes of "
            f"{optimiser.rows_per_device} rows",
            "make rollouts.prompts x rollouts.group a multiple of processes x optimiser.rows_per_device",
        )
    if rollouts.refills and rows // processes % rollouts.group:
        raise ConfigError(
            f"{rollouts.prompts} prompts can't be shared by {processes} processes, which refilling needs",
            "make rollouts.prompts a multiple of the processes, or rollouts.refills 0",
        )
    values: dict[str, Any] = {
        "output_dir": str(output_dir),
        "advantage_estimator": recipe.estimator.name,
        "advantage_parameters": dict(recipe.estimator.parameters),
        "task_scale_decay": recipe.estimator.task_scale_decay,
        "max_refills": rollouts.refills,
        "num_generations": rollouts.group,
        "max_completion_length": rollouts.max_tokens,
        "temperature": rollouts.temperature,
        "top_p": rollouts.top_p,
        "per_device_train_batch_size": optimiser.rows_per_device,
        "gradient_accumulation_steps": rows // at_once,
        "steps_per_generation": rows // at_once,
        "shuffle_dataset": False,  # the mixture has the order
        "beta": loss.kl,
        "epsilon": loss.clip_low,
        "epsilon_high": loss.clip_high,
        "delta": loss.dual_clip,
        "loss_type": _LOSSES[loss.aggregate],
        "mask_truncated_completions": loss.mask_truncated,
        "learning_rate": optimiser.learning_rate,
        "lr_scheduler_type": _SCHEDULES[optimiser.schedule],
        "warmup_steps": optimiser.warmup_steps,
        "weight_decay": optimiser.weight_decay,
        "max_grad_norm": optimiser.max_grad_norm,
        "bf16": optimiser.precision == "bfloat16",
        "gradient_checkpointing": optimiser.gradient_checkpointing,
        "max_steps": steps,
        "save_steps": recipe.checkpoints.every,
        "save_total_limit": recipe.checkpoints.keep,
        "logging_steps": 1,
        "seed": recipe.seed,
        "report_to": list(recipe.report_to) or "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    if rollouts.engine == "vllm":
        values |= {
            "use_vllm": True,
            "vllm_mode": "colocate",
            "vllm_gpu_memory_utilization": rollouts.vllm_memory,
            "vllm_tensor_parallel_size": rollouts.tensor_parallel,
            "vllm_enable_sleep_mode": True,
        }
        if recipe.data.max_prompt_tokens is not None:
            values["vllm_max_model_length"] = recipe.data.max_prompt_tokens + rollouts.max_tokens
    if recipe.model.thinking != "auto":
        values["chat_template_kwargs"] = {"enable_thinking": recipe.model.thinking == "on"}
    known = {field.name for field in dataclasses.fields(TMNGRPOConfig)}
    for key, value in recipe.trl.items():
        if key not in known:
            close = nearest(key, known)
            raise ConfigError(
                f"trl.{key}: TRL's GRPOConfig has no such setting",
                f"did you mean {close!r}?" if close else "see TRL's documentation of GRPOConfig",
            )
        if key in values:
            raise ConfigError(f"trl.{key} is a setting that the recipe has itself", "set it there")
        values[key] = value
    iterations = values.get("num_iterations", 1)
    if recipe.checkpoints.every % iterations:
        raise ConfigError(
            f"a checkpoint every {recipe.checkpoints.every} steps, and {iterations} steps over the same rollouts: "
            "resuming in the middle would generate them again",
            "make checkpoints.every a multiple of trl.num_iterations",
        )
    return TMNGRPOConfig(**values)
