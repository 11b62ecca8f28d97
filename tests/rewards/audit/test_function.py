"""A user's own function: holes are found; what it does wrong is a finding, and never a score or a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from golong_eval.errors import ConfigError
from golong_eval.rewards import coerce_gold
from golong_eval.rewards.audit import AuditCase, audit_rewards
from golong_eval.rewards.audit.function import FunctionReward, plain_gold


def of_metric(cases: list[AuditCase], metric: str) -> list[AuditCase]:
    return [case for case in cases if case.metric == metric]


def test_a_sound_function_passes(planted: Path, cases: list[AuditCase]) -> None:
    report = audit_rewards(of_metric(cases, "sub_em"), function="planted:sound")
    assert report.passed
    assert (report.function, report.variant) == ("planted:sound", None)
    assert {case.gold for case in report.cases} == {1.0}


@pytest.mark.parametrize(
    ("function", "metric", "attacks"),
    [
        ("recall_only", "sub_em", {"dump of every candidate", "gold plus junk", "gold in very long output"}),
        ("reads_thinking", "f1", {"answer only in the thinking", "unclosed thinking", "gold under an earlier marker"}),
        ("predicted_pairs", "pairwise_accuracy", {"first two right items"}),
        ("contains", "exact_match", {"hedged answer", "several boxes", "gold in very long output", "gold plus junk"}),
        ("constant", "rouge_l", {"empty", "copy of the prompt", "stop words", "honest wrong answer"}),
        ("constant", "iou", {"refusal", "one right column", "gold among tables"}),
    ],
)
def test_planted_holes_are_found(
    planted: Path, cases: list[AuditCase], function: str, metric: str, attacks: set[str]
) -> None:
    report = audit_rewards(of_metric(cases, metric), function=f"planted:{function}")
    assert not report.passed
    assert attacks <= {trial.attack for trial in report.violations}
    assert report.findings == ()


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("raises", "raises KeyError: 'no\\nsuch key'"),
        ("too_much", "returns 1.7, which is not in [0, 1]"),
        ("no_score", "returns a mapping without 'score'"),
    ],
)
def test_what_is_no_reward_is_a_finding(planted: Path, case: AuditCase, function: str, problem: str) -> None:
    report = audit_rewards([case], function=f"planted:{function}")
    assert {finding.problem for finding in report.findings} == {problem}
    assert report.failed == report.responses
    assert not report.passed
    assert {trial.value for trial in report.trials} == {None}


def test_numbers_and_texts_are_told_apart(planted: Path, case: AuditCase) -> None:
    with FunctionReward("planted:not_a_number") as reward:
        assert reward("x", case) == (None, "returns nan, which is not in [0, 1]")
        assert reward("", case) == (None, "returns str, not a number")


def test_none_is_no_reward_and_a_finding_only_where_no_gold_is_paid(planted: Path, case: AuditCase) -> None:
    report = audit_rewards([case], function="planted:declines")
    assert {trial.value for trial in report.trials} == {None}
    assert [(f.attack, f.problem) for f in report.findings] == [
        ("gold", "gives None for every gold: it pays for nothing")
    ]
    other = AuditCase(id="2", metric="exact_match", gold={"type": "text", "answers": ["e0"]})
    report = audit_rewards([case, other], function="planted:only_exact_match")
    assert report.passed
    assert {trial.value for trial in report.trials if trial.case == case.id} == {None}


def test_a_reward_that_pays_nothing_does_not_pass(planted: Path, case: AuditCase) -> None:
    report = audit_rewards([case], function="planted:nothing")
    assert not report.passed
    assert report.violations == ()
    assert "pays 0 for the gold" in report.findings[0].problem


def test_a_hang_is_stopped_and_the_rest_is_tried(planted: Path, case: AuditCase) -> None:
    with FunctionReward("planted:hangs", time_limit=0.3) as reward:
        assert reward("", case) == (None, "takes more than 0.3 s")
        assert reward("D1", case) == (0.0, None)
        assert [reward("", case).problem for _ in range(3)] == [
            *["takes more than 0.3 s"] * 2,
            "was not called: it hung or crashed 3 times before",
        ]


def test_a_crash_is_told_and_survived(planted: Path, case: AuditCase) -> None:
    with FunctionReward("planted:dies") as reward:
        assert reward("x", case) == reward("y", case) == (None, "ends its process (exit code 7)")


@pytest.mark.parametrize("function", ["told", "everything", "prints"])
def test_keyword_arguments_go_to_those_who_take_them(
    planted: Path, case: AuditCase, function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with FunctionReward(f"planted:{function}") as reward:
        assert reward("x", case) == (0.0, None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("planted", "names no function"),
        ("planted:", "names no function"),
        ("missing_module:f", "no module 'missing_module'"),
        ("planted:number", "planted:number is int, and can't be called"),
        ("planted:three", "missing a required argument: 'reference'"),
        ("broken:f", "importing broken fails: ZeroDivisionError"),
        ("leaves:f", "leaves:f: importing it ended the process"),
    ],
)
def test_a_function_that_can_t_be_loaded_is_told(planted: Path, place: str, message: str) -> None:
    (planted / "broken.py").write_text("1 / 0")
    (planted / "leaves.py").write_text("import os; os._exit(1)")
    with pytest.raises(ConfigError, match=message) as caught, FunctionReward(place):
        pass
    assert caught.value.hint


def test_a_name_that_is_not_there_brings_the_nearest(planted: Path) -> None:
    with (
        pytest.raises(ConfigError, match="unknown function of planted") as caught,
        FunctionReward("planted:recal_only"),
    ):
        pass
    assert "did you mean 'recall_only'" in caught.value.hint


def test_golds_reach_a_function_as_plain_data() -> None:
    table = {"columns": ["a"], "data": [[1]]}
    for metric, gold in (
        ("exact_match", "e0"),
        ("exact_match", ["e0", "epsilon"]),
        ("math_verify", "42"),
        ("ndcg", ["b", "a"]),
        ("iou", table),
        ("rouge_l", ["one", "two"]),
    ):
        assert plain_gold(coerce_gold(metric, gold)) == gold
