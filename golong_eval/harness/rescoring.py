"""Score again without a model: a run by other rewards, or responses that came from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, ValidationError, model_validator

from golong_eval import __version__
from golong_eval.errors import ConfigError, DataError, GolongError, UnknownNameError
from golong_eval.faults import explain
from golong_eval.harness.aggregate import average_of
from golong_eval.harness.breakdown import effective_length_of, macro_slices
from golong_eval.harness.progress import OnProgress
from golong_eval.harness.records import Key, StoredScore
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import RunFolder
from golong_eval.harness.scoring import failures_of, run_config, score_answers, score_run
from golong_eval.harness.scoring_models import stored_models
from golong_eval.harness.settings import EmbedderSettings
from golong_eval.harness.task_book import Task, tasks_named
from golong_eval.rewards import METRIC_NAMES, MetricSpec, coerce_gold
from golong_eval.schema import Frozen, Generation, Language, Sample, SampleMetadata
from golong_eval.tasks import Localized, TaskSpec, read_samples

__all__ = ["FROM_A_FILE", "rescore_run", "score_file"]

FROM_A_FILE = "responses from a file"
"""What stands in the place of an engine where there was none."""


def rescore_run(
    path: Path | str,
    *,
    variant: str | None = None,
    metrics: Mapping[str, str] | None = None,
    include: Sequence[str] = (),
    embedder: EmbedderSettings | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Results:
    """Score the answers of a run again, by the tasks' own metrics or by others.

    Scores of each metric stand in files of their own, so nothing is overwritten but an older scoring by the same
    metric; results by other metrics than the tasks' own go to ``results.NAME.json``.

    Args:
        path: The run's folder.
        variant: ``strict`` or ``official``, for all tasks.
        metrics: Task id -> metric, such as ``ndcg`` or ``f1[official,v1]``, for some.
        include: Folders with more tasks; those of the run are known.
        embedder: Another embedder for benchmarks whose score has a semantic part; None is the one that the run has.
            What a judge said is stored.
        on_progress: Told of each task.

    Raises:
        ConfigError: A variant, task or metric does not exist, or the metric does not suit the task's golds.
        DataError: The folder holds no run, or a damaged one.
    """
    path = Path(path)
    if not (path / "config.json").is_file():
        raise DataError("no config.json here", "name the folder of a run, or a file of responses", file=path)
    metrics = metrics or {}
    with RunFolder(path) as folder:
        settings = run_config(folder)["settings"]
        samples = list(read_samples(folder.samples))
        tasks = {sample.task for sample in samples}
        for task in metrics:
            if task not in tasks:
                raise UnknownNameError("task of this run", task, tasks)
        specs = tasks_named(tasks, [*settings["include"], *include])
        changed = {task: _changed(spec, variant, metrics.get(task)) for task, spec in specs.items()}
        same = [spec.metric for spec in changed.values()] == [spec.metric for spec in specs.values()]
        label = "" if same else ".custom" if metrics or variant is None else f".{variant}"
        stopped = (folder.read_json("results.json") or {}).get("stopped")
        return score_run(
            folder,
            changed,
            samples,
            stopped=stopped,
            results_file=f"results{label}.json",
            models=stored_models(folder, embedder),
            on_progress=on_progress,
        )


def score_file(
    file: Path | str,
    *,
    samples: Path | str | None = None,
    variant: str | None = None,
    metrics: Mapping[str, str] | None = None,
    include: Sequence[str] = (),
    out: Path | str | None = None,
) -> Results:
    """Score responses that came from elsewhere.

    Args:
        file: JSONL. Each line has the ``response`` and either the ``id`` of one of `samples` (and a ``repeat``, where
            there are several), or the ``metric`` and the ``gold``, and ``question`` and ``language`` where they matter.
        samples: File of samples that the ids name.
        variant: ``strict`` or ``official``, for all.
        metrics: Task id -> metric, for responses to samples.
        include: Folders with more tasks.
        out: Where to write the score of each line (JSONL, in the order of the lines).

    Returns:
        The results; samples without a response count as failures.

    Raises:
        ConfigError: A file can't be read or written, or a variant, task or metric does not exist.
        DataError: A line is malformed; names file and line.
    """
    file = Path(file)
    rows = list(_read(file))
    if samples is not None:
        specs, asked, answers = _responses_to_samples(file, rows, samples, variant, metrics or {}, include)
    elif metrics:
        raise ConfigError("metrics are named for tasks, and there are no samples", "name the samples, or leave it out")
    else:
        specs, asked, answers = _rows_with_golds(file, rows, variant)
    _check_repeats(file, answers)
    repeats = max(repeat for _, repeat in answers) + 1
    scored = list(
        score_answers(
            specs,
            asked,
            answers,
            repeats=lambda _: repeats,
            context="full",
            seed=0,
            unanswered="no response in the file",
        )
    )
    if out is not None:
        values = {key: result for _, scores, _ in scored for key, result in scores.items()}
        lines = [StoredScore(sample_id=key[0], repeat=key[1], result=values[key]).model_dump_json() for key in answers]
        try:
            Path(out).write_text("\n".join(lines) + "\n")
        except OSError as error:
            raise ConfigError(f"cannot write {out} ({error.strerror})", "give another --out") from error
    by_task = {row.task: wanted for row, _, wanted in scored}
    pieces = macro_slices(by_task, seed=0)
    return Results(
        golong_eval=__version__,
        run=str(file),
        model=file.stem,
        engine=FROM_A_FILE,
        context="full",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        tasks=tuple(row for row, _, _ in scored),
        average=average_of(by_task, seed=0),
        slices=pieces,
        effective_length=effective_length_of(pieces),
        failures=sum(row.n - row.scored for row, _, _ in scored),
        failed=tuple(failure for row, scores, _ in scored for failure in failures_of(row.task, scores)),
    )


def _check_repeats(file: Path, answers: Mapping[Key, Generation]) -> None:
    """Raise where the repeats of a sample are not numbered 0, 1, ...: a gap would count as failures."""
    counts = Counter(identifier for identifier, _ in answers)
    for identifier, repeat in answers:
        if repeat >= counts[identifier]:
            raise DataError(
                f"sample {identifier!r} has {counts[identifier]} responses and one of them is repeat {repeat}",
                "number the responses to one sample: repeat 0, 1, ...",
                file=file,
            )


class _Row(Frozen):
    """A line of a file of responses; or of a run's ``predictions/``, which is kept whole as `generation`."""

    response: str
    id: str | None = None
    repeat: int = Field(default=0, ge=0)
    metric: str | None = None
    gold: JsonValue = None
    question: str | None = None
    language: Language = "en"
    generation: Generation | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_a_run(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "finish_reason" not in data:
            return data
        named = {"id": data.get("sample_id"), "repeat": data.get("repeat", 0), "response": data.get("text") or ""}
        return named | {"generation": data}


def _read(file: Path) -> Iterator[tuple[int, _Row]]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {file} ({error.strerror})", "name a file of responses, or a run") from error
    found = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found += 1
        try:
            yield number, _Row.model_validate_json(line)
        except ValidationError as error:
            raise DataError(
                explain(error, _Row)[0],
                'each line is {"id": ..., "response": ...}, or {"metric": ..., "gold": ..., "response": ...}',
                file=file,
                line=number,
            ) from None
    if not found:
        raise ConfigError(f"{file} holds no responses", "each line is one response as a JSON object")


_Found = tuple[Mapping[str, Task], list[Sample], dict[Key, Generation]]


def _responses_to_samples(
    file: Path,
    rows: Sequence[tuple[int, _Row]],
    samples: Path | str,
    variant: str | None,
    metrics: Mapping[str, str],
    include: Sequence[str],
) -> _Found:
    asked = list(read_samples(samples))
    named = tasks_named((sample.task for sample in asked), include)
    specs = {task: _changed(spec, variant, metrics.get(task)) for task, spec in named.items()}
    known = {sample.id for sample in asked}
    answers: dict[Key, Generation] = {}
    for number, row in rows:
        if row.metric is not None or row.gold is not None:
            raise DataError("has a metric or gold of its own", "leave out the samples", file=file, line=number)
        if row.id is None or row.id not in known:
            raise DataError(f"no sample has the id {row.id!r}", f"ids are those of {samples}", file=file, line=number)
        if (row.id, row.repeat) in answers:
            raise DataError(
                f"a second response to {row.id!r}, repeat {row.repeat}",
                "number the responses to one sample: repeat 0, 1, ...",
                file=file,
                line=number,
            )
        answers[row.id, row.repeat] = row.generation or _generation(row.id, row.repeat, row.response)
    return specs, asked, answers


def _rows_with_golds(file: Path, rows: Sequence[tuple[int, _Row]], variant: str | None) -> _Found:
    """Make a task of each metric, so that everything after goes the same way."""
    specs: dict[str, TaskSpec] = {}
    samples: list[Sample] = []
    answers: dict[Key, Generation] = {}
    for number, row in rows:
        if row.metric is None or row.gold is None:
            raise DataError(
                "has no metric and gold of its own",
                "name the samples that the ids belong to with --samples FILE, or add metric and gold",
                file=file,
                line=number,
            )
        try:
            spec = _plain_task(_metric(row.metric, variant))
            gold = coerce_gold(spec.metric.name, row.gold)
            sample = Sample(
                id=f"{file.name}:{number}",
                task=spec.id,
                question=row.question or "-",
                gold=gold,
                metadata=SampleMetadata(language=row.language),
            )
        except GolongError as error:
            raise DataError(str(error), error.hint, file=file, line=number) from error
        if specs.setdefault(spec.id, spec) != spec:
            raise DataError(
                f"{spec.metric} and {specs[spec.id].metric} in one file",
                "score them in files of their own",
                file=file,
                line=number,
            )
        samples.append(sample)
        answers[sample.id, 0] = _generation(sample.id, 0, row.response)
    return specs, samples, answers


def _generation(identifier: str, repeat: int, response: str) -> Generation:
    return Generation(sample_id=identifier, repeat=repeat, text=response, finish_reason="stop")


def _plain_task(metric: MetricSpec) -> TaskSpec:
    return TaskSpec(
        id=metric.name,
        name="-",
        capability="-",
        metric=metric,
        version=1,
        max_tokens=1,
        answer_contract=Localized(en="-", zh="-"),
        prompt_template=Localized(**dict.fromkeys(("en", "zh"), "{documents}{question}{answer_contract}")),
    )


def _changed(spec: Task, variant: str | None, metric: str | None) -> Task:
    if variant is None and metric is None:
        return spec
    if not isinstance(spec, TaskSpec):
        if metric is not None:
            raise ConfigError(f"{spec.name} has a scoring of its own", "leave the metric out; --variant official works")
        _check_variant(variant)
        return spec.scored_as("official" if variant == "official" else "strict")
    changed = _metric(metric if metric is not None else str(spec.metric), variant)
    return spec.model_copy(update={"metric": changed})


def _check_variant(variant: str | None) -> None:
    if variant not in (None, "strict", "official"):
        raise UnknownNameError("variant", str(variant), ("strict", "official"))


def _metric(text: str, variant: str | None) -> MetricSpec:
    _check_variant(variant)
    try:
        metric = MetricSpec.model_validate(text)
        return metric if variant is None else MetricSpec(**(metric.model_dump() | {"variant": variant}))
    except ValidationError as error:
        raise ConfigError(
            explain(error, MetricSpec)[0],
            f"a metric is written like 'f1[official,v1]'; known: {', '.join(METRIC_NAMES)}",
        ) from None
