"""`evaluate`: from a checkpoint and tasks to results, resumable at every point.

settings -> engine -> samples (stored) -> prompts -> generations (appended) -> scores -> results.json
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from golong_eval.engines import Engine, EngineSettings, ScriptedEngine, open_engine
from golong_eval.errors import ConfigError, GolongError
from golong_eval.harness.environment import describe_environment
from golong_eval.harness.generation import SessionCounts, generate_answers, stages_of
from golong_eval.harness.golds import check_golds, gold_answer
from golong_eval.harness.judging import check_models, judge_and_score
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.records import read_predictions
from golong_eval.harness.resolve import ResolvedRun, open_run, resolve_run
from golong_eval.harness.response_cache import ResponseCache
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import RunFolder
from golong_eval.harness.schedule import with_parts
from golong_eval.harness.settings import RunSettings
from golong_eval.schema import Sample
from golong_eval.tasks import SampleWriter, read_samples

__all__ = ["evaluate"]

_CHANGES_NO_ANSWER = frozenset({"client", "workers", "data_parallel"})
_PROTOCOL = ("name", "max_length", "thinks", "native_n", "describe", "over_length", "generate", "close")


def evaluate(
    settings: RunSettings | None = None,
    /,
    *,
    model: str | Path | Engine | Callable[[str], str] | None = None,
    on_progress: OnProgress = lambda _: None,
    **values: Any,
) -> Results:
    """Evaluate a checkpoint.

    Args:
        settings: All settings at once; or give them as keyword arguments.
        model: A checkpoint folder or hub name, an engine, or a function from prompt to answer. What an engine or a
            function depends on is not known here: on ``resume``, that it is the same is the caller's word.
        on_progress: Called as the run goes on.
        **values: The fields of `RunSettings`, for instance ``tasks="t1,t3"``, ``length="8k"``.

    Returns:
        The results, as in ``results.json``.

    Raises:
        ConfigError: A setting is wrong. Raised before anything is generated.
        ModelError: The checkpoint can't be loaded, or is too short for the prompts.
        GolongError: Any other trouble; what was finished is in the run's folder.

    Example:
        ``evaluate(model="path/to/checkpoint", tasks="all", length="8k").tasks``
    """
    engine, values["model"] = _given_engine(model, resume=bool(values.get("resume")))
    if settings is None:
        settings = RunSettings.make(**values)
    elif given := {key for key, value in values.items() if value is not None}:
        raise TypeError(f"give settings, or keyword arguments such as {min(given)}, not both")
    is_given = engine is not None
    run = resolve_run(settings, given_engine=None if engine is None else engine.name)
    with contextlib.ExitStack() as stack:
        # In the order of what it costs to find a mistake: the run to resume, the samples of files, the model.
        folder = stack.enter_context(open_run(run)) if settings.resume else None
        if folder is not None and (done := _all_answered(run, folder)) is not None:
            return judge_and_score(folder, run.specs, done, settings=settings, on_progress=on_progress)
        check_models(settings, run.specs, [located.benchmark.id for located in run.sources.benchmarks])
        if folder is None and not run.sources.built:
            check_golds(run.sources.samples(settings, run.catalogue, run.tokenizer), run.specs)
        golds: dict[str, str] = {}
        if engine is None:
            # What the caller opened is the caller's to close.
            engine = stack.enter_context(contextlib.closing(_open(run, golds, on_progress)))
        run.check_length(engine.max_length, thinks=engine.thinks)
        cache = _open_cache(run, engine, given=is_given)
        if cache is not None:
            stack.enter_context(cache)
        # Only now: a start that fails leaves no folder behind.
        folder = folder or stack.enter_context(open_run(run))
        sessions = (folder.read_json("env.json") or {}).get("sessions", [])
        folder.write_json("env.json", {"sessions": [*sessions, describe_environment(engine)]})
        try:
            samples = _store_samples(run, folder, on_progress)
        except GolongError:
            if not settings.resume:
                shutil.rmtree(folder.path, ignore_errors=True)
            raise
        if settings.resume or run.sources.built:
            check_golds(samples, run.specs)
        if run.model == "gold":
            golds.update((sample.id, gold_answer(sample, run.specs[sample.task])) for sample in samples)
        counts = SessionCounts()
        for stage, asked in stages_of(run, folder, samples):
            counts.join(generate_answers(run, folder, engine, asked, cache, on_progress, stage))
            if counts.stopped is not None:
                break
        # Described again: some of it shows only when it is used, such as a server that refuses seeds.
        environment = describe_environment(engine) | dataclasses.asdict(counts)
        folder.write_json("env.json", {"sessions": [*sessions, environment]})
        if settings.judge is not None and settings.judge.base_url is None and not is_given:
            engine.close()  # its memory is for the judge; closing twice does no harm
        return judge_and_score(
            folder, run.specs, samples, settings=settings, stopped=counts.stopped, on_progress=on_progress
        )


def _given_engine(model: object, *, resume: bool) -> tuple[Engine | None, str | None]:
    if model is None or isinstance(model, str | Path):
        return None, None if model is None else str(model)
    if all(hasattr(model, name) for name in _PROTOCOL):
        engine: Engine = model  # type: ignore[assignment]  # a protocol: whatever has its attributes
        return engine, engine.name
    if not callable(model) or hasattr(model, "generate"):
        raise ConfigError(
            f"a model is a checkpoint, an engine or a function from prompt to answer, not {type(model).__name__}",
            "give the path of the checkpoint",
        )
    function: Callable[[str], str] = model
    # Two lambdas look alike, so their runs could not be told apart on resume.
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if resume and "<lambda>" in name:
        raise ConfigError("a run of a lambda can't be resumed: its answers can't be told from another's", "name it")
    return ScriptedEngine(lambda request: function(request.prompt.text), name=name), name


def _open(run: ResolvedRun, golds: dict[str, str], on_progress: OnProgress) -> Engine:
    settings = run.settings
    on_progress(Progress("load", message=f"engine {run.engine} ({run.engine_reason})"))
    engine_settings = EngineSettings(
        temperature=settings.temperature,
        top_p=settings.top_p,
        thinking=settings.thinking,
        thinking_budget=settings.thinking_budget,
        max_model_len=settings.max_model_len,
        max_prompt_tokens=settings.max_prompt_tokens,
        context_policy=settings.context_policy,
        rope_scaling=settings.rope_scaling,
        tokenizer=settings.tokenizer,
        base_urls=settings.base_url,
        api_key_env=settings.api_key_env,
        concurrency=settings.concurrency,
        trust_remote_code=settings.trust_remote_code,
        args=settings.engine_args,
    )
    if run.engine == "scripted":
        return ScriptedEngine.open(run.model, engine_settings, gold=lambda request: golds[request.sample_id])
    return open_engine(run.engine, run.model, engine_settings)


def _store_samples(run: ResolvedRun, folder: RunFolder, on_progress: OnProgress) -> list[Sample]:
    """Return the run's samples, made on the first start and read from its folder on every other."""
    if folder.samples.is_file():
        return list(read_samples(folder.samples))
    part, parts = run.settings.shard_of
    samples: list[Sample] = []
    order: list[str] = []
    made = run.sources.samples(
        run.settings, run.catalogue, run.tokenizer, lambda message: on_progress(Progress("build", message=message))
    )
    # The report goes first: once the samples are there, they are not built again.
    with SampleWriter(folder.samples) as writer:
        for sample, place in with_parts(made, parts):
            order.append(sample.id)
            if place == part:
                samples.append(writer.write(sample))
        if not order:
            reasons = "; ".join(f"{task}: {reason}" for task, reason in run.sources.dropped.items())
            raise ConfigError(f"no sample could be made ({reasons})", "use a greater --length, or more documents")
        if not samples:
            raise ConfigError(f"the part {run.settings.shard} is empty: there are fewer contexts", "use fewer parts")
        folder.write_json("build.json", {"dropped": run.sources.dropped} | ({"order": order} if parts > 1 else {}))
    return samples


def _all_answered(run: ResolvedRun, folder: RunFolder) -> list[Sample] | None:
    """Return the samples of a run that has all its answers: it needs no model; None of any other."""
    if not folder.samples.is_file():
        return None
    samples = list(read_samples(folder.samples))
    answers = read_predictions(folder.predictions, (sample.task for sample in samples))
    wanted = [(sample.id, repeat) for sample in samples for repeat in range(run.settings.repeats_of(sample.task))]
    return samples if all(key in answers and answers[key].error is None for key in wanted) else None


def _open_cache(run: ResolvedRun, engine: Engine, *, given: bool) -> ResponseCache | None:
    if run.settings.cache is None:
        return None
    if given and "checkpoint" not in engine.describe():
        raise ConfigError(
            "a function, or an engine that was opened elsewhere, does not say what its answers depend on",
            "name the checkpoint, or leave the cache out; an engine of your own may name 'checkpoint' in describe()",
        )
    keys = ("thinking", "thinking_budget", "temperature", "top_p", "max_model_len", "context_policy", "rope_scaling")
    identity = {key: run.identity[key] for key in (*keys, "engine", "engine_args", "model", "checkpoint")}
    if run.settings.max_prompt_tokens is not None:
        identity["max_prompt_tokens"] = run.settings.max_prompt_tokens
    described = {key: value for key, value in engine.describe().items() if key not in _CHANGES_NO_ANSWER}
    return ResponseCache(Path(run.settings.cache), identity | {"described": described})
