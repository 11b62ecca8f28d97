"""The last "The answer is ..." of an answer: what benchmarks of short answers ask to be ended with."""

from __future__ import annotations

import re
from typing import NamedTuple

from golong_eval.benchmarks.qa_text import last_line
from golong_eval.text import bare, boxes, clean

__all__ = ["Statement", "last_statement", "undressed"]

_SIGN = re.compile("[-\u2212\u2013] (?=[$€£¥]? ?[0-9.])")
_HEAD = re.compile(r"the\s{1,4}\*{0,3}answer\*{0,3}\s{1,4}is\b[ \t*]{0,9}[:：]?[\s*]{0,20}", re.IGNORECASE)


class Statement(NamedTuple):
    """What an answer states."""

    line: str
    """Up to the end of its line, `undressed`; empty where nothing is stated."""
    rest: str
    """Up to the end of the answer."""


def last_statement(text: str) -> Statement:
    r"""Return what stands behind the last "the answer is" that says something, else the last line.

    Letter case, a colon, bold marks and a line break behind the colon do not matter.

    >>> last_statement("The answer is: 3? No.\n**The answer is:** 4.50.\nDone.")
    Statement(line='4.50', rest='4.50.\nDone.')
    >>> last_statement("It was he.\nParis.").line
    'Paris'
    """
    for start in reversed([match.end() for match in _HEAD.finditer(text)]):
        end = text.find("\n", start)
        line = undressed(text[start:] if end < 0 else text[start:end])
        if line:
            return Statement(line, text[start:].strip())
    line = last_line(text)
    return Statement(undressed(line), line)


def undressed(line: str) -> str:
    r"""Return a line without marks, quotes, a final full stop, parentheses around all of it, and a box.

    >>> undressed("**(Paris)**."), undressed(r"$\boxed{12.5}$"), undressed("(A) and (B)"), undressed("- 5")
    ('Paris', '12.5', '(A) and (B)', '-5')
    """
    said = clean(line).lstrip("* ").rstrip("*.。 ")
    sign = _SIGN.match(said)  # which a bullet looks like
    said = bare(said if sign is None else f"-{said[sign.end() :]}")
    found = boxes(said)
    if len(found) == 1 and not (said[: found[0].start] + said[found[0].end :]).strip("$ \\()[]"):
        said = bare(clean(found[0].content))
    if said.startswith("(") and said.endswith(")") and not {"(", ")"} & set(said[1:-1]):
        said = bare(said[1:-1].strip())
    return said
