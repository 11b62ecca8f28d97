"""Diagnostics and training curves: tables by hand, figures that are whole and alike each time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from golong_eval.advantages import diagnose, tmn_reweight
from golong_eval.errors import ConfigError
from golong_eval.reports.advantages import diagnostics_text, write_diagnostics_figure
from golong_eval.reports.training_figures import write_training_figures

REWARDS = [1.0, 0.0, 0.0, 0.0, 0.5, 0.5, math.nan]
PROMPTS, TASKS = list("ppppqqq"), ["t1"] * 4 + ["t<9>"] * 3


def batch() -> Any:
    return diagnose(REWARDS, tmn_reweight(REWARDS, PROMPTS, TASKS), PROMPTS, TASKS)


def test_the_table_of_a_batch() -> None:
    lines = diagnostics_text(batch()).splitlines()
    first, second = lines[2].split(), lines[3].split()
    assert first == [
        "t1",
        "1",
        "4",
        "0.250",
        "0.500",
        "0.500",
        "0",
        "%",
        "25",
        "%",
        "0.774",
        "50",
        "%",
        "100",
        "%",
        "0.78",
        "–",
        "1.28",
    ]
    assert second[:4] == ["t<9>", "1", "3", "0.500"]
    assert lines[-1] == (
        "2 prompts, 7 rows, 1 without a reward; reward 0.333, groups of equal rewards 50 %, cv(|A|) 1.000"
    )


def test_the_figure_of_a_batch(tmp_path: Path) -> None:
    """Also of a batch without anything, and never half a file."""
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg", "c.png"):
        write_diagnostics_figure(batch(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "cv(|A|) = 1.00" in (tmp_path / "a.svg").read_text()
    assert "t&lt;9&gt;" in (tmp_path / "a.svg").read_text()
    write_diagnostics_figure(diagnose([], [], [], []), tmp_path / "empty.svg")
    with pytest.raises(ConfigError, match="neither"):
        write_diagnostics_figure(batch(), tmp_path / "a.pdf")


def test_the_curves_of_a_training(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    step = {"golong/t1/mean_reward": 0.1, "golong/t1/share_of_advantage": 1.0, "golong/cv_abs_advantage": 0.3}
    held_out = {"mean": 0.5, "low": 0.4, "high": 0.6, "tasks": {"t1": {"mean": 0.5, "low": None, "high": None, "n": 4}}}
    metrics = [
        {"step": 0, "held_out": held_out | {"low": None, "high": None}},
        {"step": 1, "reward": 0.1, **step},
        {"step": 2, "reward": 0.2},
        {"step": 2, "held_out": held_out},
    ]
    written = write_training_figures(metrics, tmp_path)
    assert [file.name for file in written] == ["rewards.svg", "advantages.svg", "held_out.svg"]
    assert all("<svg" in file.read_text() for file in written)
    assert write_training_figures([], tmp_path) == []
    assert [file.name for file in write_training_figures(metrics[:1], tmp_path)] == ["held_out.svg"]
