"""A cache around an embedder: references come back in every rollout, and answers in every scoring of a run."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from pathlib import Path

from golong_eval.errors import JudgeError
from golong_eval.judges.cache_file import CacheFile, lock, sealed, unsealed
from golong_eval.judges.embeddings import as_vectors
from golong_eval.judges.endpoint import check_least
from golong_eval.rewards import Embedder

__all__ = ["CachedEmbedder"]

_FORMAT = 0x676C6501  # stands in the header of the file: whose it is, and the version of its format
_TABLE = "CREATE TABLE vectors (id INTEGER PRIMARY KEY, key BLOB UNIQUE, vector BLOB)"


class CachedEmbedder:
    """An embedder that asks another one for a text only once. Its vectors are float32, its name is the other's.

    Within a call each distinct text is embedded once. A call that fails caches nothing. Two threads or processes that
    meet a new text at the same time may both have it embedded. Pickles to its settings: a copy starts with an empty
    memory, and the same file.

    Args:
        embedder: What makes the vectors. Its name has to tell apart models, and settings that change vectors.
        path: An SQLite file to keep them in, made where there is none; any number of threads, processes and embedders
            may share it. It has to lie on a local disk, with its ``-wal`` and ``-shm`` beside it. None keeps them in
            memory alone.
        max_entries: Vectors kept, in memory (the last used) and in the file (the newest); a vector of 4096 dimensions
            takes 16 KB.

    Raises:
        ConfigError: `max_entries` is below 1.
        StorageError: The file is corrupt, is no cache of embeddings, or can't be read or written.
    """

    def __init__(self, embedder: Embedder, path: str | Path | None = None, max_entries: int = 100_000) -> None:
        self.embedder = embedder
        self.name = embedder.name
        self.path = None if path is None else Path(path).absolute()
        self.max_entries = max_entries
        check_least(self, max_entries=1)
        self._memory: dict[bytes, bytes] = {}  # last used last
        if self.path is not None:
            with _cache_file(self.path).opened():
                pass

    def __repr__(self) -> str:
        path = None if self.path is None else str(self.path)
        return f"CachedEmbedder({self.embedder!r}, path={path!r}, max_entries={self.max_entries})"

    def __reduce__(self) -> tuple[type[CachedEmbedder], tuple[Embedder, Path | None, int]]:
        return type(self), (self.embedder, self.path, self.max_entries)

    def __call__(self, texts: Sequence[str], /) -> list[array[float]]:
        """Return one float32 vector for each text, in order.

        Raises:
            JudgeError: The embedder gives something else than vectors, or of another length than the cached ones;
                and what it raises itself.
            StorageError: The file is corrupt, or can't be read or written.
        """
        keys = [self._key(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        found = self._recall(wanted)
        if self.path is not None and len(found) < len(wanted):
            found |= _fetch(self.path, [key for key in wanted if key not in found])
        missing = [key for key in wanted if key not in found]
        if missing:
            vectors = as_vectors(self.embedder([wanted[key] for key in missing]), len(missing), self.name)
            fresh = {key: vector.tobytes() for key, vector in zip(missing, vectors, strict=True)}
            found |= fresh
        if len(lengths := {len(vector) // 4 for vector in found.values()}) > 1:
            raise JudgeError(
                f"{self.name} has cached vectors of another length than it gives now: {sorted(lengths)}",
                f"another model has that name: give it a cache of its own, or delete {self.path or 'this one'}",
            )
        if missing and self.path is not None:
            _store(self.path, fresh, self.max_entries)
        self._remember(found)
        return [array("f", found[key]) for key in keys]

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.name}\x00{text}".encode("utf-8", "surrogatepass")).digest()

    def _recall(self, keys: dict[bytes, str]) -> dict[bytes, bytes]:
        with lock:
            return {key: self._memory[key] for key in keys if key in self._memory}

    def _remember(self, found: dict[bytes, bytes]) -> None:
        with lock:
            for key, vector in found.items():
                self._memory.pop(key, None)
                self._memory[key] = vector
            while len(self._memory) > self.max_entries:
                del self._memory[next(iter(self._memory))]


def _cache_file(path: Path) -> CacheFile:
    return CacheFile(path, "embeddings", _FORMAT, _TABLE)


def _fetch(path: Path, keys: list[bytes]) -> dict[bytes, bytes]:
    found = {}
    cache = _cache_file(path)
    with cache.opened() as file:
        for key in keys:
            row = file.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
            if row is not None:
                vector = unsealed(key, row[0])
                if vector is None:
                    raise cache.corrupt("a vector in it has changed")
                found[key] = vector
    return found


def _store(path: Path, vectors: dict[bytes, bytes], max_entries: int) -> None:
    rows = [(key, sealed(key, vector)) for key, vector in vectors.items()]
    with _cache_file(path).opened() as file, file:
        file.executemany("INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", rows)
        file.execute("DELETE FROM vectors WHERE id <= (SELECT max(id) FROM vectors) - ?", (max_entries,))
