"""The tables of the page: those of the terminal, with what a page has room for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from golong_eval.harness import Results, Slice
from golong_eval.harness.results import SliceBy
from golong_eval.reports.numbers import score
from golong_eval.reports.results_tables import ResultTable, group_names, slice_tables, slices_by, tasks_table

__all__ = ["FEW", "SlicedTable", "headline_table", "sliced_tables"]

FEW = 10
"""Answers below which a slice has no interval, and is grey."""


@dataclass(frozen=True)
class SlicedTable:
    """A table of slices.

    Attributes:
        table: The table.
        answers: How many answers a cell of a task rests on, by row and column.
    """

    table: ResultTable
    answers: Mapping[tuple[int, int], int]

    @property
    def has_few(self) -> bool:
        """Whether any cell rests on few answers."""
        return any(count < FEW for count in self.answers.values())


def headline_table(results: Results) -> ResultTable:
    """Return the terminal's table of tasks, with the mean over scored answers, and how intervals were made.

    The former has a column where there were failures, the latter where it is not the same for all rows.
    """
    table = tasks_table(results)
    place = list(table.header).index("95 % interval") + 1
    methods = [row.interval for row in results.tasks]
    means = [score(row.mean_scored) for row in results.tasks]
    if results.average is not None:
        methods.append(results.average.method)
        means.append("")
    failed = any(row.scored < row.n for row in results.tasks)
    differ = len(set(methods)) > 1
    rows = [
        [*row[:place], *[mean] * failed, *row[place:], *[method] * differ]
        for row, mean, method in zip(table.rows, means, methods, strict=True)
    ]
    header = [*table.header[:place], *["scored"] * failed, *table.header[place:], *["interval by"] * differ]
    return dataclasses.replace(
        table, header=header, rows=rows, right=range(3, len(header) - differ), notes=_explained(failed, methods)
    )


def _explained(failed: bool, methods: Sequence[str]) -> list[str]:
    made = f"each made by {methods[0]}" if len(set(methods)) == 1 else "made as their rows say"
    notes = [f"mean: answers without a score count as 0; intervals are over clusters (documents or contexts), {made}"]
    return [*notes, *["scored: mean of the answers with a score, failures left out"] * failed]


def sliced_tables(results: Results) -> Iterator[SlicedTable]:
    """Yield the terminal's tables by kind of sample, with the answers behind each cell."""
    kinds = [rows for by in get_args(SliceBy) if (rows := slices_by(results, by))]
    for table, rows in zip(slice_tables(results), kinds, strict=True):
        yield SlicedTable(table, _answers(rows))


def _answers(rows: Mapping[str, Mapping[str, Slice]]) -> dict[tuple[int, int], int]:
    groups = group_names({name: dict(found) for name, found in rows.items()})
    return {
        (line, column): found[group].score.n
        for line, (name, found) in enumerate(rows.items())
        for column, group in enumerate(groups, 1)
        if group in found and name != "average"  # that of the average is a sum over the tasks
    }
