"""Chance levels, by brute force."""

import itertools
import statistics

import pytest

from golong_eval.errors import DataError
from golong_eval.rewards import chance_level, coerce_gold, score


def mean_over_orders(metric, gold):
    return statistics.fmean(score(metric, "\n".join(order), gold).value for order in itertools.permutations(gold))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_ndcg_and_pairwise_are_means_over_all_orders(n):
    gold = [f"x{i}" for i in range(n)]
    for metric in ("ndcg", "pairwise_accuracy"):
        assert chance_level(metric, coerce_gold(metric, gold), None) == pytest.approx(mean_over_orders(metric, gold))


def test_the_numbers_that_the_contract_names():
    four, twelve = (coerce_gold("ndcg", [f"x{i}" for i in range(n)]) for n in (4, 12))
    assert chance_level("ndcg", four, None) == pytest.approx(0.87, abs=0.005)
    assert chance_level("ndcg", twelve, None) == pytest.approx(0.83, abs=0.005)
    assert score("ndcg", "x3\nx2\nx1\nx0", four).value == pytest.approx(0.749, abs=5e-4)


def test_f1_of_naming_every_candidate():
    gold = coerce_gold("f1", ["D1", "D2"])
    everything = "\n".join(f"D{i}" for i in range(1, 11))
    assert chance_level("f1", gold, 10) == pytest.approx(score("f1", everything, gold).value) == pytest.approx(1 / 3)


def test_the_rest():
    assert chance_level("accuracy", coerce_gold("accuracy", "B"), 4) == 0.25
    assert chance_level("sub_em", coerce_gold("sub_em", ["F1: D2", "F2: D1"]), 5) == 0.2
    assert chance_level("exact_match", coerce_gold("exact_match", "x"), None) == 0.0
    assert chance_level("math_verify", coerce_gold("math_verify", "4"), None) == 0.0
    assert chance_level("math_verify", coerce_gold("math_verify", "4"), 20) == 0.05
    # Stop words and guessed cells earn something, and nobody knows how much.
    assert chance_level("rouge_l", coerce_gold("rouge_l", "x"), None) is None
    assert chance_level("iou", coerce_gold("iou", {"columns": ["a"], "data": [[1]]}), None) is None
    for metric in ("accuracy", "sub_em", "f1"):
        assert chance_level(metric, coerce_gold(metric, "B"), None) is None
    assert chance_level("ndcg", coerce_gold("ndcg", ["a"]), None) == 1.0
    assert chance_level("pairwise_accuracy", coerce_gold("pairwise_accuracy", ["a"]), None) == 0.0


def test_impossible_candidates():
    for candidates in (0, 1):
        with pytest.raises(DataError):
            chance_level("f1", coerce_gold("f1", ["a", "b"]), candidates)
