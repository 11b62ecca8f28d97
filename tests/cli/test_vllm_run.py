"""Whole runs on a real vLLM, offline and as a server, beside transformers. Run by ``make test-vllm``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golong_eval.engines import embedded_model

from ..engines.chat_server import free_port

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

ENVIRONMENT = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
RUN = ["--tasks", "t1,t3,t8", "--length", "1k", "--limit", "2", "--max-tokens", "12"]
VLLM = [
    "--engine",
    "vllm",
    "--max-model-len",
    "2048",
    "--engine-arg",
    "dtype=float32",
    "--engine-arg",
    "enforce_eager=true",
]


def golong(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "golong_eval", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_few_rows_of_every_benchmark(tmp_path: Path) -> None:
    """The smoke suite: conversations, two calls, cut messages, generated rows, through vLLM itself."""
    done = golong(
        tmp_path, "run", "--suite", "smoke", "--engine", "vllm", "--engine-arg", "enforce_eager=true", "--json"
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    rows = {row["task"]: row for row in results["tasks"]}
    assert {"longbench_pro", "mrcr", "longbench_v2_cot", "ruler", "babilong", "longbench_v1"} <= rows.keys()
    for row in rows.values():
        assert row["n"] > 0
        assert row["statuses"].keys() <= {"ok", "empty", "unparsed", "judge_error"}, row


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``vllm serve`` with the embedded checkpoint."""
    port = free_port()
    log = (tmp_path_factory.mktemp("server") / "log").open("wb")
    serve = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", embedded_model()]
    serve += ["--served-model-name", "embedded", "--port", str(port), "--host", "127.0.0.1"]
    serve += ["--max-model-len", "2048", "--dtype", "float32", "--enforce-eager", "--generation-config", "vllm"]
    process = subprocess.Popen(serve, env=ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, Path(log.name).read_text()[-4000:]
                assert time.monotonic() < deadline
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        log.close()


def answers(run: Path) -> dict[tuple[str, int], dict[str, Any]]:
    rows = [json.loads(line) for file in (run / "predictions").iterdir() for line in file.read_text().splitlines()]
    assert len({(row["sample_id"], row["repeat"]) for row in rows}) == len(rows)
    return {(row["sample_id"], row["repeat"]): row for row in rows}


def test_offline_served_and_transformers_give_the_same_table(tmp_path: Path, server: str) -> None:
    """Greedy, in float32: the same tokens in, the same text out, the same scores."""
    engines = {
        "vllm": VLLM,
        "openai": ["--base-url", server, "--model", "embedded"],
        "transformers": ["--engine", "transformers", "--max-model-len", "2048"],
    }
    found = {}
    for name, arguments in engines.items():
        outcome = golong(tmp_path, "run", *arguments, *RUN, "--output-dir", name)
        assert outcome.returncode == 0, outcome.stderr[-4000:]
        sys.stdout.write(outcome.stdout + "\n")
        (run,) = (file.parent for file in (tmp_path / name).rglob("results.json"))
        found[name] = (answers(run), json.loads((run / "results.json").read_text())["tasks"])
    (mine, table), (served, _), (reference, _) = found.values()
    for key, answer in reference.items():
        for other in (mine, served):
            assert other[key]["prompt_tokens"] == answer["prompt_tokens"]
            assert other[key]["prompt_hash"] == answer["prompt_hash"]
            assert other[key]["finish_reason"] == answer["finish_reason"]
            assert other[key]["completion_tokens"] == answer["completion_tokens"]
        assert mine[key]["text"] == answer["text"]
    # The server detokenises by itself: what it leaves out of an untrained model's noise is its own.
    same = sum(served[key]["text"].strip() == answer["text"].strip() for key, answer in reference.items())
    assert same >= len(reference) - 1
    assert table == found["transformers"][1]
    # Questions about one context share its tokens.
    assert sum(answer["cached_tokens"] or 0 for answer in mine.values()) > 0


def test_several_answers_come_from_one_request_offline_and_served(tmp_path: Path, server: str) -> None:
    for name, arguments in {"vllm": VLLM, "openai": ["--base-url", server, "--model", "embedded"]}.items():
        more = [] if name == "vllm" else ["--engine-arg", 'body={"seed": null}']  # a CPU takes no seed
        outcome = golong(
            tmp_path, "run", *arguments, *RUN, *more, "--repeats", "3", "--temperature", "0.9", "--output-dir", name
        )
        assert outcome.returncode == 0, outcome.stderr[-4000:]
        (run,) = (file.parent for file in (tmp_path / name).rglob("results.json"))
        rows = answers(run)
        assert len(rows) == 18
        # vLLM offline tells of each repeat what its cache had; a server tells it once for all.
        assert sum(row["prompt_shared"] for row in rows.values()) == (12 if name == "openai" else 0)
        assert len({row["text"] for row in rows.values()}) > 9


def test_the_death_of_the_engine_keeps_what_was_finished(tmp_path: Path) -> None:
    """Kill -9 on vLLM's worker: the run stops in two lines, and --resume makes each sample once."""
    command = ["run", *VLLM, "--tasks", "t1,t3,t8", "--length", "1k", "--limit", "12", "--max-tokens", "200"]
    command += ["--output-dir", "runs", "--engine-arg", "in_flight=4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "golong_eval", *command],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 300
        while not (kept := list(tmp_path.rglob("predictions/*.jsonl"))) or not kept[0].stat().st_size:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (core,) = (pid for pid, name in _children(process.pid) if "EngineCor" in name)  # the kernel keeps 15 characters
        os.kill(core, signal.SIGKILL)
        _, err = process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    # Around our two lines may stand what Python says of the shared memory that the dead process left.
    lines = err.splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.startswith("golong: "))
    assert "--resume" in lines[place + 1]
    assert "Traceback" not in err
    (run,) = (file.parent for file in tmp_path.rglob("config.json"))
    before = answers(run)
    assert 0 < len(before) < 36
    resumed = golong(tmp_path, *command, "--resume")
    assert resumed.returncode == 0, resumed.stderr[-4000:]
    after = answers(run)
    assert len(after) == 36
    assert all(after[key] == row for key, row in before.items())


def _children(parent: int) -> Iterator[tuple[int, str]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == parent:
            yield int(stat.parent.name), name
