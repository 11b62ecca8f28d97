"""Import packages that only some installs have, and name the line that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from golong_eval.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import ``module``, which the extra ``extra`` installs.

    Args:
        module: Dotted module name, for instance ``"transformers"``.
        extra: The extra of the golong-eval distribution that carries it.
        purpose: What needs it, for the message.

    Raises:
        MissingExtraError: The package is not installed; the hint is the install line.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise MissingExtraError(
            f"{purpose} needs the package {missing.partition('.')[0]!r} ({error})",
            f"pip install 'golong-eval[{extra}]'",
        ) from error
