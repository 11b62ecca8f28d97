"""Tables in answers."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from golong_eval.rewards import score

GOLD = {"columns": ["name", "year"], "data": [["a", 1], ["b", 2]]}


def iou(answer, gold=GOLD):
    return score("iou", answer if isinstance(answer, str) else json.dumps(answer), gold)


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(GOLD),
        f"```json\n{json.dumps(GOLD, indent=2)}\n```",
        f"Here it is: {json.dumps(GOLD)}. As [1] and [2, 3] say {{so}}.",
        '{"columns": ["Year", "**name**"], "data": [["1", "A"], [2.0, " b "]]}',
        '[{"name": "a", "year": 1}, {"year": "2", "name": "b"}]',
        '{"data": [{"name": "a", "year": 1}, {"year": 2, "name": "b"}]}',
        '[["name", "year"], ["a", 1], ["b", 2]]',
        '{"answer": {"columns": ["name", "year"], "data": [["b", 2], ["a", 1]]}}',
        '{"columns": ["name", "year"], "data": [["c", 3]]}\nNo: ' + json.dumps(GOLD),
        'The {old ["a" list] was: ' + json.dumps(GOLD),
    ],
)
def test_forms_of_the_right_table(answer):
    assert iou(answer).value == 1.0


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ([["a", 1]], 1 / 2),
        ([["a", 1], ["b", 2], ["c", 3]], 2 / 3),
        ([["a", 1], ["a", 1], ["b", 2]], 2 / 3),
        ([["a", 2], ["b", 1]], 0.0),
        ([["a", True], ["b", 2]], 1 / 3),
        ([["a", None], ["b", 2]], 1 / 3),
        ([["a", "1.00"], ["b", "2e0"]], 1.0),
        ([], 0.0),
    ],
)
def test_multiset_jaccard(data, value):
    assert iou({"columns": ["name", "year"], "data": data}).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"columns": ["name"], "data": [["a"], ["b"]]}, 1 / 2),
        ({"columns": ["name", "year", "x"], "data": [["a", 1, 0], ["b", 2, 0]]}, 2 / 3),
        ({"columns": ["name", "x"], "data": [["a", 1], ["c", 2]]}, 1 / 3 * 1 / 3),
        ({"columns": ["x", "y"], "data": [["a", 1]]}, 0.0),
    ],
)
def test_shared_columns_over_all_columns(answer, value):
    assert iou(answer).value == pytest.approx(value)


def test_true_is_not_one_and_null_is_nothing_else():
    for cell, other in ((True, 1), (False, 0), (None, ""), (None, "null"), (1, "one"), (10**30, 10**30 + 1)):
        gold = {"columns": ["c"], "data": [[cell]]}
        assert iou(gold, gold).value == 1.0
        assert iou({"columns": ["c"], "data": [[other]]}, gold).value == 0.0


@pytest.mark.parametrize(
    "answer",
    [
        "no table", "| a | b |", "[[1, 2], [3, 4]]", '[["a", 1], ["b", 2]]', "{}", "[]", '{"data": "x"}',
        '{"columns": ["name"]}',
        '{"columns": ["name", "year"], "data": [["a"]]}', '{"columns": ["name", "year"], "data": [["a", 1, 2]]}',
        '{"columns": ["name", "name"], "data": [["a", 1]]}', '{"columns": ["name", "Name"], "data": [["a", 1]]}',
        '{"columns": ["name", "year"], "data": [["a", NaN]]}',
        '{"columns": ["name", "year"], "data": [["a", -Infinity]]}',
        '{"columns": ["name", "year"], "data": [["a", [1]]]}', '[{"name": "a"}, {"year": 1}]',
        '[{"name": "a", "name": "b"}]',
        '{"columns": ["name", "year"], "data": [["a", 1], ["b"',
        '{"columns": ["name", "year"], "data": [["a", ' + "1" * 5000 + "]]}",
        '{"columns": ["name", "year"], "data": [["a", 1e99999999999999999999]]}',
        "{'columns': ['name'], 'data': [['a']]}",
        '{"columns": [], "data": []}', '{"columns": 3, "data": [[1]]}', '{"columns": [true], "data": [[1]]}',
    ],
)  # fmt: skip
def test_what_is_no_table_is_unparsed(answer):
    assert iou(answer).status == "unparsed"


def test_a_huge_exponent_is_a_number_like_any_other():
    assert iou('{"columns": ["name", "year"], "data": [["a", 1e999999], ["b", 2]]}').value == pytest.approx(1 / 3)


def test_columns_that_look_alike_are_kept_apart():
    gold = {"columns": ["Name", "name", "na  me", "na me"], "data": [[1, 2, 3, 4]]}
    assert iou(gold, gold).value == 1.0
    assert iou({"columns": ["name", "Name", "na  me", "na me"], "data": [[1, 2, 3, 4]]}, gold).value == 0.0
    assert iou({"columns": ["NAME"], "data": [[1]]}, gold).value == 0.0


@given(st.lists(st.integers(0, 5), min_size=1, unique=True), st.lists(st.integers(0, 5), min_size=1, unique=True))
def test_distinct_rows_agree_with_scikit_learn(gold, answer):
    hot = [[int(i in rows) for i in range(6)] for rows in (gold, answer)]
    table, answered = ({"columns": ["c"], "data": [[x] for x in rows]} for rows in (gold, answer))
    assert iou(answered, table).value == pytest.approx(jaccard_score(*hot))


@given(st.lists(st.integers(0, 3), min_size=1), st.lists(st.integers(0, 3), min_size=1))
def test_repeated_rows_count(gold, answer):
    table, answered = ({"columns": ["c"], "data": [[x] for x in rows]} for rows in (gold, answer))
    both, either = Counter(gold) & Counter(answer), Counter(gold) | Counter(answer)
    assert iou(answered, table).value == pytest.approx(both.total() / either.total())


def test_a_later_table_that_shares_no_column_is_no_answer():
    evidence = 'Evidence: [{"doc": "D1"}, {"doc": "D2"}]'
    right, half = json.dumps(GOLD), '[{"name": "a"}, {"name": "b"}]'
    assert iou(f"{right}\n{evidence}").value == 1.0
    assert iou(f"{right}\n{half}\n{evidence}").value == 0.5
    assert iou(evidence).value == 0.0
    assert iou(evidence).status == "ok"
