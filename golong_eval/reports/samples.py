"""Single answers of a run: which ones to show, and all that is known of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Self, get_args

from golong_eval.benchmarks import benchmark_named
from golong_eval.errors import ConfigError, UnknownNameError, nearest
from golong_eval.harness import StoredAnswer, StoredRun
from golong_eval.harness.breakdown import depth_group, length_group
from golong_eval.harness.records import StoredPrompt
from golong_eval.harness.task_book import is_benchmark
from golong_eval.schema import Generation, RowGold, Status, sha256_text
from golong_eval.tasks import TaskSpec, load_catalogue
from golong_eval.text import CLOSE_THINK, OPEN_THINK, remove_thinking

__all__ = [
    "STATUSES",
    "Selection",
    "Wanted",
    "answer_data",
    "facets",
    "prompt_text",
    "select_answers",
    "split_thinking",
    "statuses_of",
]

_FIRST = 10  # answers that are shown where nothing says how many
TRUNCATED, CUT = "truncated", "context-cut"
STATUSES: tuple[str, ...] = (TRUNCATED, CUT, *get_args(Status))
"""What answers can be asked for by: ended at the token cap, documents cut, and the statuses of rewards."""


@dataclass(frozen=True)
class Wanted:
    """Which answers to show.

    Attributes:
        tasks: Of these tasks; all where there are none.
        statuses: With one of these; all where there are none.
        ids: To these samples.
        repeat: Of this repeat.
        lowest: So many with the lowest scores.
        highest: So many with the highest scores.
        limit: No more than this.
    """

    tasks: Sequence[str] = ()
    statuses: Sequence[str] = ()
    ids: Sequence[str] = ()
    repeat: int | None = None
    lowest: int | None = None
    highest: int | None = None
    limit: int | None = None

    @classmethod
    def of(
        cls,
        tasks: str | None = None,
        statuses: str | None = None,
        ids: Sequence[str] = (),
        repeat: int | None = None,
        lowest: int | None = None,
        highest: int | None = None,
        limit: int | None = None,
    ) -> Self:
        """Return what is wanted by lists with commas; without a limit or a ranking, the first 10."""
        if limit is None and lowest is None and highest is None:
            limit = _FIRST
        return cls(_listed(tasks), _listed(statuses), tuple(ids), repeat, lowest, highest, limit)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


@dataclass(frozen=True)
class Selection:
    """The answers to show.

    Attributes:
        run: Their run.
        answers: The answers, ranked where that was asked for.
        matching: How many there are before any limit.
        unranked: How many of those have no score, so that they have no place in a ranking; 0 without one.
    """

    run: StoredRun
    answers: Sequence[StoredAnswer]
    matching: int
    unranked: int = 0

    @cached_property
    def prompts(self) -> dict[str, StoredPrompt]:
        """The prompts of the run by hash; two samples may have the same one."""
        return self.run.prompts()


def select_answers(run: StoredRun, wanted: Wanted) -> Selection:
    """Return the answers of a run that are wanted, in the run's order or ranked.

    Raises:
        UnknownNameError: A task, status or sample id is not known.
        ConfigError: Both ends of a ranking are asked for, or a repeat that the run does not have.
    """
    tasks = list(run.scores)
    for task in wanted.tasks:
        if task not in tasks:
            raise UnknownNameError("task of this run", task, tasks)
    tests = [_test(status) for status in wanted.statuses]
    for identifier in wanted.ids:
        if identifier not in run.samples:
            raise _unknown_id(identifier, run)
    if wanted.lowest is not None and wanted.highest is not None:
        raise ConfigError("both the lowest and the highest are asked for", "give one of --lowest and --highest")
    repeats = max([run.settings["repeats"], *(run.settings.get("task_repeats") or {}).values()])
    if wanted.repeat is not None and not 0 <= wanted.repeat < repeats:
        raise ConfigError(f"the run has no repeat {wanted.repeat}", f"repeats are numbered 0 to {repeats - 1}")
    found = [
        row
        for row in run.rows()
        if (not wanted.tasks or row.sample.task in wanted.tasks)
        and (not wanted.ids or row.sample.id in wanted.ids)
        and (wanted.repeat is None or row.repeat == wanted.repeat)
        and (not tests or any(test(row) for test in tests))
    ]
    matching, unranked = len(found), 0
    ranked = wanted.lowest if wanted.lowest is not None else wanted.highest
    if ranked is not None:
        scored = [row for row in found if row.result.value is not None]
        unranked = matching - len(scored)
        scored.sort(key=lambda row: row.result.value or 0.0, reverse=wanted.highest is not None)
        found = scored[:ranked]
    if wanted.limit is not None:
        found = found[: wanted.limit]
    return Selection(run, found, matching, unranked)


def _test(status: str) -> Callable[[StoredAnswer], bool]:
    known = {name.replace("_", "-"): name for name in STATUSES}
    name = known.get(status.replace("_", "-"))
    if name is None:
        raise UnknownNameError("status", status, STATUSES)
    if name == TRUNCATED:
        return lambda row: row.generation is not None and row.generation.hit_cap
    if name == CUT:
        return lambda row: row.generation is not None and row.generation.context_cut
    return lambda row: row.result.status == name


def _unknown_id(identifier: str, run: StoredRun) -> ConfigError:
    # A run has thousands of ids: the nearest is worth telling, the list is not.
    close = nearest(identifier, run.samples)
    hint = f"did you mean {close!r}? " if close else ""
    return ConfigError(f"unknown sample {identifier!r}", f"{hint}ids are those in {run.path / 'samples.jsonl'}")


def facets(row: StoredAnswer) -> dict[str, str]:
    """Return what the scores of a sample are sorted by: length, depth, language and difficulty, where known."""
    metadata = row.sample.metadata
    tokens = metadata.length or (row.generation.prompt_tokens if row.generation is not None else 0)
    found = {
        "length": length_group(tokens) if tokens else None,
        "depth": depth_group(row.sample),
        "language": metadata.language,
        "difficulty": metadata.difficulty,
    }
    return {name: value for name, value in found.items() if value is not None}


def split_thinking(generation: Generation) -> tuple[str, str | None]:
    """Return the thinking of an answer, without its tags, and what stands after it; None where it never ended.

    >>> split_thinking(Generation(sample_id="a", text="<think>D1?</think>D2", finish_reason="stop"))
    ('D1?', 'D2')
    """
    text = generation.text or ""
    visible = remove_thinking(text, unfinished=generation.thinking_unfinished).text
    thinking = text if visible is None else text[: len(text) - len(visible)]
    thinking = thinking.strip().removeprefix(OPEN_THINK).removesuffix(CLOSE_THINK).strip()
    return thinking, None if visible is None else visible.strip()


def prompt_text(selection: Selection, row: StoredAnswer, *, whole: bool) -> str | None:
    """Return the prompt of an answer as it was before any cut to the model's length; None where it was not stored.

    Args:
        selection: What the answer is of.
        row: The answer.
        whole: With what stands before the question: the documents, which are read.

    Raises:
        DocumentError: A document can't be read.
    """
    digest = row.generation.prompt_hash if row.generation is not None else None
    stored = selection.prompts.get(digest or "")
    if stored is None:
        return None
    if not whole:
        return stored.after
    if isinstance(row.sample.gold, RowGold):
        return _benchmark_prompt(row, stored)
    # Every task shows documents in the same way; what stands around them is what was stored.
    documents = _any_task().prompt(row.sample, stored.context).documents  # type: ignore[arg-type]  # from the setting
    return stored.before + documents + stored.after


def _benchmark_prompt(row: StoredAnswer, stored: StoredPrompt) -> str:
    """Return a benchmark's prompt, made again; one that stands in the store as a whole (of a second call) as it is."""
    whole = stored.before + stored.after
    if sha256_text(whole) == stored.hash or not is_benchmark(row.sample.task):
        return whole
    made = benchmark_named(row.sample.task).prompt(row.sample, stored.context).text  # type: ignore[arg-type]
    return made if sha256_text(made) == stored.hash else whole


@cache
def _any_task() -> TaskSpec:
    return next(iter(load_catalogue().specs.values()))


def answer_data(selection: Selection) -> list[dict[str, Any]]:
    """Return all that is known of the answers, as plain data with whole texts.

    Raises:
        DocumentError: A document can't be read.
    """
    return [_data(selection, row) for row in selection.answers]


def _data(selection: Selection, row: StoredAnswer) -> dict[str, Any]:
    made, result = row.generation, row.result
    thinking, answer = ("", None) if made is None else split_thinking(made)
    return {
        "id": row.sample.id,
        "repeat": row.repeat,
        "task": row.sample.task,
        "metric": result.metric,
        "score": result.value,
        "status": result.status,
        "truncated": made is not None and made.hit_cap,
        "context_cut": made is not None and made.context_cut,
        "cut_tokens": 0 if made is None else made.cut_tokens,
        "facets": facets(row),
        "prompt_tokens": None if made is None else made.prompt_tokens,
        "completion_tokens": None if made is None else made.completion_tokens,
        "reasoning_tokens": None if made is None else made.reasoning_tokens,
        "seconds": None if made is None else made.seconds,
        "from_cache": made is not None and made.from_cache,
        "question": row.sample.question,
        "prompt": prompt_text(selection, row, whole=True),
        "thinking": thinking,
        "answer": answer,
        "parsed": result.parsed,
        "gold": row.sample.gold.model_dump(mode="json"),
        "parts": result.parts,
        "reason": result.reason,
        "error": None if made is None else made.error,
    }


def statuses_of(row: StoredAnswer) -> Iterable[str]:
    """Yield everything in `STATUSES` that holds for an answer, that of its reward first."""
    yield row.result.status
    if row.generation is not None and row.generation.hit_cap:
        yield TRUNCATED
    if row.generation is not None and row.generation.context_cut:
        yield CUT
