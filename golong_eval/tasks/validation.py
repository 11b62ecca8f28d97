"""Check task folders and sample files before a model sees them: every fault, with its file and line.

The gold goes through the task's own reward (1.0), as do the empty answer (0) and, for a task's worked
samples, the answers said to be right (1.0) and wrong (below 1.0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from golong_eval._content import content_path
from golong_eval.errors import DataError, DocumentError, GolongError, MissingExtraError, UnknownNameError
from golong_eval.faults import Fault, explain
from golong_eval.rewards import render_gold, score
from golong_eval.schema import Document, RewardResult, Sample
from golong_eval.tasks.catalogue import Catalogue, Example, load_catalogue, parse_example, task_folders
from golong_eval.tasks.samples import parse_sample
from golong_eval.tasks.spec import TaskSpec
from golong_eval.tasks.taskfile import check_task

__all__ = ["validate_folder", "validate_path", "validate_samples"]


def validate_path(path: Path | str | None = None, include: Sequence[Path | str] = ()) -> tuple[str, list[Fault]]:
    """Return what was checked, and every fault of it.

    Args:
        path: A task's folder, a folder of them, or a file of samples; None means the built-in tasks.
        include: Folders with more tasks, which samples may name.
    """
    if path is None:
        return "the built-in tasks", validate_folder()
    if Path(path).is_dir():
        return str(path), validate_folder(path)
    return str(path), validate_samples(path, load_catalogue(include))


def validate_folder(folder: Path | str | None = None) -> list[Fault]:
    """Return every fault of a task folder, or of a folder of task folders.

    Args:
        folder: The folder; None means the built-in tasks.
    """
    root = content_path("tasks") if folder is None else Path(folder)
    try:
        folders = task_folders(root)
    except GolongError as error:
        return [Fault(str(root), None, str(error))]
    faults: list[Fault] = []
    tasks: dict[str, Path] = {}
    seen = _Seen()
    for task_folder in folders:
        task_file = task_folder / "task.yaml"
        spec, found = check_task(task_file)
        faults += found
        if spec is not None and (other := tasks.setdefault(spec.id, task_file)) is not task_file:
            faults.append(Fault(str(task_file), None, f"the task id {spec.id!r} stands in {other} too"))
        faults += _file_faults(task_folder / "examples.jsonl", partial(_example_faults, spec=spec, seen=seen))
    return faults


def validate_samples(file: Path | str, catalogue: Catalogue) -> list[Fault]:
    """Return every fault of a file of samples. Lines are read one by one, and each text once.

    Args:
        file: A JSONL file, one `Sample` a line.
        catalogue: The tasks that samples may name.
    """
    return _file_faults(Path(file), partial(_sample_line_faults, catalogue=catalogue, seen=_Seen()))


class _Place(NamedTuple):
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def _file_faults(file: Path, check: Callable[[bytes, _Place], Iterator[str]]) -> list[Fault]:
    faults: list[Fault] = []
    count = 0
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    count += 1
                    faults += [Fault(str(file), number, message) for message in check(line, _Place(file, number))]
    except OSError as error:
        return [*faults, Fault(str(file), None, f"cannot be read ({error.strerror})")]
    return faults if count else [Fault(str(file), None, "holds no samples")]


def _sample_line_faults(line: bytes, place: _Place, catalogue: Catalogue, seen: _Seen) -> Iterator[str]:
    try:
        sample = parse_sample(line, *place)
    except DataError as error:
        yield from _schema_faults(line, Sample) or [error.problem]
        return
    yield from seen.faults(sample, place)
    try:
        spec = catalogue.get(sample.task)
    except UnknownNameError as error:
        yield f"task: {error} ({error.hint})"
        return
    yield from _gold_faults(sample, spec)


def _example_faults(line: bytes, place: _Place, spec: TaskSpec | None, seen: _Seen) -> Iterator[str]:
    try:
        example = parse_example(line, *place)
    except DataError as error:
        yield from _schema_faults(line, Example) or [error.problem]
        return
    sample = example.sample
    yield from seen.faults(sample, place)
    if spec is None:
        return  # the task itself is broken and was reported: nothing to score with
    if sample.task != spec.id:
        yield f"sample.task: {sample.task!r} is not the id of this task, {spec.id!r}"
    yield from _gold_faults(sample, spec)
    for number, response in enumerate(example.right):
        if (result := _scored(response, sample, spec)) is not None and result.value != 1.0:
            yield f"right[{number}]: {_told(result)}, must score 1.0"
    for number, response in enumerate(example.wrong):
        if (result := _scored(response, sample, spec)) is not None and result.value in (None, 1.0):
            yield f"wrong[{number}]: {_told(result)}, must score below 1.0"


def _schema_faults(line: bytes, model: type[BaseModel]) -> list[str]:
    try:
        model.model_validate_json(line)
    except ValidationError as error:
        return explain(error, model)
    return []


class _Seen:
    """What was met so far: sample ids, so that none stands twice, and texts, so that each is read once."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._lengths: dict[tuple[str, str | None], int | str] = {}

    def faults(self, sample: Sample, place: _Place) -> Iterator[str]:
        """Yield what is wrong with a sample's id, documents and evidence."""
        if (first := self._places.setdefault(sample.id, place)) is not place:
            yield f"the sample id {sample.id!r} stands in {first} too"
        lengths = {document.id: self._length(document) for document in sample.documents}
        yield from (length for length in lengths.values() if isinstance(length, str))
        for number, evidence in enumerate(sample.metadata.evidence):
            length = lengths[evidence.document]
            if isinstance(length, int) and not evidence.start < evidence.end <= length:
                yield (
                    f"metadata.evidence[{number}]: {evidence.start} to {evidence.end} is no stretch of document"
                    f" {evidence.document!r}, which has {length} characters"
                )

    def _length(self, document: Document) -> int | str:
        """Return the characters of a text, or why it cannot be read."""
        if document.text is not None:
            return len(document.text)
        assert document.path is not None
        key = (document.path, document.sha256)
        if key not in self._lengths:
            try:
                self._lengths[key] = len(document.read())
            except DocumentError as error:
                self._lengths[key] = str(error)
        return self._lengths[key]


def _gold_faults(sample: Sample, spec: TaskSpec) -> Iterator[str]:
    try:
        gold, empty = (_score(response, sample, spec) for response in (render_gold(sample.gold, spec.metric), ""))
    except MissingExtraError:  # ours to install, no fault of the file
        raise
    except GolongError as error:
        yield f"gold: {error}"
        return
    if gold.value != 1.0 and (gold.value is None or spec.metric.variant == "strict"):
        yield f"gold: as an answer it {_told(gold)}, must score 1.0"
    if empty.value != 0.0:
        yield f"gold: the empty answer {_told(empty)}, must score 0"


def _scored(response: str, sample: Sample, spec: TaskSpec) -> RewardResult | None:
    """Return the reward of a response; None where the gold cannot be scored, which `_gold_faults` reports."""
    try:
        return _score(response, sample, spec)
    except MissingExtraError:
        raise
    except GolongError:
        return None


def _score(response: str, sample: Sample, spec: TaskSpec) -> RewardResult:
    return score(
        spec.metric,
        response,
        sample.gold,
        language=sample.metadata.language,
        question=sample.question,
        candidates=sample.metadata.candidates,
    )


def _told(result: RewardResult) -> str:
    why = f": {result.reason}" if result.reason else ""
    status = "" if result.status == "ok" else f" ({result.status}{why})"
    return f"scores {result.value:.4g}{status}" if result.value is not None else f"cannot be scored{status}"
