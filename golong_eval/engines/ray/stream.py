"""A Ray Data execution that is fed row by row and hands rows back as they are done.

    caller's thread     put(row), put(row), ... take() -> rows ... end()
    Ray                 a queue -> a task that reads it -> the processor's stages
    reader's thread     blocks of finished rows -> a queue in this process

One execution serves a whole run. An execution for each chunk of rows would be simpler, and would load the model anew
for each chunk.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from golong_eval._optional import require
from golong_eval.errors import ConfigError, EngineError

__all__ = ["PURPOSE", "RayStream", "connect"]

PURPOSE = "the ray engine"
_FIRST = "first"  # what stands in the queue before the rows
_LOOK_SECONDS = 10.0  # for a connection to a cluster's head
_CLOSE_SECONDS = 30.0  # after which an execution that does not stop is left to Ray's own shutdown


def connect(address: str | None) -> bool:
    """Connect to a Ray cluster, or start Ray on this machine; return whether this call did either.

    Args:
        address: Of the cluster; None is the one in ``RAY_ADDRESS``, else a Ray of this process alone.

    Raises:
        MissingExtraError: Ray, or what its data library needs, is not installed.
        ConfigError: There is no cluster.
    """
    # Ray reports its use to its makers unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = require("ray", "ray", PURPOSE)
    require("ray.data.llm", "ray", PURPOSE)
    if ray.is_initialized():
        return False
    _look(address or os.environ.get("RAY_ADDRESS") or "")
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_ray(address or os.environ.get("RAY_ADDRESS") or "this machine", error) from error
    return True


def _look(address: str) -> None:
    """Raise if nobody listens at an address of the form host:port. Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    if re.fullmatch(r"[\w.-]+", host) and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), _LOOK_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _no_ray(address, error) from error


def _no_ray(where: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"no Ray at {where} ({' '.join(str(error).split())[:300]})",
        "start it with ray start --head, or leave --engine-arg address and RAY_ADDRESS out to run on this machine",
    )


class RayStream:
    """One execution of a processor. A context manager; leaving it early stops the execution.

    Args:
        processor: What ``ray.data.llm.build_processor`` returns. Its rows have a column ``key``.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._feed: Any = None
        self._thread: threading.Thread | None = None
        self._results: queue.SimpleQueue[list[dict[str, Any]] | Exception | None] = queue.SimpleQueue()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        if kind is not None or not self._ended:
            # Ray Data offers no way to stop an execution from outside: the loss of its source ends it.
            with contextlib.suppress(Exception):
                self._feed.shutdown(force=True)
        self._thread.join(_CLOSE_SECONDS)
        if kind is None and self._ended:
            self._feed.shutdown(force=True)

    def put(self, row: Mapping[str, Any]) -> None:
        """Hand a row over. The first one starts the execution.

        Raises:
            EngineError: Ray has lost the queue.
        """
        if self._thread is None:
            self._start()
        self._send(dict(row))

    def end(self) -> None:
        """Say that no further row comes."""
        if self._thread is not None:
            self._send(None)
        self._ended = True

    def take(self, *, wait: bool) -> list[dict[str, Any]] | None:
        """Return the rows that were done since; with `wait`, not before there is one; None after the last.

        Raises:
            EngineError: Ray ended the execution.
        """
        if self._thread is None:
            return None if self._ended else []
        taken: list[dict[str, Any]] = []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._results.get(block=wait and not taken)
                if isinstance(item, list):
                    taken += item
                    continue
                if taken:  # it is told when all before it is taken
                    self._results.put(item)
                    break
                if item is None:
                    return None
                raise _ended_by_ray(item) from item
        return taken

    def _start(self) -> None:
        ray = require("ray", "ray", PURPOSE)
        data = require("ray.data", "ray", PURPOSE)
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what ends the execution is raised by take()
        # The queue and its reader stay beside this process: rows that were read from the queue can't be read again,
        # so the loss of another machine must not take them along.
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        self._feed = require("ray.util.queue", "ray", PURPOSE).Queue(
            actor_options={"num_cpus": 0, "label_selector": here}
        )
        self._feed.put(_FIRST)
        # One row that is there already: to read one would take a CPU, which the workers may have taken.
        source = data.from_items([{"row": 0}]).map_batches(
            _Feed,
            fn_constructor_args=(self._feed,),
            batch_size=None,
            compute=data.ActorPoolStrategy(size=1),
            num_cpus=0,
            label_selector=here,
        )
        dataset = self._processor(source)
        # A block of its own for each row: Ray Data gathers rows up to this size before it hands them on, and the
        # rows that fill the block would wait for those in it.
        dataset.context.target_max_block_size = 1
        dataset.context.enable_progress_bars = False
        dataset.context.print_on_execution_start = False
        self._thread = threading.Thread(target=self._read, args=(dataset,), name="golong-ray", daemon=True)
        self._thread.start()

    def _read(self, dataset: Any) -> None:
        try:
            for block in dataset.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow"):
                self._results.put(block.to_pylist())
        except Exception as error:  # noqa: BLE001 - raised again by take(), in the caller's thread
            self._results.put(error)
        else:
            self._results.put(None)

    def _send(self, row: dict[str, Any] | None) -> None:
        try:
            self._feed.put(row)
        except Exception as error:
            raise _ended_by_ray(error) from error


class _Feed:
    """The task that reads the queue until it gets None."""

    def __init__(self, feed: Any) -> None:
        self._feed = feed

    def __call__(self, batch: Any) -> Iterator[dict[str, list[Any]]]:  # noqa: ARG002 - Ray Data's signature
        if self._feed.get() != _FIRST:
            # Ray runs a task again whose worker was lost. What that one had read is gone.
            raise RuntimeError("the task that feeds the workers was lost")
        while (row := self._feed.get()) is not None:
            yield {column: [value] for column, value in row.items()}


def _ended_by_ray(error: Exception) -> EngineError:
    # What a worker raised comes as its whole traceback; the last line says what it was.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1][:300] if lines else "no reason given"
    return EngineError(
        f"Ray ended the run ({type(error).__name__}: {said})",
        "the logs of its workers say more (ray logs, or the session's folder); then go on with --resume",
    )
