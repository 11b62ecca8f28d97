"""``golong compare``: runs beside a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["compare"]


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of two runs or more; the first is the baseline.")],
    variant: Annotated[
        str | None, typer.Option(help="official, strict or custom: scores that golong score wrote.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT", help="Compare although these differ: version, prompt, context, context-policy; with commas."
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Samples to list with the largest gains, and losses.")] = 5,
    markdown: Annotated[bool, typer.Option(help="Print Markdown, with links to HTML reports.")] = False,
    json: Annotated[bool, typer.Option(help="Print JSON instead of tables.")] = False,
    pairs: Annotated[bool, typer.Option(help="With --json: also the scores of every sample.")] = False,
) -> None:
    """Compare runs with the first of them, on the samples that they share, with a paired test of each task.

    Scores that do not compare are refused: of other metrics always; of other prompts, task versions, context modes
    or context policies unless --allow names the difference.
    """
    from golong_eval.errors import ConfigError
    from golong_eval.harness import compare_runs
    from golong_eval.reports import comparison_markdown, comparison_text
    from golong_eval.reports.terminal import json_text, shown

    if json and markdown:
        raise ConfigError("--json and --markdown are two forms of one output", "leave one out")
    if pairs and not json:
        raise ConfigError("--pairs adds to the JSON", "add --json")
    allowed = [name for names in allow or [] for name in names.split(",") if name.strip()]
    found = compare_runs(runs, variant=variant, allow=allowed, show=show, pairs=pairs)
    if json:
        typer.echo(json_text(found))
    else:
        typer.echo(shown(comparison_markdown(found) if markdown else comparison_text(found)))
