"""Read a judge's reply, strictly: its last line is a verdict in the form that was asked for, or there is none."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from golong_eval.text import remove_thinking

__all__ = ["Reading", "read_verdict"]

_SAID = 500  # characters of a reply that are kept


class Reading(NamedTuple):
    """What a reply says."""

    outcome: Literal["right", "wrong"] | None
    reason: str
    """What stands before the verdict; or why there is none."""


def read_verdict(reply: str, code: str, *, cut: bool = False) -> Reading:
    r"""Return the verdict of a reply.

    It is the last line that is not empty, in exactly the form ``VERDICT CODE: RIGHT`` (bold marks and a full stop are
    taken off). A reply that holds the code of verdicts before that line too, in whatever form, is not read: a judge
    that quotes or weighs both has not decided. Nor is one that was cut: it might have gone on.

    Args:
        reply: What the judge wrote, with its thinking.
        code: The code of this question's verdict.
        cut: Whether the reply ended with its budget.

    >>> read_verdict("It names the same town.\nVERDICT 1a2b: RIGHT", "1a2b")
    Reading(outcome='right', reason='It names the same town.')
    >>> read_verdict("VERDICT 1a2b: RIGHT\nVERDICT 1a2b: WRONG", "1a2b").outcome is None
    True
    """
    said = remove_thinking(reply, closed=True).text
    if said is None:
        return Reading(None, "the judge's thinking did not end: give it a larger budget")
    if cut:
        return Reading(None, f"the judge's reply ended with its budget: give it a larger one: {_short(said)}")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].lstrip("*_` ").rstrip("*_`. ") if lines else ""
    found = re.fullmatch(rf"VERDICT {re.escape(code)}: (RIGHT|WRONG)", last)
    before = "\n".join(lines[:-1])
    if found is None:
        return Reading(None, f"the judge's reply does not end with a verdict: {_short(said)}")
    if code.casefold() in before.casefold():
        return Reading(None, f"the judge's reply has more than one verdict: {_short(said)}")
    return Reading("right" if found[1] == "RIGHT" else "wrong", _short(before))


def _short(text: str) -> str:
    line = " ".join(text.split()).encode("utf-8", "replace").decode()  # a lone surrogate could be stored nowhere
    return line if len(line) <= _SAID else f"{line[:_SAID]}..."
