"""Find the tasks: the nine that come with golong-eval, those of installed packages, and the user's own.

A task is a folder with a ``task.yaml`` and an ``examples.jsonl``. A package offers its tasks under the
entry-point group ``golong_eval.tasks``; a user names a folder with ``--include DIR``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from golong_eval._content import content_path
from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.faults import explain
from golong_eval.schema import Frozen, Sample
from golong_eval.tasks.samples import parse_sample
from golong_eval.tasks.spec import TaskSpec
from golong_eval.tasks.taskfile import read_task

__all__ = ["Catalogue", "Example", "TaskEntry", "load_catalogue", "load_tasks", "parse_example", "task_folders"]

ENTRY_POINT_GROUP = "golong_eval.tasks"


class Example(Frozen):
    """A worked sample: responses that must score 1.0, and responses that must score less."""

    sample: Sample
    right: tuple[str, ...] = Field(min_length=1)
    wrong: tuple[str, ...] = Field(min_length=1)


class TaskEntry(NamedTuple):
    """A task and the folder it was read from."""

    spec: TaskSpec
    folder: Path

    @property
    def task_file(self) -> Path:
        """The file of the task's definition."""
        return self.folder / "task.yaml"

    @property
    def examples_file(self) -> Path:
        """The file of the task's worked samples."""
        return self.folder / "examples.jsonl"


class Catalogue:
    """The tasks that can be named, in their order: built-in, installed, included.

    Args:
        entries: The tasks.

    Raises:
        ConfigError: Two tasks have the same id; names both files.
    """

    def __init__(self, entries: Iterable[TaskEntry]) -> None:
        self.entries: dict[str, TaskEntry] = {}
        for entry in entries:
            other = self.entries.setdefault(entry.spec.id, entry)
            if other is not entry:
                raise ConfigError(
                    f"the task id {entry.spec.id!r} stands in both {other.task_file} and {entry.task_file}",
                    "give one of them another id",
                )

    @property
    def specs(self) -> dict[str, TaskSpec]:
        """The tasks by id."""
        return {name: entry.spec for name, entry in self.entries.items()}

    def entry(self, name: str) -> TaskEntry:
        """Return the task with an id or a folder name.

        Raises:
            UnknownNameError: There is none; names the nearest.
        """
        if name in self.entries:
            return self.entries[name]
        for entry in self.entries.values():
            if entry.folder.name == name:
                return entry
        raise UnknownNameError("task", name, self.entries)

    def get(self, name: str) -> TaskSpec:
        """Return the definition of the task with an id or a folder name.

        Raises:
            UnknownNameError: There is none; names the nearest.
        """
        return self.entry(name).spec

    def examples(self, name: str) -> list[Example]:
        """Return the worked samples of a task.

        Raises:
            UnknownNameError: There is no such task.
            DataError: Its ``examples.jsonl`` is missing or malformed; names file and line.
        """
        file = self.entry(name).examples_file
        try:
            lines = file.read_bytes().split(b"\n")
        except OSError as error:
            raise DataError(
                f"cannot be read ({error.strerror})", "a task needs worked samples beside its task.yaml", file=file
            ) from error
        return [parse_example(line, file, number) for number, line in enumerate(lines, 1) if line.strip()]


def parse_example(line: bytes, file: Path, number: int) -> Example:
    """Return the worked sample in one line of ``file``, its documents located.

    Raises:
        DataError: The line is malformed; names file and line, and all that is wrong.
    """
    try:
        example = Example.model_validate_json(line)
    except ValidationError as error:
        raise DataError(
            "; ".join(explain(error, Example)),
            f"check the file with: golong tasks validate {file.parent}",
            file=file,
            line=number,
        ) from None
    if all(document.path is None for document in example.sample.documents):
        return example
    return example.model_copy(update={"sample": parse_sample(example.sample.model_dump_json(), file, number)})


def load_tasks(include: Sequence[Path | str] = ()) -> dict[str, TaskSpec]:
    """Return all tasks by id; see `load_catalogue`."""
    return load_catalogue(include).specs


def load_catalogue(include: Sequence[Path | str] = ()) -> Catalogue:
    """Read all tasks: the built-in folder, then entry points, then ``include``.

    Args:
        include: Folders that hold a ``task.yaml``, or folders of such folders.

    Raises:
        ConfigError: A folder holds no task, an entry point is broken, or two tasks have the same id.
        DataError: A ``task.yaml`` is malformed; names file and line.
    """
    roots = [content_path("tasks"), *_installed(), *map(Path, include)]
    # The same folder named twice (--include of the built-in one, say) is no clash.
    folders = {folder.resolve(): folder for root in roots for folder in task_folders(root)}
    return Catalogue(TaskEntry(read_task(folder / "task.yaml"), folder) for folder in folders.values())


def task_folders(root: Path) -> list[Path]:
    """Return ``root`` if it holds a ``task.yaml``, else the folders in it that do, by name.

    Raises:
        ConfigError: There is none.
    """
    try:
        if (root / "task.yaml").exists():
            return [root]
        folders = sorted(child for child in root.iterdir() if (child / "task.yaml").exists())
    except OSError as error:
        raise ConfigError(
            f"cannot read the folder of tasks {root} ({error.strerror})", "give a folder that holds a task.yaml"
        ) from error
    if not folders:
        raise ConfigError(
            f"{root} holds no task.yaml, nor does a folder in it", "make a task with: golong tasks new NAME"
        )
    return folders


def _installed() -> Iterator[Path]:
    for point in entry_points(group=ENTRY_POINT_GROUP):
        yield _folder_of(point)


def _folder_of(point: EntryPoint) -> Path:
    owner = point.dist.name if point.dist else "an unnamed package"
    label = f"the entry point {point.name!r} ({point.value}) of {owner}, group {ENTRY_POINT_GROUP},"
    hint = f"upgrade or uninstall {owner}"
    try:
        target = point.load()
        folder = target() if callable(target) else target
    except Exception as error:
        # It is someone else's code: whatever it raises is told with its name.
        raise ConfigError(f"{label} failed: {type(error).__name__}: {error}", hint) from error
    if not isinstance(folder, str | os.PathLike):
        raise ConfigError(f"{label} gives {folder!r}, not the path of a folder", hint)
    try:
        task_folders(Path(folder))
    except ConfigError as error:
        raise ConfigError(f"{label} is broken: {error}", hint) from error
    return Path(folder)
