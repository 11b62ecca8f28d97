"""Turn an HTML page into the Markdown of what a reader sees: headings, paragraphs, lists, tables, code blocks.

Scripts, styles, navigation, forms and images are left out, and so are link targets and emphasis: prose stays prose.
(markdownify does the like and more through BeautifulSoup; it takes ten times as long, which at a million
tokens is minutes.)
"""

from __future__ import annotations

import re
from typing import Any

from golong_eval._optional import require
from golong_eval.tasks.builders.terms import fold

__all__ = ["html_text"]

_HIDDEN_TAGS = """
head script style noscript template nav svg math iframe form button select textarea object audio video
"""
_BLOCK_TAGS = """
address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer header
hgroup html legend main p section summary table tbody tfoot thead
"""
_NAVIGATION_CLASSES = """
navigation search contentinfo sphinxsidebar headerlink related navheader navfooter docnav toc breadcrumb breadcrumbs
"""
_HIDDEN = frozenset(_HIDDEN_TAGS.split())
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_NAVIGATION = frozenset(_NAVIGATION_CLASSES.split())
_HEADING = re.compile(r"h([1-6])")


def html_text(source: str) -> tuple[str, str | None]:
    """Return a page as Markdown, and its title.

    Raises:
        MissingExtraError: lxml is not installed.
        Exception: Whatever lxml raises for what is no page at all.
    """
    etree = require("lxml.etree", "data", "reading HTML")
    # As bytes: lxml refuses a string that declares an encoding of its own.
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    root = etree.fromstring(source.encode("utf-8"), parser)
    if root is None:
        return "", None
    page = _Page()
    page.walk(root)
    page.flush()
    return page.text(), root.findtext(".//title")


class _Page:
    """The blocks of a page while it is walked."""

    def __init__(self) -> None:
        self._blocks: list[tuple[str, bool]] = []
        """Each with whether it is a list item or a table row, which stand close to each other."""
        self._lines: list[list[str]] = [[]]
        self._indent = ""
        self._bullet = ""

    def text(self) -> str:
        parts: list[str] = []
        close = False
        for block, tight in self._blocks:
            if parts:
                parts.append("\n" if close and tight else "\n\n")
            parts.append(block)
            close = tight
        return "".join(parts)

    def flush(self, prefix: str = "", *, tight: bool = False) -> None:
        """End the block that inline text was gathered for."""
        lines = [folded for line in self._lines if (folded := fold("".join(line)))]
        self._lines = [[]]
        if not lines:
            return
        first = self._indent[: len(self._indent) - len(self._bullet)] + self._bullet + prefix
        self._blocks.append((first + f"\n{self._indent}".join(lines), tight or bool(self._bullet)))
        self._bullet = ""

    def walk(self, element: Any) -> None:
        """Add an element with its children, without its tail."""
        tag = element.tag
        names = f"{element.get('class', '')} {element.get('role', '')}".split()
        if tag in _HIDDEN or not _NAVIGATION.isdisjoint(names):
            return
        if tag == "pre":
            self._code(element)
        elif tag == "br":
            self._lines.append([])
        elif tag == "hr":
            self.flush()
        elif tag == "tr":
            self._row(element)
        elif tag in ("ul", "ol"):
            self._list(element)
        elif (heading := _HEADING.fullmatch(tag)) is not None:
            self.flush()
            self._children(element)
            self._lines = [[" ".join("".join(line) for line in self._lines)]]
            self.flush("#" * int(heading[1]) + " ")
        elif tag in _BLOCKS:
            self.flush()
            self._children(element)
            self.flush()
        else:
            self._children(element)

    def _children(self, element: Any) -> None:
        self._add(element.text)
        for child in element:
            self.walk(child)
            self._add(child.tail)

    def _add(self, text: str | None) -> None:
        if text:
            self._lines[-1].append(text)

    def _code(self, element: Any) -> None:
        self.flush()
        code = "".join(element.itertext()).strip("\n")
        if code.strip():
            lines = ("```", *code.splitlines(), "```")
            self._blocks.append(("\n".join(self._indent + line for line in lines), False))

    def _row(self, element: Any) -> None:
        self.flush()
        cells = (fold("".join(cell.itertext())) for cell in element)
        self._lines = [["| " + " | ".join(cells) + " |"]]
        self.flush(tight=True)

    def _list(self, element: Any) -> None:
        self.flush()
        outer = self._indent
        for number, item in enumerate(element, 1):
            bullet = f"{number}. " if element.tag == "ol" else "* "
            self._indent, self._bullet = outer + " " * len(bullet), bullet
            self._children(item)
            self.flush()
        self._indent, self._bullet = outer, ""
