"""The LLM processors of Ray Data, for clusters."""

from golong_eval.engines.ray.engine import RayEngine

__all__ = ["RayEngine"]
