"""How far the judges of a stored run agree, with each other and with a person."""

from __future__ import annotations

from pathlib import Path

from golong_eval.errors import ConfigError, DataError
from golong_eval.harness.judging import questions_by_answer
from golong_eval.harness.records import Key
from golong_eval.harness.run_folder import AppendLog
from golong_eval.harness.scoring_models import read_verdicts
from golong_eval.harness.settings import repeats_of
from golong_eval.harness.stored_run import read_run
from golong_eval.harness.task_book import tasks_named
from golong_eval.judges.agreement import Agreement, Label, agreement, read_labels
from golong_eval.judges.question import JudgeQuestion, Verdict

__all__ = ["agreement_of_run", "labels_of_run"]

PERSON = "person"
"""What a person's labels are called among the raters."""


def agreement_of_run(run: Path | str, labels: Path | None = None, judge: str | None = None) -> list[Agreement]:
    """Return how far the judges of a run agree, in all and by rubric: all that have judged it, and a person.

    Of a panel the members are raters, not the panel: what is made of their votes agrees with them by itself.

    Args:
        run: The run's folder.
        labels: A person's labels; see `labels_of_run`.
        judge: Only this one, or the members of this panel; None is all.

    Raises:
        ConfigError: There are no two raters.
        DataError: A file is damaged or malformed.
    """
    asked = _asked(Path(run))
    raters = _judges(Path(run))
    if judge is not None:
        raters = {rater: found for rater, found in raters.items() if rater in judge.split("+")}
    if labels is not None:
        raters[PERSON] = labels_of_run(run, labels)
    if len(raters) < 2:
        raise ConfigError(
            f"{len(raters)} judge of {run}: agreement takes two",
            "judge it with another, too: golong judge RUN --judge MODEL; or give --labels FILE",
        )
    return agreement(raters, {one.key: one.rubric.id for found in asked.values() for one in found})


def labels_of_run(run: Path | str, labels: Path) -> dict[str, Label]:
    """Return a person's labels of questions of a run; see `golong_eval.judges.agreement.read_labels`.

    Args:
        run: The run's folder.
        labels: The file.

    Raises:
        ConfigError: The file can't be read.
        DataError: A line is malformed, or none names a question of this run.
    """
    asked = _asked(Path(run))
    found = read_labels(labels, {answer: [question.key for question in given] for answer, given in asked.items()})
    if not found.keys() & {question.key for given in asked.values() for question in given}:
        raise DataError("labels no question of this run", "keys stand in verdicts/ of its folder", file=labels)
    return found


def _asked(run: Path) -> dict[Key, list[JudgeQuestion]]:
    """Return what a judge is asked about each answer of a run."""
    stored = read_run(run)
    specs = tasks_named(stored.scores, stored.settings.get("include", ()))
    return questions_by_answer(
        specs, stored.samples.values(), stored.answers, lambda task: repeats_of(stored.settings, task)
    )


def _judges(run: Path) -> dict[str, dict[str, Label]]:
    """Return what each judge, or member of a panel, has decided, by question."""
    raters: dict[str, dict[str, Label]] = {}
    for file in sorted((run / "verdicts").glob("*.jsonl")):
        for judge in dict.fromkeys(verdict.judge for verdict in AppendLog.read(file, Verdict)):
            members = judge.split("+")
            for key, verdict in read_verdicts(run, judge).items():
                votes = verdict.votes if len(verdict.votes) == len(members) > 1 else (verdict.outcome,)
                for rater, vote in zip(members if len(votes) > 1 else [judge], votes, strict=True):
                    if vote != "error":
                        raters.setdefault(rater, {})[key] = vote
    return raters
