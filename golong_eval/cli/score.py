"""``golong score``: score again without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["score"]


def score(
    path: Annotated[Path, typer.Argument(help="Folder of a run, or JSONL file of responses.")],
    samples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples that the responses of a file belong to.")
    ] = None,
    variant: Annotated[str | None, typer.Option(help="strict or official, for all tasks.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="TASK=METRIC", help="Metric of one task; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the score of each response of a file (JSONL).")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="Folder with tasks of your own; may be repeated.")
    ] = None,
    report: Annotated[
        bool, typer.Option(help="Write report.html, or report.VARIANT.html, into the run's folder.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Score a run again, or responses that came from elsewhere, and print the table.

    A line of a file is {"id": ..., "response": ...} with --samples, or {"metric": ..., "gold": ..., "response": ...}.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.errors import ConfigError
    from golong_eval.harness import rescore_run, score_file
    from golong_eval.reports import results_text
    from golong_eval.reports.run_report import report_line
    from golong_eval.reports.terminal import json_text, shown

    metrics = {}
    for pair in metric or []:
        task, equals, name = pair.partition("=")
        if not equals:
            raise ConfigError(f"--metric {pair!r} is not TASK=METRIC", "for instance --metric t7=ndcg")
        metrics[task] = name
    if path.is_dir():
        if samples is not None or out is not None:
            raise ConfigError("--samples and --out are for files of responses; a run has its own", "leave them out")
        with progress_display() as show:
            results = rescore_run(path, variant=variant, metrics=metrics, include=include or [], on_progress=show)
    else:
        results = score_file(path, samples=samples, variant=variant, metrics=metrics, include=include or [], out=out)
    typer.echo(json_text(results) if json else shown(results_text(results)))
    if report and path.is_dir():
        typer.echo(shown(report_line(results)), err=json)
    if results.to_ask_again:
        raise typer.Exit(2)
