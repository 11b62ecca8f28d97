"""The folder of a run on disk: what is written when, so that nothing finished is ever lost.

    config.json          the settings, written first
    env.json             versions, hardware and engine of each session
    samples.jsonl        the samples; their texts once each in samples.documents/
    prompts.jsonl        each prompt once, by hash
    predictions/T.jsonl  append-only, one line an answer
    scores/T.M@V.jsonl   one line a score
    results.json         the table

Whole files go to a temporary name and are renamed. A line that a crash tore is dropped on resume.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from pydantic import BaseModel, ValidationError

from golong_eval.errors import ConfigError, DataError, StorageError

__all__ = ["AppendLog", "RunFolder"]

_Model = TypeVar("_Model", bound=BaseModel)


class RunFolder:
    """A run's folder, locked while it is in use.

    Args:
        path: The folder; made if it does not exist.
        parts: Folders in it.

    Raises:
        StorageError: It can't be made or written.
        ConfigError: Another process is writing to it.
    """

    def __init__(self, path: Path, parts: Sequence[str] = ("predictions", "scores")) -> None:
        self.path = path
        try:
            for folder in (path, *(path / part for part in parts)):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = (path / ".lock").open("a")
        except OSError as error:
            raise StorageError(
                f"cannot write {path} ({error.strerror or error})", "give another --output-dir, or free some space"
            ) from error
        with contextlib.suppress(ImportError):  # no fcntl, no lock: Windows
            import fcntl

            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._lock.close()
                raise ConfigError(f"another process is writing to {path}", "wait for it, or stop it") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.close()

    @property
    def predictions(self) -> Path:
        """Folder of the answers."""
        return self.path / "predictions"

    @property
    def scores(self) -> Path:
        """Folder of the scores."""
        return self.path / "scores"

    @property
    def samples(self) -> Path:
        """File of the samples."""
        return self.path / "samples.jsonl"

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file's content; None if there is no such file.

        Raises:
            DataError: The file is not a JSON object.
        """
        return self.json_at(self.path / name)

    @staticmethod
    def json_at(file: Path) -> dict[str, Any] | None:
        """Return the content of a run's JSON file, without taking the run's lock; None if there is no such file.

        Raises:
            DataError: The file is not a JSON object.
        """
        if not file.is_file():
            return None
        try:
            content = json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise DataError(f"not JSON ({error})", "start a new run", file=file) from error
        if not isinstance(content, dict):
            raise DataError("not a JSON object", "start a new run", file=file)
        return content

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a whole JSON file under a temporary name, then rename it. NaN is refused."""
        self.write_lines(name, [json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)])

    def write_lines(self, name: str, lines: Iterable[str]) -> None:
        """Write a whole file, line by line, under a temporary name, then rename it."""
        file = self.path / name
        temporary = file.with_name(file.name + ".part")
        try:
            with temporary.open("wb") as out:
                for line in lines:
                    out.write(line.encode("utf-8", "surrogatepass") + b"\n")
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(file)
        except OSError as error:
            raise _storage(file, error) from error
        finally:
            with contextlib.suppress(OSError):  # there is none any more where all went well
                temporary.unlink()


class AppendLog:
    """A JSONL file that lines are only ever added to, and that survives a crash at any point.

    On opening, what follows the last newline (a line torn by a crash) is cut off.

    Args:
        file: The file; made if it does not exist.

    Raises:
        StorageError: It can't be opened.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._out: BinaryIO = file.open("a+b")
            _drop_torn_line(self._out)
        except OSError as error:
            raise _storage(file, error) from error

    def append(self, line: str, *, flush: bool = True) -> None:
        """Add one line; it reaches the operating system before this returns, unless that is left to `flush`.

        Raises:
            StorageError: The disk is full, for instance; the lines before are kept.
        """
        try:
            self._out.write(line.encode("utf-8", "surrogatepass") + b"\n")
            if flush:
                self._out.flush()
        except OSError as error:
            raise _storage(self.file, error) from error

    def flush(self) -> None:
        """Have all lines reach the operating system; costs nothing where none is pending."""
        try:
            self._out.flush()
        except OSError as error:
            raise _storage(self.file, error) from error

    def sync(self) -> None:
        """Have the operating system put everything on the disk."""
        try:
            os.fsync(self._out.fileno())
        except OSError as error:
            raise _storage(self.file, error) from error

    def close(self) -> None:
        """Close the file; what `flush` did not report as written may be lost if the disk is full."""
        with contextlib.suppress(OSError):
            self._out.close()

    @staticmethod
    def read(file: Path, model: type[_Model]) -> Iterator[_Model]:
        """Yield the lines of a log as models; a torn last line is left out.

        Raises:
            DataError: A line before the last is malformed.
        """
        if not file.is_file():
            return
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield model.model_validate_json(line)
                except ValidationError as error:
                    raise DataError(
                        f"damaged line ({error.errors()[0]['msg']})",
                        "remove that line; its sample will be generated again on --resume",
                        file=file,
                        line=number,
                    ) from error


def _drop_torn_line(file: BinaryIO) -> None:
    size = end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65_536)
        file.seek(start)
        position = file.read(end - start).rfind(b"\n")
        if position >= 0:
            end = start + position + 1
            break
        end = start
    if end < size:
        file.truncate(end)
    file.seek(0, os.SEEK_END)


def _storage(file: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {file} ({error.strerror or error})",
        "what was finished is kept: free some space or fix the rights, then run the same command with --resume",
    )
