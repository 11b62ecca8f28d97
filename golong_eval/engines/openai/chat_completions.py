"""What goes to ``/v1/chat/completions``, and what its replies mean. No network here: bytes in, values out.

Replies are hostile: whatever stands in them is looked at before it is used, and nothing in them raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.http_client import plain
from golong_eval.text import CLOSE_THINK, OPEN_THINK, is_blank

__all__ = [
    "COMPLETION_FIELD",
    "OWN_KEYS",
    "WITHOUT_N",
    "WITHOUT_SEED",
    "Answer",
    "ChatFormat",
    "Reply",
    "ServerError",
    "read_error",
    "read_json",
    "read_reply",
    "remedy",
]

COMPLETION_FIELD: Final = "max_completion_tokens"
WITHOUT_SEED: Final = "without seed"
WITHOUT_N: Final = "without n"
"""The three ways to change a body for a server that refuses it: the other name of the budget, no seed, one answer at
a time."""

OWN_KEYS = frozenset(
    {"messages", "model", "n", "stream", "seed", "max_tokens", "max_completion_tokens", "thinking_token_budget"}
)
"""Keys of a body that are the engine's to set."""

# Ends of an answer that are the model's or its budget's. Any other reason is the server's fault: hosts have words of
# their own for a lack of resources, a lost connection or a time-out, and half an answer must not be scored.
_ENDED = frozenset(
    {
        *("stop", "tool_calls", "function_call"),  # OpenAI, vLLM, SGLang, llama.cpp
        *("eos", "eos_token", "stop_sequence", "stop_token", "stop_str"),  # TGI, Together, LMDeploy
        *("end_turn", "tool_use"),  # Anthropic
        *("complete", "completed", "end_of_text"),
    }
)
_CAPPED = frozenset(
    {
        *("length", "max_tokens", "max_length", "max_output_tokens", "max_new_tokens", "max_completion_tokens"),
        *("model_length", "model_context_window_exceeded"),  # Mistral, Anthropic
    }
)
_FILTERED = "content_filter"
_LARGEST_PAGE = 20_000  # bytes of a body that is no JSON, of which the start is told
_LARGEST = 2**53  # no count of tokens is larger; a number that is, is no count

# "maximum context length" (vLLM, OpenAI, OpenRouter), "longer than the model's context length" (SGLang), "longer than
# the maximum model length", "max_model_len" (vLLM), "context_length_exceeded" (OpenAI), "prompt is too long"
# (Anthropic, Bedrock), "exceed context limit" (Anthropic), "context size" (llama.cpp), "context window" (LiteLLM),
# "input token count" (Gemini), "inputs tokens + max_new_tokens must be <=", "inputs must have less than" (TGI), "Range
# of input length should be" (Qwen).
_TOO_LONG = re.compile(
    r"max(?:imum)? (?:context|model|sequence|input)[ _]len(?:gth)?\b|max_model_len|context[ _]length|too long"
    r"|context (?:size|window|limit)|exceed_context_size|context_?window|input token count"
    r"|too many (?:input |prompt )?tokens|exceeds? (?:the )?(?:model's )?(?:limit|max(?:imum)?(?: number of)? tokens)"
    r"|reduce (?:the length|your prompt)|longer than the (?:model|max|allowed)"
    r"|tokens \+ max_new_tokens`? must be <=|must have less than \d+ tokens|range of input length should be",
    re.IGNORECASE,
)
# What is too long must be the prompt: a stop string or a user's name can be too long as well.
_PROMPT = re.compile(
    r"\b(?:prompts?|inputs?|messages?|contexts?|tokens?)\b|context_|_context|max_model_len", re.IGNORECASE
)
_PARAMETER = re.compile(
    r"\b(?:unknown|unsupported|unrecogni[sz]ed|unexpected) |\b(?:un|not )(?:known|supported|permitted|recogni[sz]ed)\b"
    r"|\binvalid '(?!messages|input|prompt|max_)|\bparameter (?:is|was) |extra inputs? "
    r"|(?:unknown|unsupported)_parameter|\btokens per (?:min|hour|day)|\brate limit|\bquota\b",
    re.IGNORECASE,
)
_SEED = re.compile(r"\bseed\b", re.IGNORECASE)


@dataclass(frozen=True)
class ChatFormat:
    """What the bodies of a run have in common.

    Attributes:
        model: The name that the server knows it by.
        settings: Temperature, top-p, thinking.
        thinking_budget: Tokens after which the server ends the thinking; None where it can't.
        extra: Merged into every body; a key with null is left out of it.
    """

    model: str
    settings: EngineSettings
    thinking_budget: int | None
    extra: Mapping[str, JsonValue]

    def body(self, request: GenerationRequest, index: int, n: int, changes: frozenset[str]) -> bytes:
        """Return the body that asks for `n` answers.

        Args:
            request: The request.
            index: Which of the request's repeats is the first.
            n: How many.
            changes: What the server is known, or thought, to need (`COMPLETION_FIELD`, `WITHOUT_SEED`).
        """
        settings = self.settings
        budget = COMPLETION_FIELD if COMPLETION_FIELD in changes else "max_tokens"
        body: dict[str, Any] = {
            "model": self.model,
            "messages": request.prompt.messages,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            budget: request.max_tokens,
        }
        if n > 1:
            body["n"] = n
        if WITHOUT_SEED not in changes:
            body["seed"] = request.seed + index  # as vLLM seeds the answers of one request, from the first on
        if settings.thinking != "auto":
            body["chat_template_kwargs"] = {"enable_thinking": settings.thinking == "on"}
        if self.thinking_budget is not None:
            body["thinking_token_budget"] = self.thinking_budget
        for key, value in self.extra.items():
            if value is None:
                body.pop(key, None)
            elif isinstance(value, dict) and isinstance(body.get(key), dict):
                body[key] = body[key] | value
            else:
                body[key] = value
        # Not in ASCII: six bytes for a Chinese character instead of three. A lone surrogate is no UTF-8.
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


class Answer(NamedTuple):
    """One choice of a reply: a text, or the error of that answer alone."""

    text: str | None
    error: str | None = None
    capped: bool = False
    thinking_unfinished: bool = False
    thinking_apart: bool = False
    completion_tokens: int = 0
    reasoning_tokens: int | None = None


class Reply(NamedTuple):
    """The usable answers of a reply, by their place among those asked for."""

    answers: dict[int, Answer]
    choices: int
    """How many the server gave, usable or not."""
    prompt_tokens: int
    cached_tokens: int | None


class ServerError(NamedTuple):
    """What a server says when it refuses: its message on one line, and the words to look for reasons in."""

    message: str
    words: str

    @property
    def too_long(self) -> bool:
        """Whether the prompt does not fit the model."""
        words = self.words
        return (
            _TOO_LONG.search(words) is not None
            and _PROMPT.search(words) is not None
            and _PARAMETER.search(words) is None
        )


def read_json(content: bytes) -> Any:
    """Return the JSON value of a body; `ValueError` for one that is none, or nested beyond reading."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_error(content: bytes, secret: str = "") -> ServerError:
    """Return what a refusal says, whatever its form: OpenAI's, vLLM's, FastAPI's, or a page of text."""
    text = content.decode("utf-8", "replace")
    try:
        value = read_json(content)
    except ValueError:
        return ServerError(plain(text, secret), plain(text, limit=1000))
    return _error(value.get("error", value) if isinstance(value, dict) else value, text, secret)


def _error(error: Any, text: str, secret: str) -> ServerError:
    if isinstance(error, dict):
        detail = error.get("message") or error.get("detail") or error.get("msg")
        kinds = [str(error.get(key)) for key in ("code", "param", "type") if isinstance(error.get(key), str | int)]
    else:
        detail, kinds = error, []
    if isinstance(detail, list):  # FastAPI: [{"loc": ["body", "n"], "msg": "..."}]
        detail = "; ".join(_complaint(item, secret) for item in detail[:5])
    if not isinstance(detail, str) or not detail.strip():
        detail = text
    # What is looked for stands early or in a code; further on a server may quote the body. It is told to nobody, so the
    # secret stays in it: a short one like "token" would hide what is looked for.
    return ServerError(plain(detail, secret), " ".join([plain(detail, limit=1000), *(kind[:100] for kind in kinds)]))


def remedy(error: ServerError, n: int, changes: frozenset[str]) -> str | None:
    """Return the change of the body that may satisfy a server which refused it; None where there is none."""
    if COMPLETION_FIELD not in changes and COMPLETION_FIELD in error.words:
        return COMPLETION_FIELD
    if WITHOUT_SEED not in changes and _SEED.search(error.words):
        return WITHOUT_SEED
    # Servers that give one answer at a time say so in many words, vLLM also where sampling is greedy.
    return WITHOUT_N if n > 1 else None


def read_reply(content: bytes, n: int, *, secret: str = "", opened_thinking: bool = False) -> Reply | str:
    """Read the body of an HTTP 200.

    Args:
        content: The body.
        n: How many answers were asked for; further ones are dropped.
        secret: The key, which no reason tells.
        opened_thinking: The chat template opens the thinking, so an answer that the server did not take apart
            starts inside of it.

    Returns:
        The answers; or, where there is none, why: asking again may help.
    """
    try:
        reply = read_json(content)
    except ValueError:
        start = plain(content[:_LARGEST_PAGE].decode("utf-8", "replace"), secret, 60)
        return f"the reply is no JSON but {start!r}" if start else "the reply is empty"
    if not isinstance(reply, dict):
        return "the reply is no JSON object"
    choices = reply.get("choices")
    choices = choices if isinstance(choices, list) else []
    if error := reply.get("error"):  # some hosts send HTTP 200 before they know better
        beside = "beside its choices" if choices else "and no choices"
        return f"the reply has an error {beside}: {_said(error, secret)}"
    if not choices:
        return "the reply has no choices"
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    spent = _count(usage, "completion_tokens") or 0
    read = [_choice(choice, opened_thinking, secret, spent) for choice in choices]
    places = _places(choices, n)
    completion = _spread(spent, [len(item.text or "") for item in read])
    own = [choice.get("token_ids") if isinstance(choice, dict) else None for choice in choices]
    lengths = [len(ids) for ids in own if isinstance(ids, list)]
    if len(lengths) == len(choices) and any(lengths):
        completion = lengths
    total = _count(_details(usage, "completion_tokens_details"), "reasoning_tokens")
    reasoning = None if total is None else _spread(total, [item.reasoning for item in read])
    answers: dict[int, Answer] = {}
    for number, (place, item) in enumerate(zip(places, read, strict=True)):
        if place >= n or item.again:
            continue
        answers[place] = Answer(
            text=item.text,
            error=item.error,
            capped=item.capped,
            thinking_unfinished=item.unfinished,
            thinking_apart=item.reasoning > 0,
            completion_tokens=completion[number],
            reasoning_tokens=None if reasoning is None else reasoning[number],
        )
    if not answers:
        return next((item.error for item in read if item.error), "the reply has no answer")
    prompt = _count(usage, "prompt_tokens") or 0
    cached = _count(_details(usage, "prompt_tokens_details"), "cached_tokens")
    return Reply(
        answers=answers,
        choices=len(choices),
        prompt_tokens=prompt,
        cached_tokens=None if cached is None else min(cached, prompt),
    )


class _Choice(NamedTuple):
    text: str | None
    error: str | None = None
    again: bool = False
    """There is no answer, and asking again may give one."""
    capped: bool = False
    unfinished: bool = False
    reasoning: int = 0
    """Characters of thinking."""


def _choice(choice: object, opened_thinking: bool, secret: str, spent: int) -> _Choice:
    message = choice.get("message") if isinstance(choice, dict) else None
    if isinstance(choice, dict) and choice.get("error"):
        return _Choice(None, f"a choice of the reply has an error: {_said(choice['error'], secret)}", again=True)
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return _Choice(None, "a choice of the reply has no message", again=True)
    reason = choice.get("finish_reason")
    ended = reason.casefold() if isinstance(reason, str) else reason
    if isinstance(ended, str) and ended.startswith(_FILTERED):
        return _Choice(
            None, f"the host's content filter withheld the answer or cut it off (finish_reason {_FILTERED!r})"
        )
    open_ended = ended is None or ended == ""
    if not open_ended and (not isinstance(ended, str) or ended not in _ENDED | _CAPPED):
        told = repr(plain(reason, secret, 60)) if isinstance(reason, str) else _kind(reason)
        return _Choice(None, f"the server broke the answer off (finish_reason {told})", again=True)
    content, thought, fault = _parts(message.get("content"))
    if fault is not None:
        return _Choice(None, fault)
    # vLLM says "reasoning", SGLang and most hosts "reasoning_content".
    reasoning = thought or next(
        (value for key in ("reasoning", "reasoning_content") if isinstance(value := message.get(key), str) and value),
        "",
    )
    refusal = message.get("refusal")
    if content is None and isinstance(refusal, str) and refusal:
        content = refusal
    if open_ended and is_blank(content or ""):
        return _Choice(None, "a choice of the reply has neither content nor finish_reason", again=True)
    called = message.get("tool_calls") or message.get("function_call")
    if content is None and not reasoning and not called and not spent:
        return _Choice(None, "a choice of the reply has no content, and no token was spent on it", again=True)
    capped = ended in _CAPPED
    if reasoning and capped and is_blank(content or ""):
        return _Choice(OPEN_THINK + reasoning, capped=True, unfinished=True, reasoning=len(reasoning))
    if reasoning:
        text = f"{OPEN_THINK}{reasoning}{CLOSE_THINK}{content or ''}"
        return _Choice(text, capped=capped, reasoning=len(reasoning))
    text = content or ""
    # The server left the thinking in the text, and its end never came.
    unfinished = capped and opened_thinking and CLOSE_THINK not in text
    return _Choice(text, capped=capped, unfinished=unfinished)


def _said(error: Any, secret: str) -> str:
    """Return what an error inside of a reply says."""
    return _error(error, "no reason is given", secret).message


def _parts(content: object) -> tuple[str | None, str, str | None]:
    """Return a message's text, its thinking, and what is wrong with it; content may be a list of typed parts."""
    if content is None or isinstance(content, str):
        return content, "", None
    if not isinstance(content, list):
        return None, "", f"the answer is no text but {_kind(content)}"
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type", "text") if isinstance(part, dict) else None
        value = part.get(kind) if isinstance(part, dict) and kind in ("text", "refusal", "thinking") else None
        if kind == "thinking" and isinstance(value, list):  # Mistral's
            value = "".join(
                item["text"] for item in value if isinstance(item, dict) and isinstance(item.get("text"), str)
            )
        if not isinstance(value, str):
            return None, "", f"a part of the answer is no text but {_kind(part)}"
        (thoughts if kind == "thinking" else texts).append(value)
    return "".join(texts), "".join(thoughts), None


def _places(choices: Sequence[object], n: int) -> list[int]:
    """Return which of the `n` answers each choice is: by its index, or where those say nothing by its place."""
    indices = [choice.get("index") if isinstance(choice, dict) else None for choice in choices]
    numbers = [index for index in indices if type(index) is int and index >= 0]
    if n == 1 or len(numbers) < len(choices) or len(set(numbers)) < len(numbers):
        return list(range(len(choices)))
    first = min(numbers) if max(numbers) >= n else 0  # some count from 1
    return [number - first for number in numbers]


def _spread(total: int, weights: Sequence[int]) -> list[int]:
    """Share a sum out in proportion to weights, in whole numbers that add up to it.

    >>> _spread(10, [2, 1, 0]), _spread(3, [0, 0])
    ([7, 3, 0], [2, 1])
    """
    if len(weights) == 1:
        return [total]
    whole = sum(weights)
    if not whole:
        weights, whole = [1] * len(weights), len(weights)
    shares = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return shares


def _count(values: Mapping[str, Any], key: str) -> int | None:
    value = values.get(key)
    if isinstance(value, float) and value.is_integer():  # 12.0: JSON has one kind of number
        value = int(value)
    return value if type(value) is int and 0 <= value < _LARGEST else None


def _details(usage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = usage.get(key)
    return value if isinstance(value, dict) else {}


def _complaint(item: object, secret: str) -> str:
    if not isinstance(item, dict):
        return plain(item, secret, 200) if isinstance(item, str) else ""
    place, said = item.get("loc"), item.get("msg")
    where = ".".join(str(key) for key in place[:6] if isinstance(key, str | int)) if isinstance(place, list) else ""
    return f"{where}: {plain(said, secret, 200) if isinstance(said, str) else 'refused'}"


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "nothing")
