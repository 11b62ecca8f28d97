"""The driver of bfcl-eval: what it asks again on resume without the package, and whole runs with it.

Those need the Python of an environment with bfcl-eval: GOLONG_BFCL_PYTHON=bfcl/bin/python pytest -m bfcl tests/adapters
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from golong_eval.adapters import bfcl_driver
from golong_eval.adapters.bfcl_driver import FAILED, repair
from golong_eval.errors import ConfigError
from golong_eval.harness import bfcl, read_run
from golong_eval.harness.bfcl import BfclRun, run_bfcl

from ..engines.chat_server import ChatServer, Handler, completion

CHAIN = [f"memory_kv_prereq_{number}-finance-{number}" for number in range(3)]
OTHER = ["memory_kv_prereq_9-student-0"]
KEY = "sk-a-secret-key"


def lay_out(folder: Path, conversations: dict[str, Any], questions: dict[str, Any], final: dict[str, str]) -> None:
    checkpoints = folder / "memory_snapshot" / "prereq_checkpoints"
    checkpoints.mkdir(parents=True)
    for name, results in (("kv_prereq", conversations), ("kv", questions)):
        lines = [json.dumps({"id": identifier, "result": result}) for identifier, result in results.items()]
        (folder / f"BFCL_v4_memory_{name}_result.json").write_text("".join(f"{line}\n" for line in lines))
    for identifier, result in conversations.items():
        if not isinstance(result, str):
            (checkpoints / f"{identifier}.json").write_text(f"memory after {identifier}")
    for scenario, text in final.items():
        (folder / "memory_snapshot" / f"{scenario}_final.json").write_text(text)


def kept(folder: Path, name: str) -> list[str]:
    file = folder / f"BFCL_v4_memory_{name}_result.json"
    return [json.loads(line)["id"] for line in file.read_text().splitlines()] if file.exists() else []


def test_what_rests_on_a_failed_conversation_is_asked_again(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {CHAIN[0]: [["a"]], CHAIN[1]: f"{FAILED}: timeout", CHAIN[2]: [["c"]], OTHER[0]: [["d"]]},
        {"memory_kv_1-finance-1": [["x"]], "memory_kv_2-student-2": [["y"]], "memory_kv_3-student-3": f"{FAILED}: 500"},
        {"finance": "memory after all, half filled", "student": f"memory after {OTHER[0]}"},
    )
    repair(tmp_path, "kv", {"finance": CHAIN, "student": OTHER})
    assert kept(tmp_path, "kv_prereq") == [CHAIN[0], OTHER[0]]
    assert kept(tmp_path, "kv") == ["memory_kv_2-student-2"]
    assert (tmp_path / "memory_snapshot" / "finance_final.json").read_text() == f"memory after {CHAIN[0]}"
    assert (tmp_path / "memory_snapshot" / "student_final.json").read_text() == f"memory after {OTHER[0]}"


def test_a_conversation_whose_result_was_not_written_leaves_no_memory(tmp_path: Path) -> None:
    lay_out(tmp_path, {}, {}, {"finance": f"memory after {CHAIN[0]}"})
    repair(tmp_path, "kv", {"finance": CHAIN})
    assert not (tmp_path / "memory_snapshot" / "finance_final.json").exists()


def test_torn_lines_are_dropped_and_a_sound_folder_stays_as_it_is(tmp_path: Path) -> None:
    whole = {name: [["a"]] for name in CHAIN}
    lay_out(tmp_path, whole, {"memory_kv_1-finance-1": [["x"]]}, {"finance": f"memory after {CHAIN[-1]}"})
    with (tmp_path / "BFCL_v4_memory_kv_result.json").open("a") as file:
        file.write('{"id": "memory_kv_2-fin')
    repair(tmp_path, "kv", {"finance": CHAIN})
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert (kept(tmp_path, "kv_prereq"), kept(tmp_path, "kv")) == (CHAIN, ["memory_kv_1-finance-1"])
    repair(tmp_path, "kv", {"finance": CHAIN})
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == first
    repair(tmp_path / "nowhere", "kv", {"finance": CHAIN})


def test_harness_and_driver_name_the_same_things() -> None:
    """The driver may import nothing of ours, and the harness nothing of the adapters."""
    assert (bfcl_driver.VERSION, bfcl_driver.BACKENDS) == (bfcl.BFCL_VERSION, bfcl.BACKENDS)
    assert bfcl_driver.SCENARIOS == bfcl.SCENARIOS


def test_without_the_package_the_driver_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-I", bfcl_driver.__file__, "--model", "m", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert json.loads(done.stdout)["event"] == "refused"


# ---- with the package

PYTHON = os.environ.get("GOLONG_BFCL_PYTHON", "")


def calls(name: str, arguments: object) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": name, "arguments": text}}],
    }


def remembers(handler: Handler, body: dict[str, Any]) -> None:
    """Write what the user says into the memory, look a question up in it, and answer in several forms."""
    last, tools = body["messages"][-1], [tool["function"]["name"] for tool in body.get("tools", [])]
    asked = [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
    if last["role"] == "user" and "core_memory_add" in tools:
        is_question = len(asked) < 250
        call = (
            calls("core_memory_retrieve_all", {})
            if is_question
            else calls("core_memory_add", {"key": "k", "value": "v"})
        )
        handler.reply(200, completion(body, call))
        return
    forms = ["{'answer': 'Diabetes', 'context': 'said'}", "<think>Kansas?</think>10", "walk.", "Forty-two", ""]
    handler.reply(200, completion(body, {"content": forms[len(asked) % len(forms)]}))


def ask(server: ChatServer, tmp_path: Path, **values: Any) -> BfclRun:
    settings: dict[str, Any] = {"backends": ["kv"], "scenarios": ["healthcare"], "concurrency": 4, "temperature": 0.0}
    return run_bfcl(
        model="org/m:7b", base_url=server.url, python=PYTHON, output_dir=tmp_path / "runs", **(settings | values)
    )


needs_bfcl = pytest.mark.skipif(not PYTHON, reason="GOLONG_BFCL_PYTHON names no Python with bfcl-eval")


@pytest.mark.bfcl
@needs_bfcl
def test_a_run_is_asked_recorded_and_scored_as_bfcl_eval_scores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ChatServer(entry={"id": "org/m:7b"}) as server:
        server.default = remembers
        done = ask(server, tmp_path, backends=["kv", "rec_sum"])
    assert done.disagreements == ()
    (task,) = done.results.tasks
    assert (task.n, task.scored) == (50, 50)
    assert {group.group: group.score.n for group in task.groups if group.by == "backend"} == {"kv": 25, "rec_sum": 25}
    run = read_run(done.results.run, variant="official")
    answers = [json.loads(line) for line in (run.path / "bfcl" / "answers.jsonl").read_text().splitlines()]
    official = {name.partition("/")[2]: result.value for (name, _), result in run.scores["bfcl_memory"].items()}
    assert official == {line["id"]: float(line["valid"]) for line in answers}
    assert 0 < sum(official.values()) < 50
    assert any(line["steps"] == 2 for line in answers)
    keyed = [path for path in run.path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert keyed == []
    assert {asked.headers["authorization"] for asked in server.requests} == {f"Bearer {KEY}"}
    assert {asked.body["temperature"] for asked in server.requests} == {0.0}


@pytest.mark.bfcl
@needs_bfcl
@pytest.mark.parametrize(
    ("where", "failed", "again"),
    [
        ("medication+dosage", 2, 4),  # questions: each is asked again, and answers after one look into the memory
        ("dosage", 25, 144),  # a conversation: all that rests on it
    ],
)
def test_what_failed_is_a_failure_and_is_asked_again_with_what_rests_on_it(
    where: str, failed: int, again: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    broken = [True]

    def breaks(handler: Handler, body: dict[str, Any]) -> None:
        if broken[0] and where in str(body["messages"][-1]["content"]):
            handler.reply(400, {"error": {"message": f"no such thing, {KEY}"}})
        else:
            remembers(handler, body)

    with ChatServer(entry={"id": "org/m:7b"}) as server:
        server.default = breaks
        first = ask(server, tmp_path).results
        broken[0] = False
        before = len(server.requests)
        second = ask(server, tmp_path, resume=True).results
    assert first.run == second.run
    assert first.to_ask_again == first.tasks[0].n - first.tasks[0].scored == failed
    assert "***" in first.failed[0].reason
    assert second.to_ask_again == 0
    assert len(server.requests) - before == again
    assert not [path for path in Path(first.run).rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.bfcl
@needs_bfcl
def test_a_limit_asks_the_same_questions_of_each_memory(tmp_path: Path) -> None:
    with ChatServer(entry={"id": "org/m:7b"}) as server:
        server.default = remembers
        results = ask(server, tmp_path, backends=["kv", "rec_sum"], limit=2, function_calling=False).results
        assert not any("tools" in body for body in server.bodies)
    ids = {sample.rpartition("_")[2] for sample in read_run(results.run).samples}
    assert (results.tasks[0].n, len(ids)) == (4, 2)


@pytest.mark.bfcl
@needs_bfcl
def test_a_memory_that_can_t_be_used_is_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with ChatServer(entry={"id": "org/m:7b"}) as server:
        with pytest.raises(ConfigError, match="back end vector can't be used") as caught:
            ask(server, tmp_path, backends=["kv", "vector"])
        assert server.requests == []
    assert "--backends kv,rec_sum" in caught.value.hint
    assert not list((tmp_path / "runs").rglob("config.json"))


@pytest.mark.bfcl
@needs_bfcl
def test_ctrl_c_ends_the_driver_and_the_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChatServer(entry={"id": "org/m:7b"}) as server:
        server.default = remembers
        arguments = ["--model", "org/m:7b", "--base-url", server.url, "--python", PYTHON, "--backends", "kv"]
        arguments += ["--scenarios", "healthcare", "--concurrency", "1", "--output-dir", str(tmp_path / "runs")]

        def stops_after_60(handler: Handler, body: dict[str, Any]) -> None:
            if len(server.requests) > 60:
                server.released.wait(60)
            remembers(handler, body)

        server.default = stops_after_60
        command = [sys.executable, "-m", "golong_eval", "bfcl", *arguments]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        until = time.monotonic() + 60
        while len(server.requests) < 61 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "--resume" in said
        time.sleep(0.5)
        interrupted = len(server.requests)
        server.default = remembers
        done = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").glob("*/*")
    results = read_run(folder).results
    assert results.to_ask_again == 0
    assert 60 < interrupted < len(server.requests) < 160  # a whole run takes 144; one conversation is held twice
    finals = json.loads(next(folder.rglob("healthcare_final.json")).read_text())
    assert finals["core_memory"] == {"k": "v"}
