"""``golong run`` against a real HTTP server that fails in every way: nothing lost, nothing scored for it, resumable."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from golong_eval.engines.openai import servers
from golong_eval.schema import Document, Sample, TextGold
from golong_eval.tasks import SampleWriter

from ..engines.chat_server import (
    Body,
    ChatServer,
    Handler,
    Script,
    answers,
    cuts_off,
    hangs_up,
    prompt_of,
    says,
    stalls,
    truncates,
)

FAULTS: dict[str, Script] = {
    "refuses": says(503, b"busy"),
    "too many": says(429, b"slow down", Retry_After="0"),
    "breaks": says(500, b"Internal Server Error"),
    "stalls": stalls,
    "hangs up": hangs_up,
    "cuts off": cuts_off,
    "truncates": truncates,
    "html": says(200, b"<html><body>gateway</body></html>", Content_Type="text/html"),
    "no json": says(200, b"not json"),
    "no choices": lambda handler, body: handler.reply(200, {"choices": [], "usage": {}}),
    "bad request": says(400, {"error": {"message": "temperature is not supported"}}),
}
GOOD = 12


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setattr(servers, "_BACKOFF", 0.005)
    monkeypatch.setattr(servers, "_LONGEST_BACKOFF", 0.02)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with ChatServer() as running:
        yield running


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A sample for each fault, which its text names, and some that the server answers."""
    file = tmp_path / "samples.jsonl"
    with SampleWriter(file) as writer:
        for name in [*FAULTS, *(f"good {number}" for number in range(GOOD))]:
            writer.write(
                Sample(
                    id=name,
                    task="t1",
                    documents=(Document(id="D1", text=f"Fault: {name}. The answer is D1."),),
                    question="What is the answer?",
                    gold=TextGold(answers=("D1",)),
                )
            )
    return file


def by_name(handler: Handler, body: Body) -> None:
    """Fail as the document says."""
    name = prompt_of(body).partition("Fault: ")[2].partition(".")[0]
    FAULTS.get(name, answers)(handler, body)


def arguments(server: ChatServer, samples: Path, *more: str) -> list[str]:
    return [
        *("run", "--base-url", server.url, "--model", "m", "--tasks", str(samples), "--output-dir", "runs"),
        *("--engine-arg", "timeout=1", "--engine-arg", "retries=1", *more),
    ]


def stored(status: Callable[[dict[str, object]], bool]) -> Counter[str]:
    files = Path("runs").rglob("predictions/*.jsonl")
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return Counter(row["sample_id"] for row in rows if status(row))


def test_no_fault_of_the_server_loses_a_sample_or_scores_one(golong, server: ChatServer, samples: Path) -> None:
    server.default = by_name
    first = golong(*arguments(server, samples))
    assert first.code == 2, first.err
    assert f"{len(FAULTS)} of {len(FAULTS) + GOOD} answers have no score ({len(FAULTS)} provider_error)" in first.out
    table = first.out.partition("for instance")[2]
    for words in ("429", "500", "503", "temperature is not supported", "gateway"):
        assert words in table, first.out
    (results,) = [json.loads(file.read_text()) for file in Path("runs").rglob("results.json")]
    (row,) = results["tasks"]
    assert (row["scored"], row["mean_scored"]) == (GOOD, 1.0)
    assert row["mean"] == pytest.approx(GOOD / (GOOD + len(FAULTS)))
    assert row["statuses"] == {"ok": GOOD, "provider_error": len(FAULTS)}
    assert set(stored(lambda line: line["error"] is None)) == {f"good {number}" for number in range(GOOD)}

    server.default = answers
    asked = len(server.requests)
    second = golong(*arguments(server, samples, "--resume"))
    assert second.code == 0, second.err
    assert len(server.requests) - asked == len(FAULTS)  # what was answered is not asked again
    finished = stored(lambda line: line["error"] is None)
    assert set(finished.values()) == {1}
    assert len(finished) == len(FAULTS) + GOOD
    assert len(list(Path("runs").rglob("config.json"))) == 1


def test_the_key_reaches_the_server_and_no_file(golong, server: ChatServer, samples: Path) -> None:
    server.default = by_name
    outcome = golong(*arguments(server, samples))
    assert {asked.headers.get("Authorization") for asked in server.requests} == {"Bearer sk-very-secret"}
    written = [file for file in Path("runs").rglob("*") if file.is_file()]
    assert len(written) > 5
    assert not [file for file in written if b"very-secret" in file.read_bytes()]
    assert "very-secret" not in outcome.out + outcome.err


def test_a_server_that_goes_away_for_good_stops_the_run_and_keeps_what_was_finished(
    golong, server: ChatServer, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(handler: Handler, body: Body) -> None:
        if len(server.requests) > 5:
            handler.server.owner.released.set()
            handler.server.socket.close()
            handler.close_connection = True
        else:
            answers(handler, body)

    server.default = leave
    outcome = golong(*arguments(server, samples, "--concurrency", "1"))
    assert outcome.code in (1, 2)
    kept = stored(lambda line: line["error"] is None)
    assert 0 < len(kept) < len(FAULTS) + GOOD
    assert "Traceback" not in outcome.err
    server.stop()
    server.default = answers
    server.start()
    resumed = golong(*arguments(server, samples, "--resume"))
    assert resumed.code == 0, resumed.err
    assert set(stored(lambda line: line["error"] is None).values()) == {1}


def test_a_limit_on_tokens_ends_a_run_that_resume_goes_on_with(golong, server: ChatServer, samples: Path) -> None:
    first = golong(*arguments(server, samples, "--concurrency", "1", "--max-tokens", "9", "--token-limit", "400"))
    assert first.code == 2
    assert "the limit of 400 tokens is reached" in first.out
    asked = len(server.requests)
    assert 0 < asked < len(FAULTS) + GOOD
    assert golong(*arguments(server, samples, "--max-tokens", "9", "--resume", "--token-limit", "1000000")).code == 0
    assert len(server.requests) == len(FAULTS) + GOOD


def test_repeats_are_one_request(golong, server: ChatServer, samples: Path) -> None:
    assert golong(*arguments(server, samples, "--repeats", "4", "--temperature", "0.7")).code == 0
    assert {body["n"] for body in server.bodies} == {4}
    assert len(server.bodies) == len(FAULTS) + GOOD


def test_a_server_that_is_not_there_is_told_in_two_lines(golong, server: ChatServer, samples: Path) -> None:
    server.stop()
    outcome = golong(*arguments(server, samples))
    assert outcome.code == 1
    assert len(outcome.err.strip().splitlines()) <= 4
    assert "Traceback" not in outcome.err
    assert not Path("runs").exists()
    wrong = golong("run", "--engine", "transformers", "--base-url", server.url, "--tasks", str(samples))
    assert (wrong.code, "names a server, and the engine transformers asks none" in wrong.err) == (1, True)
