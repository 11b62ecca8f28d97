"""Write docs/audit.md and its figures: both variants of the rewards under attack, side by side.

python docs/audit.py [FOLDER]        (default: the folder of this file)
"""

from __future__ import annotations

import sys
from pathlib import Path

from golong_eval.harness.audit import collect_cases
from golong_eval.reports.audit_figure import write_audit_figure
from golong_eval.reports.audit_text import METRIC_LABELS, attack_cell, escaped
from golong_eval.rewards.audit import KINDS, AuditReport, audit_rewards

HEAD = """# What attacks earn

`golong audit` mounts every attack on every worked sample of the nine tasks. This is its result for both variants of the
rewards; `python docs/audit.py` writes this page again. [rewards.md](rewards.md) says which variant to use.

Each cell is **strict | official**: the mean reward over the samples / the highest, or one number where both are the
same; `!` more than the attack may earn on some sample; – where the attack has no meaning. What an attack may earn is
derived from the metric's strict definition: chance or an honest wrong answer for what has no content, the formula's
value for what knows a part.

"""


def main() -> None:
    """Audit both variants and write page and figures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    cases = collect_cases()
    strict, official = (audit_rewards(cases, variant=variant) for variant in ("strict", "official"))
    for report in (strict, official):
        write_audit_figure(report, folder / f"audit-{report.variant}.svg")
    (folder / "audit.md").write_text(HEAD + page(strict, official), encoding="utf-8")


def page(strict: AuditReport, official: AuditReport) -> str:
    """Return everything below the head."""
    tried = len(strict.trials)
    lines = [
        f"Samples: {len(strict.cases)}; attacks: {len(strict.attacks)}; responses: {strict.responses:,} a variant. "
        f"More than they may earn: **strict {len(strict.violations)} of {tried}, "
        f"official {len(official.violations)} of {tried}**. "
        f"Responses without a value: {strict.failed + official.failed}.",
        "",
        "![strict](audit-strict.svg)",
        "![official](audit-official.svg)",
        "",
        f"| | {' | '.join(METRIC_LABELS[metric] for metric in strict.metrics)} |",
        f"|---|{'---|' * len(strict.metrics)}",
    ]
    kind = ""
    for attack in strict.attacks:
        if attack.kind != kind:
            kind = attack.kind
            lines.append(f"| **{kind}**: {KINDS[attack.kind]} |{' |' * len(strict.metrics)}")
        cells = [
            f"{one} \\| {other}" if (one, other) != ("–", "–") else "–"
            for metric in strict.metrics
            for one, other in [[attack_cell(report, attack.name, metric) for report in (strict, official)]]
        ]
        lines.append(f"| {attack.name} | {' | '.join(cells)} |")
    lines += ["", "## What the official variant pays too much for", "", "The worst case of each attack:", ""]
    worst = {trial.attack: trial for trial in reversed(official.violations)}
    for name in (attack.name for attack in official.attacks if attack.name in worst):
        trial = worst[name]
        label = METRIC_LABELS[trial.metric]
        lines += [
            f"- {name}, {label}: {trial.value:.3f}, bound {trial.bound:.3f}",
            "",
            f"      {escaped(trial.response)}",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
