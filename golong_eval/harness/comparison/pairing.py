"""Samples of one task in two runs, put side by side and tested."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from golong_eval.harness.comparison.compared_run import ComparedSample
from golong_eval.harness.comparison.results import Paired, SamplePair, ScoredInBoth, TaskComparison
from golong_eval.harness.results import TaskResult
from golong_eval.statistics import mean_interval, paired_test

__all__ = ["Matched", "compare_task", "match", "paired", "sample_pair"]


@dataclass(frozen=True)
class Matched:
    """The samples of one task that two runs share, n of them, in the order of the ids.

    Attributes:
        ids: n ids.
        first: The n samples in the first run.
        second: The same in the second.
        other_content: Ids that both have with other content.
        other_clusters: Samples, of the n, that the runs put into clusters of other names.
        only_first: Samples that the second run lacks.
        only_second: Samples that the first run lacks.
    """

    ids: tuple[str, ...]
    first: tuple[ComparedSample, ...]
    second: tuple[ComparedSample, ...]
    other_content: tuple[str, ...]
    other_clusters: int
    only_first: int
    only_second: int


def match(first: Mapping[str, ComparedSample], second: Mapping[str, ComparedSample]) -> Matched:
    """Put the samples of a task in two runs side by side: the same id, and the same content.

    Where both runs showed nothing but the evidence, that must be the same too. The order is that of the ids, so that
    neither the runs' order nor which of them comes first changes a number.
    """
    ids: list[str] = []
    other: list[str] = []
    for name in sorted(first.keys() & second.keys()):
        one, two = first[name], second[name]
        same = one.content == two.content and (one.shown == two.shown or None in (one.shown, two.shown))
        (ids if same else other).append(name)
    return Matched(
        ids=tuple(ids),
        first=tuple(first[name] for name in ids),
        second=tuple(second[name] for name in ids),
        other_content=tuple(other),
        other_clusters=sum(first[name].cluster != second[name].cluster for name in ids),
        only_first=len(first.keys() - second.keys()),
        only_second=len(second.keys() - first.keys()),
    )


def compare_task(row: TaskResult, found: Matched, *, power: float, seed: int, pairs: bool) -> TaskComparison:
    """Return the comparison of a task, not yet adjusted for others.

    Args:
        row: The task in the first run.
        found: One shared sample or more.
        power: For the minimum detectable difference.
        seed: Seed of the resampling.
        pairs: Keep every pair of scores.
    """
    failures = tuple(sum(sample.failures for sample in run) for run in (found.first, found.second))
    return TaskComparison(
        **paired([found], power=power, seed=seed).model_dump(),
        task=row.task,
        name=row.name,
        metric=row.metric,
        p_holm=None,
        significant=None,
        scored_in_both=_scored_in_both(found, seed) if any(failures) else None,
        baseline_failures=failures[0],
        other_failures=failures[1],
        only_baseline=found.only_first,
        only_other=found.only_second,
        other_content=found.other_content,
        pairs=tuple(sample_pair(row.task, found, place) for place in range(len(found.ids))) if pairs else None,
    )


def paired(tasks: Sequence[Matched], *, power: float, seed: int) -> Paired:
    """Return the difference over the shared samples of some tasks: the mean of the tasks' means.

    Clusters go across tasks: questions of several tasks over one document are not independent.

    Args:
        tasks: Each with one shared sample or more.
        power: For the minimum detectable difference.
        seed: Seed of the resampling.
    """
    first = [sample for found in tasks for sample in found.first]
    second = [sample for found in tasks for sample in found.second]
    test = paired_test(
        [sample.score for sample in first],
        [sample.score for sample in second],
        [sample.cluster for sample in first],
        strata=[place for place, found in enumerate(tasks) for _ in found.ids] if len(tasks) > 1 else None,
        power=power,
        seed=seed,
    )
    assert test.difference is not None  # there are pairs
    return Paired(
        baseline_mean=statistics.fmean(_mean(found.first) for found in tasks),
        other_mean=statistics.fmean(_mean(found.second) for found in tasks),
        difference=test.difference,
        low=test.low,
        high=test.high,
        stderr=test.stderr,
        method=test.method,
        p_value=test.p_value,
        minimum_detectable=test.minimum_detectable,
        n=test.n,
        clusters=test.clusters,
        wins=test.wins,
        losses=test.losses,
        ties=test.n - test.wins - test.losses,
    )


def sample_pair(task: str, found: Matched, place: int) -> SamplePair:
    """Return one pair of a task by its place in the order of the ids."""
    one, two = found.first[place], found.second[place]
    return SamplePair(
        sample=found.ids[place],
        task=task,
        baseline=one.score,
        other=two.score,
        difference=two.score - one.score,
        baseline_failures=one.failures,
        other_failures=two.failures,
    )


def _scored_in_both(found: Matched, seed: int) -> ScoredInBoth:
    rows = [
        (two.scored - one.scored, one.cluster)
        for one, two in zip(found.first, found.second, strict=True)
        if one.scored is not None and two.scored is not None
    ]
    interval = mean_interval(
        [difference for difference, _ in rows], [cluster for _, cluster in rows], bounds=(-1.0, 1.0), seed=seed
    )
    return ScoredInBoth(
        difference=interval.mean, low=interval.low, high=interval.high, n=interval.n, clusters=interval.clusters
    )


def _mean(samples: Sequence[ComparedSample]) -> float:
    return statistics.fmean(sample.score for sample in samples)
