"""What a run found: one `TaskResult` a task, all of them in `Results`, which is ``results.json``."""

from __future__ import annotations

from pydantic import Field

from golong_eval.schema import Frozen

__all__ = ["Failure", "Results", "TaskResult", "Usage"]


class TaskResult(Frozen):
    """The score of one task, with what is needed to judge it.

    Rates and scores are shares in [0, 1]; a field is None where there is nothing to compute it from.
    """

    task: str
    name: str
    metric: str
    """Identity of the metric."""
    task_version: int
    prompt_hash: str
    data_revision: str
    """Hash over the task's samples."""
    n: int
    """Answers wanted: samples times repeats. The denominator of `mean`."""
    samples: int
    scored: int
    """Answers with a score."""
    coverage: float
    """`scored` / `n`."""
    mean: float | None
    """Mean over all answers wanted, failures as 0."""
    mean_scored: float | None
    """Mean over the answers with a score: failures left out."""
    chance: float | None
    """What the best guess without reading earns on these samples; None where that is unknown."""
    low: float | None
    high: float | None
    level: float = 0.95
    interval: str
    """How the interval of `mean` was made, or why there is none."""
    clusters: int
    cap_hit_rate: float | None
    """Share of answers that ended at their token cap."""
    context_cut_rate: float | None
    """Share of prompts that lost a part of their documents."""
    statuses: dict[str, int]
    """Answers by status."""


class Usage(Frozen):
    """Tokens of a run's answers, as its engine counted them; what came from the response cache is left out."""

    prompt_tokens: int = 0
    """Of prompts; one that several repeats shared is counted once."""
    cached_tokens: int = 0
    """Of these, served from a prefix cache, where the engine tells."""
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    """Of these, thinking, where the engine tells."""
    from_cache: int = 0
    """Answers that the response cache had."""


class Failure(Frozen):
    """Answers of one task that have no score for like reasons."""

    task: str
    status: str
    reason: str
    """That of the first of them."""
    count: int
    example: str
    """Sample id of the first."""


class Results(Frozen):
    """The results of a run."""

    schema_version: int = 1
    golong_eval: str
    """Version of golong-eval."""
    run: str
    """The run's folder."""
    model: str
    engine: str
    context: str
    started: str
    """UTC, ISO 8601."""
    tasks: tuple[TaskResult, ...]
    failures: int = 0
    """Answers without a score."""
    failed: tuple[Failure, ...] = ()
    """The same by reason, the most frequent first."""
    stopped: str | None = None
    """Why the run ended before all was asked: the limit that it reached."""
    shard: str | None = None
    """``i/n`` where this is one part of a run."""
    usage: Usage = Usage()
    dropped: dict[str, str] = Field(default_factory=dict)
    """Per task, what the builder could not make and why."""

    @property
    def to_ask_again(self) -> int:
        """Answers without a score that another try may give one; prompts too long for the model are none."""
        return sum(failure.count for failure in self.failed if failure.status != "over_length")

    def __getitem__(self, task: str) -> TaskResult:
        """Return the result of a task.

        Raises:
            KeyError: The run did not have the task.
        """
        for result in self.tasks:
            if result.task == task:
                return result
        raise KeyError(task)
