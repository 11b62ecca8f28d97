"""``golong run``: evaluate a checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["run"]


def run(
    model: Annotated[
        str | None, typer.Option(help="Checkpoint folder, hub name, or script. Default: the embedded checkpoint.")
    ] = None,
    tasks: Annotated[str, typer.Option(help="t1,...,t9, all, or files of samples (FILE.jsonl), with commas.")] = "all",
    documents: Annotated[
        str | None, typer.Option(help="Folder of documents to build the tasks from. Default: pydoc.")
    ] = None,
    length: Annotated[str, typer.Option(help="Tokens of a built prompt: 512 to 1M.")] = "4k",
    tokenizer: Annotated[str | None, typer.Option(help="Tokenizer that counts them. Default: the model's own.")] = None,
    context: Annotated[str, typer.Option(help="full; none (no documents); evidence (only those needed).")] = "full",
    engine: Annotated[str, typer.Option(help="auto, transformers or scripted.")] = "auto",
    engine_arg: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Argument of the engine; may be repeated.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Samples of each task. Default: 20 built, all of a file.")] = None,
    repeats: Annotated[int, typer.Option(help="Answers to each sample (needs a temperature).")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of building, sampling and intervals.")] = 0,
    thinking: Annotated[str, typer.Option(help="on, off, or auto: as the chat template has it.")] = "auto",
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling.")] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(help="Budget of an answer. Default: the task's, plus 4096 if the model thinks.")
    ] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run code that comes with the checkpoint.")] = False,
    include: Annotated[list[str] | None, typer.Option(help="Folder with tasks of your own; may be repeated.")] = None,
    output_dir: Annotated[str, typer.Option(help="Where runs are kept.")] = "runs",
    resume: Annotated[bool, typer.Option(help="Go on with the last run of these settings.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be run; load no model, write nothing.")] = False,
    json: Annotated[bool, typer.Option(help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Evaluate a checkpoint and print a table of scores with intervals.

    Exit code 2 says that some answers have no score because something failed; --resume tries them again.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness import RunSettings, evaluate, plan_run
    from golong_eval.reports import plan_text, results_text

    settings = RunSettings.make(
        model=model,
        tasks=tasks,
        documents=documents,
        length=length,
        tokenizer=tokenizer,
        context=context,
        engine=engine,
        engine_args=_engine_args(engine_arg or []),
        limit=limit,
        repeats=repeats,
        seed=seed,
        thinking=thinking,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        trust_remote_code=trust_remote_code,
        include=include or [],
        output_dir=output_dir,
        resume=resume,
    )
    with progress_display() as show:
        if dry_run:
            plan = plan_run(settings, on_progress=show)
        else:
            results = evaluate(settings, on_progress=show)
    if dry_run:
        typer.echo(plan.model_dump_json(indent=2) if json else plan_text(plan))
        return
    typer.echo(results.model_dump_json(indent=2) if json else results_text(results))
    if results.failures:
        raise typer.Exit(2)


def _engine_args(pairs: list[str]) -> dict[str, str | int | float | bool]:
    """Read KEY=VALUE pairs; a value is a number or true/false where it reads as one, else text."""
    from golong_eval.errors import ConfigError

    values: dict[str, str | int | float | bool] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigError(f"--engine-arg {pair!r} is not KEY=VALUE", "for instance --engine-arg batch_size=4")
        values[key.replace("-", "_")] = _scalar(value)
    return values


def _scalar(value: str) -> str | int | float | bool:
    if value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
