"""What is wrong in a user's file is said in words: the key, the problem, the key that was meant."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from golong_eval.faults import Fault, explain, problems
from golong_eval.schema import Sample

GOOD: dict[str, Any] = {
    "id": "s1",
    "task": "t3",
    "documents": [{"id": "D1", "text": "one"}],
    "question": "Which?",
    "gold": {"type": "items", "items": ["D1"]},
}
TABLE = {"type": "table", "columns": ["a"], "data": [[1]]}


def faults_of(data: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate_json(data) if isinstance(data, str) else Sample.model_validate(data)
    return explain(caught.value, Sample)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"documnets": []}, ["unknown key 'documnets': did you mean 'documents'?"]),
        (
            {"zzzzzz": 1},
            ["unknown key 'zzzzzz': known: id, task, documents, question, gold, metadata"],
        ),
        ({"documents": [{"id": "D1", "txt": "one"}]}, ["documents[0]: unknown key 'txt': did you mean 'text'?"]),
        ({"documents": [{"text": "one"}]}, ["documents[0]: needs the key 'id'"]),
        ({"documents": [{"id": "D1"}]}, ["documents[0]: give exactly one of 'text' and 'path'"]),
        ({"documents": [{"id": "D", "text": "x"}] * 2}, ["two documents have the same id"]),
        ({"documents": 3}, ["documents: must be a list, not 3"]),
        ({"question": "  "}, ["question: must not be blank"]),
        ({"question": 7}, ["question: must be text, not 7"]),
        ({"gold": {"type": "item", "items": ["D1"]}}, ["gold: unknown 'type' 'item': did you mean 'items'?"]),
        ({"gold": {"items": ["D1"]}}, ["gold: needs the key 'type'"]),
        ({"gold": {"type": "items", "items": []}}, ["gold.items: needs at least 1 entry, has 0"]),
        ({"gold": {"type": "items", "items": ["a", 3]}}, ["gold.items[1]: must be text, not 3"]),
        ({"gold": {"type": "items", "items": [" "]}}, ["gold.items[0]: must not be blank"]),
        ({"gold": {"type": "items", "item": ["a"]}}, ["gold: unknown key 'item': did you mean 'items'?"]),
        (
            {"gold": {**TABLE, "data": [[[1]]]}},
            ["gold.data[0][0]: must be text, a whole number, a number or true or false, not [1]"],
        ),
        ({"gold": {**TABLE, "data": [[1, 2]]}}, ["gold: row 1 has 2 cells for 1 columns"]),
        ({"metadata": {"language": "fr"}}, ["metadata.language: must be 'en' or 'zh', not 'fr'"]),
        (
            {"metadata": {"candidates": 0}},
            ["metadata.candidates: must be greater than or equal to 1, not 0"],
        ),
        (
            {"metadata": {"evidence": [{"document": "D9", "start": 0, "end": 1, "depth": 0}]}},
            ["evidence names the document 'D9', which the sample lacks"],
        ),
    ],
)
def test_a_problem_names_its_key(change: dict[str, Any], said: list[str]) -> None:
    assert faults_of({**GOOD, **change}) == said


def test_a_misspelt_key_is_one_problem_not_two() -> None:
    data = {("qestion" if key == "question" else key): value for key, value in GOOD.items()}
    assert faults_of(data) == ["unknown key 'qestion': did you mean 'question'?"]


def test_all_problems_are_named() -> None:
    data = {**GOOD, "question": "", "tags": 1, "gold": {"type": "items", "items": [1, ""]}}
    assert len(faults_of(data)) == 4


def test_broken_json_says_where_in_the_line() -> None:
    assert faults_of('{"id": "x"') == ["not JSON: EOF while parsing an object at column 10"]
    assert faults_of("[1]") == ["must be an object, not [1]"]
    assert "recursion" in faults_of("[" * 5000)[0]


def test_a_long_value_is_cut() -> None:
    assert len(faults_of({**GOOD, "gold": "x" * 100_000})[0]) < 150


def test_paths_lead_through_the_data_as_written() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({**GOOD, "gold": {"type": "items", "items": ["a", 3]}})
    assert problems(caught.value, Sample)[0].path == ("gold", "items", 1)


def test_an_error_of_another_model_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({})
    with pytest.raises(ValueError, match="of Sample, not of Fault"):
        problems(caught.value, Fault)  # type: ignore[arg-type]


def test_a_fault_prints_as_file_and_line() -> None:
    assert str(Fault("a.jsonl", 3, "not JSON")) == "a.jsonl:3: not JSON"
    assert str(Fault("a.jsonl", None, "no such file")) == "a.jsonl: no such file"
