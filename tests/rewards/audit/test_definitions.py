"""The audit's own formulas, by numbers worked out by hand."""

import pytest

from golong_eval.rewards.audit.definitions import items_value, rows_value, text_value

GOLD = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("metric", "answered", "value"),
    [
        ("f1", "abxy", 0.5),
        ("f1", "", 0.0),
        ("sub_em", "abxyz", 0.4),
        ("sub_em", "aab", 0.5),
        ("ndcg", "abcd", 1.0),
        ("ndcg", "dcba", 0.749),
        ("ndcg", "axyb", 0.723),
        ("ndcg", "abcdxyzw", 0.5),
        ("pairwise_accuracy", "bacd", 5 / 6),
        ("pairwise_accuracy", "ab", 1 / 6),
        ("pairwise_accuracy", "abxcd", 0.6),
    ],
)
def test_lists(metric: str, answered: str, value: float) -> None:
    assert items_value(metric, list(answered), GOLD) == pytest.approx(value, abs=5e-4)


def test_items_are_one_only_where_they_fold_alike_and_gold_items_stay_apart() -> None:
    assert items_value("f1", ["D1", "d1 "], ["D1"]) == 1.0
    assert items_value("f1", ["a", "A"], ["a", "A"]) == 1.0
    assert items_value("pairwise_accuracy", ["x", "a"], ["a"]) == 1.0  # exact match reads the last line


def test_tables() -> None:
    columns, rows = ["name", "year"], [["a", 1], ["b", 2]]
    assert rows_value(["year", "name"], [["1.0", "A"], [2, "b"]], columns, rows) == 1.0
    assert rows_value(columns, rows * 2, columns, rows) == 0.5
    assert rows_value(["name"], [["a"], ["c"]], columns, rows) == pytest.approx(1 / 6)
    assert rows_value(["name", "other"], [["a", 1]], columns, rows) == pytest.approx(1 / 6)
    assert rows_value(["name"], [[True]], ["name"], [[1]]) == 0.0
    assert rows_value(["x"], [["a"]], columns, rows) == rows_value(columns, [], columns, rows) == 0.0


def test_texts() -> None:
    reference = "the cat sat on the mat"
    assert text_value(" ".join([reference] * 3), [reference]) == pytest.approx(0.5)
    assert text_value("mat the on sat cat the", [reference]) == pytest.approx(0.5)  # "the on the" is common
    assert text_value("a dog", [reference, "a dog ran"]) == pytest.approx(0.8)
    assert text_value("", [reference]) == 0.0
