"""Which gold each metric takes, and which scorer reads it: a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from golong_eval.errors import UnknownNameError
from golong_eval.rewards.accuracy import Accuracy
from golong_eval.rewards.exact_match import ExactMatch
from golong_eval.rewards.f1 import F1
from golong_eval.rewards.iou import IoU
from golong_eval.rewards.math_verify import MathVerify
from golong_eval.rewards.ndcg import NDCG
from golong_eval.rewards.outcome import Scorer
from golong_eval.rewards.pairwise_accuracy import PairwiseAccuracy
from golong_eval.rewards.rouge_l import RougeL
from golong_eval.rewards.sub_em import SubEM
from golong_eval.schema import (
    Frozen,
    ItemsGold,
    NumberGold,
    OrderGold,
    RankingGold,
    ReferencesGold,
    TableGold,
    TextGold,
)

__all__ = ["METRICS", "Metric", "gold_type", "metric_named"]


@dataclass(frozen=True)
class Metric:
    """A metric: the gold that it takes, the form of that gold in plain data, and its strict scorer."""

    gold: type[Frozen]
    field: str | None
    """The gold's field that a list of strings fills; None for a table."""
    strict: Callable[[Any], Scorer]


METRICS: dict[str, Metric] = {
    "exact_match": Metric(TextGold, "answers", ExactMatch),
    "accuracy": Metric(TextGold, "answers", Accuracy),
    "f1": Metric(ItemsGold, "items", F1),
    "math_verify": Metric(NumberGold, "value", MathVerify),
    "iou": Metric(TableGold, None, IoU),
    "sub_em": Metric(ItemsGold, "items", SubEM),
    "ndcg": Metric(RankingGold, "items", NDCG),
    "pairwise_accuracy": Metric(OrderGold, "items", PairwiseAccuracy),
    "rouge_l": Metric(ReferencesGold, "texts", RougeL),
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
