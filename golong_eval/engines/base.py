"""The protocol that every engine keeps, and the settings that reach it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

from pydantic import Field, JsonValue

from golong_eval.engines.rope import RopeScaling
from golong_eval.schema import Frozen, Generation, Prompt

__all__ = ["ContextPolicy", "Engine", "EngineSettings", "GenerationRequest", "Thinking"]

Thinking = Literal["auto", "on", "off"]
"""Whether the chat template asks the model to think; ``auto`` leaves it to the template."""

ContextPolicy = Literal["refuse", "truncate", "skip"]
"""What to do with a prompt that does not fit the model: refuse the run before anything is generated; cut the
documents in the middle, by tokens, never the question (where `Prompt.cut` says so, the whole last message); or leave
the sample without an answer (``over_length``)."""


class EngineSettings(Frozen):
    """How an engine generates. Arguments that one engine alone knows stand in `args`."""

    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    thinking: Thinking = "auto"
    thinking_budget: int | None = Field(default=None, ge=1)
    """Tokens after which an engine that can ends the thinking. The requests' ``max_tokens`` include it."""
    max_model_len: int | None = Field(default=None, ge=1)
    """Tokens of prompt and answer together; None is what the model's configuration or the server says."""
    max_prompt_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of a prompt, however long the model is."""
    context_policy: ContextPolicy = "refuse"
    rope_scaling: RopeScaling | None = None
    tokenizer: str | None = None
    """Folder or hub name of the tokenizer, where the engine has none of its own."""
    base_urls: tuple[str, ...] = ()
    """Addresses of servers, for engines that ask some."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the servers' key. The key itself is never stored."""
    concurrency: int | None = Field(default=None, ge=1)
    """Most requests at once; None is the engine's own choice."""
    trust_remote_code: bool = False
    args: dict[str, JsonValue] = Field(default_factory=dict)


class GenerationRequest(Frozen):
    """Answers wanted to one prompt: `n` of them, the repeats ``repeat`` to ``repeat + n - 1``."""

    sample_id: str
    repeat: int = 0
    n: int = Field(default=1, ge=1)
    prompt: Prompt
    max_tokens: int = Field(ge=1)
    seed: int = 0
    """Seed of the first repeat; each further one has the next number."""

    @property
    def characters(self) -> int:
        """Characters of the prompt, with its earlier messages."""
        prompt = self.prompt
        earlier = sum(len(turn.content) for turn in prompt.history)
        return earlier + len(prompt.before) + len(prompt.documents) + len(prompt.after)


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

    native_n: bool
    """Whether `generate` takes requests with ``n`` > 1; where not, it is sent one request a repeat."""

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return what should be recorded of it: versions, dtype, device, tokenizer, whether it is ``seeded``.

        What can change an answer belongs here: the response cache takes it into its keys.
        """
        ...

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model; None if it fits, or where that can't be known before."""
        ...

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield ``n`` generations for each request, as they finish, in any order.

        Requests may come from a generator and are taken as they are needed, so that not all prompts
        are in memory at once. They come in the order of `golong_eval.harness.schedule`: keep to it as far
        as possible, because neighbours share a prefix.

        Raises:
            EngineError: The engine died.
        """
        ...

    def close(self) -> None:
        """Release the model's memory."""
        ...
