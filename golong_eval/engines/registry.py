"""The engines by name, and the choice that ``--engine auto`` makes."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from golong_eval._content import content_path
from golong_eval.engines.base import Engine, EngineSettings
from golong_eval.engines.http_client import check_address
from golong_eval.errors import ConfigError, ModelError, UnknownNameError

__all__ = [
    "CACHES_PREFIXES",
    "ENGINES",
    "OPERATIONAL",
    "SHARES_PROMPTS",
    "embedded_model",
    "open_engine",
    "resolve_engine",
]

ENGINES = {
    "vllm": "golong_eval.engines.vllm:VLLMEngine",
    "openai": "golong_eval.engines.openai:OpenAIEngine",
    "transformers": "golong_eval.engines.transformers:TransformersEngine",
    "ray": "golong_eval.engines.ray:RayEngine",
    "scripted": "golong_eval.engines.scripted:ScriptedEngine",
}
"""Name -> ``module:class``. The class has ``open(model, settings)`` and is an `Engine`."""

_ASKS_SERVERS = ("openai", "ray")

SHARES_PROMPTS = frozenset({"vllm", "openai"})
"""Engines that compute the prompt of several repeats once."""

CACHES_PREFIXES = frozenset({"vllm", "openai", "ray"})
"""Engines that compute what neighbouring prompts share once, as far as their cache holds it."""

OPERATIONAL = {
    "vllm": frozenset({"data_parallel", "in_flight", "gpu_memory_utilization"}),
    "openai": frozenset({"timeout", "deadline", "retries"}),
    "transformers": frozenset({"batch_size", "batch_tokens", "device"}),
    "ray": frozenset({"address", "timeout", "deadline", "retries", "workers", "batch_size"}),
    "scripted": frozenset({"delay", "fail"}),
}
"""Arguments of engines that say how answers are fetched and not what is asked: a resumed run may change them."""


def embedded_model() -> str:
    """Return the folder of the checkpoint that ships with golong-eval."""
    return str(content_path("training/embedded/checkpoint"))


def resolve_engine(engine: str, model: str, base_urls: Sequence[str] = ()) -> tuple[str, str]:
    """Choose the engine for a model.

    ``auto`` takes ``openai`` where a server is named; vLLM where it is installed and sees a GPU; else transformers.

    Args:
        engine: A name in `ENGINES`, or ``auto``.
        model: What ``--model`` names.
        base_urls: Servers, if the user named some.

    Returns:
        The engine's name, and why.

    Raises:
        UnknownNameError: No engine has that name.
        ConfigError: Servers are named for an engine that asks none, or an address is none or holds a secret.
        ModelError: ``auto``, and the model looks like a path where nothing is.
    """
    if engine != "auto" and engine not in ENGINES:
        raise UnknownNameError("engine", engine, [*ENGINES, "auto"])
    if base_urls and engine not in ("auto", *_ASKS_SERVERS):
        raise ConfigError(
            f"--base-url names a server, and the engine {engine} asks none",
            f"leave it out, or use --engine {_ASKS_SERVERS[0]}",
        )
    for url in base_urls:
        check_address(url)  # before anything prints it
    if engine != "auto":
        return engine, "as asked"
    if base_urls:
        return "openai", f"--base-url names {base_urls[0]}"
    local, why = _local_engine()
    if Path(model).is_dir():
        return local, f"{model} is a folder; {why}"
    looks_local = model.startswith((".", "/", "~")) or model.count("/") != 1
    if looks_local:
        raise ModelError(f"no checkpoint folder at {model}", "give a folder, or a hub name such as org/model")
    return local, f"{model} is taken as a hub name; {why}"


def _local_engine() -> tuple[str, str]:
    """Return the engine for a checkpoint on this machine, and why."""
    if importlib.util.find_spec("vllm") is None:
        return "transformers", "vLLM is not installed"
    import torch

    if not torch.cuda.is_available():
        return "transformers", "vLLM is installed, but no GPU is seen (--engine vllm runs it without one)"
    return "vllm", "vLLM is installed and a GPU is seen"


def open_engine(engine: str, model: str, settings: EngineSettings) -> Engine:
    """Load the model and return the engine, ready to generate.

    Raises:
        UnknownNameError: No engine has that name.
        MissingExtraError: Its packages are not installed.
        ModelError: The checkpoint is missing or corrupt.
    """
    name, _ = resolve_engine(engine, model, settings.base_urls)
    module, _, attribute = ENGINES[name].partition(":")
    opened: Engine = getattr(importlib.import_module(module), attribute).open(model, settings)
    return opened
