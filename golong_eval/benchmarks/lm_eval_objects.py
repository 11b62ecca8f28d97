"""lm-eval's own task objects over rows that are in memory: what it asks, what it extracts, how it scores.

Written for lm-eval 0.4.13. Everything that touches its objects stands here.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golong_eval._optional import require
from golong_eval.errors import ConfigError, DataError

__all__ = ["Asked", "LmEvalTask", "Scored", "hub_rows"]

_EXAMPLES_SEED = 1234  # lm-eval's default for picking examples
_SHUFFLE_SEED = 0  # and for all else


@dataclass(frozen=True)
class Asked:
    """A row as lm-eval asks it."""

    doc: dict[str, Any]
    """The row after the task's own processing."""
    question: str
    target: str
    context: str
    """The whole prompt: description, examples, question."""


@dataclass(frozen=True)
class Scored:
    """What lm-eval says of an answer: all its metrics as ``metric,filter``, and what each filter extracted."""

    values: dict[str, float]
    extracted: dict[str, Any]


class LmEvalTask:
    """A task of lm-eval.

    Args:
        name: The task, for instance ``mmlu_pro_law``.
        folder: Its folder in lm-eval.
        version: The version that is expected: another one may ask or score otherwise.
        rows: Rows as the data set ships them, at least one.
        examples: Rows that examples are taken from, where the data set has a split for them.
        processed: The rows have been through the task's own processing.

    Raises:
        MissingExtraError: lm-eval is not installed.
        ConfigError: This lm-eval has the task in another version, or not at all.
        DataError: The rows are not this task's.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        version: float,
        rows: Sequence[Mapping[str, Any]],
        examples: Sequence[Mapping[str, Any]] = (),
        *,
        processed: bool = False,
    ) -> None:
        self.name = name
        splits = {"train": _Rows(rows), "test": _Rows(rows), "validation": _Rows(examples)}
        with _quiet(), _seeded():
            # As lm-eval does it, with its seed: GPQA shuffles its choices here.
            task = _build(name, folder, splits, {"process_docs": None} if processed else {})
            process = task.config.process_docs
            if process is not None:
                random.seed(_SHUFFLE_SEED)
                done = {split: process(found) if found else found for split, found in splits.items()}
                task = _build(name, folder, done, {"process_docs": None})
            task.set_fewshot_seed(_EXAMPLES_SEED)
        if float(task.VERSION) != version:
            raise ConfigError(
                f"{name} is version {task.VERSION} in the lm-eval that is installed, and {version} is expected",
                "pip install 'lm-eval==0.4.13'",
            )
        self._task = task

    @property
    def generation(self) -> dict[str, Any]:
        """How lm-eval has answers generated: ``until``, ``max_gen_toks``, ``temperature``."""
        return dict(self._task.config.generation_kwargs or {})

    def asked(self) -> Iterator[Asked]:
        """Yield the rows with their prompts.

        Raises:
            DataError: There are too few examples for the prompts.
        """
        shots = self._task.config.num_fewshot or 0
        for doc in self._task.task_docs:
            try:
                context = self._task.fewshot_context(doc, num_fewshot=shots)
            except AssertionError as error:
                raise DataError(
                    f"{self.name} shows {shots} examples before each question, and there are fewer ({error})",
                    "name the folder that has the data set's split of examples too",
                ) from None
            question, target = self._task.doc_to_text(doc), self._task.doc_to_target(doc)
            yield Asked(dict(doc), str(question), str(target), context)

    def cut(self, text: str) -> str:
        """Return a text up to where lm-eval stops a model: before the first of the task's stop strings."""
        until = self.generation.get("until") or []
        for stop in [until] if isinstance(until, str) else until:
            text = text.split(stop)[0] if stop else text
        return text

    def score(self, doc: dict[str, Any], text: str, longest: int) -> Scored:
        """Score a text by the task's filters and metrics.

        Args:
            doc: The row, as `asked` gave it.
            text: What the filters read.
            longest: Characters of an extracted answer above which it counts as none: lm-eval's clean-up of numbers
                takes time that is quadratic in them.
        """
        instance = require("lm_eval.api.instance", "lm-eval", self.name).Instance(
            "generate_until", doc=doc, arguments=("", {}), idx=0
        )
        instance.resps = [text]
        values: dict[str, float] = {}
        extracted = {}
        for ensemble in self._task._filters:
            ensemble.apply([instance])
            found = instance.filtered_resps[ensemble.name]
            if ensemble.name != "none" and isinstance(found, str) and len(found) > longest:
                found = "[invalid]"
            extracted[ensemble.name] = found
            for metric, value in self._task.process_results(doc, [found]).items():
                values[f"{metric},{ensemble.name}"] = _mean(value)
        return Scored(values, extracted)


class _Rows(list[Mapping[str, Any]]):
    """Rows with what lm-eval uses of a data set; nothing is cached, and no column is filled in."""

    @property
    def features(self) -> dict[str, None]:
        """The columns."""
        return dict.fromkeys(self[0]) if self else {}

    def map(self, function: Callable[[Any], Mapping[str, Any]]) -> _Rows:
        """Return the rows with the columns that a function adds."""
        return _Rows({**row, **function(row)} for row in self)

    def filter(self, function: Callable[[Any], bool]) -> _Rows:
        """Return the rows that a function keeps."""
        return _Rows(row for row in self if function(row))


def hub_rows(
    hub: str, config: str | None, splits: Sequence[str], revision: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a data set on the hub, each with its place, through the package ``datasets``.

    Raises:
        MissingExtraError: ``datasets`` is not installed.
        ConfigError: The data set can't be had: no network, no access, no such revision.
    """
    datasets = require("datasets", "lm-eval", hub)
    for split in splits:
        try:
            rows = datasets.load_dataset(hub, config, split=split, revision=revision)
        except Exception as error:  # its errors have no common base
            raise ConfigError(
                f"{hub} can't be loaded: {type(error).__name__}: {' '.join(str(error).split())[:200]}",
                "fetch it where there is a network, and name the files with --data NAME=PATH",
            ) from error
        for number, row in enumerate(rows, 1):
            yield f"{hub} {split}:{number}", dict(row)


def _build(name: str, folder: str, splits: Mapping[str, _Rows], changes: Mapping[str, Any]) -> Any:
    tasks = require("lm_eval.tasks", "lm-eval", name)
    place = Path(str(tasks.__file__)).parent / folder
    manager = tasks.TaskManager(include_path=str(place), include_defaults=False)
    if name not in manager.all_subtasks:
        raise ConfigError(f"the lm-eval that is installed has no task {name}", "pip install 'lm-eval==0.4.13'")

    def in_memory(**_: Any) -> Mapping[str, _Rows]:
        return splits

    member = {"task": name, "custom_dataset": in_memory, **changes}
    try:
        (task,) = manager.load([{"group": "golong", "task": [member]}])["tasks"].values()
    except ImportError as error:
        raise ConfigError(
            f"{name} needs a package that is missing ({error})", f"pip install 'lm-eval[{folder}]'"
        ) from None
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise DataError(f"these are no rows of {name} ({type(error).__name__}: {error})", "check the file") from error
    return task


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep lm-eval from telling how its tasks may be configured."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Give Python's shared random numbers back as they were."""
    state = random.getstate()
    random.seed(_SHUFFLE_SEED)
    try:
        yield
    finally:
        random.setstate(state)


def _mean(value: Any) -> float:
    """Return a metric as one number: IFEval gives a list of verdicts for one of its own."""
    if isinstance(value, Sequence):
        return sum(map(float, value)) / len(value) if value else 0.0
    return float(value)
