"""``golong data``: get the rows of benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, help="The data of benchmarks.")


@app.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def fetch(
    benchmark: Annotated[str, typer.Argument(help="Id of a benchmark, or of the data set that several share.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder of data sets; this one gets a folder in it.")] = Path(
        "data"
    ),
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag. Default: the benchmark's.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Download without asking.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace another revision that lies there.")] = False,
) -> None:
    """Say what a benchmark's data is and how large, and download it at a pinned commit."""
    from golong_eval.benchmarks import data_set_named
    from golong_eval.benchmarks.hub import describe
    from golong_eval.benchmarks.hub import fetch as fetch_files
    from golong_eval.cli.progress import progress_display
    from golong_eval.errors import ConfigError
    from golong_eval.harness import Progress
    from golong_eval.reports.terminal import shown, shown_line

    source = data_set_named(benchmark)
    folder = to / source.name
    if source.data.hub is None:
        made = f"golong run --tasks {source.benchmarks[0]} makes it"
        if source.name == "bfcl_memory":
            made = "it comes with bfcl-eval: golong bfcl"
        raise ConfigError(f"{source.name} has no data to download", made)
    found = describe(source.data, revision)
    typer.echo(
        shown(f"{source.data.hub} at {found.commit[:12]}: {len(found.files)} files, {found.bytes / 1e6:,.0f} MB")
    )
    for name, size in list(found.files.items())[:20]:
        typer.echo(shown(f"  {name}  {size / 1e6:,.1f} MB"))
    typer.echo(shown(f"licence: {source.data.licence}; for {', '.join(source.benchmarks)}; to {folder}"))
    if source.data.note:
        typer.echo(shown_line(source.data.note))
    if not yes and not typer.confirm("download?", default=True):
        raise typer.Exit(1)
    with progress_display() as show:
        fetch_files(
            source.data,
            folder,
            revision=revision,
            overwrite=overwrite,
            on_progress=lambda message: show(Progress("fetch", message=message)),
        )
    typer.echo(shown(f"golong run --model path/to/checkpoint --tasks {source.benchmarks[0]} --data {to}"))
