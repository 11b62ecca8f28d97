"""The audit of rewards as a table: what each attack earns, by metric, and the worst cases with their text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from golong_eval.rewards.audit import KINDS, AuditReport, CaseReport, Finding, Trial

__all__ = ["METRIC_LABELS", "attack_cell", "audit_text", "escaped"]

METRIC_LABELS = {
    "exact_match": "EM",
    "accuracy": "acc",
    "f1": "F1",
    "math_verify": "math",
    "iou": "IoU",
    "sub_em": "SubEM",
    "ndcg": "NDCG",
    "pairwise_accuracy": "pairs",
    "rouge_l": "ROUGE-L",
}
"""Names of the metrics that fit above a narrow column."""

_SHOWN = 10  # worst cases
_WIDTH = 110
_LEGEND = (
    "A cell is the mean over the samples / the highest of them, or one number where both are the same.",
    "!  more than its bound on some sample     E  a call failed     –  has no meaning here     ~  measured",
)


def audit_text(report: AuditReport) -> str:
    """Return the table of an audit, what a reader must know, and its worst cases."""
    audited = f"the function {report.function}" if report.function else f"the {report.variant} rewards"
    responses = f"{report.responses:,} responses"
    lines = [f"audit of {audited}: {len(report.cases)} samples, {len(report.attacks)} attacks, {responses}", ""]
    lines += _table(report)
    lines += ["", *_LEGEND]
    lines += _violations(report) if report.violations else _highest(report)
    lines += _findings(report)
    return "\n".join([*lines, "", _verdict(report)])


def escaped(text: str, length: int = 160) -> str:
    r"""Return a text on one line: control, invisible and non-ASCII look-alike characters visible, the middle left out.

    >>> escaped("[Answer]\nD1\u200b")
    '[Answer]\\nD1\\u200b'
    """
    if not text:
        return "(nothing)"
    shown = "".join(_escape(character) for character in text[: length + 1] + text[-length:] * (len(text) > length))
    if len(shown) <= length:
        return shown
    half = (length - 3) // 2
    return f"{shown[:half]}...{shown[-half:]}"


def _escape(character: str) -> str:
    if character == " " or (character.isprintable() and not "\u0370" <= character <= "\u0e7f"):
        return character
    return character.encode("unicode_escape").decode("ascii")


def _table(report: AuditReport) -> list[str]:
    header = ["", *(METRIC_LABELS.get(metric, metric) for metric in report.metrics)]
    rows: list[list[str] | str] = [["samples", *_of_cases(report, lambda cases: str(len(cases)))]]
    rows.append(["gold", *_of_cases(report, lambda cases: _cell(case.gold for case in cases))])
    for name in ("right", "wrong"):
        if any(getattr(case, name) is not None for case in report.cases):
            rows.append([f"{name} examples", *_of_cases(report, _values_named(name))])
    rows.append(["chance", *_of_cases(report, _chance)])
    rows.append(["honest wrong", *_of_cases(report, lambda cases: _cell(case.bounds.honest_wrong for case in cases))])
    kind = ""
    for attack in report.attacks:
        if attack.kind != kind:
            kind = attack.kind
            rows.append(f"── {kind}: {KINDS[attack.kind]}")
        rows.append([attack.name, *(attack_cell(report, attack.name, metric) for metric in report.metrics)])
    table = [row for row in [header, *rows] if not isinstance(row, str)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *rest = [
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return " ".join([first, *rest]).rstrip()

    return [line(header), *(row if isinstance(row, str) else line(row) for row in rows)]


def _of_cases(report: AuditReport, tell: Callable[[Sequence[CaseReport]], str]) -> list[str]:
    return [tell([case for case in report.cases if case.metric == metric]) for metric in report.metrics]


def _values_named(name: str) -> Callable[[Sequence[CaseReport]], str]:
    return lambda cases: _cell(getattr(case, name) for case in cases)


def _chance(cases: Sequence[CaseReport]) -> str:
    measured = any(case.bounds.source == "measured" for case in cases)
    return ("~" if measured else "") + _cell(case.bounds.chance for case in cases)


def attack_cell(report: AuditReport, attack: str, metric: str) -> str:
    """Return what an attack earns with a metric, as `audit_text` shows it."""
    trials = [trial for trial in report.trials if trial.attack == attack and trial.metric == metric]
    failed = any(finding.attack == attack and finding.metric == metric for finding in report.findings)
    marks = "!" * any(trial.exceeds for trial in trials) + "E" * failed
    return _cell(trial.value for trial in trials) + marks


def _cell(values: Iterable[float | None]) -> str:
    """Return a mean and, where another number is highest, that one."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean, highest = _short(sum(known) / len(known)), _short(max(known))
    return mean if mean == highest else f"{mean}/{highest}"


def _short(value: float) -> str:
    """Return a value in three characters: 0 and 1 only where it is exactly that."""
    if value in (0, 1):
        return str(int(value))
    return f"{min(max(value, 0.01), 0.99):.2f}"[1:]


def _violations(report: AuditReport) -> list[str]:
    violations = report.violations
    more = f" ({_SHOWN} shown)" if len(violations) > _SHOWN else ""
    # The worst of each attack before a second one of any.
    worst = [*{trial.attack: trial for trial in reversed(violations)}.values()]
    ranked = [*(t for t in violations if t in worst), *(t for t in violations if t not in worst)]
    return ["", f"more than the bound, {len(violations)} times{more}:", *_cases(ranked[:_SHOWN])]


def _highest(report: AuditReport) -> list[str]:
    free = {attack.name for attack in report.attacks if attack.kind == "content-free"}
    best: dict[str, Trial] = {}
    for trial in report.trials:
        if trial.attack in free and (trial.value or 0) > (best[trial.metric].value or 0 if trial.metric in best else 0):
            best[trial.metric] = trial
    if not best:
        return []
    return ["", "no bound is exceeded; the answers without content that earned most:", *_cases(best.values())]


def _cases(trials: Iterable[Trial]) -> list[str]:
    lines = []
    for trial in trials:
        mean = f", mean of {trial.averaged}" if trial.averaged > 1 else ""
        value = "–" if trial.value is None else f"{trial.value:.3f}"
        label = METRIC_LABELS.get(trial.metric, trial.metric)
        lines.append(f"  {label}, {trial.attack}, {trial.case}: {value}, bound {trial.bound:.3f}{mean}")
        lines.append(f"      {escaped(trial.response, _WIDTH - 8)}")
    return lines


def _findings(report: AuditReport) -> list[str]:
    if not report.findings:
        return []
    by_problem: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_problem.setdefault(finding.problem, []).append(finding)
    calls = f"{report.failed:,} of {report.responses:,} calls gave no valid value:"
    lines = ["", calls if report.failed else "what the gold earns:"]
    for problem, found in list(by_problem.items())[:_SHOWN]:
        first = found[0]
        times = f", and in {len(found) - 1} other attacks" if len(found) > 1 else ""
        lines.append(f"  {escaped(problem, _WIDTH - 2)}")
        lines.append(f"      {METRIC_LABELS.get(first.metric, first.metric)}, {first.attack}, {first.case}{times}")
        lines.append(f"      {escaped(first.response, _WIDTH - 8)}")
    if len(by_problem) > _SHOWN:
        lines.append(f"  and {len(by_problem) - _SHOWN} other problems")
    return lines


def _verdict(report: AuditReport) -> str:
    below = [case.id for case in report.cases if case.gold is not None and case.gold < 1]
    notes = [f"the gold itself earns less than 1 on {len(below)} samples ({below[0]} first)"] if below else []
    if report.violations:
        notes.append(f"{len(report.violations)} of {len(report.trials)} attacks earn more than they may")
    if report.findings:
        notes.append("some calls gave no valid value" if report.failed else "the gold earns too little")
    return "; ".join(notes) or f"no attack earns more than it may ({len(report.trials)} tried)"
