"""Split a text at its headings, and where a section is still too long between whole paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Span", "fenced", "first_heading", "headings", "split"]

_FENCE = re.compile(r"^(```|~~~)[^\n]*\n.*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(
    r"""
    ^\#{1,6}[ \t]+(?P<hash>\S[^\n]{0,200}?)[ \t]*\#*$                       # Markdown
    | ^(?P<line>(?=[^\n]{0,200}\w)[^\s|>\-*+=][^\n|]{0,200})\n(?P<rule>([=\-*~^"`\#+.])\4{2,})[ \t]*$   # underlined
    | (?<=\n\n)(?P<number>(?:\d{1,3}\.)+\d{0,3}[ \t]+[^\W\d_][^\n]{1,100}?[^\s.,;:!?])\n(?=\n)           # 2.3. Numbered
    | ^(?P<chapter>第[〇零一二三四五六七八九十百千0-9]{1,7}[章节回部篇卷条][^\n。，]{0,60})$
    """,
    re.MULTILINE | re.VERBOSE,
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*?(?=[^\n])")
_SENTENCE_END = re.compile(r"(?:[.!?][\"”’)]*\s+(?=[^\W\d_])|[。！？][”’」』）]*)")
_LINE = re.compile(r"\n")
_FINER = (_PARAGRAPH, _SENTENCE_END, _LINE)
_OVERLINE = re.compile(r"(?:\A|\n)(([=\-*~^\"`#+.])\2{2,}[ \t]*\n)\Z")


class Span(NamedTuple):
    """A contiguous stretch of a text, ``text[start:end]``."""

    start: int
    end: int
    opens: bool
    """It starts where the document or a section of it starts."""
    heading: str | None
    """The heading it starts with."""


class Heading(NamedTuple):
    """Where a section starts, and its heading."""

    start: int
    title: str


def fenced(text: str) -> list[tuple[int, int]]:
    """Return where the fenced code blocks of Markdown stand."""
    return [match.span() for match in _FENCE.finditer(text)] if "```" in text or "~~~" in text else []


def headings(text: str) -> Iterator[Heading]:
    """Yield the headings of Markdown, reST and plain text: hashes, underlines, ``2.3. Numbers``, 第三章."""
    fences = fenced(text)
    at = 0
    for match in _HEADING.finditer(text):
        while at < len(fences) and fences[at][1] <= match.start():
            at += 1
        if at < len(fences) and fences[at][0] <= match.start():
            continue  # a comment in a code block
        if (line := match["line"]) is not None and (len(line) > 1.5 * len(match["rule"]) + 2 or line[0] == "#"):
            continue
        title = match["hash"] or line or match["number"] or match["chapter"]
        over = _OVERLINE.search(text[max(0, match.start() - 200) : match.start()]) if line else None
        yield Heading(match.start() - (len(over[1]) if over else 0), " ".join(title.split()))


def first_heading(text: str) -> str | None:
    """Return the heading that a text starts with, if it does."""
    first = next(headings(text[:2000]), None)
    return first.title if first and not text[: first.start].strip(" \t\n=*-~#") else None


def split(text: str, limit: int) -> list[Span]:
    """Split a text into contiguous spans of at most ``limit`` characters.

    Neighbouring sections are kept together as long as they fit. A section that doesn't fit is split
    between paragraphs, a paragraph between sentences, a text without sentences between lines; a line
    longer than the limit is left out.
    """
    titles = dict(headings(text))
    spans = []
    for start, end in _runs(text, 0, len(text), limit, 0, sorted(titles)):
        stretch = text[start:end]
        if not stretch.strip():
            continue
        # The first line keeps its indent.
        first = start + len(stretch) - len(stretch.lstrip())
        begin = max(start, text.rfind("\n", start, first) + 1)
        opens = start == 0 or start in titles
        spans.append(Span(begin, start + len(stretch.rstrip()), opens, titles.get(start)))
    return spans


def _runs(text: str, start: int, end: int, limit: int, level: int, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of whole pieces, greedily; the pieces get finer where one alone is over the limit."""
    run = start
    for left, right in pairwise([start, *cuts, end]):
        if right - run <= limit:
            continue
        if left > run:
            yield run, left
        run = left
        if right - left > limit:
            if level < len(_FINER):
                within = [match.end() for match in _FINER[level].finditer(text, left, right)]
                yield from _runs(text, left, right, limit, level + 1, within)
            run = right
    if run < end:
        yield run, end
