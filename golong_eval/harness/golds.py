"""Run every gold through its reward before a model is asked anything."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from golong_eval.benchmarks import Benchmark
from golong_eval.benchmarks.validation import gold_fault
from golong_eval.errors import DataError
from golong_eval.harness.task_book import Task
from golong_eval.rewards import ScoreRequest, chance_level, render_gold, score_batch
from golong_eval.schema import RowGold, Sample

__all__ = ["check_golds", "gold_answer"]

_AT_ONCE = 64  # samples with their texts in memory


def check_golds(samples: Iterable[Sample], specs: Mapping[str, Task]) -> None:
    """Score each gold as an answer, with everything that scoring will need.

    Hours of generation must not end in a scorer that lacks a package, or in a gold that no answer can reach.

    Raises:
        DataError: A gold does not fit its task's metric, or does not score 1.0 (official: has no score).
        MissingExtraError: Scoring needs a package that is not installed.
    """
    stream = iter(samples)
    while batch := list(itertools.islice(stream, _AT_ONCE)):
        _check(batch, specs)


def gold_answer(sample: Sample, spec: Task) -> str:
    """Return a sample's gold as a model would answer it."""
    if isinstance(spec, Benchmark) and isinstance(sample.gold, RowGold):
        return spec.gold_answer(spec.row_of(sample.gold)) or ""
    return render_gold(sample.gold, spec.metric)


def _check(samples: Sequence[Sample], specs: Mapping[str, Task]) -> None:
    requests = []
    own = []
    for sample in samples:
        spec = specs[sample.task]
        if isinstance(spec, Benchmark):
            _check_row(sample, spec)
            continue
        own.append(sample)
        metric = spec.metric
        try:
            chance_level(metric.name, sample.gold, sample.metadata.candidates, metric.variant)
            requests.append(
                ScoreRequest(
                    metric=metric,
                    response=render_gold(sample.gold, metric),
                    gold=sample.gold,
                    language=sample.metadata.language,
                    question=sample.question,
                    candidates=sample.metadata.candidates,
                )
            )
        except DataError as error:
            raise DataError(f"sample {sample.id!r}: {error}", error.hint) from error
    for sample, result in zip(own, score_batch(requests), strict=True):
        # What the published code pays for a gold is its own affair; that it pays something is ours.
        if result.value != 1.0 and (result.value is None or specs[sample.task].metric.variant == "strict"):
            raise DataError(
                f"sample {sample.id!r}: its own gold scores {result.value} ({result.reason or result.status})",
                "check the samples with: golong tasks validate FILE.jsonl",
            )


def _check_row(sample: Sample, spec: Benchmark[Any]) -> None:
    fault = gold_fault(spec, sample)
    if fault is not None:
        raise DataError(f"{sample.id}: {fault}", f"check the rows with: golong tasks validate {spec.id} --data PATH")
