"""Ends vLLM's processes when this one is killed. They would stay, and keep the device's memory from the resumed run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator

__all__ = ["Guard"]

_MARK = "GOLONG_VLLM_GUARD"

# Reads until the end of its input, which is the end of whoever holds the other side; before, it is told numbers of
# processes. Beside those it ends what was started under its mark: the parent of an orphan can't be asked for any more,
# and its environment can. It looks several times, because what is starting has its environment only a moment later. A
# process is held by a file descriptor while it is looked at, so that no other one with its number can be hit.
# SIGTERM first: vLLM's core ends its own workers, but not while it loads. Python's tracker of shared memory ends by
# itself, last, and cleans up.
_CODE = """
import os, signal, sys, time
mark, seconds = os.fsencode(sys.argv[1]), float(sys.argv[2])
held = {}
def hold(number):
    try:
        held[number] = os.pidfd_open(number)
    except OSError:
        pass
def ends(process, how):
    try:
        signal.pidfd_send_signal(process, how)
    except OSError:
        return False
    return True
def read(number, what):
    try:
        with open(f"/proc/{number}/{what}", "rb") as file:
            return file.read().split(b"\\0")
    except OSError:
        return []
def look():
    for number in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        if number in held or number == os.getpid() or mark not in read(number, "environ"):
            continue
        if any(b"resource_tracker" in word for word in read(number, "cmdline")):
            continue
        hold(number)
        if number in held and mark not in read(number, "environ"):
            os.close(held.pop(number))
for line in sys.stdin:
    if line == "released\\n":
        sys.exit()
    hold(int(line))
started, asked = time.monotonic(), set()
while (passed := time.monotonic() - started) < 2 * seconds:
    look()
    for number, process in list(held.items()):
        how = signal.SIGTERM if number not in asked else signal.SIGKILL if passed > seconds else 0
        asked.add(number)
        if not ends(process, how):
            asked.discard(number)
            os.close(held.pop(number))
    if not held and passed > min(3, seconds):
        break
    time.sleep(0.1)
"""
_SECONDS = 10.0  # between asking a process to end and ending it


class Guard:
    """A small process that waits for this one's end.

    It is started before the processes that it is to end, so that this one can be killed while they load a model.
    """

    def __init__(self) -> None:
        self._token = uuid.uuid4().hex
        self._process: subprocess.Popen[str] | None = None
        if hasattr(os, "pidfd_open"):  # Linux
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _CODE, f"{_MARK}={self._token}", str(_SECONDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # a Ctrl-C in the terminal is not for it
            )

    @contextlib.contextmanager
    def marking(self) -> Iterator[None]:
        """Take into its care whatever is started within, by its environment."""
        before = os.environ.get(_MARK)
        os.environ[_MARK] = self._token
        try:
            yield
        finally:
            if before is None:
                del os.environ[_MARK]
            else:
                os.environ[_MARK] = before

    def add(self, numbers: Iterable[int]) -> None:
        """Take processes into its care by their ids: those that were forked have this process's environment."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                for number in numbers:
                    self._process.stdin.write(f"{number}\n")
                self._process.stdin.flush()

    def release(self) -> None:
        """Let the processes be, and end the guard."""
        self._finish("released\n")

    def end(self) -> None:
        """End the processes, as if this one had been killed."""
        self._finish("")

    def _finish(self, word: str) -> None:
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.communicate(word)
            self._process = None
