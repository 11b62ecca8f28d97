"""Rewards for TRL's trainers: functions for ``reward_funcs``, and rows with the labels that they read.

    from golong_eval.adapters.trl import reward_funcs, trl_rows
    from golong_eval.tasks import read_samples

    trainer = GRPOTrainer(
        model="path/to/checkpoint",
        reward_funcs=reward_funcs(),
        train_dataset=Dataset.from_list(list(trl_rows(read_samples("train.jsonl")))),
        args=GRPOConfig(...),
    )

A function is called once for a whole batch, scores it in one call, and never raises on what a model wrote. Tested with
trl 1.16; the signature is that of trl 0.20 and later. TMN and TMN-Reweight need more than a reward:
`golong_eval.training.TMNGRPOTrainer`.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golong_eval.adapters.rows import Scored, decode_label, log_failures, score_labels, training_rows
from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.rewards import METRIC_NAMES, MetricSpec
from golong_eval.schema import Sample, Variant
from golong_eval.tasks import load_tasks

__all__ = ["TaskReward", "completion_text", "reward_funcs", "trl_rows"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskReward:
    """A reward function over dataset columns; make it with `reward_funcs`.

    Attributes:
        label: The column of labels (JSON texts that `trl_rows` writes); None where `metric` and `gold` are used.
        metric: The column of metric names or identities.
        gold: The column of golds: texts, lists, or JSON texts of lists and tables.
        task: Score this task's rows alone, and give None for the others.
        variant: Score by this variant; None: as the row says.
        require_think: Exactly one closed thinking, else 0.
    """

    label: str | None = "label"
    metric: str = "metric"
    gold: str = "gold"
    task: str | None = None
    variant: Variant | None = None
    require_think: bool = False

    @property
    def __name__(self) -> str:
        """What trainers log the reward under: the task's id, or ``golong``."""
        return self.task or "golong"

    def __call__(
        self,
        prompts: Sequence[Any] | None = None,  # noqa: ARG002 - TRL gives it by name
        completions: Sequence[Any] = (),
        *,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return one reward a completion, None where there is none.

        Args:
            prompts: Not used.
            completions: Texts, or conversations whose last message is the answer.
            log_metric: TRL's, given by newer releases: the mean of each task is logged as ``golong/TASK/reward``.
            **columns: The data set's columns, and whatever else the trainer gives.

        Raises:
            ConfigError: The column of labels is missing.
        """
        labels = self._labels(columns, len(completions))
        mine = [place for place, label in enumerate(labels) if self.task is None or _task(label) == self.task]
        scored = score_labels(
            [labels[place] for place in mine],
            [completion_text(completions[place]) for place in mine],
            variant=self.variant,
            require_think=self.require_think,
        )
        log_failures(_LOG, scored, "the trainer leaves it out")
        if log_metric is not None:
            for task, values in _by_task(scored).items():
                log_metric(f"golong/{task}/reward", sum(values) / len(values))
        rewards: list[float | None] = [None] * len(completions)
        for place, one in zip(mine, scored, strict=True):
            rewards[place] = one.value
        return rewards

    def _labels(self, columns: Mapping[str, Any], rows: int) -> Sequence[Any]:
        wanted = [self.label] if self.label is not None else [self.metric, self.gold]
        for name in wanted:
            if name not in columns:
                raise ConfigError(
                    f"the data set has no column {name!r} (its columns: {', '.join(sorted(columns))})",
                    "make rows with golong_eval.adapters.trl.trl_rows, or name the columns: reward_funcs(label=..., or "
                    "metric=..., gold=...)",
                )
        if self.label is not None:
            labels: Sequence[Any] = columns[self.label]
            return labels
        questions = columns.get("question") or [None] * rows
        return [_label(*row) for row in zip(columns[self.metric], columns[self.gold], questions, strict=True)]


def reward_funcs(
    tasks: Sequence[str] | None = None,
    *,
    label: str = "label",
    metric: str | None = None,
    gold: str = "gold",
    variant: Variant | None = None,
    require_think: bool = False,
) -> list[TaskReward]:
    """Return the functions for a trainer's ``reward_funcs``: one for all tasks, or one for each that is named.

    One function scores a batch in one go and is the usual choice. Several, one a task, make the trainer log each task's
    reward under its own name; each gives None for the rows of other tasks, which TRL leaves out.

    Args:
        tasks: Task ids, for a function each; None: one function for all rows.
        label: The column of labels.
        metric: Instead of labels: the column of metric names or identities (``"f1"``, ``"ndcg@10[strict,v1]"``).
        gold: The column of golds beside it. Arrow can't hold texts and lists in one column: JSON texts always work.
        variant: ``strict`` or ``official`` for all rows; None: as the rows say, ``strict`` where they are silent.
        require_think: The training gate: exactly one closed thinking, else 0.

    Raises:
        UnknownNameError: There is no such task or variant.
        ConfigError: Tasks and a metric column were both given.

    >>> (reward,) = reward_funcs(metric="metric")
    >>> reward(completions=["D1", "D2"], metric=["f1", "f1"], gold=[["D1"], ["D1"]])
    [1.0, 0.0]
    """
    if variant is not None:
        MetricSpec.model_validate({"name": METRIC_NAMES[0], "variant": variant})
    if metric is not None:
        if tasks is not None:
            raise ConfigError("tasks and a metric column", "give one of them: rows with a metric column have no task")
        return [TaskReward(label=None, metric=metric, gold=gold, variant=variant, require_think=require_think)]
    if tasks is None:
        return [TaskReward(label=label, variant=variant, require_think=require_think)]
    known = load_tasks()
    for task in tasks:
        if task not in known:
            raise UnknownNameError("task", task, known)
    return [TaskReward(label=label, task=task, variant=variant, require_think=require_think) for task in tasks]


def trl_rows(
    samples: Iterable[Sample], *, variant: Variant | None = None, include: Sequence[Path | str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield samples as rows of a prompt data set: ``prompt`` (messages), ``label``, ``task``, ``sample``.

    Args:
        samples: For instance ``read_samples("train.jsonl")``.
        variant: Score by this variant; None: the tasks' own, ``strict``.
        include: Folders of further tasks.

    Raises:
        UnknownNameError: A sample is of an unknown task.
        DataError: A gold does not fit its metric.
    """
    for row in training_rows(samples, variant=variant, include=include):
        prompt = row.task.prompt(row.sample)
        yield {"prompt": prompt.messages, "label": row.label, "task": row.sample.task, "sample": row.sample.id}


def completion_text(completion: Any) -> Any:
    """Return a completion's text: itself, or the last message's content, its text parts joined.

    What is neither is given back as it is, and scoring says so in the row's place.

    >>> completion_text([{"role": "assistant", "content": "D1"}])
    'D1'
    """
    if isinstance(completion, Sequence) and not isinstance(completion, str) and completion:
        content = completion[-1].get("content") if isinstance(completion[-1], Mapping) else None
        if isinstance(content, list):
            return "".join(part.get("text") or "" for part in content if isinstance(part, Mapping))
        return content
    return completion


def _label(metric: Any, gold: Any, question: Any) -> dict[str, Any]:
    """Return the label of a row with a metric and a gold; whether it is one is for scoring to say."""
    if isinstance(gold, str) and gold.lstrip().startswith(("[", "{")):
        with contextlib.suppress(ValueError, RecursionError):
            gold = json.loads(gold)
    return {"task": str(metric), "metric": metric, "gold": gold, "question": question}


def _task(label: Any) -> str | None:
    try:
        return decode_label(label).task
    except DataError:
        return None


def _by_task(scored: Iterable[Scored]) -> dict[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for one in scored:
        if one.value is not None and one.task is not None:
            values[one.task].append(one.value)
    return dict(sorted(values.items()))
