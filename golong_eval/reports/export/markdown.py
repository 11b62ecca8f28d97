"""Results as Markdown for GitHub: the tables of ``golong report``, with their notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from golong_eval.harness import Results, StoredRun
from golong_eval.reports.benchmark_tables import benchmarks_table, groups_tables, suite_table
from golong_eval.reports.export.files import write_lines
from golong_eval.reports.markdown_text import escaped
from golong_eval.reports.notes import results_notes
from golong_eval.reports.results_tables import ResultTable, failures_table, repeats_table, slice_tables, tasks_table
from golong_eval.reports.results_text import effective_length_lines, title_of

__all__ = ["results_markdown", "write_markdown"]


def results_markdown(results: Results) -> str:
    """Return the results of a run as Markdown."""
    return "\n".join(_lines(results)) + "\n"


def write_markdown(run: StoredRun, folder: Path) -> list[Path]:
    """Write ``results.md``."""
    return [write_lines(folder / "results.md", [results_markdown(run.results)])]


def _lines(results: Results) -> Iterator[str]:
    yield f"## {escaped(title_of(results))}"
    yield from _table(tasks_table(results))
    for own in (benchmarks_table(results), suite_table(results)):
        if own is not None:
            yield from _table(own)
    repeats, failures = repeats_table(results, every=True), failures_table(results)
    if repeats is not None:
        yield from _table(repeats)
    for found in [*slice_tables(results), *groups_tables(results)]:
        yield from _table(found)
    notes = [*results_notes(results), *effective_length_lines(results)]
    if notes:
        yield ""
        yield from (f"- {escaped(note)}" for note in notes)
    if failures is not None:
        yield from _table(failures)


def _table(found: ResultTable) -> Iterator[str]:
    if found.title:
        yield ""
        yield f"**{escaped(found.title)}**"
    yield ""
    yield _row(found.header)
    yield "|" + "|".join("--:" if column in found.right else "---" for column in range(len(found.header))) + "|"
    yield from map(_row, found.rows)
    for note in found.notes:
        yield ""
        yield escaped(note)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escaped(cell) for cell in cells) + " |"
