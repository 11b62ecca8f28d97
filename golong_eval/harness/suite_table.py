"""The line of a suite in the tables that it is published with: its columns and their mean."""

from __future__ import annotations

from collections.abc import Sequence

from golong_eval.benchmarks.suites import SUITES, Column
from golong_eval.harness.results import Group, SuiteCell, SuiteLine, TaskResult

__all__ = ["suite_line"]


def suite_line(suite: str | None, rows: Sequence[TaskResult], *, judged: bool = True) -> SuiteLine | None:
    """Return the line of a suite; None for a run that was of none, or of one without a published table.

    Args:
        suite: Id of the suite.
        rows: The results by task.
        judged: Whether there was a judge; without one, a column that needs it is empty.
    """
    if suite not in SUITES or not SUITES[suite].columns:
        return None
    by_task = {row.task: row for row in rows}
    cells = tuple(_cell(column, by_task.get(column.task), judged) for column in SUITES[suite].columns)
    return SuiteLine(
        suite=suite,
        cells=cells,
        average=_mean([cell.score for cell in cells]),
        published_average=_mean([cell.published for cell in cells]),
    )


def _cell(column: Column, row: TaskResult | None, judged: bool) -> SuiteCell:
    if row is None:
        return SuiteCell(name=column.name, score=None, published=None, n=0)
    if column.by is not None:
        groups = [group for group in row.groups if group.by == column.by and group.group in column.groups]
        other = [] if row.published is None else row.published.groups
        published = [group for group in other if group.by == column.by and group.group in column.groups]
        count = sum(group.score.n for group in groups)
        return SuiteCell(name=column.name, score=_weighted(groups), published=_weighted(published), n=count)
    score = row.mean if row.headline is None else row.headline.score.mean
    if not judged and row.statuses.get("judge_error"):
        score = None  # what a judge would have said is no failure of the model's
    published_mean = None
    if row.published is not None and (judged or not row.published.undecided):
        headline = row.published.headline
        published_mean = row.published.mean if headline is None else headline.score.mean
    return SuiteCell(name=column.name, score=score, published=published_mean, n=row.n)


def _weighted(groups: Sequence[Group]) -> float | None:
    count = sum(group.score.n for group in groups)
    return sum((group.score.mean or 0.0) * group.score.n for group in groups) / count if count else None


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of all; None where one is missing: a mean of other columns is another quantity."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
