"""A lock that is never left closed in a forked process."""

from __future__ import annotations

import logging  # noqa: F401 - hooks itself into forks when it is imported: not in a thread, while another one forks
import os
import threading

__all__ = ["fork_safe_lock"]


def fork_safe_lock() -> threading.RLock:
    """Return a lock that a fork waits for: what another thread does under it is finished before.

    For imports and for loading: their own locks, held by a thread that is not forked, would never open in the child.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
