"""What an audit found: every attack on every sample, with its bound."""

from __future__ import annotations

import os
from pathlib import Path

from golong_eval.errors import StorageError
from golong_eval.rewards.audit.attack import Kind
from golong_eval.rewards.audit.bounds import Bounds
from golong_eval.schema import Frozen, Variant

__all__ = ["TOLERANCE", "AttackInfo", "AuditReport", "CaseReport", "Finding", "Trial", "check_output"]

TOLERANCE = 1e-3
"""A reward may lie this far above its bound: some rewards round."""


class AttackInfo(Frozen):
    """An attack that was tried."""

    name: str
    kind: Kind
    description: str


class CaseReport(Frozen):
    """A sample: its bounds, and what answers that are no attacks earned."""

    id: str
    metric: str
    bounds: Bounds
    gold: float | None
    """The gold as an answer, with or without a marker, whichever earned more."""
    right: float | None
    """The lowest of the sample's right responses; None where it has none."""
    wrong: float | None
    """The highest of its wrong responses; None where it has none."""


class Trial(Frozen):
    """An attack on a sample, in the form that earned most beside its bound."""

    attack: str
    case: str
    metric: str
    value: float | None
    """The reward; None where the function gave none."""
    bound: float
    """The most that this form may earn."""
    exceeds: bool
    """Whether it earned more (by over `TOLERANCE`)."""
    forms: int
    """How many forms were tried."""
    averaged: int
    """Over how many responses the value is a mean."""
    response: str
    """The response that earned most of them, cut to 2,000 characters."""
    length: int
    """Its length before that, in characters."""


class Finding(Frozen):
    """A call of the reward that gave no valid value, or a gold that is paid no more than an attack."""

    attack: str
    """The attack's name, or ``gold``, ``right``, ``wrong``."""
    case: str
    metric: str
    problem: str
    response: str
    calls: int
    """How many responses of this attack on this sample had a problem; the first is told."""


def check_output(file: Path) -> None:
    """Check that a file could be written, before anything long is done.

    Raises:
        StorageError: Its folder is missing, or may not be written to.
    """
    if not file.parent.is_dir():
        raise StorageError(f"cannot write {file}: there is no folder {file.parent}", "make the folder first")
    if not os.access(file.parent, os.W_OK):
        raise StorageError(f"cannot write {file}: {file.parent} is read-only", "check the folder's rights")


class AuditReport(Frozen):
    """A whole audit."""

    golong_eval: str
    """Version of golong-eval."""
    variant: Variant | None
    """The variant of the rewards; None where a function was audited."""
    function: str | None
    """The function, as ``module:function``."""
    identities: dict[str, str]
    """For each metric the identity of the reward that was audited."""
    responses: int
    """How many responses were scored."""
    failed: int
    """How many of them got no valid value."""
    attacks: tuple[AttackInfo, ...]
    cases: tuple[CaseReport, ...]
    trials: tuple[Trial, ...]
    findings: tuple[Finding, ...]

    def write(self, file: Path) -> None:
        """Write the report as JSON, under a temporary name at first.

        Raises:
            StorageError: The file can't be written.
        """
        temporary = file.with_name(f"{file.name}.part")
        try:
            temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
            temporary.replace(file)
        except OSError as error:
            raise StorageError(f"cannot write {file} ({error.strerror})", "check the folder and its rights") from error

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were audited, in the order of their samples."""
        return tuple(dict.fromkeys(case.metric for case in self.cases))

    @property
    def violations(self) -> tuple[Trial, ...]:
        """Attacks that earned more than their bound, the worst first."""
        return tuple(sorted((t for t in self.trials if t.exceeds), key=lambda t: t.bound - (t.value or 0.0)))

    @property
    def passed(self) -> bool:
        """Whether no attack exceeded its bound, every call gave a valid value, and the gold earns more than attacks."""
        return not self.violations and not self.findings
