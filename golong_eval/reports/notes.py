"""What a reader of a table of results must know, in words: how sure it is, what is missing and what was cut."""

from __future__ import annotations

from golong_eval.harness import Results
from golong_eval.reports.numbers import score, score_with_ends
from golong_eval.reports.terminal import shown_line

__all__ = ["METHODS", "results_notes"]

METHODS = {
    "fewer than 10 scores": "no interval: fewer than 10 answers don't tell how scores spread",
    "one cluster": "no interval: all answers share one document or context",
    "fewer than 5 clusters": "no interval: the answers share fewer than 5 documents or contexts",
    "few clusters hold most": "no interval: a few documents or contexts hold most of the answers, or those of a task",
    "all equal": "no interval: all clusters have the same mean, so resampling them can't tell",
    "wilson over clusters": "all scores are 0, or all 1: the interval is Wilson's, each document or context one trial",
}
"""Methods of an interval that a reader must know of; ``bootstrap-t`` and ``wilson`` are the usual ones."""

_MANY = 0.1  # share of answers from which something is told
_REASON = 200  # characters of a reason


def results_notes(results: Results) -> list[str]:
    """Return what a reader of a table of results must know, one line each."""
    notes = _interval_notes(results)
    for row in results.tasks:
        if row.scored < row.n:
            failed = ", ".join(
                f"{count} {status}" for status, count in row.statuses.items() if status.endswith(("_error", "_length"))
            )
            without = score_with_ends(row.mean_scored, row.scored_low, row.scored_high)
            notes.append(
                f"{row.task}: {row.n - row.scored} of {row.n} answers have no score ({failed}): mean "
                f"{score(row.mean)} counts them as 0, {without} leaves them out"
            )
    empty = [row.task for row in results.tasks if row.statuses.get("empty", 0) > _MANY * row.n]
    if empty:
        notes.append(f"{_named(results, empty)}: more than 10 % of answers are empty, which scores 0")
    capped = [row.task for row in results.tasks if (row.cap_hit_rate or 0) > _MANY]
    if capped:
        notes.append(f"{_named(results, capped)}: more than 10 % of answers ended at their token cap; see --max-tokens")
    if any(row.cap_hit_rate for row in results.tasks):
        notes.append("finished: mean of the answers with a score that did not end at their token cap")
    cut = [row.task for row in results.tasks if row.context_cut_rate]
    if cut:
        notes.append(f"{_named(results, cut)}: documents were cut in the middle to fit the model")
    notes += [f"{task}: {shown_line(reason, _REASON)}" for task, reason in results.dropped.items()]
    if results.stopped is not None:
        notes.append(f"{results.stopped}; raise it and add --resume to go on")
    if results.shard is not None:
        notes.append(f"part {results.shard} of a run: golong merge puts the parts together")
    notes += _usage_notes(results)
    if results.model == "embedded":
        notes.append("the embedded checkpoint is untrained: its scores show that the harness works, nothing else")
    return notes


def _interval_notes(results: Results) -> list[str]:
    """Return a line for each reason that an interval is missing or unusual, with the rows that it holds for."""
    methods = [(row.task, row.interval) for row in results.tasks if row.scored]
    if results.average is not None:
        methods.append(("average", results.average.method))
    notes = []
    for method, text in METHODS.items():
        rows = [name for name, found in methods if found == method]
        if rows:
            notes.append(f"{_named(results, rows)}: {text}")
    return notes


def _named(results: Results, rows: list[str]) -> str:
    """Return the names of rows, in short where they are all the tasks."""
    tasks = [row.task for row in results.tasks]
    if len(tasks) > 3 and rows[: len(tasks)] == tasks:
        return ", ".join(["all tasks", *rows[len(tasks) :]])
    return ", ".join(rows)


def _usage_notes(results: Results) -> list[str]:
    used = results.usage
    if results.engine == "scripted" or not (used.prompt_tokens or used.completion_tokens or used.from_cache):
        return []  # a script counts characters
    prompts = f"{used.prompt_tokens:,} of prompts"
    if used.cached_tokens and used.prompt_tokens:
        prompts += f" ({100 * used.cached_tokens / used.prompt_tokens:.0f} % from a prefix cache)"
    kept = f"; {used.from_cache} answers from the response cache" if used.from_cache else ""
    return [f"tokens: {prompts}, {used.completion_tokens:,} of answers{kept}"]
