"""ROLL: a reward worker for the RLVR pipeline, and TMN in the place of its reward normalisation.

    rewards:                                      # in the pipeline's YAML, a domain for each task
      golong_t3:
        worker_cls: golong_eval.adapters.roll.GolongRewardWorker
        tag_included: [golong_t3]
    adv_estimator: reinforce
    gamma: 1

    # in the start script, before the pipeline is made
    from golong_eval.adapters.roll import install
    install()

ROLL normalises rewards and computes advantages domain by domain, so with a domain for each task `reward_postprocess`
sees what TMN needs. Settings are environment variables ``GOLONG_NAME``: those of
`golong_eval.adapters.batch_advantages`, and ``GOLONG_VARIANT`` and ``GOLONG_REQUIRE_THINK`` for the worker.

Source: ROLL as of August 2026, read and not run; see docs/roll.md.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from golong_eval.adapters.batch_advantages import (
    REWARD_SETTINGS,
    SETTINGS,
    BatchAdvantages,
    check_environment,
    read_advantages,
    read_reward_settings,
)
from golong_eval.adapters.responses import with_opened_thinking, without_end_tokens
from golong_eval.adapters.rows import Row, decode_label, log_failures, score_labels, write_rows
from golong_eval.errors import ConfigError, DataError, MissingExtraError
from golong_eval.schema import Sample, Variant

__all__ = ["install", "reward_postprocess", "rewards_of", "write_roll_rows"]

_log = logging.getLogger(__name__)

_TAIL = 16  # tokens of the prompt's end, in which a template may open the thinking


def rewards_of(data: Any, tokenizer: Any) -> dict[str, Any]:
    """Return the tensors that a reward worker of ROLL gives back, in float32: graded rewards lose digits in float16.

    A row without a score (an unreadable label, a failure of ours) counts as 0.0, and is logged once a kind: ROLL has no
    place for "no score".

    Args:
        data: A batch with ``responses`` and ``prompts`` (token ids), and ``ground_truth`` in ``non_tensor_batch``.
        tokenizer: The policy's.

    Returns:
        ``scores`` and ``response_level_rewards``, (rows,); ``token_level_rewards``, zeros shaped like the responses.

    Raises:
        ConfigError: A setting is unknown or wrong.
    """
    import torch

    check_environment((*SETTINGS, *REWARD_SETTINGS))
    variant, require_think = read_reward_settings(lambda name: os.environ.get(f"GOLONG_{name.upper()}"))
    responses = tokenizer.batch_decode(data.batch["responses"], skip_special_tokens=False)
    ends = tokenizer.batch_decode(data.batch["prompts"][:, -_TAIL:], skip_special_tokens=False)
    texts = [with_opened_thinking(end, without_end_tokens(text)) for end, text in zip(ends, responses, strict=True)]
    scored = score_labels(
        list(data.non_tensor_batch["ground_truth"]), texts, variant=variant, require_think=require_think
    )
    log_failures(_log, scored, "ROLL is given 0.0")
    rewards = torch.tensor([one.value or 0.0 for one in scored], dtype=torch.float32)
    return {
        "scores": rewards,
        "response_level_rewards": rewards.clone(),
        "token_level_rewards": torch.zeros_like(data.batch["responses"], dtype=torch.float32),
    }


def reward_postprocess(data: Any, pipeline_config: Any, running_ctrl: Any = None) -> tuple[Any, dict[str, float]]:
    """Put the advantages of one domain's rows in the place of their rewards, as ROLL's function of this name does.

    A prompt is ``num_return_sequences`` rows in a row, as ROLL has it (its ``prompt_id`` numbers the rows). The task of
    a row is that of its label, or its domain.

    Args:
        data: One domain's batch: ``response_level_rewards``, and ``ground_truth`` or ``domain``.
        pipeline_config: The pipeline's configuration.
        running_ctrl: ROLL's running statistics; not used.

    Returns:
        The batch, and metrics for the log.

    Raises:
        ConfigError: A setting is wrong, or ROLL would change the advantages.
        DataError: The rows are not whole groups.
    """
    del running_ctrl
    import torch

    check_environment((*SETTINGS, *REWARD_SETTINGS))
    _check(pipeline_config)
    rewards = data.batch["response_level_rewards"].detach().float()
    many = int(pipeline_config.actor_infer.generating_args.num_return_sequences)
    if len(rewards) % many:
        raise DataError(
            f"{len(rewards)} rows of a domain are no groups of {many}", "use num_return_sequences of the rollout"
        )
    prompts = [row // many for row in range(len(rewards))]
    tasks = _tasks_of(data.non_tensor_batch, len(rewards))
    if any(tasks[row] != tasks[row - row % many] for row in range(len(rewards))):
        raise DataError(f"a group of {many} rows has two tasks", "the batch must be in the order of its prompts")
    advantages = _advantages(_settings(), "+".join(sorted(set(tasks))))
    found = advantages(rewards, prompts, tasks)
    metrics = dict(advantages.metrics)
    clip = getattr(pipeline_config, "reward_clip", None)
    if clip:
        metrics["critic/reward_clip_frac"] = float((found.abs() > clip).float().mean())
        found = torch.clamp(found, -clip, clip)
    data.batch["response_level_rewards"] = found
    return data, metrics


def install() -> None:
    """Use `reward_postprocess` in ROLL's RLVR pipeline, in this process.

    Raises:
        MissingExtraError: ROLL is not installed.
    """
    pipeline = _roll("roll.pipeline.rlvr.rlvr_pipeline")
    if not hasattr(pipeline, "reward_postprocess"):
        raise ConfigError("this ROLL has no reward_postprocess in its RLVR pipeline", "see docs/roll.md")
    pipeline.reward_postprocess = reward_postprocess


def _roll(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"training with ROLL needs ROLL ({error})", "install ROLL from its repository"
        ) from error


def _tasks_of(columns: Any, rows: int) -> list[str]:
    found: list[str] = []
    for row in range(rows):
        try:
            found.append(decode_label(columns["ground_truth"][row]).task)
        except (DataError, KeyError):
            if "domain" not in columns:
                raise DataError(f"the task of row {row} is unknown", "rows need ground_truth or domain") from None
            found.append(str(columns["domain"][row]))
    return found


def _check(config: Any) -> None:
    estimator = getattr(config, "adv_estimator", "reinforce")
    if estimator not in ("reinforce", "grpo"):
        raise ConfigError(f"adv_estimator {estimator} does not take advantages as rewards", "adv_estimator: reinforce")
    if getattr(config, "gamma", 1) != 1:
        raise ConfigError(f"gamma {config.gamma} makes advantages fall towards the beginning", "gamma: 1")
    for name in ("whiten_advantages", "whiten_rewards"):
        if getattr(config, name, False):
            raise ConfigError(f"{name} would undo the scale of the tasks", f"{name}: false")


def _settings() -> tuple[tuple[str, str], ...]:
    return tuple((name, os.environ[key]) for name in SETTINGS if (key := f"GOLONG_{name.upper()}") in os.environ)


@cache
def _advantages(settings: tuple[tuple[str, str], ...], domain: str) -> BatchAdvantages:
    """Return the estimator of a domain: a running scale forgets by the batch, and each domain is a batch of its own."""
    given = dict(settings)
    if "scale_file" in given:
        file = Path(given["scale_file"])
        given["scale_file"] = str(file.with_name(f"{file.stem}.{domain}{file.suffix}"))
    return read_advantages(given.get)


@cache
def _worker_class() -> type[Any]:
    worker: Any = _roll("roll.distributed.executor.worker")
    decorator = _roll("roll.distributed.scheduler.decorator")
    protocol = _roll("roll.distributed.scheduler.protocol")
    providers = _roll("roll.models.model_providers")

    class GolongRewardWorker(worker.Worker):  # type: ignore[misc]
        """Scores each row by the metric of its label."""

        def __init__(self, worker_config: Any) -> None:
            super().__init__(worker_config=worker_config)
            self.rank_info.dp_rank = self.rank_info.rank
            self.rank_info.dp_size = self.rank_info.world_size
            self.tokenizer = providers.default_tokenizer_provider(model_args=self.worker_config.model_args)

        @decorator.register(dispatch_mode=decorator.Dispatch.ONE_TO_ALL)  # type: ignore[untyped-decorator]
        def initialize(self, pipeline_config: Any) -> None:
            """Nothing to prepare."""

        @decorator.register(  # type: ignore[untyped-decorator]
            dispatch_mode=decorator.Dispatch.DP_MP_COMPUTE, clear_cache=False
        )
        def compute_rewards(self, data: Any) -> Any:
            """Return the rewards of a batch."""
            return protocol.DataProto.from_dict(tensors=rewards_of(data, self.tokenizer))

    # ROLL's actors find the class by this name.
    GolongRewardWorker.__module__, GolongRewardWorker.__qualname__ = __name__, "GolongRewardWorker"
    return GolongRewardWorker


def __getattr__(name: str) -> Any:
    if name == "GolongRewardWorker":
        return _worker_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def write_roll_rows(
    samples: Iterable[Sample],
    path: Path | str,
    *,
    variant: Variant | None = None,
    include: Sequence[Path | str] = (),
) -> int:
    """Write samples as JSON lines with the columns that ROLL's RLVR pipeline reads; return how many.

    ``tag`` and ``domain`` are ``golong_`` and the task's id, ``messages`` the prompt as JSON text, ``ground_truth`` the
    label.

    Arguments and errors are those of `golong_eval.adapters.rows.write_rows`.
    """
    return write_rows(samples, path, _row, variant=variant, include=include)


def _row(row: Row) -> dict[str, Any]:
    prompt, name = row.task.prompt(row.sample), f"golong_{row.task.id}"
    return {
        "id": row.sample.id,
        "domain": name,
        "tag": name,
        "difficulty": 0,
        "prompt": prompt.message,
        "messages": json.dumps(prompt.messages, ensure_ascii=False),
        "ground_truth": row.label,
    }
