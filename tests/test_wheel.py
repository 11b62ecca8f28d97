"""An installed wheel carries its content and works outside the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_tasks_checkpoint_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for number in range(1, 10):
        assert sum(name.startswith(f"golong_eval/_content/tasks/t{number}_") for name in names) == 2
    assert "golong_eval/_content/training/embedded/checkpoint/model.safetensors" in names
    assert "golong_eval/_content/training/recipes/laptop.yaml" in names
    assert "golong_eval/py.typed" in names
    for name in ("report.html.j2", "report.css", "report.js"):
        assert f"golong_eval/reports/html/{name}" in names
    assert "golong_eval/benchmarks/rows/longbench_pro.json" in names
    assert "golong_eval/benchmarks/golden/mrcr.jsonl" in names
    assert "golong_eval/adapters/lm_eval_tasks/golong_t1.yaml" in names
    assert not [name for name in names if name.startswith(("tests/", "bench/", "docs/"))]
    size = sum(item.file_size for item in zipfile.ZipFile(wheel).infolist() if "/checkpoint/" in item.filename)
    assert size < 8 * 2**20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs_from_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """The base install, without extras: scripted runs and validation work, and what is missing is named."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)

    def golong(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-m", "golong_eval", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    listed = golong("tasks", "list")
    assert listed.returncode == 0, listed.stderr
    missing = golong("run")
    assert missing.returncode == 1
    assert "pip install 'golong-eval[hf]'" in missing.stderr
    assert len(missing.stderr.strip().splitlines()[-2:]) == 2
    assert "pip install 'golong-eval[train]'" in golong("train", "--recipe", "laptop").stderr
    assert golong("train", "--recipe", "laptop", "--show").stdout.startswith("name: laptop")
    tokenizers = golong("tasks", "build", "--out", "a.jsonl")
    assert "pip install 'golong-eval[data]'" in tokenizers.stderr
    subprocess.run([python, "-m", "pip", "install", "-q", "tokenizers"], check=True)
    ran = golong("run", "--engine", "scripted", "--length", "1k", "--limit", "1")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "runs").is_dir()
