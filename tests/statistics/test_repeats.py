"""pass@k, best of k and the majority: by counting all draws, and by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.statistics import best_of_k, effective_length, length_bucket, majority, pass_at_k


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=7).flatmap(
        lambda scores: st.tuples(st.just(scores), st.integers(1, len(scores)))
    )
)
def test_both_are_the_mean_over_all_draws(case: tuple[list[float], int]) -> None:
    scores, k = case
    draws = list(itertools.combinations(scores, k))
    assert pass_at_k([scores], k)[0] == pytest.approx(np.mean([max(draw) >= 1 for draw in draws]))
    assert best_of_k([scores], k)[0] == pytest.approx(np.mean([max(draw) for draw in draws]))


def test_pass_at_k_by_hand() -> None:
    # HumanEval's estimator for n = 10, c = 3, k = 5: 1 - C(7,5)/C(10,5) = 1 - 21/252.
    assert pass_at_k([[1.0] * 3 + [0.0] * 7], 5)[0] == pytest.approx(1 - 21 / 252)
    assert pass_at_k([[0.4, 0.7]], 1, threshold=0.65)[0] == 0.5
    assert pass_at_k(np.zeros((0, 3)), 2).tolist() == []


@pytest.mark.parametrize(("n", "k"), [(8, 4), (7, 2), (7, 4), (11, 5)])
def test_answers_that_are_alike_have_their_score_to_the_bit(n: int, k: int) -> None:
    assert best_of_k([[1.0] * n, [0.3] * n], k).tolist() == [1.0, 0.3]


def test_many_answers_do_not_overflow() -> None:
    assert pass_at_k([[1.0] + [0.0] * 1999], 1000)[0] == pytest.approx(0.5)
    assert 0 <= best_of_k([np.linspace(0, 1, 2000).tolist()], 1000)[0] <= 1


@pytest.mark.parametrize("k", [0, 3])
def test_k_is_between_one_and_n(k: int) -> None:
    with pytest.raises(ValueError, match="1 to the 2 answers"):
        pass_at_k([[0.0, 1.0]], k)
    with pytest.raises(ValueError, match="1 to the 2 answers"):
        best_of_k([[0.0, 1.0]], k)


def test_refuses_nan() -> None:
    with pytest.raises(ValueError, match="finite matrix"):
        best_of_k([[float("nan")]], 1)


def test_majority() -> None:
    assert majority(["a", "b", "a"], [1, 0, 1]) == 1
    assert majority(["a", "b"], [1, 0]) == 0.5
    assert majority([None, None, "a"], [0, 0, 1]) == 1
    assert majority([None], [0]) == 0
    assert majority([("x", "y"), ("x", "y"), "z"], [0.5, 0.5, 1]) == 0.5


def test_effective_length() -> None:
    # BABILong's table: GPT-4o, base 99.3, threshold 84.4; scores above it up to 8K.
    assert effective_length({1024: 0.993, 8192: 0.86, 16384: 0.83}) == 8192
    assert effective_length({1024: 0.8, 2048: 0.85 * 0.8}) == 2048
    assert effective_length({1024: 0.8}) is None
    assert effective_length({1024: 0.0, 2048: 0.5}) is None
    assert effective_length({1024: 0.8, 2048: 0.1, 4096: 0.8}) == 1024
    with pytest.raises(ValueError, match="share"):
        effective_length({1: 1.0, 2: 1.0}, share=0)


def test_length_buckets() -> None:
    assert [length_bucket(n) for n in (1, 1024, 1025, 131_072, 131_073, 1_048_576)] == [
        1024,
        1024,
        2048,
        131_072,
        262_144,
        1_048_576,
    ]
    with pytest.raises(ValueError, match="0 tokens"):
        length_bucket(0)
