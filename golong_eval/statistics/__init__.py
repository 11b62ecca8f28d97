"""Means with intervals, paired tests, repeats and lengths: pure functions on arrays."""

from golong_eval.statistics.clusters import (
    cluster_numbers,
    cluster_values,
    effective_clusters,
    standard_error,
)
from golong_eval.statistics.intervals import Interval, bootstrap_t_interval, mean_interval, wilson_interval
from golong_eval.statistics.lengths import SHARE, effective_length, length_bucket
from golong_eval.statistics.paired import (
    PairedTest,
    holm,
    minimum_detectable_effect,
    paired_test,
    sign_flip_p_value,
)
from golong_eval.statistics.repeats import best_of_k, majority, pass_at_k

__all__ = [
    "SHARE",
    "Interval",
    "PairedTest",
    "best_of_k",
    "bootstrap_t_interval",
    "cluster_numbers",
    "cluster_values",
    "effective_clusters",
    "effective_length",
    "holm",
    "length_bucket",
    "majority",
    "mean_interval",
    "minimum_detectable_effect",
    "paired_test",
    "pass_at_k",
    "sign_flip_p_value",
    "standard_error",
    "wilson_interval",
]
