"""What bridges to other harnesses need of ours: the samples of a task or benchmark, and the score of a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from golong_eval.benchmarks import AnswerToScore, Benchmark, locate, samples_of, score_answers
from golong_eval.errors import ConfigError
from golong_eval.harness.task_book import Task, tasks_named
from golong_eval.rewards import MetricSpec, render_gold, score
from golong_eval.schema import RewardResult, RowGold, Sample, Variant
from golong_eval.tasks import read_samples

__all__ = ["bare_sample", "sample_of", "samples_for", "score_text", "target_of", "task_for"]


def task_for(name: str, variant: Variant = "strict") -> Task:
    """Return a task or benchmark, scored in a variant.

    Raises:
        UnknownNameError: There is none of this name; the hint gives the nearest.
        ConfigError: There is no such variant, or the benchmark asks twice.
    """
    if variant not in ("strict", "official"):
        raise ConfigError(f"unknown variant {variant!r}", "known: strict, official")
    task = tasks_named([name])[name]
    if isinstance(task, Benchmark):
        if task.second_max_tokens:
            raise ConfigError(f"{name} asks a model twice, and other harnesses ask once", f"golong run --tasks {name}")
        return task.scored_as(variant)
    metric = MetricSpec.model_validate(task.metric.model_dump() | {"variant": variant})
    return task.model_copy(update={"metric": metric})


def samples_for(task: Task, place: str | Sequence[str] | None) -> Iterator[Sample]:
    """Yield the samples of a task.

    Args:
        task: The task.
        place: Of one of the nine, files of samples, as `golong tasks build` makes them; samples of other tasks are left
            out. Of a benchmark, what ``--data`` takes: a file or folder of it, or ``NAME=PATH``.

    Raises:
        ConfigError: There are none; says how to get them.
        DataError: A file is malformed.
    """
    places = [place] if isinstance(place, str) else list(place or ())
    if isinstance(task, Benchmark):
        # A file names the rows of this one benchmark; a folder may hold a folder for each.
        known = [
            one if "=" in one or (Path(one) / task.data_name()).exists() else f"{task.data_name()}={one}"
            for one in places
        ]
        yield from samples_of(locate(task, known), limit=None, seed=0, lengths=(), tokens=_no_tokens)
        return
    if not places:
        raise ConfigError(
            f"{task.id} is asked from a file of samples, and none is named", "make one: golong tasks build"
        )
    found = 0
    for file in places:
        for sample in read_samples(file):
            if sample.task == task.id:
                found += 1
                yield sample
    if not found:
        raise ConfigError(f"{', '.join(places)}: no samples of {task.id}", "make some: golong tasks build")


def _no_tokens() -> Any:
    raise ConfigError("rows that are generated need a tokenizer", "make a file of them first, and name it")


def bare_sample(sample: Sample) -> str:
    """Return a sample as JSON without its documents: all that scoring reads."""
    bare = sample.metadata.model_copy(update={"evidence": (), "edits": ()})
    return sample.model_copy(update={"documents": (), "metadata": bare}).model_dump_json(exclude_none=True)


def target_of(sample: Sample, task: Task) -> str:
    """Return a sample's right answer as a person reads it."""
    return "\n".join(sample.gold.answers) if isinstance(sample.gold, RowGold) else render_gold(sample.gold, task.metric)


def score_text(task: Task, sample: Sample, text: str, *, unfinished: bool = False) -> RewardResult:
    """Score a text as our harness does.

    Without a judge: what only one can decide is ``judge_error``.

    Args:
        task: The task.
        sample: The sample; its documents are not read.
        text: What the model wrote.
        unfinished: It was still thinking when its tokens ran out.
    """
    if isinstance(task, Benchmark):
        (result,) = score_answers(task, [AnswerToScore(text, sample.gold, sample.metadata.language, unfinished)])
        return result
    return score(
        task.metric,
        text,
        sample.gold,
        language=sample.metadata.language,
        question=sample.question,
        thinking_unfinished=unfinished,
        candidates=sample.metadata.candidates,
    )


def sample_of(text: str) -> Sample:
    """Return the sample that `bare_sample` wrote."""
    return Sample.model_validate_json(text)
