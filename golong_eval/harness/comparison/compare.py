"""`compare_runs`: runs beside a baseline, sample by sample, task by task.

runs -> samples of the same id and content -> paired test of each task -> Holm over all of them
"""

from __future__ import annotations

import heapq
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from golong_eval import __version__
from golong_eval.errors import ConfigError, DataError
from golong_eval.harness.comparison.cautions import run_cautions, sample_cautions, task_cautions, tokenizer_cautions
from golong_eval.harness.comparison.comparability import check_allowances, differences, mismatches
from golong_eval.harness.comparison.compared_run import ComparedRun, ComparedSample, read_compared
from golong_eval.harness.comparison.pairing import Matched, compare_task, match, paired, sample_pair
from golong_eval.harness.comparison.results import (
    Caution,
    Comparison,
    Mismatch,
    Refused,
    RunComparison,
    RunFacts,
    SamplePair,
)
from golong_eval.statistics import holm

__all__ = ["compare_runs"]

_ALPHA = 0.05
_EXAMPLES = 3
_EQUAL = 1e-12


def compare_runs(
    paths: Sequence[Path | str],
    *,
    variant: str | None = None,
    allow: Collection[str] = (),
    power: float = 0.8,
    seed: int = 0,
    show: int = 5,
    pairs: bool = False,
) -> Comparison:
    """Compare runs with the first of them, over the samples that they share.

    Samples are shared where id and content agree; the scores of a sample are averaged over a run's repeats, failures
    as 0. Each task is tested by flipping the signs of whole clusters, and Holm's method adjusts over all tasks and
    runs of the call. A task whose metric, version, prompt, context mode or context policy differs is refused, unless
    the difference is allowed; a different metric never is.

    Args:
        paths: The folders of two runs or more; the first is the baseline.
        variant: Which scores: the runs' own, or ``official``, ``strict`` or ``custom``, which ``golong score`` writes.
        allow: Differences to allow: of ``version``, ``prompt``, ``context``, ``context-policy``.
        power: Chance to find the minimum detectable difference, in (0, 1).
        seed: Seed of the resampling.
        show: Samples to list with the largest gains, and with the largest losses.
        pairs: Keep every pair of scores.

    Raises:
        ConfigError: There are fewer than two runs, one stands twice, or two share no task; or an argument is unknown.
        DataError: A folder holds no run or a damaged one, or nothing in two runs compares: says why.
    """
    allowed = check_allowances(allow)
    if not 0 < power < 1:
        raise ConfigError(f"a power of {power} is none", "give a chance between 0 and 1, such as 0.8")
    folders = [Path(path) for path in paths]
    _check_folders(folders)
    baseline, *others = [read_compared(folder, variant) for folder in folders]
    labels = _labels([baseline, *others])
    found = [
        _compare(baseline, other, (labels[0], label), allowed, power=power, seed=seed, show=show, pairs=pairs)
        for other, label in zip(others, labels[1:], strict=True)
    ]
    tested = [(place, row.task, row.p_value) for place, one in enumerate(found) for row in one.tasks]
    with_p = [(place, task, p) for place, task, p in tested if p is not None]
    adjusted = {(place, task): p for (place, task, _), p in zip(with_p, holm([p for *_, p in with_p]), strict=True)}
    return Comparison(
        golong_eval=__version__,
        baseline=_facts(baseline, labels[0]),
        comparisons=tuple(_with_holm(one, place, adjusted) for place, one in enumerate(found)),
        family=len(with_p),
        alpha=_ALPHA,
        power=power,
        seed=seed,
    )


def _check_folders(folders: Sequence[Path]) -> None:
    if len(folders) < 2:
        raise ConfigError(
            "one run alone can't be compared" if folders else "no runs are named", "golong compare RUN_A RUN_B"
        )
    seen: dict[Path, Path] = {}
    for folder in folders:
        if (before := seen.setdefault(folder.resolve(), folder)) is not folder:
            also = "" if before == folder else f", also as {before}"
            raise ConfigError(f"{folder} is named twice{also}", "name two different runs")


def _labels(runs: Sequence[ComparedRun]) -> list[str]:
    """Return names that tell runs apart: their models, with the context or else the place where models are alike."""
    models = [run.results.model for run in runs]
    with_context = [f"{run.results.model}, context {run.results.context}" for run in runs]
    return [
        model if models.count(model) == 1 else longer if with_context.count(longer) == 1 else f"{model} ({place})"
        for place, (model, longer) in enumerate(zip(models, with_context, strict=True), 1)
    ]


def _facts(run: ComparedRun, label: str) -> RunFacts:
    results = run.results
    return RunFacts(
        label=label,
        path=str(run.path),
        model=results.model,
        engine=results.engine,
        context=results.context,
        started=results.started,
    )


def _compare(
    baseline: ComparedRun,
    other: ComparedRun,
    labels: tuple[str, str],
    allowed: frozenset[str],
    *,
    power: float,
    seed: int,
    show: int,
    pairs: bool,
) -> RunComparison:
    tasks = [row.task for row in baseline.results.tasks if row.task in other.samples]
    if not tasks:
        raise ConfigError(
            f"{other.path} ({', '.join(other.samples)}) shares no task with {baseline.path} "
            f"({', '.join(baseline.samples)})",
            "compare runs of the same tasks",
        )
    cautions = run_cautions(baseline, other, labels)
    refused: list[Refused] = []
    matched: dict[str, Matched] = {}
    waived: dict[str, tuple[Mismatch, list[str]]] = {}
    for task in tasks:
        wrong = mismatches(baseline, other, task)
        barred = [mismatch for mismatch in wrong if mismatch.about not in allowed]
        if barred:
            refused.append(_refusal(task, barred, (baseline, other)))
            continue
        found = match(baseline.samples[task], other.samples[task])
        if not found.ids:
            refused.append(_nothing_shared(task, found, baseline.samples[task], other.samples[task]))
            continue
        matched[task] = found
        for mismatch in wrong:
            waived.setdefault(mismatch.message, (mismatch, []))[1].append(task)
    if not matched:
        raise _nothing_left(baseline, other, refused)
    for mismatch, where in waived.values():
        told = mismatch.message if mismatch.about.startswith("context") else f"{', '.join(where)}: {mismatch.message}"
        cautions.append(Caution(about=mismatch.about, message=f"{told}: compared because that was allowed"))
    rows = [
        compare_task(baseline.results[task], found, power=power, seed=seed, pairs=pairs)
        for task, found in matched.items()
    ]
    for row in rows:
        cautions += task_cautions(baseline.results[row.task], other.results[row.task], labels)
        cautions += sample_cautions(row, matched[row.task], (baseline, other), labels)
    cautions += tokenizer_cautions(matched.values())
    gains, losses = _extremes(matched, (baseline, other), show)
    return RunComparison(
        run=_facts(other, labels[1]),
        differ_in=tuple(differences(baseline, other)),
        tasks=tuple(rows),
        average=paired(list(matched.values()), power=power, seed=seed) if len(matched) > 1 else None,
        refused=tuple(refused),
        only_baseline=tuple(task for task in baseline.samples if task not in other.samples),
        only_other=tuple(task for task in other.samples if task not in baseline.samples),
        cautions=tuple(cautions),
        gains=gains,
        losses=losses,
    )


def _with_holm(comparison: RunComparison, place: int, adjusted: Mapping[tuple[int, str], float]) -> RunComparison:
    tasks = []
    for row in comparison.tasks:
        p = adjusted.get((place, row.task))
        tasks.append(row.model_copy(update={"p_holm": p, "significant": None if p is None else p < _ALPHA}))
    return comparison.model_copy(update={"tasks": tuple(tasks)})


def _refusal(task: str, barred: Sequence[Mismatch], runs: tuple[ComparedRun, ComparedRun]) -> Refused:
    hints = []
    about = [mismatch.about for mismatch in barred]
    if "metric" in about:
        first, second = (shlex.quote(str(run.path)) for run in runs)
        hints.append(f"score both by one metric: golong score {first} --variant official; the same for {second}; "
                     "then golong compare ... --variant official")  # fmt: skip
    waivable = [name for name in about if name != "metric"]
    if waivable:
        hints.append(f"to compare all the same, add --allow {','.join(waivable)}")
    return Refused(
        task=task,
        mismatches=tuple(barred),
        reason="; ".join(mismatch.message for mismatch in barred),
        hint="; ".join(hints),
    )


def _nothing_shared(
    task: str, found: Matched, first: Mapping[str, ComparedSample], second: Mapping[str, ComparedSample]
) -> Refused:
    if found.other_content:
        why = f"{len(found.other_content)} have the same id and other content, for instance {found.other_content[0]}"
    else:
        why = f"for instance {next(iter(first), 'none')} in the first and {next(iter(second), 'none')} in the second"
    return Refused(
        task=task,
        reason=f"the runs share no sample ({why})",
        hint="run both on the same samples: the same --tasks FILE, or the same --documents, --length, --tokenizer, "
        "--limit and --seed",
    )


def _nothing_left(baseline: ComparedRun, other: ComparedRun, refused: Sequence[Refused]) -> DataError:
    """Return the error for two runs of which nothing compares: the reasons, each once, with the tasks."""
    tasks: dict[str, list[str]] = {}
    for one in refused:
        tasks.setdefault(one.reason, []).append(one.task)
    reasons = [f"{', '.join(where)}: {reason}" for reason, where in list(tasks.items())[:_EXAMPLES]]
    more = f"; and {len(tasks) - _EXAMPLES} more" if len(tasks) > _EXAMPLES else ""
    return DataError(
        f"nothing in {other.path} compares with {baseline.path}: {'; '.join(reasons)}{more}", refused[0].hint
    )


def _extremes(
    matched: Mapping[str, Matched], runs: tuple[ComparedRun, ComparedRun], show: int
) -> tuple[tuple[SamplePair, ...], tuple[SamplePair, ...]]:
    """Return the pairs with the largest gains and losses; of equal ones, some of every task."""
    gains: list[tuple[float, int, int, str]] = []
    losses: list[tuple[float, int, int, str]] = []
    for order, (task, found) in enumerate(matched.items()):
        for rank, (one, two) in enumerate(zip(found.first, found.second, strict=True)):
            difference = two.score - one.score
            if abs(difference) > _EQUAL:
                (gains if difference > 0 else losses).append((-abs(difference), rank, order, task))
    first, second = (
        tuple(
            _placed(sample_pair(task, matched[task], rank), runs) for _, rank, _, task in heapq.nsmallest(show, found)
        )
        for found in (gains, losses)
    )
    return first, second


def _placed(pair: SamplePair, runs: tuple[ComparedRun, ComparedRun]) -> SamplePair:
    first, second = (_where(run, pair.sample) for run in runs)
    return pair.model_copy(update={"baseline_at": first, "other_at": second})


def _where(run: ComparedRun, sample: str) -> str:
    """Return where the answer stands beside the score that was compared: each kind of scores has its own report."""
    report = run.path / ("report.html" if run.label is None else f"report.{run.label}.html")
    if report.is_file():
        return f"{report}#sample={quote(sample, safe='')}&repeat=0"
    variant = "" if run.label is None else f" --variant {run.label}"
    return f"golong samples {shlex.quote(str(run.path))}{variant} --id {shlex.quote(sample)}"
