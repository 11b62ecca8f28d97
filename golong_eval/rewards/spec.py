"""The identity of a metric, as a value: its name, parameters, variant and version."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from golong_eval.errors import nearest
from golong_eval.schema import Frozen, Variant

__all__ = ["METRIC_NAMES", "MetricSpec"]

METRIC_NAMES = (
    "exact_match",
    "accuracy",
    "f1",
    "math_verify",
    "iou",
    "sub_em",
    "ndcg",
    "pairwise_accuracy",
    "rouge_l",
)
"""The nine metrics, in the order of the tasks T1 to T9."""


class MetricSpec(Frozen):
    """A metric with its variant. Its printed form is its identity.

    >>> str(MetricSpec(name="ndcg"))
    'ndcg@gold[strict,v1]'
    """

    name: str
    variant: Variant = "strict"
    version: int = Field(default=1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.name not in METRIC_NAMES:
            close = nearest(self.name, METRIC_NAMES)
            raise ValueError(f"unknown metric {self.name!r}" + (f"; did you mean {close!r}?" if close else ""))
        return self

    def __str__(self) -> str:
        cutoff = "@gold" if self.name == "ndcg" else ""
        return f"{self.name}{cutoff}[{self.variant},v{self.version}]"
