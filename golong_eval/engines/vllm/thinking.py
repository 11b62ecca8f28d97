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
        off: The model was told not to think.
    """

    def __init__(self, parser: Any, tokenizer: Any, request: Any, *, off: bool = False) -> None:
        # Before vLLM 0.12 its name was longer.
        self._extract = getattr(parser, "extract_reasoning", None) or parser.extract_reasoning_content
        self._tokenizer = tokenizer
        self._request = request
        self._off = off

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
            split = cls(parser, tokenizer, _request(switches), off=thinking == "off")
            split._extract("", split._request)
        except Exception as error:
            raise ConfigError(
                f"the reasoning parser {name} can't be used here ({type(error).__name__}: {error})",
                "name the parser of this model's family, or ask a vLLM server with --engine openai",
            ) from error
        return split

    def read(self, tokens: Sequence[int], *, ended: bool = False) -> tuple[str, bool]:
        """Return an answer's text as ``<think>...</think>answer``, and whether the thinking was left unfinished.

        Args:
            tokens: The answer's tokens, without the one that ended the turn.
            ended: The model ended the turn by itself.
        """
        # The tags may be special tokens: the parser has to see them, the answer must not.
        whole = self._tokenizer.decode(list(tokens), skip_special_tokens=False)
        thinking, answer = self._extract(whole, self._request)
        if not thinking:
            return self._without_special(answer or ""), False
        tagged = thinking.lstrip().startswith(OPEN_THINK)
        if answer is None and (ended or self._off) and not tagged and thinking.strip() == whole.strip():
            # Without any tag, parsers of models whose prompt opens the thinking take all of it for that. A model that
            # was told not to think, or that is done, has answered.
            return self._without_special(whole), False
        thinking = self._without_special(thinking.lstrip().removeprefix(OPEN_THINK) if tagged else thinking)
        if answer is None:
            return f"{OPEN_THINK}{thinking}", True
        return f"{OPEN_THINK}{thinking}{CLOSE_THINK}{self._without_special(answer)}", False

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
