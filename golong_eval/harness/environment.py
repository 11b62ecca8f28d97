"""What a run ran on, for ``env.json``: recorded, never compared."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import Any

from golong_eval.engines import Engine

__all__ = ["describe_environment", "package_versions"]

_PACKAGES = (
    "golong-eval",
    "torch",
    "transformers",
    "tokenizers",
    "vllm",
    "math-verify",
    "sympy",
    "rapidfuzz",
    "jieba",
    "numpy",
    "pydantic",
)


def describe_environment(engine: Engine) -> dict[str, Any]:
    """Return versions, hardware and what the engine says of itself."""
    return package_versions() | {"engine": {"name": engine.name, **engine.describe()}}


def package_versions(more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the versions of Python and of the packages that are installed, `more` of them beside the usual ones."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: version for name in (*_PACKAGES, *more) if (version := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
