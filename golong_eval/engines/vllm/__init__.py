"""vLLM in this process, or a process a replica."""

from golong_eval.engines.vllm.engine import VLLMEngine

__all__ = ["VLLMEngine"]
