"""The lines of a run's files, and reading its answers back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from golong_eval.harness.run_folder import AppendLog
from golong_eval.schema import Frozen, Generation, RewardResult

__all__ = ["Key", "StoredPrompt", "StoredScore", "read_predictions"]

Key = tuple[str, int]
"""Sample id and repeat."""


class StoredPrompt(Frozen):
    """A line of ``prompts.jsonl``: the prompt without its documents, which samples.documents/ holds."""

    hash: str
    sample_id: str
    context: str
    before: str
    after: str


class StoredScore(Frozen):
    """A line of ``scores/``."""

    sample_id: str
    repeat: int
    result: RewardResult


def read_predictions(predictions: Path, tasks: Iterable[str]) -> dict[Key, Generation]:
    """Return the stored answers; of two to one request, the later, unless it failed and the earlier did not.

    Args:
        predictions: The run's folder of answers.
        tasks: Ids of the tasks to read.

    Raises:
        DataError: A line before the last is damaged.
    """
    answers: dict[Key, Generation] = {}
    for task in dict.fromkeys(tasks):
        for generation in AppendLog.read(predictions / f"{task}.jsonl", Generation):
            key = (generation.sample_id, generation.repeat)
            if generation.error is None or key not in answers or answers[key].error is not None:
                answers[key] = generation
    return answers
