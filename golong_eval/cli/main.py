"""The command line's entry: dispatch, and one way to say what went wrong.

Exit codes: 0 done; 1 usage, configuration or data; 2 finished with sample errors; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from golong_eval.cli import (
    audit,
    bfcl,
    compare,
    data,
    doctor,
    judge,
    merge,
    plan,
    report,
    run,
    samples,
    score,
    tasks,
    train,
)

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    name="golong",
    help="Evaluate and train long-context language models on nine capabilities, each with its natural metric.",
    add_completion=False,
    rich_markup_mode=None,  # plain help needs no rich, whose import takes longer than the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("bfcl")(bfcl.bfcl)
app.command("score")(score.score)
app.command("judge")(judge.judge)
app.command("merge")(merge.merge)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("samples")(samples.samples)
app.command("audit")(audit.audit)
app.command("train")(train.train)
app.command("doctor")(doctor.doctor)
app.add_typer(tasks.app, name="tasks")
app.add_typer(data.app, name="data")


@app.callback(invoke_without_command=True)
def _golong(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True),
) -> None:
    if version:
        from golong_eval import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    from golong_eval.errors import GolongError

    arguments = [_kebab(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name="golong", standalone_mode=False)
    except GolongError as error:
        _tell(str(error), error.hint)
        code = 1
    except typer.TyperException as error:
        verbs = [command.name or "" for command in app.registered_commands] + ["tasks", "data"]
        groups = [*tasks.app.registered_commands, *data.app.registered_commands]
        subverbs = [command.name or command.callback.__name__ for command in groups if command.callback is not None]
        verb = [word for word, known in zip(arguments, (verbs, subverbs), strict=False) if word in known]
        _tell(error.format_message(), " ".join(["see: golong", *verb, "--help"]))
        code = 1
    except OSError as error:  # for instance standard output on a full disk
        _tell(f"{error.filename or 'a file'}: {error.strerror or error}", "free some space, or check the rights")
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:  # typer turns a Ctrl-C into this code
        resumable = arguments[:1] in (["run"], ["bfcl"], ["train"])
        _tell(
            "interrupted" + ("; what was finished is kept" if resumable else ""),
            "run the same command with --resume to go on; without it, if nothing was finished yet" if resumable else "",
        )
    sys.exit(code if isinstance(code, int) else 0)


def _tell(problem: str, hint: str) -> None:
    typer.echo(f"golong: {_harmless(problem)}", err=True)
    if hint:
        typer.echo(f"        {_harmless(hint)}", err=True)


def _harmless(text: str) -> str:
    """Return a text on one line, without what could steer a terminal: a message may hold names of files and models."""
    line = " ".join(text.split())
    if line.isascii() and line.isprintable():
        return line
    from golong_eval.reports.terminal import shown_line  # loaded only where it is needed

    return shown_line(line)


def _kebab(argument: str) -> str:
    """Take ``--output_dir`` for ``--output-dir``; values stay as they are."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value
