"""LongBench Pro's official summary: made from scores, and checked by the identities that its aggregation has.

    golong report RUN --export longbench-pro
    golong tasks verify longbench_pro --summaries FILE

Source: LongBench Pro (arXiv 2601.02872), its summaries of 80 models; the identities are worked out in
``docs/benchmarks/longbench_pro.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from golong_eval.errors import ConfigError, DataError

__all__ = ["SIZES", "Item", "Sizes", "check_summaries", "faults_of_summary", "sizes_of", "summarize"]

Sizes = Mapping[str, Mapping[str, int]]
"""How many items each group has, by kind of group."""

SIZES: Sizes = {
    "token_length": dict.fromkeys(("8k", "16k", "32k", "64k", "128k", "256k"), 250),
    "contextual_requirement": {"Full": 840, "Partial": 660},
    "difficulty": {"Easy": 482, "Moderate": 289, "Hard": 289, "Extreme": 440},
    "primary_task": {
        "T1. Retrieval & Ranking": 120,
        "T2. Sequencing & Structure Reconstruction": 120,
        "T3. Evidence-Grounded QA": 120,
        "T4. Summarization & Synthesis": 120,
        "T5. Attribution & Citation Alignment": 120,
        "T6. Aggregation & Clustering": 180,
        "T7. Consistency & Compliance Checking": 180,
        "T8. Structured & Numeric Reasoning": 180,
        "T9. Version & Code Diff Analysis": 120,
        "T10. Rule Induction & In-Context Learning": 120,
        "T11. Dialogue Memory & Long-Horizon Tracking": 120,
    },
    "language": {"Chinese": 750, "English": 750},
}
"""Those of the 1,500 items."""

_RIGHT_OR_WRONG = ("T3. Evidence-Grounded QA", "T11. Dialogue Memory & Long-Horizon Tracking")
_TOLERANCE = 1e-9
_OF_A_COUNT = 1e-6  # what a share of some thousand items, exact to 1e-9, may be off a whole number of them
_SUMMARY_TASK, _PASSED_SUMMARY = "T4.", 0.65
_T = TypeVar("_T")


@dataclass(frozen=True)
class Item:
    """One of the items, with the score of each run.

    Attributes:
        groups: Its group of each kind, as in `SIZES`.
        scores: A score a run; None for a failure, which counts as 0.
    """

    groups: Mapping[str, str]
    scores: tuple[float | None, ...]

    def best(self, runs: int) -> float:
        """Return the best score of the first runs."""
        return max(score or 0.0 for score in self.scores[:runs])

    def passed(self, runs: int) -> bool:
        """Return whether one of the first runs passed: the full score, or more than 0.65 of a summary."""
        best = self.best(runs)
        return best > _PASSED_SUMMARY if self.groups["primary_task"].startswith(_SUMMARY_TASK) else best == 1.0


def summarize(items: Sequence[Item], date: str) -> dict[str, Any]:
    """Return the official summary of a model's scores, key by key.

    pass@k and BoN-k are the published ones: of the first k runs, not the mean over all ways to draw k.

    Args:
        items: The items, all with the same number of runs.
        date: When they were scored, ISO 8601.

    Raises:
        ValueError: There are no items, their numbers of runs differ, or a score is not between 0 and 1.
    """
    runs = len(items[0].scores) if items else 0
    if not runs or any(len(item.scores) != runs for item in items):
        raise ValueError("items need the same number of runs, one or more")
    wrong = next((s for item in items for s in item.scores if s is not None and not 0 <= s <= 1), None)
    if wrong is not None:
        raise ValueError(f"a score of {wrong} is not between 0 and 1: a failure is None")
    mean_of_runs = [sum(score or 0.0 for score in item.scores) / runs for item in items]
    summary: dict[str, Any] = {
        "date": date,
        "total_questions_num": len(items),
        "inference_iterations": runs,
        "total_samples_num": len(items) * runs,
        "fail_samples_num": sum(score is None for item in items for score in item.scores),
        "inference_inconsistent_samples_num": 0,
        "average_overall_metric": _mean(mean_of_runs),
    }
    for run in range(runs):
        scores = [item.scores[run] or 0.0 for item in items]
        summary[f"inference_iteration_{run + 1}_overall_metric"] = _mean(scores)
    for kind in SIZES:
        summary[f"average_{kind}_metric"] = _by_group(items, kind, mean_of_runs)
    for k in range(1, runs + 1):
        best = [item.best(k) for item in items]
        summary[f"BoN-{k}"] = {"overall_metric": _mean(best)} | {kind: _by_group(items, kind, best) for kind in SIZES}
        summary[f"pass@{k}"] = _mean([float(item.passed(k)) for item in items])
    return summary


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _by_group(items: Sequence[Item], kind: str, values: Sequence[float]) -> dict[str, float]:
    return {group: _mean(found) for group, found in _grouped(items, kind, values).items()}


def _grouped(items: Sequence[Item], kind: str, values: Sequence[_T]) -> dict[str, list[_T]]:
    """Return the values of each group: those of `SIZES` in its order, then others as they come."""
    found: dict[str, list[_T]] = {}
    for item, value in zip(items, values, strict=True):
        found.setdefault(item.groups[kind], []).append(value)
    order = [group for group in SIZES[kind] if group in found] + [group for group in found if group not in SIZES[kind]]
    return {group: found[group] for group in order}


def sizes_of(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Return how many of some items each group has: the sizes by which to check the summary of a subset.

    >>> sizes_of([Item(dict.fromkeys(SIZES, "8k"), (1.0,))])["token_length"]
    {'8k': 1}
    """
    return {kind: {name: len(found) for name, found in _grouped(items, kind, items).items()} for kind in SIZES}


def check_summaries(path: Path, sizes: Sizes = SIZES) -> tuple[int, list[str]]:
    """Return how many summaries a file has, and every identity that one of them breaks, with the model's name.

    Args:
        path: JSON: one summary, or an object of many by name.
        sizes: How many items each group has.

    Raises:
        ConfigError: The file can't be read.
        DataError: It holds no summary.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})", "name a file of summaries") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"no JSON ({error})", "name a file of summaries", file=path) from None
    named = {path.stem: content} if isinstance(content, dict) and "average_overall_metric" in content else content
    if not isinstance(named, dict) or not named or not all(isinstance(one, dict) for one in named.values()):
        raise DataError("holds no summary", "one summary, or an object of many by name", file=path)
    return len(named), [f"{name}: {fault}" for name, one in named.items() for fault in faults_of_summary(one, sizes)]


def faults_of_summary(summary: Mapping[str, Any], sizes: Sizes = SIZES) -> list[str]:
    """Return the identities that a summary breaks, in words.

    Args:
        summary: The summary.
        sizes: How many items each group has; kinds of groups that it leaves out are not checked.
    """
    sizes = {kind: {group: size for group, size in of_kind.items() if size} for kind, of_kind in sizes.items()}
    try:
        read = _read(summary, sizes)
    except _NoSummaryError as error:
        return [f"it is no summary of LongBench Pro: {error}"]
    faults = list(_faults(read, sizes))
    for kind, of_kind in sizes.items():
        faults += _faults_of_groups(read, kind, of_kind)
    return faults


# ---------------------------------------------------------------------------------------------------------
# Reading: after it, all numbers are there and are shares


class _NoSummaryError(Exception):
    """A number is missing, or is none."""


@dataclass(frozen=True)
class _Level:
    """The average, or a BoN: over all items, and by group."""

    name: str
    overall: float
    by_kind: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class _Read:
    items: int
    samples: int
    failed: int
    runs: Sequence[float]
    average: _Level
    best: Sequence[_Level]
    passed: Sequence[float]

    @property
    def levels(self) -> Sequence[_Level]:
        return [self.average, *self.best]


def _read(summary: Mapping[str, Any], sizes: Sizes) -> _Read:
    items, runs, samples, failed = (
        _count(summary, key)
        for key in ("total_questions_num", "inference_iterations", "total_samples_num", "fail_samples_num")
    )
    if not items or not runs:
        raise _NoSummaryError("it has no items or no runs")
    average = _Level(
        "average",
        _share(summary, "average_overall_metric"),
        {kind: _shares(summary, f"average_{kind}_metric") for kind in sizes},
    )
    means, best, passed = [], [], []
    for k in range(1, runs + 1):
        means.append(_share(summary, f"inference_iteration_{k}_overall_metric"))
        level = _object(summary, f"BoN-{k}")
        by_kind = {kind: _shares(level, kind, f"BoN-{k} ") for kind in sizes}
        best.append(_Level(f"BoN-{k}", _share(level, "overall_metric", f"BoN-{k} "), by_kind))
        passed.append(_share(summary, f"pass@{k}"))
    return _Read(items, samples, failed, means, average, best, passed)


def _count(numbers: Mapping[str, Any], key: str) -> int:
    value = numbers.get(key)
    if type(value) is not int or value < 0:
        raise _NoSummaryError(f"{key} is {_shown(numbers, key)}, not a count")
    return value


def _share(numbers: Mapping[str, Any], key: str, place: str = "") -> float:
    value = numbers.get(key)
    # Written so that NaN, of which every comparison is false, is refused.
    if type(value) not in (int, float) or not -_TOLERANCE <= value <= 1 + _TOLERANCE:  # type: ignore[operator]
        raise _NoSummaryError(f"{place}{key} is {_shown(numbers, key)}, not a number from 0 to 1")
    return float(value)  # type: ignore[arg-type]


def _object(numbers: Mapping[str, Any], key: str, place: str = "") -> Mapping[str, Any]:
    value = numbers.get(key)
    if not isinstance(value, dict):
        raise _NoSummaryError(f"{place}{key} is {_shown(numbers, key)}, not an object")
    return value


def _shares(numbers: Mapping[str, Any], key: str, place: str = "") -> dict[str, float]:
    groups = _object(numbers, key, place)
    return {group: _share(groups, group, f"{place}{key} ") for group in groups}


def _shown(numbers: Mapping[str, Any], key: str) -> str:
    return repr(numbers[key])[:60] if key in numbers else "missing"


# ---------------------------------------------------------------------------------------------------------
# Checking


def _faults(read: _Read, sizes: Sizes) -> Iterator[str]:
    runs = len(read.runs)
    if read.samples != read.items * runs:
        yield f"{read.samples} samples are not {read.items} items x {runs} runs"
    if read.failed > read.samples:
        yield f"{read.failed} of {read.samples} samples failed"
    expected = sorted({sum(of_kind.values()) for of_kind in sizes.values()})
    if expected not in ([], [read.items]):
        yield f"{read.items} items, not {' or '.join(map(str, expected))}"
    yield from _unequal("the mean of the runs", math.fsum(read.runs) / runs, "the average", read.average.overall)
    yield from _unequal("BoN-1", read.best[0].overall, "run 1", read.runs[0])
    for k, (mean, level, share) in enumerate(zip(read.runs, read.best, read.passed, strict=True), 1):
        if level.overall < mean - _TOLERANCE:
            yield f"BoN-{k}, {level.overall:.6f}, is below run {k}, {mean:.6f}"
        if k > 1:
            before = read.best[k - 2]
            if level.overall < before.overall - _TOLERANCE:
                yield f"BoN-{k}, {level.overall:.6f}, is below BoN-{k - 1}, {before.overall:.6f}"
            if share < read.passed[k - 2] - _TOLERANCE:
                yield f"pass@{k}, {share:.6f}, is below pass@{k - 1}, {read.passed[k - 2]:.6f}"
        if _not_whole(share * read.items):
            yield f"pass@{k} is no share of {read.items} items: {share * read.items:.4f} of them"


def _faults_of_groups(read: _Read, kind: str, sizes: Mapping[str, int]) -> Iterator[str]:
    for level in read.levels:
        if set(level.by_kind[kind]) != set(sizes):
            yield f"{level.name} by {kind}: groups {sorted(level.by_kind[kind])}, not {sorted(sizes)}"
            return
    unequal = []
    for level in read.levels:
        together = math.fsum(sizes[group] * mean for group, mean in level.by_kind[kind].items()) / sum(sizes.values())
        if abs(together - level.overall) > _TOLERANCE:
            unequal.append(
                f"{level.name} by {kind}: the groups weighted by their sizes give {together:.6f}, and the overall is "
                f"{level.overall:.6f}"
            )
    other = _other_sizes(read, kind, sizes) if len(unequal) > 1 else None  # one alone is a changed number
    if other is None:
        yield from unequal
    else:
        yield (
            f"average and BoN by {kind}: the numbers fit another labelling of the items, with {_listed(other)}, "
            f"and not {_listed(sizes)}"
        )
    for before, level in zip(read.best, read.best[1:], strict=False):
        for group, mean in level.by_kind[kind].items():
            if mean < before.by_kind[kind][group] - _TOLERANCE:
                yield f"{level.name} by {kind}: {group} is below {before.name}"
    if kind == "primary_task":
        yield from _faults_of_right_or_wrong(read, sizes)


def _faults_of_right_or_wrong(read: _Read, sizes: Mapping[str, int]) -> Iterator[str]:
    for task in _RIGHT_OR_WRONG:
        for level in read.levels if task in sizes else ():
            count = sizes[task] * (len(read.runs) if level is read.average else 1)
            right = level.by_kind["primary_task"][task] * count
            if _not_whole(right):
                yield f"{level.name} of {task}: answers are right or wrong, and {right:.4f} of {count} are right"


def _other_sizes(read: _Read, kind: str, sizes: Mapping[str, int]) -> dict[str, int] | None:
    """Return the only whole sizes by which the groups' means give the overall ones; None where there are none.

    Every level is a linear equation in the sizes, and their sum is one more: five in three runs, enough for the four
    groups of difficulty, and too few for lengths and tasks.
    """
    import numpy as np

    rows = [[1.0] * len(sizes), *([level.by_kind[kind][group] for group in sizes] for level in read.levels)]
    totals = np.array([1.0, *(level.overall for level in read.levels)])
    if len(rows) <= len(sizes):
        return None
    matrix = np.array(rows)
    shares, _, rank, _ = np.linalg.lstsq(matrix, totals, rcond=None)
    counts = np.rint(shares * read.items)
    off = np.abs(matrix @ (counts / read.items) - totals).max()
    if rank < len(sizes) or off > _TOLERANCE or counts.min() < 1:
        return None
    return {group: int(count) for group, count in zip(sizes, counts, strict=True)}


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{group} {size}" for group, size in sizes.items())


def _unequal(one: str, first: float, other: str, second: float) -> Sequence[str]:
    return [f"{one}, {first:.6f}, is not {other}, {second:.6f}"] if abs(first - second) > _TOLERANCE else []


def _not_whole(number: float) -> bool:
    return abs(number - round(number)) > _OF_A_COUNT
