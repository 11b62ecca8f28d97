"""``golong merge``: put the parts of a split run together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["merge"]


def merge(
    runs: Annotated[list[Path], typer.Argument(help="Folders of all parts, made with golong run --shard I/N.")],
    output_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    report: Annotated[bool, typer.Option(help="Write report.html into the run's folder.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Make one run of the parts of a split run, as if it had never been split, and print its table."""
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import merge_runs
    from golong_eval.reports import results_text
    from golong_eval.reports.run_report import report_line
    from golong_eval.reports.terminal import json_text, shown

    with progress_display() as show:
        results = merge_runs(runs, output_dir, on_progress=show)
    typer.echo(json_text(results) if json else shown(results_text(results)))
    if report:
        typer.echo(shown(report_line(results)), err=json)
    if results.to_ask_again:
        raise typer.Exit(2)
