"""Ray workers that ask OpenAI-compatible servers: Ray Data's HTTP processor, with the openai engine as its client.

The processor alone would send a worker's requests one after the other, end the run when one of them fails, and carry
the key in its plan. It lets its client be replaced (``session_factory``): so each worker opens an `OpenAIEngine`, which
reads the key from the worker's own environment, spreads requests over all servers, tries again, and makes a failure a
`Generation`.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from golong_eval._optional import require
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.http_client import path_url, read_key
from golong_eval.engines.openai import OpenAIEngine
from golong_eval.engines.ray.stream import PURPOSE
from golong_eval.errors import ConfigError, EngineError, GolongError
from golong_eval.schema import Generation

__all__ = ["RayServers"]

_CPUS = 0.01  # of a worker, which only waits; whole ones would leave a small machine none for the rest of the pipeline

_Asked = tuple[GenerationRequest, "asyncio.Future[_Response]"]


class RayServers:
    """The HTTP processor, seen from the process that runs the evaluation.

    Args:
        model: The name that the servers know it by.
        settings: How to generate; ``args`` are those of the openai engine.
        workers: Ray workers.
        batch_size: Requests that a worker has in flight.

    Raises:
        GolongError: As `OpenAIEngine.open`.
    """

    kind = "http"

    def __init__(self, model: str, settings: EngineSettings, workers: int, batch_size: int) -> None:
        self._engine = OpenAIEngine.open(model, settings)
        self.max_length = self._engine.max_length
        self.thinks = self._engine.thinks
        self.window = 3 * workers * batch_size  # at work, waiting for the workers, and on the way
        self._urls = settings.base_urls
        self._workers = workers
        self._batch_size = batch_size
        own = settings.model_copy(update={"concurrency": batch_size, "max_model_len": self.max_length})
        self._client = _Client(model, own.model_dump_json(), bool(read_key(settings.api_key_env)))

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return what the openai engine tells of the servers."""
        return self._engine.describe()

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model, where that can be known."""
        return self._engine.over_length(request)

    def processor(self) -> Any:
        """Return a processor of Ray Data."""
        llm = require("ray.data.llm", "ray", PURPOSE)
        data = require("ray.data", "ray", PURPOSE)
        light = {"num_cpus": 0, "compute": data.TaskPoolStrategy(size=1)}
        config = llm.HttpRequestProcessorConfig(
            url=path_url(self._urls[0], "chat/completions"),  # must be given; the client knows all of them
            batch_size=self._batch_size,
            concurrency=(self._workers, self._workers),  # not fewer to begin with
            max_retries=0,  # the client tries again
            session_factory=self._client,
            http_request_stage={"num_cpus": _CPUS},
        )
        return llm.build_processor(config, postprocess=_kept, preprocess_map_kwargs=light, postprocess_map_kwargs=light)

    def prepare(self, request: GenerationRequest) -> GenerationRequest | list[Generation]:
        """Return the request: the worker's engine cuts or refuses it."""
        return request

    def row(self, item: GenerationRequest) -> dict[str, Any]:
        """Return the columns of a request's row."""
        return {"payload": item.model_dump_json()}

    def read(self, item: GenerationRequest, row: Mapping[str, Any]) -> Generation:  # noqa: ARG002 - as of the replicas
        """Return what a finished row says.

        Raises:
            EngineError: The worker can't ask the servers.
        """
        if row["fatal"]:
            raise EngineError(row["fatal"], row["hint"])
        return Generation.model_validate_json(row["answer"])


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that go back."""
    return {"key": row["key"], **row["http_response"]}


@dataclass(frozen=True)
class _Client:
    """Makes a worker's sessions. It travels to the workers, in plain sight: no key is in it."""

    model: str
    settings: str
    """`EngineSettings` as JSON."""
    needs_key: bool

    def __call__(self) -> _Session:
        return _Session(self)

    def engine(self) -> OpenAIEngine:
        """Return this process's engine."""
        return _open(self.model, self.settings, self.needs_key)


@functools.lru_cache(maxsize=1)
def _open(model: str, settings: str, needs_key: bool) -> OpenAIEngine:
    """Open a worker's engine, once: it remembers what it learned of the servers."""
    read = EngineSettings.model_validate_json(settings)
    if needs_key and not os.environ.get(read.api_key_env):
        raise ConfigError(
            f"{read.api_key_env} is set where the run was started, and not on the Ray node {platform.node()}",
            f"export {read.api_key_env} on every node before ray start",
        )
    return OpenAIEngine.open(model, read)


class _Session:
    """What the HTTP stage takes for an ``aiohttp.ClientSession``, for one batch of rows."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._asked: list[_Asked] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # every future was waited for, or the worker is ending

    def post(self, url: str, *, headers: Mapping[str, str], data: str) -> asyncio.Future[_Response]:  # noqa: ARG002
        """Return the future reply to a payload. The stage posts all rows of a batch before it waits for one."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._start, loop)
        reply: asyncio.Future[_Response] = loop.create_future()
        self._asked.append((GenerationRequest.model_validate_json(json.loads(data)), reply))
        return reply

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        asked, self._asked = self._asked, []
        loop.run_in_executor(None, self._ask, asked, loop)

    def _ask(self, asked: list[_Asked], loop: asyncio.AbstractEventLoop) -> None:
        """Ask, in a thread: the engine is synchronous."""
        waiting = {request.sample_id: reply for request, reply in asked}
        fatal, hint = "a Ray worker has no answer and no reason", "this is a defect of the engine: please report it"
        try:
            for generation in self._client.engine().generate(request for request, _ in asked):
                answer = _Response({"answer": generation.model_dump_json(), "fatal": "", "hint": ""})
                loop.call_soon_threadsafe(waiting.pop(generation.sample_id).set_result, answer)
        except GolongError as error:
            fatal, hint = str(error), error.hint
        except Exception as error:  # noqa: BLE001 - raised again where the run was started
            fatal = f"a Ray worker failed ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        for reply in waiting.values():
            loop.call_soon_threadsafe(reply.set_result, _Response({"answer": "", "fatal": fatal, "hint": hint}))


class _Response:
    """What the HTTP stage takes for an ``aiohttp.ClientResponse``."""

    status = 200

    def __init__(self, content: dict[str, str]) -> None:
        self._content = content

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # nothing is open

    async def json(self) -> dict[str, str]:
        """Return the row's new columns."""
        return self._content
