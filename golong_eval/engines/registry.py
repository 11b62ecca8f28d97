"""The engines by name, and the choice that ``--engine auto`` makes."""

from __future__ import annotations

import importlib
from pathlib import Path

from golong_eval._content import content_path
from golong_eval.engines.base import Engine, EngineSettings
from golong_eval.errors import ModelError, UnknownNameError

__all__ = ["ENGINES", "embedded_model", "open_engine", "resolve_engine"]

ENGINES = {
    "vllm": "golong_eval.engines.vllm:VLLMEngine",
    "openai": "golong_eval.engines.openai:OpenAIEngine",
    "transformers": "golong_eval.engines.transformers:TransformersEngine",
    "ray": "golong_eval.engines.ray:RayEngine",
    "scripted": "golong_eval.engines.scripted:ScriptedEngine",
}
"""Name -> ``module:class``. The class has ``open(model, settings)`` and is an `Engine`."""


def embedded_model() -> str:
    """Return the folder of the checkpoint that ships with golong-eval."""
    return str(content_path("training/embedded/checkpoint"))


def resolve_engine(engine: str, model: str) -> tuple[str, str]:
    """Choose the engine for a model.

    Args:
        engine: A name in `ENGINES`, or ``auto``.
        model: What ``--model`` names.

    Returns:
        The engine's name, and why.

    Raises:
        UnknownNameError: No engine has that name.
        ModelError: ``auto``, and the model looks like a path where nothing is.
    """
    if engine != "auto":
        if engine not in ENGINES:
            raise UnknownNameError("engine", engine, [*ENGINES, "auto"])
        return engine, "as asked"
    if Path(model).is_dir():
        return "transformers", f"{model} is a folder with a checkpoint"
    looks_local = model.startswith((".", "/", "~")) or model.count("/") != 1
    if looks_local:
        raise ModelError(f"no checkpoint folder at {model}", "give a folder, or a hub name such as org/model")
    return "transformers", f"{model} is taken as a hub name"


def open_engine(engine: str, model: str, settings: EngineSettings) -> Engine:
    """Load the model and return the engine, ready to generate.

    Raises:
        UnknownNameError: No engine has that name.
        MissingExtraError: Its packages are not installed.
        ModelError: The checkpoint is missing or corrupt.
    """
    name, _ = resolve_engine(engine, model)
    module, _, attribute = ENGINES[name].partition(":")
    opened: Engine = getattr(importlib.import_module(module), attribute).open(model, settings)
    return opened
