"""The diagnostics of a batch's advantages, as a table and as a figure."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from golong_eval.advantages import BatchDiagnostics
from golong_eval.reports.figure_file import new_figure, write_figure
from golong_eval.reports.numbers import NONE, percent, score
from golong_eval.reports.table import table

__all__ = ["diagnostics_text", "write_diagnostics_figure"]


def diagnostics_text(batch: BatchDiagnostics) -> str:
    """Return a batch's diagnostics as a table: a line a task, the batch below it."""
    header = ["task", "prompts", "rows", "reward", "std in group", "sigma", "all equal", "full marks", "mean |A|"]
    header += ["of prompts", "of |A|", "weights"]
    rows = []
    for name, task in batch.tasks.items():
        weights = NONE if math.isnan(task.weight_min) else f"{task.weight_min:.2f} – {task.weight_max:.2f}"
        rows.append(
            [
                str(name),
                str(task.prompts),
                str(task.rows),
                score(_known(task.mean_reward)),
                score(_known(task.mean_group_std)),
                score(_known(task.rms_group_std)),
                percent(_known(task.all_equal)),
                percent(_known(task.full_marks)),
                score(_known(task.mean_abs_advantage)),
                percent(task.share_of_prompts),
                percent(_known(task.share_of_advantage)),
                weights,
            ]
        )
    unscored = f", {batch.unscored} without a reward" if batch.unscored else ""
    below = (
        f"{batch.prompts} prompts, {batch.rows} rows{unscored}; reward {score(_known(batch.mean_reward))}, "
        f"groups of equal rewards {percent(_known(batch.all_equal))}, cv(|A|) {score(_known(batch.cv_abs_advantage))}"
    )
    return "\n".join([*table(header, rows, range(1, 12)), "", below])


def write_diagnostics_figure(batch: BatchDiagnostics, file: Path) -> None:
    """Write a figure: each task's share of prompts beside its share of the update, and its prompts by mean reward.

    Raises:
        ConfigError: The file's name ends in neither .svg nor .png.
        MissingExtraError: matplotlib is not installed.
        StorageError: The file can't be written.
    """
    write_figure(lambda: _figure(batch), file)


def _figure(batch: BatchDiagnostics) -> Any:
    names = [str(name) for name in batch.tasks]
    parts = list(batch.tasks.values())
    figure = new_figure(10, 1.2 + 0.34 * max(3, len(names)))
    shares, rewards = figure.subplots(1, 2)
    places = range(len(names))
    shares.barh([p - 0.2 for p in places], [part.share_of_prompts for part in parts], 0.38, label="of prompts")
    mass = [_known(part.share_of_advantage) or 0.0 for part in parts]
    shares.barh([p + 0.2 for p in places], mass, 0.38, label="of the sum of |A|")
    shares.set_yticks(places, names)
    shares.invert_yaxis()
    cv = _known(batch.cv_abs_advantage)
    shares.set_xlabel("share" if cv is None else f"share; cv(|A|) = {cv:.2f}")
    shares.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)  # above, where no bar is
    counts = [[count / max(1, sum(part.mean_rewards)) for count in part.mean_rewards] for part in parts]
    image = rewards.imshow(counts or [[0.0] * 10], cmap="Blues", vmin=0, vmax=1, aspect="auto", extent=None)
    rewards.set_yticks(places, names)
    rewards.set_xticks(range(10), [f"{edge / 10:.1f}" for edge in range(10)], fontsize=8)
    rewards.set_xlabel("mean reward of a prompt's rollouts, from")
    figure.colorbar(image, ax=rewards, label="share of the task's prompts")
    figure.tight_layout()
    return figure


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
