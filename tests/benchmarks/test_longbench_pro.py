"""LongBench Pro: its rules against hand numbers, its summary against the identities of the real ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval import evaluate, read_run
from golong_eval.benchmarks import AnswerToScore, benchmark_named, score_answers
from golong_eval.benchmarks.longbench_pro_summary import SIZES, Item, check_summaries, faults_of_summary, summarize
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, DataError
from golong_eval.reports.export import export_run
from golong_eval.rewards import SECONDARY_TASKS

PRO = benchmark_named("longbench_pro")
ROWS = Path(benchmark_named.__code__.co_filename).parent / "rows" / "longbench_pro.json"
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "longbench_pro_official_summaries.json"
PAIRS, RANK, FACT, CITE, SUMMARY = (
    "T2.1 Global Timeline Reconstruction",
    "T1.1 Global Cohesive Retrieval",
    "T3.2 Single-Hop Fact QA",
    "T5.1 Full-Sentence Citation Alignment",
    "T4.1 Global-Coverage Constrained Summary",
)


def values(task: str, gold: list[str], said: str, language: str = "English") -> tuple[float, float]:
    row = PRO.row_of_columns({"secondary_task": task, "answer": gold, "language": language}, "row")
    found = [score_answers(PRO.scored_as(variant), [AnswerToScore(said, row)])[0] for variant in ("official", "strict")]
    return found[0].value or 0.0, found[1].value or 0.0


# ---------------------------------------------------------------------------------------------------------
# The rules


def test_the_published_pairs_are_those_of_the_answer() -> None:
    ten = list("abcdefghij")
    assert values(PAIRS, ten, "[Answer]\na\nb") == pytest.approx((1.0, 1 / 45))
    assert values(PAIRS, ten, "[Answer]\n" + "\n".join([*ten, "k"])) == pytest.approx((45 / 55, 45 / 55))
    assert values(PAIRS, ten, "[Answer]\n" + "\n\n".join(ten)) == pytest.approx((45 / 171, 1.0))
    assert values(PAIRS, ten, "[Answer]\na") == (0.0, 0.0)


def test_blank_lines_bullets_and_numbers_are_published_as_wrong() -> None:
    assert values(CITE, ["x", "y"], "[Answer]\nx\n\ny") == pytest.approx((2 * (2 / 3) / (5 / 3), 1.0))
    assert values(CITE, ["x", "y"], "[Answer]\n- x\n- y") == (0.0, 1.0)
    assert values(FACT, ["Lund"], "[Answer]\n1. Lund") == (0.0, 1.0)


def test_a_summary_is_published_with_all_before_it() -> None:
    gold = "The cat sat on the mat."
    official, strict = values(SUMMARY, [gold], f"I shall think of cats, of mats and of dogs first.\n[Answer]\n{gold}")
    assert strict == 1.0
    assert official < 0.7


def test_a_long_chinese_summary_has_the_value_of_the_formula_and_does_not_fail() -> None:
    text = "春天来了河水上涨渡口的船夫换了新的缆绳" * 60
    assert values(SUMMARY, [text], text, "Chinese") == pytest.approx((1.0, 1.0), abs=1e-6)


def test_the_embedding_half_is_there_with_an_embedder_and_marked_without() -> None:
    class Embedder:
        name = "toy"

        def __call__(self, texts: Any, /) -> list[list[float]]:
            return [[1.0, 0.0] if "cat" in text else [0.0, 1.0] for text in texts]

    row = PRO.row_of_columns({"secondary_task": SUMMARY, "answer": ["the cat sat"], "language": "English"}, "row")
    answer = AnswerToScore("a cat ran", row)
    (alone,) = score_answers(PRO, [answer])
    from golong_eval.rewards import Semantic

    (both,) = score_answers(PRO.scored_as(semantic=Semantic(model="toy")), [answer], embedder=Embedder())
    assert alone.metric == "longbench_pro[strict,v1]"
    assert both.metric == "longbench_pro[strict,v1,semantic=0.5*toy]"
    assert both.value == pytest.approx(0.5 * (alone.value or 0) + 0.5)
    assert (alone.parts["rouge_l"], both.parts["cosine"]) == (alone.value, 1.0)


def test_passes_are_full_scores_and_more_than_065_of_a_summary() -> None:
    rows = [PRO.read_row(fields, "row") for fields in json.loads(ROWS.read_text())]
    by_task = {row.secondary_task: PRO.sample(row, "") for row in rows}
    assert [PRO.solved(value, by_task[SUMMARY]) for value in (0.65, 0.651)] == [False, True]
    assert [PRO.solved(value, by_task[FACT]) for value in (0.99, 1.0)] == [False, True]


def test_all_25_tasks_are_shipped_and_a_wrong_name_or_gold_is_told() -> None:
    rows = json.loads(ROWS.read_text())
    assert {row["secondary_task"] for row in rows} == set(SECONDARY_TASKS)
    with pytest.raises(DataError, match="unknown task") as told:
        PRO.read_row({**rows[0], "secondary_task": "T1.1 Global Cohesive Retrival"}, "row")
    assert "T1.1 Global Cohesive Retrieval" in told.value.hint
    with pytest.raises(DataError, match="row: answer: "):
        PRO.read_row({**rows[0], "answer": ["", "a"]}, "row")


def test_the_two_questions_are_two_benchmarks() -> None:
    row = PRO.read_row(json.loads(ROWS.read_text())[0], "row")
    cot = benchmark_named("longbench_pro_cot")
    assert PRO.prompt(PRO.sample(row, "")).text == f"{row.context}\n\n\n\n{row.question_nonthinking}".strip()
    assert cot.prompt(cot.sample(row, "")).text.endswith(row.question_thinking)


# ---------------------------------------------------------------------------------------------------------
# The summary


@pytest.mark.skipif(not SHARED.is_file(), reason="the official summaries are not beside the repository")
def test_79_of_the_80_official_summaries_hold_all_identities() -> None:
    count, faults = check_summaries(SHARED)
    assert count == 80
    assert {fault.split(":")[0] for fault in faults} == {
        "Kimi-K2-Instruct-0905/nonthinking_context-224000_bon-3_summary.json"
    }
    assert all("by difficulty" in fault for fault in faults)


@pytest.mark.skipif(not SHARED.is_file(), reason="the official summaries are not beside the repository")
@pytest.mark.parametrize(
    ("key", "told"),
    [
        (("average_overall_metric",), "the mean of the runs"),
        (("inference_iteration_1_overall_metric",), "the mean of the runs"),
        (("average_language_metric", "Chinese"), "average by language"),
        (("BoN-2", "token_length", "8k"), "BoN-2 by token_length"),
        (("BoN-3", "overall_metric"), "BoN-3 by"),
        (("pass@2",), "pass@2 is no share of 1500 items"),
        (("average_primary_task_metric", "T3. Evidence-Grounded QA"), "right or wrong"),
        (("total_samples_num",), "items x 3 runs"),
    ],
)
def test_a_changed_number_is_found(key: tuple[str, ...], told: str) -> None:
    summary = copy.deepcopy(next(iter(json.loads(SHARED.read_text()).values())))
    place = summary
    for part in key[:-1]:
        place = place[part]
    place[key[-1]] += 1 if key == ("total_samples_num",) else 0.0001
    assert any(told in fault for fault in faults_of_summary(summary)), faults_of_summary(summary)


def item(place: int, scores: tuple[float | None, ...]) -> Item:
    groups = {kind: list(sizes)[place % len(sizes)] for kind, sizes in SIZES.items()}
    return Item(groups, scores)


def test_a_summary_by_hand() -> None:
    """Two items, three runs; the second has a failure, and is a summary (T4) of which 0.7 passes."""
    groups = {kind: next(iter(sizes)) for kind, sizes in SIZES.items()}
    first = Item(groups, (0.5, 1.0, 0.0))
    second = Item({**groups, "primary_task": "T4. Summarization & Synthesis", "language": "English"}, (0.7, None, 0.2))
    made = summarize([first, second], "2026-01-01")
    assert (made["total_samples_num"], made["fail_samples_num"]) == (6, 1)
    assert made["average_overall_metric"] == pytest.approx((0.5 + 0.3) / 2)
    assert made["inference_iteration_2_overall_metric"] == 0.5
    assert [made[f"BoN-{k}"]["overall_metric"] for k in (1, 2, 3)] == pytest.approx([0.6, 0.85, 0.85])
    assert [made[f"pass@{k}"] for k in (1, 2, 3)] == [0.5, 1.0, 1.0]
    assert made["average_language_metric"] == pytest.approx({"Chinese": 0.5, "English": 0.3})
    with pytest.raises(ValueError, match="number of runs"):
        summarize([first, Item(groups, (0.5,))], "2026-01-01")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 1.0, None])] * 3), min_size=66, max_size=120))
def test_every_summary_that_is_made_holds_the_identities(scores: list[tuple[float | None, ...]]) -> None:
    items = [item(place, found) for place, found in enumerate(scores)]
    sizes = {
        kind: {group: sum(one.groups[kind] == group for one in items) for group in of_kind}
        for kind, of_kind in SIZES.items()
    }
    whole = [
        fault for fault in faults_of_summary(summarize(items, "2026-01-01"), sizes) if "right or wrong" not in fault
    ]
    assert whole == []


@pytest.mark.skipif(not SHARED.is_file(), reason="the official summaries are not beside the repository")
def test_a_run_is_exported_in_the_shape_of_the_official_summary(tmp_path: Path) -> None:
    def script(request: GenerationRequest) -> str:
        return f"[Answer]\nD{request.repeat}"

    results = evaluate(
        model=ScriptedEngine(script),
        tasks="longbench_pro",
        data="longbench_pro=shipped",
        repeats=3,
        temperature=1.0,
        output_dir=tmp_path,
    )
    (file,) = export_run(read_run(results.run), "longbench-pro", tmp_path / "export")
    made = json.loads(file.read_text())
    real = next(iter(json.loads(SHARED.read_text()).values()))
    assert list(made) == list(real)
    assert list(made["BoN-1"]) == list(real["BoN-1"])
    assert list(made["average_primary_task_metric"]) == list(real["average_primary_task_metric"])
    published = results["longbench_pro"].published
    assert published is not None
    assert made["average_overall_metric"] == pytest.approx(published.mean)


def test_a_run_without_it_has_no_such_export(tmp_path: Path) -> None:
    results = evaluate(
        model="gold",
        engine="scripted",
        tasks="frames",
        data="frames=shipped",
        judge={"models": ["none"]},
        output_dir=tmp_path,
    )
    with pytest.raises(ConfigError, match="no answers to LongBench Pro"):
        export_run(read_run(results.run), "longbench-pro", tmp_path / "export")
