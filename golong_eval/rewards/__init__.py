r"""The nine rewards: one function to score an evaluation, a training step or a table.

    >>> from golong_eval.rewards import score
    >>> score("ndcg", "[Answer]\nD2\nD1", ["D2", "D1"]).value
    1.0

Two variants: ``strict`` (the default) for training and for models that were trained on rewards, ``official`` for
numbers that compare with published tables. Importing this loads nothing heavy: scorers, rapidfuzz, jieba and
math_verify come with the first response that needs them.
"""

from golong_eval.rewards.batch import score_batch
from golong_eval.rewards.chance import chance_level
from golong_eval.rewards.golds import coerce_gold, render_gold
from golong_eval.rewards.registry import gold_type
from golong_eval.rewards.scoring import ScoreRequest, score
from golong_eval.rewards.secondary_tasks import SECONDARY_TASKS
from golong_eval.rewards.semantic import Embedder
from golong_eval.rewards.shaping import FormatBonus, OverlongPenalty, RepetitionGate, RewardTerm, shaped
from golong_eval.rewards.spec import BENCHMARK_METRICS, METRIC_NAMES, MetricSpec, Semantic

__all__ = [
    "BENCHMARK_METRICS",
    "METRIC_NAMES",
    "SECONDARY_TASKS",
    "Embedder",
    "FormatBonus",
    "MetricSpec",
    "OverlongPenalty",
    "RepetitionGate",
    "RewardTerm",
    "ScoreRequest",
    "Semantic",
    "chance_level",
    "coerce_gold",
    "gold_type",
    "render_gold",
    "score",
    "score_batch",
    "shaped",
]
