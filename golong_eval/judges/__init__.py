"""Scorers that are models themselves: judges of answers that no rule can decide, and embedders for semantic scores.

A judge takes questions and gives verdicts; its ``identity`` stands in the metric's identity. An embedder is a callable
that turns texts into vectors and has a ``name``, which stands there too.
"""

from golong_eval.judges.cached_embedder import CachedEmbedder
from golong_eval.judges.cached_judge import CachedJudge
from golong_eval.judges.embedder_choice import open_embedder
from golong_eval.judges.endpoint_embedder import EndpointEmbedder
from golong_eval.judges.endpoint_judge import EndpointJudge
from golong_eval.judges.engine_judge import EngineJudge
from golong_eval.judges.judge import Judge
from golong_eval.judges.judge_choice import open_judge
from golong_eval.judges.local_embedder import LocalEmbedder
from golong_eval.judges.panel import Panel
from golong_eval.judges.question import JudgeQuestion, Rubric, Verdict

__all__ = [
    "CachedEmbedder",
    "CachedJudge",
    "EndpointEmbedder",
    "EndpointJudge",
    "EngineJudge",
    "Judge",
    "JudgeQuestion",
    "LocalEmbedder",
    "Panel",
    "Rubric",
    "Verdict",
    "open_embedder",
    "open_judge",
]
