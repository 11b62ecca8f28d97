"""From a text that a framework decoded to the response as the model wrote it."""

from __future__ import annotations

import re

from golong_eval.text import OPEN_THINK

__all__ = ["response_of", "with_opened_thinking", "without_end_tokens"]

# Special tokens that may end a text that was decoded with them: <|im_end|>, </s>, <pad>, <｜end▁of▁sentence｜>.
_END_TOKEN = re.compile(r"(?:<[|｜][^<>|｜\s]{1,40}[|｜]>|</?s>|<(?:eos|bos|pad|end_of_turn)>|\[PAD\])\Z")


def without_end_tokens(text: str) -> str:
    r"""Return a decoded text without the special tokens and the white space at its end.

    >>> without_end_tokens("42<|im_end|>\n<|endoftext|><|endoftext|>")
    '42'
    """
    end = len(text)
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        found = _END_TOKEN.search(text[max(0, end - 50) : end])
        if found is None:
            return text[:end]
        end -= len(found.group())


def with_opened_thinking(prompt: object, response: str) -> str:
    r"""Return a response with the opening tag of its thinking where the prompt ends with it.

    Chat templates of models that think may write the tag. Without it a thinking that never ends reads as an answer.

    >>> with_opened_thinking("<|assistant|><think>\n", "D1?</think>D2")
    '<think>D1?</think>D2'
    """
    if not isinstance(prompt, str) or not prompt.rstrip().endswith(OPEN_THINK):
        return response
    return response if response.lstrip().startswith(OPEN_THINK) else OPEN_THINK + response


_TAIL = 24  # characters of the prompt's end, white space aside, by which it is found in a query


def response_of(query: str, prompt: str) -> str | None:
    r"""Return the response in a query, without special tokens at its end, and with the thinking that the prompt opened.

    The query need not begin with the prompt: a framework may cut a prompt that is too long on its left, and a tokenizer
    may change white space or characters. Then the prompt's end is looked for, white space aside; of several places it
    is the one before which most agrees with the prompt. None where it is nowhere: nobody knows what the response is.

    >>> response_of("<s>Who? <|assistant|>\nAda</s></s>", "Who?<|assistant|>\n")
    'Ada'
    """
    if query.startswith(prompt):
        response = query[len(prompt) :]
    else:
        start = _end_of_prompt(query, prompt)
        if start is None:
            return None
        response = query[start:].lstrip()
    return with_opened_thinking(prompt, without_end_tokens(response))


def _end_of_prompt(query: str, prompt: str) -> int | None:
    packed, wanted = "".join(query.split()), "".join(prompt.split())
    if packed.startswith(wanted):
        return _unpacked(query, len(wanted))
    tail = wanted[-_TAIL:]
    best, agreeing = None, 0
    place = packed.find(tail) if tail else -1
    while place >= 0:
        end = place + len(tail)
        agrees = _common_end(packed[:end], wanted)
        if agrees > agreeing:
            best, agreeing = end, agrees
        place = packed.find(tail, place + 1)
    return None if best is None else _unpacked(query, best)


def _common_end(one: str, other: str) -> int:
    """Return how many characters two texts end with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle :] == other[len(other) - middle :]:
            low = middle
        else:
            high = middle - 1
    return low


def _unpacked(text: str, many: int) -> int:
    """Return the place in a text behind so many of its characters that are no white space."""
    place = 0
    for word in text.split():
        place = text.index(word, place)
        if len(word) >= many:
            return place + many
        many -= len(word)
        place += len(word)
    return place
