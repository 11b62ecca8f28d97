"""From a text that a framework decoded to the response as the model wrote it."""

from __future__ import annotations

import re
import unicodedata

from golong_eval.text import OPEN_THINK

__all__ = ["response_of", "with_opened_thinking", "without_end_tokens"]

# Special tokens that may end a text that was decoded with them: <|im_end|>, </s>, <pad>, <｜end▁of▁sentence｜>.
_SPECIAL = r"(?:<[|｜][^<>|｜\s]{1,40}[|｜]>|</?s>|<(?:eos|bos|pad|end_of_turn)>|\[PAD\])"
_END_TOKEN = re.compile(_SPECIAL + r"\Z")
_FIRST_TOKENS = re.compile(_SPECIAL + "*")


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
_SLACK = _TAIL // 2 - 1  # by so much its place may differ: less than what lies between it and another such end
_HEAD = 64  # characters of a query by which most places of a cut are ruled out
_COMPARED = 100  # places of a cut that are compared in full: a text that repeats itself has very many


def response_of(query: str, prompt: str) -> str | None:
    r"""Return the response in a query, without special tokens at its end, and with the thinking that the prompt opened.

    The query need not begin with the prompt. White space aside, and behind special tokens, these are taken in turn:

    1. It begins with the prompt, as it is or in a normal form of Unicode.
    2. It begins with an end of the prompt, whose beginning was cut off. Of several, the first: what comes after may be
       the model's, which can write the prompt's end again.
    3. Some characters came back otherwise: the prompt's end stands within a few characters of where the prompt's
       length puts it. Farther off it may be the model's.

    None where it is nowhere: nobody knows what the response is.

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
    packed = "".join(query.split())
    forms = dict.fromkeys([prompt, *(unicodedata.normalize(form, prompt) for form in ("NFC", "NFKC"))])
    spellings = ["".join(form.split()) for form in forms]
    first = _FIRST_TOKENS.match(packed)
    special = first.end() if first else 0
    for find in (_whole, _cut, _near):
        for wanted in filter(None, spellings):
            own = _FIRST_TOKENS.match(wanted)
            added = max(0, special - (own.end() if own else 0))  # tokens before the prompt that are none of it
            for start in dict.fromkeys((0, added, special) if find is _cut else (added,)):
                end = find(packed[start:], wanted)
                if end is not None:
                    return _unpacked(query, start + end)
    return None


def _whole(packed: str, wanted: str) -> int | None:
    return len(wanted) if packed.startswith(wanted) else None


def _cut(packed: str, wanted: str) -> int | None:
    """Return the first place before which everything is an end of the prompt."""
    tail, compared = wanted[-_TAIL:], 0
    place = packed.find(tail, 0, len(wanted))
    while place >= 0 and compared < _COMPARED:
        end = place + len(tail)
        if wanted.startswith(packed[: min(_HEAD, end)], len(wanted) - end):
            compared += 1
            if wanted.endswith(packed[:end]):
                return end
        place = packed.find(tail, place + 1, len(wanted))
    return None


def _near(packed: str, wanted: str) -> int | None:
    """Return the place of the prompt's end that is nearest to its length, no more of the like before it than there."""
    many, tail = len(wanted), wanted[-_TAIL:]
    found = [
        end
        for end in range(max(len(tail), many - _SLACK), min(len(packed), many + _SLACK) + 1)
        if packed.endswith(tail, 0, end)
    ]
    end = min(found, key=lambda end: abs(end - many), default=None)
    return None if end is None or packed.count(tail, 0, end) > wanted.count(tail) else end


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
