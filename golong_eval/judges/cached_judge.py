"""A cache around a judge: the same question is asked once, across runs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from golong_eval.judges.cache_file import CacheFile, sealed, unsealed
from golong_eval.judges.judge import Judge
from golong_eval.judges.question import JudgeQuestion, Verdict

__all__ = ["CachedJudge"]

_FORMAT = 0x676C7601  # stands in the header of the file: whose it is, and the version of its format
_TABLE = "CREATE TABLE verdicts (judge TEXT, key TEXT, verdict BLOB, PRIMARY KEY (judge, key))"


class CachedJudge:
    """A judge that asks another one for a question only once. Errors are never kept.

    Verdicts are found by the judge's identity (model, prompts, budget) and the content of the question. Two threads or
    processes that meet a new question at the same time may both have it judged. Pickles to its settings.

    Args:
        judge: The judge.
        path: An SQLite file, made where there is none; any number of threads, processes and judges may share it. It has
            to lie on a local disk.

    Raises:
        StorageError: The file is corrupt, is no cache of verdicts, or can't be read or written.
    """

    def __init__(self, judge: Judge, path: str | Path) -> None:
        self.judge = judge
        self.path = Path(path).absolute()
        self._file = CacheFile(self.path, "verdicts", _FORMAT, _TABLE)
        with self._file.opened():
            pass

    def __repr__(self) -> str:
        return f"CachedJudge({self.judge!r}, {str(self.path)!r})"

    @property
    def identity(self) -> str:
        """That of the judge."""
        return self.judge.identity

    def check(self) -> None:
        """See whether the judge is there.

        Raises:
            JudgeError: It is not.
        """
        self.judge.check()

    def __call__(self, questions: Sequence[JudgeQuestion], /) -> list[Verdict]:
        """Return a verdict for each question, in order; those from the file are marked as cached.

        Raises:
            JudgeError: The judge answers nothing at all.
            StorageError: The file is corrupt, or can't be read or written.
        """
        keys = [question.key for question in questions]
        wanted = dict(zip(keys, questions, strict=True))
        found = self._fetch(list(wanted))
        missing = [key for key in wanted if key not in found]
        if missing:
            given = self.judge([wanted[key] for key in missing])
            fresh = dict(zip(missing, given, strict=True))
            self._store({key: verdict for key, verdict in fresh.items() if verdict.outcome != "error"})
            found |= fresh
        return [found[key] for key in keys]

    def close(self) -> None:
        """Release what the judge holds, if it holds anything."""
        with contextlib.suppress(AttributeError):
            self.judge.close()  # type: ignore[attr-defined]

    def _fetch(self, keys: Sequence[str]) -> dict[str, Verdict]:
        found = {}
        with self._file.opened() as file:
            for key in keys:
                row = file.execute(
                    "SELECT verdict FROM verdicts WHERE judge = ? AND key = ?", (self.identity, key)
                ).fetchone()
                if row is not None:
                    found[key] = self._kept(key, row[0])
        return found

    def _kept(self, key: str, stored: object) -> Verdict:
        content = unsealed(self._seal(key), stored)
        try:
            verdict = Verdict.model_validate_json(content or b"")
        except ValidationError:
            raise self._file.corrupt("a verdict in it has changed") from None
        return verdict.model_copy(update={"cached": True})

    def _store(self, verdicts: dict[str, Verdict]) -> None:
        rows = [
            (self.identity, key, sealed(self._seal(key), verdict.model_dump_json().encode()))
            for key, verdict in verdicts.items()
        ]
        with self._file.opened() as file, file:
            file.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", rows)

    def _seal(self, key: str) -> bytes:
        return f"{self.identity}\x00{key}".encode()
