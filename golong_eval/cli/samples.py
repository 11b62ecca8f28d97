"""``golong samples``: look at single answers of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["samples"]


def samples(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    task: Annotated[str | None, typer.Option(help="Only of these tasks, with commas.")] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only with one of these, with commas: truncated, context-cut, ok, empty, unparsed, over_length, "
            "provider_error, scorer_error, judge_error."
        ),
    ] = None,
    lowest: Annotated[int | None, typer.Option(min=1, metavar="N", help="The N with the lowest scores.")] = None,
    highest: Annotated[int | None, typer.Option(min=1, metavar="N", help="The N with the highest scores.")] = None,
    identifier: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Only to this sample; may be repeated.")
    ] = None,
    repeat: Annotated[int | None, typer.Option(help="Only of this repeat, from 0.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Show so many. Default: 10, or the N that are ranked.")
    ] = None,
    tail: Annotated[int, typer.Option(min=0, help="Characters of the end of each prompt.")] = 400,
    full: Annotated[bool, typer.Option("--full", help="Whole prompts, thinking and answers.")] = False,
    variant: Annotated[
        str | None, typer.Option(help="Scores by official, strict or custom rewards, as golong score wrote them.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list of objects with whole texts instead.")] = False,
) -> None:
    """Show answers of a run: the end of the prompt, the answer, what was read of it, the gold and the score."""
    from golong_eval.reports.run_report import load_run
    from golong_eval.reports.samples import Wanted, answer_data, select_answers
    from golong_eval.reports.samples_text import samples_text
    from golong_eval.reports.terminal import json_text, shown

    wanted = Wanted.of(task, status, identifier or [], repeat, lowest, highest, limit)
    selection = select_answers(load_run(run, variant), wanted)
    typer.echo(json_text(answer_data(selection)) if json else shown(samples_text(selection, tail=tail, full=full)))
