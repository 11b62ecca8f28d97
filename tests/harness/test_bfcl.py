"""`golong bfcl` around a driver that a test plays: what is recorded, what is refused, and what reaches the child."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from golong_eval.cli.main import main
from golong_eval.errors import ConfigError, DataError, EngineError, GolongError, MissingExtraError, ModelError
from golong_eval.harness import Progress, read_run, rescore_run
from golong_eval.harness.bfcl import BFCL_VERSION, BfclRun, run_bfcl

from ..engines.chat_server import ChatServer

# A Python that knows of bfcl-eval, and a driver that says and writes what lies beside it.
PLAYED = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
if "-c" in sys.argv:
    print((here / "version").read_text())
    sys.exit()
(here / "seen.json").write_text(json.dumps({{"argv": sys.argv, "environment": dict(os.environ)}}))
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
sys.stderr.write("hello from bfcl-eval\\n")
if (here / "answers.jsonl").exists():
    (out / "answers.jsonl").write_bytes((here / "answers.jsonl").read_bytes())
print((here / "events").read_text(), flush=True)
sys.exit(int((here / "code").read_text()))
"""
DONE = '{"event": "start", "version": "v"}\nno event\n{"event": "progress", "done": 1, "total": 2}\n{"event": "done"}'


def line(number: int, backend: str = "kv", **values: Any) -> dict[str, Any]:
    return {
        "id": f"memory_{backend}_{number}-customer-{number}",
        "backend": backend,
        "scenario": "customer",
        "question": "Where do I live?",
        "ground_truth": ["Seattle"],
        "response": "{'answer': 'Seattle', 'context': 'said'}",
        "error": None,
        "valid": True,
        "steps": 1,
        "prompt_tokens": 10,
        "completion_tokens": 5,
    } | values


@pytest.fixture
def played(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    folder.mkdir()
    python = folder / "python"
    python.write_text(PLAYED)
    python.chmod(0o755)
    play(folder, [line(0)])
    return python


def play(folder: Path, lines: list[dict[str, Any]] | None, events: str = DONE, code: int = 0) -> None:
    (folder / "version").write_text(BFCL_VERSION)
    (folder / "events").write_text(events)
    (folder / "code").write_text(str(code))
    if lines is not None:
        (folder / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    else:
        (folder / "answers.jsonl").unlink(missing_ok=True)


def run(played: Path, /, **values: Any) -> BfclRun:
    with ChatServer() as server:
        settings: dict[str, Any] = {"model": "m", "base_url": server.url, "python": played}
        return run_bfcl(**(settings | {"output_dir": played.parent.parent / "runs"} | values))


def runs(python: Path) -> list[Path]:
    return list((python.parent.parent / "runs").glob("*/*"))


def test_answers_become_a_run_like_any_other(played: Path) -> None:
    """The score is the unweighted mean of the memories, whatever their numbers; a failed request counts as 0."""
    play(
        played.parent,
        [
            line(0),
            line(1, response="Portland", valid=False),
            line(0, "rec_sum", response="{'answer': 'Portland', 'context': 'not Seattle'}"),
            line(1, "rec_sum", response="", valid=False, steps=20),
            line(2, "rec_sum", response=None, error="timeout", valid=False, steps=0, prompt_tokens=0),
        ],
    )
    shown: list[Progress] = []
    done = run(played, on_progress=shown.append)
    assert done.disagreements == ()
    (task,) = done.results.tasks
    assert (task.n, task.scored, done.results.to_ask_again) == (5, 4, 1)
    assert task.headline is not None
    assert task.headline.score.mean == pytest.approx((1 / 2 + 0) / 2)
    assert task.published is not None
    assert task.published.headline is not None
    assert task.published.headline.score.mean == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert {status: count for status, count in task.statuses.items() if count} == {
        "ok": 3,
        "empty": 1,
        "provider_error": 1,
    }
    assert ("generate", 1, 2) in [(step.stage, step.done, step.total) for step in shown]
    stored = read_run(done.results.run)
    assert stored.settings["engine"] == "bfcl-eval"
    assert stored.settings["benchmark_data"] == {"bfcl_memory": {"made": f"by bfcl-eval {BFCL_VERSION}"}}
    assert stored.environment["sessions"][0]["packages"]["bfcl-eval"] == "v"
    assert "hello from bfcl-eval" in (stored.path / "bfcl" / "log.txt").read_text()
    assert rescore_run(stored.path, variant="official").tasks[0].mean == task.published.mean


def test_a_verdict_that_differs_from_ours_is_told(played: Path) -> None:
    play(played.parent, [line(0, valid=False), line(1)])
    done = run(played)
    assert done.disagreements == ("memory_kv_0-customer-0: bfcl-eval says wrong, the official rule gives 1",)
    environment = read_run(done.results.run).environment
    assert environment["sessions"][0]["verdicts_that_differ_from_bfcl_evals"] == list(done.disagreements)


def test_the_key_goes_by_the_environment_alone_and_no_other_secret_goes_at_all(
    played: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-service")
    monkeypatch.setenv("MY_KEY", "of-this-server")
    monkeypatch.setenv("HF_TOKEN", "of-the-hub")
    done = run(played, api_key_env="MY_KEY")
    seen = json.loads((played.parent / "seen.json").read_text())
    assert seen["environment"]["OPENAI_API_KEY"] == "of-this-server"
    assert "of-another-service" not in str(seen)
    assert "of-the-hub" not in str(seen)
    assert "of-this-server" not in str(seen["argv"])
    files = [path for path in Path(done.results.run).rglob("*") if path.is_file()]
    assert not [path for path in files if b"of-this-server" in path.read_bytes()]
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ConfigError, match="MY_KEY, which is not set"):
        run(played, api_key_env="MY_KEY")


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        ({"backends": ["graph"]}, ConfigError, "no back end 'graph'"),
        ({"backends": []}, ConfigError, "no back end 'none'"),
        ({"scenarios": ["pilot"]}, ConfigError, "no scenario 'pilot'"),
        ({"model": "another"}, ModelError, "another"),
        ({"base_url": "http://127.0.0.1:9/v1"}, ConfigError, "127.0.0.1:9"),
        ({"python": "no/such/python"}, ConfigError, "does not run"),
        ({"python": sys.executable}, MissingExtraError, "no bfcl-eval"),
        ({"temperature": -1}, ConfigError, "temperature"),
    ],
)
def test_what_is_wrong_is_told_before_there_is_a_folder(
    values: dict[str, Any], error: type[GolongError], says: str, played: Path
) -> None:
    with pytest.raises(error, match=says):
        run(played, **values)
    assert runs(played) == []


def test_another_version_is_refused(played: Path) -> None:
    (played.parent / "version").write_text("2026.1.1")
    with pytest.raises(MissingExtraError, match=r"bfcl-eval 2026\.1\.1, not") as caught:
        run(played)
    assert f"bfcl-eval=={BFCL_VERSION}" in caught.value.hint


def test_what_the_driver_refuses_leaves_no_folder(played: Path) -> None:
    play(played.parent, None, '{"event": "refused", "message": "the back end vector can\'t be used (OSError)"}', 3)
    with pytest.raises(ConfigError, match="back end vector") as caught:
        run(played)
    assert "--backends kv,rec_sum" in caught.value.hint
    assert runs(played) == []


def test_a_driver_that_dies_leaves_a_run_to_go_on_with(played: Path) -> None:
    play(played.parent, None, '{"event": "start"}', 1)
    with pytest.raises(EngineError, match="ended with 1") as caught:
        run(played)
    assert "log.txt" in caught.value.hint
    (folder,) = runs(played)
    play(played.parent, [line(0)])
    assert run(played, resume=True).results.run == str(folder)
    with pytest.raises(ConfigError, match="differs in engine_args"):
        run(played, resume=True, backends=["kv"])


@pytest.mark.parametrize(
    "lines", [None, [line(0) | {"ground_truth": []}], [line(0) | {"backend": "graph"}], [{"id": "x"}]]
)
def test_answers_that_are_none_are_an_error(lines: list[dict[str, Any]] | None, played: Path) -> None:
    play(played.parent, lines)
    with pytest.raises(DataError, match=r"answers\.jsonl"):
        run(played)


def test_the_command_prints_a_table_and_ends_with_2_where_something_failed(
    played: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(played.parent.parent)
    with ChatServer() as server:
        command = ["bfcl", "--model", "m", "--base-url", server.url, "--python", os.fspath(played)]
        for lines, code in (([line(0)], 0), ([line(0, response=None, error="x", valid=False)], 2)):
            play(played.parent, lines)
            with pytest.raises(SystemExit) as ended:
                main([*command, "--backends", "kv, rec_sum", "--limit", "1"])
            assert ended.value.code == code
        play(played.parent, [line(0, valid=False)])
        with pytest.raises(SystemExit):
            main([*command, "--json"])
    out, err = capsys.readouterr()
    assert "BFCL v4 Memory" in out
    assert "mean of" in out
    assert "bfcl-eval says wrong" in err
    assert len(list(Path("runs").glob("*/*/report.html"))) == 3
    argv = json.loads((played.parent / "seen.json").read_text())["argv"]
    assert argv[argv.index("--backends") + 1] == "kv,vector,rec_sum"
