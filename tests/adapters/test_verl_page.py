"""What docs/verl.md and training/verl tell people to type works, as far as it needs no verl."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from unittest import mock

import pyarrow.parquet
import pytest

from golong_eval.adapters.verl import FLAGS
from golong_eval.adapters.verl_plugin import NAMES
from golong_eval.adapters.verl_step import step_of
from golong_eval.advantages import ESTIMATORS, diagnose
from golong_eval.cli.main import main

from ..test_docs import as_run_here, commands, papers

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "verl.md"
YARN = ROOT / "training" / "verl" / "with_yarn.py"

__all__ = ["papers"]  # a fixture


@pytest.mark.timeout(600)
def test_from_an_empty_folder_to_rows(papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    found = commands(text)
    assert len(found) == 2
    for command in found:
        with pytest.raises(SystemExit) as ended:
            main(as_run_here(command, papers, ""))
        assert not ended.value.code
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(block, str(PAGE), "exec"), {})
    for name in ("train", "val"):
        rows = pyarrow.parquet.read_table(f"{name}.parquet").to_pylist()
        assert {row["extra_info"]["split"] for row in rows} == {name}
        assert len({row["extra_info"]["task"] for row in rows}) > 1


def test_the_page_names_what_there_is() -> None:
    text = PAGE.read_text()
    for name in (*NAMES, *FLAGS):
        assert f"`{name}`" in text, name
    step = step_of(["golong_t7"] * 2, [{"task": "t7"}] * 2)
    assert step.tasks == ["t7", "t7"]
    metrics = diagnose([0.0, 1.0], [-1.0, 1.0], ["p", "p"], ["t7", "t7"]).to_dict("golong/")
    metrics |= {f"golong/{flag}_share": 0.0 for flag in FLAGS}
    named = re.findall(r"`(golong/[\w/]+)`", text)
    assert len(named) >= 8
    assert not set(named) - set(metrics)
    assert set(NAMES.values()) == set(ESTIMATORS)
    for target in re.findall(r"`(training/verl/[\w.]+)`", text):
        assert (ROOT / target).exists()


def run(*arguments: str) -> str:
    """Run with_yarn.py; return what it complains of."""
    spec = importlib.util.spec_from_file_location("with_yarn", YARN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with mock.patch.object(sys, "argv", [str(YARN), *arguments]):
        try:
            module.main()
        except SystemExit as ended:
            return str(ended.code)
    return ""


def a_qwen3(folder: Path) -> Path:
    """A folder like Qwen3-4B's."""
    folder.mkdir()
    config = {"model_type": "qwen3", "max_position_embeddings": 40960, "rope_scaling": None, "rope_theta": 1000000}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_text("weights")
    return folder


def test_yarn_is_written_out_in_full_and_the_weights_are_linked(tmp_path: Path) -> None:
    """The page's numbers: 5.5 x 32,768 positions are what a prompt and a response of the launch files need."""
    model, out = a_qwen3(tmp_path / "model"), tmp_path / "out"
    (line,) = [line for line in PAGE.read_text().splitlines() if "with_yarn.py" in line]
    options = line.split("yarn", 2)[2].split()
    assert run(str(model), str(out), *options) == ""
    assert json.loads((out / "config.json").read_text()) == {
        "model_type": "qwen3",
        "max_position_embeddings": 163_840 + 16_384,
        "rope_parameters": {
            "rope_theta": 1000000,
            "rope_type": "yarn",
            "factor": 5.5,
            "original_max_position_embeddings": 32768,
        },
    }
    assert (out / "model.safetensors").is_symlink()
    assert (out / "model.safetensors").read_text() == "weights"
    assert "rope_scaling" in (model / "config.json").read_text()  # the checkpoint is left as it was


def test_a_factor_that_is_too_small_and_a_folder_that_exists_are_refused(tmp_path: Path) -> None:
    model = a_qwen3(tmp_path / "model")
    small = run(str(model), str(tmp_path / "out"), "--factor", "4", "--original", "32768")
    assert "5.5" in small  # what to type
    assert "exists" in run(str(model), str(model), "--factor", "5.5")
    assert "config.json" in run(str(tmp_path / "none"), str(tmp_path / "out"), "--factor", "5.5")
    assert not (tmp_path / "out").exists()
