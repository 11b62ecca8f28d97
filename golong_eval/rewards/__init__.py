r"""The nine rewards: one function to score an evaluation, a training step or a table.

    >>> from golong_eval.rewards import score
    >>> score("ndcg", "[Answer]\nD2\nD1", ["D2", "D1"]).value
    1.0

Importing this loads nothing heavy: rapidfuzz, jieba and math_verify come with the first response that needs them.
"""

from golong_eval.rewards.chance import chance_level
from golong_eval.rewards.golds import coerce_gold, render_gold
from golong_eval.rewards.registry import gold_type
from golong_eval.rewards.scoring import ScoreRequest, score, score_batch
from golong_eval.rewards.spec import METRIC_NAMES, MetricSpec

__all__ = [
    "METRIC_NAMES",
    "MetricSpec",
    "ScoreRequest",
    "chance_level",
    "coerce_gold",
    "gold_type",
    "render_gold",
    "score",
    "score_batch",
]
