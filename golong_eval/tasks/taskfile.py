"""Read a ``task.yaml``, and name the line of what is wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from golong_eval.errors import DataError
from golong_eval.faults import Fault, problems
from golong_eval.tasks.spec import TaskSpec

__all__ = ["check_task", "read_task"]


def read_task(file: Path) -> TaskSpec:
    """Return the task that a ``task.yaml`` describes.

    Raises:
        DataError: The file is not a task; names the line of the first fault.
    """
    spec, faults = check_task(file)
    if spec is None:
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise DataError(
            first.message + more,
            f"see all faults with: golong tasks validate {file.parent}",
            file=first.file,
            line=first.line,
        )
    return spec


def check_task(file: Path) -> tuple[TaskSpec | None, list[Fault]]:
    """Return the task in a file, or None and everything that is wrong with it."""
    name = str(file)
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if node is None:
            return None, [Fault(name, 1, "the file is empty")]
        repeats = [Fault(name, line, f"the key {key!r} stands twice") for key, line in _repeated_keys(node)]
        if repeats:
            return None, repeats
        data = yaml.SafeLoader("").construct_document(node)
    except OSError as error:
        return None, [Fault(name, None, f"cannot be read ({error.strerror})")]
    except UnicodeDecodeError as error:
        return None, [Fault(name, error.object.count(b"\n", 0, error.start) + 1, "not UTF-8")]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        return None, [Fault(name, mark.line + 1 if mark else None, f"not YAML: {error.problem}")]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return None, [Fault(name, None, f"not YAML: {str(error).splitlines()[0]}")]
    try:
        return TaskSpec.model_validate(data), []
    except ValidationError as error:
        found = problems(error, TaskSpec)
        faults = [Fault(name, _line(node, (*problem.path, problem.key)), str(problem)) for problem in found]
        return None, sorted(faults, key=lambda fault: fault.line or 0)


def _line(node: yaml.Node, path: tuple[str | int | None, ...]) -> int:
    """Return the line where a path leads, as far as the file has it."""
    line = node.start_mark.line + 1
    for step in path:
        children = dict(_children(node))
        if step not in children:
            break
        line, node = children[step]
    return line


def _children(node: yaml.Node) -> Iterator[tuple[str | int | None, tuple[int, yaml.Node]]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), (key.start_mark.line + 1, value)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield number, (value.start_mark.line + 1, value)


def _repeated_keys(root: yaml.Node) -> Iterator[tuple[str, int]]:
    """Yield each repeated key with its line. PyYAML itself would let the last one win."""
    waiting, seen = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        keys: set[str | int | None] = set()
        for key, (line, value) in _children(node):
            if key in keys:
                yield str(key), line
            keys.add(key)
            # An alias leads to a node that is also reached elsewhere, perhaps to its own parent.
            if id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)
