"""Where a run's samples come from: built from documents, read from files, rows of benchmarks, or own examples."""

from __future__ import annotations

import importlib.util
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from golong_eval.benchmarks import BENCHMARKS, Located, benchmark_named, locate, samples_of
from golong_eval.benchmarks.suites import suite_named
from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.harness.settings import RunSettings
from golong_eval.harness.task_book import is_benchmark
from golong_eval.schema import Sample
from golong_eval.tasks import BUILDERS, Catalogue, build_samples, load_tokenizer, read_samples

__all__ = ["Sources", "resolve_sources"]

_PACKAGES = {"lm_eval": ("lm_eval", "lm-eval"), "chinese": ("jieba", "zh")}

PER_TASK = 20
"""Samples of each built task where the user names no limit."""


@dataclass
class Sources:
    """The tasks of a run and the samples behind them.

    Attributes:
        built: Task ids whose samples are built from documents.
        examples: Ids of tasks without a builder: they run on their own worked examples.
        files: Files of samples.
        benchmarks: Benchmarks, their rows found.
        dropped: Filled while samples are read: per task, what the builder could not make and why.
    """

    built: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    benchmarks: list[Located] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    def samples(
        self,
        settings: RunSettings,
        catalogue: Catalogue,
        tokenizer: str,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> Iterator[Sample]:
        """Yield every sample once.

        Args:
            settings: The run's settings.
            catalogue: The known tasks.
            tokenizer: Name of the tokenizer that counts built prompts.
            on_progress: Told what is being made.

        Raises:
            DataError: A sample is malformed, names an unknown task, or its id stands twice.
            DocumentError: The documents can't be used.
        """
        seen: set[str] = set()
        for sample in self._all(settings, catalogue, tokenizer, on_progress):
            if sample.id in seen:
                raise DataError(f"two samples have the id {sample.id!r}", "give every sample an id of its own")
            seen.add(sample.id)
            yield sample

    def _all(
        self, settings: RunSettings, catalogue: Catalogue, tokenizer: str, on_progress: Callable[[str], None]
    ) -> Iterator[Sample]:
        number = 0
        for length in settings.lengths if self.built else ():
            run = build_samples(
                settings.documents or "pydoc",
                tasks=self.built,
                length=length,
                per_task=settings.limit or PER_TASK,
                seed=settings.seed,
                tokenizer=load_tokenizer(tokenizer),
                specs=catalogue.specs,
            )
            for sample in run:
                number += 1
                on_progress(f"built {number} samples")
                yield sample
            at = f" at {length:,} tokens" if len(settings.lengths) > 1 else ""
            self.dropped |= {f"{task}{at}": reason for task, reason in run.report.shortfalls().items()}
        for task in self.examples:
            yield from _limited([example.sample for example in catalogue.examples(task)], settings)
        for file in self.files:
            yield from _from_file(file, settings, catalogue)
        for located in self.benchmarks:
            yield from samples_of(
                located,
                limit=settings.limit,
                seed=settings.seed,
                lengths=settings.lengths,
                tokens=lambda: load_tokenizer(tokenizer).count,
            )

    @property
    def tasks(self) -> list[str]:
        """Ids of the tasks that are known before a file of samples is read."""
        return [*self.built, *self.examples, *(located.benchmark.id for located in self.benchmarks)]


def resolve_sources(settings: RunSettings, catalogue: Catalogue) -> Sources:
    """Sort what ``--tasks`` names into built tasks, tasks with examples, files, and benchmarks, whose data is found.

    Raises:
        UnknownNameError: A name is neither a task nor a file.
        ConfigError: ``--documents`` is given and nothing is built.
    """
    sources = Sources()
    lost: list[tuple[str, ConfigError]] = []
    _check_data(settings)
    for name in settings.tasks:
        if name == "all":
            sources.built += [task for task in BUILDERS if task not in sources.built]
        elif is_benchmark(name):
            lacking = _lacking(name) if settings.suite is not None and suite_named(settings.suite).optional else None
            if lacking is not None:
                sources.dropped[name] = f"left out: {lacking}"
            elif all(located.benchmark.id != name for located in sources.benchmarks):
                try:
                    sources.benchmarks.append(locate(benchmark_named(name), settings.data))
                except ConfigError as error:
                    lost.append((name, error))
        elif name.endswith(".jsonl") or Path(name).is_file():
            if not Path(name).is_file():
                raise ConfigError(f"no file of samples at {name}", "make one with: golong tasks build --out FILE.jsonl")
            sources.files.append(Path(name))
        else:
            try:
                task = catalogue.get(name).id
            except UnknownNameError as error:
                raise UnknownNameError("task", name, [*catalogue.specs, *BENCHMARKS, "all"]) from error
            target = sources.built if task in BUILDERS else sources.examples
            if task not in target:
                target.append(task)
    if len(lost) == 1:
        raise lost[0][1]
    if lost:
        named = ", ".join(name for name, _ in lost)
        raise ConfigError(f"there is no data for {named}; of the first: {lost[0][1]}", f"for each: {lost[0][1].hint}")
    if settings.data and not sources.benchmarks:
        raise ConfigError("--data is given, and no benchmark is run", f"leave it out, or name {', '.join(BENCHMARKS)}")
    if settings.documents is not None and not sources.built:
        raise ConfigError(
            "--documents is given, but no task is built from documents",
            f"leave it out, or name tasks such as {', '.join(list(BUILDERS)[:3])}",
        )
    return sources


def _check_data(settings: RunSettings) -> None:
    """Refuse names of data sets that there are none of, or that are given twice.

    Raises:
        ConfigError: One is unknown (names the nearest), or stands twice.
    """
    names = [part.partition("=")[0] for part in settings.data if "=" in part]
    known = {name for benchmark in BENCHMARKS for name in (benchmark, benchmark_named(benchmark).data_name())}
    for name in names:
        if name not in known:
            raise UnknownNameError("data set", name, known)
        if names.count(name) > 1:
            raise ConfigError(f"--data names {name} twice", "name each data set once")


def _lacking(benchmark: str) -> str | None:
    """Return which package a benchmark lacks; None where it lacks none."""
    for need in benchmark_named(benchmark).needs:
        package, extra = _PACKAGES.get(need, ("", ""))
        if package and importlib.util.find_spec(package) is None:
            return f"{package} is not installed (pip install 'golong-eval[{extra}]')"
    return None


def _from_file(file: Path, settings: RunSettings, catalogue: Catalogue) -> Iterator[Sample]:
    chosen: set[str] | None = None
    if settings.limit is not None:
        by_task: dict[str, list[str]] = defaultdict(list)
        for sample in read_samples(file):
            by_task[sample.task].append(sample.id)
        chosen = {
            identifier
            for task, identifiers in by_task.items()
            for identifier in _choose(identifiers, settings.limit, f"{settings.seed}/{task}")
        }
    for sample in read_samples(file):
        if sample.task not in catalogue.specs:
            unknown = UnknownNameError("task", sample.task, catalogue.specs)
            raise DataError(f"sample {sample.id!r}: {unknown}", f"{unknown.hint}; or add it with --include", file=file)
        if chosen is None or sample.id in chosen:
            yield sample


def _limited(samples: Sequence[Sample], settings: RunSettings) -> list[Sample]:
    if settings.limit is None:
        return list(samples)
    chosen = set(_choose([sample.id for sample in samples], settings.limit, str(settings.seed)))
    return [sample for sample in samples if sample.id in chosen]


def _choose(identifiers: list[str], limit: int, seed: str) -> list[str]:
    """Pick at random: files are often ordered by task, length or difficulty, so their head is no sample."""
    return identifiers if limit >= len(identifiers) else random.Random(seed).sample(identifiers, limit)
