"""Results as CSV: a row a task, a row a slice, a row an answer; numbers in full, and no cell that is a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from golong_eval.harness import Estimate, Results, Slice, StoredAnswer, StoredRun, TaskResult
from golong_eval.reports.export.files import write_lines
from golong_eval.reports.samples import facets
from golong_eval.reports.terminal import json_text, shown_line
from golong_eval.schema import Status

__all__ = ["safe_cell", "write_csv"]

# What spreadsheets take for the beginning of a formula, the full-width forms too. A plain number is none.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_NESTED = {"at_k", "majority", "slices", "grid", "effective_length", "statuses", "groups", "headline", "published"}
_ENDS = ("mean", "low", "high")


def write_csv(run: StoredRun, folder: Path) -> list[Path]:
    """Write ``results.csv``, ``slices.csv`` and ``samples.csv``; a run without slices leaves the second empty."""
    tables: dict[str, Iterable[dict[str, Any]]] = {
        "results.csv": _results(run.results),
        "slices.csv": _slices(run.results),
        "samples.csv": (_answer(row) for row in run.rows()),
    }
    return [write_lines(folder / name, _csv(rows)) for name, rows in tables.items()]


def safe_cell(value: Any) -> Any:
    """Return a cell on one line that no spreadsheet takes for a formula; numbers stay what they are.

    >>> safe_cell("=1+1"), safe_cell("-5"), safe_cell(0.5), safe_cell("Ada")
    ("'=1+1", '-5', 0.5, 'Ada')
    """
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return str(value).casefold()
    if not isinstance(value, str):
        return value
    text = shown_line(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table; all rows have the same columns."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    first = True
    for row in rows:
        if first:
            writer.writerow(row)
        first = False
        writer.writerow([safe_cell(value) for value in row.values()])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _run(results: Results) -> dict[str, Any]:
    return {
        "model": results.model,
        "engine": results.engine,
        "context": results.context,
        "started": results.started,
        "golong_eval": results.golong_eval,
    }


def _results(results: Results) -> Iterator[dict[str, Any]]:
    ks = sorted({at.k for row in results.tasks for at in row.at_k})
    for row in results.tasks:
        yield _run(results) | _task(row, ks)
    if results.average is not None:
        average = results.average
        known = average.model_dump(include={"n", "clusters", "mean", "low", "high", "stderr"})
        known |= {"task": "average", "interval": average.method, **_length(results)}
        columns = [*_run(results), *_task(results.tasks[0], ks)]
        yield {column: (_run(results) | known).get(column) for column in columns}


def _task(row: TaskResult, ks: Sequence[int]) -> dict[str, Any]:
    cells: dict[str, Any] = {name: getattr(row, name) for name in TaskResult.model_fields if name not in _NESTED}
    cells |= {f"status_{status}": row.statuses.get(status, 0) for status in get_args(Status)}
    by_k = {at.k: at for at in row.at_k}
    for k in ks:
        at = by_k.get(k)
        cells |= _named(f"pass_at_{k}", None if at is None else at.pass_at_k)
        cells |= _named(f"best_of_{k}", None if at is None else at.best_of_k)
    return cells | _named("majority", row.majority) | _length(row) | _published(row)


def _published(row: TaskResult) -> dict[str, Any]:
    """Return the headline of a benchmark, and what its published rule says; empty cells for other tasks."""
    found = row.published
    own = None if row.headline is None else row.headline.score.mean
    other = None if found is None or found.headline is None else found.headline.score.mean
    return {
        "headline": own,
        "published_metric": None if found is None else found.metric,
        "published_scored": None if found is None else found.scored,
        "published_mean": None if found is None else found.mean,
        "published_low": None if found is None else found.low,
        "published_high": None if found is None else found.high,
        "published_headline": other,
    }


def _named(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    return {
        name if end == "mean" else f"{name}_{end}": None if estimate is None else getattr(estimate, end)
        for end in _ENDS
    }


def _length(row: TaskResult | Results) -> dict[str, int | None]:
    found = row.effective_length
    return {"effective_length": None if found is None else found.tokens}


def _slices(results: Results) -> Iterator[dict[str, Any]]:
    for name, pieces in [*((row.task, row.slices) for row in results.tasks), ("average", results.slices)]:
        for piece in pieces:
            yield {"model": results.model, "started": results.started, "task": name} | _slice(piece)


def _slice(piece: Slice) -> dict[str, Any]:
    score = piece.score
    return {
        "by": piece.by,
        "group": piece.group,
        "n": score.n,
        "scored": piece.scored,
        "mean": score.mean,
        "low": score.low,
        "high": score.high,
        "stderr": score.stderr,
        "interval": score.method,
        "clusters": score.clusters,
        "mean_scored": piece.mean_scored,
    }


def _answer(row: StoredAnswer) -> dict[str, Any]:
    made, result = row.generation, row.result
    kinds = facets(row)
    parsed = result.parsed if isinstance(result.parsed, str | None) else json_text(result.parsed, indent=None)
    return {
        "id": row.sample.id,
        "repeat": row.repeat,
        "task": row.sample.task,
        "metric": result.metric,
        "status": result.status,
        "score": result.value,
        "parts": json_text(result.parts, indent=None) if result.parts else None,
        "parsed": parsed,
        "gold": json_text(row.sample.gold, indent=None),
        "reason": result.reason,
        **{kind: kinds.get(kind) for kind in ("length", "depth", "language", "difficulty")},
        "finish_reason": None if made is None else made.finish_reason,
        "truncated": None if made is None else made.hit_cap,
        "context_cut": None if made is None else made.context_cut,
        "cut_tokens": None if made is None else made.cut_tokens,
        "prompt_tokens": None if made is None else made.prompt_tokens,
        "cached_tokens": None if made is None else made.cached_tokens,
        "completion_tokens": None if made is None else made.completion_tokens,
        "reasoning_tokens": None if made is None else made.reasoning_tokens,
        "seconds": None if made is None else made.seconds,
        "from_cache": None if made is None else made.from_cache,
    }
