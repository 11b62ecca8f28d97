"""Check the rows of a benchmark before a model sees them: every row, and every gold by the benchmark's own rule."""

from __future__ import annotations

from typing import Any

from golong_eval.benchmarks.base import Benchmark
from golong_eval.benchmarks.loading import Located
from golong_eval.benchmarks.scoring import AnswerToScore, score_answers
from golong_eval.errors import DataError, GolongError
from golong_eval.schema import RowGold, Sample

__all__ = ["gold_fault", "validate_rows"]


def validate_rows(located: Located) -> tuple[int, list[str]]:
    """Return how many rows a benchmark has, and every fault of them.

    A row is malformed, its id stands twice, or its gold does not score 1 by the strict rule, nor an empty answer 0.

    Args:
        located: The rows.
    """
    benchmark = located.benchmark
    faults: list[str] = []
    seen: dict[str, str] = {}
    count = 0
    try:
        for place, row in benchmark.load(located.path, lambda error: faults.append(str(error))):
            count += 1
            try:
                sample = benchmark.sample(row, place)
            except (GolongError, ValueError) as error:
                faults.append(f"{place}: {error}")
                continue
            if sample.documents and not any((document.text or "").strip() for document in sample.documents):
                faults.append(f"{place}: its text is empty")
            if sample.id in seen:
                faults.append(f"{place}: the id {sample.id!r} stands at {seen[sample.id]} too")
            seen[sample.id] = place
            fault = gold_fault(benchmark, sample)
            if fault is not None:
                faults.append(f"{place}: {fault}")
    except DataError as error:  # a file that can't be read on
        faults.append(str(error))
    return count + len(faults) * (not count), faults


def gold_fault(benchmark: Benchmark[Any], sample: Sample) -> str | None:
    """Return what is wrong with a gold: it has to score 1 by the strict rule, and the published one has to work."""
    assert isinstance(sample.gold, RowGold)
    language = sample.metadata.language
    answer = benchmark.gold_answer(benchmark.row_of(sample.gold))
    if answer is None:
        return None
    right = AnswerToScore(answer, sample.gold, language)
    strict = benchmark.scored_as("strict").without_models()
    gold, empty = score_answers(strict, [right, AnswerToScore("", sample.gold, language)])
    if gold.value != 1.0:
        return f"its own gold scores {gold.value} ({gold.reason or gold.status})"
    if empty.value != 0.0:
        return f"an empty answer scores {empty.value}"
    (published,) = score_answers(benchmark.scored_as("official").without_models(), [right])
    if published.status == "scorer_error":
        return f"the published rule fails on its gold ({published.reason})"
    return None
