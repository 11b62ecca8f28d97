"""Which gold each metric takes, and which scorer reads it: a table.

Scorers are named and not imported: a program that scores one metric loads one, and ``import golong_eval.rewards``
none (their patterns take longer to compile than the rest takes to load).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache

from golong_eval._forks import fork_safe_lock
from golong_eval.errors import UnknownNameError
from golong_eval.rewards.outcome import ScorerClass
from golong_eval.schema import (
    Frozen,
    ItemsGold,
    NumberGold,
    OrderGold,
    RankingGold,
    ReferencesGold,
    TableGold,
    TextGold,
    Variant,
)

__all__ = ["METRICS", "Metric", "gold_type", "metric_named", "scorer_class"]


@dataclass(frozen=True)
class Metric:
    """A metric: the gold that it takes, the form of that gold in plain data, and its scorers."""

    gold: type[Frozen]
    field: str | None
    """The gold's field that a list of strings fills; None for a table."""
    official: str
    """Module and class of the official scorer, below `golong_eval.rewards`."""
    strict: str | None
    """Module and class of the strict scorer; None where there is none."""


METRICS: dict[str, Metric] = {
    "exact_match": Metric(TextGold, "answers", "official.short:ExactMatch", "exact_match:ExactMatch"),
    "accuracy": Metric(TextGold, "answers", "official.short:Accuracy", "accuracy:Accuracy"),
    "f1": Metric(ItemsGold, "items", "official.lists:F1", "f1:F1"),
    "math_verify": Metric(NumberGold, "value", "official.math_verify:MathVerify", "math_verify:MathVerify"),
    "iou": Metric(TableGold, None, "official.iou:IoU", "iou:IoU"),
    "sub_em": Metric(ItemsGold, "items", "official.lists:SubEM", "sub_em:SubEM"),
    "ndcg": Metric(RankingGold, "items", "official.lists:NDCG", "ndcg:NDCG"),
    "pairwise_accuracy": Metric(
        OrderGold, "items", "official.lists:PairwiseAccuracy", "pairwise_accuracy:PairwiseAccuracy"
    ),
    "rouge_l": Metric(ReferencesGold, "texts", "official.rouge_l:RougeL", "rouge_l:RougeL"),
    "choice": Metric(TextGold, "answers", "official.short:Choice", None),
}


def metric_named(name: str) -> Metric:
    """Return a metric.

    Raises:
        UnknownNameError: There is none of this name; the hint gives the nearest.
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name]


def gold_type(metric: str) -> type[Frozen]:
    """Return the class of a metric's gold.

    >>> gold_type("ndcg").__name__
    'RankingGold'
    """
    return metric_named(metric).gold


_IMPORTING = fork_safe_lock()


@cache
def scorer_class(metric: str, variant: Variant) -> ScorerClass:
    """Return what makes the scorer of a gold.

    >>> scorer_class("f1", "official").__module__
    'golong_eval.rewards.official.lists'
    """
    rule = metric_named(metric)
    place = rule.official if variant == "official" else rule.strict
    if place is None:
        raise UnknownNameError(f"{variant} metric", metric, [n for n, m in METRICS.items() if m.strict])
    module, _, name = place.partition(":")
    with _IMPORTING:
        found: ScorerClass = getattr(importlib.import_module(f"golong_eval.rewards.{module}"), name)
    return found
