"""Extend another package's module when it is imported, and not before: a plugin loads nothing that nobody asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["PatchOnImport", "patch_on_import"]


class PatchOnImport(MetaPathFinder):
    """Lets the import system find modules as ever, and patches those that it waits for once they have run.

    Args:
        owner: Whose it is: each owner has one.
        names: Full names of the modules.
        patch: Called with a module.
        unusual: Called with the name of a module that can't be waited for, as its loader is of an unusual kind.
    """

    def __init__(
        self,
        owner: str,
        names: Sequence[str],
        patch: Callable[[ModuleType], None],
        unusual: Callable[[str], None],
    ) -> None:
        self.owner = owner
        self._names, self._patch, self._unusual = frozenset(names), patch, unusual

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders give, with a loader that patches."""
        if fullname not in self._names:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is None:
                continue
            loader: Any = spec.loader
            run = getattr(loader, "exec_module", None)
            if run is None:
                self._unusual(fullname)
                return spec

            def exec_module(module: ModuleType, run: Callable[[ModuleType], None] = run) -> None:
                run(module)
                self._patch(module)

            loader.exec_module = exec_module
            return spec
        return None


def patch_on_import(
    owner: str,
    names: Sequence[str] | Mapping[str, Any],
    patch: Callable[[ModuleType], None],
    unusual: Callable[[str], None],
) -> None:
    """Patch modules, now or when this process imports them. A second call of the same owner does nothing."""
    if any(isinstance(finder, PatchOnImport) and finder.owner == owner for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, PatchOnImport(owner, tuple(names), patch, unusual))
    for name in names:
        if name in sys.modules:
            patch(sys.modules[name])
