"""Engines turn prompts into generations, all by one protocol. Each imports its library when it is opened."""

from golong_eval.engines.arguments import masked
from golong_eval.engines.base import ContextPolicy, Engine, EngineSettings, GenerationRequest, Thinking
from golong_eval.engines.registry import (
    CACHES_PREFIXES,
    ENGINES,
    OPERATIONAL,
    SHARES_PROMPTS,
    embedded_model,
    open_engine,
    resolve_engine,
)
from golong_eval.engines.rope import RopeScaling, serve_command
from golong_eval.engines.scripted import ScriptedEngine

__all__ = [
    "CACHES_PREFIXES",
    "ENGINES",
    "OPERATIONAL",
    "SHARES_PROMPTS",
    "ContextPolicy",
    "Engine",
    "EngineSettings",
    "GenerationRequest",
    "RopeScaling",
    "ScriptedEngine",
    "Thinking",
    "embedded_model",
    "masked",
    "open_engine",
    "resolve_engine",
    "serve_command",
]
