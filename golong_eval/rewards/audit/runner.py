"""Run every attack on every sample through a reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from golong_eval import __version__
from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.rewards import ScoreRequest, score_batch
from golong_eval.rewards.audit.attack import Attack, Form
from golong_eval.rewards.audit.attacks import ATTACKS
from golong_eval.rewards.audit.bounds import Bounds, bounds_of
from golong_eval.rewards.audit.case import AuditCase
from golong_eval.rewards.audit.function import FunctionReward, Reading
from golong_eval.rewards.audit.material import Material
from golong_eval.rewards.audit.report import TOLERANCE, AttackInfo, AuditReport, CaseReport, Finding, Trial
from golong_eval.rewards.golds import coerce_gold
from golong_eval.rewards.registry import scorer_class
from golong_eval.schema import Variant

__all__ = ["audit_rewards"]

_KEPT = 2000  # characters of a response


def audit_rewards(
    cases: Sequence[AuditCase],
    *,
    variant: str = "strict",
    function: str | None = None,
    time_limit: float = 10.0,
    attacks: Sequence[Attack] = ATTACKS,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> AuditReport:
    """Return what every attack earns on every sample, beside what it may earn.

    Deterministic for the rewards of golong-eval. The bounds come from the strict definitions, whatever is audited.

    Args:
        cases: The samples.
        variant: Which variant of the rewards to audit: ``strict`` or ``official``.
        function: A reward function to audit instead, as ``module:function``; see
            `golong_eval.rewards.audit.function` for what it is called with.
        time_limit: Seconds that one call of `function` may take.
        attacks: The attacks to try.
        on_progress: Told how many samples are done, of how many.

    Raises:
        UnknownNameError: Unknown variant.
        ConfigError: No samples, a variant of a function, or the function can't be loaded.
        DataError: A gold is malformed or does not fit its metric.
        MissingExtraError: A gold needs a package that is not installed.
    """
    if variant not in ("strict", "official"):
        raise UnknownNameError("variant", variant, ("strict", "official"))
    chosen: Variant = "official" if variant == "official" else "strict"
    if function is not None and chosen == "official":
        raise ConfigError(f"{function} has no official variant", "leave --variant out: a function is audited as it is")
    if not cases:
        raise ConfigError("there are no samples to audit", "give at least one")
    for case in cases:
        scorer_class(case.metric, "strict")(coerce_gold(case.metric, case.gold))  # what is malformed or missing, first
    identities: dict[str, str] = {}
    found: list[_Audited] = []
    with ExitStack() as stack:
        reward = None if function is None else stack.enter_context(FunctionReward(function, time_limit))
        for number, case in enumerate(cases, 1):
            on_progress(number - 1, len(cases))
            material = Material(case)
            bounds = bounds_of(material)
            mounted = [(attack.name, [*attack.forms(material)]) for attack in attacks]
            mounted += [(name, [Form((text,), 1.0) for text in texts]) for name, texts in _references(material)]
            responses = list(dict.fromkeys(text for _, forms in mounted for form in forms for text in form.responses))
            if reward is None:
                readings, identities[case.metric] = _score(responses, case, chosen)
            else:
                readings = {response: reward(response, case) for response in responses}
                identities[case.metric] = str(function)
            found.append(_audited(case, bounds, mounted, readings))
        on_progress(len(cases), len(cases))
    findings = [finding for audited in found for finding in audited.findings]
    if not findings and all(audited.case.gold is None for audited in found):
        first, gold = cases[0], Material(cases[0]).body
        problem = "gives None for every gold: it pays for nothing"
        findings = [
            Finding(attack="gold", case=first.id, metric=first.metric, problem=problem, response=_kept(gold), calls=1)
        ]
    return AuditReport(
        golong_eval=__version__,
        variant=chosen if function is None else None,
        function=function,
        identities=identities,
        responses=sum(audited.responses for audited in found),
        failed=sum(audited.failed for audited in found),
        attacks=tuple(AttackInfo(name=a.name, kind=a.kind, description=a.description) for a in attacks),
        cases=tuple(audited.case for audited in found),
        trials=tuple(trial for audited in found for trial in audited.trials),
        findings=tuple(findings),
    )


class _Audited(NamedTuple):
    case: CaseReport
    trials: list[Trial]
    findings: list[Finding]
    responses: int
    failed: int


def _references(material: Material) -> list[tuple[str, tuple[str, ...]]]:
    """Return the answers that are no attacks, by the field of `CaseReport` that tells what they earn."""
    case = material.case
    return [("gold", material.both(material.body)), ("right", case.right), ("wrong", case.wrong)]


def _score(responses: Sequence[str], case: AuditCase, variant: Variant) -> tuple[dict[str, Reading], str]:
    """Return what a reward of golong-eval gives for each response, and its identity."""
    requests = [
        ScoreRequest(case.metric, text, case.gold, variant=variant, language=case.language, question=case.question)
        for text in responses
    ]
    results = score_batch(requests)
    readings = {
        text: Reading(result.value, None if result.value is not None else f"{result.status}: {result.reason}")
        for text, result in zip(responses, results, strict=True)
    }
    return readings, results[0].metric


def _audited(
    case: AuditCase, bounds: Bounds, mounted: list[tuple[str, list[Form]]], readings: dict[str, Reading]
) -> _Audited:
    trials: list[Trial] = []
    findings: list[Finding] = []
    earned: dict[str, list[float]] = {"gold": [], "right": [], "wrong": []}
    for name, forms in mounted:
        problems = [(text, readings[text].problem) for form in forms for text in form.responses]
        broken = [(text, problem) for text, problem in problems if problem is not None]
        if broken:
            text, problem = broken[0]
            findings.append(
                Finding(
                    attack=name,
                    case=case.id,
                    metric=case.metric,
                    problem=str(problem),
                    response=_kept(text),
                    calls=len(broken),
                )
            )
        if name in earned:
            earned[name] = [value for form in forms for value in _values(form, readings)]
        elif forms:
            trials.append(_worst(name, case, bounds, forms, readings))
    report = CaseReport(
        id=case.id,
        metric=case.metric,
        bounds=bounds,
        gold=max(earned["gold"], default=None),
        right=min(earned["right"], default=None),
        wrong=max(earned["wrong"], default=None),
    )
    failed = sum(reading.problem is not None for reading in readings.values())
    if report.gold is not None and report.gold <= bounds.bound < 1:
        problem = f"pays {report.gold:.3g} for the gold, no more than an attack may earn ({bounds.bound:.3g})"
        (gold,) = (forms for name, forms in mounted if name == "gold")
        text = _kept(gold[0].responses[0])
        findings.append(
            Finding(attack="gold", case=case.id, metric=case.metric, problem=problem, response=text, calls=1)
        )
    return _Audited(report, trials, findings, len(readings), failed)


def _values(form: Form, readings: dict[str, Reading]) -> list[float]:
    return [value for text in form.responses if (value := readings[text].value) is not None]


def _worst(name: str, case: AuditCase, bounds: Bounds, forms: list[Form], readings: dict[str, Reading]) -> Trial:
    """Return the form that earned most beside its bound; of equal ones the one that earned most."""

    def rank(form: Form) -> tuple[float, float]:
        values = _values(form, readings)
        value = sum(values) / len(values) if values else -1.0
        return value - _bound(form, bounds), value

    form = max(forms, key=rank)
    excess, value = rank(form)
    response = max(form.responses, key=lambda text: readings[text].value or 0.0)
    return Trial(
        attack=name,
        case=case.id,
        metric=case.metric,
        value=None if value < 0 else value,
        bound=_bound(form, bounds),
        exceeds=value >= 0 and excess > TOLERANCE,
        forms=len(forms),
        averaged=len(form.responses),
        response=_kept(response),
        length=len(response),
    )


def _bound(form: Form, bounds: Bounds) -> float:
    return bounds.bound if form.ceiling is None else form.ceiling


def _kept(text: str) -> str:
    return text[:_KEPT].encode("utf-8", "replace").decode()
