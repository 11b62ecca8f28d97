"""F1, SubEM, NDCG, pairwise accuracy and exact match: numbers by hand, and other people's code."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, ndcg_score

from golong_eval.rewards import score

FOUR = ["a", "b", "c", "d"]


def value(metric, lines, gold):
    return score(metric, "\n".join(lines), gold).value


@pytest.mark.parametrize(
    ("lines", "f1", "sub_em"),
    [
        (["a", "b", "c", "d"], 1.0, 1.0),
        (["d", "c", "b", "a"], 1.0, 1.0),
        (["a", "b"], 2 / 3, 1 / 2),
        (["a", "a", "A"], 2 / 5, 1 / 4),
        (["a", "b", "c", "d", "x", "y", "z", "w"], 2 / 3, 1 / 2),
        (["x"], 0.0, 0.0),
        (["a", "x"], 1 / 3, 1 / 4),
    ],
)
def test_sets_of_items(lines, f1, sub_em):
    assert value("f1", lines, FOUR) == pytest.approx(f1)
    assert value("sub_em", lines, FOUR) == pytest.approx(sub_em)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a", "b", "c", "d"], 1.0),
        (["d", "c", "b", "a"], 0.749),
        (["b", "a", "c", "d"], 0.950),
        (["a", "x", "y", "b"], 0.723),
        (["a"], 4 / (4 + 3 / math.log2(3) + 1 + 1 / math.log2(5))),
        (["a", "a", "b", "c", "d"], 1.0),
        (["d", "a", "b", "c", "d"], 0.804),
        (["x", "y", "z", "w", "a"], 0.0),
        (["a", "b", "c", "d", "x", "y", "z", "w"], 0.5),
        (["x", "a", "b", "c", "d"], 0.8 * (4 / math.log2(3) + 3 / 2 + 2 / math.log2(5)) / 7.32346),
    ],
)
def test_ndcg_by_hand(lines, expected):
    assert value("ndcg", lines, FOUR) == pytest.approx(expected, abs=6e-4)


@given(st.integers(2, 8).flatmap(lambda n: st.permutations(range(n))))
def test_ndcg_agrees_with_scikit_learn(order):
    n = len(order)
    gold = [f"x{i}" for i in range(n)]
    relevance = [[n - i for i in range(n)]]
    ranks = [[-order.index(i) for i in range(n)]]
    assert value("ndcg", [gold[i] for i in order], gold) == pytest.approx(
        ndcg_score(relevance, ranks, ignore_ties=True)
    )


@given(st.lists(st.sampled_from([*"abcdef", "x", "y"]), min_size=1, unique=True))
def test_ndcg_agrees_with_pytrec_eval_up_to_the_penalty_of_length(lines):
    import pytrec_eval

    gold = list("abcd")
    judged = {"q": {item: 4 - place for place, item in enumerate(gold)}}
    ranked = {"q": {line: float(-place) for place, line in enumerate(lines)}}
    peer = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.4"}).evaluate(ranked)["q"]["ndcg_cut_4"]
    assert value("ndcg", lines, gold) == pytest.approx(peer * min(1, 4 / len(lines)))


@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9), min_size=1))
def test_f1_agrees_with_scikit_learn(gold, answer):
    hot = [[int(i in items) for i in range(10)] for items in (gold, answer)]
    lines = [[f"D{i}" for i in items] for items in (answer, gold)]
    assert value("f1", *lines) == pytest.approx(f1_score(*hot, zero_division=0.0))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a", "b", "c", "d"], 1.0),
        (["d", "c", "b", "a"], 0.0),
        (["b", "a", "c", "d"], 5 / 6),
        (["a", "b"], 1 / 6),
        (["a", "b", "x", "c", "d"], 6 / 10),
        (["a", "b", "c", "d", "a", "b"], 1.0),
        (["b", "a", "b"], 0.0),
        (["a"], 0.0),
        (["x", "y"], 0.0),
    ],
)
def test_pairwise_by_hand(lines, expected):
    assert value("pairwise_accuracy", lines, FOUR) == pytest.approx(expected)


@given(st.lists(st.sampled_from([*"abcdef", "x", "y"]), min_size=1, unique=True))
def test_pairwise_counts_pairs(lines):
    gold = list("abcdef")
    pairs = sum(
        a in lines and b in lines and lines.index(a) < lines.index(b) for a, b in itertools.combinations(gold, 2)
    )
    assert value("pairwise_accuracy", lines, gold) == pytest.approx(pairs / max(15, math.comb(len(lines), 2)))


def test_repeated_gold_items_are_one():
    for metric in ("f1", "sub_em", "ndcg", "pairwise_accuracy"):
        assert value(metric, ["a", "b"], ["a", "a", "b", "a"]) == 1.0


def test_a_single_ordered_item_is_an_exact_match():
    assert value("pairwise_accuracy", ["The answer is **A1**."], ["A1"]) == 1.0
    assert value("pairwise_accuracy", ["A2"], ["A1"]) == 0.0


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        ("e0", 1.0), ("**e0**", 1.0), ("e0.", 1.0), ("E0", 1.0), ("ｅ０", 1.0), ('"e0"', 1.0), ("- e0", 1.0),
        ("1. e0", 1.0),
        ("The answer is e0.", 1.0), ("Answer: e0", 1.0), ("答案是e0。", 1.0), ("I looked at it.\n\n**e0**", 1.0),
        ("```\ne0\n```", 1.0),
        ("e 0", 0.0), ("not e0", 0.0), ("The answer is not e0", 0.0), ("e0\nor e1", 0.0), ("e1", 0.0), ("е0", 0.0),
        ("e⁰", 0.0),
        ("e0 e0", 0.0), ("e0\ne1", 0.0),
    ],
)  # fmt: skip
def test_exact_match(area, expected):
    assert score("exact_match", area, "e0").value == expected


def test_the_last_line_counts_even_if_it_was_said_before():
    assert score("exact_match", "e0\ne1\ne0", "e0").value == 1.0
    assert score("exact_match", "e0\ne1\ne0", "e1").value == 0.0
    assert score("accuracy", "A\nor so I thought\nB\nno, after all:\nA", "A").value == 1.0


def test_exact_match_takes_any_alias():
    for area in ("e0", "epsilon zero", "The answer is Epsilon  Zero."):
        assert score("exact_match", area, ["e0", "Epsilon Zero", "E0"]).value == 1.0
    assert score("exact_match", "The answer is 42", "The answer is 42").value == 1.0
