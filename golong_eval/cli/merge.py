"""``golong merge``: put the parts of a split run together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["merge"]


def merge(
    runs: Annotated[list[Path], typer.Argument(help="Folders of all parts, made with golong run --shard I/N.")],
    output_dir: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
    json: Annotated[bool, typer.Option(help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Make one run of the parts of a split run, as if it had never been split, and print its table."""
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import merge_runs
    from golong_eval.reports import results_text

    with progress_display() as show:
        results = merge_runs(runs, output_dir, on_progress=show)
    typer.echo(results.model_dump_json(indent=2) if json else results_text(results))
    if results.to_ask_again:
        raise typer.Exit(2)
