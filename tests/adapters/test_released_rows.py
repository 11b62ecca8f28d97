"""A row says its metric and its gold, in every shape that it comes in, or an error says that it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golong_eval.adapters.released_rows import ABILITIES, read_row, task_of
from golong_eval.adapters.rows import label_of
from golong_eval.errors import DataError, UnknownNameError
from golong_eval.rewards import METRIC_NAMES, SECONDARY_TASKS, coerce_gold
from golong_eval.schema import Variant
from golong_eval.tasks import load_catalogue

from .released_material import ROWS, Released, shapes

NINE = [f"t{number}" for number in range(1, 10)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.metric}")
def test_a_released_row_says_the_same_in_every_shape(row: Released) -> None:
    read = [read_row(row.source, truth, {"reward_mode": row.mode, "question": "Which?"}) for truth in shapes(row.truth)]
    assert {one.spec.name for one in read} == {row.metric}
    assert {one.task for one in read} == {f"t{METRIC_NAMES.index(row.metric) + 1}"}
    assert len({str(coerce_gold(row.metric, one.gold)) for one in read}) == 1
    assert {one.question for one in read} == {"Which?"}
    assert {one.language for one in read} == {"en" if row.truth["summary"] else None}


def test_the_rows_here_cover_what_was_released() -> None:
    assert {row.source for row in ROWS} == {
        "EM",
        "selection",
        "math_longcot_math_verify",
        "multitableqa_pretraining",
        "longbench_pro",
    }
    assert {row.ability for row in ROWS} == set(ABILITIES)
    assert {row.ability: row.metric for row in ROWS} == dict(ABILITIES)


def test_an_ability_is_the_capability_of_the_task_with_its_metric() -> None:
    specs = load_catalogue().specs
    assert {specs[task].capability: specs[task].metric.name for task in NINE} == dict(ABILITIES)


@pytest.mark.parametrize("mode", [*SECONDARY_TASKS, "NDCG", "Summary", "rouge_l"])
def test_each_secondary_task_and_each_name_of_a_reward_is_known(mode: str) -> None:
    assert read_row("longbench_pro", {"doc_ids": ["x"]}, {"reward_mode": mode}).spec.name in METRIC_NAMES


def test_without_a_reward_mode_the_ability_decides() -> None:
    for ability, metric in ABILITIES.items():
        extra = {"reward_mode": None, "ability": ability}
        assert read_row("longbench_pro", {"doc_ids": ["x"]}, extra).spec.name == metric


def test_arrays_of_parquet_columns_are_read() -> None:
    truth = {"doc_ids": np.array(["D1", "D2"], dtype=object), "golden_label": None}
    extra = {"reward_mode": "F1_Score"}
    assert read_row("longbench_pro", truth, extra).gold == ["D1", "D2"]
    assert read_row("longbench_pro", np.array([truth], dtype=object), extra).gold == ["D1", "D2"]


def test_a_field_that_only_other_rows_have_is_absent() -> None:
    truth = {"golong": None, "golden_label": "x", "columns": None, "data": None}
    assert read_row("EM", truth).gold == "x"


def test_a_table_may_stand_in_the_struct_itself() -> None:
    truth = {"golden_label": None, "doc_ids": None, "columns": ["a"], "data": [["1"]]}
    assert read_row("multitableqa_pretraining", truth).gold == {"columns": ["a"], "data": [["1"]]}


def test_the_language_of_a_chinese_row_is_chinese() -> None:
    truth = {"doc_ids": ["x"], "summary": "Chinese"}
    assert read_row("longbench_pro", truth, {"reward_mode": "Summary"}).language == "zh"


@pytest.mark.parametrize(
    "stated",
    [
        *("B", "b", "(b)", "B.", "B. Rome", "b. Rome", "(B) Rome", "(b) rome", "B) Rome", "**(B)**", "**B**"),
        *("The correct answer is (B).", "The correct answer is B", "The correct answer is (B) Rome"),
        *("The correct answer is: B", "the correct answer is b", "**The correct answer is: (B)**", "Answer: B"),
        *("answer: (b)", r"\boxed{B}", r"$\boxed{\text{B}}$", " B\n", ["B"]),
    ],
)
def test_a_choice_that_a_sentence_states_is_its_letter(stated: Any) -> None:
    assert read_row("selection", {"golden_label": stated}).gold == "B"


@pytest.mark.parametrize(
    ("source", "truth", "extra"),
    [
        ("openai/gsm8k", "42", {}),
        (None, "42", None),
        ("longbench_pro", {"doc_ids": ["x"]}, {}),
        ("longbench_pro", {"doc_ids": ["x"]}, {"reward_mode": "T99 Something"}),
        ("longbench_pro", {"doc_ids": None, "golden_label": "x"}, {"reward_mode": "NDCG"}),
        ("EM", {"doc_ids": ["x"], "golden_label": None}, {}),
        ("EM", {"golden_label": ""}, {}),
        ("EM", [], {}),
        ("EM", None, {}),
        ("golong_t1", '{"golong": 2, "task": "t1", "metric": "exact_match[strict,v1]", "gold": ["x"]}', {}),
        ("golong_t1", '{"golong": 1, "task": "t1", "metric": "exact_match[strict,v1]"}', {}),
    ],
)
def test_what_is_no_row_is_an_error_and_never_a_guess(source: Any, truth: Any, extra: Any) -> None:
    with pytest.raises(DataError):
        read_row(source, truth, extra)


@pytest.mark.parametrize("variant", [None, "strict", "official"])
@pytest.mark.parametrize("task", NINE)
def test_what_we_write_of_a_sample_is_read_back_as_its_gold(task: str, variant: Variant | None) -> None:
    catalogue = load_catalogue()
    spec = catalogue.get(task)
    for example in catalogue.examples(task):
        sample = example.sample
        row = read_row("anything", label_of(sample, spec), None, variant)
        assert coerce_gold(spec.metric.name, row.gold) == sample.gold
        assert (row.task, row.question, row.language) == (task, sample.question, sample.metadata.language)
        assert (row.spec.name, row.spec.variant) == (spec.metric.name, variant or "strict")


def test_a_task_id_needs_no_ground_truth() -> None:
    assert task_of("golong_t3", {"task": "t3"}) == "t3"
    assert task_of("golong_t3", {"task": None}) == "golong_t3"
    assert task_of("EM", {}) == "t1"
    assert task_of("longbench_pro", {"reward_mode": "T4.1 Global-Coverage Constrained Summary"}) == "t9"
    assert task_of("longbench_pro", {}) == "longbench_pro"
    assert task_of("openai/gsm8k", None) == "openai/gsm8k"
    assert task_of(None, None) is None


def test_a_text_gold_that_looks_like_json_stays_a_text() -> None:
    assert read_row("EM", {"golden_label": '{"a": 1}'}).gold == '{"a": 1}'
    assert read_row("EM", '{"a": 1}').gold == '{"a": 1}'
    assert read_row("EM", "{broken").gold == "{broken"
    assert json.loads(
        read_row("multitableqa_pretraining", {"golden_label": '{"columns": ["a"], "data": [["1"]]}'}).gold
    )


def test_reading_changes_nothing(tmp_path: Path) -> None:
    truth = [{"doc_ids": None, "golden_label": "x", "summary": None}]
    extra = {"reward_mode": "EM", "question": None}
    before = json.dumps([truth, extra])
    read_row("EM", truth, extra)
    assert json.dumps([truth, extra]) == before


def test_a_plain_list_of_longbench_pro_is_the_gold_whatever_its_metric() -> None:
    # Only what is scored by data_source alone stands in a list of which the last counts.
    for mode in ("exact_match", "accuracy"):
        assert read_row("longbench_pro", ["x", "y"], {"reward_mode": mode}).gold == ["x", "y"]
    assert read_row("EM", ["x", "y"]).gold == "y"


def test_the_reward_mode_decides_before_the_ability() -> None:
    extra = {"reward_mode": "NDCG", "ability": "long document summarization"}
    assert read_row("longbench_pro", {"doc_ids": ["x"]}, extra).spec.name == "ndcg"
    assert task_of("longbench_pro", extra) == "t7"


def test_a_variant_that_there_is_not_is_the_row_s_error() -> None:
    loose: Any = "loose"
    with pytest.raises(UnknownNameError, match="variant"):
        read_row("EM", {"golden_label": "x"}, None, loose)
    with pytest.raises(UnknownNameError, match="variant"):
        read_row("x", '{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1"]}', None, loose)


@pytest.mark.parametrize(
    "gold",
    [
        *("The correct answer is A dog", "A dog", "I think so", "Rome", "yes", "(A) and (C)", "A, C", "A or B", "K"),
        *(["A", "C"], 3, "The correct answer is", "**"),
    ],
)
def test_a_selection_without_one_letter_is_an_error_and_no_gold_that_nothing_meets(gold: Any) -> None:
    with pytest.raises(DataError):
        read_row("selection", {"golden_label": gold})
