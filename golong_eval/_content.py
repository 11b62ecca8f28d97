"""Find the content folders (``tasks/``, ``training/``, ``leaderboards/``).

An installed wheel carries them under ``golong_eval/_content/``; a checkout has them at its top level.
"""

from __future__ import annotations

from pathlib import Path

from golong_eval.errors import GolongError

__all__ = ["content_path"]

_PACKAGE = Path(__file__).resolve().parent


def content_path(name: str) -> Path:
    """Return the path of a content file or folder such as ``"tasks"``.

    Args:
        name: Path relative to the top level of the project, with ``/`` between parts.

    Raises:
        GolongError: The installation lacks it.
    """
    for root in (_PACKAGE / "_content", _PACKAGE.parent):
        if (path := root / name).exists():
            return path
    raise GolongError(
        f"this installation lacks its content folder {name!r}", "pip install --force-reinstall golong-eval"
    )
