"""A server for the tests of the openai engine, and pauses too short to notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from golong_eval.engines.openai import servers

from .chat_server import ChatServer


@pytest.fixture
def chat_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setattr(servers, "_BACKOFF", 0.005)
    monkeypatch.setattr(servers, "_LONGEST_BACKOFF", 0.02)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ChatServer() as server:
        yield server
