"""LongBench Pro's official summary: made from scores, and checked by the identities that its aggregation has.

    golong report RUN --export longbench-pro
    golong tasks verify longbench_pro --summaries FILE

Source: LongBench Pro (arXiv 2601.02872), its summaries of 80 models; the identities are worked out in
``docs/benchmarks/longbench_pro.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golong_eval.errors import ConfigError, DataError

__all__ = ["SIZES", "Item", "check_summaries", "faults_of_summary", "summarize"]

SIZES: dict[str, dict[str, int]] = {
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
"""How many of the 1,500 items each group has."""

_RIGHT_OR_WRONG = ("T3. Evidence-Grounded QA", "T11. Dialogue Memory & Long-Horizon Tracking")
_TOLERANCE = 1e-9
_SUMMARY_TASK, _PASSED_SUMMARY = "T4.", 0.65


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
        ValueError: There are no items, or their numbers of runs differ.
    """
    runs = len(items[0].scores) if items else 0
    if not runs or any(len(item.scores) != runs for item in items):
        raise ValueError("items need the same number of runs, one or more")
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
    found: dict[str, list[float]] = {}
    for item, value in zip(items, values, strict=True):
        found.setdefault(item.groups[kind], []).append(value)
    order = [group for group in SIZES[kind] if group in found] + [group for group in found if group not in SIZES[kind]]
    return {group: _mean(found[group]) for group in order}


def check_summaries(path: Path, sizes: Mapping[str, Mapping[str, int]] = SIZES) -> tuple[int, list[str]]:
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
    except ValueError as error:
        raise DataError(f"no JSON ({error})", "name a file of summaries", file=path) from None
    named = {path.stem: content} if isinstance(content, dict) and "average_overall_metric" in content else content
    if not isinstance(named, dict) or not named or not all(isinstance(one, dict) for one in named.values()):
        raise DataError("holds no summary", "one summary, or an object of many by name", file=path)
    return len(named), [f"{name}: {fault}" for name, one in named.items() for fault in faults_of_summary(one, sizes)]


def faults_of_summary(summary: Mapping[str, Any], sizes: Mapping[str, Mapping[str, int]] = SIZES) -> list[str]:
    """Return the identities that a summary breaks, in words.

    Args:
        summary: The summary.
        sizes: How many items each group has.
    """
    try:
        return list(_faults(summary, sizes))
    except (KeyError, TypeError) as error:
        return [f"it is no summary of LongBench Pro: {error!r} is missing or no number"]


def _faults(summary: Mapping[str, Any], sizes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    items, runs = summary["total_questions_num"], summary["inference_iterations"]
    if summary["total_samples_num"] != items * runs:
        yield f"{summary['total_samples_num']} samples are not {items} items x {runs} runs"
    expected = sum(sizes["language"].values())
    if items != expected:
        yield f"{items} items, not {expected}"
    overall = summary["average_overall_metric"]
    means = [summary[f"inference_iteration_{run}_overall_metric"] for run in range(1, runs + 1)]
    yield from _unequal("the mean of the runs", sum(means) / runs, "the average", overall)
    yield from _weighted("average", overall, lambda kind: summary[f"average_{kind}_metric"], sizes)
    before = None
    for k in range(1, runs + 1):
        best = summary[f"BoN-{k}"]
        yield from _weighted(f"BoN-{k}", best["overall_metric"], best.__getitem__, sizes)
        if before is not None and best["overall_metric"] < before - _TOLERANCE:
            yield f"BoN-{k} is below BoN-{k - 1}"
        before = best["overall_metric"]
        passes = summary[f"pass@{k}"] * items
        if abs(passes - round(passes)) > 1e-6:
            yield f"pass@{k} is no share of {items} items: {passes:.4f} of them"
    yield from _unequal("BoN-1", summary["BoN-1"]["overall_metric"], "run 1", means[0])
    for task in _RIGHT_OR_WRONG:
        count = sizes["primary_task"][task] * runs
        right = summary["average_primary_task_metric"][task] * count
        if abs(right - round(right)) > 1e-6:
            yield f"{task} has answers that are right or wrong, and {right:.4f} of {count} are right"


def _weighted(
    name: str, overall: float, groups_of: Callable[[str], Mapping[str, float]], sizes: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    for kind, of_kind in sizes.items():
        groups = groups_of(kind)
        if set(groups) != set(of_kind):
            yield f"{name} by {kind}: groups {sorted(groups)}, not {sorted(of_kind)}"
            continue
        total = sum(of_kind.values())
        together = sum(of_kind[group] * value for group, value in groups.items()) / total
        if abs(together - overall) > _TOLERANCE:
            yield (
                f"{name} by {kind}: the groups weighted by their sizes give {together:.6f}, and the overall is "
                f"{overall:.6f}: the items were grouped by another labelling"
            )


def _unequal(one: str, first: float, other: str, second: float) -> Iterable[str]:
    return [f"{one}, {first:.6f}, is not {other}, {second:.6f}"] if abs(first - second) > _TOLERANCE else []
