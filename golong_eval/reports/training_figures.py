"""Curves of a training, from the lines of its metrics.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from golong_eval.reports.figure_file import new_figure, write_figure

__all__ = ["write_training_figures"]


def write_training_figures(metrics: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write rewards.svg, advantages.svg and, where something was evaluated, held_out.svg; return their paths.

    Args:
        metrics: The lines, by step.
        folder: Where to.

    Raises:
        MissingExtraError: matplotlib is not installed.
        StorageError: A file can't be written.
    """
    steps = [row for row in metrics if "held_out" not in row]
    held_out = [row for row in metrics if "held_out" in row]
    written = []
    for name, rows, draw in (
        ("rewards", steps, _rewards),
        ("advantages", steps, _advantages),
        ("held_out", held_out, _held_out),
    ):
        if rows:
            file = folder / f"{name}.svg"
            write_figure(lambda draw=draw, rows=rows: draw(rows), file)  # type: ignore[misc]
            written.append(file)
    return written


def _tasks(rows: Sequence[dict[str, Any]], end: str) -> list[str]:
    names = {key.split("/")[1] for row in rows for key in row if key.startswith("golong/") and key.endswith(f"/{end}")}
    return sorted(names)


def _line(axes: Any, rows: Sequence[dict[str, Any]], key: str, label: str, **style: Any) -> None:
    points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, **({"linewidth": 1} | style))


def _rewards(rows: Sequence[dict[str, Any]]) -> Any:
    figure = new_figure(7, 4)
    axes = figure.subplots()
    for task in _tasks(rows, "mean_reward"):
        _line(axes, rows, f"golong/{task}/mean_reward", task)
    key = "golong/mean_reward" if any("golong/mean_reward" in row for row in rows) else "reward"
    _line(axes, rows, key, "all", color="black", linewidth=2)
    axes.set(xlabel="step", ylabel="mean reward of the step's rollouts", ylim=(0, 1))
    _legend(axes)
    return figure


def _advantages(rows: Sequence[dict[str, Any]]) -> Any:
    figure = new_figure(10, 4)
    balance, mass = figure.subplots(1, 2)
    _line(balance, rows, "golong/cv_abs_advantage", "cv(|A|) between tasks", color="black")
    _line(balance, rows, "golong/all_equal", "groups of equal rewards", color="grey", linestyle="--")
    balance.set(xlabel="step", ylim=(0, None))
    _legend(balance)
    for task in _tasks(rows, "share_of_advantage"):
        _line(mass, rows, f"golong/{task}/share_of_advantage", task)
    mass.set(xlabel="step", ylabel="share of the sum of |A|", ylim=(0, 1))
    _legend(mass)
    figure.tight_layout()
    return figure


def _held_out(rows: Sequence[dict[str, Any]]) -> Any:
    figure = new_figure(7, 4)
    axes = figure.subplots()
    steps = [row["step"] for row in rows]
    for task in sorted({task for row in rows for task in row["held_out"]["tasks"]}):
        means = [row["held_out"]["tasks"].get(task, {}).get("mean") for row in rows]
        axes.plot(
            steps, [float("nan") if mean is None else mean for mean in means], marker=".", linewidth=1, label=task
        )
    whole = [row["held_out"] for row in rows]
    means = [float("nan") if one["mean"] is None else one["mean"] for one in whole]
    axes.plot(steps, means, marker="o", color="black", linewidth=2, label="mean of tasks")
    known = [(step, one["low"], one["high"]) for step, one in zip(steps, whole, strict=True) if one["low"] is not None]
    if known:
        at, low, high = zip(*known, strict=True)
        axes.fill_between(at, low, high, color="black", alpha=0.15, label="95 % interval")
    axes.set(xlabel="step", ylabel="held-out score", ylim=(0, 1))
    _legend(axes)
    return figure


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:  # matplotlib warns of an empty one
        axes.legend(fontsize=8, ncols=2)
