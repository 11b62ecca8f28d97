"""math_verify in one killable child process, shared by all threads of this process.

Why a child: sympy can be made to hang or to eat all memory by a short text, only a kill ends that, and the limits
that math_verify brings use SIGALRM, which works in the main thread alone. Why `subprocess` and not
`multiprocessing`: it works from threads, stdin scripts, scripts without a main guard and daemonic processes.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["SECONDS", "MathProcess", "Verdict", "compare"]

SECONDS = 5.0
"""Wall-clock limit of one comparison."""

_START_SECONDS = 120.0
_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class Verdict:
    """What came of a comparison.

    ``equal`` and ``different`` are math_verify's; ``gold_unread`` and ``answer_unread`` say that it could not parse
    that side. ``failed`` is the item's fault (time, memory, an exception): it was stopped and the child replaced.
    ``down`` is ours: there is no child to ask.
    """

    outcome: Literal["equal", "different", "gold_unread", "answer_unread", "failed", "down"]
    reason: str = ""


class _ChildGoneError(Exception):
    """The child closed its output."""


class MathProcess:
    """A child process, started when first needed and restarted after a kill.

    Args:
        seconds: Wall-clock limit of one comparison.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    def compare(self, gold: str, answer: str) -> Verdict:
        """Return whether math_verify takes two expressions for the same."""
        if self._owner != os.getpid():
            self.forget()
        with self._lock:
            try:
                child = self._running()
            except (OSError, _ChildGoneError, TimeoutError) as error:
                self._kill()
                return Verdict("down", f"the math process could not be started: {error}")
            try:
                reply = self._ask(child, {"gold": gold, "answer": answer, "seconds": self.seconds})
            except TimeoutError:
                self._kill()
                return Verdict("failed", f"stopped after {self.seconds:g} seconds")
            except (OSError, ValueError, _ChildGoneError):
                self._kill()
                return Verdict("failed", "the math process died of it")
            except BaseException:  # Ctrl-C while waiting: the reply of this item must not answer the next one
                self._kill()
                raise
        if "error" in reply:
            return Verdict("failed", reply["error"])
        if not reply["gold_read"]:
            return Verdict("gold_unread", "math_verify can't read the gold")
        if not reply["answer_read"]:
            return Verdict("answer_unread", "math_verify can't read the answer")
        return Verdict("equal" if reply["equal"] else "different")

    def close(self) -> None:
        """End the child. It starts again when it is needed."""
        # Without the lock: at exit a daemon thread may hold it for good, and the kill is what frees it.
        if self._owner == os.getpid():
            self._kill()

    def forget(self) -> None:
        """Drop, in a forked process, the parent's child and its pipes without touching the child."""
        child, self._child = self._child, None
        self._lock = threading.Lock()  # the old one may have been held by a thread that was not forked
        self._owner = os.getpid()
        if child is not None:
            child.returncode = 0  # not ours to wait for
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._kill()
        path = dict.fromkeys([_ROOT, *filter(None, sys.path)])
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "golong_eval.rewards.math_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONWARNINGS": "ignore"},
            # A Ctrl-C in the terminal is for the program, which then decides about its child.
            start_new_session=True,
        )
        self._child = child
        ready = self._read(child, _START_SECONDS)
        if not ready.get("ready"):
            raise _ChildGoneError(ready.get("error", "no reason given"))
        return child

    def _ask(self, child: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any]:
        assert child.stdin is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")  # far smaller than a pipe's buffer
        return self._read(child, self.seconds)

    def _read(self, child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """Read one line within a time."""
        assert child.stdout is not None
        deadline = time.monotonic() + seconds
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError(f"no reply in {seconds:g} seconds")
                chunk = os.read(child.stdout.fileno(), 65536)
                if not chunk:
                    raise _ChildGoneError("it ended")
                received += chunk
        reply: dict[str, Any] = json.loads(received)
        return reply

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


_SHARED = MathProcess()
atexit.register(_SHARED.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SHARED.forget)


def compare(gold: str, answer: str) -> Verdict:
    r"""Return whether math_verify takes two expressions for the same, by the child that this process shares.

    >>> compare(r"2\sqrt{3}", r"\sqrt{12}").outcome
    'equal'
    """
    return _SHARED.compare(gold, answer)
