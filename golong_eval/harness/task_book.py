"""All that can be run under a name: the catalogue's tasks and the benchmarks, which look alike to the harness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from golong_eval.benchmarks import BENCHMARKS, Benchmark, benchmark_named
from golong_eval.errors import UnknownNameError
from golong_eval.tasks import Catalogue, TaskSpec, load_catalogue

__all__ = ["Task", "is_benchmark", "tasks_named"]

Task = TaskSpec | Benchmark[Any]
"""What samples are asked and scored by."""


def is_benchmark(name: str) -> bool:
    """Return whether a task is a benchmark."""
    return name in BENCHMARKS


def tasks_named(
    names: Iterable[str], include: Sequence[str] = (), catalogue: Catalogue | None = None
) -> dict[str, Task]:
    """Return tasks by id, in the order of the catalogue, benchmarks after them.

    Args:
        names: Ids of tasks.
        include: Folders with more tasks.
        catalogue: The catalogue, where it has been read.

    Raises:
        UnknownNameError: There is no such task; the hint gives the nearest.
    """
    wanted = dict.fromkeys(names)
    catalogue = catalogue or load_catalogue(include)
    known = [*catalogue.specs, *BENCHMARKS]
    for name in wanted:
        if name not in known:
            raise UnknownNameError("task", name, known)
    return {
        name: benchmark_named(name) if name in BENCHMARKS else catalogue.specs[name] for name in known if name in wanted
    }
