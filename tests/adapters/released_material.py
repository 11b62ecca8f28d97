"""Rows as GoLongRL released them: all five values of data_source, all nine abilities, in each shape of ground truth."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

TABLE = {"columns": ["name", "year"], "data": [["a", 1], ["b", 2]]}


class Released(NamedTuple):
    """A row, the metric that scores it, a right answer, and a wrong one with its value."""

    source: str
    ability: str
    mode: str
    truth: dict[str, Any]
    metric: str
    right: str
    other: str
    value: float


def _truth(items: list[str] | None, label: str | None, language: str | None = "English") -> dict[str, Any]:
    return {"doc_ids": items, "golden_label": label, "summary": language}


ROWS = [
    Released(
        "EM",
        "precise long-range information retrieval",
        "EM",
        _truth(None, "e42", None),
        "exact_match",
        "[Answer]\ne42",
        "[Answer]\ne43",
        0.0,
    ),
    Released(
        "selection",
        "evidence-grounded comprehension and reasoning",
        "selection",
        _truth([], "The correct answer is (B)."),
        "accuracy",
        "The correct answer is (B).",
        "The correct answer is (C).",
        0.0,
    ),
    Released(
        "math_longcot_math_verify",
        "numerical extraction and quantitative reasoning",
        "math_verify",
        _truth(None, "1/2", None),
        "math_verify",
        r"So \boxed{0.5}",
        r"So \boxed{0.25}",
        0.0,
    ),
    Released(
        "multitableqa_pretraining",
        "multi-table structured extraction",
        "multitableqa_pretraining",
        _truth(None, json.dumps(TABLE), None),
        "iou",
        json.dumps(TABLE),
        json.dumps({"columns": ["name", "year"], "data": [["a", 1]]}),
        0.5,
    ),
    Released(
        "longbench_pro",
        "evidence-grounded comprehension and reasoning",
        "T3.2 Single-Hop Fact QA",
        _truth(["C"], None),
        "accuracy",
        "[Answer]\nC",
        "[Answer]\nD",
        0.0,
    ),
    Released(
        "longbench_pro",
        "high-recall exhaustive retrieval and verification",
        "T7.1 Global Conflict & Inconsistency Localization",
        _truth(["D1", "D3"], None),
        "f1",
        "[Answer]\nD3\nD1",
        "[Answer]\nD1",
        2 / 3,  # precision 1, recall 1/2
    ),
    Released(
        "longbench_pro",
        "fragment-level structured matching and induction",
        "T8.2 Single-Source Targeted Aggregation",
        _truth(["x: 1", "y: 2"], None),
        "sub_em",
        "[Answer]\nx: 1\ny: 2",
        "[Answer]\nx: 1\ny: 3",
        0.5,
    ),
    Released(
        "longbench_pro",
        "dimension-quantified retrieval and graded ranking",
        "T1.2 Key-Snippet Retrieval",
        _truth(["b", "a"], None),
        "ndcg",
        "[Answer]\nb\na",
        "[Answer]\na\nb",
        0.859719,  # (1 + 2 / log2 3) / (2 + 1 / log2 3)
    ),
    Released(
        "longbench_pro",
        "sequence reconstruction and ordering",
        "T2.1 Global Timeline Reconstruction",
        _truth(["first", "second", "third"], None),
        "pairwise_accuracy",
        "[Answer]\nfirst\nsecond\nthird",
        "[Answer]\nfirst\nthird\nsecond",
        2 / 3,
    ),
    Released(
        "longbench_pro",
        "long document summarization",
        "T4.2 Query-Focused Summary",
        _truth(["the gate is open on sundays"], None),
        "rouge_l",
        "[Answer]\nThe gate is open on Sundays.",
        "[Answer]\nThe gate is shut.",
        0.6,  # 3 of 4 words and of 6: 2 * 3 / 10
    ),
]


def shapes(truth: dict[str, Any]) -> list[Any]:
    """The same ground truth as it may reach a reward: a struct, a list of structs, the JSON text of either."""
    kept = {name: value for name, value in truth.items() if value is not None}
    return [truth, kept, [truth], [{"golden_label": "not this"}, truth], json.dumps(truth), json.dumps([kept])]
