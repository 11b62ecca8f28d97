"""Prompts that a tokenizer and a pipe take."""

from __future__ import annotations

from golong_eval.engines.base import GenerationRequest

__all__ = ["without_surrogates"]


def without_surrogates(request: GenerationRequest) -> GenerationRequest:
    """Return a request with "?" for the lone surrogates of its prompt, as they go to a server.

    JSON and text layers of PDFs can hold them; neither UTF-8 nor a tokenizer takes them.
    """
    prompt = request.prompt
    if all(map(_is_clean, (prompt.message, *(turn.content for turn in prompt.history)))):
        return request
    clean = {name: _cleaned(getattr(prompt, name)) for name in ("before", "documents", "after")}
    turns = tuple(turn.model_copy(update={"content": _cleaned(turn.content)}) for turn in prompt.history)
    return request.model_copy(update={"prompt": prompt.model_copy(update={**clean, "history": turns})})


def _is_clean(text: str) -> bool:
    return text.isascii() or _cleaned(text) == text


def _cleaned(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
