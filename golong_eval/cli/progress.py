"""Show how a run goes on: a bar on a terminal, plain lines elsewhere. Everything goes to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from golong_eval.harness import Progress
from golong_eval.reports.terminal import shown_line

__all__ = ["progress_display"]

_SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress_display() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows one step of progress."""
    if not sys.stderr.isatty():
        yield _PlainLines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        rows: dict[str, TaskID] = {}

        def show(progress: Progress) -> None:
            if progress.stage not in rows:
                rows[progress.stage] = bars.add_task(progress.stage, total=progress.total)
            description = shown_line(f"{progress.stage} {progress.message}".rstrip())
            bars.update(
                rows[progress.stage],
                completed=progress.done,
                total=progress.total,
                description=description,
            )

        yield show


class _PlainLines:
    """One line when a stage begins and ends, and every few seconds in between."""

    def __init__(self) -> None:
        self._stage = ""
        self._printed = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        over = progress.total is not None and progress.done == progress.total
        if progress.stage == self._stage and not over and now - self._printed < _SECONDS_BETWEEN_LINES:
            return
        self._stage, self._printed = progress.stage, now
        count = f" {progress.done}/{progress.total}" if progress.total is not None else ""
        message = f" {shown_line(progress.message)}" if progress.message else ""
        sys.stderr.write(f"{progress.stage}{count}{message}\n")
        sys.stderr.flush()
