"""A real HTTP server that speaks ``/v1/chat/completions`` and ``/v1/models``, well or badly as a test asks.

with ChatServer() as server:
    server.script = [says(500), cuts_off()]     # the next two requests; well after that
    server.answer = lambda body: "[Answer] D1"  # what the model says
    OpenAIEngine.open("m", EngineSettings(base_urls=(server.url,)))
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = dict[str, Any]
Script = Callable[["Handler", Body], None]

MODEL = "m"


@dataclass
class Asked:
    """One request as it came."""

    at: float
    headers: dict[str, str]
    body: Body
    path: str


def prompt_of(body: Body) -> str:
    return str(body["messages"][0]["content"])


def completion(body: Body, *messages: Body, finish_reason: Any = "stop", **usage: Any) -> Body:
    """A good reply with these messages as its choices."""
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
        for index, message in enumerate(messages)
    ]
    words = sum(len(str(message.get("content") or "").split()) for message in messages)
    counts = {"prompt_tokens": len(prompt_of(body).split()), "completion_tokens": words, **usage}
    return {"object": "chat.completion", "model": body["model"], "choices": choices, "usage": counts}


class Handler(BaseHTTPRequestHandler):
    """Answers by the next entry of the server's script, or well where there is none left."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two packets, of which the second would wait 40 ms
    server: Chat

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)

    def finish(self) -> None:
        with self.server.lock:
            self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self.server.owner.got.append(self.path)
        if self.path == "/version":
            self.reply(200, {"version": "0.33.0"})
        else:
            self.server.owner.models(self, {})

    def do_POST(self) -> None:
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            owner.requests.append(Asked(time.monotonic(), dict(self.headers), body, self.path))
            owner.at_once += 1
            owner.most_at_once = max(owner.most_at_once, owner.at_once)
            script = owner.script.pop(0) if owner.script else owner.default
        try:
            script(self, body)
        finally:
            with self.server.lock:
                owner.at_once -= 1

    def reply(self, status: int, content: Any = b"", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


class Chat(ThreadingHTTPServer):
    """The listening socket of a `ChatServer`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, owner: ChatServer, port: int) -> None:
        self.owner = owner
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away


@dataclass
class ChatServer:
    """A server for tests; a context manager. `requests` is what it was asked, `script` how it answers next."""

    answer: Callable[[Body], str] = lambda body: "[Answer]\nD1"
    """What the model says to a body."""
    entry: Body = field(default_factory=lambda: {"id": MODEL, "owned_by": "vllm", "max_model_len": 4096})
    """The model in the list."""
    script: list[Script] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    port: int = 0
    delay: float = 0.0
    """Seconds that an answer takes."""
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.released = threading.Event()
        self.default: Script = answers
        self.models: Script = lambda handler, body: handler.reply(200, {"object": "list", "data": [self.entry]})
        self._chat: Chat | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def bodies(self) -> list[Body]:
        return [asked.body for asked in self.requests]

    def start(self) -> None:
        """Listen; after `stop`, on the same port again."""
        self.released.clear()
        self._chat = Chat(self, self.port)
        self.port = self._chat.server_address[1]
        self._thread = threading.Thread(target=self._chat.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections, and cut those that are open."""
        if self._chat is None:
            return
        self.released.set()
        self._chat.shutdown()
        self._chat.server_close()
        with self._chat.lock:
            for connection in self._chat.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._chat = None


def answers(handler: Handler, body: Body) -> None:
    """Answer well."""
    owner = handler.server.owner
    if owner.delay:
        owner.released.wait(owner.delay)
    handler.reply(200, completion(body, *({"content": owner.answer(body)} for _ in range(body.get("n", 1)))))


def says(status: int, content: Any = b"", **headers: str) -> Script:
    """Reply with a status and a body, whatever is asked."""
    return lambda handler, body: handler.reply(status, content, **headers)


def sends(*messages: Body, **rest: Any) -> Script:
    """Reply well with these messages."""
    return lambda handler, body: handler.reply(200, completion(body, *messages, **rest))


def refuses(message: str, status: int = 400, **error: Any) -> Script:
    """Refuse in OpenAI's words."""
    return says(status, {"error": {"message": message, "type": "invalid_request_error", **error}})


def stalls(handler: Handler, body: Body) -> None:
    """Say nothing until the server stops."""
    handler.server.owner.released.wait(60)
    handler.close_connection = True


def hangs_up(handler: Handler, body: Body) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def cuts_off(handler: Handler, body: Body) -> None:
    """Close the connection in the middle of a good body."""
    data = json.dumps(completion(body, {"content": "half"})).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    handler.close_connection = True


def truncates(handler: Handler, body: Body) -> None:
    """Send half of a good body as if it were all."""
    data = json.dumps(completion(body, {"content": "half"})).encode()
    handler.reply(200, data[: len(data) // 2])


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
