"""What a reader of a comparison must know: all that differs beside the model, and what weakens it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from golong_eval.harness.comparison.comparability import MODEL, differences
from golong_eval.harness.comparison.compared_run import ComparedRun
from golong_eval.harness.comparison.pairing import Matched
from golong_eval.harness.comparison.results import Caution, TaskComparison
from golong_eval.harness.results import TaskResult

__all__ = ["run_cautions", "sample_cautions", "task_cautions", "tokenizer_cautions"]

# What an engine says of itself that belongs to the model, to the settings, or to how fast it is.
_NOT_THE_ENGINE = (
    frozenset({"name", "script", "delay", "fail", "truncate", "tokenizer", "body", "lora", "hf_overrides"})
    | {"parameters", "revision", "max_length", "checkpoint", "served_model"}
    | {"base_urls", "client", "workers", "data_parallel"}
)
_SCORING_PACKAGES = ("math-verify", "sympy", "rapidfuzz", "jieba")
_LOCAL_ENGINES, _LOCAL_PACKAGES = ("vllm", "transformers", "ray"), ("tokenizers",)  # the engines tell of the others
_POINT = 0.01
_EXAMPLES = 3


def run_cautions(baseline: ComparedRun, other: ComparedRun, labels: tuple[str, str]) -> list[Caution]:
    """Return what a reader must know of two runs as wholes, beside their model and what was allowed.

    Args:
        baseline: One run.
        other: The other.
        labels: What they are called.
    """
    told = [
        Caution(about=about, message=f"the runs differ in {about} ({_value(one)}, {_value(two)})")
        for about, (one, two) in differences(baseline, other).items()
        if about not in (*MODEL, "context", "context-policy")
    ]
    told += _engine_cautions(baseline, other)
    written_by = [_either(run.settings.get("golong_eval"), run.results.golong_eval) for run in (baseline, other)]
    if written_by[0] != written_by[1]:
        told.append(
            Caution(
                about="golong version", message=f"the runs differ in golong version ({written_by[0]}, {written_by[1]})"
            )
        )
    for run, label in zip((baseline, other), labels, strict=True):
        if run.results.stopped is not None:
            told.append(Caution(about="stopped", message=f"{label} ended early: {run.results.stopped}"))
        if run.results.shard is not None:
            told.append(Caution(about="shard", message=f"{label} is part {run.results.shard} of a run"))
    told += _budget_cautions(baseline, other)
    return told


def task_cautions(first: TaskResult, second: TaskResult, labels: tuple[str, str]) -> Iterator[Caution]:
    """Yield what a reader must know of a task's two rows: rates that are more than a point apart."""
    rates = {
        "coverage": ("answers with a score", first.coverage, second.coverage),
        "cap hit": ("answers that ended at their token cap", first.cap_hit_rate, second.cap_hit_rate),
        "cut": ("prompts with cut documents", first.context_cut_rate, second.context_cut_rate),
    }
    for about, (what, one, two) in rates.items():
        if one is not None and two is not None and abs(one - two) > _POINT + 1e-9:
            yield Caution(
                task=first.task,
                about=about,
                message=f"{first.task}: {what}: {_percent(one)} ({labels[0]}), {_percent(two)} ({labels[1]})",
            )


def _engine_cautions(baseline: ComparedRun, other: ComparedRun) -> Iterator[Caution]:
    if baseline.settings.get("engine") == other.settings.get("engine"):
        first, second = _described(baseline), _described(other)
        for key in sorted(first.keys() & second.keys()):
            if first[key] != second[key]:
                yield Caution(about=f"engine {key}", message=f"engine's {key} differs ({first[key]}, {second[key]})")
    local = all(run.settings.get("engine") in _LOCAL_ENGINES for run in (baseline, other))
    for name in (*_SCORING_PACKAGES, *(_LOCAL_PACKAGES if local else ())):
        one, two = _package(baseline, name), _package(other, name)
        if one != two and one and two:
            yield Caution(about=name, message=f"version of {name} differs ({one}, {two})")


def _described(run: ComparedRun) -> dict[str, str]:
    """Return what the engine said of itself; two values of one key, from two sessions, as ``A, then B``."""
    found: dict[str, dict[str, None]] = {}
    for session in run.sessions:
        for key, value in (session.get("engine") or {}).items():
            if key not in _NOT_THE_ENGINE:
                found.setdefault(key, {})[_value(value)] = None
    return {key: ", then ".join(values) for key, values in found.items()}


def _package(run: ComparedRun, name: str) -> str:
    versions = [(session.get("packages") or {}).get(name) for session in run.sessions]
    return ", then ".join(dict.fromkeys(str(version) for version in versions if version is not None))


def _budget_cautions(baseline: ComparedRun, other: ComparedRun) -> Iterator[Caution]:
    """Yield the tasks whose own answer budgets differ, where those were used."""
    if any(run.settings.get("max_tokens") is not None for run in (baseline, other)):
        return
    one, two = _budgets(baseline), _budgets(other)
    for task in one:
        if one[task] != two.get(task, one[task]):
            yield Caution(
                task=task, about="answer budget", message=f"{task}: answer budget differs ({one[task]}, {two[task]})"
            )


def _budgets(run: ComparedRun) -> dict[str, str]:
    identities = run.settings.get("task_identities") or {}
    return {
        row.task: str(identities[row.task]).rpartition(" ")[2] for row in run.results.tasks if row.task in identities
    }


def _either(asked_by: object, scored_by: str) -> str:
    return scored_by if asked_by in (None, scored_by) else f"{asked_by}, scored by {scored_by}"


def _value(value: object) -> str:
    return "none" if value is None else str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"


def sample_cautions(
    row: TaskComparison, found: Matched, runs: tuple[ComparedRun, ComparedRun], labels: tuple[str, str]
) -> Iterator[Caution]:
    """Yield what a reader must know of the samples of a task: which were left out, and which failed."""
    first, second = (run.results[row.task].data_revision for run in runs)
    counts = zip((row.only_baseline, row.only_other), labels, strict=True)
    apart = [f"{count} only in {label}" for count, label in counts if count]
    if apart:
        yield Caution(
            task=row.task,
            about="samples",
            message=f"{row.task}: {', '.join(apart)}; compared are the {row.n} that both have",
        )
    if row.other_content:
        shown = ", ".join(row.other_content[:_EXAMPLES]) + (", ..." if len(row.other_content) > _EXAMPLES else "")
        yield Caution(
            task=row.task,
            about="content",
            message=f"{row.task}: {len(row.other_content)} samples have the same id and other content, and are left "
            f"out: {shown}",
        )
    if first != second and not apart and not row.other_content:
        yield Caution(
            task=row.task,
            about="data revision",
            message=f"{row.task}: data revision differs ({first}, {second}): order or notes, no question or gold",
        )
    if found.other_clusters:
        yield Caution(
            task=row.task,
            about="clusters",
            message=f"{row.task}: {found.other_clusters} samples lie in other clusters; the first run's are used",
        )
    for count, label in ((row.baseline_failures, labels[0]), (row.other_failures, labels[1])):
        if count:
            answers = "1 answer" if count == 1 else f"{count} answers"
            yield Caution(
                task=row.task,
                about="failures",
                message=f"{row.task}: {answers} of {label} to these samples without a score, counted as 0",
            )


def tokenizer_cautions(matched: Iterable[Matched]) -> Iterator[Caution]:
    """Yield the pairs of tokenizers that counted the same prompts."""
    counted = Counter(
        (one.tokenizer, two.tokenizer)
        for found in matched
        for one, two in zip(found.first, found.second, strict=True)
        if one.tokenizer and two.tokenizer and one.tokenizer != two.tokenizer
    )
    for (one, two), count in counted.items():
        yield Caution(
            about="lengths", message=f"the lengths of {count} prompts were counted by other tokenizers ({one}, {two})"
        )
