"""From scores to a row of the table: means over all answers wanted, and what is needed to judge them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from golong_eval.harness.records import Key
from golong_eval.harness.results import TaskResult
from golong_eval.rewards import chance_level
from golong_eval.schema import Generation, RewardResult, Sample, sha256_text
from golong_eval.statistics import mean_interval
from golong_eval.tasks import ContextMode, TaskSpec, samples_hash

__all__ = ["aggregate_task", "cluster_of"]

_BINARY = frozenset({"exact_match", "accuracy", "math_verify"})
_NAMES_DOCUMENTS = frozenset({"f1", "sub_em"})


def aggregate_task(
    spec: TaskSpec,
    samples: Sequence[Sample],
    repeats: int,
    generations: Mapping[Key, Generation],
    scores: Mapping[Key, RewardResult],
    *,
    context: ContextMode = "full",
    seed: int = 0,
) -> TaskResult:
    """Return the result of one task.

    Args:
        spec: The task.
        samples: All its samples, also those without an answer.
        repeats: Answers wanted of each.
        generations: The answers there are.
        scores: Their scores.
        context: Which documents the prompts showed.
        seed: Seed of the bootstrap.
    """
    keys = [(sample.id, repeat) for sample in samples for repeat in range(repeats)]
    clusters = {sample.id: cluster_of(sample) for sample in samples}
    values = {key: scores[key].value for key in keys if key in scores}
    scored = [value for value in values.values() if value is not None]
    as_zero = [values.get(key) or 0.0 for key in keys]
    interval = mean_interval(
        as_zero,
        [clusters[identifier] for identifier, _ in keys],
        binary=spec.metric.name in _BINARY,
        seed=seed,
    )
    answers = [generations[key] for key in keys if key in generations]
    finished = [answer for answer in answers if answer.text is not None]
    statuses = Counter(scores[key].status if key in scores else "provider_error" for key in keys)
    chances = [
        chance_level(spec.metric.name, sample.gold, sample.metadata.candidates, spec.metric.variant)
        for sample in samples
    ]
    if spec.metric.chance_corrected or spec.metric.semantic is not None:
        # What chance earns was taken off; what it earns from an embedder, no formula tells.
        chances = [0.0 if spec.metric.chance_corrected else None]
    if context == "evidence" and spec.metric.name in _NAMES_DOCUMENTS:
        chances = [None]  # only documents that are right are shown: naming them all is no feat
    known = [chance for chance in chances if chance is not None]
    return TaskResult(
        task=spec.id,
        name=spec.name,
        metric=str(spec.metric),
        task_version=spec.version,
        prompt_hash=spec.prompt_hash,
        data_revision=samples_hash(samples),
        n=len(keys),
        samples=len(samples),
        scored=len(scored),
        coverage=len(scored) / len(keys) if keys else 0.0,
        mean=_mean(as_zero),
        mean_scored=_mean(scored),
        chance=_mean(known) if len(known) == len(chances) else None,
        low=interval.low,
        high=interval.high,
        level=interval.level,
        interval=interval.method,
        clusters=interval.clusters,
        cap_hit_rate=_mean([float(answer.hit_cap) for answer in finished]),
        context_cut_rate=_mean([float(answer.context_cut) for answer in finished]),
        statuses={status: statuses[status] for status in sorted(statuses)},
    )


def cluster_of(sample: Sample) -> str:
    """Return what a sample shares with those it is not independent of.

    The builder's own mark; else the one document that all its evidence stands in; else its context.
    """
    if sample.metadata.cluster is not None:
        return sample.metadata.cluster
    texts = {document.id: document.sha256 or sha256_text(document.read()) for document in sample.documents}
    cited = {place.document for place in sample.metadata.evidence}
    if len(cited) == 1:
        return texts[cited.pop()]
    if not texts:
        return sample.id
    return hashlib.sha256("".join(texts.values()).encode()).hexdigest()


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
