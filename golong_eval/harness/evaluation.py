"""`evaluate`: from a checkpoint and tasks to results, resumable at every point.

settings -> engine -> samples (stored) -> prompts -> generations (appended) -> scores -> results.json
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from golong_eval import __version__
from golong_eval.engines import Engine, EngineSettings, GenerationRequest, ScriptedEngine, open_engine
from golong_eval.errors import ConfigError
from golong_eval.harness.aggregate import Key, aggregate_task
from golong_eval.harness.environment import describe_environment
from golong_eval.harness.golds import check_golds
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.resolve import ResolvedRun, open_run, resolve_run
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.harness.settings import RunSettings
from golong_eval.rewards import ScoreRequest, render_gold, score_batch
from golong_eval.schema import Frozen, Generation, RewardResult, Sample, sha256_text
from golong_eval.tasks import SampleWriter, TaskSpec, read_samples

__all__ = ["evaluate"]

_SYNC_SECONDS = 2.0


class _StoredPrompt(Frozen):
    """A line of ``prompts.jsonl``: the prompt without its documents, which samples.documents/ holds."""

    hash: str
    sample_id: str
    context: str
    before: str
    after: str


class _StoredScore(Frozen):
    """A line of ``scores/``."""

    sample_id: str
    repeat: int
    result: RewardResult


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
        model: A checkpoint folder or hub name, an engine, or a function from prompt to answer.
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
    run = resolve_run(settings, given_engine=None if engine is None else engine.name)
    with contextlib.ExitStack() as stack:
        # In the order of what it costs to find a mistake: the run to resume, the samples of files, the model.
        folder = stack.enter_context(open_run(run)) if settings.resume else None
        if folder is None and not run.sources.built:
            check_golds(run.sources.samples(settings, run.catalogue, run.tokenizer), run.catalogue.specs)
        golds: dict[str, str] = {}
        if engine is None:
            # What the caller opened is the caller's to close.
            engine = stack.enter_context(contextlib.closing(_open(run, golds, on_progress)))
        run.check_length(engine.max_length, thinks=engine.thinks)
        # Only now: a start that fails leaves no folder behind.
        folder = folder or stack.enter_context(open_run(run))
        sessions = (folder.read_json("env.json") or {}).get("sessions", [])
        folder.write_json("env.json", {"sessions": [*sessions, describe_environment(engine)]})
        samples = _store_samples(run, folder, on_progress)
        golds.update((sample.id, render_gold(sample.gold)) for sample in samples if run.model == "gold")
        _generate(run, folder, engine, samples, on_progress)
        return _score(run, folder, samples, on_progress)


def _given_engine(model: object, *, resume: bool) -> tuple[Engine | None, str | None]:
    if model is None or isinstance(model, str | Path):
        return None, None if model is None else str(model)
    if all(hasattr(model, name) for name in ("name", "max_length", "thinks", "describe", "generate", "close")):
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
        trust_remote_code=settings.trust_remote_code,
        args=settings.engine_args,
    )
    if run.engine == "scripted":
        return ScriptedEngine.open(run.model, engine_settings, gold=lambda request: golds[request.sample_id])
    return open_engine(run.engine, run.model, engine_settings)


def _store_samples(run: ResolvedRun, folder: RunFolder, on_progress: OnProgress) -> list[Sample]:
    """Return the run's samples, made on the first start and read from its folder on every other."""
    if not folder.samples.is_file():
        # The report goes first: once the samples are there, they are not built again.
        with SampleWriter(folder.samples) as writer:
            for sample in run.sources.samples(
                run.settings,
                run.catalogue,
                run.tokenizer,
                lambda message: on_progress(Progress("build", message=message)),
            ):
                writer.write(sample)
            folder.write_json("build.json", {"dropped": run.sources.dropped})
    samples = list(read_samples(folder.samples))
    check_golds(samples, run.catalogue.specs)
    return samples


def _generate(
    run: ResolvedRun, folder: RunFolder, engine: Engine, samples: Sequence[Sample], on_progress: OnProgress
) -> None:
    finished = {key for key, answer in _predictions(folder, samples).items() if answer.error is None}
    wanted = [(sample, repeat) for sample in samples for repeat in range(run.settings.repeats)]
    pending = [(sample, repeat) for sample, repeat in wanted if (sample.id, repeat) not in finished]
    on_progress(Progress("generate", len(wanted) - len(pending), len(wanted)))
    if not pending:
        return
    hashes: dict[str, str] = {}
    tasks = {sample.id: sample.task for sample in samples}
    with contextlib.ExitStack() as stack:
        prompts = AppendLog(folder.path / "prompts.jsonl")
        stack.callback(prompts.close)
        stored = {line.hash for line in AppendLog.read(prompts.file, _StoredPrompt)}
        logs: dict[str, AppendLog] = {}
        synced = time.monotonic()

        def requests() -> Iterator[GenerationRequest]:
            for sample, repeat in pending:
                spec = run.catalogue.specs[sample.task]
                prompt = spec.prompt(sample, run.settings.context)
                if sample.id not in hashes:
                    hashes[sample.id] = sha256_text(prompt.text)
                    if hashes[sample.id] not in stored:
                        stored.add(hashes[sample.id])
                        line = _StoredPrompt(
                            hash=hashes[sample.id],
                            sample_id=sample.id,
                            context=run.settings.context,
                            before=prompt.before,
                            after=prompt.after,
                        )
                        prompts.append(line.model_dump_json())
                yield GenerationRequest(
                    sample_id=sample.id,
                    repeat=repeat,
                    prompt=prompt,
                    max_tokens=run.budget(spec, thinks=engine.thinks),
                    seed=_request_seed(run.settings.seed, sample.id, repeat),
                )

        for done, generation in enumerate(engine.generate(requests()), len(wanted) - len(pending) + 1):
            task = tasks[generation.sample_id]
            if task not in logs:
                logs[task] = AppendLog(folder.predictions / f"{task}.jsonl")
                stack.callback(logs[task].close)
            line = generation.model_copy(update={"prompt_hash": hashes[generation.sample_id]})
            logs[task].append(line.model_dump_json())
            if time.monotonic() - synced > _SYNC_SECONDS:
                for log in logs.values():
                    log.sync()
                synced = time.monotonic()
            on_progress(Progress("generate", done, len(wanted)))
        for log in logs.values():
            log.sync()


def _predictions(folder: RunFolder, samples: Sequence[Sample]) -> dict[Key, Generation]:
    """Return the stored answers; of two to one request, the later, unless it failed and the earlier did not."""
    answers: dict[Key, Generation] = {}
    for task in dict.fromkeys(sample.task for sample in samples):
        for generation in AppendLog.read(folder.predictions / f"{task}.jsonl", Generation):
            key = (generation.sample_id, generation.repeat)
            if generation.error is None or key not in answers or answers[key].error is not None:
                answers[key] = generation
    return answers


def _score(run: ResolvedRun, folder: RunFolder, samples: Sequence[Sample], on_progress: OnProgress) -> Results:
    answers = _predictions(folder, samples)
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task].append(sample)
    rows = []
    tasks = [task for task in run.catalogue.specs if task in by_task]
    for done, task in enumerate(tasks, 1):
        spec, of_task = run.catalogue.specs[task], by_task[task]
        scores = _score_task(spec, of_task, run.settings.repeats, answers)
        lines = (
            _StoredScore(sample_id=identifier, repeat=repeat, result=result).model_dump_json()
            for (identifier, repeat), result in scores.items()
        )
        metric = spec.metric
        what = "+".join((metric.variant, *metric.parameters)).replace("/", "_")
        folder.write_lines(f"scores/{task}.{metric.name}.{what}@{metric.version}.jsonl", lines)
        rows.append(
            aggregate_task(
                spec,
                of_task,
                run.settings.repeats,
                answers,
                scores,
                context=run.settings.context,
                seed=run.settings.seed,
            )
        )
        on_progress(Progress("score", done, len(tasks)))
    build = folder.read_json("build.json") or {}
    results = Results(
        golong_eval=__version__,
        run=str(folder.path),
        model=run.model_name,
        engine=run.engine,
        context=run.settings.context,
        started=str((folder.read_json("config.json") or {})["started"]),
        tasks=tuple(rows),
        failures=sum(row.n - row.scored for row in rows),
        dropped=build.get("dropped", {}),
    )
    folder.write_json("results.json", results.model_dump(mode="json"))
    return results


def _score_task(
    spec: TaskSpec, samples: Sequence[Sample], repeats: int, answers: dict[Key, Generation]
) -> dict[Key, RewardResult]:
    requests: dict[Key, ScoreRequest] = {}
    scores: dict[Key, RewardResult] = {}
    for sample in samples:
        for repeat in range(repeats):
            key = (sample.id, repeat)
            answer = answers.get(key)
            if answer is None or answer.text is None:
                over = answer is not None and answer.over_length
                scores[key] = RewardResult(
                    value=None,
                    status="over_length" if over else "provider_error",
                    metric=str(spec.metric),
                    reason="no answer" if answer is None else answer.error,
                )
                continue
            requests[key] = ScoreRequest(
                metric=spec.metric,
                response=answer.text,
                gold=sample.gold,
                language=sample.metadata.language,
                question=sample.question,
                thinking_unfinished=answer.thinking_unfinished,
                candidates=sample.metadata.candidates,
            )
    scores |= dict(zip(requests, score_batch(list(requests.values())), strict=True))
    return scores


def _request_seed(seed: int, sample_id: str, repeat: int) -> int:
    """Return a seed that depends on the request alone, so that order and resume don't matter."""
    digest = hashlib.sha256(f"{seed}\x00{sample_id}\x00{repeat}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
