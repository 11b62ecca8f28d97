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
from contextlib import contextmanager

from golong_eval.rewards.math_child import ChildGoneError, MathChild
from golong_eval.rewards.outcome import Comparison, Verdict

__all__ = ["SECONDS", "MathPool", "shared_pool", "usable_cpus"]

SECONDS = 2.0
"""CPU time that one comparison may take; by the clock it may take five times as much. Most take some milliseconds."""

_MAX_PROCESSES = 8
_CHUNK = 8  # comparisons that a process is given at a time
_STARTS = 3  # attempts to start a process
_RETIRE = 5000  # comparisons after which a process is replaced: sympy and the parser keep what they have seen
_CACHED = 1 << 14
_CLOSED = Verdict("down", "the pool was closed", lasting=False)


def usable_cpus() -> int:
    """Return how many CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class MathPool:
    """Up to `size` processes, started when they are needed.

    Args:
        size: Most processes at once; None for one a usable CPU, at most 8. Each takes about 80 MB.
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
            (verdict,) = self.run([comparison])
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
        chunks = [missing[i : i + chunk] for i in range(0, len(missing), chunk)]
        work = _Work(self, chunks)
        # Daemon threads: at exit nobody waits for them, and the end of the processes frees them.
        try:
            for number in range(threads):
                threading.Thread(target=work.run, name=f"golong-math-{number}", daemon=True).start()
        except RuntimeError:  # the interpreter shuts down, and starts no thread any more: this one does the work
            work.run()

        def made() -> list[Verdict]:
            new = list(zip(missing, work.result(), strict=True))
            self._keep(new)
            found.update(new)
            return [verdict for comparison in comparisons if (verdict := found[comparison]) is not None]

        try:
            yield made
        finally:
            work.stop.set()

    def close(self) -> None:
        """End the processes. They start again when they are needed."""
        # Without waiting for those at work: at exit a daemon thread may hold one for good, and the kill frees it.
        self.closed += 1
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
        self.closed = 0
        """How often the pool was closed."""
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
                if verdict.lasting:
                    self._cache[comparison] = verdict
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)

    def run(
        self, comparisons: Sequence[Comparison], stop: threading.Event | None = None, closed: int | None = None
    ) -> list[Verdict]:
        """Return the verdicts of one process, replaced as often as it takes.

        Args:
            comparisons: What to compare.
            stop: Says to end early.
            closed: How often the pool was closed when this work began: closing it once more ends the work.
        """
        verdicts: list[Verdict] = []
        deaths = 0
        closed = self.closed if closed is None else closed
        with self._room:
            while len(verdicts) < len(comparisons) and not (stop and stop.is_set()):
                if closed != self.closed:
                    return verdicts + [_CLOSED] * (len(comparisons) - len(verdicts))
                try:
                    child = self._take()
                except ChildGoneError as error:
                    down = Verdict("down", str(error), lasting=False)
                    return verdicts + [down] * (len(comparisons) - len(verdicts))
                done = len(verdicts)
                try:
                    for verdict in child.answers(comparisons[done:], self.seconds):
                        verdicts.append(verdict)
                        deaths = 0
                except (ChildGoneError, TimeoutError, OSError, ValueError) as error:
                    self._discard(child)
                    if closed != self.closed:
                        continue
                    if child.timed_out:
                        verdicts.append(Verdict("failed", f"stopped after {self.seconds:g} seconds of CPU time"))
                        continue
                    if isinstance(error, TimeoutError):
                        verdicts.append(Verdict("failed", f"stopped: {error}", lasting=False))
                        continue
                    # The system may have killed it for somebody else's sake: only the second death is the item's.
                    deaths += 1
                    if deaths == 2:
                        verdicts.append(Verdict("failed", "the math process died of it", lasting=False))
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
                child = self._started()
                with self._lock:
                    self._processes.add(child)
                return child
            if child.alive:
                return child
            self._discard(child)

    def _started(self) -> MathChild:
        """Start a process; one that is killed while it starts is forgiven twice."""
        for _ in range(_STARTS - 1):
            try:
                return MathChild()
            except ChildGoneError:
                continue
        return MathChild()

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


class _Work:
    """Chunks of comparisons that several threads take from, and the verdicts that they made."""

    def __init__(self, pool: MathPool, chunks: Sequence[Sequence[Comparison]]) -> None:
        self.stop = threading.Event()
        self._pool = pool
        self._chunks = chunks
        self._closed = pool.closed
        self._made: dict[int, list[Verdict]] = {}
        self._failure: BaseException | None = None
        self._next = iter(range(len(chunks)))
        self._changed = threading.Condition()

    def run(self) -> None:
        """Take chunks until there is none."""
        while not self.stop.is_set():
            with self._changed:
                place = next(self._next, None)
            if place is None:
                return
            try:
                made = self._pool.run(self._chunks[place], self.stop, self._closed)
            except BaseException as error:  # noqa: BLE001  # for the thread that waits
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._made[place] = made
                self._changed.notify_all()

    def result(self) -> list[Verdict]:
        """Wait, and return all verdicts in order."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or len(self._made) == len(self._chunks))
        if self._failure is not None:
            raise self._failure
        return [verdict for place in range(len(self._chunks)) for verdict in self._made[place]]


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
