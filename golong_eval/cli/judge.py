"""``golong judge``: judge a stored run, again or for the first time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from golong_eval.cli.model_options import (
    JudgeBudget,
    JudgeCache,
    JudgePrice,
    JudgeSwap,
    KeyEnv,
    ServerUrl,
    judge_settings,
)

__all__ = ["judge"]


def judge(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    model: Annotated[
        list[str], typer.Option("--judge", metavar="MODEL", help="The judge; several decide by majority. Repeatable.")
    ],
    judge_url: ServerUrl = None,
    judge_key_env: KeyEnv = "OPENAI_API_KEY",
    judge_max_tokens: JudgeBudget = 1024,
    judge_swap: JudgeSwap = False,
    judge_cache: JudgeCache = None,
    judge_price: JudgePrice = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A person's labels (JSONL), to compare the judge with.")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html into the run's folder.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Ask a judge about the answers of a stored run that no rule can decide, then score the run.

    Verdicts that the same judge has given are kept; errors are asked again. With several judges, how far they agree is
    printed; with --labels, how far they agree with a person.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import RunSettings, judge_run
    from golong_eval.harness.agreement import agreement_of_run, labels_of_run
    from golong_eval.reports import results_text
    from golong_eval.reports.agreement_text import agreement_text
    from golong_eval.reports.run_report import report_line
    from golong_eval.reports.terminal import json_text, shown

    settings = RunSettings.make(
        judge=judge_settings(
            judge=model,
            judge_url=judge_url,
            judge_key_env=judge_key_env,
            judge_max_tokens=judge_max_tokens,
            judge_swap=judge_swap,
            judge_cache=judge_cache,
            judge_price=judge_price,
        )
    ).judge
    assert settings is not None
    if labels is not None:
        labels_of_run(run, labels)  # before anything is paid for
    with progress_display() as show:
        results = judge_run(run, settings, on_progress=show)
    typer.echo(json_text(results) if json else shown(results_text(results)))
    if len(model) > 1 or labels is not None:
        typer.echo(
            shown(
                agreement_text(
                    agreement_of_run(run, labels, results.judge.judge if results.judge is not None else None)
                )
            ),
            err=json,
        )
    if report:
        typer.echo(shown(report_line(results)), err=json)
    if results.to_ask_again:
        raise typer.Exit(2)
