"""A model on a Ray cluster, through Ray Data's batch processors for language models.

    golong run --engine ray --base-url http://a:8000/v1 --base-url http://b:8000/v1 --engine-arg workers=4
    golong run --engine ray --model org/model --engine-arg workers=8 --engine-arg address=auto

With ``--base-url`` its workers ask OpenAI-compatible servers; without, each is a replica of the model in vLLM.
docs/clusters.md says when this is the engine to take, and what it costs.

Engine arguments: ``workers`` (1), ``batch_size`` (16; requests that a worker is handed together), ``address`` (of the
cluster; else ``RAY_ADDRESS``, else a Ray on this machine). With servers also ``timeout``, ``deadline``, ``retries``,
``body`` and ``server``, as in the openai engine; without, ``engine_kwargs`` (fields of ``vllm.EngineArgs`` as JSON).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, Self

from pydantic import Field, JsonValue

from golong_eval._optional import require
from golong_eval.engines.arguments import read_arguments
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.encoding import failed
from golong_eval.engines.ray.replicas import RayReplicas
from golong_eval.engines.ray.servers import RayServers
from golong_eval.engines.ray.stream import PURPOSE, RayStream, connect
from golong_eval.engines.surrogates import without_surrogates
from golong_eval.errors import ConfigError, EngineError
from golong_eval.schema import Frozen, Generation

__all__ = ["RayEngine"]

_BATCH_SIZE = 16
_OF_SERVERS = ("timeout", "deadline", "retries", "body", "server")


class _Arguments(Frozen):
    workers: int = Field(default=1, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    address: str | None = None
    timeout: float | None = None
    deadline: float | None = None
    retries: int | None = None
    body: dict[str, JsonValue] | None = None
    server: str | None = None
    engine_kwargs: dict[str, JsonValue] | None = None


class _Work(Protocol):
    """What differs between the two processors."""

    kind: str
    max_length: int | None
    thinks: bool
    window: int
    """Requests that are in Ray's hands at once."""

    def describe(self) -> dict[str, str | int | float | bool | None]: ...

    def over_length(self, request: GenerationRequest) -> str | None: ...

    def processor(self) -> Any: ...

    def prepare(self, request: GenerationRequest) -> Any: ...

    def row(self, item: Any) -> dict[str, Any]: ...

    def read(self, item: Any, row: dict[str, Any]) -> Generation: ...


class RayEngine:
    """An engine over ``ray.data.llm``. Make it with `open`.

    Args:
        work: The processor's side of it.
        workers: Ray workers.
        owns_ray: Whether `close` disconnects from Ray, and ends the Ray of this process.
    """

    name = "ray"
    native_n = False

    def __init__(self, work: _Work, workers: int, *, owns_ray: bool) -> None:
        self._work = work
        self._workers = workers
        self._owns_ray = owns_ray
        self.max_length = work.max_length
        self.thinks = work.thinks

    @classmethod
    def open(cls, model: str, settings: EngineSettings) -> Self:
        """Connect to Ray, and to the servers or read the checkpoint's configuration.

        Replicas load the model only when the first requests come.

        Args:
            model: Served name; or folder, on every node, or hub name.
            settings: How to generate. A Ray that this process is connected to already is used and left as it is.

        Raises:
            MissingExtraError: Ray is not installed; or vLLM, and no server is named.
            ConfigError: An engine argument does not fit; there is no cluster, or no server.
            ModelError: There is no checkpoint, or a server does not have the model.
        """
        arguments = read_arguments(_Arguments, cls.name, settings.args)
        of_servers = {key: value for key in _OF_SERVERS if (value := getattr(arguments, key)) is not None}
        workers = arguments.workers
        size = arguments.batch_size or -(-(settings.concurrency or _BATCH_SIZE * workers) // workers)
        if settings.base_urls and arguments.engine_kwargs is not None:
            raise ConfigError(
                "engine arguments of ray: engine_kwargs is for replicas, and --base-url names servers",
                "leave out one of them",
            )
        if not settings.base_urls and of_servers:
            raise ConfigError(
                f"engine arguments of ray: {', '.join(of_servers)}: for servers, and none is named",
                "leave it out, or name a server with --base-url",
            )
        owns_ray = connect(arguments.address)
        try:
            work: _Work
            if settings.base_urls:
                work = RayServers(model, settings.model_copy(update={"args": of_servers}), workers, size)
            else:
                work = RayReplicas(model, settings, arguments.engine_kwargs or {}, workers, size)
        except BaseException:
            if owns_ray:
                require("ray", "ray", PURPOSE).shutdown()
            raise
        return cls(work, workers, owns_ray=owns_ray)

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return versions, the kind of processor, the number of workers, and what the servers or vLLM are."""
        return {
            "ray": require("ray", "ray", PURPOSE).__version__,
            "processor": self._work.kind,
            "workers": self._workers,
            **self._work.describe(),
        }

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model, where that can be known."""
        return self._work.over_length(request)

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield generations as batches finish.

        One execution of Ray Data serves all requests. They are taken in the caller's thread, a few batches for each
        worker ahead. Closing the iterator stops the execution.

        Raises:
            EngineError: Ray ended the execution, or a worker can't ask the servers.
        """
        stream = iter(requests)
        numbers = itertools.count()
        due: dict[str, tuple[GenerationRequest, Any]] = {}
        ended = False
        with RayStream(self._work.processor()) as rows:
            while not ended or due:
                if not ended and len(due) < self._work.window:
                    request = next(stream, None)
                    if request is None:
                        ended = True
                        rows.end()
                    else:
                        key = str(next(numbers))
                        # Two samples of one name must not be mixed up on the way.
                        named = without_surrogates(request).model_copy(update={"sample_id": key})
                        item = self._work.prepare(named)
                        if isinstance(item, list):
                            yield from (_named(generation, request) for generation in item)
                        else:
                            due[key] = request, item
                            rows.put({"key": key, **self._work.row(item)})
                done = rows.take(wait=bool(due) and (ended or len(due) >= self._work.window))
                if done is None:  # the execution is over
                    if not ended:
                        raise EngineError("Ray ended the run before its end", "go on with --resume")
                    for request, _ in due.values():
                        yield from failed(request, "Ray handed no answer back")
                    return
                for row in done:
                    # Ray may run a row again whose worker was lost, and hand it back twice.
                    found = due.pop(row["key"], None)
                    if found is not None:
                        yield _named(self._work.read(found[1], row), found[0])

    def close(self) -> None:
        """Disconnect from Ray, and end it where it was started for this engine."""
        if self._owns_ray:
            self._owns_ray = False
            require("ray", "ray", PURPOSE).shutdown()


def _named(generation: Generation, request: GenerationRequest) -> Generation:
    return generation.model_copy(update={"sample_id": request.sample_id})
