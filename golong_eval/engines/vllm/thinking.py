"""Answers of models whose thinking stands between other tags than ``<think>``, rewritten to have those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from golong_eval._optional import require
from golong_eval.engines.base import Thinking
from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.text import CLOSE_THINK, OPEN_THINK

__all__ = ["ThinkingSplit"]


class ThinkingSplit:
    """Splits answers with one of vLLM's reasoning parsers.

    Args:
        parser: The parser.
        tokenizer: The model's tokenizer.
        request: What the parser takes for the request that is answered.
    """

    def __init__(self, parser: Any, tokenizer: Any, request: Any) -> None:
        # Before vLLM 0.12 its name was longer.
        self._extract = getattr(parser, "extract_reasoning", None) or parser.extract_reasoning_content
        self._tokenizer = tokenizer
        self._request = request

    @classmethod
    def make(cls, name: str | None, tokenizer: Any, thinking: Thinking) -> Self | None:
        """Return the split of a named parser; None for no name.

        Raises:
            UnknownNameError: vLLM has no such parser.
            ConfigError: The parser does not go with the tokenizer, or splits only what a server streams.
        """
        if name is None:
            return None
        manager = require("vllm.reasoning", "vllm", "the vllm engine").ReasoningParserManager
        try:
            parser_class = manager.get_reasoning_parser(name)
        except KeyError:
            known = getattr(manager, "list_registered", lambda: list(manager.reasoning_parsers))()
            raise UnknownNameError("reasoning parser", name, known) from None
        switches = {} if thinking == "auto" else {"enable_thinking": thinking == "on"}
        try:
            parser = parser_class(tokenizer, **({"chat_template_kwargs": switches} if switches else {}))
            split = cls(parser, tokenizer, _request(switches))
            split._extract("", split._request)
        except Exception as error:
            raise ConfigError(
                f"the reasoning parser {name} can't be used here ({type(error).__name__}: {error})",
                "name the parser of this model's family, or ask a vLLM server with --engine openai",
            ) from error
        return split

    def read(self, tokens: Sequence[int]) -> tuple[str, bool]:
        """Return an answer's text as ``<think>...</think>answer``, and whether the thinking was left unfinished."""
        # The tags may be special tokens: the parser has to see them, the answer must not.
        thinking, answer = self._extract(self._tokenizer.decode(list(tokens), skip_special_tokens=False), self._request)
        thinking, answer = (self._without_special(part) if part else part for part in (thinking, answer))
        if not thinking:
            return answer or "", False
        if answer is None:
            return f"{OPEN_THINK}{thinking}", True
        return f"{OPEN_THINK}{thinking}{CLOSE_THINK}{answer}", False

    def _without_special(self, text: str) -> str:
        for token in self._tokenizer.all_special_tokens:
            text = text.replace(token, "")
        return text


def _request(switches: dict[str, bool]) -> Any:
    try:
        protocol = require("vllm.entrypoints.openai.chat_completion.protocol", "vllm", "the vllm engine")
    except ImportError:  # before vLLM 0.15
        protocol = require("vllm.entrypoints.openai.protocol", "vllm", "the vllm engine")
    return protocol.ChatCompletionRequest(messages=[], model="", chat_template_kwargs=switches or None)
