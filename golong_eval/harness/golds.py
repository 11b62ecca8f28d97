"""Run every gold through its reward before a model is asked anything."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from golong_eval.errors import DataError
from golong_eval.rewards import ScoreRequest, chance_level, render_gold, score_batch
from golong_eval.schema import Sample
from golong_eval.tasks import TaskSpec

__all__ = ["check_golds"]

_AT_ONCE = 64  # samples with their texts in memory


def check_golds(samples: Iterable[Sample], specs: Mapping[str, TaskSpec]) -> None:
    """Score each gold as an answer, with everything that scoring will need.

    Hours of generation must not end in a scorer that lacks a package, or in a gold that no answer can reach.

    Raises:
        DataError: A gold does not fit its task's metric, or does not score 1.0 (official: has no score).
        MissingExtraError: Scoring needs a package that is not installed.
    """
    stream = iter(samples)
    while batch := list(itertools.islice(stream, _AT_ONCE)):
        _check(batch, specs)


def _check(samples: Sequence[Sample], specs: Mapping[str, TaskSpec]) -> None:
    requests = []
    for sample in samples:
        metric = specs[sample.task].metric
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
    for sample, result in zip(samples, score_batch(requests), strict=True):
        # What the published code pays for a gold is its own affair; that it pays something is ours.
        if result.value != 1.0 and (result.value is None or specs[sample.task].metric.variant == "strict"):
            raise DataError(
                f"sample {sample.id!r}: its own gold scores {result.value} ({result.reason or result.status})",
                "check the samples with: golong tasks validate FILE.jsonl",
            )
