"""The audit of rewards as a picture: attack by metric, coloured by how far the reward lies from its bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from golong_eval._optional import require
from golong_eval.reports.audit_text import METRIC_LABELS
from golong_eval.reports.figure_file import new_figure, write_figure
from golong_eval.rewards.audit import AuditReport, Trial

__all__ = ["write_audit_figure"]


def write_audit_figure(report: AuditReport, file: Path) -> None:
    """Write the heat map of an audit: the same report gives the same bytes.

    A cell's colour is the largest difference between an attack's reward and its bound over the samples: blue below,
    white at the bound, red above. The number is the reward there; a frame marks an attack that exceeds its bound,
    a dash one that has no meaning for the metric, an E a failed call.

    Raises:
        ConfigError: The file's name ends in neither .svg nor .png.
        MissingExtraError: matplotlib is not installed.
        StorageError: The file can't be written.
    """
    write_figure(lambda: _figure(report), file)


def _figure(report: AuditReport) -> Any:
    patches = require("matplotlib.patches", "plot", "a figure")
    attacks, metrics = report.attacks, report.metrics
    figure = new_figure(2.6 + 0.75 * len(metrics), 1.4 + 0.24 * len(attacks))
    axes = figure.subplots()
    grid = [[_worst(report, attack.name, metric) for metric in metrics] for attack in attacks]
    shades = [[float("nan") if trial is None else _excess(trial) for trial in row] for row in grid]
    image = axes.imshow(shades, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    for y, row in enumerate(grid):
        for x, trial in enumerate(row):
            text = "–" if trial is None or trial.value is None else f"{trial.value:.2f}"
            if any((f.attack, f.metric) == (attacks[y].name, metrics[x]) for f in report.findings):
                text += " E"
            colour = "white" if trial is not None and abs(_excess(trial)) > 0.6 else "black"
            axes.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
            if trial is not None and trial.exceeds:
                axes.add_patch(patches.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=2))
    axes.set_xticks(range(len(metrics)), [METRIC_LABELS.get(metric, metric) for metric in metrics], fontsize=8)
    axes.set_yticks(range(len(attacks)), [attack.name for attack in attacks], fontsize=8)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    for y in range(1, len(attacks)):
        if attacks[y].kind != attacks[y - 1].kind:
            axes.axhline(y - 0.5, color="black", linewidth=0.8)
    audited = report.function or f"{report.variant} rewards"
    axes.set_title(f"audit of {audited}: reward of each attack on its worst sample", fontsize=9)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label("reward minus bound", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _worst(report: AuditReport, attack: str, metric: str) -> Trial | None:
    """Return the trial with the largest difference between reward and bound; None where there is none."""
    trials = [trial for trial in report.trials if trial.attack == attack and trial.metric == metric]
    return max(trials, key=lambda trial: (_excess(trial), trial.value or 0.0), default=None)


def _excess(trial: Trial) -> float:
    return (trial.value or 0.0) - trial.bound
