"""The options that say what a run is, declared once for every verb that takes them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from golong_eval.cli.model_options import (
    EmbedderModel,
    JudgeBudget,
    JudgeCache,
    JudgePrice,
    JudgeSwap,
    KeyEnv,
    ServerUrl,
    embedder_settings,
    judge_settings,
)

__all__ = ["engine_arguments", "with_run_options"]

_INVOCATION = "invocation"


def _declared(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="Checkpoint folder, hub name, served model or script; repeatable. Default: the embedded checkpoint.",
        ),
    ] = None,
    every: Annotated[
        int | None, typer.Option(help="Of a folder of training checkpoints, every N-th and the last.")
    ] = None,
    tasks: Annotated[
        str, typer.Option(help="t1,...,t9, all, benchmarks, or files of samples (FILE.jsonl), with commas.")
    ] = "all",
    suite: Annotated[
        str | None,
        typer.Option(help="golong-128k, golong-1m, longbench-pro, memory, general or smoke, as published."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Rows of a benchmark; or a folder with a folder for each. Repeatable."),
    ] = None,
    documents: Annotated[
        str | None, typer.Option(help="Folder of documents to build the tasks from. Default: pydoc.")
    ] = None,
    length: Annotated[
        str, typer.Option(help="Tokens of a built prompt: 512 to 1M; several, such as 2k,8k, for a curve.")
    ] = "4k",
    tokenizer: Annotated[str | None, typer.Option(help="Tokenizer that counts them. Default: the model's own.")] = None,
    context: Annotated[str, typer.Option(help="full; none (no documents); evidence (only those needed).")] = "full",
    context_policy: Annotated[
        str, typer.Option(help="Prompts too long for the model: refuse the run, truncate in the middle, or skip.")
    ] = "refuse",
    max_model_len: Annotated[
        str | None, typer.Option(help="Tokens of prompt and answer, such as 128k. Default: the model's.")
    ] = None,
    max_prompt_tokens: Annotated[
        str | None, typer.Option(help="Most tokens of a prompt, such as 120k, however long the model is.")
    ] = None,
    rope_factor: Annotated[
        float | None, typer.Option(help="YaRN: this many times the length that the model was trained on.")
    ] = None,
    rope_original: Annotated[
        int | None, typer.Option(help="That length. Default: the model's max_position_embeddings.")
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, vllm, openai, transformers, ray or scripted.")] = "auto",
    engine_arg: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Argument of the engine; may be repeated.")
    ] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="OpenAI-compatible server, as http://localhost:8000/v1; repeatable."),
    ] = None,
    api_key_env: Annotated[str, typer.Option(help="Environment variable that holds its key.")] = "OPENAI_API_KEY",
    concurrency: Annotated[int | None, typer.Option(help="Most requests at once.")] = None,
    limit: Annotated[int | None, typer.Option(help="Samples of each task. Default: 20 built, all of a file.")] = None,
    repeats: Annotated[int, typer.Option(help="Answers to each sample (needs a temperature).")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of building, sampling and intervals.")] = 0,
    thinking: Annotated[str, typer.Option(help="on, off, or auto: as the chat template has it.")] = "auto",
    thinking_budget: Annotated[
        int | None, typer.Option(help="Tokens for thinking, added to the task's budget.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling.")] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(help="Budget of an answer. Default: the task's, plus 4096 if the model thinks.")
    ] = None,
    token_limit: Annotated[int | None, typer.Option(help="Stop, resumably, at so many tokens.")] = None,
    cost_limit: Annotated[float | None, typer.Option(help="Stop, resumably, at this cost, by --price.")] = None,
    price: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="Price of a million prompt and of a million answer tokens.")
    ] = None,
    cache: Annotated[str | None, typer.Option(help="File of answers to keep and use across runs.")] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Judge for what rules can't decide; repeatable; none: leave it undecided."),
    ] = None,
    judge_url: ServerUrl = None,
    judge_key_env: KeyEnv = "OPENAI_API_KEY",
    judge_max_tokens: JudgeBudget = 1024,
    judge_swap: JudgeSwap = False,
    judge_cache: JudgeCache = None,
    judge_price: JudgePrice = None,
    embedder: EmbedderModel = None,
    embedder_url: ServerUrl = None,
    embedder_key_env: KeyEnv = "OPENAI_API_KEY",
    embedder_cache: Annotated[str | None, typer.Option(metavar="FILE", help="Keeps vectors across runs.")] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only part I of N; see golong merge.")] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run code that comes with the checkpoint.")] = False,
    include: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="Folder with tasks of your own; may be repeated.")
    ] = None,
    output_dir: Annotated[str, typer.Option(help="Where runs are kept.")] = "runs",
) -> None:
    """Declare the options; nothing calls it."""


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a run before its own; it is called with the settings of each model.

    Args:
        command: Its first parameter takes a list of `RunSettings`, one a checkpoint; the others are options, their
            annotations no strings (typer evaluates none that it finds in a signature).
    """
    shared = inspect.signature(_declared, eval_str=True).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        invocation: typer.Context = values.pop(_INVOCATION)
        sources = {name: invocation.get_parameter_source(name) for name in values}
        given = {name for name, source in sources.items() if source is not None and source.name != "DEFAULT"}
        of_command = {parameter.name: values.pop(parameter.name) for parameter in own}
        command(_settings(values, given, resume=bool(of_command.get("resume"))), **of_command)

    context = inspect.Parameter(_INVOCATION, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *shared.values(), *own]
    # typer reads these two.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def engine_arguments(pairs: list[str]) -> dict[str, Any]:
    """Read KEY=VALUE pairs; a value is what it is as JSON (a number, true, {...}), else text.

    Raises:
        ConfigError: A pair has no ``=``.
    """
    from golong_eval.errors import ConfigError

    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigError(f"--engine-arg {pair!r} is not KEY=VALUE", "for instance --engine-arg batch_size=4")
        values[key.replace("-", "_")] = _scalar(value)
    return values


def _settings(values: dict[str, Any], given: set[str], *, resume: bool) -> list[Any]:
    """Return the settings of each model.

    Args:
        values: The options.
        given: Those that the user named; with a suite, the others are the suite's to say.
        resume: Go on with the last run.
    """
    from golong_eval.errors import ConfigError
    from golong_eval.harness import RunSettings, find_checkpoints

    models, every = values.pop("model") or [], values.pop("every")
    factor, original = values.pop("rope_factor"), values.pop("rope_original")
    if original is not None and factor is None:
        raise ConfigError("--rope-original is given without --rope-factor", "give both, such as --rope-factor 4")
    if factor is not None:
        values["rope_scaling"] = {"factor": factor, "original_max_position_embeddings": original}
    values["engine_args"] = engine_arguments(values.pop("engine_arg") or [])
    values |= {key: values[key] or [] for key in ("include", "base_url", "data")}
    values["judge"] = judge_settings(**_taken(values, "judge"))
    values["embedder"] = embedder_settings(**_taken(values, "embedder"))
    if values["suite"] is not None:
        made = {"judge", "embedder", "engine_args", "rope_scaling"}
        values = {key: value for key, value in values.items() if key in given or (key in made and value)}
    named: list[str | None] = [*find_checkpoints(models, every)] or [None]
    settings = [RunSettings.make(model=model, resume=resume, **values) for model in named]
    # All models answer the same samples, so that their scores can be compared: those that the first one counts.
    first = settings[0]
    if len(settings) > 1 and first.tokenizer is None and first.engine in ("auto", "vllm", "transformers", "ray"):
        rest = [one.model_copy(update={"tokenizer": first.model or "embedded"}) for one in settings[1:]]
        settings = [first, *rest]
    return settings


def _taken(values: dict[str, Any], model: str) -> dict[str, Any]:
    """Take the options of a judge or an embedder out of `values`."""
    names = [name for name in values if name == model or name.startswith(f"{model}_")]
    return {name: values.pop(name) for name in names}


def _scalar(value: str) -> Any:
    import json

    try:
        return json.loads(value.casefold() if value.casefold() in ("true", "false") else value)
    except ValueError:
        return value
