"""Files of an export: whole under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from golong_eval.errors import StorageError

__all__ = ["write_lines"]


def write_lines(file: Path, lines: Iterable[str]) -> Path:
    """Write lines, each with its own end, and return the file.

    Raises:
        StorageError: The folder can't be made or the file not be written.
    """
    temporary = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as out:
            for line in lines:
                # A lone surrogate, which no file can hold as UTF-8, becomes a question mark.
                out.write(line.encode("utf-8", "replace"))
        temporary.replace(file)
    except OSError as error:
        raise StorageError(
            f"cannot write {file} ({error.strerror or error})", "give another --out, or free some space"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # there is none any more where all went well
            temporary.unlink()
    return file
