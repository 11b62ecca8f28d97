"""Runs beside a baseline: what compares, the paired tests, and what a reader must know of both."""

from golong_eval.harness.comparison.comparability import ALLOWANCES
from golong_eval.harness.comparison.compare import compare_runs
from golong_eval.harness.comparison.results import (
    Caution,
    Comparison,
    Mismatch,
    Paired,
    Refused,
    RunComparison,
    RunFacts,
    SamplePair,
    ScoredInBoth,
    TaskComparison,
)

__all__ = [
    "ALLOWANCES",
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
    "compare_runs",
]
