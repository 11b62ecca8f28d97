"""What a build made, what it could not make, and why."""

from __future__ import annotations

from golong_eval.schema import Frozen

__all__ = ["BuildReport", "TaskReport"]


class TaskReport(Frozen):
    """What was made for one task."""

    task: str
    wanted: int
    made: int
    dropped: dict[str, int]
    """Candidates that were dropped, by reason, most frequent first."""
    fill: float
    """Mean length of the prompts as a share of the length asked for."""

    @property
    def candidates_dropped(self) -> int:
        """How many candidates were dropped in all."""
        return sum(self.dropped.values())


class BuildReport(Frozen):
    """What a build did so far; complete once its samples are exhausted."""

    documents: str
    """The folder, file or ``pydoc`` with its Python version."""
    length: int
    tokenizer: str
    seed: int
    tasks: tuple[TaskReport, ...]
    contexts: int
    prompt_tokens: int
    """Of all prompts together."""
    documents_read: int
    documents_repeated: int
    """Documents left out where another with the same text was in the context."""
    skipped: dict[str, str]
    """Files that could not be used, with the reason."""
    other_suffixes: dict[str, int]
    """Files left alone because of their suffix."""

    def shortfalls(self) -> dict[str, str]:
        """Return, for each task with fewer samples than wanted, how many there are and why."""
        found = {}
        for task in self.tasks:
            if task.made < task.wanted:
                reasons = ", ".join(f"{reason} ({count})" for reason, count in list(task.dropped.items())[:3])
                found[task.task] = f"{task.made} of {task.wanted} samples in {self.contexts} contexts: {reasons}"
        return found
