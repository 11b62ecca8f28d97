"""What a training will do and what it did, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from golong_eval.reports.numbers import NONE, ends, percent, score
from golong_eval.reports.table import table
from golong_eval.training.recipe import Recipe

if TYPE_CHECKING:
    from golong_eval.training.run import TrainingPlan, TrainingResult

__all__ = ["plan_text", "training_text"]


def plan_text(plan: TrainingPlan, recipe: Recipe) -> str:
    """Return what a training will do: samples by task, rows, steps."""
    rows = [
        [task, str(train), str(held_out), percent(share)] for task, (train, held_out, share) in plan.samples.items()
    ]
    rollouts = recipe.rollouts
    refills = f", groups of equal rewards refilled up to {rollouts.refills} times" if rollouts.refills else ""
    short = "".join(f"{task}: only {reason}\n" for task, reason in plan.shortfalls.items())
    too_long = f"{plan.too_long} samples are longer than data.max_prompt_tokens and left out\n" if plan.too_long else ""
    if plan.shared:
        short += f"{plan.shared} held-out samples stand in documents that are trained on too\n"
    return "\n".join(
        [
            *table(["task", "trained on", "held out", "of prompts"], rows, range(1, 4)),
            "",
            f"{short}{too_long}{plan.steps} steps of {rollouts.prompts} prompts x {rollouts.group} rollouts{refills}",
            f"estimator {recipe.estimator.name}, model {recipe.model.path}",
        ]
    )


def training_text(result: TrainingResult) -> str:
    """Return what a training did: the held-out scores before and after, and where everything is."""
    evaluated = [row for row in result.metrics if "held_out" in row]
    steps = [row for row in result.metrics if "held_out" not in row]
    lines: list[str] = []
    if evaluated:
        lines += _before_and_after(evaluated)
    if steps:
        first, last = steps[0], steps[-1]
        lines.append(
            f"reward of the rollouts: {_reward(first)} at step {first['step']}, {_reward(last)} at "
            f"step {last['step']}; cv(|A|) {_number(last, 'golong/cv_abs_advantage')}"
        )
    lines.append(f"trained checkpoint: {result.model}")
    if len(evaluated) > 1:
        lines.append("is it better? golong compare " + " ".join(_run_of(row) for row in (evaluated[0], evaluated[-1])))
    lines.append(f"training folder: {result.folder}")
    return "\n".join(lines)


def _before_and_after(evaluated: Sequence[dict[str, Any]]) -> list[str]:
    first, last = evaluated[0]["held_out"], evaluated[-1]["held_out"]
    header = ["task", "n", f"step {evaluated[0]['step']}", f"step {evaluated[-1]['step']}", "95 % interval"]
    rows = []
    for task, now in last["tasks"].items():
        before = first["tasks"].get(task, {})
        rows.append([task, str(now["n"]), score(before.get("mean")), score(now["mean"]), ends(now["low"], now["high"])])
    rows.append(["mean", "", score(first["mean"]), score(last["mean"]), ends(last["low"], last["high"])])
    return [*table(header, rows, range(1, 5)), ""]


def _run_of(row: dict[str, Any]) -> str:
    return str(row["held_out"]["run"])


def _reward(row: dict[str, Any]) -> str:
    return _number(row, "golong/mean_reward" if "golong/mean_reward" in row else "reward")


def _number(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return NONE if value is None else f"{value:.3f}"
