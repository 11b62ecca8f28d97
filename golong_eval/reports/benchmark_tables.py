"""What is said of benchmarks beside the table of tasks: both scorings, groups, and the line of a suite."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from golong_eval.harness import Results, TaskResult
from golong_eval.harness.results import Group, Headline
from golong_eval.reports.numbers import NONE, ends, score, score_with_ends
from golong_eval.reports.results_tables import ResultTable
from golong_eval.reports.terminal import shown_line

__all__ = ["benchmark_notes", "benchmarks_table", "groups_tables", "suite_table"]


def benchmarks_table(results: Results) -> ResultTable | None:
    """Return both scorings of each benchmark, headline first; None without benchmarks."""
    rows = [row for row in results.tasks if row.published is not None]
    if not rows:
        return None
    cells = []
    for row in rows:
        assert row.published is not None
        published = row.published
        own = _headline(row.mean, row.low, row.high, row.headline) if row.scored else [NONE, NONE]
        other = _headline(published.mean, published.low, published.high, published.headline)
        if not published.scored:
            other = [NONE, NONE]
        what = f"{row.n} answer{'s' * (row.n != 1)}" if row.headline is None else shown_line(row.headline.of)
        cells.append([row.task, *own, *other, what])
    header = ["benchmark", "strict", "95 % interval", "as published", "95 % interval", "mean of"]
    return ResultTable(header, cells, range(1, 5), notes=benchmark_notes(results))


def _headline(mean: float | None, low: float | None, high: float | None, headline: Headline | None) -> list[str]:
    if headline is not None:
        mean, low, high = headline.score.mean, headline.score.low, headline.score.high
    return [score(mean), ends(low, high)]


def benchmark_notes(results: Results) -> list[str]:
    """Return what is wrong with published scorings, who judged, and what measures nothing, one line each."""
    flaws: dict[str, list[str]] = {}
    for row in results.tasks:
        if row.published is not None and row.published.flaws:
            flaws.setdefault(row.published.flaws, []).append(row.task)
    notes = [f"{', '.join(tasks)}: {what}" for what, tasks in flaws.items()]
    for row in results.tasks:
        if row.published is not None and row.published.undecided:
            counted = ": they count as 0" if row.published.scored else ""
            notes.append(
                f"{row.task}: {row.published.undecided} of {row.n} answers have no score by the published rule: "
                f"no judge has decided them{counted}"
            )
    shipped = [row.task for row in results.tasks if row.shipped_rows]
    if shipped:
        named = "all tasks" if len(shipped) == len(results.tasks) > 3 else ", ".join(shipped)
        notes.append(f"{named}: a few rows that golong-eval ships: they measure nothing")
    judge = results.judge
    if judge is not None:
        errors = f", {judge.errors} without a verdict" if judge.errors else ""
        kept = f" ({judge.cached} from the cache)" if judge.cached else ""
        notes.append(
            f"judge {shown_line(judge.judge)}: {judge.questions} questions that no rule decides{kept}{errors}; "
            f"{judge.prompt_tokens:,} + {judge.completion_tokens:,} tokens"
            + (f", {judge.cost:,.2f} by its price" if judge.cost is not None else "")
        )
    return notes


def groups_tables(results: Results) -> Iterator[ResultTable]:
    """Yield a table of groups for each benchmark and kind of group, strict and as published."""
    for row in results.tasks:
        for by, groups in groupby(row.groups, key=lambda group: group.by):
            yield _groups_table(row, by, list(groups))


def _groups_table(row: TaskResult, by: str, groups: list[Group]) -> ResultTable:
    other = () if row.published is None else row.published.groups
    published = {group.group: group.score for group in other if group.by == by}
    cells = []
    for group in groups:
        line = [shown_line(group.group), str(group.score.n)]
        own = score_with_ends(group.score.mean, group.score.low, group.score.high)
        line.append(own if group.scored else NONE)
        if published:
            found = published.get(group.group)
            line.append(NONE if found is None else score_with_ends(found.mean, found.low, found.high))
        cells.append(line)
    header = [by.replace("_", " "), "answers", "strict", *["as published"] * bool(published)]
    return ResultTable(header, cells, range(1, 2), title=f"{row.task} by {by.replace('_', ' ')}")


def suite_table(results: Results) -> ResultTable | None:
    """Return the line of a suite as published tables have it, in percent; None for a run that was of none."""
    line = results.suite
    if line is None:
        return None
    header = [f"suite {line.suite}", *(cell.name for cell in line.cells), "average"]
    own = ["strict", *(_percent(cell.score) for cell in line.cells), _percent(line.average)]
    other = ["as published", *(_percent(cell.published) for cell in line.cells), _percent(line.published_average)]
    return ResultTable(header, [own, other], range(1, len(header)))


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.2f}"
