"""From the answers in a run's folder to scores and ``results.json``; needs no model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from golong_eval import __version__
from golong_eval.benchmarks import AnswerToScore, Benchmark
from golong_eval.benchmarks import score_answers as score_benchmark
from golong_eval.errors import DataError
from golong_eval.harness.aggregate import aggregate_task, average_of, scored_rows
from golong_eval.harness.breakdown import Scored, effective_length_of, macro_slices
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.records import Key, StoredScore, read_predictions
from golong_eval.harness.results import Failure, Published, Results, TaskResult, Usage
from golong_eval.harness.run_folder import RunFolder
from golong_eval.harness.scoring_models import ScoringModels, stored_models
from golong_eval.harness.settings import repeats_of
from golong_eval.harness.suite_table import suite_line
from golong_eval.harness.task_book import Task
from golong_eval.harness.two_calls import FIRST, has_two_calls
from golong_eval.rewards import MetricSpec, ScoreRequest, score_batch
from golong_eval.schema import Generation, RewardResult, Sample
from golong_eval.tasks import ContextMode, TaskSpec

__all__ = ["answer_to_score", "failures_of", "run_config", "score_answers", "score_run", "scores_file"]

_NEEDED = ("engine", "context", "repeats", "seed", "include")  # settings that scores rest on


def run_config(folder: RunFolder) -> dict[str, Any]:
    """Return a run's ``config.json``, with the keys that golong-eval writes.

    Raises:
        DataError: It is missing or damaged.
    """
    config = folder.read_json("config.json")
    if config is None or not isinstance(config.get("settings"), dict) or "started" not in config:
        raise DataError("this is no run of golong-eval", "name a folder with a config.json", file=folder.path)
    lacking = [key for key in _NEEDED if key not in config["settings"]]
    if lacking:
        raise DataError(f"the settings lack {', '.join(lacking)}", "restore the file", file=folder.path / "config.json")
    return config


def score_run(
    folder: RunFolder,
    specs: Mapping[str, Task],
    samples: Sequence[Sample],
    *,
    stopped: str | None = None,
    results_file: str = "results.json",
    models: ScoringModels | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Results:
    """Score all answers of a run, and write its scores and results.

    A run with benchmarks is scored by the published rules too, into ``results.official.json``; the table has both.

    Args:
        folder: The run's folder.
        specs: The tasks by id, with the metrics to score by.
        samples: The run's samples.
        stopped: Why the run ended early, if it did.
        results_file: Name of the file of results.
        models: The judge's verdicts and the embedder; None: as the run has them stored.
        on_progress: Told of each task.
    """
    models = models or stored_models(folder)
    tasks = {sample.task for sample in samples}
    specs = {task: models.applied(spec) for task, spec in specs.items() if task in tasks}
    published = None
    if results_file == "results.json" and any(isinstance(spec, Benchmark) for spec in specs.values()):
        official = {task: officially(spec) for task, spec in specs.items()}
        published = _score_run(folder, official, samples, stopped, "results.official.json", models, None, on_progress)
    return _score_run(folder, specs, samples, stopped, results_file, models, published, on_progress)


def officially(spec: Task) -> Task:
    """Return a task as it is scored by the published rule."""
    if isinstance(spec, Benchmark):
        return spec.scored_as("official")
    return spec.model_copy(update={"metric": spec.metric.model_copy(update={"variant": "official"})})


def _score_run(
    folder: RunFolder,
    specs: Mapping[str, Task],
    samples: Sequence[Sample],
    stopped: str | None,
    results_file: str,
    models: ScoringModels,
    published: Results | None,
    on_progress: OnProgress,
) -> Results:
    config = run_config(folder)
    settings = config["settings"]
    answers = read_predictions(folder.predictions, (sample.task for sample in samples))
    rows = []
    failed: list[Failure] = []
    scored = score_answers(
        specs,
        samples,
        answers,
        repeats=lambda task: repeats_of(settings, task),
        models=models,
        context=settings["context"],
        seed=settings["seed"],
        unanswered="no answer" if stopped is None else f"not asked: {stopped}",
    )
    asked = settings.get("task_identities", {})
    by_task: dict[str, list[Scored]] = {}
    shipped = {task for task, data in settings.get("benchmark_data", {}).items() if data.get("shipped")}
    for done, (scored_row, scores, answers_wanted) in enumerate(scored, 1):
        by_task[scored_row.task] = answers_wanted
        # The version and prompt that were asked, whatever the task has become since.
        own = f"{scored_row.task_version} {scored_row.prompt_hash}"
        version, prompt_hash, *_ = str(asked.get(scored_row.task, own)).split()
        row = scored_row.model_copy(
            update={
                "task_version": int(version),
                "prompt_hash": prompt_hash,
                "shipped_rows": scored_row.task in shipped,
            }
            | published_beside(scored_row, specs[scored_row.task], published)
        )
        metric = specs[row.task].metric
        folder.write_lines(
            scores_file(row.task, metric),
            (
                StoredScore(sample_id=identifier, repeat=repeat, result=result).model_dump_json()
                for (identifier, repeat), result in scores.items()
            ),
        )
        rows.append(row)
        failed += failures_of(row.task, scores)
        on_progress(Progress("score", done, len(specs)))
    pieces = macro_slices(by_task, seed=settings["seed"])
    results = Results(
        golong_eval=__version__,
        run=str(folder.path),
        model=str(config.get("model_name", folder.path.parent.name)),
        engine=settings["engine"],
        context=settings["context"],
        started=str(config["started"]),
        tasks=tuple(rows),
        average=average_of(by_task, seed=settings["seed"]),
        slices=pieces,
        effective_length=effective_length_of(pieces),
        failures=sum(row.n - row.scored for row in rows),
        failed=tuple(sorted(failed, key=lambda failure: -failure.count)),
        stopped=stopped,
        shard=settings.get("shard"),
        usage=_usage([*answers.values(), *_first_calls(folder, specs)]),
        judge=models.usage,
        suite=suite_line(settings.get("suite"), rows, judged=models.judge is not None),
        dropped=(folder.read_json("build.json") or {}).get("dropped", {}),
    )
    folder.write_json(results_file, results.model_dump(mode="json"))
    return results


def scores_file(task: str, metric: MetricSpec) -> str:
    """Return where in a run's folder the scores of a task by a metric stand."""
    what = "+".join((metric.variant, *metric.parameters)).replace("/", "_")
    return f"scores/{task}.{metric.name}.{what}@{metric.version}.jsonl"


def score_answers(
    specs: Mapping[str, Task],
    samples: Sequence[Sample],
    answers: Mapping[Key, Generation],
    *,
    repeats: Callable[[str], int],
    context: ContextMode,
    seed: int,
    unanswered: str = "no answer",
    models: ScoringModels | None = None,
) -> Iterable[tuple[TaskResult, dict[Key, RewardResult], list[Scored]]]:
    """Yield each task's result, its scores, and the answers wanted with them, in the order of `specs`.

    Args:
        specs: The tasks to score.
        samples: All samples, also those without an answer.
        answers: The answers there are.
        repeats: Tells by the task how many answers are wanted of each sample.
        context: Which documents the prompts showed.
        seed: Seed of the intervals.
        unanswered: The reason that samples without an answer have no score.
        models: The judge's verdicts and the embedder, for benchmarks.
    """
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task].append(sample)
    for task, spec in specs.items():
        wanted = repeats(task)
        scores = _score_task(spec, by_task[task], wanted, answers, unanswered, models or ScoringModels())
        rows = scored_rows(by_task[task], wanted, answers, scores)
        result = aggregate_task(spec, by_task[task], wanted, answers, scores, context=context, seed=seed, rows=rows)
        yield result, scores, rows


def failures_of(task: str, scores: Mapping[Key, RewardResult]) -> list[Failure]:
    """Return the answers without a score, put together by reason; reasons that differ in numbers alone are one."""
    kinds: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for (identifier, _), result in scores.items():
        if result.value is None:
            reason = result.reason or ""
            kinds[result.status, re.sub(r"(?<!HTTP )\b[0-9]+", "#", reason)].append((identifier, reason))
    return [
        Failure(task=task, status=status, reason=found[0][1], count=len(found), example=found[0][0])
        for (status, _), found in kinds.items()
    ]


def _score_task(
    spec: Task,
    samples: Sequence[Sample],
    repeats: int,
    answers: Mapping[Key, Generation],
    unanswered: str,
    models: ScoringModels,
) -> dict[Key, RewardResult]:
    requests: dict[Key, ScoreRequest] = {}
    of_benchmark: dict[Key, AnswerToScore] = {}
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
                    reason=unanswered if answer is None else answer.error,
                )
                continue
            if not isinstance(spec, TaskSpec):
                of_benchmark[key] = answer_to_score(sample, answer)
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
    if not isinstance(spec, TaskSpec):
        made = score_benchmark(spec, list(of_benchmark.values()), verdicts=models.verdicts, embedder=models.embedder)
        return scores | dict(zip(of_benchmark, made, strict=True))
    return scores | dict(zip(requests, score_batch(list(requests.values())), strict=True))


def answer_to_score(sample: Sample, answer: Generation) -> AnswerToScore:
    """Return what a benchmark's rule needs of an answer."""
    return AnswerToScore(
        answer.text or "",
        sample.gold,
        sample.metadata.language,
        answer.thinking_unfinished,
        answer.thinking_apart,
    )


def published_beside(row: TaskResult, spec: Task, published: Results | None) -> dict[str, Any]:
    """Return what a row of the table says of the published scoring."""
    if published is None or not isinstance(spec, Benchmark):
        return {}
    other = next(found for found in published.tasks if found.task == row.task)
    return {"published": Published.of(other, spec.flaws)}


def _first_calls(folder: RunFolder, specs: Mapping[str, Task]) -> Iterable[Generation]:
    tasks = [task for task, spec in specs.items() if has_two_calls(spec)]
    return read_predictions(folder.predictions, [f"{task}{FIRST}" for task in tasks]).values()


def _usage(answers: Iterable[Generation]) -> Usage:
    asked, kept = [], 0
    for answer in answers:
        if answer.from_cache:
            kept += 1
        else:
            asked.append(answer)
    prompts = [answer for answer in asked if not answer.prompt_shared]
    return Usage(
        prompt_tokens=sum(answer.prompt_tokens for answer in prompts),
        cached_tokens=sum(answer.cached_tokens or 0 for answer in prompts),
        completion_tokens=sum(answer.completion_tokens for answer in asked),
        reasoning_tokens=sum(answer.reasoning_tokens or 0 for answer in asked),
        from_cache=kept,
    )
