"""The protocol that every engine keeps, and the settings that reach it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

from pydantic import Field

from golong_eval.schema import Frozen, Generation, Prompt

__all__ = ["Engine", "EngineSettings", "GenerationRequest", "Thinking"]

Thinking = Literal["auto", "on", "off"]
"""Whether the chat template asks the model to think; ``auto`` leaves it to the template."""


class EngineSettings(Frozen):
    """How an engine generates. Arguments that one engine alone knows stand in `args`."""

    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    thinking: Thinking = "auto"
    trust_remote_code: bool = False
    args: dict[str, str | int | float | bool] = Field(default_factory=dict)


class GenerationRequest(Frozen):
    """One answer wanted."""

    sample_id: str
    repeat: int = 0
    prompt: Prompt
    max_tokens: int = Field(ge=1)
    seed: int = 0


class Engine(Protocol):
    """What the harness needs of an engine.

    A failure of one request is a `Generation` with its ``error`` set; only the death of the whole
    engine is an exception (`golong_eval.errors.EngineError`).
    """

    name: str
    max_length: int | None
    """Tokens of prompt and answer together that the model takes; None where that is unknown."""

    thinks: bool
    """Whether the model thinks before it answers unless told not to: its answers need a larger budget."""

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return what should be recorded of it: versions, dtype, device, tokenizer."""
        ...

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield one generation for each request, as they finish, in any order.

        Requests may come from a generator and are taken as they are needed, so that not all prompts
        are in memory at once.

        Raises:
            EngineError: The engine died.
        """
        ...

    def close(self) -> None:
        """Release the model's memory."""
        ...
