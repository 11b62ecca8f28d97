"""LongBench Pro's official summary: made by hand numbers, checked by the identities that the 80 real ones hold."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval import evaluate, read_run
from golong_eval.benchmarks.longbench_pro_summary import (
    SIZES,
    Item,
    Sizes,
    check_summaries,
    faults_of_summary,
    sizes_of,
    summarize,
)
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, DataError
from golong_eval.reports.export import export_run

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "longbench_pro_official_summaries.json"
KIMI = "Kimi-K2-Instruct-0905/nonthinking_context-224000_bon-3_summary.json"
FACTS, SUMMARIES = "T3. Evidence-Grounded QA", "T4. Summarization & Synthesis"
_SCORES = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(0, 1, allow_subnormal=False))
real = pytest.mark.skipif(not SHARED.is_file(), reason="the official summaries are not beside the repository")


def official() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(SHARED.read_text())
    return found


def item(place: int, scores: tuple[float | None, ...]) -> Item:
    """An item of the groups that its place falls to; facts are right or wrong."""
    groups = {kind: list(sizes)[place % len(sizes)] for kind, sizes in SIZES.items()}
    if groups["primary_task"].startswith(("T3.", "T11.")):
        scores = tuple(None if score is None else float(score >= 0.5) for score in scores)
    return Item(groups, scores)


def made(runs: int = 3, items: int = 132) -> tuple[dict[str, Any], dict[str, dict[str, int]]]:
    """A summary of made-up scores, with the sizes of its groups."""
    made_up = [item(place, tuple((7 * place + 5 * run) % 11 / 10 for run in range(runs))) for place in range(items)]
    return summarize(made_up, "2026-01-01"), sizes_of(made_up)


# ---------------------------------------------------------------------------------------------------------
# Made


def test_a_summary_by_hand() -> None:
    """Two items, three runs; the second has a failure, and is a summary (T4) of which 0.7 passes."""
    groups = {kind: next(iter(sizes)) for kind, sizes in SIZES.items()}
    first = Item(groups, (0.5, 1.0, 0.0))
    second = Item({**groups, "primary_task": SUMMARIES, "language": "English"}, (0.7, None, 0.2))
    summary = summarize([first, second], "2026-01-01")
    assert (summary["total_samples_num"], summary["fail_samples_num"]) == (6, 1)
    assert summary["average_overall_metric"] == pytest.approx((0.5 + 0.3) / 2)
    assert summary["inference_iteration_2_overall_metric"] == 0.5
    assert [summary[f"BoN-{k}"]["overall_metric"] for k in (1, 2, 3)] == pytest.approx([0.6, 0.85, 0.85])
    assert [summary[f"pass@{k}"] for k in (1, 2, 3)] == [0.5, 1.0, 1.0]
    assert summary["average_language_metric"] == pytest.approx({"Chinese": 0.5, "English": 0.3})
    assert summary["BoN-2"]["language"] == pytest.approx({"Chinese": 1.0, "English": 0.7})


def test_pass_at_k_is_of_the_first_k_runs_and_strictly_above_065_for_a_summary() -> None:
    groups = {kind: next(iter(sizes)) for kind, sizes in SIZES.items()}
    late = Item(groups, (0.0, 0.99, 1.0))
    edge = Item({**groups, "primary_task": SUMMARIES}, (0.65, 0.65, 0.6500001))
    assert [late.passed(k) for k in (1, 2, 3)] == [False, False, True]  # the unbiased estimate of pass@1 is 1/3
    assert [edge.passed(k) for k in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize("scores", [(0.5,), (0.1, 0.2, 0.3, 0.4)])
def test_all_items_have_as_many_runs(scores: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="number of runs"):
        summarize([item(0, (0.0, 0.0, 0.0)), item(1, scores)], "2026-01-01")
    with pytest.raises(ValueError, match="number of runs"):
        summarize([], "2026-01-01")


@pytest.mark.parametrize("score", [math.nan, 1.1, -0.1])
def test_a_value_that_is_no_score_is_refused(score: float) -> None:
    groups = {kind: next(iter(sizes)) for kind, sizes in SIZES.items()}
    with pytest.raises(ValueError, match="a failure is None"):
        summarize([Item(groups, (score,))], "2026-01-01")


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4).flatmap(lambda runs: st.lists(st.tuples(*[_SCORES] * runs), min_size=1, max_size=120)))
def test_every_summary_that_is_made_holds_the_identities(scores: list[tuple[float | None, ...]]) -> None:
    items = [item(place, found) for place, found in enumerate(scores)]
    summary = summarize(items, "2026-01-01")
    assert faults_of_summary(summary, sizes_of(items)) == []
    assert faults_of_summary(json.loads(json.dumps(summary)), sizes_of(items)) == []


@real
@pytest.mark.parametrize("runs", [1, 3])
def test_keys_and_their_order_are_those_of_the_real_ones(runs: int) -> None:
    summary, _ = made(runs)
    for theirs in official().values():
        keys = [key for key in theirs if not key[-1:].isdigit() and "iteration_" not in key]
        assert [key for key in summary if not key[-1:].isdigit() and "iteration_" not in key] == keys
        if runs == 3:
            assert list(summary) == list(theirs)
        assert list(summary["BoN-1"]) == list(theirs["BoN-1"])
        for kind in SIZES:
            assert list(summary[f"average_{kind}_metric"]) == list(theirs[f"average_{kind}_metric"])


# ---------------------------------------------------------------------------------------------------------
# Checked


def test_the_sizes_are_those_of_the_paper() -> None:
    assert {sum(of_kind.values()) for of_kind in SIZES.values()} == {1500}
    assert list(SIZES["difficulty"].values()) == [482, 289, 289, 440]
    assert set(SIZES["token_length"].values()) == {250}
    assert set(SIZES["language"].values()) == {750}
    assert list(SIZES["contextual_requirement"].values()) == [840, 660]


@real
def test_79_of_the_80_official_summaries_hold_all_and_one_was_grouped_by_another_labelling() -> None:
    count, faults = check_summaries(SHARED)
    assert count == 80
    assert faults == [
        f"{KIMI}: average and BoN by difficulty: the numbers fit another labelling of the items, with Easy 463, "
        "Moderate 309, Hard 286, Extreme 442, and not Easy 482, Moderate 289, Hard 289, Extreme 440"
    ]


@real
def test_by_its_own_labelling_that_one_holds_too() -> None:
    sizes = {**SIZES, "difficulty": {"Easy": 463, "Moderate": 309, "Hard": 286, "Extreme": 442}}
    assert faults_of_summary(official()[KIMI], sizes) == []


Change = Callable[[Any], Any]


def slightly_more(value: float) -> float:
    return value + 0.0001


def slightly_less(value: float) -> float:
    return value - 0.0001


def one_more(value: int) -> int:
    return value + 1


@pytest.mark.parametrize(
    ("key", "change", "told"),
    [
        (("average_overall_metric",), slightly_more, "the mean of the runs"),
        (("average_overall_metric",), lambda value: value + 2e-9, "average by language"),
        (("inference_iteration_1_overall_metric",), slightly_more, "the mean of the runs"),
        (("inference_iteration_1_overall_metric",), slightly_more, "BoN-1, "),
        (("inference_iteration_3_overall_metric",), lambda _: 1.0, "is below run 3"),
        *(
            ((f"average_{kind}_metric", next(iter(SIZES[kind]))), slightly_more, f"average by {kind}: the groups")
            for kind in SIZES
        ),
        *((("BoN-2", kind, next(iter(SIZES[kind]))), slightly_more, f"BoN-2 by {kind}: the groups") for kind in SIZES),
        (("BoN-3", "overall_metric"), slightly_more, "BoN-3 by"),
        (("BoN-3", "overall_metric"), lambda _: 0.0, "is below BoN-2"),
        (("BoN-3", "difficulty", "Hard"), lambda _: 0.0, "BoN-3 by difficulty: Hard is below BoN-2"),
        (("pass@2",), slightly_more, "pass@2 is no share of"),
        (("pass@3",), lambda _: 0.0, "is below pass@2"),
        (("average_primary_task_metric", FACTS), slightly_more, f"average of {FACTS}: answers are right or wrong"),
        (("BoN-2", "primary_task", FACTS), slightly_less, f"BoN-2 of {FACTS}: answers are right or wrong"),
        (("total_samples_num",), one_more, "items x 3 runs"),
        (("total_questions_num",), one_more, "items, not"),
        (("fail_samples_num",), lambda _: 10**6, "samples failed"),
        (("BoN-1", "language", "French"), lambda _: 0.5, "BoN-1 by language: groups ['Chinese', 'English', 'French']"),
        (("average_overall_metric",), lambda _: math.nan, "average_overall_metric is nan, not a number from 0 to 1"),
        (("BoN-2", "language", "Chinese"), lambda _: 1.2, "BoN-2 language Chinese is 1.2, not a number"),
        (("inference_iterations",), lambda _: 0, "no items or no runs"),
        (("inference_iterations",), lambda _: 10**9, "inference_iteration_4_overall_metric is missing"),
        (("inference_iterations",), lambda _: True, "inference_iterations is True, not a count"),
        (("BoN-1",), lambda _: [1], "BoN-1 is [1], not an object"),
        (("BoN-1", "language"), lambda _: "x", "BoN-1 language is 'x', not an object"),
    ],
)
def test_a_forged_number_is_found(key: tuple[str, ...], change: Change, told: str) -> None:
    cases: list[tuple[dict[str, Any], Sizes]] = [made()]
    if SHARED.is_file():
        cases += [(summary, SIZES) for summary in list(official().values())[:3]]
    for summary, sizes in cases:
        forged: Any = copy.deepcopy(summary)
        assert faults_of_summary(forged, sizes) == []
        place = forged
        for part in key[:-1]:
            place = place[part]
        place[key[-1]] = change(place.get(key[-1]))
        faults = faults_of_summary(forged, sizes)
        assert any(told in fault for fault in faults), faults
        assert not any("another labelling" in fault for fault in faults)


@pytest.mark.parametrize("seed", range(5))
def test_items_under_another_labelling_are_told_with_its_counts(seed: int) -> None:
    draw = random.Random(seed)
    items = []
    for place in range(120):
        groups = {**item(place, ()).groups, "difficulty": draw.choice(list(SIZES["difficulty"]))}
        items.append(Item(groups, item(place, (draw.random(), draw.random(), draw.random())).scores))
    theirs = sizes_of(items)
    ours = {**theirs, "difficulty": {**theirs["difficulty"]}}
    ours["difficulty"]["Easy"] += 5
    ours["difficulty"]["Hard"] -= 5
    told = ", ".join(f"{group} {size}" for group, size in theirs["difficulty"].items())
    (fault,) = faults_of_summary(summarize(items, "2026-01-01"), ours)
    assert f"another labelling of the items, with {told}, and not" in fault


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"a": 1}', "{", "[" * 100_000, '{"a": [{}]}'])
def test_a_file_without_a_summary_is_an_error(content: str, tmp_path: Path) -> None:
    file = tmp_path / "summaries.json"
    file.write_text(content)
    with pytest.raises(DataError):
        check_summaries(file)
    with pytest.raises(ConfigError, match="cannot read"):
        check_summaries(tmp_path / "none.json")


def test_a_file_has_one_summary_or_many_and_a_fault_names_the_model(tmp_path: Path) -> None:
    summary, sizes = made()
    forged = {**summary, "pass@1": 0.12345}
    one, many = tmp_path / "model-a.json", tmp_path / "many.json"
    one.write_text(json.dumps(forged))
    many.write_text(json.dumps({"good": summary, "bad": forged, "empty": {}}))
    assert [fault.split(":")[0] for fault in check_summaries(one, sizes)[1]] == ["model-a"]
    count, faults = check_summaries(many, sizes)
    assert (count, [fault.split(":")[0] for fault in faults]) == (3, ["bad", "empty"])


def test_kinds_of_groups_that_have_no_sizes_are_not_checked() -> None:
    summary, sizes = made()
    del summary["average_language_metric"]
    assert faults_of_summary(summary, {"difficulty": sizes["difficulty"]}) == []
    assert faults_of_summary(summary, {}) == []


# ---------------------------------------------------------------------------------------------------------
# Of a run


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
    summary = json.loads(file.read_text())
    published = results["longbench_pro"].published
    assert published is not None
    assert summary["average_overall_metric"] == pytest.approx(published.mean)
    assert (summary["total_questions_num"], summary["inference_iterations"]) == (25, 3)
    assert list(summary) == list(made()[0])
    assert list(summary["average_primary_task_metric"]) == list(SIZES["primary_task"])


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
