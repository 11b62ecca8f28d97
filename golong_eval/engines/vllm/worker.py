"""One replica of a model, in a process of its own: ``python -m golong_eval.engines.vllm.worker READ WRITE``.

READ and WRITE are file descriptors, because vLLM prints to standard output. Both carry a JSON object a line.

    to the worker       {"model": ..., "settings": {...}}               once, first
                        {"request": {...}}                              answers to a prompt
                        {"abort": true}                                 drop all that was asked
                        end of file                                     end, also while the model is loaded
    from the worker     {"ready": {...}} or {"failed": {...}}           once, first
                        {"generation": {...}}                           an answer
                        {"died": "why"}                                 last, when vLLM died
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.vllm.engine import FILL_SECONDS
from golong_eval.errors import EngineError, GolongError
from golong_eval.schema import Generation

__all__ = ["serve"]


class Stepped(Protocol):
    """What is served: an engine that is given requests and advanced by hand."""

    in_flight: int
    max_length: int | None
    thinks: bool

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        ...

    @property
    def full(self) -> bool:
        """Whether a request that was offered still waits for room."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what should be recorded of it."""
        ...

    def offer(self, request: GenerationRequest) -> list[Generation]:
        """Take a request."""
        ...

    def advance(self) -> list[Generation]:
        """Go on, and return what is finished."""
        ...

    def abandon(self) -> None:
        """Drop all requests."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...


def serve(source: int, sink: int, opened: Callable[[str, EngineSettings], Stepped]) -> None:
    """Serve one engine until the end of the input.

    Args:
        source: File descriptor to read from.
        sink: File descriptor to write to.
        opened: Opens the engine.
    """
    mail = _Mail()
    opening = threading.Event()

    def read() -> None:
        # A thread, so that whoever writes to this process never waits for a step of the model.
        with os.fdopen(source, encoding="utf-8") as lines:
            for line in lines:
                mail.put(json.loads(line))
        if not opening.is_set():
            os._exit(1)  # nobody waits for the model any more, and loading it can take minutes
        mail.put(None)

    def write(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    for pipe in (source, sink):
        os.set_inheritable(pipe, False)  # a child that held it would hide this process's death
    threading.Thread(target=read, daemon=True).start()
    with os.fdopen(sink, "w", encoding="utf-8") as out:
        first = mail.first()
        try:
            engine = opened(first["model"], EngineSettings.model_validate(first["settings"]))
        except GolongError as error:
            write({"failed": {"kind": type(error).__name__, "message": str(error), "hint": error.hint}})
            return
        finally:
            opening.set()
        ready = {"in_flight": engine.in_flight, "max_length": engine.max_length, "thinks": engine.thinks}
        write({"ready": ready | {"describe": engine.describe()}})
        try:
            _loop(engine, mail, write)
        except EngineError as error:
            write({"died": str(error)})
        finally:
            engine.close()


class _Mail:
    """What was sent and is not yet taken. An abort and the end are seen at once, before the requests ahead of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[dict[str, Any]] = deque()
        self._aborted = False
        self._ended = False

    def put(self, message: dict[str, Any] | None) -> None:
        """Add a message; None is the end."""
        with self._changed:
            if message is None:
                self._ended = True
            elif "abort" in message:
                self._waiting.clear()
                self._aborted = True
            else:
                self._waiting.append(message)
            self._changed.notify()

    def first(self) -> dict[str, Any]:
        """Wait for a message and take it."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting))
            return self._waiting.popleft()

    def wait(self) -> None:
        """Wait until there is anything to see."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._aborted or self._ended)

    def take(self, *, read: bool) -> tuple[bool, dict[str, Any] | None]:
        """Return whether there was an abort since the last time, and with `read` the first message after it, if any."""
        with self._changed:  # one step: what comes after an abort is of the next run, and must not fall to it
            aborted, self._aborted = self._aborted, False
            return aborted, self._waiting.popleft() if read and self._waiting else None

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more, and nobody reads."""
        return self._ended


def _loop(engine: Stepped, mail: _Mail, write: Callable[[dict[str, Any]], None]) -> None:
    def tell(generations: list[Generation]) -> None:
        for generation in generations:
            write({"generation": generation.model_dump(mode="json")})

    while True:
        if engine.idle:
            mail.wait()
        until = time.monotonic() + FILL_SECONDS
        while not mail.ended:
            # To tokenise all that was sent would hold its tokens in memory, and the finished answers back.
            aborted, message = mail.take(read=not engine.full and time.monotonic() < until)
            if aborted:
                engine.abandon()
            if message is None:
                break
            tell(engine.offer(GenerationRequest.model_validate(message["request"])))
        if mail.ended:
            return
        if not engine.idle:
            tell(engine.advance())


def _open(model: str, settings: EngineSettings) -> Stepped:
    from golong_eval.engines.vllm import VLLMEngine

    engine = VLLMEngine.open(model, settings)
    assert isinstance(engine, VLLMEngine)
    return engine


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), _open)
