"""The results of a run as tables of text cells: the tasks, several answers, kinds of sample, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from golong_eval.engines import ENGINES
from golong_eval.harness import Results, Slice, TaskResult
from golong_eval.harness.breakdown import group_rank, length_group
from golong_eval.harness.results import SliceBy
from golong_eval.reports.numbers import NONE, ends, percent, score, score_with_ends
from golong_eval.reports.terminal import shown_line

__all__ = ["ResultTable", "failures_table", "group_names", "repeats_table", "slice_tables", "slices_by", "tasks_table"]

_FAILURES, _REASON = 20, 100  # kinds of failure, and characters of a reason
_KINDS = {
    "length": "by tokens of the prompt, up to",
    "depth": "by where the evidence starts in the context",
    "language": "by language",
    "difficulty": "by difficulty",
}


@dataclass(frozen=True)
class ResultTable:
    """A table.

    Attributes:
        header: Names of the columns.
        rows: Cells, without control characters.
        right: Columns to align at their right.
        title: What stands above it.
        notes: Lines that stand below it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: range
    title: str = ""
    notes: Sequence[str] = ()


def slices_by(results: Results, by: SliceBy) -> dict[str, dict[str, Slice]]:
    """Return the scores by one kind, row by row and group by group; empty where all samples are of one group."""
    rows: dict[str, dict[str, Slice]] = {}
    for name, pieces in [*((row.task, row.slices) for row in results.tasks), ("average", results.slices)]:
        found = {piece.group: piece for piece in pieces if piece.by == by}
        if found:
            rows[name] = found
    return rows if len({group for found in rows.values() for group in found}) > 1 else {}


def group_names(rows: dict[str, dict[str, Slice]]) -> list[str]:
    """Return the groups of `slices_by`: lengths and depths by size, others by name after them."""
    return sorted({group for found in rows.values() for group in found}, key=group_rank)


def tasks_table(results: Results) -> ResultTable:
    """Return a row a task, and their average where there are several."""
    capped = any(row.cap_hit_rate for row in results.tasks)
    header = ["task", "", "metric", "n", "coverage", "mean", "95 % interval"]
    header += ["finished"] * capped + ["chance", "cap hit", "cut"]
    rows = []
    for row in results.tasks:
        cells = [row.task, shown_line(row.name), row.metric, str(row.n), percent(row.coverage), score(row.mean)]
        cells += [ends(row.low, row.high), *([score(row.mean_finished)] * capped)]
        rows.append([*cells, score(row.chance), percent(row.cap_hit_rate), percent(row.context_cut_rate)])
    average = results.average
    if average is not None:
        cells = ["average", "", "", str(average.n), "", score(average.mean), ends(average.low, average.high)]
        rows.append([*cells, *([""] * (len(header) - len(cells)))])
    return ResultTable(header, rows, range(3, len(header)))


def repeats_table(results: Results, *, every: bool) -> ResultTable | None:
    """Return what k answers earn: for the greatest k alone, or for every one; None without repeats."""
    tasks = [row for row in results.tasks if row.at_k]
    if not tasks:
        return None
    voted = any(row.majority is not None for row in tasks)
    rows = []
    for row in tasks:
        for at in row.at_k if every else row.at_k[-1:]:
            best = [score_with_ends(one.mean, one.low, one.high) for one in (at.pass_at_k, at.best_of_k)]
            vote = row.majority if at.k == row.repeats else None
            votes = ["" if vote is None else score_with_ends(vote.mean, vote.low, vote.high)] * voted
            rows.append([row.task, str(at.k), *best, *votes])
    header = ["task", "k", "pass@k", "best of k", *["majority of k"] * voted]
    return ResultTable(header, rows, range(1, 2), notes=[_explain_repeats(tasks, voted)])


def _explain_repeats(tasks: Sequence[TaskResult], voted: bool) -> str:
    repeats = ", ".join(dict.fromkeys(str(row.repeats) for row in tasks))
    told = f"the mean above is avg@{repeats}; pass@k: one of k answers has the full score; best of k: the highest of k"
    return told + ("; majority: the score of the most frequent answer, unread ones have no vote" if voted else "")


def slice_tables(results: Results) -> Iterator[ResultTable]:
    """Yield a table for each kind of sample that tells samples of the run apart."""
    for by in get_args(SliceBy):
        rows = slices_by(results, by)
        if rows:
            yield _slice_table(results, by, rows)


def _slice_table(results: Results, by: SliceBy, rows: dict[str, dict[str, Slice]]) -> ResultTable:
    groups = group_names(rows)
    lengths = {row.task: row.effective_length for row in results.tasks} | {"average": results.effective_length}
    effective = by == "length" and any(lengths[name] for name in rows)
    header = ["task", *map(shown_line, groups), *["effective"] * effective]
    cells = []
    for name, found in rows.items():
        reached = lengths[name]
        last = [NONE if reached is None else length_group(reached.tokens)] * effective
        cells.append([name, *(_cell(found.get(group)) for group in groups), *last])
    # That of the average is a sum over the tasks: how much a cell rests on, those of the tasks tell.
    tasks = [found for name, found in rows.items() if name != "average"]
    answers = [_between([found[group].score.n for found in tasks if group in found]) for group in groups]
    cells.append(["answers", *answers, *[""] * effective])
    without = {piece.score.method for found in rows.values() for piece in found.values() if piece.score.low is None}
    notes = [f"a cell without an interval has {'; or '.join(sorted(without))}"] if without else []
    return ResultTable(header, cells, range(0), title=_KINDS[by], notes=notes)


def _between(counts: Sequence[int]) -> str:
    if not counts:
        return NONE
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"


def _cell(piece: Slice | None) -> str:
    if piece is None:
        return NONE
    low, high = piece.score.low, piece.score.high
    # Two decimals of the interval: a slice rests on few answers, and the table has many columns.
    return score(piece.score.mean) + ("" if low is None or high is None else f" ({low:.2f}–{high:.2f})")


def failures_table(results: Results) -> ResultTable | None:
    """Return what failed and how often, the most frequent first; None where nothing did."""
    if not results.failed:
        return None
    rows = [
        (
            failure.task,
            str(failure.count),
            failure.status,
            shown_line(failure.example),
            shown_line(failure.reason, _REASON),
        )
        for failure in results.failed[:_FAILURES]
    ]
    more = len(results.failed) - _FAILURES
    notes = [f"and {more} more kinds of failure, all in results.json"] if more > 0 else []
    undecided = sum(failure.count for failure in results.failed if failure.status == "judge_error")
    if results.engine in ENGINES and results.to_ask_again > (undecided if results.judge is not None else 0):
        notes.append("--resume asks for these again")
    if undecided:
        what = "a judge decides" if results.judge is None else "the judge is asked again"
        notes.append(f"{what}: golong judge {shown_line(results.run)} --judge MODEL --judge-url URL")
    return ResultTable(("task", "failed", "status", "for instance", "reason"), rows, range(1, 2), notes=notes)
