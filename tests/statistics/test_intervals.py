"""Intervals: hand-computed values, agreement with SciPy, and what the data can't tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from golong_eval.statistics import (
    bootstrap_t_interval,
    cluster_numbers,
    cluster_values,
    effective_clusters,
    mean_interval,
    standard_error,
    wilson_interval,
)

RNG = np.random.default_rng(0)


def test_wilson_is_the_published_formula() -> None:
    # Newcombe 1998, table I: 81 of 263.
    low, high = wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0
    scipys = stats.binomtest(7, 19).proportion_ci(method="wilson")
    assert wilson_interval(7, 19) == pytest.approx((scipys.low, scipys.high))


def test_wilson_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="3 successes in 2 trials"):
        wilson_interval(3, 2)


# ── cluster values ──


def test_cluster_values_by_hand() -> None:
    assert cluster_values([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"]).tolist() == [1.0, 0.0]
    # Mean 0.75; without a it is 0, without b 1: changes of -0.75 and 0.25, whose mean is -0.25.
    assert cluster_values([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"]).tolist() == pytest.approx([1.25, 0.25])


def test_the_standard_error_is_the_jackknifes() -> None:
    scores = RNG.random(60)
    clusters = RNG.integers(0, 12, 60)
    without = np.array([scores[clusters != g].mean() for g in np.unique(clusters)])
    jackknife = math.sqrt(11 / 12 * ((without - without.mean()) ** 2).sum())
    assert standard_error(cluster_values(scores, clusters)) == pytest.approx(jackknife)


def test_one_large_cluster_does_not_hide_its_own_distance() -> None:
    """The large cluster pulls the mean to itself: its distance of 0.05 stands for one of 0.5 from the others."""
    scores = [0.9] * 90 + [0.4] * 10
    clusters = [0] * 90 + list(range(1, 11))
    values = cluster_values(scores, clusters)
    assert values[0] - values[1] == pytest.approx(10 * (0.05 * 0.9 / 0.1 + 0.45 * 0.01 / 0.99))
    assert mean_interval(scores, clusters).method == "few clusters hold most"
    assert effective_clusters(clusters) == pytest.approx(1 / (0.81 + 10 * 0.0001))


def test_single_scores_have_the_textbook_error() -> None:
    scores = RNG.random(30)
    assert standard_error(cluster_values(scores, range(30))) == pytest.approx(stats.sem(scores))


def test_strata_make_the_mean_of_means() -> None:
    values = cluster_values([1.0, 1.0, 1.0, 0.0], ["a", "b", "c", "d"], ["t1", "t1", "t1", "t2"])
    assert values.mean() == pytest.approx(0.5)
    # Within t1 all are equal, and t2 has one score: nothing is left to vary.
    assert values.tolist() == pytest.approx([0.5] * 4)


def test_cluster_numbers_follow_first_appearance() -> None:
    assert cluster_numbers([("x", 1), "y", ("x", 1)]).tolist() == [0, 1, 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=40))
def test_the_mean_of_cluster_values_is_the_mean(rows: list[tuple[float, int, int]]) -> None:
    scores, clusters, strata = (list(column) for column in zip(*rows, strict=True))
    assert cluster_values(scores, clusters).mean() == pytest.approx(np.mean(scores))
    means = [np.mean([s for s, _, t in rows if t == stratum]) for stratum in set(strata)]
    assert cluster_values(scores, clusters, strata).mean() == pytest.approx(np.mean(means))


@pytest.mark.parametrize("sizes", [[2] * 26, [3] * 26, [20] * 9])
def test_strata_of_few_clusters_keep_their_error(sizes: list[int]) -> None:
    """The error of a mean of means, by its textbook formula, averaged over many draws."""
    strata = [stratum for stratum, size in enumerate(sizes) for _ in range(size)]
    draws = RNG.normal(0.5, 0.1, (300, len(strata)))
    found = [standard_error(cluster_values(scores, range(len(strata)), strata)) or 0.0 for scores in draws]
    truth = 0.1 * math.sqrt(sum(1 / size for size in sizes)) / len(sizes)
    assert math.sqrt(np.mean(np.square(found))) == pytest.approx(truth, rel=0.03)


def test_a_mean_that_rests_on_one_cluster_of_a_task_has_no_interval() -> None:
    for few in (1, 2, 5):
        scores = RNG.random(100 + few).tolist()
        interval = mean_interval(scores, range(100 + few), strata=["a"] * 100 + ["b"] * few)
        assert (interval.low, interval.method) == (None, "few clusters hold most")
        assert (interval.stderr is None) == (few == 1)
    alike = mean_interval([0.0] * 101, range(101), strata=["a"] * 100 + ["b"])
    assert alike.low is None
    many = mean_interval(RNG.random(78).tolist(), range(78), strata=[number // 3 for number in range(78)])
    assert many.method == "bootstrap-t"


# ── the bootstrap ──


def test_resamples_clusters_not_scores() -> None:
    """Copying each score within its cluster adds no information, so the interval stays; as scores it would shrink."""
    scores = list(RNG.random(30))
    single = mean_interval(scores, range(30))
    copied = mean_interval([s for s in scores for _ in range(8)], [c for c in range(30) for _ in range(8)])
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high))
    as_scores = mean_interval([s for s in scores for _ in range(8)], range(240))
    assert as_scores.low is not None
    assert single.low is not None
    assert as_scores.low > single.low + 0.02


def test_many_values_give_the_normal_interval() -> None:
    scores = RNG.random(800)
    low, high = bootstrap_t_interval(scores)
    half = 1.96 * stats.sem(scores)
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.002)


def test_normal_values_give_students_interval() -> None:
    values = stats.norm.ppf((np.arange(12) + 0.5) / 12, 0.5, 0.05)
    low, high = bootstrap_t_interval(values)
    half = stats.t.ppf(0.975, 11) * stats.sem(values)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.006)


def test_skew_moves_the_interval_to_the_long_side() -> None:
    values = [0.0] * 24 + [0.3, 0.5, 0.6, 0.7, 0.9, 1.0]
    mean = float(np.mean(values))
    low, high = bootstrap_t_interval(values)
    assert high - mean > 1.3 * (mean - low)


def test_more_clusters_than_groups_change_little_but_the_time() -> None:
    scores = RNG.beta(0.3, 2, 5_000)
    low, high = bootstrap_t_interval(scores)
    half = 1.96 * stats.sem(scores)
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), rel=0.01)


def test_same_seed_same_interval() -> None:
    values = RNG.random(25)
    assert bootstrap_t_interval(values, seed=7) == bootstrap_t_interval(values, seed=7)
    assert bootstrap_t_interval(values, seed=7) != bootstrap_t_interval(values, seed=8)


def test_the_bootstrap_refuses_what_has_no_spread() -> None:
    for values in ([], [0.3], [0.3, 0.3], [0.1, float("nan")]):
        with pytest.raises(ValueError, match="two values or more"):
            bootstrap_t_interval(values)


# ── which form ──


@pytest.mark.parametrize(
    ("scores", "clusters", "binary", "method"),
    [
        ([], [], True, "no scores"),
        ([0.5], ["a"], False, "fewer than 10 scores"),
        ([1, 0] * 4, range(8), True, "fewer than 10 scores"),
        ([0.5, 0.7] * 6, ["a"] * 12, False, "one cluster"),
        ([0.5, 0.7, 0.1] * 4, ["a", "b", "c"] * 4, False, "fewer than 5 clusters"),
        ([0.5] * 12, range(12), False, "all equal"),
        ([0.2, 0.8] * 6, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], False, "all equal"),
    ],
)
def test_no_interval_where_the_data_cannot_tell(
    scores: list[float], clusters: list[str], binary: bool, method: str
) -> None:
    interval = mean_interval(scores, clusters, binary=binary)
    assert (interval.low, interval.high, interval.method) == (None, None, method)
    assert interval.mean == (pytest.approx(np.mean(scores)) if scores else None)


def test_wilson_only_for_single_binary_scores() -> None:
    scores = [1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1]
    interval = mean_interval(scores, range(12), binary=True)
    assert interval.method == "wilson"
    assert (interval.low, interval.high) == wilson_interval(9, 12)
    assert mean_interval(scores, range(12), binary=False).method == "bootstrap-t"
    assert mean_interval(scores, [0, 0, *range(10)], binary=True).method == "bootstrap-t"
    assert mean_interval(scores, range(12), strata=["x"] * 12, binary=True).method == "bootstrap-t"


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_all_at_an_end_has_the_width_that_its_clusters_allow(score: float) -> None:
    interval = mean_interval([score] * 40, [number // 4 for number in range(40)])
    assert interval.method == "wilson over clusters"
    assert (interval.low, interval.high) == wilson_interval(10 if score else 0, 10)


def test_unequal_clusters_get_no_end_nearer_than_students() -> None:
    clusters = [0] * 20 + [1] * 20 + list(range(2, 62))
    scores = RNG.beta(0.5, 2, len(clusters))
    worth = effective_clusters(clusters)
    assert 10 < worth < 31
    interval = mean_interval(scores, clusters)
    assert interval.stderr is not None
    half = stats.t.ppf(0.975, worth - 1) * interval.stderr
    assert (interval.high or 0) >= (interval.mean or 0) + 0.98 * half
    assert (interval.low or 0) <= max(0, (interval.mean or 0) - 0.98 * half)


def test_the_order_of_samples_changes_nothing() -> None:
    scores = RNG.beta(0.5, 2, 40)
    clusters = RNG.integers(0, 25, 40)
    order = RNG.permutation(40)
    one, other = mean_interval(scores, clusters), mean_interval(scores[order], clusters[order])
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_unequal_clusters_at_an_end_are_worth_what_they_weigh() -> None:
    clusters = [0, 0, 1, 1, *range(2, 12)]  # 12 clusters, worth 14^2 / 18 = 10.9
    interval = mean_interval([0.0] * 14, clusters)
    assert (interval.low, interval.high) == wilson_interval(0, 10)
    assert interval.method == "wilson over clusters"


def test_refuses_what_is_no_score() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([float("nan"), 1.0], "ab")
    with pytest.raises(ValueError, match="1 clusters"):
        mean_interval([0.0, 1.0], "a")
    with pytest.raises(ValueError, match="0 scores for 1 clusters"):
        mean_interval([], "a")
    with pytest.raises(ValueError, match="outside 0"):
        mean_interval([0.0, 1.1], "ab")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=60),
    st.booleans(),
)
def test_ends_enclose_the_mean_and_stay_in_range(rows: list[tuple[float, int, int]], stratified: bool) -> None:
    scores, clusters, strata = zip(*rows, strict=True)
    interval = mean_interval(scores, clusters, strata=strata if stratified else None, resamples=300)
    assert interval.mean is not None
    if interval.low is not None and interval.high is not None:
        assert 0 <= interval.low <= interval.mean + 1e-9
        assert interval.mean - 1e-9 <= interval.high <= 1
