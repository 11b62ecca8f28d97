"""Any server that speaks the chat completions of OpenAI."""

from golong_eval.engines.openai.engine import OpenAIEngine

__all__ = ["OpenAIEngine"]
