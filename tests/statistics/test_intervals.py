"""Intervals: hand-computed values, agreement with SciPy-free references, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.statistics import bootstrap_interval, mean_interval, wilson_interval


def test_wilson_is_the_published_formula() -> None:
    # Newcombe 1998, table I: 81 of 263.
    low, high = wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0


def test_wilson_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="3 successes in 2 trials"):
        wilson_interval(3, 2)


def test_bootstrap_resamples_clusters_not_scores() -> None:
    """Copying each score within its cluster adds no information, so the interval stays; as scores it would shrink."""
    scores = list(np.random.default_rng(1).random(30))
    single = bootstrap_interval(scores, range(30), seed=3)
    copied = bootstrap_interval([s for s in scores for _ in range(8)], [c for c in range(30) for _ in range(8)], seed=3)
    assert copied == pytest.approx(single, abs=1e-12)
    as_scores = bootstrap_interval([s for s in scores for _ in range(8)], range(240), seed=3)
    assert as_scores[1] - as_scores[0] < 0.5 * (single[1] - single[0])


def test_bootstrap_width_agrees_with_the_normal_form() -> None:
    scores = np.random.default_rng(0).random(400)
    low, high = bootstrap_interval(list(scores), range(400), seed=0)
    half = 1.96 * scores.std(ddof=1) / 20
    assert low == pytest.approx(scores.mean() - half, abs=0.003)
    assert high == pytest.approx(scores.mean() + half, abs=0.003)


def test_clusters_of_unequal_size_keep_their_weight() -> None:
    low, high = bootstrap_interval([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], seed=0)
    assert (low, high) == (0.0, 1.0)
    interval = mean_interval([0.2] * 3 + [0.8], ["a", "a", "a", "b"], binary=True)
    assert interval.low == pytest.approx(0.2)
    assert interval.high == pytest.approx(0.8)


def test_same_seed_same_interval() -> None:
    scores = list(np.random.default_rng(2).random(25))
    assert bootstrap_interval(scores, range(25), seed=7) == bootstrap_interval(scores, range(25), seed=7)
    assert bootstrap_interval(scores, range(25), seed=7) != bootstrap_interval(scores, range(25), seed=8)


@pytest.mark.parametrize(
    ("scores", "clusters", "method"),
    [
        ([], [], "no scores"),
        ([0.5, 0.7], ["a", "a"], "one cluster"),
        ([1, 0, 1], ["a", "a", "a"], "one cluster"),
        ([0.5, 0.5], ["a", "b"], "all equal"),
        ([1.0, 1.0, 1.0, 1.0], ["a", "a", "b", "b"], "all equal"),
    ],
)
def test_no_interval_where_the_data_cannot_tell(scores: list[float], clusters: list[str], method: str) -> None:
    interval = mean_interval(scores, clusters, binary=True)
    assert (interval.low, interval.high, interval.method) == (None, None, method)


def test_wilson_only_for_single_binary_scores() -> None:
    assert mean_interval([1, 0, 1], "abc", binary=True).method == "wilson"
    assert mean_interval([1.0, 1.0], "ab", binary=True).low == pytest.approx(wilson_interval(2, 2)[0])
    assert mean_interval([1, 0, 1, 0], "aabb", binary=True).method == "all equal"
    assert mean_interval([1, 0, 1, 1], ["a", "a", "b", "b"], binary=True).method == "bootstrap"
    assert mean_interval([1, 0, 0.5], "abc", binary=True).method == "bootstrap"


def test_a_graded_metric_never_gets_wilson() -> None:
    assert mean_interval([1, 0, 1], "abc", binary=False).method == "bootstrap"
    assert mean_interval([1, 1, 1], "abc", binary=False).method == "all equal"


def test_refuses_what_is_not_a_score() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([float("nan"), 1.0], "ab", binary=True)
    with pytest.raises(ValueError, match="2 scores for 1 clusters"):
        mean_interval([0.0, 1.0], "a", binary=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=40))
def test_ends_enclose_the_mean_and_stay_in_range(pairs: list[tuple[float, int]]) -> None:
    scores, clusters = zip(*pairs, strict=True)
    interval = mean_interval(scores, clusters, resamples=500, binary=True)
    if interval.low is not None and interval.high is not None:
        assert -1e-9 <= interval.low <= interval.high <= 1 + 1e-9
