"""A run that is killed or interrupted keeps what was finished, and --resume makes each sample once."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def command(samples: Path, out: Path, *extra: str) -> list[str]:
    return [
        *(sys.executable, "-m", "golong_eval", "run", "--engine", "scripted", "--model", "gold"),
        *("--tasks", str(samples), "--output-dir", str(out), *extra),
    ]


def answers(out: Path) -> list[tuple[str, int]]:
    """The whole lines of all predictions."""
    found = []
    for file in out.rglob("predictions/*.jsonl"):
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                row = json.loads(line)
                found.append((row["sample_id"], row["repeat"]))
    return found


def start_and_signal(samples: Path, out: Path, number: int, *extra: str) -> tuple[int, str]:
    """Start a slow run, and signal it once some answers are there and some are not."""
    process = subprocess.Popen(
        command(samples, out, "--engine-arg", "delay=0.5", *extra),  # long enough not to end before it is signalled
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that a shell runs in the background inherit an ignored SIGINT, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    before, deadline = len(answers(out)), time.monotonic() + 60
    while len(answers(out)) < before + 2 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_kill_then_resume_makes_every_sample_once(tmp_path: Path, samples_file: Path) -> None:
    out = tmp_path / "runs"
    start_and_signal(samples_file, out, signal.SIGKILL)
    kept = answers(out)
    assert 0 < len(kept) < 12
    start_and_signal(samples_file, out, signal.SIGKILL, "--resume")
    assert set(kept) < set(answers(out))
    final = subprocess.run(
        command(samples_file, out, "--engine-arg", "delay=0.1", "--resume"), capture_output=True, text=True, check=False
    )
    assert final.returncode == 0, final.stderr
    assert len(answers(out)) == 12
    assert len(set(answers(out))) == 12
    assert len(list(out.rglob("config.json"))) == 1


def test_ctrl_c_leaves_a_resumable_run_and_exits_130(tmp_path: Path, samples_file: Path) -> None:
    out = tmp_path / "runs"
    code, message = start_and_signal(samples_file, out, signal.SIGINT)
    assert code == 130
    assert "interrupted" in message
    assert "--resume" in message
    assert "Traceback" not in message
    assert 0 < len(answers(out)) < 12


def test_a_disk_that_fills_up_keeps_the_finished_answers(tmp_path: Path, samples_file: Path) -> None:
    """A real limit on file size, set for the run's process, met while answers are appended."""
    out = tmp_path / "runs"
    limited = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from golong_eval.cli.main import main
main({command(samples_file, out, "--repeats", "40", "--temperature", "1")[3:]!r})
"""
    run = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert len(run.stderr.strip().splitlines()[-2:]) == 2
    assert "cannot write" in run.stderr
    assert "Traceback" not in run.stderr
    kept = len(answers(out))
    assert kept > 5
    resumed = subprocess.run(
        command(samples_file, out, "--repeats", "40", "--temperature", "1", "--resume"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert len(answers(out)) == len(set(answers(out))) == 480


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_200_kills_at_random_points_lose_nothing(tmp_path: Path, write_samples: Callable[[int], Path]) -> None:
    """Killed while it starts, stores samples, generates or scores: 500 samples, each once, whatever was torn."""
    file = write_samples(167)
    lines = file.read_bytes().splitlines(keepends=True)[:500]
    file.write_bytes(b"".join(lines))
    out, rng = tmp_path / "runs", random.Random(4)
    began = time.monotonic()
    subprocess.run(command(file, tmp_path / "other", "--limit", "1"), check=True, capture_output=True)
    start = time.monotonic() - began  # what a start takes here and now
    kills, finished, kept = 0, 0, [0]
    while kills < 200:
        resume = ["--resume"] if list(out.rglob("config.json")) else []
        process = subprocess.Popen(
            command(file, out, "--engine-arg", "delay=0.15", *resume), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _, err = process.communicate(timeout=rng.uniform(0.05, 2.5 * start))
            assert process.returncode == 0, err.decode()
            finished += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        found = answers(out)
        assert len(found) == len(set(found))  # whole lines are never written twice
        assert len(found) >= kept[-1]
        kept.append(len(found))
    final = subprocess.run(command(file, out, "--resume"), capture_output=True, text=True, check=False)
    assert final.returncode == 0, final.stderr
    found = answers(out)
    assert len(found) == len(set(found)) == 500
    assert set(found) == {(json.loads(line)["id"], 0) for line in lines}
    assert len(list(out.rglob("config.json"))) == 1
    progress = sum(after > before for before, after in itertools.pairwise(kept))
    sys.stdout.write(  # seen with -s: the counts that the docs give
        f"{kills} kills, {progress} of them after new answers; {kept[-1]} answers kept before the last resume, "
        f"{finished} attempts finished; 500 samples, each once\n"
    )
    assert progress > 20
