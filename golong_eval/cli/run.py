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
    json: Annotated[bool, typer.Option(help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Evaluate checkpoints and print a table of scores with intervals.

    Exit code 2 says that some answers have no score because something failed; --resume tries them again.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import evaluate_each, plan_run
    from golong_eval.reports import results_text, several_text

    if dry_run:
        with progress_display() as show:
            plans = [plan_run(one, on_progress=show) for one in settings]
        print_plans(plans, json=json)
        return
    with progress_display() as show:
        outcomes = evaluate_each(settings, on_progress=show)
    finished = [outcome.results for outcome in outcomes if outcome.results is not None]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(settings) == 1:
        typer.echo(finished[0].model_dump_json(indent=2) if json else results_text(finished[0]))
    elif json:
        typer.echo("[" + ",\n".join(results.model_dump_json(indent=2) for results in finished) + "]")
    else:
        typer.echo(several_text(finished))
    for outcome in failed:
        assert outcome.error is not None
        typer.echo(f"golong: {outcome.model}: {outcome.error}\n        {outcome.error.hint}", err=True)
    if failed or any(results.to_ask_again for results in finished):
        raise typer.Exit(2)
