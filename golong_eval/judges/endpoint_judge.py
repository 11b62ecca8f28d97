"""A judge behind an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from golong_eval.engines.http_client import read_key
from golong_eval.engines.openai.chat_completions import read_reply
from golong_eval.errors import JudgeError
from golong_eval.judges.endpoint import Endpoint
from golong_eval.judges.judge import Messages, ModelJudge, Reply

__all__ = ["EndpointJudge"]

_PROBE = 16  # tokens of the reply that `check` asks for; some hosts refuse fewer
_SECRET = 12  # characters of a key that is one: local servers take words such as EMPTY
_OWN_HINTS = ("export ", "pass api_key_env", "check the model and base_url", "give base_url")


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
        ConfigError: An address that is none, a blank name, or a number that is too low.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_key_env: str | None = "OPENAI_API_KEY",
        max_tokens: int = 1024,
        concurrency: int = 16,
        timeout: float = 600.0,
        retries: int = 4,
        swap: bool = False,
    ) -> None:
        super().__init__(model, max_tokens=max_tokens, swap=swap)
        self._endpoint = Endpoint(base_url, api_key_env, concurrency=concurrency, timeout=timeout, retries=retries)

    def __repr__(self) -> str:
        return f"EndpointJudge({self.model!r}, {self._endpoint.base_url!r})"

    def check(self) -> None:
        """Ask the server for a few tokens.

        Raises:
            JudgeError: It does not answer, does not know the model, or has no chat completions.
        """
        hint = "check --judge and --judge-url, and that the server is up"
        body = self._body([{"role": "user", "content": "Say yes."}], _PROBE)
        (reply,) = self._endpoint.post_each("chat/completions", [body])
        if isinstance(reply, JudgeError):
            own = reply.hint if reply.hint.startswith(_OWN_HINTS) else hint  # the others speak of embedders
            raise JudgeError(f"the judge {self.model} does not answer: {reply}", own) from reply
        read = read_reply(reply, 1, secret=self._key())
        if isinstance(read, str):
            raise JudgeError(f"the judge {self.model} sends no chat completion: {read}", hint)

    def reply_to(self, conversations: Sequence[Messages]) -> list[Reply]:
        """Return the model's reply to each conversation.

        Where none is answered the server is asked for something short: it may be these questions that it refuses.

        Raises:
            JudgeError: The server answers nothing.
        """
        bodies = [self._body(messages, self.max_tokens) for messages in conversations]
        replies = self._endpoint.post_each("chat/completions", bodies)
        if replies and all(isinstance(reply, JudgeError) for reply in replies):
            self.check()
        return [self._read(reply) for reply in replies]

    def _body(self, messages: Messages, max_tokens: int) -> dict[str, Any]:
        return {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": max_tokens}

    def _read(self, content: bytes | JudgeError) -> Reply:
        if isinstance(content, JudgeError):
            return Reply(None, str(content))
        key = self._key()
        read = read_reply(content, 1, secret=key)
        if isinstance(read, str):
            return Reply(None, f"the judge's server sent no answer: {read}", again=True)
        answer = read.answers[0]
        text = answer.text
        if text and len(key) >= _SECRET:
            text = text.replace(key, "***")  # a server may repeat what it was sent
        return Reply(
            text,
            f"the judge gave no verdict: {answer.error}",
            read.prompt_tokens,
            answer.completion_tokens,
            cut=answer.capped,
        )

    def _key(self) -> str:
        variable = self._endpoint.api_key_env
        return read_key(variable) if variable else ""
