"""From a prompt to the tokens that a local model reads: chat template, special tokens, and the context policy.

Shared by the engines that tokenise themselves, so that a prompt is the same tokens in each of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.surrogates import without_surrogates
from golong_eval.errors import ModelError
from golong_eval.schema import Generation, Prompt
from golong_eval.text import CLOSE_THINK, OPEN_THINK

__all__ = ["Encoded", "PromptEncoder", "failed"]

_MARGIN_BYTES = 64
_MARKS = "\ue000{}\ue001"  # in the place of a message, to see what a template puts around it
_EMPTY = GenerationRequest(sample_id="-", prompt=Prompt(after="x"), max_tokens=1)


@dataclass(frozen=True)
class Encoded:
    """A request with the tokens of its prompt.

    Attributes:
        request: The request.
        ids: Tokens of the prompt in the chat template.
        cut_tokens: Tokens of the documents that were cut out to fit the model.
        opened_thinking: The chat template opened the thinking, so an answer starts inside of it.
    """

    request: GenerationRequest
    ids: list[int]
    cut_tokens: int
    opened_thinking: bool


class Rendered(NamedTuple):
    """A rendered prompt: the chat template's opening, the prompt in its parts, the template's closing."""

    opening: str
    before: str
    documents: str
    after: str
    closing: str


class PromptEncoder:
    """Turns prompts into tokens.

    Args:
        tokenizer: A tokenizer of transformers.
        settings: Thinking, context policy.
        max_length: Tokens of prompt and answer that the model takes; None where that is unknown.

    Raises:
        ModelError: The tokenizer is empty: transformers makes such a one where a folder has none.
    """

    def __init__(self, tokenizer: Any, settings: EngineSettings, max_length: int | None) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._settings = settings
        if not tokenizer("a text", add_special_tokens=False)["input_ids"]:
            raise ModelError(
                "the checkpoint's tokenizer makes no tokens of a text",
                "check that its folder holds tokenizer.json, as save_pretrained writes it",
            )
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._normalises = backend is None or backend.normalizer is not None
        self.thinks = bool(tokenizer.chat_template) and any(
            mark in str(tokenizer.chat_template) for mark in (OPEN_THINK, "enable_thinking")
        )

    @functools.cached_property
    def _template_bytes(self) -> int:
        """What the chat template puts around a prompt, and a margin."""
        return len("".join(self.rendered(_EMPTY)).encode()) + _MARGIN_BYTES

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model; None if it fits."""
        room = self._room(request)
        if room is None:
            return None
        request = without_surrogates(request)
        text = request.prompt.text
        # No token is shorter than a byte of what is tokenised, so most prompts need no counting. A normaliser can make
        # more bytes of a text (NFKC up to 11 of one), but none of ASCII; SentencePiece may put a token before the first
        # word for no byte at all, for which the margin has room.
        plain = text.isascii() or not self._normalises
        around = self._template_bytes * (1 + len(request.prompt.history))
        if plain and len(text.encode("utf-8", "replace")) + around <= room:
            return None
        tokens = len(self._whole(request)[0])
        return None if tokens <= room else self._too_long(request, tokens)

    def _room(self, request: GenerationRequest) -> int | None:
        """Return the most tokens that the prompt may have; None where nothing bounds it."""
        bounds = [self._settings.max_prompt_tokens]
        if self.max_length is not None:
            bounds.append(self.max_length - request.max_tokens)
        return min((bound for bound in bounds if bound is not None), default=None)

    def _too_long(self, request: GenerationRequest, tokens: int) -> str:
        most = self._settings.max_prompt_tokens
        if (
            most is not None
            and most < tokens
            and (self.max_length is None or most <= self.max_length - request.max_tokens)
        ):
            return f"the prompt's {tokens} tokens are more than the {most} of --max-prompt-tokens"
        both = f"the prompt's {tokens} tokens and an answer of {request.max_tokens}"
        return f"{both} do not fit the model's {self.max_length}"

    def encode(self, request: GenerationRequest) -> Encoded | list[Generation]:
        """Return a request's tokens; where it does not fit, by the context policy, cut or as failures."""
        request = without_surrogates(request)
        ids, parts, literal = self._whole(request)
        opened_thinking = parts.closing.rfind(OPEN_THINK) > parts.closing.rfind(CLOSE_THINK)
        room = self._room(request)
        if room is None or len(ids) <= room:
            return Encoded(request, ids, 0, opened_thinking)
        reason = self._too_long(request, len(ids))
        if self._settings.context_policy != "truncate":
            return failed(request, reason, over_length=True)
        prompt = request.prompt.as_cut()
        what = "documents" if prompt is request.prompt else "last message"
        if not prompt.documents:
            never = ", and earlier messages are never cut" if prompt.history else ""
            return failed(request, f"{reason}; there are no documents to cut{never}", over_length=True)
        if prompt is not request.prompt:
            parts = self.rendered(request.model_copy(update={"prompt": prompt}))
        if not parts.documents:
            return failed(
                request, f"{reason}; the chat template rewrites it, so its {what} can't be cut", over_length=True
            )
        first = self._opening(prompt, parts.opening, literal=literal) + self._tokens(parts.before, literal=literal)
        middle = self._tokens(parts.documents, literal=literal)
        last = self._tokens(parts.after, literal=literal) + self._tokens(parts.closing)
        left = room - len(first) - len(last)
        if left < 1:
            return failed(request, f"{reason}, nor would it without its {what}", over_length=True)
        if left >= len(middle):  # parts can be fewer tokens than the whole that they make
            return Encoded(request, first + middle + last, 0, opened_thinking)
        kept = middle[: (left + 1) // 2] + (middle[-(left // 2) :] if left > 1 else [])
        return Encoded(request, first + kept + last, len(middle) - len(kept), opened_thinking)

    def generation(
        self,
        item: Encoded,
        new: Sequence[int],
        ends: Collection[int],
        *,
        seconds: float,
        repeat: int | None = None,
        cached_tokens: int | None = None,
        read: Callable[[Sequence[int]], tuple[str, bool]] | None = None,
    ) -> Generation:
        """Return what a model's tokens say: all before the first that ends the turn.

        Args:
            item: The request.
            new: The answer's tokens.
            ends: Tokens that end the turn.
            seconds: How long it took.
            repeat: Which repeat it answers; None is the request's first.
            cached_tokens: Prompt tokens that a prefix cache had.
            read: Returns the text of tokens, and whether their thinking is unfinished; None decodes them, and goes by
                the tags.
        """
        end = next((index for index, token in enumerate(new) if token in ends), None)
        answer = list(new if end is None else new[:end])
        if read is None:
            text = self.decode(answer)
            unfinished = item.opened_thinking and CLOSE_THINK not in text
        else:
            text, unfinished = read(answer)
        return Generation(
            sample_id=item.request.sample_id,
            repeat=item.request.repeat if repeat is None else repeat,
            text=text,
            finish_reason="length" if end is None else "stop",
            thinking_unfinished=unfinished,
            prompt_tokens=len(item.ids),
            completion_tokens=len(answer) + (end is not None),
            cached_tokens=cached_tokens,
            context_cut=item.cut_tokens > 0,
            cut_tokens=item.cut_tokens,
            seconds=round(seconds, 3),
        )

    def decode(self, tokens: Sequence[int]) -> str:
        """Return an answer's text. Thinking tags are special tokens in some tokenizers and stay; other special go."""
        tokenizer = self.tokenizer
        hidden = set(tokenizer.all_special_ids) - set(tokenizer.convert_tokens_to_ids([OPEN_THINK, CLOSE_THINK]))
        text: str = tokenizer.decode([token for token in tokens if token not in hidden], skip_special_tokens=False)
        return text

    def rendered(self, request: GenerationRequest) -> Rendered:
        """Return the prompt with the chat template applied, in parts."""
        prompt = request.prompt
        if not self.tokenizer.chat_template:
            opening = prompt.text.removesuffix(prompt.message)  # of a conversation, the turns before the message
            return Rendered(opening, prompt.before, prompt.documents, prompt.after, "")
        rendered = self._templated(prompt.messages)
        # A template may trim its content; what lies between the ends stays as it is. The message is what stands right
        # before the closing: a system prompt or an earlier message may hold the same text.
        content = prompt.message.strip()
        end = len(rendered) - len(self._closing) if rendered.endswith(self._closing) else len(rendered)
        start = rendered.rfind(content, 0, end)
        if start < 0:
            return Rendered(rendered, "", "", "", "")
        trimmed = len(prompt.message) - len(prompt.message.lstrip())
        first = max(0, len(prompt.before) - trimmed)
        last = max(0, len(prompt.before) + len(prompt.documents) - trimmed)
        parts = content[:first], content[first:last], content[last:]
        return Rendered(rendered[:start], *parts, rendered[start + len(content) :])

    def _templated(self, messages: Sequence[dict[str, str]]) -> str:
        thinking = self._settings.thinking
        flags = {} if thinking == "auto" else {"enable_thinking": thinking == "on"}
        rendered: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **flags
        )
        return rendered

    @functools.cached_property
    def _closing(self) -> str:
        """What the chat template puts behind the last message."""
        mark = _MARKS.format(0)
        return self._templated([{"role": "user", "content": mark}]).rpartition(mark)[2]

    def _whole(self, request: GenerationRequest) -> tuple[list[int], Rendered, bool]:
        """Return the tokens of the whole prompt, its parts, and whether it spells special tokens."""
        parts = self.rendered(request)
        # Real text may hold <|im_end|> and the like: there it is text, and must not end the turn.
        text = request.prompt.text
        literal = any(token in text for token in self.tokenizer.all_special_tokens)
        if literal:
            opening = self._opening(request.prompt, parts.opening, literal=True)
            own = self._tokens(parts.before + parts.documents + parts.after, literal=True)
            return [*opening, *own, *self._tokens(parts.closing)], parts, True
        return self._tokens("".join(parts), first=True), parts, False

    def _opening(self, prompt: Prompt, opening: str, *, literal: bool) -> list[int]:
        """Return the tokens of what stands before the last message; with `literal`, earlier ones are text alone."""
        if not literal or not prompt.history:
            return self._tokens(opening, first=True)
        ids: list[int] = []
        for place, (text, own) in enumerate(self._turns(prompt, opening)):
            ids += self._tokens(text, first=place == 0, literal=own)
        return ids

    def _turns(self, prompt: Prompt, opening: str) -> list[tuple[str, bool]]:
        """Return the opening in pieces, each with whether it is an earlier message or the template's own.

        One piece where the template rewrites messages, so that they can't be told apart.
        """
        if not self.tokenizer.chat_template:
            return [(opening, True)]
        marks = [_MARKS.format(number) for number in range(len(prompt.messages))]
        marked = [{**message, "content": mark} for message, mark in zip(prompt.messages, marks, strict=True)]
        around: list[str] = []
        rest = self._templated(marked)
        for mark in marks:
            before, _, rest = rest.partition(mark)
            around.append(before)
        pieces = [(around[0], False)]
        at = len(around[0])
        for turn, after in zip(prompt.history, around[1:], strict=True):
            own = next((text for text in _trimmed(turn.content) if opening.startswith(text + after, at)), None)
            if own is None:
                return [(opening, False)]
            pieces += [(own, True), (after, False)]
            at += len(own) + len(after)
        whole = opening.startswith(around[0]) and not opening[at:].strip()  # space that the last message begins with
        return [*pieces, (opening[at:], True)] if whole else [(opening, False)]

    def _tokens(self, text: str, *, first: bool = False, literal: bool = False) -> list[int]:
        # A chat template writes its own special tokens; without one the tokenizer adds them, once, at the start.
        special = first and not self.tokenizer.chat_template
        ids: list[int] = self.tokenizer(text, add_special_tokens=special, split_special_tokens=literal)["input_ids"]
        return ids


def _trimmed(text: str) -> tuple[str, ...]:
    """Return a message as templates show it: as it is, or without the space around it."""
    return text, text.strip(), text.rstrip(), text.lstrip()


def failed(
    request: GenerationRequest, error: str, *, prompt_tokens: int = 0, over_length: bool = False
) -> list[Generation]:
    """Return a request's repeats, each without an answer and with the reason."""
    return [
        Generation(
            sample_id=request.sample_id,
            repeat=repeat,
            text=None,
            finish_reason="error",
            error=error,
            over_length=over_length,
            prompt_tokens=prompt_tokens,
        )
        for repeat in range(request.repeat, request.repeat + request.n)
    ]
