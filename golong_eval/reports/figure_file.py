"""Write figures: the same data gives the same bytes, and a file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from golong_eval._optional import require
from golong_eval.errors import ConfigError, StorageError

__all__ = ["FIGURE_SUFFIXES", "check_figure", "new_figure", "write_figure"]

FIGURE_SUFFIXES = (".svg", ".png")
"""What a figure can be written as."""


def check_figure(file: Path) -> None:
    """Check that a figure could be written, before anything long is done.

    Raises:
        ConfigError: The file's name ends in neither .svg nor .png.
        MissingExtraError: matplotlib is not installed.
    """
    if file.suffix not in FIGURE_SUFFIXES:
        raise ConfigError(f"{file} is neither .svg nor .png", f"for instance {file.stem or 'figure'}.svg")
    require("matplotlib.figure", "plot", "a figure")


def new_figure(width: float, height: float) -> Any:
    """Return an empty matplotlib figure, in inches, that belongs to no window.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return require("matplotlib.figure", "plot", "a figure").Figure(figsize=(width, height))


def write_figure(draw: Callable[[], Any], file: Path) -> None:
    """Write the figure that `draw` returns.

    Raises:
        ConfigError: The file's name ends in neither .svg nor .png.
        MissingExtraError: matplotlib is not installed.
        StorageError: The file can't be written.
    """
    check_figure(file)
    matplotlib = require("matplotlib", "plot", "a figure")
    settings = {"svg.hashsalt": "golong-eval", "svg.fonttype": "none", "font.family": "sans-serif"}
    metadata = {"Date": None} if file.suffix == ".svg" else {"Software": None}
    temporary = file.with_name(f".{file.name}.{os.getpid()}{file.suffix}")
    with matplotlib.rc_context(settings):
        figure = draw()
        try:
            figure.savefig(temporary, metadata=metadata, dpi=150, bbox_inches="tight")
            temporary.replace(file)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(f"cannot write {file} ({error.strerror})", "check the folder and its rights") from error
