"""What a run found: one `TaskResult` a task, all of them in `Results`, which is ``results.json``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field

from golong_eval.schema import Frozen
from golong_eval.statistics import Interval

__all__ = [
    "AtK",
    "EffectiveLength",
    "Estimate",
    "Failure",
    "GridCell",
    "Group",
    "Headline",
    "JudgeUsage",
    "Published",
    "Results",
    "Slice",
    "SuiteCell",
    "SuiteLine",
    "TaskResult",
    "Usage",
]

SliceBy = Literal["length", "depth", "language", "difficulty"]
"""What samples are sorted by: tokens of the prompt, place of the evidence, language, the makers' grade."""


class _Finite(Frozen):
    """What JSON can hold: no NaN, no infinity."""

    model_config = ConfigDict(allow_inf_nan=False)


class Estimate(_Finite):
    """A mean with its interval; see `golong_eval.statistics.Interval`."""

    mean: float | None
    low: float | None
    high: float | None
    stderr: float | None
    method: str
    n: int
    clusters: int

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """Return what an interval says."""
        return cls(
            mean=interval.mean,
            low=interval.low,
            high=interval.high,
            stderr=interval.stderr,
            method=interval.method,
            n=interval.n,
            clusters=interval.clusters,
        )


class AtK(_Finite):
    """What k answers to each sample earn, failures as 0. Means over samples, with their intervals."""

    k: int
    pass_at_k: Estimate
    """Chance that one of k answers has the full score."""
    best_of_k: Estimate
    """Highest score of k answers."""


class Slice(_Finite):
    """The score of the samples of one kind."""

    by: SliceBy
    group: str
    """For instance ``8K``, ``20-40 %``, ``zh``, ``hard``."""
    score: Estimate
    """Failures as 0."""
    scored: int
    """Answers with a score."""
    mean_scored: float | None
    """Mean over these."""


class Group(_Finite):
    """The score of the samples of one group of a benchmark, failures as 0."""

    by: str
    """What the benchmark groups by, for instance ``domain``."""
    group: str
    score: Estimate
    scored: int
    """Answers with a score."""


class Headline(_Finite):
    """The mean that a benchmark is published with, where it is another one than that over all answers."""

    of: str
    """What it is the mean of, for instance ``4 domains``."""
    score: Estimate


class Published(_Finite):
    """What a benchmark's published rule makes of the same answers."""

    metric: str
    mean: float | None
    low: float | None
    high: float | None
    scored: int
    """Answers with a score by this rule, which may need a judge where the strict one does not."""
    undecided: int = 0
    """Answers that only a judge could have decided."""
    headline: Headline | None = None
    groups: tuple[Group, ...] = ()
    flaws: str
    """What is wrong with it; empty where the two rules are the same."""

    @classmethod
    def of(cls, row: TaskResult, flaws: str) -> Self:
        """Return what a row by the published rule says."""
        return cls(
            metric=row.metric,
            mean=row.mean,
            low=row.low,
            high=row.high,
            scored=row.scored,
            undecided=row.statuses.get("judge_error", 0),
            headline=row.headline,
            groups=row.groups,
            flaws=flaws,
        )


class SuiteCell(_Finite):
    """A column of a suite's published table."""

    name: str
    score: float | None
    """By the strict rule; None where the run has no answers for it."""
    published: float | None
    """By the published rule."""
    n: int
    """Answers wanted."""


class SuiteLine(_Finite):
    """What a suite's published table says of a model. Its average is the unweighted mean of the columns."""

    suite: str
    cells: tuple[SuiteCell, ...]
    average: float | None
    published_average: float | None


class JudgeUsage(_Finite):
    """Who judged a run's answers, and what it took."""

    judge: str
    """Identity of the judge."""
    questions: int
    """Answers that no rule could decide, each distinct one once."""
    errors: int
    """Of these, without a verdict."""
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None
    """By the price of the judge's tokens; None without one."""


class GridCell(_Finite):
    """The score of the samples of one length and one depth of evidence, failures as 0."""

    length: str
    depth: str
    mean: float
    n: int


class EffectiveLength(_Finite):
    """The longest length up to which the mean stays above a share of that at the shortest."""

    tokens: int
    share: float
    shortest: int
    """The length that is compared with."""
    longest: int
    """The longest length there are scores of."""


class TaskResult(_Finite):
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
    stderr: float | None = None
    """Standard error of `mean`, over clusters."""
    interval: str
    """How the interval of `mean` was made, or why there is none."""
    clusters: int
    scored_low: float | None = None
    """Lower end of the interval of `mean_scored`."""
    scored_high: float | None = None
    mean_finished: float | None = None
    """Mean over the answers with a score that the model ended by itself, before its token cap."""
    repeats: int = 1
    """Answers wanted of each sample; `mean` is avg@k for k of this."""
    at_k: tuple[AtK, ...] = ()
    """For k of 1, 2, 4, ... up to `repeats`, where there are several."""
    majority: Estimate | None = None
    """Score of each sample's most frequent answer, where there are several answers and the metric is 0 or 1."""
    slices: tuple[Slice, ...] = ()
    grid: tuple[GridCell, ...] = ()
    effective_length: EffectiveLength | None = None
    groups: tuple[Group, ...] = ()
    """Of a benchmark, the score of each of its groups."""
    headline: Headline | None = None
    """Of a benchmark whose published headline is not `mean`, what it is."""
    published: Published | None = None
    """Of a benchmark, the score by the published rule."""
    shipped_rows: bool = False
    """The rows are the few that golong-eval ships: the score measures nothing."""
    cap_hit_rate: float | None
    """Share of answers that ended at their token cap."""
    context_cut_rate: float | None
    """Share of prompts that lost a part of their documents."""
    statuses: dict[str, int]
    """Answers by status."""


class Usage(_Finite):
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


class Failure(_Finite):
    """Answers of one task that have no score for like reasons."""

    task: str
    status: str
    reason: str
    """That of the first of them."""
    count: int
    example: str
    """Sample id of the first."""


class Results(_Finite):
    """The results of a run."""

    schema_version: int = 2
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
    average: Estimate | None = None
    """Mean of the tasks' means, where there are several; documents that tasks share count as one cluster."""
    slices: tuple[Slice, ...] = ()
    """The same by length, over the tasks that have samples of every length."""
    effective_length: EffectiveLength | None = None
    failures: int = 0
    """Answers without a score."""
    failed: tuple[Failure, ...] = ()
    """The same by reason, the most frequent first."""
    stopped: str | None = None
    """Why the run ended before all was asked: the limit that it reached."""
    shard: str | None = None
    """``i/n`` where this is one part of a run."""
    usage: Usage = Usage()
    judge: JudgeUsage | None = None
    suite: SuiteLine | None = None
    dropped: dict[str, str] = Field(default_factory=dict)
    """Per task, what the builder could not make and why."""

    @property
    def to_ask_again(self) -> int:
        """Answers without a score that another try may give one.

        Prompts too long for the model are none, nor is what no judge was asked about because none was wanted.
        """
        lasting = {"over_length"} if self.judge is not None else {"over_length", "judge_error"}
        return sum(failure.count for failure in self.failed if failure.status not in lasting)

    def __getitem__(self, task: str) -> TaskResult:
        """Return the result of a task.

        Raises:
            KeyError: The run did not have the task.
        """
        for result in self.tasks:
            if result.task == task:
                return result
        raise KeyError(task)
