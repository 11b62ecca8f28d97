"""Find whole sentences of running prose: what questions quote.

Headings, lists, tables, code, indented blocks and anything with markup in it are passed over, and so is
whatever may not be a whole sentence. Many good sentences are missed; that costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from golong_eval.schema import Language
from golong_eval.tasks.builders.sections import fenced
from golong_eval.tasks.builders.terms import fold

__all__ = ["Sentence", "paragraphs", "sentences"]

MIN_WORDS, MAX_WORDS = 6, 40
MIN_HAN, MAX_HAN = 10, 80

_BLOCK = re.compile(r"^(?:[^\n]*\S[^\n]*(?:\n|\Z))+", re.MULTILINE)
_NO_PROSE = re.compile(r"[ \t\f\v]|[#>|*+\-•·–—=~`:$%]|\d+[.)]|\.\. |\[|\(\w{1,3}\)|第.{1,8}[章节回部篇卷条]")
_TABLE = re.compile(r"\S[ \t]{3,}\S|\t|^[ \t]|[-=*_]{4}", re.MULTILINE)
_SPACE = re.compile(r"\s*")
_END = re.compile(r"[.!?][\"”’)]*(?=\s|\Z)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"“])(?:[A-Za-z]|e\.g|i\.e|etc|vs|cf|mr|mrs|ms|dr|st|no|nos|fig|figs|sec|ch|al|inc|ltd|ca|approx|pp|vol"
    r"|eq|resp|incl|ed|eds|jr|sr|ver|gen|prof)\.$",
    re.IGNORECASE,
)
_EN_PLAIN = re.compile(r"[\w ,.;:!?'’‘“”\"()\-–—%&/]+")
_ZH_SENTENCE = re.compile(r"[^。！？\n]+[。！？][”’」』）]*")
_ZH_PLAIN = re.compile(r"[\w，。！？、；：“”‘’《》（）—…·%\-. ,()]+")
_ZH_TERMINATED = re.compile(r"[。！？][”’」』）]*\s*$")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_HYPHENATED = re.compile(r"\w[-\u2010\u00ad]\s*\n|\u00ad")


class Sentence(NamedTuple):
    """A sentence in a text: ``fold(text[start:end]) == quote``."""

    start: int
    end: int
    quote: str
    """The sentence with its white space folded."""


def paragraphs(text: str, language: Language) -> Iterator[tuple[int, int]]:
    """Yield where paragraphs of prose start and end."""
    fences = fenced(text)
    at = 0
    for match in _BLOCK.finditer(text):
        while at < len(fences) and fences[at][1] <= match.start():
            at += 1
        if at < len(fences) and fences[at][0] < match.end():
            continue
        block = match[0].rstrip()
        # Chinese paragraphs open with two full-width spaces.
        indent = len(block) - len(block.lstrip("\u3000")) if language == "zh" else 0
        if not block[indent:] or _NO_PROSE.match(block, indent) or _TABLE.search(block):
            continue
        yield match.start() + indent, match.start() + len(block)


def sentences(text: str, language: Language) -> list[Sentence]:
    """Return the quotable sentences of a text, in order."""
    found = []
    for start, end in paragraphs(text, language):
        spans = _zh_spans(text, start, end) if language == "zh" else _en_spans(text, start, end)
        for left, right in spans:
            raw = text[left:right]
            quote = fold(raw)
            good = _zh_good(quote) if language == "zh" else _en_good(quote)
            if good and not _HYPHENATED.search(raw):
                found.append(Sentence(left, right, quote))
    return found


def _en_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    lines = text[start:end].split("\n")
    # A short first line over longer ones is a title that ran into its paragraph.
    title = len(lines) > 1 and len(lines[0]) < 0.5 * max(map(len, lines))
    left = start
    for match in _END.finditer(text, start, end):
        right = match.end()
        following = _SPACE.match(text, right, end)
        assert following is not None
        after = text[following.end() : min(end, following.end() + 2)].lstrip("\"'“‘(")
        if (after and not (after[0].isupper() or after[0].isdigit())) or (
            match[0] == "." and _ABBREVIATION.search(text[max(left, right - 10) : right])
        ):
            continue
        if not title:
            yield left, right
        title = False
        left = following.end()


def _en_good(quote: str) -> bool:
    words = quote.split()
    return (
        MIN_WORDS <= len(words) <= MAX_WORDS
        and quote[0].isupper()
        and _EN_PLAIN.fullmatch(quote) is not None
        and "_" not in quote
        and "//" not in quote
        and _balanced(quote, ("(", ")"), ("“", "”"))
        and quote.count('"') % 2 == 0
        and not quote.isupper()
        and sum(map(str.isalpha, quote)) >= 0.75 * sum(map(len, words))
        and max(map(len, words)) <= 30
    )


def _zh_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    whole = True
    line_start = start
    for line in text[start:end].split("\n"):
        for number, match in enumerate(_ZH_SENTENCE.finditer(line)):
            # A line may go on with the sentence of the line above.
            if number or whole:
                indent = len(match[0]) - len(match[0].lstrip())
                yield line_start + match.start() + indent, line_start + match.end()
        whole = _ZH_TERMINATED.search(line) is not None
        line_start += len(line) + 1


def _zh_good(quote: str) -> bool:
    han = len(_HAN.findall(quote))
    return (
        MIN_HAN <= len(quote) <= MAX_HAN
        and (_HAN.match(quote) is not None or quote[0] in "“《")
        and _ZH_PLAIN.fullmatch(quote) is not None
        and "_" not in quote
        and _balanced(quote, ("“", "”"), ("《", "》"), ("（", "）"), ("(", ")"))
        and han >= 0.6 * len(quote)
    )


def _balanced(quote: str, *pairs: tuple[str, str]) -> bool:
    for opening, closing in pairs:
        depth = 0
        for character in quote:
            depth += (character == opening) - (character == closing)
            if depth < 0:
                return False
        if depth:
            return False
    return True
