"""Where the parts of a report go: into the page while they fit, into a folder beside it from then on."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from golong_eval.errors import StorageError
from golong_eval.reports.html.payload import Part

__all__ = ["ReportFiles"]

_OURS = re.compile(r"[sdq]-[0-9]+\.js")


class ReportFiles:
    """The files of one report: they are made under names of their own and take their places at the end, or not at all.

    Args:
        out: The page.
        room: Bytes that its parts may take in it.

    Raises:
        StorageError: The folder beside the page holds what is of no report: it would be replaced.
    """

    def __init__(self, out: Path, room: int) -> None:
        self.out = out
        self.beside = out.with_suffix(".samples") if out.suffix == ".html" else out.with_name(out.name + ".samples")
        self.inside: list[Part] = []
        """The parts that stand in the page."""
        self._room = room
        self._held = 0
        self._folder: Path | None = None
        self._left: list[Path] = []
        self._check_ours()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for path in self._left:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    @property
    def outside(self) -> bool:
        """Whether the parts stand beside the page."""
        return self._folder is not None

    def add(self, part: Part) -> None:
        """Take a part; all go outside once they have no room in the page."""
        self.inside.append(part)
        self._held += part.size
        if self._folder is not None or self._held > self._room:
            self.move_out()

    def fits(self, size: int) -> bool:
        """Whether so many bytes more have room in the page."""
        return self._folder is not None or self._held + size <= self._room

    def move_out(self) -> None:
        """Write the parts that there are beside the page."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f".{self.beside.name[:100]}.", dir=self.out.parent))
            self._folder.chmod(0o755)
            self._left.append(self._folder)
        for part in self.inside:
            text = f'golongPart("{part.name}",{part.text});\n'
            (self._folder / f"{part.name}.js").write_bytes(text.encode())
        self.inside = []

    def finish(self, page: str) -> None:
        """Put the page and the folder in their places."""
        handle, name = tempfile.mkstemp(prefix=f".{self.out.name[:100]}.", dir=self.out.parent)
        written = Path(name)
        self._left.append(written)
        with os.fdopen(handle, "wb") as file:
            file.write(page.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        written.chmod(0o644)
        if self.beside.exists():
            # Moved away rather than removed, so that an error still finds the old page with its old folder.
            old = Path(tempfile.mkdtemp(prefix=f".{self.beside.name[:100]}.", dir=self.out.parent))
            self._left.append(old)
            self.beside.replace(old)
        if self._folder is not None:
            self._folder.replace(self.beside)
        written.replace(self.out)

    def _check_ours(self) -> None:
        hint = f"move it, or give another place than {self.out}"
        if self.out.is_dir():
            raise StorageError(f"{self.out} is a folder", "give the name of a file")
        if self.beside.is_symlink() or (self.beside.exists() and not self.beside.is_dir()):
            raise StorageError(f"{self.beside} is no folder of a report", hint)
        for file in self.beside.iterdir() if self.beside.is_dir() else ():
            if not _OURS.fullmatch(file.name):
                raise StorageError(f"{self.beside} holds {file.name}, which is of no report", hint)
