"""The label of a row of training data: one JSON text with the task, the metric and the gold, alike for all frameworks.

    {"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1", "D3"], "language": "en", "question": "Who?"}

A text, because golds of nine forms don't fit into one column of Arrow or parquet. `label_of` writes it from a sample,
`decode_label` reads it, and `score_labels` scores responses to many labels in one batch without raising: what can't be
scored is said in its place, and a framework's adapter decides what it makes of that.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, JsonValue, ValidationError

from golong_eval.errors import ConfigError, DataError, GolongError, StorageError, UnknownNameError
from golong_eval.faults import explain
from golong_eval.rewards import BENCHMARK_METRICS, MetricSpec, ScoreRequest, coerce_gold, score_batch
from golong_eval.schema import Frozen, Gold, Language, RewardResult, RowGold, Sample, Variant
from golong_eval.tasks import TaskSpec, load_tasks

__all__ = [
    "Label",
    "Row",
    "Scored",
    "decode_label",
    "encode_label",
    "label_of",
    "log_failures",
    "score_label",
    "score_labels",
    "training_rows",
    "write_jsonl",
    "write_rows",
]


class Label(Frozen):
    """What scoring needs of a row."""

    golong: Literal[1] = 1
    """Version of the text."""
    task: str = Field(pattern=r"\S")
    """Task id, for instance ``t3``."""
    metric: str
    """Printed identity of the metric."""
    gold: JsonValue
    """Plain data, as `golong_eval.rewards.coerce_gold` takes it."""
    language: Language | None = None
    question: str | None = None
    candidates: int | None = Field(default=None, ge=1)

    @property
    def spec(self) -> MetricSpec:
        """The metric."""
        return MetricSpec.model_validate(self.metric)

    def request(
        self,
        response: str,
        *,
        variant: Variant | None = None,
        require_think: bool = False,
        thinking_unfinished: bool = False,
    ) -> ScoreRequest:
        """Return the request that scores a response; in another variant where one is given."""
        return ScoreRequest(
            metric=self.metric if variant is None else _varied(self.metric, variant),
            response=response,
            gold=self.gold,
            language=self.language,
            require_think=require_think,
            question=self.question,
            thinking_unfinished=thinking_unfinished,
            candidates=self.candidates,
        )


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of one response: a result, or why there is none."""

    task: str | None
    """None where the label can't be read."""
    result: RewardResult | None
    """None where the row or the call is at fault."""
    error: str | None = None
    """Why there is no value."""

    @property
    def value(self) -> float | None:
        """The reward in [0, 1]; None where there is none, which is never the model's fault."""
        return None if self.result is None else self.result.value

    @property
    def status(self) -> str:
        """The result's status, or ``row_error``."""
        return "row_error" if self.result is None else self.result.status


class Row(NamedTuple):
    """A sample on its way into a training set."""

    sample: Sample
    task: TaskSpec
    label: str


def encode_label(
    task: str,
    metric: MetricSpec | str,
    gold: Gold,
    *,
    language: Language | None = None,
    question: str | None = None,
    candidates: int | None = None,
) -> str:
    """Return the JSON text that `decode_label` reads.

    Args:
        task: Task id.
        metric: The metric.
        gold: Its gold.
        language: Language of the question.
        question: The question; some metrics read what it asks for.
        candidates: How many labels an answer can name.

    Raises:
        DataError: The gold is the row of a benchmark, which no metric scores alone.
    """
    if isinstance(gold, RowGold):
        raise DataError(f"{task}: a row of a benchmark is no training row", "train on samples: golong tasks build")
    plain = gold.model_dump(mode="json")
    del plain["type"]
    data = plain if "columns" in plain else next(iter(plain.values()))
    label = {"golong": 1, "task": task, "metric": str(metric), "gold": [data] if isinstance(data, str) else data}
    more = {"language": language, "question": question, "candidates": candidates}
    return json.dumps(label | {name: value for name, value in more.items() if value is not None}, ensure_ascii=False)


def label_of(sample: Sample, task: TaskSpec, variant: Variant | None = None) -> str:
    """Return the label of a sample.

    Args:
        sample: The sample.
        task: Its task.
        variant: Score by this variant; None: the task's own, ``strict`` for the nine.

    Raises:
        DataError: The gold is the row of a benchmark.
    """
    metric = task.metric if variant is None else _varied(str(task.metric), variant)
    meta = sample.metadata
    return encode_label(
        task.id, metric, sample.gold, language=meta.language, question=sample.question, candidates=meta.candidates
    )


def decode_label(label: str | Mapping[str, Any]) -> Label:
    """Return what a label says, checked up to its gold.

    Args:
        label: The JSON text, or the mapping that a reader of JSON lines made of it; None in it counts as absent.

    Raises:
        DataError: It is no label of ours; says what is wrong.

    >>> decode_label('{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1"]}').task
    't3'
    """
    if isinstance(label, str):
        return _decode(label)
    if isinstance(label, Mapping):
        try:
            text = json.dumps({key: value for key, value in label.items() if value is not None})
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(f"the label is no JSON ({error})", _HINT) from None
        return _decode(text)
    raise DataError(f"the label is {type(label).__name__}, not a text", _HINT)


_HINT = "write the rows with golong_eval.adapters, and name their column of labels"


@lru_cache(maxsize=2048)
def _decode(text: str) -> Label:
    try:
        label = Label.model_validate_json(text)
    except ValidationError as error:
        raise DataError(f"the label {text[:80]!r}: " + "; ".join(explain(error, Label)), _HINT) from None
    try:
        spec = label.spec
    except ValidationError as error:
        raise DataError(f"the label's metric: {error.errors()[0]['msg']}", _HINT) from None
    if spec.name in BENCHMARK_METRICS:
        raise DataError(f"the label's metric is {spec}, the rule of a benchmark", "train on samples of tasks")
    coerce_gold(spec.name, label.gold)
    return label


def _varied(metric: str, variant: Variant) -> MetricSpec:
    try:
        return MetricSpec.model_validate(MetricSpec.model_validate(metric).model_dump() | {"variant": variant})
    except ValidationError as error:
        raise DataError(f"{metric} has no variant {variant!r}: {error.errors()[0]['msg']}", _HINT) from None


def score_label(
    label: str | Mapping[str, Any],
    response: str,
    *,
    variant: Variant | None = None,
    require_think: bool = False,
    thinking_unfinished: bool = False,
) -> RewardResult:
    r"""Score a response against a label. The arguments are those of `golong_eval.rewards.score`.

    Raises:
        DataError: The label can't be read.
        GolongError: As `golong_eval.rewards.score`.

    >>> score_label('{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1"]}', "[Answer]\nD1").value
    1.0
    """
    request = decode_label(label).request(
        response, variant=variant, require_think=require_think, thinking_unfinished=thinking_unfinished
    )
    (result,) = score_batch([request])
    return result


def score_labels(
    labels: Sequence[Any],
    responses: Sequence[Any],
    *,
    variant: Variant | None = None,
    require_think: bool = False,
    unfinished: Sequence[bool] | None = None,
    workers: int | None = None,
) -> list[Scored]:
    """Score responses, each against its label, in one batch.

    Never raises on a row: a label that can't be read, a response that is no text and a failure of ours are said in the
    row's place, and cost the others nothing. Safe to call from many threads at once.

    Args:
        labels: One a response.
        responses: What the model wrote.
        variant: Score by this variant; None: as the labels say.
        require_think: The training gate: exactly one closed thinking, else 0.
        unfinished: Whether each was still thinking when its tokens ran out.
        workers: Most processes for mathematics at once.

    Raises:
        ConfigError: Not as many labels as responses.
    """
    if len(labels) != len(responses) or (unfinished is not None and len(unfinished) != len(responses)):
        raise ConfigError(f"{len(labels)} labels for {len(responses)} responses", "give each response its label")
    found: list[Scored | None] = [None] * len(labels)
    places, tasks, requests = [], [], []
    for place, (label, response) in enumerate(zip(labels, responses, strict=True)):
        try:
            read = decode_label(label)
            if not isinstance(response, str):
                raise DataError(f"a response is a text, not {type(response).__name__}")
            request = read.request(
                response,
                variant=variant,
                require_think=require_think,
                thinking_unfinished=unfinished is not None and bool(unfinished[place]),
            )
        except GolongError as error:
            found[place] = Scored(None, None, str(error))
            continue
        places.append(place)
        tasks.append(read.task)
        requests.append(request)
    for place, task, outcome in zip(places, tasks, _results(requests, workers), strict=True):
        if isinstance(outcome, RewardResult):
            found[place] = Scored(task, outcome, outcome.reason if outcome.value is None else None)
        else:
            found[place] = Scored(task, None, outcome)
    return [scored for scored in found if scored is not None]


def _results(requests: list[ScoreRequest], workers: int | None) -> list[RewardResult | str]:
    """Return the result of each request, or why there is none."""
    try:
        return list(score_batch(requests, workers=workers))
    except Exception as error:  # noqa: BLE001  # told in place of the result: an exception is no score
        if len(requests) == 1:
            return [f"{type(error).__name__}: {error}"]
    # One of them is at fault, and the others have a score.
    return [result for request in requests for result in _results([request], workers)]


_SAID: set[tuple[str, str, str]] = set()
_SAYING = threading.Lock()


def log_failures(log: logging.Logger, scored: Iterable[Scored], outcome: str) -> None:
    """Log rows without a score, once a kind and task: a step has thousands of rows.

    Args:
        log: The adapter's logger.
        scored: What `score_labels` gave.
        outcome: What the framework is given instead of a score.
    """
    for one in scored:
        if one.value is not None:
            continue
        kind = (log.name, str(one.task), one.status)
        with _SAYING:
            if kind in _SAID:
                continue
            _SAID.add(kind)
        log.error(
            "a row of task %s has no score (%s: %s): %s. Said once a kind.", one.task, one.status, one.error, outcome
        )


def training_rows(
    samples: Iterable[Sample], *, variant: Variant | None = None, include: Sequence[Path | str] = ()
) -> Iterator[Row]:
    """Yield samples with their tasks and labels.

    Raises:
        UnknownNameError: A sample is of an unknown task.
        DataError: A gold does not fit its metric, or is the row of a benchmark.
    """
    tasks = load_tasks(include)
    for sample in samples:
        if sample.task not in tasks:
            raise UnknownNameError("task", sample.task, tasks)
        task = tasks[sample.task]
        label = label_of(sample, task, variant)
        try:
            decode_label(label)
        except DataError as error:
            raise DataError(f"sample {sample.id!r}: {error}", error.hint) from None
        yield Row(sample, task, label)


def write_rows(
    samples: Iterable[Sample],
    path: Path | str,
    row: Callable[[Row], Mapping[str, Any]],
    *,
    variant: Variant | None = None,
    include: Sequence[Path | str] = (),
) -> int:
    """Write samples as JSON lines in a framework's form, the whole file or none; return how many.

    Args:
        samples: As `golong_eval.tasks.read_samples` gives them.
        path: The file.
        row: Gives the columns of a row.
        variant: Score by this variant; None: the task's own, ``strict`` for the nine.
        include: Folders of tasks of your own.

    Raises:
        ConfigError: There are no samples.
        UnknownNameError: A sample is of an unknown task.
        DataError: A gold does not fit.
        DocumentError: A document can't be read.
        StorageError: The file can't be written.
    """
    return write_jsonl(path, map(row, training_rows(samples, variant=variant, include=include)))


def write_jsonl(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON lines, the whole file or none; return how many.

    Raises:
        ConfigError: There are no rows.
        StorageError: The file can't be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                written += 1
        if not written:
            raise ConfigError(f"no samples to write to {path}", "make some: golong tasks build")
        partial.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path} ({error})", "name a file in a folder that can be written") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return written
