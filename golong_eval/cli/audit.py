"""``golong audit``: attack the rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["audit"]


def audit(
    metric: Annotated[list[str] | None, typer.Option(help="Only samples of this metric; may be repeated.")] = None,
    task: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of a task of your own, for its worked samples.")
    ] = None,
    samples: Annotated[Path | None, typer.Option(metavar="FILE", help="JSONL file of samples.")] = None,
    variant: Annotated[str, typer.Option(help="strict or official.")] = "strict",
    function: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="A reward function of your own: f(response, gold, **kwargs)."),
    ] = None,
    time_limit: Annotated[float, typer.Option(min=0.01, help="Seconds that one call of it may take.")] = 10.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Samples of each task. Default: all.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything as JSON to a file.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a heat map, .svg or .png.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Folder with tasks of your own; may be repeated.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of the table.")] = False,
) -> None:
    """Try every known attack on a reward, and print what each earns beside chance and an honest wrong answer.

    Default: the worked samples of the nine tasks. The function gets those of question, documents, metric and language
    that it takes; it returns a number from 0 to 1, a mapping with one as its score, or None where it does not apply.
    Exit code 2 says that an attack earned more than it may, or that a call failed.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import Progress
    from golong_eval.harness.audit import collect_cases
    from golong_eval.reports.audit_figure import write_audit_figure
    from golong_eval.reports.audit_text import audit_text
    from golong_eval.reports.figure_file import check_figure
    from golong_eval.reports.terminal import json_text, shown
    from golong_eval.rewards.audit import audit_rewards, check_output

    for file in filter(None, (out, figure)):
        check_output(file)
    if figure is not None:
        check_figure(figure)
    cases = collect_cases(metrics=metric or [], task=task, samples=samples, include=include or [], limit=limit)
    with progress_display() as show:
        report = audit_rewards(
            cases,
            variant=variant,
            function=function,
            time_limit=time_limit,
            on_progress=lambda done, total: show(Progress("audit", done, total)),
        )
    typer.echo(json_text(report) if json else shown(audit_text(report)))
    if out is not None:
        report.write(out)
    if figure is not None:
        write_audit_figure(report, figure)
    if not report.passed:
        raise typer.Exit(2)
