"""From scores to a row of the table: means over all answers wanted, and what is needed to judge them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from golong_eval.harness.breakdown import Scored, effective_length_of, grid_of, groups_of, headline_of, slices_of
from golong_eval.harness.records import Key
from golong_eval.harness.results import AtK, Estimate, TaskResult
from golong_eval.harness.task_book import Task
from golong_eval.rewards import chance_level
from golong_eval.schema import Generation, RewardResult, Sample, sha256_text
from golong_eval.statistics import best_of_k, majority, mean_interval, pass_at_k
from golong_eval.tasks import ContextMode, TaskSpec, samples_hash
from golong_eval.text import fold

__all__ = ["aggregate_task", "average_of", "cluster_of", "scored_rows"]

_BINARY = frozenset({"exact_match", "accuracy", "math_verify"})
_NAMES_DOCUMENTS = frozenset({"f1", "sub_em"})


def scored_rows(
    samples: Sequence[Sample],
    repeats: int,
    generations: Mapping[Key, Generation],
    scores: Mapping[Key, RewardResult],
) -> list[Scored]:
    """Return the answers wanted, sample by sample and repeat by repeat, with their scores."""
    rows = []
    for sample in samples:
        cluster = cluster_of(sample)
        for repeat in range(repeats):
            key = (sample.id, repeat)
            answer = generations.get(key)
            counted = 0 if answer is None else answer.first_prompt_tokens or answer.prompt_tokens
            rows.append(
                Scored(
                    sample=sample,
                    value=scores[key].value if key in scores else None,
                    cluster=cluster,
                    tokens=sample.metadata.length or counted or None,
                )
            )
    return rows


def aggregate_task(
    spec: Task,
    samples: Sequence[Sample],
    repeats: int,
    generations: Mapping[Key, Generation],
    scores: Mapping[Key, RewardResult],
    *,
    context: ContextMode = "full",
    seed: int = 0,
    rows: Sequence[Scored] | None = None,
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
        rows: What `scored_rows` says of these, where that is known.
    """
    rows = scored_rows(samples, repeats, generations, scores) if rows is None else rows
    keys = [(sample.id, repeat) for sample in samples for repeat in range(repeats)]
    binary = spec.metric.name in _BINARY if isinstance(spec, TaskSpec) else spec.binary
    as_zero = [row.value or 0.0 for row in rows]
    interval = mean_interval(as_zero, [row.cluster for row in rows], binary=binary, seed=seed)
    scored = [row for row in rows if row.value is not None]
    if not scored and rows:
        interval = replace(interval, low=None, high=None, method="no scores")
    without = interval
    if len(scored) < len(rows):
        values = [row.value or 0.0 for row in scored]
        without = mean_interval(values, [row.cluster for row in scored], binary=binary, seed=seed)
    answers = [generations[key] for key in keys if key in generations]
    given = [answer for answer in answers if answer.text is not None]
    finished = [
        row.value
        for key, row in zip(keys, rows, strict=True)
        if row.value is not None and key in generations and generations[key].finish_reason == "stop"
    ]
    statuses = Counter(scores[key].status if key in scores else "provider_error" for key in keys)
    pieces = slices_of(rows, binary=binary, seed=seed)
    chance = _chance(spec, samples, context)
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
        mean=interval.mean,
        mean_scored=without.mean,
        mean_finished=_mean(finished),
        chance=chance,
        low=interval.low,
        high=interval.high,
        stderr=interval.stderr,
        level=interval.level,
        interval=interval.method,
        clusters=interval.clusters,
        scored_low=without.low,
        scored_high=without.high,
        cap_hit_rate=_mean([float(answer.hit_cap) for answer in given]),
        context_cut_rate=_mean([float(answer.context_cut) for answer in given]),
        statuses={status: statuses[status] for status in sorted(statuses)},
        repeats=repeats,
        at_k=_at_k(spec, rows, repeats, seed) if repeats > 1 else (),
        majority=_majority(keys, rows, repeats, scores, seed) if repeats > 1 and binary else None,
        slices=pieces,
        groups=groups_of(rows, binary=binary, seed=seed),
        headline=None if isinstance(spec, TaskSpec) else headline_of(rows, spec.macro, seed=seed),
        grid=grid_of(rows),
        effective_length=effective_length_of(pieces, chance=chance),
    )


def average_of(by_task: Mapping[str, Sequence[Scored]], *, seed: int) -> Estimate | None:
    """Return the mean of the tasks' means, failures as 0; None for fewer than two tasks.

    Clusters go across tasks: questions of several tasks over one document are not independent.
    """
    if len(by_task) < 2:
        return None
    rows = [(task, row) for task, found in by_task.items() for row in found]
    interval = mean_interval(
        [row.value or 0.0 for _, row in rows],
        [row.cluster for _, row in rows],
        strata=[task for task, _ in rows],
        seed=seed,
    )
    return Estimate.of(interval)


def _at_k(spec: Task, rows: Sequence[Scored], repeats: int, seed: int) -> tuple[AtK, ...]:
    values = [row.value or 0.0 for row in rows]
    matrix = [values[start : start + repeats] for start in range(0, len(values), repeats)]
    passed = matrix
    if not isinstance(spec, TaskSpec):
        solved = [float(spec.solved(value, row.sample)) for value, row in zip(values, rows, strict=True)]
        passed = [solved[start : start + repeats] for start in range(0, len(values), repeats)]
    clusters = [row.cluster for row in rows[::repeats]]
    if not matrix:
        return ()

    def estimate(scores: Sequence[float]) -> Estimate:
        return Estimate.of(mean_interval(scores, clusters, seed=seed))

    ks = sorted({1 << power for power in range(repeats.bit_length()) if 1 << power <= repeats} | {repeats})
    return tuple(
        AtK(
            k=k,
            pass_at_k=estimate(pass_at_k(passed, k).tolist()),
            best_of_k=estimate(best_of_k(matrix, k).tolist()),
        )
        for k in ks
    )


def _majority(
    keys: Sequence[Key], rows: Sequence[Scored], repeats: int, scores: Mapping[Key, RewardResult], seed: int
) -> Estimate:
    parsed = [_vote(scores[key]) if key in scores else None for key in keys]
    found = [
        majority(parsed[start : start + repeats], [row.value or 0.0 for row in rows[start : start + repeats]])
        for start in range(0, len(rows), repeats)
    ]
    return Estimate.of(mean_interval(found, [row.cluster for row in rows[::repeats]], seed=seed))


def _vote(result: RewardResult) -> str | None:
    """Return what an answer votes for: right answers are one however they are worded, others by their folded text."""
    if result.value is not None and result.value >= 1:
        return ""  # no wrong answer folds to nothing: it would be unparsed
    if result.parsed is None:
        return None
    return fold(result.parsed if isinstance(result.parsed, str) else "\n".join(result.parsed)) or None


def _chance(spec: Task, samples: Sequence[Sample], context: ContextMode) -> float | None:
    if not isinstance(spec, TaskSpec):
        choices = [sample.metadata.candidates for sample in samples]
        return _mean([1 / count for count in choices if count]) if choices and all(choices) else None
    if spec.metric.chance_corrected:
        return 0.0  # what chance earns was taken off
    if spec.metric.semantic is not None:
        return None  # what it earns from an embedder, no formula tells
    if context == "evidence" and spec.metric.name in _NAMES_DOCUMENTS:
        return None  # only documents that are right are shown: naming them all is no feat
    chances = [
        chance_level(spec.metric.name, sample.gold, sample.metadata.candidates, spec.metric.variant)
        for sample in samples
    ]
    known = [chance for chance in chances if chance is not None]
    return _mean(known) if len(known) == len(chances) else None


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
    return hashlib.sha256("".join(sorted(texts.values())).encode()).hexdigest()


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
