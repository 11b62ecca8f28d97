"""A real HTTP server that speaks ``/v1/embeddings``, well or badly as a test asks."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from golong_eval.judges import endpoint

DIMENSIONS = 6


def vector(text: str) -> array[float]:
    """What the model of these tests makes of a text."""
    return array("f", [byte / 255 - 0.5 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]])


def good(body: dict[str, Any]) -> dict[str, Any]:
    data = [{"index": index, "embedding": list(vector(text))} for index, text in enumerate(body["input"])]
    return {"object": "list", "data": data, "model": body["model"]}


Answer = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Answers by the next entry of the server's script, or well where there is none left."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append((time.monotonic(), self.path, dict(self.headers), body))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
            answer = self.server.script.pop(0) if self.server.script else self.server.default
        try:
            answer(self, body)
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def reply(self, status: int, content: Any, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Counts what it is asked; `script` holds how to answer the next requests."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests: list[tuple[float, str, dict[str, str], dict[str, Any]]] = []
        self.script: list[Answer] = []
        self.default: Answer = lambda handler, body: handler.reply(200, good(body))
        self.at_once = self.most_at_once = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away


def says(status: int, content: Any = b"", **headers: str) -> Answer:
    return lambda handler, body: handler.reply(status, content, **headers)


def sends(change: Callable[[dict[str, Any]], Any]) -> Answer:
    """Answer with a good reply, changed."""
    return lambda handler, body: handler.reply(200, change(good(body)))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(endpoint, "_BACKOFF", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()
