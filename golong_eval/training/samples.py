"""The samples of a training: read or built, split by document, and cut down to what the recipe takes."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.harness.aggregate import cluster_of
from golong_eval.schema import Sample
from golong_eval.tasks import BuildReport, SampleWriter, TaskSpec, build_to_file, load_tasks, read_samples, samples_hash
from golong_eval.training.recipe import Data

__all__ = ["TrainingSamples", "count_tokens", "prepare_samples", "write_held_out"]


@dataclass(frozen=True)
class TrainingSamples:
    """What a training takes.

    Attributes:
        train: The samples that are trained on. Texts lie in files, so this is small.
        held_out: Those that are evaluated.
        too_long: Left out for their length, by task.
        specs: Their tasks.
        revision: Hash of the content of both.
        shortfalls: Of built samples, the tasks that have fewer than were asked for, and why.
        shared: Held-out samples that stand in documents which are trained on too.
    """

    train: list[Sample]
    held_out: list[Sample]
    too_long: Counter[str]
    specs: dict[str, TaskSpec]
    revision: str
    shortfalls: dict[str, str] = field(default_factory=dict)
    shared: int = 0

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return by task how many are trained on, and how many held out; tasks that were asked for in vain too."""
        train, held_out = (Counter(sample.task for sample in part) for part in (self.train, self.held_out))
        return {task: (train[task], held_out[task]) for task in sorted({*train, *held_out, *self.shortfalls})}


def prepare_samples(data: Data, folder: Path, seed: int, tokens: Callable[[Any], int]) -> TrainingSamples:
    """Read or build the samples of a recipe.

    Args:
        data: The recipe's part.
        folder: Where built samples go, as ``samples.jsonl``; there already, they are read.
        seed: Draws the held-out clusters and the limit.
        tokens: Counts the tokens of a prompt, given as messages.

    Raises:
        ConfigError: Nothing is left to train on; held-out samples are trained on.
        DataError: A file is malformed.
        UnknownNameError: A sample is of an unknown task.
    """
    shortfalls: dict[str, str] = {}
    if data.build is not None:
        files = [folder / "samples.jsonl"]
        if not files[0].is_file():
            build = data.build
            build_to_file(
                files[0],
                documents=build.documents,
                tasks=build.tasks,
                length=build.length,
                per_task=build.per_task,
                seed=build.seed,
                overwrite=True,
            )
        report = BuildReport.model_validate_json((folder / "samples.jsonl.report.json").read_bytes())
        shortfalls = report.shortfalls()
    else:
        files = [Path(name) for name in data.train]
    specs = load_tasks(data.include)
    samples = [sample for file in files for sample in read_samples(file)]
    _check(samples, specs, files)
    if isinstance(data.held_out, str):
        train, held_out = samples, list(read_samples(data.held_out))
        _check(held_out, specs, [Path(data.held_out)])
        both = {sample.id for sample in train} & {sample.id for sample in held_out}
        if both:
            raise ConfigError(
                f"{len(both)} held-out samples are in the training files too, {min(both)!r} for one",
                "take them out of one of the two",
            )
    else:
        train, held_out = _split(samples, data.held_out, seed)
    too_long: Counter[str] = Counter()
    if data.max_prompt_tokens is not None:
        kept = []
        for sample in train:
            prompt = specs[sample.task].prompt(sample)
            short = len(prompt.text.encode()) <= data.max_prompt_tokens  # a token is a byte or more
            if short or tokens(prompt.messages) <= data.max_prompt_tokens:
                kept.append(sample)
            else:
                too_long[sample.task] += 1
        train = kept
    if data.limit is not None and data.limit < len(train):
        train = random.Random(f"{seed}/limit").sample(train, data.limit)
    shared = 0
    if isinstance(data.held_out, str):  # else whole clusters were held out
        known = {cluster_of(sample) for sample in train}
        shared = sum(cluster_of(sample) in known for sample in held_out)
    if not train:
        raise ConfigError("no samples are left to train on", "raise data.max_prompt_tokens, or lower data.held_out")
    return TrainingSamples(train, held_out, too_long, specs, samples_hash([*train, *held_out]), shortfalls, shared)


def write_held_out(samples: Iterable[Sample], file: Path) -> None:
    """Write the held-out samples where `golong_eval.evaluate` reads them."""
    if not file.is_file():
        with SampleWriter(file) as writer:
            for sample in samples:
                writer.write(sample)


def count_tokens(tokenizer: Any) -> Callable[[Any], int]:
    """Return a counter of the tokens of messages behind the tokenizer's chat template."""

    def count(messages: Any) -> int:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count


def _check(samples: list[Sample], specs: dict[str, TaskSpec], files: list[Path]) -> None:
    for sample in samples:
        if sample.task not in specs:
            raise UnknownNameError("task", sample.task, specs)
    if len({sample.id for sample in samples}) != len(samples):
        twice = next(name for name, count in Counter(sample.id for sample in samples).items() if count > 1)
        raise ConfigError(
            f"the sample id {twice!r} stands in two of {', '.join(map(str, files))}",
            "give every sample an id of its own",
        )


def _split(samples: list[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Hold out whole clusters, so that no document is on both sides; about `share` of each task's samples."""
    if not share:
        return samples, []
    clusters = [cluster_of(sample) for sample in samples]
    order = sorted(set(clusters), key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    if len(order) < 2:
        raise ConfigError(
            "all samples stand in one document: none can be held out without training on it",
            "give more documents, or data.held_out 0 (or a file of other samples)",
        )
    wanted = Counter(sample.task for sample in samples)
    room = {task: max(1, round(count * share)) for task, count in wanted.items()}
    of_cluster: dict[str, list[str]] = {name: [] for name in order}
    for cluster, sample in zip(clusters, samples, strict=True):
        of_cluster[cluster].append(sample.task)
    out: set[str] = set()
    for name in order[:-1]:  # one is left to train on
        tasks = Counter(of_cluster[name])
        # Taken where it brings what is still missing, and not mostly what is not.
        useful = sum(min(count, room[task]) for task, count in tasks.items())
        if 2 * useful > sum(tasks.values()):
            out.add(name)
            for task, count in tasks.items():
                room[task] = max(0, room[task] - count)
    return (
        [sample for sample, cluster in zip(samples, clusters, strict=True) if cluster not in out],
        [sample for sample, cluster in zip(samples, clusters, strict=True) if cluster in out],
    )
