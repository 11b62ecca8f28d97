"""``golong tasks``: list, show, make, check and build tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, help="The nine tasks, and tasks of your own.")

_FAULTS = 20  # shown of the faults of a benchmark's rows

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
_Include = Annotated[list[str] | None, typer.Option(help="Folder with tasks of your own; may be repeated.")]


@app.callback(invoke_without_command=True)
def _tasks(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_tasks(include: _Include = None, json: _Json = False) -> None:
    """List the tasks (id, capability, metric, where their samples come from), the benchmarks and the suites."""
    from golong_eval.reports.benchmark_text import benchmarks_data, benchmarks_text
    from golong_eval.reports.terminal import json_text, shown
    from golong_eval.reports.text import catalogue_data, catalogue_text
    from golong_eval.tasks import load_catalogue

    catalogue = load_catalogue(include or [])
    if json:
        typer.echo(json_text(catalogue_data(catalogue) + benchmarks_data()))
    else:
        typer.echo(shown(f"{catalogue_text(catalogue)}\n\n{benchmarks_text()}"))


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="Task id, such as t7.")],
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    include: _Include = None,
    json: _Json = False,
) -> None:
    """Show a task: its prompt, its answer contract, and a worked sample with a right and a wrong answer."""
    from golong_eval.reports.terminal import json_text, shown
    from golong_eval.reports.text import task_data, task_text
    from golong_eval.tasks import load_catalogue

    catalogue = load_catalogue(include or [])
    typer.echo(json_text(task_data(catalogue, task, language)) if json else shown(task_text(catalogue, task, language)))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and underscores.")],
    directory: Annotated[Path, typer.Option("--dir", help="Where its folder is made.")] = Path(),
) -> None:
    """Make a folder for a task of your own, complete and valid, to be changed."""
    from golong_eval.reports.terminal import shown_line
    from golong_eval.tasks import create_task

    folder = shown_line(str(create_task(name, directory)))
    typer.echo(f"made {folder}: edit task.yaml and examples.jsonl, then")
    typer.echo(f"  golong tasks validate {folder}")
    typer.echo(f"  golong run --include {folder} --tasks {name}")


@app.command()
def validate(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A task's folder, a folder of them, samples (FILE.jsonl), or a benchmark. Default: the nine."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="File or folder with the rows of the benchmark.")
    ] = None,
    include: _Include = None,
    json: _Json = False,
) -> None:
    """Check tasks, samples or the rows of a benchmark: every gold scores 1, the empty answer 0."""
    from golong_eval.benchmarks import BENCHMARKS
    from golong_eval.errors import ConfigError
    from golong_eval.reports.terminal import json_text, shown
    from golong_eval.tasks import validate_path

    if str(path) in BENCHMARKS and path is not None and not path.exists():
        _validate_benchmark(str(path), data, json=json)
        return
    if data is not None:
        raise ConfigError("--data is given, and no benchmark", f"name one of {', '.join(BENCHMARKS)}")
    checked, faults = validate_path(path, include or [])
    for fault in faults:
        typer.echo(shown(str(fault)), err=True)
    if faults and path is not None and path.is_file():
        typer.echo("rows of a benchmark are checked with: golong tasks validate BENCHMARK --data FILE", err=True)
    if json:
        typer.echo(json_text({"checked": checked, "faults": [fault._asdict() for fault in faults]}))
    else:
        typer.echo(shown(f"{checked}: {len(faults)} fault{'s' * (len(faults) != 1)}"))
    if faults:
        raise typer.Exit(1)


def _validate_benchmark(name: str, data: Path | None, *, json: bool) -> None:
    from golong_eval.benchmarks import benchmark_named, locate
    from golong_eval.benchmarks.validation import validate_rows
    from golong_eval.reports.terminal import json_text, shown

    benchmark = benchmark_named(name)
    named = data is not None and str(data).partition("=")[0] in (name, benchmark.data_name())
    located = locate(benchmark, [] if data is None else [str(data) if named else f"{name}={data}"])
    count, faults = validate_rows(located)
    where = located.path or name
    if json:
        typer.echo(json_text({"checked": str(where), "rows": count, "faults": faults}))
    else:
        for fault in faults[:_FAULTS]:
            typer.echo(shown(fault), err=True)
        more = f" (the first {_FAULTS} are shown)" if len(faults) > _FAULTS else ""
        typer.echo(shown(f"{where}: {count} rows, {len(faults)} fault{'s' * (len(faults) != 1)}{more}"))
    if faults or not count:
        raise typer.Exit(1)


@app.command()
def verify(
    benchmark: Annotated[str | None, typer.Argument(help="A benchmark. Default: all.")] = None,
    summaries: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check LongBench Pro's official summaries in this file, too."),
    ] = None,
    json: _Json = False,
) -> None:
    """Show that the scorers are right: rows scored by hand, and parity with the libraries that define the metrics."""
    from golong_eval.benchmarks.verification import verify as verify_scorers
    from golong_eval.reports.benchmark_text import checks_text
    from golong_eval.reports.terminal import json_text, shown

    checks = verify_scorers(benchmark, summaries)
    typer.echo(json_text(checks) if json else shown(checks_text(checks)))
    if any(check.faults for check in checks):
        raise typer.Exit(1)


@app.command()
def path(
    of: Annotated[str, typer.Argument(help="lm-eval: the folder for its --include_path.")] = "lm-eval",
) -> None:
    """Print where the tasks lie that another harness reads."""
    from golong_eval.adapters.lm_eval_model import LM_EVAL_TASKS
    from golong_eval.errors import UnknownNameError

    if of not in ("lm-eval", "lm_eval"):
        raise UnknownNameError("harness", of, ["lm-eval"])
    typer.echo(str(LM_EVAL_TASKS))


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="The JSONL file; its texts go to a folder beside it.")],
    documents: Annotated[str, typer.Option(help="Folder or file of documents, or pydoc.")] = "pydoc",
    tasks: Annotated[str, typer.Option(help="t1,...,t9 or all.")] = "all",
    length: Annotated[str, typer.Option(help="Tokens of a prompt: 512 to 1M.")] = "4k",
    per_task: Annotated[int, typer.Option(min=1, help="Samples of each task.")] = 20,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    tokenizer: Annotated[
        str, typer.Option(help="Counts the tokens: embedded, a checkpoint folder or a hub name.")
    ] = "embedded",
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    json: _Json = False,
) -> None:
    """Build samples of the nine tasks from real documents; no language model takes part."""
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import Progress
    from golong_eval.reports import build_text
    from golong_eval.reports.terminal import json_text, shown
    from golong_eval.tasks import build_to_file

    with progress_display() as show_progress:
        report = build_to_file(
            out,
            documents=documents,
            tasks=tasks.split(","),
            length=length,
            per_task=per_task,
            seed=seed,
            tokenizer=tokenizer,
            overwrite=overwrite,
            on_progress=lambda message: show_progress(Progress("build", message=message)),
        )
    typer.echo(json_text(report) if json else shown(build_text(report, str(out))))
