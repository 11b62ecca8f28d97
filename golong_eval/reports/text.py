"""Tables for a terminal: the same text on a terminal, in a file and in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from golong_eval.engines import ENGINES
from golong_eval.errors import UnknownNameError
from golong_eval.harness import FROM_A_FILE, Results, TaskResult
from golong_eval.reports.table import table
from golong_eval.schema import Language
from golong_eval.tasks import BUILDERS, BuildReport, Catalogue

__all__ = ["build_text", "catalogue_text", "results_text", "several_text", "task_text"]

_SHOWN = 10  # lines of a long list
_FAILURES, _REASON = 20, 100  # kinds of failure, and characters of a reason
_NOTES = {
    "one cluster": "no interval: all answers share one document or context",
    "all equal": "no interval: all clusters have the same mean, so resampling them can't tell",
}


def results_text(results: Results) -> str:
    """Return the table of a run, with what a reader must know below it."""
    rows = [
        (
            row.task,
            row.name,
            row.metric,
            str(row.n),
            _percent(row.coverage),
            _score(row.mean),
            _interval(row),
            _score(row.chance),
            _percent(row.cap_hit_rate),
            _percent(row.context_cut_rate),
        )
        for row in results.tasks
    ]
    header = ("task", "", "metric", "n", "coverage", "mean", "95 % interval", "chance", "cap hit", "cut")
    lines = [
        f"{results.model} ({results.engine}), context {results.context}, {results.started}",
        "",
        *table(header, rows, right=range(3, 10)),
        "",
        *_notes(results),
        *_failures(results),
        f"{'responses' if results.engine == FROM_A_FILE else 'run folder'}: {results.run}",
    ]
    return "\n".join(lines)


def catalogue_text(catalogue: Catalogue) -> str:
    """Return the list of tasks."""
    header = ("task", "", "capability", "metric", "samples come from")
    rows = [
        (
            spec.id,
            spec.name,
            spec.capability,
            str(spec.metric),
            "documents" if spec.id in BUILDERS else "its examples, or a file",
        )
        for spec in catalogue.specs.values()
    ]
    return "\n".join(table(header, rows, right=range(0)))


def task_text(catalogue: Catalogue, name: str, language: str = "en") -> str:
    """Return a task in full: its prompt and one worked sample.

    Raises:
        UnknownNameError: The task or the language is unknown.
    """
    spec = catalogue.get(name)
    if language not in ("en", "zh"):
        raise UnknownNameError("language", language, ("en", "zh"))
    chosen: Language = "zh" if language == "zh" else "en"
    examples = [example for example in catalogue.examples(name) if example.sample.metadata.language == chosen]
    lines = [
        f"{spec.id}  {spec.name}",
        f"capability     {spec.capability}",
        f"metric         {spec.metric}",
        f"version        {spec.version}, prompt {spec.prompt_hash}",
        f"answer budget  {spec.max_tokens} tokens",
    ]
    if not examples:
        return "\n".join(
            [*lines, "", f"no worked sample in {language}; the prompt:", "", spec.prompt_template.get(chosen)]
        )
    example = examples[0]
    lines += ["", "── prompt ──", spec.prompt(example.sample).text]
    lines += ["", "── gold ──", example.sample.gold.model_dump_json()]
    lines += ["", "── a right answer ──", example.right[0], "", "── a wrong answer ──", example.wrong[0]]
    return "\n".join(lines)


def build_text(report: BuildReport, out: str) -> str:
    """Return what a build made, dropped and skipped."""
    header = ("task", "made", "wanted", "fill", "candidates dropped")
    rows = [
        (
            task.task,
            str(task.made),
            str(task.wanted),
            _percent(task.fill),
            "; ".join([f"{count} {reason}" for reason, count in list(task.dropped.items())[:3]]) or "none",
        )
        for task in report.tasks
    ]
    lines = [
        *table(header, rows, right=range(1, 4)),
        "",
        f"{report.documents}: {report.documents_read:,} documents read, {report.contexts} contexts of at most "
        f"{report.length:,} tokens by {report.tokenizer}; {report.prompt_tokens:,} prompt tokens in all",
    ]
    lines += [f"{task}: only {reason}" for task, reason in report.shortfalls().items()]
    if report.skipped:
        lines.append(f"{len(report.skipped)} files skipped:")
        lines += [f"  {name}: {reason}" for name, reason in list(report.skipped.items())[:_SHOWN]]
        if len(report.skipped) > _SHOWN:
            lines.append(f"  and {len(report.skipped) - _SHOWN} more, all in {out}.report.json")
    if report.other_suffixes:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in list(report.other_suffixes.items())[:_SHOWN])
        lines.append(f"left alone, by suffix: {kinds}")
    return "\n".join([*lines, f"wrote {out}"])


def several_text(runs: Sequence[Results]) -> str:
    """Return one table for several runs: a row a task, a column a checkpoint, means with their intervals."""
    names = [results.model for results in runs]
    heads = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]
    tasks = dict.fromkeys(row.task for results in runs for row in results.tasks)
    rows = []
    for task in tasks:
        found = [next((row for row in results.tasks if row.task == task), None) for results in runs]
        metric = next(row.metric for row in found if row is not None)
        rows.append((task, metric, *("–" if row is None else _mean_interval(row) for row in found)))
    lines = [*table(("task", "metric", *heads), rows, right=range(2, 2 + len(runs))), ""]
    revisions = [
        task for task in tasks if len({row.data_revision for run in runs for row in run.tasks if row.task == task}) > 1
    ]
    if revisions:
        lines.append(f"{', '.join(revisions)}: the checkpoints answered different samples; do not compare")
    for head, results in zip(heads, runs, strict=True):
        failures = f", {results.failures} answers without a score (counted as 0)" if results.failures else ""
        lines.append(f"{head}: {results.run}{failures}")
    return "\n".join(lines)


def _mean_interval(row: TaskResult) -> str:
    return _score(row.mean) + ("" if row.low is None or row.high is None else f" ({row.low:.3f} – {row.high:.3f})")


def _notes(results: Results) -> list[str]:
    notes = []
    for method, text in _NOTES.items():
        tasks = [row.task for row in results.tasks if row.interval == method and row.scored]
        if tasks:
            notes.append(f"{', '.join(tasks)}: {text}")
    for row in results.tasks:
        if row.scored < row.n:
            failed = ", ".join(
                f"{count} {status}" for status, count in row.statuses.items() if status.endswith(("_error", "_length"))
            )
            notes.append(
                f"{row.task}: {row.n - row.scored} of {row.n} answers have no score ({failed}): mean "
                f"{_score(row.mean)} counts them as 0, {_score(row.mean_scored)} leaves them out"
            )
    empty = [row.task for row in results.tasks if row.statuses.get("empty", 0) > 0.1 * row.n]
    if empty:
        notes.append(f"{', '.join(empty)}: more than 10 % of answers are empty, which scores 0")
    capped = [row.task for row in results.tasks if (row.cap_hit_rate or 0) > 0.1]
    if capped:
        notes.append(f"{', '.join(capped)}: more than 10 % of answers ended at their token cap; see --max-tokens")
    cut = [row.task for row in results.tasks if row.context_cut_rate]
    if cut:
        notes.append(f"{', '.join(cut)}: documents were cut in the middle to fit the model")
    notes += [f"{task}: {reason}" for task, reason in results.dropped.items()]
    if results.stopped is not None:
        notes.append(f"{results.stopped}; raise it and add --resume to go on")
    if results.shard is not None:
        notes.append(f"part {results.shard} of a run: golong merge puts the parts together")
    notes += _usage_notes(results)
    if results.model == "embedded":
        notes.append("the embedded checkpoint is untrained: its scores show that the harness works, nothing else")
    return notes


def _usage_notes(results: Results) -> list[str]:
    used = results.usage
    if results.engine == "scripted" or not (used.prompt_tokens or used.completion_tokens or used.from_cache):
        return []  # a script counts characters
    prompts = f"{used.prompt_tokens:,} of prompts"
    if used.cached_tokens:
        prompts += f" ({100 * used.cached_tokens / used.prompt_tokens:.0f} % from a prefix cache)"
    kept = f"; {used.from_cache} answers from the response cache" if used.from_cache else ""
    return [f"tokens: {prompts}, {used.completion_tokens:,} of answers{kept}"]


def _failures(results: Results) -> list[str]:
    """Return a table of what failed, and how often."""
    if not results.failed:
        return []
    rows = [
        (failure.task, str(failure.count), failure.status, failure.example, failure.reason[:_REASON])
        for failure in results.failed[:_FAILURES]
    ]
    more = len(results.failed) - _FAILURES
    return [
        "",
        *table(("task", "failed", "status", "for instance", "reason"), rows, right=range(1, 2)),
        *([f"and {more} more kinds of failure, all in results.json"] if more > 0 else []),
        *(["--resume asks for these again"] if results.engine in ENGINES and results.to_ask_again else []),
    ]


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _interval(row: TaskResult) -> str:
    return "–" if row.low is None or row.high is None else f"{row.low:.3f} – {row.high:.3f}"
