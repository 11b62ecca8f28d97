"""The text rules that all rewards share: thinking, answer area, lines, items, normalisation, scripts.

    response --remove_thinking--> visible text --answer_area--> area --GoldItems.read--> items

These are the rules of the ``strict`` variant; `golong_eval.rewards.official.reading` has the published ones. All are
linear in the length of the text, and none raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

__all__ = [
    "ANSWER_MARKERS",
    "CLOSE_THINK",
    "HAN",
    "OPEN_THINK",
    "RESERVED",
    "Box",
    "GoldItems",
    "Item",
    "Visible",
    "answer_area",
    "bare",
    "boxes",
    "clean",
    "content_lines",
    "detect_language",
    "drop_lead_in",
    "fold",
    "is_blank",
    "is_fence",
    "remove_thinking",
    "visible",
]

OPEN_THINK, CLOSE_THINK = "<think>", "</think>"
_CLOSING = ("</answer>", "[/Answer]", "[/答案]")
RESERVED = (OPEN_THINK, CLOSE_THINK, "[Answer]", "[答案]", "<answer>", *_CLOSING)
"""Tags that shape a response. A gold that holds one could never be answered."""

HAN = re.compile("[〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
"""One Chinese character."""

# Zero-width, directional, filler and tag characters, variation selectors, soft hyphens and control characters:
# nothing to see, so nothing to tell two answers apart. Line breaks and tabs are white space and stay.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


# ---------------------------------------------------------------------------------------------------------
# Thinking and answer area


class Visible(NamedTuple):
    """The text after the thinking, or the reason why there is none."""

    text: str | None
    reason: str | None = None


def remove_thinking(
    response: str, *, require_think: bool = False, unfinished: bool = False, closed: bool = True
) -> Visible:
    """Return what stands after the thinking: everything after the last ``</think>``, or the whole text.

    Args:
        response: The answer as the model wrote it.
        require_think: The training gate: exactly one closing tag and at most one opening tag.
        unfinished: The engine says that the tokens ran out while the model was thinking.
        closed: Whether an opening tag that is never closed means that there is no answer (``strict``), or is text
            like any other (``official``).

    >>> remove_thinking("<think>D1?</think>D2").text
    'D2'
    >>> remove_thinking("<think>the answer is D1").reason
    'the thinking was never closed'
    """
    if unfinished:
        return Visible(None, "the engine says that the thinking was unfinished")
    if require_think and not is_blank(response):
        closings = response.count(CLOSE_THINK)
        if closings != 1 or response.count(OPEN_THINK) > 1:
            return Visible(None, f"require_think: {closings} closing and {response.count(OPEN_THINK)} opening tags")
    text = response[response.rfind(CLOSE_THINK) + len(CLOSE_THINK) :] if CLOSE_THINK in response else response
    if closed and OPEN_THINK in text:
        return Visible(None, "the thinking was never closed")
    return Visible(text)


ANSWER_MARKERS = ("[Answer]", "[答案]", "<answer>")
"""The marks after which an answer stands."""
# What is left at the end of a text that was decoded with its special tokens.
_END_TOKENS = re.compile(r"(?:\s{0,9}(?:<\|[a-zA-Z_]{1,20}\|>|</s>|<eos>|<end_of_turn>)){1,9}\s{0,9}\Z")
# What a model writes around its marker on the same line: "**[Answer]:** D1".
_MARKER_TAIL = re.compile(r"[ \t]*(?:\*{1,3}|_{1,3})?[ \t]*[:：]?[ \t]*")


def answer_area(text: str) -> str:
    """Return the text after the last answer marker, or the whole text when there is none.

    Markers are ``[Answer]``, ``[答案]`` and ``<answer>``; the area ends at the next closing tag (``</answer>``,
    ``[/Answer]``), and one at the end of a text without a marker is no part of it.

    >>> answer_area("It is D1. [Answer] D2")
    'D2'
    """
    if text.endswith((">", ">\n", "> ")):
        text = text[:-200] + _END_TOKENS.sub("", text[-200:])
    start, marker = max((text.rfind(marker), marker) for marker in ANSWER_MARKERS)
    if start < 0:
        return _unclosed(text)
    area = text[start + len(marker) :]
    for tag in _CLOSING:
        area = area.partition(tag)[0]
    head = _MARKER_TAIL.match(area)
    assert head is not None  # the pattern matches the empty text
    opened = re.search(r"(\*{1,3}|_{1,3})$", text[max(0, start - 3) : start])
    tail = head.group()
    if opened is not None and opened[1] in tail:
        return area[head.end() :]
    if ":" in tail or "：" in tail:
        area = area[max(tail.find(":"), tail.find("：")) + 1 :]
        if opened is not None:
            area = area.lstrip(" \t").removeprefix(opened[1])
    elif opened is not None:  # "**[Answer] D1**"
        line, newline, rest = area.partition("\n")
        area = line.rstrip().removesuffix(opened[1]) + newline + rest
    return area.lstrip(" \t")


def _unclosed(text: str) -> str:
    for tag in _CLOSING:
        if text.rstrip().endswith(tag):
            text = text.rstrip().removesuffix(tag)
    return text


# ---------------------------------------------------------------------------------------------------------
# Characters


def visible(text: str) -> str:
    """Return the text without invisible characters."""
    return text if text.isascii() and text.isprintable() else _INVISIBLE.sub("", text)


def is_blank(text: str) -> bool:
    """Whether a text has nothing to see."""
    start = text.lstrip()[:1]
    return not ("!" <= start <= "~" or visible(text).strip())


def _nfkc(text: str) -> str:
    """NFKC that leaves superscripts and subscripts alone: 10³ is not 103."""
    if text.isascii():
        return text
    raised = [c for c in set(text) if c > "\x7f" and unicodedata.decomposition(c).startswith(("<super>", "<sub>"))]
    if not raised:
        return unicodedata.normalize("NFKC", text)
    pieces = re.split(f"([{re.escape(''.join(sorted(raised)))}]+)", text)
    return "".join(p if i % 2 else unicodedata.normalize("NFKC", p) for i, p in enumerate(pieces))


def clean(text: str) -> str:
    r"""Return a text on one line in NFKC (superscripts kept), white space collapsed, case kept.

    >>> clean(" Ｄ３ \u200b  10³")
    'D3 10³'
    """
    if not text.isascii():
        text = _nfkc(visible(text))
    return " ".join(visible(text).split())


def fold(text: str) -> str:
    """Return `clean` text without case: two texts that fold alike read alike."""
    return _fold_case(clean(text))


def _fold_case(text: str) -> str:
    return text.lower() if text.isascii() else " ".join(_nfkc(text.casefold()).split())


def detect_language(text: str) -> Literal["en", "zh"]:
    """Return ``zh`` when at least a fifth of the letters are Chinese characters, else ``en``."""
    han = len(HAN.findall(text))
    return "zh" if han and 5 * han >= sum(map(str.isalpha, text)) else "en"


# ---------------------------------------------------------------------------------------------------------
# Decoration

_PAIRS = dict(zip("*_`~\"'“‘「『«„", "*_`~\"'”’」』»“", strict=True))
_BULLETS = "-*•"
_ORNAMENT = "-*•_`~ "
_INNER_EMPHASIS = re.compile(r"(?<![\w*`])(\*{1,3}|__|`)(?=[^\s*_`])([^*_`]+)(?<=\S)\1(?![\w*`])")
_INSIDE = re.compile("[*_`:]")
_CACHED = 200  # characters: shorter lines come again in the rollouts of a group, and their forms are kept
_COLON = re.compile(r" ?: ?")


def bare(text: str) -> str:
    """Return `clean` text without bullets, emphasis, backticks, quotes and final full stops.

    Repeated until nothing changes. Emphasis inside goes where it wraps whole words (``**F1:** `D7```). White space
    around a colon does not count, because the full-width colon has none.

    >>> bare("- **“D3.”**")
    'D3'
    >>> bare("**F1**: `D7`.") == bare(clean("F1：D7"))
    True
    """
    if text[:1].isalnum() and text[-1].isalnum() and not _INSIDE.search(text):
        return text  # most items: nothing to take off
    return _undressed(text) if len(text) <= _CACHED else _undressed.__wrapped__(text)


@lru_cache(maxsize=1 << 13)
def _undressed(text: str) -> str:
    if not text.strip(_ORNAMENT):
        return ""
    if "*" in text or "_" in text or "`" in text:
        text = _INNER_EMPHASIS.sub(r"\2", text)
    start, end = 0, len(text)  # two pointers: slicing at each step would be quadratic
    while start < end:
        if text[start].isspace():
            start += 1
        elif text[end - 1].isspace() or text[end - 1] in ".。":
            end -= 1
        elif text[start] in _BULLETS and (end - start == 1 or text[start + 1].isspace()):
            start += 1
        elif end - start > 1 and _PAIRS.get(text[start]) == text[end - 1]:
            start, end = start + 1, end - 1
        else:
            break
    text = text[start:end]
    return _COLON.sub(":", text) if ":" in text else text


_CHINESE_DIGITS = "零一二三四五六七八九"
_NUMBERED = re.compile(
    r"(?P<mark>\*\*|__|\*|_)?(?:"
    r"(?P<plain>[0-9０-９]{1,4}) ?[.．)）](?!\d)|(?P<comma>[0-9０-９]{1,4})、|[(（](?P<round>[0-9０-９]{1,4})[)）]"
    r"|[(（](?P<letter>[a-z])[)）]|(?P<circle>[①-⑳⑴-⒛㉑-㉟㊱-㊿])"
    r"|(?P<han>[一二三四五六七八九十]{1,3})、|[(（](?P<roundhan>[一二三四五六七八九十]{1,3})[)）]"
    r")(?(mark)(?P=mark)) ?(?=\S)"
)


def _number(style: str, digits: str) -> int:
    if style == "letter":
        return ord(digits) - ord("a") + 1
    if style == "circle":
        return int(unicodedata.numeric(digits))
    if style.endswith("han"):
        tens, ten, ones = digits.rpartition("十")
        tens_value = (_CHINESE_DIGITS.find(tens) if tens else 1) if ten else 0
        return 10 * tens_value + (_CHINESE_DIGITS.find(ones) if ones else 0)
    return int(digits)


def _unnumbered(lines: Sequence[str]) -> list[str | None]:
    """Return each line without its number, or None where it has none to lose.

    A number is numbering only where all numbers of its style count up from 1 (or 0) through the lines: in
    "3. Method" alone it is part of the item.
    """
    found: list[tuple[str, int, str] | None] = []
    styles: dict[str, list[int]] = {}
    for line in lines:
        # The pattern looks at the line before NFKC, which would turn ① into 1.
        undressed = line if line[:1].isalnum() else bare(line)
        match = _NUMBERED.match(undressed)
        if match is None:
            found.append(None)
            continue
        style, digits = next((k, v) for k, v in match.groupdict().items() if k != "mark" and v)
        number = _number(style, digits)
        styles.setdefault(style, []).append(number)
        found.append((style, number, undressed[match.end() :]))
    if not styles:
        return [None] * len(lines)
    counted = {s for s, n in styles.items() if n[0] in (0, 1) and n == list(range(n[0], n[0] + len(n)))}
    return [rest[2] if rest is not None and rest[0] in counted else None for rest in found]


_LEAD_IN = re.compile(
    r"(?:(?:so|thus|hence|therefore|finally)\b[ ,]{0,2})?(?:(?:the|my|our) )?(?:(?:final|correct|right|best) )?answer ?"
    r"(?:is|:|=) ?:? ?"
    r"|【答案】 ?[:：]? ?"
    r"|(?:因此|所以|综上|故)?[,，]? ?(?:最终|最后|正确)?的?答案 ?(?:应该是|应为|是|为|[:：=]) ?[:：]? ?",
    re.IGNORECASE,
)


def drop_lead_in(text: str) -> str:
    """Return bare text without a leading "the answer is", "Answer:", "答案是" and the like.

    >>> drop_lead_in("The answer is:e0")
    'e0'
    """
    match = _LEAD_IN.match(text)
    return text if match is None else text[match.end() :]


# ---------------------------------------------------------------------------------------------------------
# Lines and items

_FENCE = re.compile(r"(?:`{3,}|~{3,})[\w+.-]*$")


def content_lines(area: str) -> list[str]:
    """Return the lines of an area, white space collapsed, without blank ones.

    Lines end at every Unicode line break (also CR, U+2028).
    """
    return [line for raw in visible(area).splitlines() if (line := " ".join(raw.split()))]


def is_fence(line: str) -> bool:
    """Whether a line only opens or closes a code fence."""
    return _FENCE.match(line) is not None


class Item(NamedTuple):
    """One item that an answer names."""

    text: str
    gold: int | None
    """Its place among the gold items; None when it is not one of them."""


_LEVELS = 6


def _keys(line: str, rest: str | None) -> tuple[str, ...]:
    """Return a line's six normal forms, from the least to the most aggressive."""
    return _forms_of(line, rest) if len(line) <= _CACHED else _forms_of.__wrapped__(line, rest)


@lru_cache(maxsize=1 << 13)
def _forms_of(line: str, rest: str | None) -> tuple[str, ...]:
    kept = clean(line)
    stripped = bare(kept)
    folded = _fold_case(stripped)
    if rest is None:
        return (line, kept, stripped, folded, stripped, folded)
    unnumbered = bare(clean(rest))
    return (line, kept, stripped, folded, unnumbered, _fold_case(unnumbered))


@dataclass(frozen=True, init=False)
class GoldItems:
    """Gold items, ready to be found in answers.

    Gold and answer lines go through the same forms: as written; NFKC; without decoration; without case; without
    numbering. A line is the gold item that it equals in the least aggressive form possible, and a form in which
    two gold items coincide tells nothing of them. So no two gold items are ever merged, whatever they look like
    (``-``, ``1.``, ``D1`` beside ``d1``), and gold against itself is always right. Only items that are equal as
    written, up to white space and invisible characters, are one.
    """

    items: tuple[str, ...]
    _forms: tuple[dict[str, int], ...]

    def __init__(self, items: Iterable[str]) -> None:
        lines = [line for line in dict.fromkeys(" ".join(visible(item).split()) for item in items) if line]
        forms: list[dict[str, int]] = [{} for _ in range(_LEVELS)]
        shared: list[set[str]] = [set() for _ in range(_LEVELS)]
        for index, (line, rest) in enumerate(zip(lines, _unnumbered(lines), strict=True)):
            for form, twice, key in zip(forms, shared, _keys(line, rest), strict=True):
                if form.setdefault(key, index) != index:
                    twice.add(key)
        for form, twice in zip(forms, shared, strict=True):
            for key in twice | {""}:
                form.pop(key, None)
        object.__setattr__(self, "items", tuple(lines))
        object.__setattr__(self, "_forms", tuple(forms))

    def __len__(self) -> int:
        return len(self.items)

    def _find(self, line: str, rest: str | None) -> tuple[int | None, str]:
        key = ""
        for form, key in zip(self._forms, _keys(line, rest), strict=True):
            index = form.get(key)
            if index is not None:
                return index, key
        return None, key

    def find(self, text: str) -> int | None:
        """Return the place of the gold item that a text names by itself, or None.

        >>> GoldItems(["D1", "D3"]).find("1. **D3**.")
        1
        """
        line = " ".join(visible(text).split())
        return self._find(line, _unnumbered([line])[0])[0]

    def read(self, area: str) -> list[Item]:
        r"""Return the distinct items of an answer area, in order, the first of duplicates kept.

        >>> [item.gold for item in GoldItems(["D1", "D3"]).read("1. D3\n\n2. `D7`\n3. d3\n")]
        [1, None]
        """
        lines = list(dict.fromkeys(content_lines(area)))
        seen: set[int | str] = set()
        items = []
        as_written = self._forms[0]
        for line, rest in zip(lines, _unnumbered(lines), strict=True):
            key, index = line, as_written.get(line)
            if index is None:
                index, key = self._find(line, rest)
                if index is None and (not key or is_fence(line)):
                    continue
            identity = key if index is None else index
            if identity not in seen:
                seen.add(identity)
                items.append(Item(key, index))
        return items


# ---------------------------------------------------------------------------------------------------------
# Boxes


class Box(NamedTuple):
    r"""A closed ``\boxed{...}``: its extent in the text, and what is in it."""

    start: int
    end: int
    content: str


_BRACE = re.compile(r"\\(?:boxed|fbox)\s?\{|\\[\\{}]|[{}]")


def boxes(text: str) -> list[Box]:
    r"""Return the closed boxes of a text in the order in which they open.

    >>> [box.content for box in boxes(r"\boxed{1} or \boxed{\frac{1}{2}} or \boxed{3")]
    ['1', '\\frac{1}{2}']
    """
    spans: list[tuple[int, int, int]] = []
    opened: list[tuple[int, int] | None] = []
    for match in _BRACE.finditer(text):
        token = match.group()
        if token == "{":
            opened.append(None)
        elif token == "}":
            top = opened.pop() if opened else None
            if top is not None:
                spans.append((*top, match.start()))
        elif token[-1] == "{" and len(token) > 2:
            opened.append((match.start(), match.end()))
    # Nested boxes would make the contents quadratic together; only the innermost of a nest is anybody's answer.
    spans.sort()
    inner = [span for i, span in enumerate(spans) if i + 1 == len(spans) or spans[i + 1][0] > span[2]]
    return [Box(start, end + 1, text[first:end]) for start, first, end in inner]
