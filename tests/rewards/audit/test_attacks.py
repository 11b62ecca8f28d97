"""The attacks: what each case gives them, and that all are exercised on the nine tasks."""

from __future__ import annotations

import pytest

from golong_eval.rewards import METRIC_NAMES, coerce_gold, score
from golong_eval.rewards.audit import ATTACKS, KINDS, AuditCase, AuditReport
from golong_eval.rewards.audit.bounds import bounds_of
from golong_eval.rewards.audit.candidates import inferred_count, other_answers
from golong_eval.rewards.audit.material import Material

TEXT = "Plot 4 falls vacant. Plots 7 and Plot 23 are let to Ida Berg and Bo Dahl, for 12 or 15.5. 周敏，何立群到会。"


def made(metric: str, gold: object, question: str = "", **fields: object) -> AuditCase:
    return AuditCase(
        id="x",
        metric=metric,
        gold=coerce_gold(metric, gold),
        question=question,
        documents=(TEXT,),
        labels=("D1", "D2"),
        **fields,
    )


def test_every_attack_is_exercised(strict: AuditReport) -> None:
    assert {trial.attack for trial in strict.trials} == {attack.name for attack in ATTACKS}
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.description.endswith(".") for attack in ATTACKS)


def test_every_metric_meets_every_kind(strict: AuditReport) -> None:
    kinds = {attack.name: attack.kind for attack in strict.attacks}
    met = {(trial.metric, kinds[trial.attack]) for trial in strict.trials}
    assert met == {(metric, kind) for metric in METRIC_NAMES for kind in KINDS}


def test_attacks_are_the_same_every_time(cases: list[AuditCase]) -> None:
    for case in cases:
        first, again = ([list(attack.forms(Material(case))) for attack in ATTACKS] for _ in range(2))
        assert first == again


@pytest.mark.parametrize(
    ("case", "others"),
    [
        (made("f1", ["Plot 23"]), {"Plot 4"}),
        (made("f1", ["Ida Berg"]), {"Bo Dahl"}),
        (made("f1", ["何立群"]), {"D1", "D2"}),  # no other run of three Chinese characters
        (made("f1", ["none"]), {"D1", "D2"}),
        (made("sub_em", ["F1: D2", "F2: D2"]), {"F1: D1", "F2: D1"}),
        (made("accuracy", "b", "A. one\nB. two\nC. three"), {"A", "C"}),
        (made("accuracy", "D"), {"A", "B", "C"}),
        (made("accuracy", "No"), {"yes"}),
        (made("accuracy", "是"), {"否"}),
        (made("math_verify", "12 pounds"), {"4 pounds", "7 pounds", "23 pounds", "15.5 pounds"}),
        (made("math_verify", "x + y"), set()),
        (made("rouge_l", "A text."), set()),
    ],
)
def test_other_answers_have_the_gold_s_form(case: AuditCase, others: set[str]) -> None:
    assert set(other_answers(case)) == others


def test_candidates_are_counted_where_the_sample_does_not_tell() -> None:
    for case, count in (
        (made("f1", ["Plot 23"]), 2),
        (made("sub_em", ["F1: D2", "F2: D2"]), 2),
        (made("accuracy", "b", "A. one\nB. two\nC. three"), 3),
        (made("accuracy", "yes"), 2),
        (made("exact_match", "vacant"), None),
    ):
        assert inferred_count(case, other_answers(case)) == count
    # The fewest count: a sample that tells of more candidates than can be named would be too strict.
    assert bounds_of(Material(made("accuracy", "yes", candidates=4))).chance == 0.5
    assert bounds_of(Material(made("sub_em", ["F1: D2", "F2: D1"], candidates=1))).chance == 1.0


def test_an_honest_wrong_answer_is_wrong_and_earns_what_the_audit_says(cases: list[AuditCase]) -> None:
    for case in cases:
        material = Material(case)
        earned = [
            score(case.metric, answer, case.gold, language=case.language, question=case.question).value
            for body in material.wrong
            for answer in material.both(body)
        ]
        assert max(earned) == pytest.approx(material.wrong_value), case.id
        assert max(earned) < 1


def test_a_case_without_texts_is_attacked_all_the_same() -> None:
    lists: dict[str, object] = {"f1": ["a"], "ndcg": ["a"], "pairwise_accuracy": ["a"], "sub_em": ["a: b", "c"]}
    texts = {"rouge_l": "word", "math_verify": "x", "exact_match": "-", "accuracy": "J"}
    golds = {**lists, **texts, "iou": {"columns": ["a"], "data": [[1]]}}
    for metric, gold in golds.items():
        case = AuditCase(id="bare", metric=metric, gold=coerce_gold(metric, gold))
        forms = [form for attack in ATTACKS for form in attack.forms(Material(case))]
        assert len(forms) > 20
        assert 0 <= bounds_of(Material(case)).bound <= 1
