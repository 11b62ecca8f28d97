"""Engines turn prompts into generations, all by one protocol. Each imports its library when it is opened."""

from golong_eval.engines.base import ContextPolicy, Engine, EngineSettings, GenerationRequest, Thinking
from golong_eval.engines.registry import ENGINES, OPERATIONAL, embedded_model, open_engine, resolve_engine
from golong_eval.engines.rope import RopeScaling, serve_command
from golong_eval.engines.scripted import ScriptedEngine

__all__ = [
    "ENGINES",
    "OPERATIONAL",
    "ContextPolicy",
    "Engine",
    "EngineSettings",
    "GenerationRequest",
    "RopeScaling",
    "ScriptedEngine",
    "Thinking",
    "embedded_model",
    "open_engine",
    "resolve_engine",
    "serve_command",
]
