"""A cache around a judge: the same question is asked once, across runs."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from golong_eval.errors import StorageError
from golong_eval.judges.judge import Judge
from golong_eval.judges.question import JudgeQuestion, Verdict

__all__ = ["CachedJudge"]

_TIMEOUT = 60.0  # seconds to wait for other processes that write


class CachedJudge:
    """A judge that asks another one for a question only once. Errors are never kept.

    Verdicts are found by the judge's identity (model, prompts, budget) and the content of the question. Any number of
    threads and processes may share the file.

    Args:
        judge: The judge.
        path: An SQLite file, made where there is none.

    Raises:
        StorageError: The file is damaged, is no cache of verdicts, or can't be read or written.
    """

    def __init__(self, judge: Judge, path: str | Path) -> None:
        self.judge = judge
        self.path = Path(path).absolute()
        with self._opened():
            pass

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
            StorageError: The file can't be read or written.
        """
        with self._opened() as database:
            found = {question.key: self._kept(database, question.key) for question in questions}
        missing = list({question.key: question for question in questions if found[question.key] is None}.values())
        fresh = {verdict.key: verdict for verdict in self.judge(missing)} if missing else {}
        with self._opened() as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)",
                [(self.identity, one.key, one.model_dump_json()) for one in fresh.values() if one.outcome != "error"],
            )
        return [found[question.key] or fresh[question.key] for question in questions]

    def _kept(self, database: sqlite3.Connection, key: str) -> Verdict | None:
        row = database.execute(
            "SELECT verdict FROM verdicts WHERE judge = ? AND key = ?", (self.identity, key)
        ).fetchone()
        if row is None:
            return None
        try:
            return Verdict.model_validate_json(row[0]).model_copy(update={"cached": True})
        except ValidationError as error:
            raise StorageError(f"{self.path} is damaged ({error.errors()[0]['msg']})", "delete it") from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_TIMEOUT)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS verdicts (judge TEXT, key TEXT, verdict TEXT, PRIMARY KEY (judge, key))"
                )
                yield database
        except (OSError, sqlite3.OperationalError) as error:
            raise StorageError(
                f"the cache {self.path} can't be used ({error})", "check the folder and its rights"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"{self.path} is no cache of verdicts ({error})", "delete it, or give another path"
            ) from error
