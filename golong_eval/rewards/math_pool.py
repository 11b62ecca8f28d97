"""math_verify in a pool of killable processes, shared by all threads of this process.

The pool starts a process when a comparison comes and all are busy, keeps them warm, replaces those that were killed,
and ends them at exit. A forked process gets a pool of its own.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from golong_eval.rewards.math_child import ChildGoneError, MathChild
from golong_eval.rewards.outcome import Comparison, Verdict

__all__ = ["SECONDS", "MathPool", "shared_pool", "usable_cpus"]

SECONDS = 2.0
"""CPU time that one comparison may take; by the clock it may take five times as much. Most take some milliseconds."""

_MAX_PROCESSES = 8
_CHUNK = 8  # comparisons that a process is given at a time
_RETIRE = 5000  # comparisons after which a process is replaced: sympy and the parser keep what they have seen
_CACHED = 1 << 14


def usable_cpus() -> int:
    """Return how many CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class MathPool:
    """Up to `size` processes, started when they are needed.

    Args:
        size: Most processes at once; None for one a usable CPU, at most 8. Each takes about 100 MB.
        seconds: CPU time limit of one comparison.
    """

    def __init__(self, size: int | None = None, seconds: float = SECONDS) -> None:
        self.size = size or min(usable_cpus(), _MAX_PROCESSES)
        self.seconds = seconds
        self.forget()

    def compare(self, comparison: Comparison) -> Verdict:
        """Return the verdict of one comparison."""
        verdict = self._recall([comparison])[comparison]
        if verdict is None:
            (verdict,) = self._run([comparison])
            self._keep([(comparison, verdict)])
        return verdict

    @contextmanager
    def comparing(
        self, comparisons: Sequence[Comparison], workers: int | None = None
    ) -> Iterator[Callable[[], list[Verdict]]]:
        """Compare in the background; the context's value waits, and returns the verdict of each comparison in order.

        Each distinct comparison is made once.

        Args:
            comparisons: What to compare.
            workers: Most processes to use at once; None for as many as the pool may have.
        """
        found = self._recall(comparisons)
        missing = [comparison for comparison, verdict in found.items() if verdict is None]
        threads = min(len(missing), self.size, workers or self.size)
        if not threads:
            yield lambda: [verdict for comparison in comparisons if (verdict := found[comparison]) is not None]
            return
        chunk = min(_CHUNK, -(-len(missing) // threads))
        stop = threading.Event()
        executor = ThreadPoolExecutor(threads, "golong-math")
        chunks = [missing[i : i + chunk] for i in range(0, len(missing), chunk)]
        try:
            futures = [executor.submit(self._run, part, stop) for part in chunks]
        except RuntimeError:  # the interpreter shuts down, and starts no thread any more: this one does the work
            futures = []

        def made() -> list[Verdict]:
            parts = (future.result() for future in futures) if futures else map(self._run, chunks)
            new = list(zip(missing, (verdict for part in parts for verdict in part), strict=True))
            self._keep(new)
            found.update(new)
            return [verdict for comparison in comparisons if (verdict := found[comparison]) is not None]

        try:
            yield made
        finally:
            stop.set()
            executor.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the processes. They start again when they are needed."""
        # Without waiting for those at work: at exit a daemon thread may hold one for good, and the kill frees it.
        self._closed += 1
        while self._processes:
            self._processes.pop().kill()
        self._idle.clear()

    def forget(self) -> None:
        """Start anew, in a forked process, without touching the parent's processes."""
        for child in getattr(self, "_processes", ()):
            child.forget()
        # The locks may have been held by a thread that was not forked.
        self._lock = threading.Lock()
        self._room = threading.Semaphore(self.size)
        self._closed = 0
        self._idle: list[MathChild] = []
        self._processes: set[MathChild] = set()
        self._cache: OrderedDict[Comparison, Verdict] = OrderedDict()

    def _recall(self, comparisons: Iterable[Comparison]) -> dict[Comparison, Verdict | None]:
        with self._lock:
            found: dict[Comparison, Verdict | None] = {}
            for comparison in comparisons:
                if comparison not in found:
                    found[comparison] = self._cache.get(comparison)
                    if found[comparison] is not None:
                        self._cache.move_to_end(comparison)
            return found

    def _keep(self, verdicts: Iterable[tuple[Comparison, Verdict]]) -> None:
        with self._lock:
            for comparison, verdict in verdicts:
                if verdict.outcome != "down":
                    self._cache[comparison] = verdict
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)

    def _run(self, comparisons: Sequence[Comparison], stop: threading.Event | None = None) -> list[Verdict]:
        """Return the verdicts of one process, replaced as often as it takes."""
        verdicts: list[Verdict] = []
        deaths = 0
        closed = self._closed
        with self._room:
            while len(verdicts) < len(comparisons) and not (stop and stop.is_set()):
                try:
                    child = self._take()
                except ChildGoneError as error:
                    return verdicts + [Verdict("down", str(error))] * (len(comparisons) - len(verdicts))
                done = len(verdicts)
                try:
                    for verdict in child.answers(comparisons[done:], self.seconds):
                        verdicts.append(verdict)
                        deaths = 0
                except (ChildGoneError, TimeoutError, OSError, ValueError) as error:
                    self._discard(child)
                    if isinstance(error, TimeoutError) or child.timed_out:
                        verdicts.append(Verdict("failed", f"stopped after {self.seconds:g} seconds"))
                        continue
                    if closed != self._closed:
                        return verdicts + [Verdict("down", "closed")] * (len(comparisons) - len(verdicts))
                    # The system may have killed it for somebody else's sake: only the second death is the item's.
                    deaths += 1
                    if deaths == 2:
                        verdicts.append(Verdict("failed", "the math process died of it"))
                        deaths = 0
                except BaseException:  # Ctrl-C while waiting: the reply of this item must not answer the next one
                    self._discard(child)
                    raise
                else:
                    self._give_back(child)
        return verdicts

    def _take(self) -> MathChild:
        while True:
            with self._lock:
                child = self._idle.pop() if self._idle else None
            if child is None:
                child = MathChild()
                with self._lock:
                    self._processes.add(child)
                return child
            if child.alive:
                return child
            self._discard(child)

    def _give_back(self, child: MathChild) -> None:
        if child.spent or child.served >= _RETIRE:
            self._discard(child)
        else:
            with self._lock:
                self._idle.append(child)

    def _discard(self, child: MathChild) -> None:
        with self._lock:
            self._processes.discard(child)
        child.kill()


_SHARED = MathPool()
atexit.register(_SHARED.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SHARED.forget)


def shared_pool() -> MathPool:
    r"""Return the pool that this process shares.

    >>> shared_pool().compare(Comparison(r"2\sqrt{3}", r"\sqrt{12}")).outcome
    'equal'
    """
    return _SHARED
