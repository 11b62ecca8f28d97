"""An event loop in a thread of its own, for synchronous code: work goes in, finished values come out in batches."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

__all__ = ["LoopThread"]

_FLUSH_SECONDS = 0.005  # values that come together are handed over together: a hand-over wakes a thread

_Value = TypeVar("_Value")


class LoopThread(Generic[_Value]):
    """The loop, its thread, and what is handed over. A context manager that leaves no thread behind.

    Args:
        main: The coroutine function to run. It gets the future whose end tells it to clean up and return.
    """

    def __init__(self, main: Callable[[asyncio.Future[None]], Coroutine[Any, Any, None]]) -> None:
        self.loop = asyncio.new_event_loop()
        self._main = main
        self._stopped: asyncio.Future[None] = self.loop.create_future()
        self._outbox: list[_Value] = []
        self._flushing = False
        self._results: queue.SimpleQueue[list[_Value] | Exception] = queue.SimpleQueue()
        # A daemon, since a generator that nobody closes must not keep the interpreter from ending; atexit closes it.
        self._thread = threading.Thread(target=self._run, name="golong-endpoint", daemon=True)

    # In the caller's thread

    def __enter__(self) -> Self:
        atexit.register(self.stop)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def call(self, callback: Callable[..., None], *args: object) -> None:
        """Call something in the loop's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: take() says why
            self.loop.call_soon_threadsafe(self.guarded, callback, *args)

    def take(self, *, wait: bool) -> list[_Value]:
        """Return what was handed over since; with `wait`, not before something was.

        Raises:
            Exception: What `fail` was given. What was handed over before it was returned before.
        """
        taken: list[_Value] = []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._results.get(block=wait and not taken)
                if isinstance(item, Exception):
                    if not taken:
                        raise item
                    self._results.put(item)
                    break
                taken += item
        return taken

    def stop(self) -> None:
        """Let the coroutine clean up, and wait for the thread to end. May be called again, and in any thread."""
        atexit.unregister(self.stop)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._stop)
        # A generator that is left to the garbage collector may be closed in any thread, also this one.
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # In the loop's thread

    def hand_over(self, value: _Value) -> None:
        """Hand a value to the caller."""
        self._outbox.append(value)
        if not self._flushing:
            self._flushing = True
            self.loop.call_later(_FLUSH_SECONDS, self._flush)

    def fail(self, error: Exception) -> None:
        """Raise an error in the caller's thread, after what was handed over."""
        self._flush()
        self._results.put(error)

    def guarded(self, callback: Callable[..., None], *args: object) -> None:
        """Call something whose error must reach the caller, who would wait for ever."""
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self.fail(error)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(self._main(self._stopped))
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self._results.put(error)

    def _stop(self) -> None:
        if not self._stopped.done():
            self._stopped.set_result(None)

    def _flush(self) -> None:
        self._flushing = False
        if self._outbox:
            self._results.put(self._outbox)
            self._outbox = []
