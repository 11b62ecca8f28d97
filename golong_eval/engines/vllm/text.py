"""Prompts that a tokenizer and a pipe take."""

from __future__ import annotations

from golong_eval.engines.base import GenerationRequest

__all__ = ["without_surrogates"]


def without_surrogates(request: GenerationRequest) -> GenerationRequest:
    """Return a request with "?" for the lone surrogates of its prompt, as they go to a server.

    JSON and text layers of PDFs can hold them; neither UTF-8 nor a tokenizer takes them.
    """
    parts = request.prompt.model_dump()
    clean = {
        name: text.encode("utf-8", "replace").decode()
        for name, text in parts.items()
        if isinstance(text, str) and not text.isascii()
    }
    if all(parts[name] == text for name, text in clean.items()):
        return request
    return request.model_copy(update={"prompt": request.prompt.model_copy(update=clean)})
