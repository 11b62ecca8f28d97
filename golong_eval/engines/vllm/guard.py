"""Ends vLLM's processes when this one is killed. They would stay, and keep the device's memory from the resumed run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["Guard"]

# Reads until the end of its input, which is the end of whoever holds the other side. A process is named by a file
# descriptor, so that no other one with its number can be hit. SIGTERM: vLLM's core ends its own workers.
_CODE = """
import os, signal, sys
held = []
for number in sys.argv[1:]:
    try:
        held.append(os.pidfd_open(int(number)))
    except OSError:
        pass
if sys.stdin.read() != "released":
    for process in held:
        try:
            signal.pidfd_send_signal(process, signal.SIGTERM)
        except OSError:
            pass
"""


class Guard:
    """A small process that waits for this one's end.

    Args:
        numbers: Ids of the processes that must not outlive this one.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._process: subprocess.Popen[str] | None = None
        if numbers and hasattr(os, "pidfd_open"):  # Linux
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _CODE, *map(str, numbers)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # a Ctrl-C in the terminal is not for it
            )

    def release(self) -> None:
        """Let the processes be, and end the guard."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.communicate("released")
            self._process = None
