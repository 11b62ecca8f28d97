"""The ray engine: on a real local Ray against real HTTP servers, and its two processors' sides without Ray.

Ray runs in processes of its own here, started by small programs: its warnings are not ours, and one program is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from golong_eval.engines import EngineSettings, GenerationRequest, embedded_model
from golong_eval.engines.encoding import Encoded
from golong_eval.engines.ray import RayEngine
from golong_eval.engines.ray import replicas as ray_replicas
from golong_eval.engines.ray import servers as ray_servers
from golong_eval.engines.ray import stream as ray_stream
from golong_eval.engines.vllm.arguments import OwnArguments, Plan
from golong_eval.errors import ConfigError, EngineError, MissingExtraError
from golong_eval.schema import Generation, Prompt

from .chat_server import ChatServer, answers, free_port, prompt_of, refuses, says

KEY = "sk-very-secret-indeed"


def request(number: int, *, repeat: int = 0, max_tokens: int = 5) -> GenerationRequest:
    return GenerationRequest(
        sample_id=f"s{number}", repeat=repeat, prompt=Prompt(after=f"question {number}."), max_tokens=max_tokens
    )


# -- arguments, before anything is started


@pytest.mark.parametrize(
    ("urls", "args", "message"),
    [
        (("http://localhost:1/v1",), {"engine_kwargs": {}}, "engine_kwargs is for replicas"),
        ((), {"timeout": 3.0}, "timeout: for servers"),
        ((), {"wrokers": 3}, "did you mean 'workers'"),
        ((), {"workers": 0}, "workers"),
    ],
)
def test_arguments_that_do_not_fit_are_told_before_ray_is_touched(
    urls: tuple[str, ...], args: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError) as told:
        RayEngine.open("m", EngineSettings(base_urls=urls, args=args))
    assert message in f"{told.value} {told.value.hint}"
    assert told.value.hint


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError) as told:
        RayEngine.open("m", EngineSettings())
    assert told.value.hint == "pip install 'golong-eval[ray]'"


def test_an_address_at_which_nobody_listens_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="no Ray at") as told:
        ray_stream._look(f"127.0.0.1:{free_port()}")
    assert "ray start" in told.value.hint


# -- a worker that asks servers, as Ray's HTTP stage uses it


def client(*servers: ChatServer, needs_key: bool = False, **settings: Any) -> ray_servers._Client:
    made = EngineSettings(base_urls=tuple(server.url for server in servers), **settings)
    return ray_servers._Client("m", made.model_dump_json(), needs_key)


def batch(made: ray_servers._Client, requests: list[GenerationRequest]) -> list[dict[str, str]]:
    """What ``HttpRequestUDF`` does with a batch: post all, then wait for each."""

    async def run() -> list[dict[str, str]]:
        async with made() as session:
            pending = [
                session.post("http://unused", headers={}, data=json.dumps(item.model_dump_json())) for item in requests
            ]
            found = []
            for one in pending:
                async with await one as response:
                    assert response.status == 200
                    found.append(await response.json())
            return found

    ray_servers._open.cache_clear()
    return asyncio.run(run())


def test_a_batch_is_asked_at_once_and_every_row_has_an_answer_or_its_failure(chat_server: ChatServer) -> None:
    def picky(handler: Any, body: Any) -> None:
        (refuses("no thanks") if "question 3." in prompt_of(body) else answers)(handler, body)

    chat_server.default = picky
    chat_server.delay = 0.2
    rows = batch(client(chat_server), [request(number) for number in range(6)])
    found = [Generation.model_validate_json(row["answer"]) for row in rows]
    assert [one.sample_id for one in found] == [f"s{number}" for number in range(6)]
    assert [one.error is None for one in found] == [True, True, True, False, True, True]
    assert "no thanks" in str(found[3].error)
    assert found[3].text is None
    assert chat_server.most_at_once > 1


def test_what_no_request_can_survive_is_fatal_and_says_what_to_do(chat_server: ChatServer) -> None:
    chat_server.default = says(401, {"error": {"message": "bad key"}})
    rows = batch(client(chat_server), [request(0), request(1)])
    assert all("bad key" in row["fatal"] and row["hint"] and not row["answer"] for row in rows)


def test_a_key_that_the_node_lacks_is_told_and_nothing_is_asked(chat_server: ChatServer) -> None:
    (row,) = batch(client(chat_server, needs_key=True), [request(0)])
    assert "OPENAI_API_KEY" in row["fatal"]
    assert "on every node" in row["hint"]
    assert not chat_server.requests


def test_what_travels_to_the_workers_holds_no_key(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    side = ray_servers.RayServers("m", EngineSettings(base_urls=(chat_server.url,)), 2, 4)
    assert side._client.needs_key
    assert KEY.encode() not in pickle.dumps(side._client)
    assert KEY not in repr(side._client) + str(side.row(request(0)))
    batch(side._client, [request(0)])
    assert chat_server.requests[-1].headers["Authorization"] == f"Bearer {KEY}"


def test_a_row_without_an_answer_ends_the_run_with_the_workers_words(chat_server: ChatServer) -> None:
    side = ray_servers.RayServers("m", EngineSettings(base_urls=(chat_server.url,)), 1, 1)
    with pytest.raises(EngineError, match="it broke") as told:
        side.read(request(0), {"answer": "", "fatal": "it broke", "hint": "mend it"})
    assert told.value.hint == "mend it"


# -- replicas in vLLM, without vLLM


def replicas(
    monkeypatch: pytest.MonkeyPatch, gpus: int, settings: EngineSettings, made: Plan | None = None
) -> ray_replicas.RayReplicas:
    real = ray_replicas.require
    stubs = {
        "vllm": SimpleNamespace(__version__="0"),
        "ray": SimpleNamespace(cluster_resources=lambda: {"GPU": gpus} if gpus else {}),
    }
    monkeypatch.setattr(ray_replicas, "require", lambda name, *rest: stubs.get(name) or real(name, *rest))
    made = made or Plan(OwnArguments(), {"model": embedded_model(), "max_model_len": 512}, None, None, False)
    monkeypatch.setattr(ray_replicas, "plan", lambda model, asked: made)
    return ray_replicas.RayReplicas(embedded_model(), settings, {}, 2, 4)


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> ray_replicas.RayReplicas:
    return replicas(monkeypatch, 2, EngineSettings(temperature=0.5))


def row(tokens: list[int], error: str = "") -> Mapping[str, Any]:
    return {"key": "0", "generated_tokens": tokens, "time_taken_llm": 0.5, "__inference_error__": error}


def encoded(side: ray_replicas.RayReplicas, max_tokens: int = 5) -> Encoded:
    item = side.prepare(request(0, max_tokens=max_tokens))
    assert isinstance(item, Encoded)
    return item


def test_sampling_is_stated_in_full(side: ray_replicas.RayReplicas) -> None:
    sampling = side.row(encoded(side))["sampling_params"]
    assert {key: sampling[key] for key in ("temperature", "top_p", "max_tokens", "seed")} == {
        "temperature": 0.5,
        "top_p": 1.0,
        "max_tokens": 5,
        "seed": 0,
    }
    assert sampling["stop_token_ids"]


def test_what_can_change_an_answer_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the vllm engine records it: the response cache goes by it."""
    arguments = {"model": embedded_model(), "max_model_len": 512, "quantization": "fp8"}
    made = Plan(OwnArguments(), arguments, "v2", {"b": 1, "a": 2}, False)
    described = replicas(monkeypatch, 2, EngineSettings(), made).describe()
    wanted = {"revision": "v2", "quantization": "fp8", "hf_overrides": '{"a": 2, "b": 1}', "chat_template": True}
    assert {key: described[key] for key in wanted} == wanted
    assert described["transformers"]
    assert ray_replicas._method({"quant_method": "awq"}) == "awq"
    assert ray_replicas._method(SimpleNamespace(quant_method="gptq")) == "gptq"
    assert ray_replicas._method(None) is None


def test_no_seed_is_sent_where_it_would_not_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpus, temperature in ((2, 0.0), (0, 0.5)):
        side = replicas(monkeypatch, gpus, EngineSettings(temperature=temperature))
        assert "seed" not in side.row(encoded(side))["sampling_params"]
        assert side.describe()["seeded"] is (gpus > 0)


def test_why_an_answer_ended_is_read_off_its_tokens(side: ray_replicas.RayReplicas) -> None:
    item = encoded(side)
    end = side.row(item)["sampling_params"]["stop_token_ids"][0]
    stopped = side.read(item, row([65, 66, end]))
    assert (stopped.finish_reason, stopped.completion_tokens, stopped.seconds) == ("stop", 3, 0.5)
    capped = side.read(item, row([65, 66, 67, 68, 69]))
    assert (capped.finish_reason, capped.completion_tokens) == ("length", 5)
    for failure in (side.read(item, row([65])), side.read(item, row([], "ValueError: no"))):
        assert (failure.text, failure.finish_reason) == (None, "error")
        assert failure.error


def test_a_prompt_that_does_not_fit_is_a_failure_and_no_row(side: ray_replicas.RayReplicas) -> None:
    (failure,) = side.prepare(request(0, max_tokens=600))
    assert isinstance(failure, Generation)
    assert failure.over_length


# -- on a local Ray

EVALUATE = """
import logging, sys
import ray
import golong_eval
if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    out, urls, resume = sys.argv[1], sys.argv[2], sys.argv[3] == "resume"
    results = golong_eval.evaluate(
        model="m", engine="ray", base_url=urls, engine_args={"workers": 2, "batch_size": 2}, tokenizer="embedded",
        tasks="all", length="1k", limit=4, output_dir=out, resume=resume,
    )
    assert len(results.tasks) == 9
"""

ENGINE = """
import json, logging, os, sys
import ray
from golong_eval.engines import EngineSettings, GenerationRequest, open_engine
from golong_eval.errors import EngineError
from golong_eval.schema import Prompt

pulled = 0

def requests(count):
    global pulled
    for number in range(count):
        pulled += 1
        # The same name twice is the caller's business: each request gets its answer.
        yield GenerationRequest(
            sample_id=f"s{number // 2}", repeat=number % 2, prompt=Prompt(after=f"question {number}."), max_tokens=5
        )

if __name__ == "__main__":
    what, url = sys.argv[1:]
    if what == "without a key":
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        os.environ["OPENAI_API_KEY"] = "came too late for the workers"
    args = {"workers": 2, "batch_size": 2, "retries": 1}
    engine = open_engine("ray", "m", EngineSettings(base_urls=(url,), args=args))
    told = {"described": engine.describe(), "nothing": list(engine.generate([]))}
    try:
        answers = engine.generate(requests(40))
        if what == "close early":
            told["got"] = [next(answers).model_dump() for _ in range(3)]
            answers.close()
        else:
            told["got"] = [answer.model_dump() for answer in answers]
    except EngineError as error:
        told["error"] = [str(error), error.hint]
    told["pulled"] = pulled
    engine.close()
    engine.close()
    print(json.dumps(told))
"""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Ray's files in a folder of their own, with a path short enough for its sockets."""
    folder = tempfile.mkdtemp(prefix="ray")
    yield {**os.environ, "RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0"}
    shutil.rmtree(folder, ignore_errors=True)


def stored(out: Path) -> list[tuple[str, int, str | None]]:
    lines = [line for file in out.rglob("predictions/*.jsonl") for line in file.read_bytes().splitlines(keepends=True)]
    rows = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [(one["sample_id"], one["repeat"], one["error"]) for one in rows]


def holders(secret: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nine_tasks_on_two_workers_are_killed_resumed_and_answered_once(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    out = tmp_path / "runs"
    environment["OPENAI_API_KEY"] = KEY
    with ChatServer(delay=0.5) as one, ChatServer(delay=0.5) as two:
        command = [sys.executable, "-c", EVALUATE, str(out), f"{one.url},{two.url}"]
        with subprocess.Popen([*command, "start"], env=environment) as process:
            deadline = time.monotonic() + 240
            while len(stored(out)) < 6:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
        kept = stored(out)
        assert 6 <= len(kept) < 30
        final = subprocess.run([*command, "resume"], env=environment, capture_output=True, text=True, check=False)
        assert final.returncode == 0, final.stderr
        after = stored(out)
        (samples,) = out.rglob("samples.jsonl")
        assert sorted(name for name, _, _ in after) == sorted(
            json.loads(line)["id"] for line in samples.read_bytes().splitlines()
        )
        assert set(kept) <= set(after)
        assert all(error is None for _, _, error in after)
        asked = one.requests + two.requests
        assert min(len(one.requests), len(two.requests)) > 0
        assert len(asked) <= len(after) + 12  # what was in Ray's hands when it was killed is asked again
        # Each worker has two in flight at most, so more than two are more than one worker's.
        assert one.most_at_once + two.most_at_once > 2
        assert {ask.headers["Authorization"] for ask in asked} == {f"Bearer {KEY}"}
    assert holders(KEY, Path(environment["RAY_TMPDIR"])) == []
    assert holders(KEY, out) == []


def run_engine(what: str, server: ChatServer, environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", ENGINE, what, server.url], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_failed_row_is_that_requests_failure_and_nothing_is_lost(
    chat_server: ChatServer, environment: dict[str, str]
) -> None:
    def picky(handler: Any, body: Any) -> None:
        (refuses("no thanks") if "question 7." in prompt_of(body) else answers)(handler, body)

    chat_server.default = picky
    chat_server.script = [says(500), says(200, b"no json")]
    told = run_engine("all", chat_server, environment)
    got = told["got"]
    assert sorted((one["sample_id"], one["repeat"]) for one in got) == sorted(
        (f"s{number // 2}", number % 2) for number in range(40)
    )
    assert [(one["sample_id"], one["repeat"]) for one in got if one["error"]] == [("s3", 1)]
    assert told["nothing"] == []
    described = told["described"]
    assert (described["processor"], described["workers"], described["max_length"]) == ("http", 2, 4096)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_closing_early_stops_the_execution_and_pulls_no_further(
    chat_server: ChatServer, environment: dict[str, str]
) -> None:
    chat_server.delay = 0.2
    told = run_engine("close early", chat_server, environment)
    assert len(told["got"]) == 3
    assert told["pulled"] <= 12 + 3  # the window, and one for each answer handed out
    assert len(chat_server.requests) <= told["pulled"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_key_that_the_workers_lack_ends_the_run_in_two_lines(
    chat_server: ChatServer, environment: dict[str, str]
) -> None:
    told = run_engine("without a key", chat_server, environment)
    message, hint = told["error"]
    assert "OPENAI_API_KEY is set where the run was started, and not on the Ray node" in message
    assert "on every node" in hint
    assert not chat_server.requests
