"""``golong run``: evaluate checkpoints."""

from typing import TYPE_CHECKING, Annotated

import typer

from golong_eval.cli.options import with_run_options
from golong_eval.cli.plan import print_plans

if TYPE_CHECKING:
    from golong_eval.harness import RunSettings

__all__ = ["run"]


@with_run_options
def run(
    settings: "list[RunSettings]",
    resume: Annotated[bool, typer.Option(help="Go on with the last run of these settings.")] = False,  # noqa: ARG001 - in the settings
    dry_run: Annotated[bool, typer.Option(help="Say what would be run; load no model, write nothing.")] = False,
    report: Annotated[bool, typer.Option(help="Write report.html into the run's folder.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Evaluate checkpoints and print a table of scores with intervals.

    Exit code 2 says that some answers have no score because something failed; --resume tries them again.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import evaluate_each, plan_run
    from golong_eval.reports import results_text, several_text
    from golong_eval.reports.run_report import report_line
    from golong_eval.reports.terminal import json_text, shown, shown_line

    if dry_run:
        with progress_display() as show:
            plans = [plan_run(one, on_progress=show) for one in settings]
        print_plans(plans, json=json)
        return
    with progress_display() as show:
        outcomes = evaluate_each(settings, on_progress=show)
    finished = [outcome.results for outcome in outcomes if outcome.results is not None]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if json:
        typer.echo(json_text(finished[0] if len(settings) == 1 else finished))
    else:
        typer.echo(shown(results_text(finished[0]) if len(settings) == 1 else several_text(finished)))
    for results in finished if report else []:
        typer.echo(shown(report_line(results)), err=json)
    for outcome in failed:
        assert outcome.error is not None
        told = f"golong: {shown_line(str(outcome.model))}: {shown_line(str(outcome.error))}"
        typer.echo(f"{told}\n        {shown_line(outcome.error.hint)}", err=True)
    if failed or any(results.to_ask_again for results in finished):
        raise typer.Exit(2)
