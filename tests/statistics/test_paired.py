"""Paired tests: values by hand, agreement with SciPy, and what swapping or copying must not change."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from golong_eval.statistics import (
    holm,
    mean_interval,
    minimum_detectable_effect,
    paired_test,
    sign_flip_p_value,
)

RNG = np.random.default_rng(0)


def test_p_by_hand() -> None:
    # Of the 8 flips of (3, 2, -1)/n only +++ ... with |sum| >= 4: (3,2,-1), (3,2,1) and their negatives.
    assert sign_flip_p_value([0.3, 0.2, -0.1], "abc") == 0.5
    assert sign_flip_p_value([0.1] * 5, "abcde") == 2 / 32
    assert sign_flip_p_value([0.0] * 5, "abcde") == 1.0


def test_exact_p_is_scipys_permutation_test() -> None:
    first, second = RNG.random(10), RNG.random(10)
    theirs = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=10**5,
    )
    assert sign_flip_p_value(list(second - first), range(10)) == pytest.approx(theirs.pvalue)


def test_random_flips_agree_with_all_of_them() -> None:
    differences = RNG.normal(0.3, 1, 14)
    signs = np.array(list(itertools.product((1, -1), repeat=14)))
    exact = (abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    assert sign_flip_p_value(list(differences), range(14)) == pytest.approx(exact, abs=0.01)


def test_random_p_is_never_zero() -> None:
    assert sign_flip_p_value([1.0] * 50, range(50), flips=99) == pytest.approx(0.01)


def test_copies_within_a_cluster_are_no_evidence() -> None:
    differences = list(RNG.normal(0.2, 0.3, 12))
    copied = [value for value in differences for _ in range(10)]
    clusters = [number for number in range(12) for _ in range(10)]
    assert sign_flip_p_value(copied, clusters) == sign_flip_p_value(differences, range(12))
    as_samples = sign_flip_p_value(copied, range(120))
    assert as_samples is not None
    assert as_samples < 0.01


def test_strata_weigh_alike() -> None:
    # Stratum x has four samples and y one: the difference is the mean of 0.2 and -0.4.
    result = paired_test([0.0] * 4 + [0.4], [0.2] * 4 + [0.0], "abcde", strata="xxxxy")
    assert result.difference == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("first", "second", "clusters"),
    [([], [], []), ([0.5], [0.7], ["a"]), ([0.5, 0.1], [0.7, 0.2], ["a", "a"])],
)
def test_too_little_to_test(first: list[float], second: list[float], clusters: list[str]) -> None:
    result = paired_test(first, second, clusters)
    assert (result.p_value, result.minimum_detectable, result.low, result.high) == (None, None, None, None)
    assert result.n == len(first)


def test_a_run_against_itself() -> None:
    scores = list(RNG.random(30))
    result = paired_test(scores, scores, range(30))
    assert (result.difference, result.p_value, result.minimum_detectable) == (0.0, 1.0, None)
    assert (result.method, result.wins, result.losses) == ("all equal", 0, 0)


def test_refuses_what_is_no_score() -> None:
    with pytest.raises(ValueError, match="2 scores beside 1"):
        paired_test([0.1, 0.2], [0.1], "ab")
    with pytest.raises(ValueError, match="nan is no score"):
        paired_test([float("nan")], [0.1], "a")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 30)), min_size=1, max_size=60))
def test_swapping_negates(rows: list[tuple[float, float, int]]) -> None:
    first, second, clusters = (list(column) for column in zip(*rows, strict=True))
    one, other = paired_test(first, second, clusters), paired_test(second, first, clusters)
    assert one.difference == pytest.approx(-(other.difference or 0.0))
    assert (one.wins, one.losses) == (other.losses, other.wins)
    assert (one.low is None) == (other.low is None)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.minimum_detectable == pytest.approx(other.minimum_detectable)


def test_order_does_not_matter_where_flips_are_exact() -> None:
    differences, clusters = list(RNG.normal(0, 1, 40)), list(RNG.integers(0, 9, 40))
    order = RNG.permutation(40)
    shuffled = sign_flip_p_value([differences[i] for i in order], [clusters[i] for i in order])
    assert shuffled == sign_flip_p_value(differences, clusters)


def test_the_detectable_effect_is_millers_for_many_samples() -> None:
    differences = RNG.normal(0, 0.4, 2_000)
    found = minimum_detectable_effect(list(differences), range(2_000))
    assert found == pytest.approx((1.95996 + 0.84162) * stats.sem(differences), rel=0.02)


def test_the_detectable_effect_is_students_for_few() -> None:
    """The power of a t test with 12 normal differences, by SciPy's noncentral t."""
    differences = stats.norm.ppf((np.arange(12) + 0.5) / 12)
    found = minimum_detectable_effect(list(differences), range(12))
    assert found is not None
    centre = found / stats.sem(differences)
    power = stats.nct.sf(stats.t.ppf(0.975, 11), 11, centre)
    assert power == pytest.approx(0.8, abs=0.04)


def test_five_clusters_can_show_nothing() -> None:
    assert minimum_detectable_effect([0.1, 0.2, 0.3, 0.4, 0.5], range(5)) is None
    assert minimum_detectable_effect([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], range(6)) is not None


def test_a_few_wins_in_a_hundred_are_no_interval_and_no_promise() -> None:
    """A bootstrap of three wins excludes 0 where p is 0.25; and no test finds what six clusters can't carry."""
    few = paired_test([0.0] * 100, [1.0] * 3 + [0.0] * 97, range(100))
    assert (few.low, few.method) == (None, "fewer than 10 clusters differ")
    assert few.p_value == pytest.approx(0.25, abs=0.02)
    assert few.minimum_detectable is None
    some = paired_test([0.0] * 97 + [1.0] * 3, [1.0] * 3 + [0.0] * 97, range(100))
    assert some.minimum_detectable == pytest.approx(0.08)  # eight of a hundred; the smooth formula says 0.07


@pytest.mark.parametrize(("n", "share"), [(100, 0.1), (200, 0.05), (60, 0.2)])
def test_the_detectable_effect_has_its_power_where_scores_are_0_or_1(n: int, share: float) -> None:
    """An effect on 0/1 scores is more wins than losses, nothing that is added to each difference."""
    rng = np.random.default_rng(4)

    def draw(effect: float) -> list[float]:
        total = max(share, effect)
        sides = rng.choice([1.0, -1.0, 0.0], n, p=[(total + effect) / 2, (total - effect) / 2, 1 - total])
        return sides.tolist()

    stated = [minimum_detectable_effect(draw(0.0), range(n), flips=499) for _ in range(60)]
    effect = float(np.mean([one for one in stated if one is not None]))
    found = [(sign_flip_p_value(draw(effect), range(n), flips=499) or 1) < 0.05 for _ in range(400)]
    assert 0.68 <= np.mean(found) <= 0.95


def test_a_hundred_thousand_clusters_take_no_minutes() -> None:
    differences = RNG.normal(0.004, 0.3, 100_000)
    p = sign_flip_p_value(differences, range(100_000), flips=999)
    assert p == pytest.approx(2 * stats.norm.sf(differences.mean() / stats.sem(differences)), abs=0.03)
    found = minimum_detectable_effect(differences, range(100_000), flips=999)
    assert found == pytest.approx(2.80 * stats.sem(differences), rel=0.1)


def test_more_power_asks_for_more() -> None:
    differences = list(RNG.normal(0, 1, 40))
    effects = [minimum_detectable_effect(differences, range(40), power=power) or 0 for power in (0.5, 0.8, 0.95)]
    assert effects == sorted(effects)
    assert len(set(effects)) == 3


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    with pytest.raises(ValueError, match="0 to 1"):
        holm([1.5])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p - 1e-12 <= q <= min(1.0, p * len(p_values)) + 1e-12
        assert p <= q <= 1.0
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [q for _, q in ranked] == sorted(adjusted)


def test_arrays_are_as_good_as_lists() -> None:
    first, second, clusters = RNG.random(20), RNG.random(20), RNG.integers(0, 8, 20)
    strata = clusters % 2
    assert paired_test(first, second, clusters, strata=strata) == paired_test(
        first.tolist(), second.tolist(), clusters.tolist(), strata=strata.tolist()
    )
    assert sign_flip_p_value(first - second, clusters) == sign_flip_p_value(
        (first - second).tolist(), clusters.tolist()
    )
    one = mean_interval(first, clusters)
    assert one == mean_interval(first.tolist(), clusters.tolist())
