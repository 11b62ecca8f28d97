"""From the answers in a run's folder to scores and ``results.json``; needs no model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from golong_eval import __version__
from golong_eval.errors import DataError
from golong_eval.harness.aggregate import aggregate_task, average_of, scored_rows
from golong_eval.harness.breakdown import Scored, effective_length_of, macro_slices
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.records import Key, StoredScore, read_predictions
from golong_eval.harness.results import Failure, Results, TaskResult, Usage
from golong_eval.harness.run_folder import RunFolder
from golong_eval.rewards import MetricSpec, ScoreRequest, score_batch
from golong_eval.schema import Generation, RewardResult, Sample
from golong_eval.tasks import ContextMode, TaskSpec

__all__ = ["failures_of", "run_config", "score_answers", "score_run", "scores_file"]

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
    specs: Mapping[str, TaskSpec],
    samples: Sequence[Sample],
    *,
    stopped: str | None = None,
    results_file: str = "results.json",
    on_progress: OnProgress = lambda _: None,
) -> Results:
    """Score all answers of a run, and write its scores and results.

    Args:
        folder: The run's folder.
        specs: The tasks by id, with the metrics to score by.
        samples: The run's samples.
        stopped: Why the run ended early, if it did.
        results_file: Name of the file of results.
        on_progress: Told of each task.
    """
    config = run_config(folder)
    settings = config["settings"]
    answers = read_predictions(folder.predictions, (sample.task for sample in samples))
    rows = []
    failed: list[Failure] = []
    tasks = {sample.task for sample in samples}
    scored = score_answers(
        {task: spec for task, spec in specs.items() if task in tasks},
        samples,
        answers,
        repeats=settings["repeats"],
        context=settings["context"],
        seed=settings["seed"],
        unanswered="no answer" if stopped is None else f"not asked: {stopped}",
    )
    asked = settings.get("task_identities", {})
    by_task: dict[str, list[Scored]] = {}
    for done, (scored_row, scores, answers_wanted) in enumerate(scored, 1):
        by_task[scored_row.task] = answers_wanted
        # The version and prompt that were asked, whatever the task has become since.
        own = f"{scored_row.task_version} {scored_row.prompt_hash}"
        version, prompt_hash, *_ = str(asked.get(scored_row.task, own)).split()
        row = scored_row.model_copy(update={"task_version": int(version), "prompt_hash": prompt_hash})
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
        on_progress(Progress("score", done, len(tasks)))
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
        usage=_usage(answers.values()),
        dropped=(folder.read_json("build.json") or {}).get("dropped", {}),
    )
    folder.write_json(results_file, results.model_dump(mode="json"))
    return results


def scores_file(task: str, metric: MetricSpec) -> str:
    """Return where in a run's folder the scores of a task by a metric stand."""
    what = "+".join((metric.variant, *metric.parameters)).replace("/", "_")
    return f"scores/{task}.{metric.name}.{what}@{metric.version}.jsonl"


def score_answers(
    specs: Mapping[str, TaskSpec],
    samples: Sequence[Sample],
    answers: Mapping[Key, Generation],
    *,
    repeats: int,
    context: ContextMode,
    seed: int,
    unanswered: str = "no answer",
) -> Iterable[tuple[TaskResult, dict[Key, RewardResult], list[Scored]]]:
    """Yield each task's result, its scores, and the answers wanted with them, in the order of `specs`.

    Args:
        specs: The tasks to score.
        samples: All samples, also those without an answer.
        answers: The answers there are.
        repeats: Answers wanted of each sample.
        context: Which documents the prompts showed.
        seed: Seed of the intervals.
        unanswered: The reason that samples without an answer have no score.
    """
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task].append(sample)
    for task, spec in specs.items():
        scores = _score_task(spec, by_task[task], repeats, answers, unanswered)
        rows = scored_rows(by_task[task], repeats, answers, scores)
        result = aggregate_task(spec, by_task[task], repeats, answers, scores, context=context, seed=seed, rows=rows)
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
    spec: TaskSpec, samples: Sequence[Sample], repeats: int, answers: Mapping[Key, Generation], unanswered: str
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
                    reason=unanswered if answer is None else answer.error,
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
