"""One child process that compares expressions with math_verify, and that can be killed.

Why a process: sympy can be made to hang or to eat all memory by a short text, only a kill ends that, and the limits
that math_verify brings use SIGALRM, which works in the main thread alone. Why `subprocess` and not
`multiprocessing`: it works from threads, stdin scripts, notebooks, scripts without a main guard and daemonic
processes.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from golong_eval.rewards.outcome import Comparison, Verdict

__all__ = ["ChildGoneError", "MathChild"]

_START_SECONDS = 120.0
_WALL = 5.0  # wall-clock seconds for each second of CPU time
_IN_FLIGHT_BYTES = 32_000  # less than any pipe holds, so that a write never waits for a child that hangs
_ROOT = str(Path(__file__).resolve().parents[2])


class ChildGoneError(Exception):
    """The child ended, or could not be started."""


class MathChild:
    """A child that has loaded math_verify and waits for work.

    Raises:
        ChildGoneError: It could not be started; says why.
    """

    def __init__(self) -> None:
        self.served = 0
        """Comparisons that it has made."""
        self.spent = False
        """Whether it has run out of memory, and should be replaced."""
        self._received = b""
        path = dict.fromkeys([*filter(None, sys.path), _ROOT])
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "golong_eval.rewards.math_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(path),
                    "PYTHONWARNINGS": "ignore",
                    "PYTHONHASHSEED": "0",
                },
                # A Ctrl-C in the terminal is for the program, which then decides about its child.
                start_new_session=True,
            )
        except OSError as error:
            raise ChildGoneError(f"the math process could not be started: {error}") from error
        try:
            ready = self._receive(_START_SECONDS)
        except BaseException as error:
            self.kill()
            if isinstance(error, TimeoutError | ChildGoneError):
                raise ChildGoneError(f"the math process could not be started: {error}") from error
            raise
        if not ready.get("ready"):
            self.kill()
            raise ChildGoneError(f"the math process could not be started: {ready.get('error')}")

    @property
    def timed_out(self) -> bool:
        """Whether the process ended because an item took all its CPU time."""
        return hasattr(signal, "SIGPROF") and self.process.poll() == -signal.SIGPROF

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def answers(self, comparisons: Sequence[Comparison], seconds: float) -> Iterator[Verdict]:
        """Give the verdict of each comparison in order. Some are sent ahead, so that the child never waits.

        Ends early when the child is `spent`.

        Args:
            comparisons: What to compare.
            seconds: CPU time that each may take. Five times as much is its wall-clock limit: so on a busy machine too
                an honest item has the time that it needs, and the same items fail.

        Raises:
            TimeoutError: The comparison whose verdict was due took too long by the clock; kill the child.
            ChildGoneError: The child ended instead, perhaps because it `timed_out`.
        """
        waiting: list[int] = []  # bytes of what was sent and is not answered
        ahead = iter(comparisons)
        following = next(ahead, None)
        while following is not None or waiting:
            while following is not None:
                line = json.dumps([*following, seconds], ensure_ascii=False).encode("utf-8", "replace") + b"\n"
                if waiting and sum(waiting) + len(line) > _IN_FLIGHT_BYTES:
                    break
                if len(line) > _IN_FLIGHT_BYTES:
                    line = b"[]\n"  # keeps its place in the order
                waiting.append(len(line))
                self._send(line)
                following = next(ahead, None)
            reply = self._receive(_WALL * seconds)
            waiting.pop(0)
            self.served += 1
            yield _verdict(reply)
            if reply.get("memory"):
                self.spent = True
                return

    def _send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line)
        except OSError as error:
            raise ChildGoneError("it ended") from error

    def _receive(self, seconds: float) -> dict[str, Any]:
        """Read one line within a time."""
        assert self.process.stdout is not None
        source = self.process.stdout.fileno()
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(source, select.POLLIN)
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(1000 * left):
                raise TimeoutError(f"no reply in {seconds:g} seconds")
            chunk = os.read(source, 65536)
            if not chunk:
                raise ChildGoneError("it ended")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def kill(self) -> None:
        """End the process and wait for its end. Frees a thread that waits for its reply."""
        self.process.kill()
        self.process.wait()
        self._close_pipes()

    def forget(self) -> None:
        """Drop, in a forked process, the parent's child without touching it."""
        self.process.returncode = 0  # not ours to wait for
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _verdict(reply: dict[str, Any]) -> Verdict:
    if "error" in reply:
        return Verdict("failed", reply["error"])
    if not reply["gold_read"]:
        return Verdict("gold_unread", "math_verify can't read the gold")
    if not reply["answer_read"]:
        return Verdict("answer_unread", "math_verify can't read the answer")
    return Verdict("equal" if reply["equal"] else "different")
