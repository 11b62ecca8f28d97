"""The openai engine against a real server that behaves badly: nothing lost, no secret told, nothing left behind."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import random
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import pytest

from golong_eval.engines import EngineSettings, GenerationRequest, RopeScaling, embedded_model, open_engine
from golong_eval.engines import http_client as http
from golong_eval.engines.openai import OpenAIEngine
from golong_eval.engines.openai.chat_completions import read_error, read_reply
from golong_eval.engines.openai.servers import Balancer, Server
from golong_eval.errors import ConfigError, EngineError, GolongError, ModelError
from golong_eval.schema import Generation, Prompt

from .chat_server import (
    Body,
    ChatServer,
    Handler,
    Script,
    answers,
    completion,
    cuts_off,
    free_port,
    hangs_up,
    prompt_of,
    refuses,
    says,
    sends,
    stalls,
    truncates,
)

KEY = "sk-quite-secret-123"


def request(name: str = "a", *, n: int = 1, documents: str = "", repeat: int = 0, **rest: Any) -> GenerationRequest:
    prompt = Prompt(documents=documents, after=f"What is {name}?")
    return GenerationRequest(sample_id=name, n=n, repeat=repeat, prompt=prompt, **{"max_tokens": 8, **rest})


def requests(count: int, **rest: Any) -> list[GenerationRequest]:
    return [request(f"r{number}", **rest) for number in range(count)]


def opened(*servers: ChatServer, args: Body | None = None, **settings: Any) -> OpenAIEngine:
    urls = tuple(server.url for server in servers)
    return OpenAIEngine.open("m", EngineSettings(base_urls=urls, args={"retries": 3, **(args or {})}, **settings))


def collect(
    stream: Iterator[Generation], into: list[Generation], then: dict[int, Callable[[], None]] | None = None
) -> None:
    """Take generations, and do something once so many are there."""
    for generation in stream:
        into.append(generation)
        (then or {}).get(len(into), lambda: None)()


def keys(generations: list[Generation]) -> list[tuple[str, int]]:
    return sorted((generation.sample_id, generation.repeat) for generation in generations)


def wanted(asked: list[GenerationRequest]) -> list[tuple[str, int]]:
    return sorted((item.sample_id, item.repeat + index) for item in asked for index in range(item.n))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a thread of the engine."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "golong-endpoint"]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_unclosed() -> Iterator[None]:
    """What is not closed warns when it is collected, and warnings are errors."""
    yield
    gc.collect()


@pytest.fixture
def second_server(chat_server: ChatServer) -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


# ---------------------------------------------------------------------------------------------------------
# No request is lost

FAULTS: dict[str, Script] = {
    "429": says(429, b"slow down"),
    "429 with Retry-After": says(429, b"slow down", Retry_After="0.02"),
    "408": says(408),
    "409": says(409),
    "425": says(425),
    "500": says(500, {"error": {"message": "CUDA error"}}),
    "502 with a page": says(502, b"<html><h1>Bad gateway</h1></html>"),
    "503": says(503),
    "529": says(529),
    "204": says(204),
    "a page": says(200, b"<!DOCTYPE html><html></html>", Content_Type="text/html"),
    "an empty body": says(200, b""),
    "truncated JSON": truncates,
    "invalid JSON": says(200, b"{'choices': []}"),
    "no object": says(200, [1, 2]),
    "no choices": says(200, {"object": "chat.completion"}),
    "empty choices": says(200, {"choices": []}),
    "choices of another kind": says(200, {"choices": "none"}),
    "an error in a 200": says(200, {"error": {"message": "upstream failed", "code": 502}}),
    "no message": says(200, {"choices": [{"index": 0}]}),
    "an error beside choices": says(
        200, {"choices": [{"message": {"content": "D"}, "finish_reason": "stop"}], "error": {"message": "died"}}
    ),
    "an error in a choice": says(
        200, {"choices": [{"message": {"content": "D"}, "finish_reason": "stop", "error": {"code": 502}}]}
    ),
    "an aborted answer": sends({"content": "ha"}, finish_reason="abort"),
    "a lack of resources": sends({"content": "ha"}, finish_reason="insufficient_system_resource"),
    "a reason that is none": sends({"content": "ha"}, finish_reason=7),
    "no reason, no text": sends({"content": ""}, finish_reason=None),
    "no content, no tokens": sends({"content": None}),
    "a cut connection": hangs_up,
    "a connection cut in the body": cuts_off,
    "bytes that are no gzip": says(200, b"plain", Content_Encoding="gzip"),
    "nesting": says(200, b"[" * 200_000),
    "a number without end": says(200, b'{"choices": ' + b"9" * 10_000 + b"}"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_passes_loses_nothing(chat_server: ChatServer, fault: Script) -> None:
    """Each repeat gets exactly one answer, whatever came before it."""
    engine = opened(chat_server, temperature=1.0)
    asked = [request("a", n=2), *requests(4), request("b", n=3, repeat=5)]
    chat_server.script = [fault, answers, fault, fault, answers]
    generations = list(engine.generate(asked))
    assert keys(generations) == wanted(asked)
    assert [generation.text for generation in generations] == ["[Answer]\nD1"] * 9
    assert len(chat_server.requests) == len(asked) + 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_stays_is_a_failure_with_its_reason(chat_server: ChatServer, fault: Script) -> None:
    """A failure is told as one, never as an answer, after the first attempt and the retries."""
    engine = opened(chat_server, args={"retries": 2})
    chat_server.default = fault
    (generation,) = engine.generate([request()])
    assert (generation.text, generation.finish_reason, generation.over_length) == (None, "error", False)
    assert generation.error is not None
    assert generation.error.startswith("no answer in 3 attempts (")
    assert "\n" not in generation.error
    assert len(chat_server.requests) == 3
    assert (generation.seconds or 0) > 0


def test_a_server_that_stalls_is_asked_again(chat_server: ChatServer) -> None:
    engine = opened(chat_server, args={"timeout": 0.15})
    chat_server.script = [stalls]
    generations = list(engine.generate(requests(3)))
    assert keys(generations) == wanted(requests(3))
    assert all(generation.text for generation in generations)
    chat_server.default = stalls
    (generation,) = engine.generate([request()])
    assert generation.error == "no answer in 4 attempts (no reply within 0.15 s)"


def test_a_deadline_ends_a_request_whatever_retries_are_left(chat_server: ChatServer) -> None:
    engine = opened(chat_server, args={"deadline": 0.3, "timeout": 0.1, "retries": 1000})
    chat_server.default = stalls
    before = time.monotonic()
    (generation,) = engine.generate([request()])
    assert time.monotonic() - before < 2
    assert generation.error is not None
    assert generation.error.startswith("no answer within the deadline of 0.3 s")


def test_retry_after_is_kept_in_seconds_and_as_a_date(chat_server: ChatServer) -> None:
    engine = opened(chat_server)
    for header, least in (("0.3", 0.3), (formatdate(time.time() + 2, usegmt=True), 0.5)):
        chat_server.requests.clear()
        chat_server.script = [says(429, Retry_After=header)]
        assert [generation.text for generation in engine.generate([request()])] == ["[Answer]\nD1"]
        first, second = chat_server.requests
        assert second.at - first.at >= least


def test_a_wait_beyond_the_deadline_fails_at_once(chat_server: ChatServer) -> None:
    engine = opened(chat_server, args={"deadline": 60})
    chat_server.default = says(429, b"daily quota", Retry_After="86400")
    before = time.monotonic()
    generations = list(engine.generate(requests(5)))
    assert time.monotonic() - before < 5
    assert all(
        "deadline" in (item.error or "") and "asks to wait 86400 s" in (item.error or "") for item in generations
    )
    assert keys(generations) == wanted(requests(5))


def test_who_waits_for_a_turn_loses_no_attempt(chat_server: ChatServer) -> None:
    """A server that takes one request at a time turns most away, and yet all are answered with no retry allowed."""
    gate = threading.Lock()

    def one_at_a_time(handler: Handler, body: Body) -> None:
        if not gate.acquire(blocking=False):
            handler.reply(429, b"busy")
            return
        try:
            time.sleep(0.003)
            answers(handler, body)
        finally:
            gate.release()

    chat_server.default = one_at_a_time
    engine = opened(chat_server, args={"retries": 2})
    generations = list(engine.generate(requests(40)))
    assert keys(generations) == wanted(requests(40))
    assert [generation.error for generation in generations if generation.error] == []


# ---------------------------------------------------------------------------------------------------------
# Servers that go away


def test_a_server_that_restarts_loses_nothing(chat_server: ChatServer) -> None:
    engine = opened(chat_server, args={"retries": 500}, concurrency=4)
    asked = requests(60)
    generations: list[Generation] = []

    def restart() -> None:
        chat_server.stop()
        threading.Timer(0.3, chat_server.start).start()

    collect(engine.generate(asked), generations, {10: restart})
    assert keys(generations) == wanted(asked)
    assert all(generation.text for generation in generations)


def test_few_requests_to_a_dead_server_fail_one_by_one(chat_server: ChatServer) -> None:
    engine = opened(chat_server)
    chat_server.stop()
    generations = list(engine.generate(requests(3)))
    assert keys(generations) == wanted(requests(3))
    assert all("no answer in 4 attempts (Client" in (generation.error or "") for generation in generations)


def test_a_dead_server_ends_the_run_and_what_was_finished_is_kept(chat_server: ChatServer) -> None:
    """A run of hours must not go on failing for hours."""
    engine = opened(chat_server)
    generations: list[Generation] = []
    with pytest.raises(EngineError, match="no server answers at http") as caught:
        collect(engine.generate(requests(10_000)), generations, {30: chat_server.stop})
    assert "--resume" in caught.value.hint
    assert sum(generation.text is not None for generation in generations) >= 30
    assert len(generations) < 300


def test_one_server_of_two_may_be_down(chat_server: ChatServer, second_server: ChatServer) -> None:
    """It is noted as down at the start, costs no answer, and serves once it is back."""
    second_server.stop()
    engine = opened(chat_server, second_server)
    asked: list[GenerationRequest] = []

    def until_it_serves() -> Iterator[GenerationRequest]:
        while len(second_server.requests) < 10 and len(asked) < 20_000:
            asked.append(request(f"r{len(asked)}"))
            yield asked[-1]

    generations: list[Generation] = []
    chat_server.delay = 0.002
    collect(engine.generate(until_it_serves()), generations, {100: second_server.start})
    assert keys(generations) == wanted(asked)
    assert all(generation.text for generation in generations)
    assert len(second_server.requests) >= 10


def test_a_server_that_fails_at_once_draws_no_requests_to_itself(
    chat_server: ChatServer, second_server: ChatServer
) -> None:
    """Being idle because one fails is no reason to be given more."""
    second_server.default = says(500)
    chat_server.delay = 0.01
    engine = opened(chat_server, second_server)
    generations = list(engine.generate(requests(150)))
    assert all(generation.text for generation in generations)
    assert len(second_server.requests) < 75


def test_a_server_that_lacks_the_model_is_left_out(chat_server: ChatServer, second_server: ChatServer) -> None:
    engine = opened(chat_server, second_server)
    second_server.default = refuses("The model `m` does not exist.", 404)
    generations = list(engine.generate(requests(60)))
    assert all(generation.text for generation in generations)
    assert len(second_server.requests) <= 8


@pytest.mark.parametrize(
    ("fault", "says_so", "hint"),
    [
        (says(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), "HTTP 401", "--api-key-env"),
        (says(403, b"forbidden"), "HTTP 403", "--api-key-env"),
        (refuses("The model `m` does not exist.", 404), "does not exist", "--model"),
        (says(307, Location="http://127.0.0.1:1/"), "HTTP 307", "--base-url"),
        (refuses("You exceeded your quota", 429, code="insufficient_quota"), "quota", "account"),
    ],
)
def test_what_would_refuse_every_request_ends_the_run(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch, fault: Script, says_so: str, hint: str
) -> None:
    """What is in flight may still end well, and is yielded first."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    engine = opened(chat_server, concurrency=3)

    def slow(handler: Handler, body: Body) -> None:
        time.sleep(0.2)
        answers(handler, body)

    chat_server.script = [slow, slow, fault]
    chat_server.default = fault
    generations: list[Generation] = []
    with pytest.raises(EngineError, match=says_so) as caught:
        collect(engine.generate(requests(100)), generations)
    assert [generation.text for generation in generations] == ["[Answer]\nD1"] * 2
    assert len(chat_server.requests) == 3
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value) + caught.value.hint
    assert KEY not in str(caught.value)


def test_a_prompt_that_is_refused_like_a_wrong_key_ends_nothing(chat_server: ChatServer) -> None:
    """A firewall that dislikes a document refuses all requests with it, however many stand side by side."""

    def firewall(handler: Handler, body: Body) -> None:
        (says(403, b"blocked") if "bad" in prompt_of(body) else answers)(handler, body)

    chat_server.default = firewall
    asked = [*requests(4), *requests(9, documents="bad "), *requests(4)]
    generations = list(opened(chat_server, concurrency=1).generate(asked))
    assert keys(generations) == wanted(asked)
    assert [item.error for item in generations] == [None] * 4 + ["HTTP 403: blocked"] * 9 + [None] * 4


def test_what_one_server_refuses_another_is_asked_for(chat_server: ChatServer, second_server: ChatServer) -> None:
    engine = opened(chat_server, second_server, concurrency=6)
    list(engine.generate(requests(20)))
    second_server.default = refuses("The model `m` does not exist.", 404)
    second_server.requests.clear()
    assert all(generation.text for generation in engine.generate(requests(60)))
    assert 5 <= len(second_server.requests) <= 5 + 6


def test_a_key_that_is_revoked_ends_the_run_after_a_few(chat_server: ChatServer) -> None:
    chat_server.script = [answers] * 3
    chat_server.default = says(401, b"revoked")
    generations: list[Generation] = []
    with pytest.raises(EngineError, match="HTTP 401: revoked"):
        collect(opened(chat_server, concurrency=1).generate(requests(1000)), generations)
    assert [item.error for item in generations] == [None] * 3 + ["HTTP 401: revoked"] * 4


@pytest.mark.parametrize("fault", [says(500, b"EngineDeadError"), hangs_up, says(429, Retry_After="86400")])
def test_a_run_that_gets_no_answer_any_more_ends(chat_server: ChatServer, fault: Script) -> None:
    """Whatever the fault: it must not go on failing for days. An answer between is enough to go on."""
    engine = opened(chat_server, args={"retries": 0}, concurrency=1)
    chat_server.script = [fault] * 15 + [answers] + [fault] * 15 + [answers]
    assert len(list(engine.generate(requests(32)))) == 32
    chat_server.default = fault
    generations: list[Generation] = []
    with pytest.raises(EngineError, match="20 requests in a row got no answer from http") as caught:
        collect(engine.generate(requests(10_000)), generations)
    assert "--resume" in caught.value.hint
    assert "\n" not in str(caught.value) + caught.value.hint
    assert len(generations) == 20


def test_a_request_that_is_never_taken_slows_nobody_down(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host may refuse one prompt for good in the words of an overload."""
    monkeypatch.setattr("golong_eval.engines.openai.servers._LONGEST_BACKOFF", 60.0)
    never = says(429, b"too large for the tokens per minute", Retry_After="0.002")
    chat_server.delay = 0.005
    chat_server.default = lambda handler, body: (never if "r0?" in prompt_of(body) else answers)(handler, body)
    engine = opened(chat_server)
    windows: list[float] = []
    generations: list[Generation] = []
    collect(engine.generate(requests(400)), generations, {390: lambda: windows.append(engine._servers[0].window)})
    assert [item.sample_id for item in generations if item.error] == ["r0"]
    assert sum("r0?" in prompt_of(body) for body in chat_server.bodies) < 16
    assert windows[0] > 30


# ---------------------------------------------------------------------------------------------------------
# Refusals of one request


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages, "
        "100 in the completion). Please reduce the length of the messages or completion.",
        "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is 4096 "
        "tokens and your request has 2104 input tokens (2000 > 4096 - 2104).",
        "The decoder prompt (length 9000) is longer than the maximum model length of 4096. Make sure that "
        "`max_model_len` is no smaller than the number of text tokens.",
        "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
        "Requested token count exceeds the model's maximum context length of 4096 tokens.",
        "prompt is too long: 214850 tokens > 200000 maximum",
        "the request exceeds the available context size, try increasing it",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "`inputs tokens + max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`",
        "Range of input length should be [1, 129024]",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    ],
)
def test_a_prompt_that_the_server_finds_too_long_is_over_length(chat_server: ChatServer, message: str) -> None:
    engine = opened(chat_server)
    for script in (refuses(message), says(400, {"object": "error", "message": message, "code": 400})):
        chat_server.requests.clear()
        chat_server.script = [script]
        (generation,) = engine.generate([request()])
        assert generation.over_length
        assert generation.text is None
        assert len(chat_server.requests) == 1


@pytest.mark.parametrize(
    "message",
    [
        "Invalid 'stop': string too long. Expected a string with maximum length 64, got tokens",
        "Invalid 'tools[0].function.name': string too long",
        "'user' field is too long",
        "model name is too long",
        "The max_model_len parameter is unknown",
        "Unknown parameter: 'context_window'",
        "chat_template_kwargs: value of context_length is not permitted",
        "Request too large on tokens per minute (TPM): exceeds the limit, reduce your prompt",
    ],
)
def test_what_else_is_too_long_is_not_the_prompt(message: str) -> None:
    assert not read_error(json.dumps({"error": {"message": message}}).encode()).too_long


def test_the_code_alone_says_over_length(chat_server: ChatServer) -> None:
    chat_server.script = [refuses("No.", code="context_length_exceeded")]
    (generation,) = opened(chat_server).generate([request()])
    assert generation.over_length


@pytest.mark.parametrize(
    "script",
    [
        refuses(f"no such parameter {KEY}:\n" + "x " * 1000),
        says(400, f"{KEY} \x1b[31mred\x00 {'y' * 900}".encode()),
        says(422, {"detail": [{"loc": ["body", "top_p"], "msg": f"not {KEY}", "input": "z" * 5000}]}),
        says(413, b"<html>too large</html>"),
        says(403, {"error": {"message": "flagged by moderation"}}),
    ],
)
def test_another_refusal_is_that_requests_own_failure(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    """Told at once, on one short line, without the key; the others go on."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    engine = opened(chat_server)
    chat_server.script = [answers, script]
    generations = list(engine.generate(requests(4)))
    (error,) = [generation.error for generation in generations if generation.error]
    assert keys(generations) == wanted(requests(4))
    assert len(chat_server.requests) == 4
    assert error.startswith("HTTP 4")
    assert len(error) <= 320
    assert error.isprintable()
    assert KEY not in error
    assert not any(generation.over_length for generation in generations)


# ---------------------------------------------------------------------------------------------------------
# What is sent


def test_what_is_sent_is_explicit(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    engine = opened(chat_server, temperature=0.7, top_p=0.9, api_key_env="MY_KEY")
    list(engine.generate([request(documents="Ein Körper 你好 \ud800 ", seed=5)]))
    (asked,) = chat_server.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Ein Körper 你好 ? What is a?"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 8,
        "seed": 5,
    }


def test_without_a_key_none_is_sent(chat_server: ChatServer) -> None:
    list(opened(chat_server).generate([request()]))
    assert "Authorization" not in chat_server.requests[0].headers


def test_thinking_and_its_budget(chat_server: ChatServer) -> None:
    """The budget goes only to a server that knows it: vLLM by its own word or by the user's."""
    for settings, kwargs, budget in (
        ({"thinking": "on", "thinking_budget": 64}, {"enable_thinking": True}, 64),
        ({"thinking": "off"}, {"enable_thinking": False}, None),
        ({"thinking_budget": 64, "args": {"server": "other"}}, None, None),
    ):
        engine = opened(chat_server, **settings)
        list(engine.generate([request()]))
        body = chat_server.bodies[-1]
        assert body.get("chat_template_kwargs") == kwargs
        assert body.get("thinking_token_budget") == budget
        assert engine.thinks == (settings.get("thinking") == "on")
        assert engine.describe()["thinking_budget"] == budget
    chat_server.entry = {"id": "m", "owned_by": "somebody"}
    list(opened(chat_server, thinking_budget=64).generate([request()]))
    list(opened(chat_server, thinking_budget=64, args={"server": "vllm"}).generate([request()]))
    assert ["thinking_token_budget" in body for body in chat_server.bodies[-2:]] == [False, True]


def test_the_body_argument_is_merged_into_every_request(chat_server: ChatServer) -> None:
    extra = {"top_k": 20, "temperature": None, "seed": None, "chat_template_kwargs": {"style": "plain"}}
    engine = opened(chat_server, args={"body": extra}, thinking="off")
    list(engine.generate([request()]))
    (body,) = chat_server.bodies
    assert body["top_k"] == 20
    assert body["chat_template_kwargs"] == {"style": "plain", "enable_thinking": False}
    assert not {"temperature", "seed"} & set(body)
    assert engine.describe()["seeded"] is False
    assert json.loads(str(engine.describe()["body"])) == extra


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2},
        {"messages": []},
        {"stream": True},
        {"seed": 1},
        {"temperature": 0.3},
        {"thinking_token_budget": 5},
        {"thinking_token_budget": None},
        {"chat_template_kwargs": None},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ],
)
def test_the_body_argument_can_not_change_what_is_recorded_elsewhere(chat_server: ChatServer, body: Body) -> None:
    with pytest.raises(ConfigError, match=f"body sets {next(iter(body))}"):
        opened(chat_server, args={"body": body})


@pytest.mark.parametrize("args", [{"tiemout": 3}, {"timeout": 0}, {"retries": -1}, {"server": "x"}, {"body": 3}])
def test_a_wrong_engine_argument_is_named(chat_server: ChatServer, args: Body) -> None:
    with pytest.raises(ConfigError, match="engine arguments of openai"):
        opened(chat_server, args=args)


# ---------------------------------------------------------------------------------------------------------
# Several answers to a prompt


def test_a_prompt_that_went_out_once_is_counted_once(chat_server: ChatServer) -> None:
    """All but one of a reply's answers say so; of answers that were asked for one by one none does."""
    engine = opened(chat_server, concurrency=1, temperature=1.0)
    together = list(engine.generate([request(n=3)]))
    assert [item.prompt_shared for item in together] == [False, True, True]
    chat_server.default = lambda handler, body: (refuses("n must be 1") if "n" in body else answers)(handler, body)
    alone = list(engine.generate([request(n=3)]))
    assert [item.prompt_shared for item in alone] == [False] * 3


def test_one_answer_that_is_missing_does_not_end_n(chat_server: ChatServer) -> None:
    def short(handler: Handler, body: Body) -> None:
        handler.reply(200, completion(body, *({"content": "D1"} for _ in range(body.get("n", 1) - 1))))

    chat_server.script = [short, answers, answers, short, answers, short]
    asked = requests(5, n=4)
    assert keys(list(opened(chat_server, concurrency=1).generate(asked))) == wanted(asked)
    assert [body.get("n", 1) for body in chat_server.bodies] == [4, 1, 4, 4, 1, 4, 1, *[1] * 4]


def test_a_split_request_keeps_its_deadline(chat_server: ChatServer) -> None:
    def one(handler: Handler, body: Body) -> None:
        time.sleep(0.3)
        handler.reply(200, completion(body, {"content": "D1"}))

    chat_server.script = [one]
    chat_server.default = stalls
    before = time.monotonic()
    generations = list(opened(chat_server, args={"deadline": 0.5}).generate([request(n=2)]))
    assert time.monotonic() - before < 0.75
    assert "deadline of 0.5 s" in (generations[1].error or "")
    assert (generations[1].seconds or 0) >= 0.5


def test_choices_that_are_counted_from_one_are_told_apart(chat_server: ChatServer) -> None:
    def from_one(handler: Handler, body: Body) -> None:
        reply = completion(body, {"content": "first"}, {"content": "second"})
        for choice in reply["choices"]:
            choice["index"] += 1
        handler.reply(200, reply)

    chat_server.script = [from_one]
    generations = list(opened(chat_server).generate([request(n=2)]))
    assert [(item.repeat, item.text) for item in generations] == [(0, "first"), (1, "second")]
    assert len(chat_server.requests) == 1


def test_repeats_are_one_request_and_keep_their_numbers(chat_server: ChatServer) -> None:
    engine = opened(chat_server)
    chat_server.script = [sends(*({"content": f"answer {number}"} for number in range(3)))]
    generations = list(engine.generate([request(n=3, repeat=4, seed=10)]))
    assert [(item.repeat, item.text) for item in generations] == [(4, "answer 0"), (5, "answer 1"), (6, "answer 2")]
    (body,) = chat_server.bodies
    assert (body["n"], body["seed"]) == (3, 10)


def test_choices_in_another_order_are_told_by_their_index(chat_server: ChatServer) -> None:
    def shuffled(handler: Handler, body: Body) -> None:
        reply = completion(body, {"content": "first"}, {"content": "second"})
        handler.reply(200, {**reply, "choices": reply["choices"][::-1]})

    chat_server.script = [shuffled]
    generations = sorted(opened(chat_server).generate([request(n=2)]), key=lambda item: item.repeat)
    assert [item.text for item in generations] == ["first", "second"]


def test_a_server_that_gives_fewer_answers_is_asked_for_the_others_one_by_one(chat_server: ChatServer) -> None:
    """Each with its own seed, and n is not tried again."""
    chat_server.answer = lambda body: f"seed {body['seed']}"

    def one(handler: Handler, body: Body) -> None:
        handler.reply(200, completion(body, {"content": chat_server.answer(body)}))

    chat_server.default = one
    engine = opened(chat_server, concurrency=1)
    generations = list(engine.generate([request("a", n=3, seed=7), request("b", n=2, seed=1)]))
    assert {(item.sample_id, item.repeat): item.text for item in generations} == {
        ("a", 0): "seed 7",
        ("a", 1): "seed 8",
        ("a", 2): "seed 9",
        ("b", 0): "seed 1",
        ("b", 1): "seed 2",
    }
    assert [body.get("n", 1) for body in chat_server.bodies] == [3, 1, 1, 1, 1]


def test_a_server_that_refuses_n_is_asked_one_by_one(chat_server: ChatServer) -> None:
    def refuses_n(handler: Handler, body: Body) -> None:
        if "n" in body:
            refuses("n must be 1 when using greedy sampling, got 3.")(handler, body)
        else:
            answers(handler, body)

    chat_server.default = refuses_n
    engine = opened(chat_server, concurrency=1)
    asked = [request("a", n=3, seed=5), request("b", n=2)]
    generations = list(engine.generate(asked))
    assert keys(generations) == wanted(asked)
    assert all(generation.text for generation in generations)
    assert [body.get("n", 1) for body in chat_server.bodies] == [3, 1, 1, 1, 1, 1]
    assert [body["seed"] for body in chat_server.bodies[1:4]] == [5, 6, 7]


def test_a_refusal_for_another_reason_does_not_end_n(chat_server: ChatServer) -> None:
    def refuses_one(handler: Handler, body: Body) -> None:
        (refuses("bad prompt") if "What is a?" in prompt_of(body) else answers)(handler, body)

    chat_server.default = refuses_one
    engine = opened(chat_server, concurrency=1)
    asked = [request("a", n=2), request("b", n=2)]
    generations = list(engine.generate(asked))
    assert keys(generations) == wanted(asked)
    assert [item.error for item in generations] == ["HTTP 400: bad prompt"] * 2 + [None] * 2
    assert [body.get("n", 1) for body in chat_server.bodies] == [2, 1, 1, 2]


def test_tokens_of_one_reply_are_shared_out_and_add_up(chat_server: ChatServer) -> None:
    """The usage is that of all answers together."""
    details = {
        "prompt_tokens": 50,
        "completion_tokens": 101,
        "prompt_tokens_details": {"cached_tokens": 48},
        "completion_tokens_details": {"reasoning_tokens": 31},
    }
    messages = [{"content": "x" * 10, "reasoning": "y" * 10}, {"content": "x" * 30, "reasoning": "y" * 20}]
    chat_server.script = [sends(*messages, **details)]
    generations = list(opened(chat_server).generate([request(n=2)]))
    assert sum(item.completion_tokens for item in generations) == 101
    assert sum(item.reasoning_tokens or 0 for item in generations) == 31
    assert generations[0].completion_tokens < generations[1].completion_tokens
    assert [(item.prompt_tokens, item.cached_tokens) for item in generations] == [(50, 48)] * 2


def test_another_name_of_the_budget_is_learned_once(chat_server: ChatServer) -> None:
    def new_api(handler: Handler, body: Body) -> None:
        if "max_tokens" in body:
            refuses("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")(handler, body)
        else:
            answers(handler, body)

    chat_server.default = new_api
    engine = opened(chat_server, concurrency=1, args={"retries": 0})
    generations = list(engine.generate(requests(3)))
    assert all(generation.text for generation in generations)
    assert [body.get("max_completion_tokens") for body in chat_server.bodies] == [None, 8, 8, 8]


def test_a_server_without_seeds_gets_none_and_the_record_says_so(chat_server: ChatServer) -> None:
    def no_seed(handler: Handler, body: Body) -> None:
        if "seed" in body:
            refuses("Unrecognized request argument supplied: seed")(handler, body)
        else:
            answers(handler, body)

    engine = opened(chat_server, concurrency=1)
    assert engine.describe()["seeded"] is True
    chat_server.script = [refuses("your seed catalogue is bad")]  # taken for one, but it was not the seed
    chat_server.default = refuses("your seed catalogue is bad")
    (generation,) = engine.generate([request()])
    assert generation.error == "HTTP 400: your seed catalogue is bad"
    assert engine.describe()["seeded"] is True
    chat_server.default = no_seed
    chat_server.requests.clear()
    assert all(item.text for item in engine.generate(requests(3)))
    assert ["seed" in body for body in chat_server.bodies] == [True, False, False, False]
    assert engine.describe()["seeded"] is False


# ---------------------------------------------------------------------------------------------------------
# What comes back

Expected = tuple[str | None, str, bool]
MESSAGES: dict[str, tuple[Body, str | None, Expected]] = {
    "text": ({"content": "D1"}, "stop", ("D1", "stop", False)),
    "no reason": ({"content": "D1"}, None, ("D1", "stop", False)),
    "eos": ({"content": "D1"}, "eos", ("D1", "stop", False)),
    "TGI's end": ({"content": "D1"}, "eos_token", ("D1", "stop", False)),
    "Anthropic's end": ({"content": "D1"}, "end_turn", ("D1", "stop", False)),
    "at its cap": ({"content": "D"}, "length", ("D", "length", False)),
    "at the model's length": ({"content": "D"}, "model_context_window_exceeded", ("D", "length", False)),
    "empty": ({"content": ""}, "stop", ("", "stop", False)),
    "vLLM's thinking": ({"content": "D1", "reasoning": "hm"}, "stop", ("<think>hm</think>D1", "stop", False)),
    "SGLang's": ({"content": "D1", "reasoning_content": "hm"}, "stop", ("<think>hm</think>D1", "stop", False)),
    "both names": (
        {"content": "D1", "reasoning": "hm", "reasoning_content": "hm"},
        "stop",
        ("<think>hm</think>D1", "stop", False),
    ),
    "capped in its thinking": ({"content": None, "reasoning": "hm"}, "length", ("<think>hm", "length", True)),
    "capped in it, empty": ({"content": "", "reasoning_content": "hm"}, "length", ("<think>hm", "length", True)),
    "thought, said nothing": ({"content": None, "reasoning": "hm"}, "stop", ("<think>hm</think>", "stop", False)),
    "nothing": ({"content": None}, "stop", ("", "stop", False)),
    "no content": ({}, "stop", ("", "stop", False)),
    "a refusal": ({"content": None, "refusal": "I can't."}, "stop", ("I can't.", "stop", False)),
    "a tool call": ({"content": None, "tool_calls": [{}]}, "tool_calls", ("", "stop", False)),
    "parts": (
        {"content": [{"type": "text", "text": "D1"}, {"type": "text", "text": "\nD2"}, "!"]},
        "stop",
        ("D1\nD2!", "stop", False),
    ),
    "Mistral's thinking": (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "D1"},
            ]
        },
        "stop",
        ("<think>hm</think>D1", "stop", False),
    ),
    "filtered": ({"content": "D1 ..."}, "content_filter", (None, "error", False)),
    "withheld": ({"content": ""}, "content_filter", (None, "error", False)),
    "a number": ({"content": 7}, "stop", (None, "error", False)),
    "an object": ({"content": {"text": "D1"}}, "stop", (None, "error", False)),
    "a part of another kind": ({"content": [{"type": "image_url"}]}, "stop", (None, "error", False)),
    "a lone surrogate": ({"content": "D\ud8001"}, "stop", ("D?1", "stop", False)),
}


@pytest.mark.parametrize(("message", "reason", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_is_read(chat_server: ChatServer, message: Body, reason: str | None, expected: Expected) -> None:
    """Thinking is kept beside the answer; no answer is an empty one only if the model gave none."""
    tokens = 0 if message.get("content") == "" else 5
    chat_server.script = [sends(message, finish_reason=reason, completion_tokens=tokens)]
    (generation,) = opened(chat_server).generate([request()])
    assert (generation.text, generation.finish_reason, generation.thinking_unfinished) == expected
    assert len(chat_server.requests) == 1


def test_thinking_left_in_the_text_is_unfinished_where_the_template_opened_it() -> None:
    reply = json.dumps(
        completion({"model": "m", "messages": [{"content": ""}]}, {"content": "so"}, finish_reason="length")
    )
    for opened_thinking in (False, True):
        read = read_reply(reply.encode(), 1, opened_thinking=opened_thinking)
        assert not isinstance(read, str)
        assert read.answers[0].thinking_unfinished is opened_thinking


@pytest.mark.parametrize("opens", ["setting", "template"])
def test_an_answer_cut_off_in_its_thinking_is_unfinished(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch, opens: str
) -> None:
    """Where thinking is asked for, or the template opens it, whether or not the model's length is known."""
    chat_server.entry = {"id": "m"}
    settings: dict[str, Any] = {"thinking": "on"}
    if opens == "template":
        transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")
        tokenizer = transformers.AutoTokenizer.from_pretrained(embedded_model())
        tokenizer.chat_template = "{{ messages[0]['content'] }}<think>"
        monkeypatch.setattr("golong_eval.engines.openai.engine._load_tokenizer", lambda settings: tokenizer)
        settings = {"tokenizer": "mine"}
    engine = opened(chat_server, **settings)
    for text, unfinished in (("[Answer] D7, no", True), ("so</think>[Answer] D1", False)):
        chat_server.script = [sends({"content": text}, finish_reason="length")]
        (generation,) = engine.generate([request()])
        assert generation.thinking_unfinished is unfinished
    assert engine.thinks


@pytest.mark.parametrize(
    ("token_ids", "usage", "counts"),
    [
        ([], {"completion_tokens": 77}, (5, 77, None)),
        ([1, 2, 3], {"completion_tokens": 77}, (5, 3, None)),
        (None, {"prompt_tokens": 12.0, "completion_tokens": 3.0}, (12, 3, None)),
        (None, {"prompt_tokens": 5.5, "completion_tokens": 1}, (0, 1, None)),
        (None, {"completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9000}}, (5, 1, 5)),
    ],
)
def test_counts_are_those_of_whole_tokens(token_ids: Any, usage: Body, counts: tuple[int, int, int | None]) -> None:
    reply = completion(
        {"model": "m", "messages": [{"content": ""}]}, {"content": "D1"}, **{"prompt_tokens": 5, **usage}
    )
    reply["choices"][0]["token_ids"] = token_ids
    read = read_reply(json.dumps(reply).encode(), 1)
    assert not isinstance(read, str)
    assert (read.prompt_tokens, read.answers[0].completion_tokens, read.cached_tokens) == counts


def test_usage_is_recorded(chat_server: ChatServer) -> None:
    usage = {"prompt_tokens": 90, "completion_tokens": 12, "prompt_tokens_details": None}
    chat_server.script = [sends({"content": "D1"}, **usage)]
    (generation,) = opened(chat_server).generate([request()])
    assert (generation.prompt_tokens, generation.completion_tokens, generation.cached_tokens) == (90, 12, None)
    assert generation.reasoning_tokens is None


def test_no_reply_makes_the_reader_raise() -> None:
    """Property: any JSON value in any place of a reply is read, or told as the reason of a failure."""
    draw = random.Random(0)
    odd: list[Any] = [
        None,
        True,
        -1,
        1.5,
        float("nan"),
        2**80,
        "",
        "x",
        [],
        {},
        [[]],
        {"text": []},
        ["a", {"type": "text"}],
    ]
    good = completion(
        {"model": "m", "messages": [{"content": ""}]},
        {"content": [{"type": "text", "text": "D1"}], "reasoning": "hm", "refusal": None},
        {"content": "D2", "reasoning_content": "hm"},
        prompt_tokens_details={"cached_tokens": 1},
        completion_tokens_details={"reasoning_tokens": 1},
    )

    def places(value: Any) -> Iterator[tuple[Any, Any]]:
        for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            yield value, key
            yield from places(value[key])

    for _ in range(2000):
        reply = json.loads(json.dumps(good))
        for _ in range(draw.randint(1, 3)):
            holder, key = draw.choice(list(places(reply)) or [(reply, "choices")])
            holder[key] = copy.deepcopy(draw.choice(odd))
        read = read_reply(json.dumps(reply).encode(), draw.choice([1, 2, 3]))
        if isinstance(read, str):
            assert read
        else:
            for answer in read.answers.values():
                assert (answer.text is None) == (answer.error is not None)
                assert answer.completion_tokens >= 0


def test_a_huge_reply_is_not_read_to_its_end(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LARGEST_REPLY", 1 << 20)
    chat_server.script = [says(200, b" " * (8 << 20)), says(500, b" " * (8 << 20))]
    generations = list(opened(chat_server, concurrency=1).generate(requests(2)))
    assert [generation.error for generation in generations] == ["the reply is larger than 1 MB", None]


def test_a_long_prompt_is_sent_whole(chat_server: ChatServer) -> None:
    documents = "Ein langer Text. " * 200_000
    list(opened(chat_server).generate([request(documents=documents)]))
    assert prompt_of(chat_server.bodies[0]) == documents + "What is a?"


# ---------------------------------------------------------------------------------------------------------
# How much at once


def test_requests_are_taken_as_they_are_needed_in_the_callers_thread(chat_server: ChatServer) -> None:
    """At most about twice what is in flight lies in memory."""
    chat_server.delay = 0.01
    engine = opened(chat_server, concurrency=4)
    taken: list[int] = []
    threads: set[threading.Thread] = set()

    def stream() -> Iterator[GenerationRequest]:
        for number, item in enumerate(requests(60)):
            taken.append(number)
            threads.add(threading.current_thread())
            yield item

    most = 0
    for count, _ in enumerate(engine.generate(stream())):
        most = max(most, len(taken) - count)
    assert len(taken) == 60
    assert most <= 4 * 2 + 4
    assert threads == {threading.current_thread()}
    assert chat_server.most_at_once <= 4


def test_no_more_than_the_ceiling_is_in_flight_over_all_servers(
    chat_server: ChatServer, second_server: ChatServer
) -> None:
    """Both are used, and together they have no more at once than one ceiling."""
    lock = threading.Lock()
    at_once: list[int] = [0]

    def counted(handler: Handler, body: Body) -> None:
        with lock:
            at_once.append(at_once[-1] + 1)
        time.sleep(0.01)
        with lock:
            at_once.append(at_once[-1] - 1)
        answers(handler, body)

    chat_server.default = second_server.default = counted
    list(opened(chat_server, second_server, concurrency=5).generate(requests(60)))
    assert max(at_once) <= 5
    assert chat_server.requests
    assert second_server.requests


def test_long_documents_are_not_taken_far_ahead(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golong_eval.engines.openai.engine._HELD_CHARACTERS", 1000)
    chat_server.delay = 0.02
    taken = 0

    def stream() -> Iterator[GenerationRequest]:
        nonlocal taken
        for item in requests(20, documents="x" * 600):
            taken += 1
            yield item

    generations = opened(chat_server, concurrency=2).generate(stream())
    next(generations)
    assert taken <= 4
    generations.close()  # type: ignore[attr-defined]


def run_round(server: Server, now: float, trouble: Any = None) -> None:
    """A full window of requests, all answered, or all failed."""
    server.in_flight = int(server.window)
    for _ in range(server.in_flight):
        if trouble is None:
            server.answered(now)
        else:
            server.struck(now + 0.001, now, trouble, None, alone=True)


def test_the_window_doubles_until_overload_then_halves_once_a_round_then_grows_by_one() -> None:
    server = Server("", "", ceiling=64)
    seen = []
    for now, trouble in enumerate([None, None, "overloaded", None, None]):
        run_round(server, float(now), trouble)
        seen.append(round(server.window))
    assert seen == [16, 32, 16, 17, 18]
    for now in range(100):
        run_round(server, 100.0 + now)
    assert server.window == 64
    for now in range(10):
        run_round(server, 300.0 + now, "overloaded")
    assert server.window == 1


def test_an_idle_window_does_not_grow() -> None:
    server = Server("", "", ceiling=64)
    server.in_flight = 1
    for now in range(50):
        server.answered(float(now))
    assert server.window == 8


def test_a_server_that_says_it_is_overloaded_is_asked_less(chat_server: ChatServer) -> None:
    chat_server.delay = 0.005

    def limited(handler: Handler, body: Body) -> None:
        (says(503) if chat_server.at_once > 6 else answers)(handler, body)

    chat_server.default = limited
    engine = opened(chat_server)
    generations = list(engine.generate(requests(200)))
    assert all(generation.text for generation in generations)
    assert len(chat_server.requests) < 260


# ---------------------------------------------------------------------------------------------------------
# Several servers


class Waiting:
    def __init__(self, context: int, avoid: Server | None = None) -> None:
        self.context, self.avoid = context, avoid


def test_the_same_documents_go_to_the_same_server_unless_it_is_busier() -> None:
    first, second = Server("1", "", 64), Server("2", "", 64)
    balancer = Balancer([first, second])

    def take(context: int) -> Server:
        taken = balancer.take(deque([Waiting(context)]), 0.0)
        assert taken is not None
        taken[1].in_flight += 1
        return taken[1]

    assert take(1) is first
    assert take(2) is second
    assert [take(1) for _ in range(3)] == [first] * 3
    first.in_flight = 7
    assert take(1) is second  # which has 1


def test_a_request_whose_server_is_full_lets_the_next_one_pass() -> None:
    first, second = Server("1", "", 64), Server("2", "", 64)
    balancer = Balancer([first, second])
    for context in (1, 2):
        taken = balancer.take(deque([Waiting(context)]), 0.0)
        assert taken is not None
        taken[1].in_flight = 1 if context == 1 else 0
    first.in_flight, second.in_flight = 8, 7
    queue = deque([Waiting(1), Waiting(1), Waiting(2)])
    taken = balancer.take(queue, 0.0)
    assert taken is not None
    assert (taken[0].context, taken[1]) == (2, second)
    assert [item.context for item in queue] == [1, 1]


def test_servers_share_the_work_and_keep_to_their_contexts() -> None:
    """Answers come in any order; no clock but the test's own."""
    draw = random.Random(0)
    servers = [Server("1", "", 8), Server("2", "", 8)]
    balancer = Balancer(servers)
    queue = deque(Waiting(context) for context in range(1, 25) for _ in range(9))
    running: list[Server] = []
    homes: dict[int, Counter[str]] = {}
    now = 0.0
    while queue or running:
        now += 1.0
        while queue and (taken := balancer.take(queue, now)) is not None:
            job, server = taken
            server.in_flight += 1
            running.append(server)
            homes.setdefault(job.context, Counter())[server.base_url] += 1
        server = running.pop(draw.randrange(len(running)))
        server.answered(now)
        server.in_flight -= 1
    total = sum(homes.values(), Counter())
    assert total.total() == 24 * 9
    assert min(total["1"], total["2"]) > total.total() // 4
    assert sum(max(counts.values()) for counts in homes.values()) > 0.75 * total.total()


# ---------------------------------------------------------------------------------------------------------
# Where it runs, and how it ends


@pytest.mark.parametrize("end", ["close", "error", "interrupt", "collected"])
def test_an_early_end_cancels_what_is_in_flight(chat_server: ChatServer, end: str) -> None:
    """Promptly, with no thread or connection left; the fixture looks."""
    engine = opened(chat_server, concurrency=8)
    chat_server.script = [answers]
    chat_server.default = stalls
    before = time.monotonic()
    generations = engine.generate(requests(100))
    next(generations)
    if end == "close":
        generations.close()  # type: ignore[attr-defined]
    elif end == "collected":
        del generations
        gc.collect()
    else:
        error = KeyboardInterrupt if end == "interrupt" else RuntimeError
        with pytest.raises(error):
            generations.throw(error())  # type: ignore[attr-defined]
    assert time.monotonic() - before < 2


def test_a_generator_that_nobody_closes_does_not_keep_the_interpreter(chat_server: ChatServer) -> None:
    chat_server.script = [answers]
    chat_server.default = stalls
    code = f"""
from golong_eval.engines import EngineSettings, GenerationRequest, open_engine
from golong_eval.schema import Prompt
engine = open_engine("openai", "m", EngineSettings(base_urls=({chat_server.url!r},)))
asked = [GenerationRequest(sample_id=str(i), prompt=Prompt(after="?"), max_tokens=1) for i in range(9)]
generations = engine.generate(asked)
print(next(generations).text)
"""
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30)
    assert (out.returncode, out.stderr) == (0, "")


def test_an_error_of_the_requests_is_the_callers(chat_server: ChatServer) -> None:
    def stream() -> Iterator[GenerationRequest]:
        yield request()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(opened(chat_server).generate(stream()))


def test_it_works_inside_a_running_loop_and_in_any_thread(chat_server: ChatServer) -> None:
    async def inside() -> list[Generation]:
        return list(opened(chat_server).generate(requests(5)))

    assert len(asyncio.run(inside())) == 5
    engine = opened(chat_server)
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(len(list(engine.generate(requests(20)))))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [20, 20, 20]


def test_an_engine_generates_again_with_what_it_learned(chat_server: ChatServer) -> None:
    engine = opened(chat_server)
    chat_server.delay = 0.002
    list(engine.generate(requests(100)))
    assert engine._servers[0].window > 8
    assert list(engine.generate([])) == []
    assert len(list(engine.generate(requests(2)))) == 2
    engine.close()
    engine.close()


def test_a_bug_reaches_the_caller(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the loop's thread must not leave the caller waiting for ever."""
    engine = opened(chat_server)
    monkeypatch.setattr("golong_eval.engines.openai.dispatcher.read_reply", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(engine.generate(requests(3)))


def test_the_key_stands_nowhere(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    engine = opened(chat_server)
    list(engine.generate(requests(3)))
    assert KEY not in repr(engine) + str(vars(engine)) + str(engine.describe())
    pickled = pickle.dumps(engine)
    assert KEY.encode() not in pickled
    assert len(list(pickle.loads(pickled).generate(requests(3)))) == 3


LONG_KEY = "sk-proj-" + "A1/b2C3d4" * 18


def raw(data: str) -> Script:
    """Send bytes that are no HTTP."""

    def send(handler: Handler, body: Body) -> None:
        handler.wfile.write(data.encode())
        handler.close_connection = True

    return send


@pytest.mark.parametrize(
    "script",
    [
        says(200, f"Invalid key {LONG_KEY}".encode()),
        says(200, b"x" * 180 + LONG_KEY.encode()),
        says(200, {"error": {"message": "y" * 200 + " " + LONG_KEY}}),
        says(200, {"choices": [{"error": LONG_KEY}]}),
        sends({"content": ""}, finish_reason=LONG_KEY),
        says(400, f"Invalid key {LONG_KEY[:40]}... or {LONG_KEY[50:90]}".encode()),
        says(400, json.dumps({"error": LONG_KEY}).replace("/", "\\/").encode()),
        says(422, {"detail": [{"loc": ["header"], "msg": "z" * 150 + LONG_KEY}, "z" * 150 + LONG_KEY]}),
        raw(f"HTTP/1.1 2x0 Bearer {LONG_KEY}\r\n\r\n"),
        raw(f"HTTP/1.1 200 OK\r\nBad header {LONG_KEY}: {LONG_KEY}\r\n\r\n"),
        raw(f"HTTP/1.1 200 OK\r\nA: {LONG_KEY * 80}\r\n\r\n"),
    ],
)
def test_no_part_of_the_key_is_told(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    """Wherever it stands, and wherever it is cut off."""
    monkeypatch.setenv("OPENAI_API_KEY", LONG_KEY)
    chat_server.default = script
    (generation,) = opened(chat_server, args={"retries": 0}).generate([request()])
    told = (generation.error or "").replace("\\", "")
    assert told
    assert not [start for start in range(len(LONG_KEY) - 12) if LONG_KEY[start : start + 12] in told]


# ---------------------------------------------------------------------------------------------------------
# Opening


def test_opening_reads_what_the_servers_say(chat_server: ChatServer, second_server: ChatServer) -> None:
    second_server.entry = {"id": "m", "owned_by": "vllm", "max_model_len": 2048}
    engine = open_engine("openai", "m", EngineSettings(base_urls=(chat_server.url, second_server.url, chat_server.url)))
    assert engine.max_length == 2048
    assert not engine.thinks
    assert engine.native_n
    described = engine.describe()
    assert (described["server"], described["server_version"]) == ("vllm", "0.33.0")
    assert described["base_urls"] == f"{chat_server.url} {second_server.url}"
    assert opened(chat_server, max_model_len=1000).max_length == 1000
    assert opened(chat_server, max_model_len=9000).max_length == 4096


@pytest.mark.parametrize("script", [says(404), says(405), says(200, b"<html>"), says(200, {"data": []}), says(500)])
def test_a_server_without_a_list_of_models_is_taken_at_its_word(chat_server: ChatServer, script: Script) -> None:
    chat_server.models = script
    engine = opened(chat_server)
    assert engine.max_length is None
    assert engine.describe()["server"] == "other"
    assert [item.text for item in engine.generate([request()])] == ["[Answer]\nD1"]


def fails_to_open(*urls: str, model: str = "m", **settings: Any) -> GolongError:
    with pytest.raises(GolongError) as caught:
        OpenAIEngine.open(model, EngineSettings(base_urls=urls, **settings))
    assert "\n" not in str(caught.value) + caught.value.hint
    assert caught.value.hint
    assert KEY not in str(caught.value) + caught.value.hint
    return caught.value


def test_opening_without_an_address_says_what_to_type() -> None:
    error = fails_to_open()
    assert isinstance(error, ConfigError)
    assert "--base-url http://localhost:8000/v1" in error.hint


@pytest.mark.parametrize(
    "url", ["localhost:8000", f"http://user:{KEY}@host/v1", f"http://host/v1?key={KEY}", "ftp://h"]
)
def test_an_address_with_a_secret_is_refused_and_not_told(url: str) -> None:
    assert isinstance(fails_to_open(url), ConfigError)


def test_opening_where_nobody_listens(chat_server: ChatServer) -> None:
    error = fails_to_open(f"http://127.0.0.1:{free_port()}/v1")
    assert "no server answers at http://127.0.0.1" in str(error)
    chat_server.models = says(503)
    assert "HTTP 503" in str(fails_to_open(chat_server.url))


def test_a_model_that_is_not_there_is_named_with_the_nearest(chat_server: ChatServer) -> None:
    chat_server.models = says(200, {"data": [{"id": f"org/model-{size}b"} for size in range(40)]})
    error = fails_to_open(chat_server.url, model="org/model-7")
    assert isinstance(error, ModelError)
    assert "has no model 'org/model-7'" in str(error)
    assert "did you mean 'org/model-7b'?" in error.hint
    assert "and 20 more" in error.hint
    chat_server.models = says(200, {"data": [{"id": "only"}]})
    assert "--model is one of: only" in fails_to_open(chat_server.url).hint


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_an_error_at_once(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    chat_server.models = says(status, {"error": {"message": f"bad key {KEY}"}})
    error = fails_to_open(chat_server.url, api_key_env="MY_KEY")
    assert "export MY_KEY=" in error.hint


def test_a_variable_that_is_named_and_not_set_is_told(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    error = fails_to_open(chat_server.url, api_key_env="MY_KEY")
    assert isinstance(error, ConfigError)
    assert "export MY_KEY=" in error.hint
    assert chat_server.got == []


def test_a_key_with_a_line_break_is_refused(chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX-Evil: 1")
    assert "line break" in str(fails_to_open(chat_server.url))


def test_a_server_that_redirects_is_not_followed(chat_server: ChatServer) -> None:
    chat_server.models = says(302, Location=chat_server.url)
    assert "redirects" in str(fails_to_open(chat_server.url))


def test_scaling_is_the_servers(chat_server: ChatServer) -> None:
    assert "--rope-factor" in fails_to_open(chat_server.url, rope_scaling=RopeScaling(factor=2.0)).hint


# ---------------------------------------------------------------------------------------------------------
# Prompts that do not fit, with a tokenizer


@pytest.fixture(scope="module")
def tokens() -> Callable[[str], int]:
    transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")
    tokenizer = transformers.AutoTokenizer.from_pretrained(embedded_model())

    def count(text: str) -> int:
        messages = [{"role": "user", "content": text}]
        return len(tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))

    return count


LONG = " ".join(f"wörd{number}你好" for number in range(3000))


def test_with_a_tokenizer_too_long_is_known_before(chat_server: ChatServer, tokens: Callable[[str], int]) -> None:
    engine = opened(chat_server, tokenizer=embedded_model())
    assert engine.over_length(request()) is None
    assert f"the prompt's {tokens(LONG + 'What is a?')} tokens" in (engine.over_length(request(documents=LONG)) or "")
    assert opened(chat_server).over_length(request(documents=LONG)) is None


def test_skip_leaves_a_long_prompt_unsent(chat_server: ChatServer, tokens: Callable[[str], int]) -> None:
    engine = opened(chat_server, tokenizer="embedded", context_policy="skip")
    generations = list(engine.generate([request("long", n=2, documents=LONG), request("short")]))
    assert keys(generations) == [("long", 0), ("long", 1), ("short", 0)]
    assert [item.sample_id for item in generations if item.over_length] == ["long", "long"]
    assert len(chat_server.requests) == 1


def test_truncate_cuts_the_documents_in_the_middle(chat_server: ChatServer, tokens: Callable[[str], int]) -> None:
    """The text that is sent fits as the server counts it, is two ends of the document, and keeps the question."""
    engine = opened(chat_server, tokenizer="embedded", context_policy="truncate", max_model_len=1000)
    (generation,) = engine.generate([request(documents=LONG, max_tokens=100)])
    (body,) = chat_server.bodies
    sent = prompt_of(body)
    assert 850 < tokens(sent) <= 900
    kept = sent.removesuffix("What is a?")
    middle = next(cut for cut in range(len(kept)) if LONG.startswith(kept[:cut]) and LONG.endswith(kept[cut:]))
    assert 0.3 * len(kept) < middle < 0.7 * len(kept)
    assert generation.context_cut
    assert generation.cut_tokens == pytest.approx(tokens(LONG + "What is a?") - tokens(sent), abs=4)
    (whole,) = engine.generate([request("short", documents="few words")])
    assert (whole.context_cut, whole.cut_tokens) == (False, 0)


def test_a_slow_tokenizer_cuts_as_well(
    chat_server: ChatServer, tokens: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without offsets: the ends are decoded, without the halves of a character."""
    engine = opened(chat_server, tokenizer="embedded", context_policy="truncate", max_model_len=1000)
    assert engine._encoder is not None
    monkeypatch.setattr(type(engine._encoder.tokenizer), "is_fast", False)
    list(engine.generate([request(documents=LONG, max_tokens=100)]))
    sent = prompt_of(chat_server.bodies[0])
    assert 850 < tokens(sent) <= 900
    assert "\ufffd" not in sent
    assert sent.startswith(LONG[:100])


def test_a_question_longer_than_the_model_is_over_length(chat_server: ChatServer, tokens: Callable[[str], int]) -> None:
    engine = opened(chat_server, tokenizer="embedded", context_policy="truncate", max_model_len=40)
    (generation,) = engine.generate([request("x" * 500, documents="a b c")])
    assert generation.over_length
    assert chat_server.requests == []


def test_truncate_needs_a_tokenizer_and_a_length(chat_server: ChatServer) -> None:
    assert "--tokenizer" in fails_to_open(chat_server.url, context_policy="truncate").hint
    chat_server.models = says(404)
    error = fails_to_open(chat_server.url, context_policy="truncate", tokenizer="embedded")
    assert "--max-model-len" in error.hint


def test_a_tokenizer_that_is_not_there_is_told(chat_server: ChatServer, tokens: Callable[[str], int]) -> None:
    error = fails_to_open(chat_server.url, tokenizer="./no/such/folder")
    assert isinstance(error, ModelError)
