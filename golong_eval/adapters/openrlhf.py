"""OpenRLHF 0.11: the reward function and the rows.

A file of two lines is what ``--reward.remote_url`` names:

    # reward.py
    from golong_eval.adapters.openrlhf import reward_func

`write_openrlhf_rows` writes rows for ``--data.input_key prompt --data.label_key label --data.apply_chat_template``.
The label is a JSON text with the task, the metric and the gold; see `golong_eval.adapters.rows`. For our advantage
estimators see `golong_eval.adapters.openrlhf_advantages`.

OpenRLHF calls the function in a thread, one response at a time, with prompt and response as one text. Mathematics runs
in processes of ours that can be killed, so no main thread and no signals are needed.

Source: OpenRLHF 0.11.2.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golong_eval.adapters.responses import response_of
from golong_eval.adapters.rows import (
    Row,
    Scored,
    log_failures,
    score_labels,
    training_rows,
    write_jsonl,
)
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Sample, Variant

__all__ = ["FLAGS", "TASKS", "RewardFunction", "reward_func", "write_openrlhf_rows"]

_log = logging.getLogger(__name__)

FLAGS = ("unscored", "unparsed", "empty")
"""Logged for every row, each 0.0 or 1.0."""

TASKS = (*(f"t{number}" for number in range(1, 10)), "other")
"""Tasks that are logged apart: the nine, and all others together. OpenRLHF wants the same names from every row."""


@dataclass(frozen=True)
class RewardFunction:
    """A reward function with options, for a file of your own: ``reward_func = RewardFunction(require_think=True)``.

    Attributes:
        variant: Score by this variant; None: as the labels say.
        require_think: The training gate: exactly one closed thinking, else 0.
    """

    variant: Variant | None = None
    require_think: bool = False

    def __call__(
        self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_kwargs: Any
    ) -> dict[str, Any]:
        """Return the rewards of responses; see `reward_func`."""
        responses = [response_of(query, prompt) for query, prompt in zip(queries, prompts, strict=True)]
        scored = score_labels(labels, responses, variant=self.variant, require_think=self.require_think)
        log_failures(_log, scored, "OpenRLHF is given 0.0, and unscored=1")
        rewards = [one.value or 0.0 for one in scored]
        logs = [_logs(one) for one in scored]
        if len(scored) == 1:  # as OpenRLHF calls it: plain numbers, which it makes tensors of
            return {"rewards": rewards[0], "scores": rewards[0], "extra_logs": logs[0]}
        names = logs[0] if logs else {}
        return {"rewards": rewards, "scores": rewards, "extra_logs": {key: [log[key] for log in logs] for key in names}}


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_kwargs: Any
) -> dict[str, Any]:
    r"""Return the rewards of responses, for ``--reward.remote_url``.

    A row without a score (an unreadable label, a failure of ours) must not raise: OpenRLHF would drop the error and
    fail later for want of a reward. It gets 0.0, ``unscored`` 1.0, and an error in the log, once a kind.
    `golong_eval.adapters.openrlhf_advantages` leaves such rows out; OpenRLHF's own estimators take the 0.0.

    Args:
        queries: Prompt and response, decoded with special tokens.
        prompts: The prompts, chat template applied.
        labels: What `write_openrlhf_rows` wrote into ``label``.
        **_kwargs: What else OpenRLHF may pass.

    Returns:
        ``rewards`` and ``scores`` (what dynamic filtering reads), alike; ``extra_logs``: ``golong_F`` for each flag of
        `FLAGS`, and for each task T of `TASKS` ``golong_T_rows`` (1.0 where the row is a scored one of it) and
        ``golong_T_reward`` (its reward there). Over a batch, the mean of the second divided by the mean of the first is
        the task's mean reward. For one response they are numbers, for several lists.

    >>> label = '{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1"]}'
    >>> reward_func(["<|user|>Who?<|assistant|>[Answer]\nD1</s>"], ["<|user|>Who?<|assistant|>"], [label])["rewards"]
    1.0
    """
    return RewardFunction()(queries, prompts, labels)


def _logs(one: Scored) -> dict[str, float]:
    name = one.task if one.task in TASKS else "other"
    scored = one.value is not None
    flags = {"unscored": not scored, "unparsed": one.status == "unparsed", "empty": one.status == "empty"}
    logs = {f"golong_{flag}": float(flags[flag]) for flag in FLAGS}
    for task in TASKS:
        here = task == name and scored
        logs |= {f"golong_{task}_rows": float(here), f"golong_{task}_reward": (one.value or 0.0) if here else 0.0}
    return logs


def write_openrlhf_rows(
    samples: Iterable[Sample],
    path: Path | str,
    *,
    variant: Variant | None = None,
    include: Sequence[Path | str] = (),
    tokenizer: Any = None,
    max_tokens: int | None = None,
) -> int:
    """Write samples as JSON lines with ``prompt`` (messages), ``label`` and ``datasource``; return how many.

    OpenRLHF reports evaluation by ``datasource``: ours is ``golong_`` and the task's id.

    It cuts a prompt that is too long on its left, where the instruction and the first documents are, and trains on what
    is left. With ``max_tokens`` such samples are left out, and the log says how many.

    Args:
        samples: As `golong_eval.tasks.read_samples` gives them.
        path: The file.
        variant: Score by this variant; None: the task's own, ``strict`` for the nine.
        include: Folders of tasks of your own.
        tokenizer: The policy's, of Transformers; counts the tokens as OpenRLHF does, chat template included.
        max_tokens: Most tokens of a prompt: ``--data.max_len`` less ``--rollout.max_new_tokens``.

    Raises:
        ConfigError: One of ``tokenizer`` and ``max_tokens`` without the other, or no sample is short enough.
        GolongError: As `golong_eval.adapters.rows.write_rows`.
    """
    rows = (_row(row) for row in training_rows(samples, variant=variant, include=include))
    if tokenizer is None and max_tokens is None:
        return write_jsonl(path, rows)
    if tokenizer is None or max_tokens is None:
        raise ConfigError("tokenizer and max_tokens belong together", "give both, or neither")
    return write_jsonl(path, _short_enough(rows, tokenizer, max_tokens))


def _short_enough(rows: Iterable[dict[str, Any]], tokenizer: Any, most: int) -> Iterator[dict[str, Any]]:
    kept = left_out = 0
    for row in rows:
        text = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        if len(tokenizer(text, add_special_tokens=False)["input_ids"]) > most:
            left_out += 1
            continue
        kept += 1
        yield row
    if left_out and not kept:
        raise ConfigError(f"all {left_out} prompts have more than {most} tokens", "build shorter ones, or allow more")
    if left_out:
        _log.warning("%d of %d samples are left out: more than %d tokens", left_out, kept + left_out, most)


def _row(row: Row) -> dict[str, Any]:
    messages = row.task.prompt(row.sample).messages
    if any("<image>" in message["content"] for message in messages):
        raise DataError(
            f"sample {row.sample.id!r}: its text holds <image>, where OpenRLHF would put a picture",
            "change the text, or leave the sample out",
        )
    return {"prompt": messages, "label": row.label, "datasource": f"golong_{row.task.id}"}
