"""Samples for the audit of rewards: the tasks' worked samples, a user's task, or a file of samples."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.rewards import METRIC_NAMES
from golong_eval.rewards.audit import AuditCase
from golong_eval.schema import Sample
from golong_eval.tasks import Catalogue, Example, TaskSpec, load_catalogue, read_samples
from golong_eval.tasks.catalogue import TaskEntry, task_folders
from golong_eval.tasks.taskfile import read_task

__all__ = ["audit_case", "collect_cases"]


def collect_cases(
    *,
    metrics: Sequence[str] = (),
    task: Path | str | None = None,
    samples: Path | str | None = None,
    include: Sequence[Path | str] = (),
    limit: int | None = None,
) -> list[AuditCase]:
    """Return what to audit: by default the worked samples of all known tasks.

    Args:
        metrics: Only samples of these metrics.
        task: Folder of one task, or of several, whose worked samples are taken instead.
        samples: File of samples that are taken instead.
        include: Folders with more tasks.
        limit: Samples of each task, chosen at random but always the same.

    Raises:
        UnknownNameError: Unknown metric, or a sample of an unknown task.
        ConfigError: Both `task` and `samples` are given, a folder or file can't be read, or nothing is left to audit.
        DataError: A sample or task is malformed.
    """
    for metric in metrics:
        if metric not in METRIC_NAMES:
            raise UnknownNameError("metric", metric, METRIC_NAMES)
    if task is not None and samples is not None:
        raise ConfigError("both a task and a file of samples are given", "audit them one after the other")
    by_task: dict[str, list[AuditCase]] = defaultdict(list)
    if samples is not None:
        catalogue = load_catalogue(include)
        for sample in read_samples(samples):
            spec = catalogue.get(sample.task)
            if not metrics or spec.metric.name in metrics:
                by_task[spec.id].append(audit_case(sample, spec))
    else:
        catalogue = load_catalogue(include) if task is None else _task(Path(task))
        for name, spec in catalogue.specs.items():
            if not metrics or spec.metric.name in metrics:
                by_task[name] += [audit_case(example.sample, spec, example) for example in catalogue.examples(name)]
    cases = [case for name, found in by_task.items() for case in _limited(found, limit, name)]
    if not cases:
        where = samples or task or "the tasks"
        raise ConfigError(f"no sample of {where} has the metric {' or '.join(metrics)}", "leave --metric out")
    return cases


def audit_case(sample: Sample, spec: TaskSpec, example: Example | None = None) -> AuditCase:
    """Return a sample as the audit sees it.

    Args:
        sample: The sample.
        spec: Its task.
        example: The worked sample that it comes from, whose right and wrong answers are reported too.
    """
    return AuditCase(
        id=sample.id,
        metric=spec.metric.name,
        gold=sample.gold,
        question=sample.question,
        documents=tuple(document.read() for document in sample.documents),
        labels=tuple(document.id for document in sample.documents),
        prompt=spec.prompt(sample).text,
        candidates=sample.metadata.candidates,
        language=sample.metadata.language,
        right=() if example is None else example.right,
        wrong=() if example is None else example.wrong,
    )


def _task(folder: Path) -> Catalogue:
    return Catalogue(TaskEntry(read_task(found / "task.yaml"), found) for found in task_folders(folder))


def _limited(cases: list[AuditCase], limit: int | None, task: str) -> list[AuditCase]:
    if limit is None or limit >= len(cases):
        return cases
    chosen = set(random.Random(task).sample(range(len(cases)), limit))
    return [case for place, case in enumerate(cases) if place in chosen]
