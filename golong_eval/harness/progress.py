"""One step of a run, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "Progress"]


@dataclass(frozen=True)
class Progress:
    """How far a stage of a run is.

    Attributes:
        stage: ``load``, ``build``, ``generate`` or ``score``.
        done: Steps done.
        total: Steps in all; None where that is unknown.
        message: What is being done.
    """

    stage: str
    done: int = 0
    total: int | None = None
    message: str = ""


OnProgress = Callable[[Progress], None]
