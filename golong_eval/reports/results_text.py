"""The results of a run, or of several, as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from golong_eval.harness import FROM_A_FILE, EffectiveLength, Results
from golong_eval.harness.breakdown import length_group
from golong_eval.reports.benchmark_tables import benchmarks_table, groups_tables, suite_table
from golong_eval.reports.notes import results_notes
from golong_eval.reports.numbers import NONE, score_with_ends
from golong_eval.reports.results_tables import (
    ResultTable,
    failures_table,
    repeats_table,
    slice_tables,
    tasks_table,
)
from golong_eval.reports.table import table
from golong_eval.reports.terminal import shown_line

__all__ = ["effective_length_lines", "effective_length_text", "results_text", "several_text", "title_of"]


def results_text(results: Results, *, details: bool = False) -> str:
    """Return the table of a run, with what a reader must know below it.

    Args:
        results: What was found.
        details: Also what every number of answers earns, and the scores by kind of sample.
    """
    from_file = results.engine == FROM_A_FILE
    repeats = repeats_table(results, every=details)
    slices = list(slice_tables(results))
    failures = failures_table(results)
    lines = [title_of(results), "", *_lines(tasks_table(results))]
    own = [table for table in (benchmarks_table(results), suite_table(results)) if table is not None]
    groups = list(groups_tables(results)) if details else []
    for found in [*own, *([] if repeats is None else [repeats]), *(slices if details else []), *groups]:
        lines += ["", *_lines(found)]
    lines += ["", *results_notes(results), *effective_length_lines(results)]
    if failures is not None:
        lines += ["", *_lines(failures)]
    if slices and not details and not from_file:
        lines.append(f"by length and other kinds of sample: golong report {results.run}")
    return "\n".join([*lines, f"{'responses' if from_file else 'run folder'}: {results.run}"])


def title_of(results: Results) -> str:
    """Return which run it is, on one line."""
    return f"{shown_line(results.model)} ({results.engine}), context {results.context}, {results.started}"


def several_text(runs: Sequence[Results]) -> str:
    """Return one table for several runs: a row a task, a column a checkpoint, means with their intervals."""
    names = [shown_line(results.model) for results in runs]
    heads = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]
    tasks = dict.fromkeys(row.task for results in runs for row in results.tasks)
    rows = []
    for task in tasks:
        found = [next((row for row in results.tasks if row.task == task), None) for results in runs]
        metrics = dict.fromkeys(row.metric for row in found if row is not None)
        cells = (NONE if row is None else score_with_ends(row.mean, row.low, row.high) for row in found)
        rows.append((task, ", ".join(metrics), *cells))
    averages = [results.average for results in runs]
    # An average of other tasks is another quantity: it stands in the row only where all runs have the same ones.
    if all(averages) and len({tuple(row.task for row in results.tasks) for results in runs}) == 1:
        cells = (NONE if mean is None else score_with_ends(mean.mean, mean.low, mean.high) for mean in averages)
        rows.append(("average", "", *cells))
    lines = [*table(("task", "metric", *heads), rows, right=range(2, 2 + len(runs))), ""]
    revisions = [
        task for task in tasks if len({row.data_revision for run in runs for row in run.tasks if row.task == task}) > 1
    ]
    if revisions:
        lines.append(f"{', '.join(revisions)}: the checkpoints answered different samples; do not compare")
    for head, results in zip(heads, runs, strict=True):
        failures = f", {results.failures} answers without a score (counted as 0)" if results.failures else ""
        lines.append(f"{head}: {results.run}{failures}")
    return "\n".join(lines)


def effective_length_text(found: EffectiveLength) -> str:
    """Return an effective length in words.

    >>> effective_length_text(EffectiveLength(tokens=8192, share=0.85, shortest=2048, longest=32768))
    '8K of 32K: the longest up to which the mean stays at 85 % of that at 2K'
    """
    return (
        f"{length_group(found.tokens)} of {length_group(found.longest)}: the longest up to which the mean stays at "
        f"{100 * found.share:.0f} % of that at {length_group(found.shortest)}"
    )


def effective_length_lines(results: Results) -> list[str]:
    """Return the effective length of the run, or of its only task with one; that of others stands in the tables."""
    if results.effective_length is not None:
        return [f"effective length {effective_length_text(results.effective_length)}"]
    found = [row for row in results.tasks if row.effective_length is not None]
    return [
        f"{row.task}: effective length {effective_length_text(row.effective_length)}"
        for row in found
        if row.effective_length is not None and len(found) == 1
    ]


def _lines(found: ResultTable) -> list[str]:
    return [*[f"{found.title}:"] * bool(found.title), *table(found.header, found.rows, found.right), *found.notes]
