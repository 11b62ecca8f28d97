"""Score a benchmark's answers that were stored elsewhere: a file with a row a line, its columns named by the user."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golong_eval import __version__
from golong_eval.benchmarks import AnswerToScore, Benchmark, benchmark_named, judge_questions, score_answers
from golong_eval.errors import ConfigError, DataError
from golong_eval.harness.aggregate import aggregate_task
from golong_eval.harness.judging import opened_judge
from golong_eval.harness.records import Key, StoredScore
from golong_eval.harness.rescoring import FROM_A_FILE
from golong_eval.harness.results import Published, Results, TaskResult
from golong_eval.harness.scoring import failures_of
from golong_eval.harness.scoring_models import ScoringModels
from golong_eval.harness.settings import NOBODY, JudgeSettings
from golong_eval.schema import Generation, RewardResult, RowGold, Sample, SampleMetadata

__all__ = ["RESPONSE_COLUMNS", "score_predictions"]

RESPONSE_COLUMNS = ("response", "pred", "prediction", "output")
"""Where an answer is looked for, if the user names no column."""


def score_predictions(
    benchmark: str,
    file: Path | str,
    *,
    columns: Mapping[str, str] | None = None,
    judge: JudgeSettings | None = None,
    out: Path | str | None = None,
) -> Results:
    """Score stored answers by a benchmark's two rules.

    Args:
        benchmark: Id of the benchmark.
        file: JSON, JSONL, CSV, TSV or parquet: a row an answer, with the columns that the scorer reads.
        columns: What the scorer's columns are called in the file, for instance ``{"answers": "gold"}``; the answer is
            ``response``.
        judge: The judge, for answers that the rule can't decide; without one they have no score.
        out: Where to write the strict score of each row (JSONL, in their order).

    Raises:
        ConfigError: There is no such benchmark, or the file can't be read or written.
        DataError: A row lacks a column, or it holds something else than it should; names the row.
        JudgeError: The judge does not answer.
    """
    from golong_eval.benchmarks.files import read_rows

    spec = benchmark_named(benchmark)
    names = dict(columns or {})
    response = names.pop("response", None)
    known = {*spec.scored_by, *(info.alias or name for name, info in spec.row.model_fields.items())}
    for name in names.keys() - known:
        raise ConfigError(f"{spec.name} has no column {name!r}", f"its scorer reads {', '.join(spec.scored_by)}")
    samples: list[Sample] = []
    answers: list[AnswerToScore] = []
    for number, raw in enumerate(read_rows(Path(file), ())):
        for name, column in names.items() if not number else ():
            if column not in raw.fields:
                raise DataError(
                    f"{raw.file}: there is no column {column!r} (columns: {', '.join(raw.fields)})",
                    f"--column {name}=COLUMN names one of them",
                )
        place = f"{raw.file.name}:{raw.number}"
        fields = raw.fields | {name: raw.fields[column] for name, column in names.items() if column in raw.fields}
        text = _response(fields, response, place)
        samples.append(_sample(spec, fields, place))
        answers.append(AnswerToScore(text, spec.row_of_columns(fields, place), samples[-1].metadata.language))
    models = _judged(spec, answers, judge)
    results = {}
    for variant in ("official", "strict"):
        applied = models.applied(spec.scored_as("official" if variant == "official" else "strict"))
        assert isinstance(applied, Benchmark)
        scores = dict(
            zip(
                ((sample.id, 0) for sample in samples),
                score_answers(applied, answers, verdicts=models.verdicts),
                strict=True,
            )
        )
        results[variant] = _row(applied, samples, answers, scores), scores
    (row, scores), (published, _) = results["strict"], results["official"]
    if out is not None:
        _write(Path(out), scores)
    return Results(
        golong_eval=__version__,
        run=str(file),
        model=Path(file).stem,
        engine=FROM_A_FILE,
        context="full",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        tasks=(row.model_copy(update={"published": Published.of(published, spec.flaws)}),),
        failures=row.n - row.scored,
        failed=tuple(failures_of(row.task, scores)),
        judge=models.usage,
    )


def _response(fields: Mapping[str, Any], column: str | None, place: str) -> str:
    found = next((name for name in (RESPONSE_COLUMNS if column is None else (column,)) if name in fields), None)
    if found is None:
        raise DataError(
            f"{place}: there is no answer (columns: {', '.join(fields)})",
            "name its column with --column response=COLUMN",
        )
    value = fields[found]
    if value is not None and not isinstance(value, str):
        raise DataError(f"{place}: {found} holds {type(value).__name__}, not text", "name the column with the answers")
    return value or ""


def _sample(spec: Benchmark[Any], fields: Mapping[str, Any], place: str) -> Sample:
    """Return the sample of a row: with all that a whole row says of it, or with its group where the row is partial."""
    try:
        whole = spec.sample(spec.read_row(spec.empty_texts() | dict(fields), place), place)
        metadata = whole.metadata
    except (DataError, ValueError):
        group = fields.get(spec.macro or "")
        metadata = SampleMetadata(groups=None if group is None or spec.macro is None else {spec.macro: str(group)})
    scored = {name: fields[name] for name in spec.scored_by if name in fields}
    return Sample(
        id=place,
        task=spec.id,
        question="-",
        gold=RowGold(row=scored),
        metadata=metadata.model_copy(update={"cluster": place}),
    )


def _judged(spec: Benchmark[Any], answers: list[AnswerToScore], judge: JudgeSettings | None) -> ScoringModels:
    if judge is None or judge.models == (NOBODY,) or "judge" not in spec.needs:
        return ScoringModels()
    with opened_judge(judge) as asked:
        asked.check()
        verdicts = asked(judge_questions(spec, answers))
    return ScoringModels(asked.identity, {verdict.key: verdict for verdict in verdicts}, price=judge.price)


def _row(
    spec: Benchmark[Any], samples: list[Sample], answers: list[AnswerToScore], scores: dict[Key, RewardResult]
) -> TaskResult:
    given = {
        (sample.id, 0): Generation(sample_id=sample.id, text=answer.text, finish_reason="stop")
        for sample, answer in zip(samples, answers, strict=True)
    }
    return aggregate_task(spec, samples, 1, given, scores)


def _write(out: Path, scores: Mapping[Key, RewardResult]) -> None:
    lines = [
        StoredScore(sample_id=key[0], repeat=key[1], result=result).model_dump_json() for key, result in scores.items()
    ]
    try:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out} ({error.strerror})", "give another --out") from error
