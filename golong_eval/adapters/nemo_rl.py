"""NeMo-RL: an environment that scores, the advantage estimator, the rows and their processor.

    # in the start script, before grpo_train
    from golong_eval.adapters.nemo_rl import install
    install()                     # the environment "golong", and our estimator in the place of "grpo"

    grpo:
      adv_estimator:
        name: grpo
        golong: {estimator: tmn_reweight, alpha: 0.8}     # settings of golong_eval.adapters.batch_advantages
    env:
      golong: {variant: strict, require_think: false}

The estimator reads task and label from the batch itself (``extra_env_info``), so no data has to be carried along.

Source: NeMo-RL 0.6.0, read and not run; see docs/nemo_rl.md.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from golong_eval._optional import require
from golong_eval.adapters.batch_advantages import SETTINGS, check_names, read_advantages, read_reward_settings
from golong_eval.adapters.responses import with_opened_thinking, without_end_tokens
from golong_eval.adapters.rows import Row, decode_label, log_failures, score_labels, write_rows
from golong_eval.advantages import broadcast
from golong_eval.errors import ConfigError, DataError, MissingExtraError
from golong_eval.schema import Sample, Variant

__all__ = [
    "EnvironmentReturn",
    "GolongAdvantageEstimator",
    "GolongEnvironment",
    "data_processor",
    "install",
    "write_nemo_rl_rows",
]

_log = logging.getLogger(__name__)

_SCORED, _UNSCORED = "Environment: scored.", "Environment: not scored."


class EnvironmentReturn(NamedTuple):
    """What a step gives back: the fields of NeMo-RL's tuple of this name, in its order."""

    observations: list[dict[str, str]]
    metadata: list[Any]
    next_stop_strings: list[Any]
    rewards: Any
    terminateds: Any
    answers: list[str | None]


class GolongEnvironment:
    """Scores answers by the labels of their rows; one turn.

    A row without a score (an unreadable label, a failure of ours) has reward 0.0, is logged once a kind, and its
    observation says so: `GolongAdvantageEstimator` reads it there, and leaves the row out.

    Args:
        settings: ``variant`` and ``require_think``; other keys are NeMo-RL's.

    Raises:
        UnknownNameError: Unknown variant.
        ConfigError: ``require_think`` is no switch.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.variant, self.require_think = read_reward_settings((settings or {}).get)

    def step(
        self, message_log_batch: Sequence[Sequence[Mapping[str, Any]]], metadata: Sequence[Any]
    ) -> EnvironmentReturn:
        """Return the rewards of a batch of conversations.

        Args:
            message_log_batch: The conversations; the answer is the last message.
            metadata: ``extra_env_info`` of each row: a dict with its ``label``.
        """
        import torch

        texts = [_answer(messages) for messages in message_log_batch]
        labels = [(info or {}).get("label") for info in metadata]
        scored = score_labels(labels, texts, variant=self.variant, require_think=self.require_think)
        log_failures(_log, scored, "NeMo-RL is given 0.0, and an observation that says so")
        rewards = torch.tensor([one.value or 0.0 for one in scored], dtype=torch.float32)
        said = [_UNSCORED if one.value is None else _SCORED for one in scored]
        parsed = [None if one.result is None else one.result.parsed for one in scored]
        return EnvironmentReturn(
            observations=[{"role": "environment", "content": content} for content in said],
            metadata=list(metadata),
            next_stop_strings=[None] * len(scored),
            rewards=rewards,
            terminateds=torch.ones_like(rewards),
            answers=["\n".join(one) if isinstance(one, tuple) else one for one in parsed],
        )

    def global_post_process_and_metrics(self, batch: Any) -> tuple[Any, dict[str, float]]:
        """Return the batch as it is, and its mean reward."""
        rewards = batch["rewards"] if "rewards" in batch else batch.get("total_reward")
        return batch, {} if rewards is None else {"golong/mean_reward": float(rewards.float().mean())}

    def shutdown(self) -> None:
        """Nothing to release."""


def _answer(messages: Sequence[Mapping[str, Any]]) -> str | None:
    if not messages or messages[-1].get("role") != "assistant":
        return None
    before = messages[-2].get("content") if len(messages) > 1 else ""
    return with_opened_thinking(before, without_end_tokens(str(messages[-1].get("content") or "")))


class GolongAdvantageEstimator:
    """Our estimators by the protocol of NeMo-RL's ``GRPOAdvantageEstimator``.

    Args:
        estimator_config: ``grpo.adv_estimator``; its key ``golong`` holds the settings.
        loss_config: The loss's configuration; not used.

    Raises:
        UnknownNameError: There is no such estimator.
        ConfigError: A setting is unknown or wrong.
    """

    def __init__(self, estimator_config: Any, loss_config: Any = None) -> None:
        del loss_config
        given = _settings(estimator_config)
        check_names(given, SETTINGS)
        self._give = read_advantages(given.get)

    @property
    def metrics(self) -> dict[str, float]:
        """What the last batch looked like, by task."""
        return self._give.metrics

    def compute_advantage(
        self,
        prompt_ids: Any,
        rewards: Any,
        mask: Any,
        repeated_batch: Any = None,
        valid_mask: Any = None,
        **_kwargs: Any,
    ) -> Any:
        """Return advantages (rows, tokens), 0 where the mask is.

        Args:
            prompt_ids: (rows, tokens) the prompts' tokens, padded alike, or (rows,) ids: equal rows are one prompt.
            rewards: (rows,).
            mask: (rows, tokens), 1 at the tokens that the policy wrote.
            repeated_batch: The rollouts: ``extra_env_info`` with labels, or ``task_name``.
            valid_mask: (rows,), 0 for rows that must not count; some versions pass it.
            **_kwargs: What else NeMo-RL passes (log probabilities).

        Raises:
            ConfigError: The batch says no task.
            DataError: As the estimators.
        """
        import torch

        rows = len(rewards)
        if prompt_ids.ndim == 2:
            _, prompts = torch.unique(prompt_ids, dim=0, return_inverse=True)
        else:
            prompts = prompt_ids
        left_out = torch.tensor(_unscored(repeated_batch, rows), dtype=torch.bool, device=rewards.device)
        if valid_mask is not None:
            left_out |= valid_mask.to(rewards.device) == 0
        scored = rewards.detach().float().masked_fill(left_out, float("nan"))
        found = self._give(scored, prompts, _tasks(repeated_batch, rows))
        _log.debug("golong-eval: %s", self._give.metrics)
        return broadcast(found, mask.to(found.device))


def _settings(config: Any) -> dict[str, Any]:
    section = config.get("golong") if isinstance(config, Mapping) else getattr(config, "golong", None)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ConfigError(f"adv_estimator.golong is {section!r}", "give a mapping, for instance {estimator: tmn}")
    return {str(name): value for name, value in section.items()}


def _column(batch: Any, name: str, rows: int) -> list[Any]:
    column = batch.get(name) if batch is not None and hasattr(batch, "get") else None
    return [None] * rows if column is None else list(column)


def _tasks(batch: Any, rows: int) -> list[str]:
    tasks = []
    names = _column(batch, "task_name", rows)
    for info, name in zip(_column(batch, "extra_env_info", rows), names, strict=True):
        task = name
        if isinstance(info, Mapping) and "label" in info:
            try:
                task = decode_label(info["label"]).task
            except DataError:
                task = name
        tasks.append(task)
    if any(task is None for task in tasks):
        raise ConfigError(
            "NeMo-RL handed over no task of the rows", "use the trainer of nemo_rl.algorithms.grpo, and set task_name"
        )
    return [str(task) for task in tasks]


def _unscored(batch: Any, rows: int) -> list[bool]:
    logs = _column(batch, "message_log", rows)
    return [bool(log) and log[-1].get("content") == _UNSCORED for log in logs]


def install(name: str = "golong") -> None:
    """Register the environment, and put `GolongAdvantageEstimator` in the place of NeMo-RL's for ``name: grpo``.

    Args:
        name: Name of the environment in ``env`` and in the rows' ``env_name``.

    Raises:
        MissingExtraError: NeMo-RL is not installed.
    """
    environments = _nemo_rl("nemo_rl.environments.utils")
    registry = _nemo_rl("nemo_rl.distributed.ray_actor_environment_registry")
    cluster = _nemo_rl("nemo_rl.distributed.virtual_cluster")
    algorithm = _nemo_rl("nemo_rl.algorithms.grpo")
    actor = f"{__name__}.GolongEnvironmentActor"
    registry.ACTOR_ENVIRONMENT_REGISTRY[actor] = cluster.PY_EXECUTABLES.SYSTEM
    environments.register_env(name, actor)
    algorithm.GRPOAdvantageEstimator = GolongAdvantageEstimator


def _nemo_rl(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"training with NeMo-RL needs NeMo-RL ({error})", "install NeMo-RL from its repository"
        ) from error


@cache
def _actor_class() -> Any:
    ray: Any = require("ray", "ray", "an environment of NeMo-RL")
    return ray.remote(max_concurrency=16)(GolongEnvironment)


def __getattr__(name: str) -> Any:
    if name == "GolongEnvironmentActor":
        return _actor_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def data_processor(
    datum_dict: Mapping[str, Any], task_data_spec: Any, tokenizer: Any, max_seq_length: int, idx: int
) -> dict[str, Any]:
    """Return a row of `write_nemo_rl_rows` as NeMo-RL's ``DatumSpec``.

    A prompt that is too long is cut to a few tokens and kept out of the loss (``loss_multiplier`` 0), as NeMo-RL's own
    processors do.

    Args:
        datum_dict: The row.
        task_data_spec: NeMo-RL's; not used, as prompts are ours.
        tokenizer: The policy's.
        max_seq_length: Most tokens of a prompt.
        idx: The row's number.
    """
    del task_data_spec
    text = tokenizer.apply_chat_template(
        [dict(message) for message in datum_dict["messages"]], tokenize=False, add_generation_prompt=True
    )
    tokens = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"][0]
    fits = len(tokens) < max_seq_length
    return {
        "message_log": [{"role": "user", "content": text, "token_ids": tokens if fits else tokens[:4]}],
        "length": len(tokens),
        "extra_env_info": {"label": datum_dict["label"]},
        "loss_multiplier": 1.0 if fits else 0.0,
        "idx": idx,
        "task_name": datum_dict["task_name"],
    }


def write_nemo_rl_rows(
    samples: Iterable[Sample],
    path: Path | str,
    *,
    variant: Variant | None = None,
    include: Sequence[Path | str] = (),
) -> int:
    """Write samples as JSON lines with ``messages``, ``label`` and ``task_name``; return how many.

    ``task_name`` is ``golong_`` and the task's id: map each to the environment, and metrics come by task.

    Arguments and errors are those of `golong_eval.adapters.rows.write_rows`.
    """
    return write_rows(samples, path, _row, variant=variant, include=include)


def _row(row: Row) -> dict[str, Any]:
    return {
        "messages": row.task.prompt(row.sample).messages,
        "label": row.label,
        "task_name": f"golong_{row.task.id}",
    }
