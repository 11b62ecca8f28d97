"""How far the judges of a stored run agree, with each other and with a person."""

from __future__ import annotations

from pathlib import Path

from golong_eval.errors import ConfigError
from golong_eval.harness.run_folder import AppendLog
from golong_eval.harness.scoring_models import read_verdicts
from golong_eval.judges.agreement import Agreement, Label, agreement, read_labels
from golong_eval.judges.question import Verdict

__all__ = ["agreement_of_run"]

PERSON = "person"
"""What a person's labels are called among the raters."""


def agreement_of_run(run: Path | str, labels: Path | None = None) -> list[Agreement]:
    """Return how far the judges of a run agree: all that have judged it, members of panels apart, and a person.

    Args:
        run: The run's folder.
        labels: A person's labels; see `golong_eval.judges.agreement.read_labels`.

    Raises:
        ConfigError: There are no two raters.
        DataError: A file is damaged or malformed.
    """
    raters: dict[str, dict[str, Label]] = {}
    for file in sorted((Path(run) / "verdicts").glob("*.jsonl")):
        for judge in dict.fromkeys(verdict.judge for verdict in AppendLog.read(file, Verdict)):
            verdicts = read_verdicts(Path(run), judge)
            members = judge.split("+")
            for key, verdict in verdicts.items():
                if len(members) > 1 and len(verdict.votes) == len(members):
                    for member, vote in zip(members, verdict.votes, strict=True):
                        if vote != "error":
                            raters.setdefault(member, {})[key] = vote
                if verdict.outcome != "error":
                    raters.setdefault(judge, {})[key] = verdict.outcome
    if labels is not None:
        raters[PERSON] = read_labels(labels)
    if len(raters) < 2:
        raise ConfigError(
            f"{len(raters)} judge of {run}: agreement takes two",
            "judge it with another, too: golong judge RUN --judge MODEL; or give --labels FILE",
        )
    return agreement(raters)
