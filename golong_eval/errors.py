"""Every error that golong-eval raises for its users.

    GolongError                 base: ``str(error)`` says what is wrong, ``error.hint`` what to type
    ├── ConfigError             an argument, option or configuration key is wrong
    │   ├── UnknownNameError    a name that is not in its list; the hint gives the nearest one
    │   └── ResumeError         --resume met a run made with another configuration
    ├── DataError               a sample, task or example file is malformed (carries file and line)
    ├── DocumentError           a folder or file of documents can't be used
    ├── MissingExtraError       an optional package is needed; the hint is the install line
    ├── ModelError              a checkpoint is missing, corrupt, or too short for the prompts
    ├── EngineError             the engine died: nothing more can be generated
    ├── JudgeError              a judge or embedding model can't be reached, refuses, or gives no usable reply
    └── StorageError            a file could not be written (full disk, rights)

Anything else that reaches a user is a bug. No error ever becomes a score: rewards report theirs as
a status (`golong_eval.schema.Status`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "ConfigError",
    "DataError",
    "DocumentError",
    "EngineError",
    "GolongError",
    "JudgeError",
    "MissingExtraError",
    "ModelError",
    "ResumeError",
    "StorageError",
    "UnknownNameError",
    "nearest",
]


class GolongError(Exception):
    """Base of all errors meant for a user.

    Args:
        message: What is wrong and where, one line.
        hint: What to type or change, one line.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")  # a traceback shows it


class ConfigError(GolongError):
    """An argument, option or configuration key is wrong."""


class UnknownNameError(ConfigError):
    """A name that is not in its list of known names.

    Args:
        kind: What the name should be, for instance ``"metric"``.
        name: The name as given.
        known: The names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = nearest(name, names)
        hint = f"did you mean {close!r}? " if close else ""
        super().__init__(f"unknown {kind} {name!r}", f"{hint}known: {', '.join(names)}")
        self.name = name
        self._arguments = (kind, name, names)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        return type(self), self._arguments  # else it could not come back from another process


class ResumeError(ConfigError):
    """``--resume`` met a run that was made with another configuration."""


class DataError(GolongError):
    """A sample, task or example file is malformed.

    Args:
        message: What is wrong.
        hint: What to change.
        file: The file it stands in, if it came from one.
        line: The 1-based line in that file.
    """

    def __init__(
        self, message: str, hint: str = "", *, file: Path | str | None = None, line: int | None = None
    ) -> None:
        place = "" if file is None else f"{file}:{line}: " if line is not None else f"{file}: "
        super().__init__(place + message, hint)
        self.problem = message
        self.file = file
        self.line = line


class DocumentError(GolongError):
    """A folder or file of documents can't be used."""


class MissingExtraError(GolongError, ImportError):
    """An optional package is needed. The hint is the line that installs it."""


class ModelError(GolongError):
    """A checkpoint is missing or corrupt, or its context is too short for what is asked."""


class EngineError(GolongError):
    """The engine died: nothing more can be generated in this run."""


class JudgeError(GolongError):
    """A judge or embedding model can't be reached, refuses, or gives no usable reply."""


class StorageError(GolongError):
    """A file could not be written."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to ``name``, or None when none is close."""
    close = difflib.get_close_matches(name.casefold(), list(known), n=1, cutoff=0.5)
    return close[0] if close else None
