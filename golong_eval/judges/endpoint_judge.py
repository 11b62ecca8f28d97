"""A judge behind an OpenAI-compatible server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from golong_eval.errors import JudgeError
from golong_eval.judges.endpoint import Endpoint
from golong_eval.judges.judge import Messages, ModelJudge, Reply

__all__ = ["EndpointJudge"]


class EndpointJudge(ModelJudge):
    """A model of a server, asked over chat completions at temperature 0.

    Holds settings alone, no socket and no key, so it can be pickled and shared by threads.

    Args:
        model: The server's name for the model.
        base_url: Address of the server, with or without ``/v1``.
        api_key_env: The environment variable that holds its key; None sends none.
        max_tokens: Budget of a reply; a model that thinks needs some thousands.
        concurrency: Requests at once.
        timeout: Seconds for one attempt.
        retries: Attempts after the first, where a failure may pass.
        swap: Ask in both orders.

    Raises:
        ConfigError: An address that is none, or a number that is too low.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_key_env: str | None = "OPENAI_API_KEY",
        max_tokens: int = 1024,
        concurrency: int = 16,
        timeout: float = 120.0,
        retries: int = 4,
        swap: bool = False,
    ) -> None:
        super().__init__(model, max_tokens=max_tokens, swap=swap)
        self._endpoint = Endpoint(base_url, api_key_env, concurrency=concurrency, timeout=timeout, retries=retries)

    def __repr__(self) -> str:
        return f"EndpointJudge({self.model!r}, {self._endpoint.base_url!r})"

    def check(self) -> None:
        """Ask the server for one token.

        Raises:
            JudgeError: It does not answer, or does not know the model.
        """
        self._endpoint.post("chat/completions", [self._body([{"role": "user", "content": "Say yes."}], 1)])

    def reply_to(self, conversations: Sequence[Messages]) -> list[Reply]:
        """Return the model's reply to each conversation.

        Raises:
            JudgeError: The server answers none of them.
        """
        bodies = [self._body(messages, self.max_tokens) for messages in conversations]
        replies = self._endpoint.post_each("chat/completions", bodies)
        failures = [reply for reply in replies if isinstance(reply, JudgeError)]
        if failures and len(failures) == len(replies):
            raise failures[0]
        return [self._read(reply) for reply in replies]

    def _body(self, messages: Messages, max_tokens: int) -> dict[str, Any]:
        return {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": max_tokens}

    def _read(self, reply: bytes | JudgeError) -> Reply:
        if isinstance(reply, JudgeError):
            return Reply(None, str(reply))
        try:
            content = json.loads(reply)
            message = content["choices"][0]["message"]
            usage = content.get("usage") or {}
            text = message.get("content")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return Reply(None, f"the judge's server sent no chat completion: {self._endpoint.said(reply)}")
        tokens = [
            usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")
        ]
        counts = [count if isinstance(count, int) else 0 for count in tokens]
        if not isinstance(text, str) or not text.strip():
            thought = message.get("reasoning") or message.get("reasoning_content")
            why = "it thought until its budget was spent: raise --judge-max-tokens" if thought else "its reply is empty"
            return Reply(None, f"the judge gave no verdict: {why}", *counts)
        return Reply(text, "", *counts)
