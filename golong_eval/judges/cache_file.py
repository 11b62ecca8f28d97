"""SQLite files that keep what models have said: made whole, safe to share, and never somebody else's."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from golong_eval._forks import fork_safe_lock
from golong_eval.errors import StorageError

__all__ = ["CacheFile", "lock", "sealed", "unsealed"]

_TIMEOUT = 60.0  # seconds to wait for other processes that write

lock = fork_safe_lock()
"""Over the memory and the files of all caches, but not over a model's work. A fork waits for it: SQLite has locks of
its own, which would stay held in the child."""


@dataclass(frozen=True)
class CacheFile:
    """A cache's file. It has to lie on a local disk, with its ``-wal`` and ``-shm`` beside it.

    Args:
        path: Where; the folder has to be there.
        holds: What it keeps, for messages.
        format: Stands in the header of the file: whose it is, and the version of its format.
        table: The SQL that makes its table.
    """

    path: Path
    holds: str
    format: int
    table: str

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file, made if there is none. One connection a use: no thread or child gets another's.

        Raises:
            StorageError: It is corrupt, is no such cache, or can't be read or written.
        """
        path = self.path
        try:
            if not path.exists():
                self._make()
            with lock, contextlib.closing(sqlite3.connect(path, timeout=_TIMEOUT)) as file:
                if file.execute("PRAGMA application_id").fetchone() != (self.format,):
                    raise StorageError(f"{path} is no cache of {self.holds}", "give another path")
                # Syncing takes far longer than all the rest. What a power cut breaks, the checksums tell.
                file.execute("PRAGMA synchronous = OFF")
                yield file
        except (OSError, sqlite3.OperationalError) as error:
            raise StorageError(
                f"the cache {path} can't be used ({error})", "check the folder, its rights and its free space"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"{path} is corrupt or no cache of {self.holds} ({error})", "delete it, or give another path"
            ) from error

    def corrupt(self, what: str) -> StorageError:
        """Return the error for an entry that has changed."""
        return StorageError(f"{self.path} is corrupt: {what}", "delete it, or give another path")

    def _make(self) -> None:
        """Make an empty cache whole under another name, so that no process meets half of one."""
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}-") as folder:
            new = Path(folder) / "new"
            with lock, contextlib.closing(sqlite3.connect(new)) as file:
                file.execute("PRAGMA journal_mode = WAL")
                file.execute(f"PRAGMA application_id = {self.format}")
                file.execute(self.table)
            with contextlib.suppress(FileExistsError):  # another process was faster
                self.path.hardlink_to(new)


def sealed(key: bytes, value: bytes) -> bytes:
    """Return a value as it is stored: with a checksum over its key and itself behind it."""
    return value + zlib.crc32(key + value).to_bytes(4, "big")


def unsealed(key: bytes, stored: object) -> bytes | None:
    """Return the value that was stored; None where it has changed, or is empty."""
    value = stored[:-4] if isinstance(stored, bytes) else b""
    return value if value and stored == sealed(key, value) else None
