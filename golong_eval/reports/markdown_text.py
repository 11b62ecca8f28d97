"""Text of models, files and servers in Markdown: shown as it is, on one line, and no link or mention of its own."""

from __future__ import annotations

import re
from urllib.parse import quote

from golong_eval.reports.terminal import shown_line

__all__ = ["code", "escaped", "link"]

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@&#8288;"}
# The last three begin what GitHub makes links and mentions of by itself: "https://", "www.", "@name" and "a@b.c". A
# backslash keeps it from the first two; from the others only an invisible character after the sign does.
_SPECIAL = re.compile(
    r"[\\`*_\[\]#|~$&<>]|:(?=//)|(?<=www)\.|(?<![0-9a-z_])@(?=[0-9a-z])|(?<=[0-9a-z_])@(?=[\w-]+\.\w)", re.IGNORECASE
)
_NOT_IN_CODE = re.compile(r"[`|\\]")


def escaped(text: str) -> str:
    r"""Return text that Markdown shows as it is, also in a cell of a table; on one line.

    >>> escaped("a|b `c` <img>"), escaped("f1[strict,v1]"), escaped("https://www.a.b")
    ('a\\|b \\`c\\` &lt;img&gt;', 'f1\\[strict,v1\\]', 'https\\://www\\.a.b')
    """
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), shown_line(text))


def code(text: str) -> str:
    r"""Return text as code; one with signs that can't stand there in a cell of every table is escaped instead.

    >>> code("golong samples runs/m/1"), code("a`b")
    ('`golong samples runs/m/1`', 'a\\`b')
    """
    line = shown_line(text)
    return escaped(line) if _NOT_IN_CODE.search(line) else f"`{line}`"


def link(label: str, path: str, fragment: str) -> str:
    """Return a link to a place in a file.

    Args:
        label: What is shown.
        path: The file; what an address can't hold is quoted.
        fragment: The place, quoted already.
    """
    return f"[{escaped(label)}]({quote(path, errors='surrogateescape')}#{fragment})"
