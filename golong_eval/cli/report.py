"""``golong report``: tables, the HTML report and exports of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    variant: Annotated[
        str | None, typer.Option(help="Scores by official, strict or custom rewards, as golong score wrote them.")
    ] = None,
    html: Annotated[
        bool, typer.Option(help="Write report.html, or report.VARIANT.html, into the run's folder.")
    ] = True,
    export: Annotated[
        list[str] | None,
        typer.Option(help="Also write markdown, csv, lm-eval or longbench-pro; with commas, or repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for what is written. Default: the run's, and its export/."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of tables.")] = False,
) -> None:
    """Print the tables of runs, with scores by length and other kinds of sample, and write their HTML reports."""
    from golong_eval.reports import results_text, several_text
    from golong_eval.reports.export import check_exports
    from golong_eval.reports.run_report import load_runs, write_reports
    from golong_eval.reports.terminal import json_text, shown

    exports = [name.strip() for names in export or [] for name in names.split(",") if name.strip()]
    check_exports(exports)
    loaded = load_runs(runs, variant)
    results = [one.results for one in loaded]
    if json:
        typer.echo(json_text(results[0] if len(results) == 1 else results))
    else:
        typer.echo(shown(results_text(results[0], details=True) if len(results) == 1 else several_text(results)))
    for line in write_reports(loaded, html=html, exports=exports, out=out):
        typer.echo(shown(line), err=json)
