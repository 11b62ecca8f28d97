"""The audit: it passes on the strict rewards, and finds the holes of the published ones and of planted ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.rewards import METRIC_NAMES, score
from golong_eval.rewards.audit import ATTACKS, AuditCase, AuditReport, audit_rewards

EXACT = ("gold plus junk", "junk plus gold", "first two right items", "one right item repeated", "repeated gold")


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_the_strict_rewards_pay_no_attack_more_than_they_may(strict: AuditReport, metric: str) -> None:
    found = [(t.attack, t.case, t.value, t.bound, t.response) for t in strict.violations if t.metric == metric]
    assert found == []
    assert strict.findings == ()


@pytest.mark.parametrize(
    ("response", "gold"),
    [("299 1", "300元"), ("3 4", "7 km"), ("12\n3\n0", "0"), ("0 12", "12"), ("45 ± 45", "45")],
)
def test_several_numbers_are_no_answer(response: str, gold: str) -> None:
    """Found by the audit: numbers side by side were added up, and "n ± n" was n."""
    assert score("math_verify", f"[Answer]\n{response}", gold).value == 0.0


def test_the_gold_and_the_dressed_up_gold_earn_everything(strict: AuditReport) -> None:
    assert {case.gold for case in strict.cases} == {case.right for case in strict.cases} == {1.0}
    dressed = {attack.name for attack in ATTACKS if attack.kind == "decorated gold"}
    assert {trial.value for trial in strict.trials if trial.attack in dressed} == {1.0}


def test_partial_knowledge_of_a_list_or_table_earns_exactly_what_the_definition_pays(strict: AuditReport) -> None:
    lists = ("f1", "sub_em", "ndcg", "pairwise_accuracy", "iou", "rouge_l")
    trials = [trial for trial in strict.trials if trial.attack in EXACT and trial.metric in lists]
    assert len(trials) > 60
    for trial in trials:
        assert trial.value == pytest.approx(trial.bound), (trial.attack, trial.case)


def test_gold_plus_junk_earns_less_than_the_gold(strict: AuditReport) -> None:
    for trial in strict.trials:
        if trial.attack in ("gold plus junk", "first two right items"):
            assert (trial.value or 0.0) < 1, trial


def test_the_published_holes_are_found(cases: list[AuditCase]) -> None:
    report = audit_rewards(cases, variant="official")
    found = {(trial.metric, trial.attack) for trial in report.violations}
    assert {
        ("sub_em", "dump of every candidate"),
        ("sub_em", "gold in very long output"),
        ("pairwise_accuracy", "first two right items"),
        ("ndcg", "gold plus junk"),
        ("rouge_l", "repeated gold"),
        ("math_verify", "number games"),
        ("f1", "unclosed thinking"),
    } <= found
    assert report.identities["sub_em"] == "sub_em[official,v1]"


def test_a_report_is_read_back_as_it_was(strict: AuditReport, tmp_path: Path) -> None:
    strict.write(tmp_path / "audit.json")
    assert AuditReport.model_validate_json((tmp_path / "audit.json").read_bytes()) == strict
    assert [file.name for file in tmp_path.iterdir()] == ["audit.json"]


def test_the_same_audit_twice_is_the_same(case: AuditCase) -> None:
    assert audit_rewards([case]) == audit_rewards([case])


def test_what_is_asked_for_is_checked(case: AuditCase) -> None:
    with pytest.raises(UnknownNameError, match="unknown variant 'offical'"):
        audit_rewards([case], variant="offical")
    with pytest.raises(ConfigError, match="no samples"):
        audit_rewards([])
    with pytest.raises(ConfigError, match="no official variant"):
        audit_rewards([case], variant="official", function="planted:sound")
