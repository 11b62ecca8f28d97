"""Answers kept across runs, under everything that can change them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from golong_eval.errors import ConfigError, StorageError
from golong_eval.schema import Generation, Prompt

__all__ = ["ResponseCache"]

_WAIT = 60.0  # seconds for another process that writes
_FORMAT = 1


class ResponseCache:
    """A file of answers (SQLite), which several runs may use at once.

    The key of an answer is a hash over `identity` and over the request: the prompt in its parts, budget, seed and
    repeat. The repeat counts beside the seed, because not every engine takes a seed.

    Args:
        file: The file; made if it does not exist.
        identity: What answers depend on beside the request: checkpoint, engine and its versions, settings.

    Raises:
        ConfigError: The file is no response cache.
        StorageError: It can't be made or opened.
    """

    def __init__(self, file: Path, identity: dict[str, Any]) -> None:
        self.file = file
        self._identity = json.dumps({"format": _FORMAT} | identity, sort_keys=True, ensure_ascii=False)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, timeout=_WAIT, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT NOT NULL)")
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{file} is no response cache ({error})", "name another file with --cache") from error
        except OSError as error:
            raise StorageError(f"cannot write {file} ({error.strerror})", "name another file with --cache") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def key(self, prompt: Prompt, prompt_hash: str, *, max_tokens: int, seed: int, repeat: int) -> bytes:
        """Return the key of an answer.

        Args:
            prompt: The prompt; where its documents begin and end, or what else is cut, decides how it is cut.
            prompt_hash: Hash of its text.
            max_tokens: The budget.
            seed: Seed of this repeat.
            repeat: Its number.
        """
        parts: tuple[object, ...] = (prompt_hash, len(prompt.before), len(prompt.documents), max_tokens, seed, repeat)
        if prompt.history or prompt.cut != "documents":
            turns = [(turn.role, len(turn.content)) for turn in prompt.history]
            parts += (turns, prompt.cut)
        return hashlib.sha256(f"{self._identity}\x00{parts}".encode("utf-8", "surrogatepass")).digest()

    def get(self, key: bytes, sample_id: str, repeat: int) -> Generation | None:
        """Return the answer under a key as that to a request, or None.

        Raises:
            ConfigError: The file is damaged.
        """
        try:
            row = self._database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            kept = Generation.model_validate_json(row[0])
        except (sqlite3.DatabaseError, ValidationError) as error:
            raise ConfigError(f"{self.file} is damaged ({error})", "remove it, or name another with --cache") from error
        return kept.model_copy(update={"sample_id": sample_id, "repeat": repeat, "from_cache": True})

    def put(self, key: bytes, answer: Generation) -> None:
        """Keep an answer; failures are not kept.

        Raises:
            StorageError: It can't be written.
        """
        if answer.error is not None or answer.from_cache:
            return
        try:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, answer.model_dump_json()))
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"cannot write {self.file} ({error})", "free some space, or run without --cache; then --resume"
            ) from error
