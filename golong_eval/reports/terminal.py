"""Text of models and servers for a terminal, and values as JSON: nothing in them can steer the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

__all__ = ["json_text", "shown", "shown_line"]

# Control characters of C0 and C1 (ESC and CSI begin ANSI escapes), lone surrogates, which no terminal can be sent, and
# what is not seen or turns the direction of writing: soft hyphens, zero-width and bidirectional marks, tags.
_HARMFUL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
)
_STEERS = re.compile(f"[{_HARMFUL}]")
_STEERS_OR_BREAKS = re.compile(f"[{_HARMFUL}\n\t]")


def shown(text: str) -> str:
    r"""Return a text as a terminal may be given it: what would steer it as an escape, newlines and tabs as they are.

    >>> shown("a\x1b[2Jb\u202ec\n\td")
    'a\\x1b[2Jb\\u202ec\n\td'
    """
    return _STEERS.sub(_escape, text)


def shown_line(text: str, length: int | None = None) -> str:
    r"""Return the same on one line, cut to a length.

    >>> shown_line("a\nb", 10), shown_line("abcdef", 4)
    ('a\\nb', 'abc…')
    """
    line = _STEERS_OR_BREAKS.sub(_escape, text if length is None else text[: length + 1])
    return line if length is None or len(line) <= length else line[: length - 1] + "…"


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Return a value as JSON: models by their fields, numbers that are not finite as null, other scripts readable.

    Args:
        value: A model, or plain data that may hold models.
        indent: Spaces of each level; None puts all on one line.
    """
    text = json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False)
    # Inside strings JSON escapes C0 alone, and outside of them stands nothing to escape.
    return _STEERS.sub(lambda found: "".join(f"\\u{unit:04x}" for unit in _units(found[0])), text)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return json.loads(value.model_dump_json())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _units(character: str) -> tuple[int, ...]:
    """Return the UTF-16 code units of a character."""
    raw = character.encode("utf-16-be", "surrogatepass")
    return tuple(int.from_bytes(raw[place : place + 2], "big") for place in range(0, len(raw), 2))
