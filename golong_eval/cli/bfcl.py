"""``golong bfcl``: the memory questions of BFCL v4, asked by bfcl-eval itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["bfcl"]


def bfcl(
    model: Annotated[str, typer.Option(metavar="MODEL", help="What the server calls the model.")],
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="Its OpenAI-compatible server, as http://localhost:8000/v1.")
    ],
    python: Annotated[
        Path, typer.Option(metavar="FILE", help="Python of the environment that has bfcl-eval, as bfcl/bin/python.")
    ],
    backends: Annotated[str, typer.Option(help="Kinds of memory, with commas.")] = "kv,vector,rec_sum",
    scenarios: Annotated[
        str, typer.Option(help="Groups of questions, with commas.")
    ] = "student,customer,finance,healthcare,notetaker",
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.7,
    concurrency: Annotated[int, typer.Option(help="Most conversations at once.")] = 8,
    limit: Annotated[int | None, typer.Option(help="Questions of each back end, picked at random.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the picking.")] = 0,
    function_calling: Annotated[
        bool, typer.Option(help="Send tools with the request; else in the prompt, calls read from the text.")
    ] = True,
    api_key_env: Annotated[str, typer.Option(help="Environment variable that holds its key.")] = "OPENAI_API_KEY",
    output_dir: Annotated[str, typer.Option(help="Where runs are kept.")] = "runs",
    resume: Annotated[bool, typer.Option(help="Go on with the last run of these settings.")] = False,
    report: Annotated[bool, typer.Option(help="Write report.html into the run's folder.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Have bfcl-eval ask a served model the memory questions of BFCL v4, and print a table of scores.

    bfcl-eval runs in an environment of its own, and evaluates calls that the model writes: use a container.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness.bfcl import run_bfcl
    from golong_eval.reports import results_text
    from golong_eval.reports.run_report import report_line
    from golong_eval.reports.terminal import json_text, shown, shown_line

    with progress_display() as show:
        done = run_bfcl(
            model=model,
            base_url=base_url,
            python=python,
            backends=_names(backends),
            scenarios=_names(scenarios),
            temperature=temperature,
            concurrency=concurrency,
            limit=limit,
            seed=seed,
            function_calling=function_calling,
            api_key_env=api_key_env,
            output_dir=output_dir,
            resume=resume,
            on_progress=show,
        )
    typer.echo(json_text(done.results) if json else shown(results_text(done.results)))
    if report:
        typer.echo(shown(report_line(done.results)), err=json)
    for line in done.disagreements:
        typer.echo(f"golong: {shown_line(line)}", err=True)
    if done.disagreements:
        typer.echo("        the two should never differ: please report it", err=True)
    if done.results.to_ask_again or done.disagreements:
        raise typer.Exit(2)


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
