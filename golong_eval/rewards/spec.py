"""The identity of a metric, as a value: its name, variant, version and parameters."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import Field, model_validator

from golong_eval.errors import nearest
from golong_eval.schema import Frozen, Variant

__all__ = ["BENCHMARK_METRICS", "METRIC_NAMES", "OFFICIAL_ONLY", "MetricSpec", "Semantic"]

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

OFFICIAL_ONLY = ("choice",)
"""Published rewards that have no strict form of their own: `accuracy` does what they do."""

BENCHMARK_METRICS = (
    "babilong",
    "bfcl_memory",
    "corpusqa",
    "docmath",
    "frames",
    "lm_eval",
    "longbench_pro",
    "longbench_v1",
    "longbench_v1_qa",
    "longbench_v2",
    "longmemeval",
    "mrcr",
    "ruler",
)
"""The scoring rules of benchmarks. `golong_eval.benchmarks` has them; their names stand here because identities are
read back everywhere."""

_IDENTITY = re.compile(
    r"(?P<name>[a-z0-9_]+)(?P<cutoff>@gold)?\[(?P<variant>[a-z]+),v(?P<version>[0-9]{1,6})(?P<rest>[^\[\]]*)\]"
)
_SEMANTIC = re.compile(r"semantic=(?P<weight>[0-9.e-]+)\*(?P<model>[^\s,\[\]*]+)")
_JUDGE = re.compile(r"judge=(?P<judge>[^\s,\[\]*]+)")


class Semantic(Frozen):
    """The semantic part of a summary's score: the largest cosine between answer and reference embeddings."""

    model: str = Field(pattern=r"^[^\s\x00-\x1f,\[\]*]+$")
    """The embedding model: the `name` of the embedder that scores."""
    weight: float = Field(default=0.5, gt=0, le=1)
    """Its share of the value; ROUGE-L has the rest. LongBench Pro uses 0.5."""

    def __str__(self) -> str:
        return f"semantic={self.weight!r}*{self.model}"


class MetricSpec(Frozen):
    """A metric with its variant and parameters. Its printed form is its identity, and is read back.

    >>> str(MetricSpec(name="ndcg", chance_corrected=True))
    'ndcg@gold[strict,v1,chance_corrected]'
    >>> MetricSpec.model_validate("f1[official,v1]").variant
    'official'
    """

    name: str
    variant: Variant = "strict"
    version: int = Field(default=1, ge=1)
    chance_corrected: bool = False
    """Whether the value is ``max(0, (value - chance) / (1 - chance))``, with `chance_level` as the chance."""
    semantic: Semantic | None = None
    """The semantic part, for ``rouge_l``."""
    judge: str | None = Field(default=None, pattern=r"^[^\s\x00-\x1f,\[\]*]+$")
    """Identity of the judge (model and prompts) that decides what a benchmark's rule can't."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        if not isinstance(data, str) or "[" not in data:
            return {"name": data} if isinstance(data, str) else data
        match = _IDENTITY.fullmatch(data)
        if match is None:
            raise ValueError(f"{data!r} is no metric: write it like 'ndcg' or 'ndcg@gold[strict,v1]'")
        if (match["rest"] and not match["rest"].startswith(",")) or bool(match["cutoff"]) != (match["name"] == "ndcg"):
            raise ValueError(f"{data!r} is no metric: write it like 'f1[strict,v1]' or 'ndcg@gold[strict,v1]'")
        read: dict[str, Any] = {"name": match["name"], "variant": match["variant"], "version": int(match["version"])}
        for parameter in filter(None, match["rest"].split(",")):
            semantic = _SEMANTIC.fullmatch(parameter)
            if semantic is not None:
                read["semantic"] = {"model": semantic["model"], "weight": float(semantic["weight"])}
            elif (judge := _JUDGE.fullmatch(parameter)) is not None:
                read["judge"] = judge["judge"]
            elif parameter == "chance_corrected":
                read["chance_corrected"] = True
            else:
                raise ValueError(f"{data!r}: unknown parameter {parameter!r}")
        return read

    @model_validator(mode="after")
    def _sound(self) -> Self:
        known = METRIC_NAMES + OFFICIAL_ONLY + BENCHMARK_METRICS
        if self.name not in known:
            close = nearest(self.name, known)
            raise ValueError(f"unknown metric {self.name!r}" + (f"; did you mean {close!r}?" if close else ""))
        if self.name in OFFICIAL_ONLY and self.variant != "official":
            raise ValueError(f"{self.name} is official only: its strict form is 'accuracy'")
        if self.semantic is not None and self.name not in ("rouge_l", "longbench_pro"):
            raise ValueError(f"{self.name} has no semantic part; rouge_l has")
        if self.name not in BENCHMARK_METRICS and self.judge is not None:
            raise ValueError(f"{self.name} is scored by its rule alone, not by a judge")
        if self.name in BENCHMARK_METRICS and self.chance_corrected:
            raise ValueError(f"{self.name} can't be corrected for chance")
        return self

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that differ from their defaults, as they stand in the identity."""
        corrected = ("chance_corrected",) if self.chance_corrected else ()
        semantic = () if self.semantic is None else (str(self.semantic),)
        return corrected + semantic + (() if self.judge is None else (f"judge={self.judge}",))

    def __str__(self) -> str:
        cutoff = "@gold" if self.name == "ndcg" else ""
        return f"{self.name}{cutoff}[{','.join((self.variant, f'v{self.version}', *self.parameters))}]"
