"""The endpoint embedder against a real server: order, retries, malformed replies, threads, loops, forks, secrets."""

from __future__ import annotations

import asyncio
import base64
import itertools
import math
import multiprocessing
import pickle
import random
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest

from golong_eval.engines import http_client
from golong_eval.errors import ConfigError, JudgeError
from golong_eval.judges import EndpointEmbedder, endpoint

from .conftest import DIMENSIONS, Answer, Handler, Server, says, sends, vector

TEXTS = ["a cat", "a dog", "", "猫", "a cat", "\U0001f600"]
KEY = "sk-very-secret-0123456789"


def embedder(server: Server, **settings: Any) -> EndpointEmbedder:
    return EndpointEmbedder("tiny", server.url, **settings)


def call_in_child(embed: EndpointEmbedder, texts: list[str], out: Any) -> None:
    out.send([list(row) for row in embed(texts)])


# What is asked


def test_one_vector_a_text_in_order_over_all_batches(server: Server) -> None:
    texts = [f"text {number}" for number in range(23)]
    assert embedder(server, batch_size=5)(texts) == [vector(text) for text in texts]
    sizes = [len(body["input"]) for *_, body in server.requests]
    assert sorted(sizes) == [3, 5, 5, 5, 5]


def test_the_request_is_openais(server: Server) -> None:
    embedder(server)(TEXTS)
    ((_, path, headers, body),) = server.requests
    assert path == "/v1/embeddings"
    assert body == {"model": "tiny", "input": TEXTS, "encoding_format": "float"}
    assert "Authorization" not in headers
    assert headers["Content-Type"] == "application/json"


def test_no_text_asks_nothing(server: Server) -> None:
    assert embedder(server)([]) == []
    assert server.requests == []


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", "/v1/embeddings"),
        ("/", "/v1/embeddings"),
        ("/v1", "/v1/embeddings"),
        ("/v1/", "/v1/embeddings"),
        ("/v1/embeddings", "/v1/embeddings"),
        ("/proxy", "/proxy/v1/embeddings"),
        ("/api/v3", "/api/v3/embeddings"),
        ("/v1beta/openai/", "/v1beta/openai/embeddings"),
    ],
)
def test_the_address_may_have_its_version_or_not(server: Server, base: str, path: str) -> None:
    EndpointEmbedder("tiny", server.url + base)(["a"])
    assert server.requests[0][1] == path


def test_a_host_called_v1_is_no_version() -> None:
    assert EndpointEmbedder("m", "http://v1.host")._endpoint.url("embeddings") == "http://v1.host/v1/embeddings"


def test_no_more_requests_at_once_than_concurrency(server: Server) -> None:
    def slow(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(0.02)
        says(200, {"data": [{"index": 0, "embedding": [1.0]}]})(handler, body)

    server.default = slow
    embedder(server, batch_size=1, concurrency=3)([str(number) for number in range(12)])
    assert 1 < server.most_at_once <= 3


def test_long_texts_are_cut_and_the_name_says_where(server: Server) -> None:
    embed = embedder(server, max_characters=3)
    assert embed(["abcdef", "ab"]) == [vector("abc"), vector("ab")]
    assert embed.name == "tiny;max_characters=3"


def test_lone_surrogates_become_question_marks(server: Server) -> None:
    assert embedder(server)(["a\ud800b"]) == [vector("a?b")]


def test_a_large_request_is_sent_whole(server: Server) -> None:
    """Several megabytes; aiohttp warns of large bodies, and a warning is an error here."""
    texts = [f"{number}" + "x" * 31_000 for number in range(64)]
    assert embedder(server, batch_size=64)(texts) == [vector(text) for text in texts]


def test_dimensions_are_asked_for_and_checked(server: Server) -> None:
    embed = embedder(server, dimensions=DIMENSIONS)
    embed(["a"])
    assert server.requests[0][3]["dimensions"] == DIMENSIONS
    assert embed.name == f"tiny;dimensions={DIMENSIONS}"
    with pytest.raises(JudgeError, match=f"gave {DIMENSIONS} dimensions, and 4 were asked for"):
        embedder(server, dimensions=4)(["a"])


def test_names_fit_into_a_metrics_identity() -> None:
    assert EndpointEmbedder("my model[a,b]*", "http://h").name == "my-model-a-b-"


# How replies are read


def test_vectors_are_ordered_by_index(server: Server) -> None:
    server.script = [sends(lambda reply: reply | {"data": reply["data"][::-1]})]
    assert embedder(server)(TEXTS) == [vector(text) for text in TEXTS]


def test_base64_is_read_too(server: Server) -> None:
    def packed(reply: dict[str, Any]) -> dict[str, Any]:
        for item in reply["data"]:
            item["embedding"] = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *item["embedding"])).decode()
        return reply

    server.script = [sends(packed)]
    assert embedder(server)(TEXTS) == [vector(text) for text in TEXTS]


def with_embedding(value: Any) -> Answer:
    def change(reply: dict[str, Any]) -> dict[str, Any]:
        reply["data"][1]["embedding"] = value
        return reply

    return sends(change)


def without_index(reply: dict[str, Any]) -> dict[str, Any]:
    del reply["data"][1]["index"]
    return reply


def same_index(reply: dict[str, Any]) -> dict[str, Any]:
    reply["data"][1]["index"] = 0
    return reply


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (sends(lambda reply: reply | {"data": reply["data"][1:]}), "gave 1 embeddings for 2 texts"),
        (sends(lambda reply: reply | {"data": reply["data"] * 2}), "gave 4 embeddings for 2 texts"),
        (sends(lambda reply: reply | {"data": []}), "gave 0 embeddings for 2 texts"),
        (sends(same_index), "numbered them wrongly"),
        (sends(without_index), "sent no embeddings .KeyError: 'index'"),
        (sends(lambda reply: {"error": {"message": "no such thing"}}), "KeyError: 'data'.*no such thing"),
        (sends(lambda reply: reply | {"data": None}), "sent no embeddings"),
        (sends(lambda reply: reply | {"data": {"0": 1}}), "sent no embeddings"),
        (sends(lambda reply: [reply]), "sent no embeddings"),
        (says(200, b"<html>Welcome</html>"), "sent no embeddings .JSONDecodeError.*<html>Welcome"),
        (says(200, b'{"data": [{"index": 0, "emb'), "sent no embeddings .JSONDecodeError"),
        (says(200, b"[" * 100_000), "sent no embeddings .RecursionError"),
        (says(200, b"\xff\xfe\x00"), "sent no embeddings"),
        (with_embedding([0.0] * 5), "vectors of 6 and of 5 dimensions"),
        (with_embedding([]), "empty or holds NaN"),
        (with_embedding([math.nan] * 6), "empty or holds NaN"),
        (with_embedding([math.inf] * 6), "empty or holds NaN"),
        (with_embedding([1e300] * 6), "empty or holds NaN"),
        (with_embedding(["1"] * 6), "no list of numbers"),
        (with_embedding([None] * 6), "no list of numbers"),
        (with_embedding(None), "no list of numbers"),
        (with_embedding([[1.0] * 6]), "no list of numbers"),
        (with_embedding([10**400] * 6), "no list of numbers"),
        (with_embedding("no base64!"), "sent no embeddings .Error"),
        (with_embedding("AAAA"), "sent no embeddings .ValueError"),
    ],
)
def test_a_malformed_reply_is_an_error_that_names_server_and_fault(server: Server, answer: Answer, match: str) -> None:
    server.script = [answer]
    with pytest.raises(JudgeError, match=match) as caught:
        embedder(server)(["a", "b"])
    assert server.url in str(caught.value)
    assert caught.value.hint
    assert len(server.requests) == 1


def test_batches_of_one_call_have_one_dimension(server: Server) -> None:
    server.script = [says(200, {"data": [{"index": 0, "embedding": [1.0, 2.0]}]})]
    with pytest.raises(JudgeError, match="dimensions"):
        embedder(server, batch_size=1, concurrency=1)(["a", "b"])


# What is tried again


def cut(handler: Handler, body: dict[str, Any]) -> None:
    handler.close_connection = True


def cut_in_the_middle(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.close_connection = True


def slow(handler: Handler, body: dict[str, Any]) -> None:
    time.sleep(1.2)
    handler.close_connection = True


@pytest.mark.parametrize(
    "answer",
    [says(429), says(408), says(500, b"oops"), says(502), says(503), says(529), cut, cut_in_the_middle, slow],
    ids=["429", "408", "500", "502", "503", "529", "cut", "cut in the middle", "slow"],
)
def test_what_may_pass_is_tried_again(server: Server, answer: Answer) -> None:
    server.script = [answer, answer]
    assert embedder(server, timeout=0.9)(["a"]) == [vector("a")]
    assert len(server.requests) == 3


@pytest.mark.parametrize("answer", [says(500, b"out of memory"), cut, slow], ids=["500", "cut", "slow"])
def test_a_server_that_stays_down_is_named_with_what_to_do(server: Server, answer: Answer) -> None:
    server.default = answer
    with pytest.raises(JudgeError, match=r"/v1/embeddings gave no answer in 3 attempts \(.+\)") as caught:
        embedder(server, retries=2, timeout=0.2)(["a", "b"])
    assert "base_url" in caught.value.hint
    assert len(server.requests) == 3


def test_a_port_where_nothing_listens_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(JudgeError, match=r"gave no answer in 1 attempts \(ClientConnectorError"):
            EndpointEmbedder("tiny", url, retries=0)(["a"])


def test_one_failed_batch_fails_the_call_at_once(server: Server) -> None:
    server.script = [says(400, {"error": {"message": "too long"}})]
    with pytest.raises(JudgeError, match=r"HTTP 400.*too long"):
        embedder(server, batch_size=1, concurrency=1)([str(number) for number in range(50)])
    assert len(server.requests) < 5


def test_pauses_grow_and_have_chance_in_them(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_BACKOFF", 0.05)
    server.script = [says(500)] * 3
    state = random.getstate()
    embedder(server)(["a"])
    times = [moment for moment, *_ in server.requests]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    for pause, least in zip(pauses, (0.05, 0.1, 0.2), strict=True):
        assert pause >= least
    assert random.getstate() == state  # the caller's seed draws what it drew before


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(server: Server, form: str) -> None:
    asked = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    server.script = [says(429, Retry_After=asked)]
    embedder(server)(["a"])
    first, second = (moment for moment, *_ in server.requests)
    assert second - first >= 0.9


def test_a_server_that_asks_for_hours_is_not_waited_for(server: Server) -> None:
    server.script = [says(429, b"quota", Retry_After="7200")]
    with pytest.raises(JudgeError, match=r"in 1 attempts \(HTTP 429: quota; asks to wait 7200 s\)"):
        embedder(server)(["a"])


def test_a_retry_after_of_nothing_is_a_pause_all_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_BACKOFF", 0.05)
    server.script = [says(503, Retry_After="0")]
    embedder(server)(["a"])
    first, second = (moment for moment, *_ in server.requests)
    assert second - first >= 0.05


def test_a_huge_reply_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_LARGEST_REPLY", 1 << 20)
    server.script = [says(200, b" " * (8 << 20))]
    with pytest.raises(JudgeError, match="the reply is larger than 1 MB"):
        embedder(server)(["a"])
    assert len(server.requests) == 1


def test_an_unreadable_retry_after_is_as_none(server: Server) -> None:
    server.script = [says(429, Retry_After="soon"), says(503, Retry_After="-1"), says(503, Retry_After="nan")]
    assert embedder(server)(["a"]) == [vector("a")]


@pytest.mark.parametrize(
    ("status", "settings", "hint"),
    [
        (401, {}, "export OPENAI_API_KEY=..."),
        (403, {"api_key_env": "MY_KEY"}, "export MY_KEY=..."),
        (401, {"api_key_env": None}, "pass api_key_env"),
        (404, {}, "/v1/models lists the models"),
        (307, {}, "redirects"),
        (400, {}, "lower max_characters"),
        (413, {}, "lower max_characters"),
    ],
)
def test_a_refusal_is_told_at_once(server: Server, status: int, settings: dict[str, Any], hint: str) -> None:
    server.script = [says(status, {"error": {"message": "because"}}, Location=f"{server.url}/elsewhere")]
    with pytest.raises(JudgeError, match=f"refused .HTTP {status}: .*because") as caught:
        embedder(server, **settings)(["a"])
    assert hint in caught.value.hint
    assert len(server.requests) == 1


# The key


def test_the_key_is_read_at_each_call(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    embed = embedder(server)
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\n")
    embed(["a"])
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    embed(["a"])
    monkeypatch.delenv("OPENAI_API_KEY")
    embed(["a"])
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    embedder(server, api_key_env=None)(["a"])
    sent = [headers.get("Authorization") for _, _, headers, _ in server.requests]
    assert sent == [f"Bearer {KEY}", "Bearer other", None, None]


@pytest.mark.parametrize("status", [200, 401, 500])
def test_the_key_stands_in_no_message_repr_or_pickle(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    embed = embedder(server, retries=1)
    embed(["a"])
    server.default = says(status, ("wrong key " + "x" * 270 + f" {KEY} {KEY}").encode())
    with pytest.raises(JudgeError, match=r"\*\*\*") as caught:
        embed(["a"])
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY[:8] not in f"{error!r} {error} {getattr(error, 'hint', '')}"
        error = error.__cause__ or error.__context__
    assert KEY not in repr(embed)
    assert KEY.encode() not in pickle.dumps(embed)


def test_a_key_that_comes_back_in_a_broken_reply_is_not_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP library quotes what it can't read."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def echoes(handler: Handler, body: dict[str, Any]) -> None:
        handler.wfile.write(f"HTTP/1.1 2x0 {handler.headers['Authorization']}\r\n\r\n".encode())
        handler.close_connection = True

    server.default = echoes
    with pytest.raises(JudgeError, match=r"\*\*\*") as caught:
        embedder(server, retries=0)(["a"])
    assert KEY[:12] not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_of_two_lines_is_told_without_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nexport B=2")
    with pytest.raises(JudgeError, match="OPENAI_API_KEY has a line break") as caught:
        embedder(server)(["a"])
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://host/v1", "http://", "http://user:hunter2@host/v1", "http://host/v1?key=hunter2"],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        EndpointEmbedder("tiny", url)
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "settings",
    [{"batch_size": 0}, {"concurrency": 0}, {"timeout": 0}, {"retries": -1}, {"dimensions": 0}, {"max_characters": 0}],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        EndpointEmbedder("tiny", "http://host", **settings)


# Where it is called from


def test_called_from_many_threads(server: Server) -> None:
    embed = embedder(server, batch_size=2)
    texts = [[f"{thread} {number}" for number in range(5)] for thread in range(16)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(embed, texts)) == [[vector(text) for text in own] for own in texts]


def test_called_from_inside_a_running_loop(server: Server) -> None:
    embed = embedder(server)

    async def caller() -> Any:
        inside = embed(TEXTS)
        in_threads = await asyncio.gather(*(asyncio.to_thread(embed, TEXTS) for _ in range(3)))
        return [inside, *in_threads]

    assert asyncio.run(caller()) == [[vector(text) for text in TEXTS]] * 4


def test_an_error_inside_a_running_loop_is_the_same(server: Server) -> None:
    async def caller() -> Any:
        return embedder(server)(["a"])

    server.script = [says(404)]
    with pytest.raises(JudgeError, match="HTTP 404"):
        asyncio.run(caller())


def test_the_threads_own_loop_stays_as_it_is(server: Server) -> None:
    """Trainers keep a loop in the main thread and ask for it by get_event_loop."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        embedder(server)(["a"])
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of what is tested here
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_called_in_a_child_process(server: Server, method: Any) -> None:
    """The server forks too, but only the parent's copy listens."""
    embed = embedder(server)
    embed(["before"])
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=call_in_child, args=(embed, TEXTS, sender))
    child.start()
    try:
        assert receiver.poll(60)
        assert receiver.recv() == [list(vector(text)) for text in TEXTS]
    finally:
        child.join(60)
        receiver.close()
        sender.close()
    assert child.exitcode == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_inside_a_running_loop(server: Server) -> None:
    async def caller() -> None:
        test_called_in_a_child_process(server, "fork")

    asyncio.run(caller())


def test_pickles_to_its_settings(server: Server) -> None:
    embed = embedder(server, batch_size=2, api_key_env=None)
    embed(["before"])
    copy = pickle.loads(pickle.dumps(embed))
    assert repr(copy) == repr(embed)
    assert copy(TEXTS) == embed(TEXTS)
