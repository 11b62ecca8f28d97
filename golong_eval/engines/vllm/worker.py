"""One replica of a model, in a process of its own: ``python -m golong_eval.engines.vllm.worker READ WRITE``.

READ and WRITE are file descriptors, because vLLM prints to standard output. Both carry a JSON object a line.

    to the worker       {"model": ..., "settings": {...}}               once, first
                        {"number": 7, "request": {...}}                 answers to a prompt
                        {"abort": true}                                 drop all that was asked
                        end of file                                     end
    from the worker     {"ready": {...}} or {"failed": {...}}           once, first
                        {"number": 7, "generation": {...}}              an answer
                        {"died": "why"}                                 last, when vLLM died
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

from golong_eval.engines.base import EngineSettings, GenerationRequest
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
    inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read() -> None:
        # A thread, so that whoever writes to this process never waits for a step of the model.
        with os.fdopen(source, encoding="utf-8") as lines:
            for line in lines:
                inbox.put(json.loads(line))
        inbox.put(None)

    def write(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    for pipe in (source, sink):
        os.set_inheritable(pipe, False)  # a child that held it would hide this process's death
    threading.Thread(target=read, daemon=True).start()
    with os.fdopen(sink, "w", encoding="utf-8") as out:
        first = inbox.get()
        if first is None:
            return
        try:
            engine = opened(first["model"], EngineSettings.model_validate(first["settings"]))
        except GolongError as error:
            write({"failed": {"kind": type(error).__name__, "message": str(error), "hint": error.hint}})
            return
        ready = {"in_flight": engine.in_flight, "max_length": engine.max_length, "thinks": engine.thinks}
        write({"ready": ready | {"describe": engine.describe()}})
        try:
            _loop(engine, inbox, write)
        except EngineError as error:
            write({"died": str(error)})
        finally:
            engine.close()


def _loop(
    engine: Stepped, inbox: queue.SimpleQueue[dict[str, Any] | None], write: Callable[[dict[str, Any]], None]
) -> None:
    numbers: dict[tuple[str, int], int] = {}

    def tell(generations: list[Generation]) -> None:
        for generation in generations:
            number = numbers.pop((generation.sample_id, generation.repeat))
            write({"number": number, "generation": generation.model_dump(mode="json")})

    while True:
        while engine.idle or not inbox.empty():
            message = inbox.get()
            if message is None:
                return
            if "abort" in message:
                engine.abandon()
                numbers.clear()
                continue
            request = GenerationRequest.model_validate(message["request"])
            numbers |= {
                (request.sample_id, repeat): message["number"]
                for repeat in range(request.repeat, request.repeat + request.n)
            }
            tell(engine.offer(request))
        tell(engine.advance())


def _open(model: str, settings: EngineSettings) -> Stepped:
    from golong_eval.engines.vllm import VLLMEngine

    engine = VLLMEngine.open(model, settings)
    assert isinstance(engine, VLLMEngine)
    return engine


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), _open)
