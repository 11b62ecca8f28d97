"""What a comparison of runs says: the content of ``golong compare --json``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from golong_eval.schema import Frozen

__all__ = [
    "Caution",
    "Comparison",
    "Mismatch",
    "Paired",
    "Refused",
    "RunComparison",
    "RunFacts",
    "SamplePair",
    "ScoredInBoth",
    "TaskComparison",
]

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class Caution(Frozen):
    """Something that differs beside the model, or weakens a comparison."""

    about: str
    """What it is about, for instance ``seed``, ``temperature``, ``coverage``."""
    message: str
    """With both values, the baseline's first."""
    task: str | None = None
    """The one task that it is about; None where it is about the runs."""


class Mismatch(Frozen):
    """A difference by which the scores of a task do not compare."""

    about: str
    """``metric``, or one of `golong_eval.harness.ALLOWANCES`."""
    baseline: str
    other: str

    @property
    def message(self) -> str:
        """The difference with both values."""
        return f"{self.about} differs ({self.baseline}, {self.other})"


class SamplePair(Frozen):
    """One sample in two runs. Scores are means over a run's repeats, failures as 0."""

    sample: str
    task: str
    baseline: _Finite
    other: _Finite
    difference: _Finite
    """Other minus baseline."""
    baseline_failures: int
    """Repeats without a score, for reasons that are not the model's."""
    other_failures: int
    baseline_at: str | None = None
    """Where to read the baseline's answer: an address in its report, or else a command. Of the listed pairs only."""
    other_at: str | None = None


class Paired(Frozen):
    """The difference of two runs over the samples that they share, failures as 0; see `statistics.PairedTest`.

    A field is None where there is nothing to compute it from; `method` says why there is no interval.
    """

    baseline_mean: _Finite
    other_mean: _Finite
    difference: _Finite
    """Other minus baseline."""
    low: _Finite | None
    high: _Finite | None
    stderr: _Finite | None
    method: str
    p_value: _Finite | None
    """Two-sided, of this test alone."""
    minimum_detectable: _Finite | None
    """Least true difference that this test alone finds with the comparison's `power`; above 1: none."""
    n: int
    """Pairs."""
    clusters: int
    wins: int
    """Pairs in which the other run is higher."""
    losses: int
    ties: int


class ScoredInBoth(Frozen):
    """The same difference over the samples that have a score in both runs; repeats without one are left out."""

    difference: _Finite | None
    low: _Finite | None
    high: _Finite | None
    n: int
    clusters: int


class TaskComparison(Paired):
    """One task in two runs."""

    task: str
    name: str
    metric: str
    p_holm: _Finite | None
    """`p_value` adjusted for all tasks and comparisons of the call."""
    significant: bool | None
    """Whether `p_holm` is below the comparison's `alpha`; None without a test."""
    scored_in_both: ScoredInBoth | None = None
    """None where no answer to a shared sample lacks a score."""
    baseline_failures: int = 0
    """Answers to shared samples without a score."""
    other_failures: int = 0
    only_baseline: int = 0
    """Samples of the task that the other run lacks; no part of any number here."""
    only_other: int = 0
    other_content: tuple[str, ...] = ()
    """Ids that both runs have with other questions, golds or documents; no part of any number here."""
    pairs: tuple[SamplePair, ...] | None = None
    """All pairs, where they were asked for."""


class Refused(Frozen):
    """A task that both runs have and that does not compare."""

    task: str
    mismatches: tuple[Mismatch, ...] = ()
    """Empty where the runs share no sample of the task."""
    reason: str
    hint: str


class RunFacts(Frozen):
    """A run that is compared."""

    label: str
    """What it is called: its model; with its context or place where models are alike."""
    path: str
    model: str
    engine: str
    context: str
    started: str


class RunComparison(Frozen):
    """A run beside the baseline."""

    run: RunFacts
    differ_in: tuple[str, ...]
    """What was asked differently, the model first; empty where nothing that is recorded."""
    tasks: tuple[TaskComparison, ...]
    average: Paired | None = None
    """Of the tasks, each with the same weight, where there are several; it is no part of Holm's family."""
    refused: tuple[Refused, ...] = ()
    only_baseline: tuple[str, ...] = ()
    """Tasks that the other run lacks."""
    only_other: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()
    gains: tuple[SamplePair, ...] = ()
    """Samples in which the other run gains most."""
    losses: tuple[SamplePair, ...] = ()

    def __getitem__(self, task: str) -> TaskComparison:
        """Return the comparison of a task.

        Raises:
            KeyError: The task was not compared.
        """
        for found in self.tasks:
            if found.task == task:
                return found
        raise KeyError(task)


class Comparison(Frozen):
    """Runs beside a baseline, the first of them."""

    schema_version: int = 1
    golong_eval: str
    """Version of golong-eval."""
    baseline: RunFacts
    comparisons: tuple[RunComparison, ...]
    family: int
    """Tests that Holm's method counts: tasks times comparisons, less those without a p-value."""
    alpha: float = 0.05
    power: float
    seed: int
    """Seed of the resampling."""
