"""Read and write lengths in tokens: ``4k``, ``64k``, ``1M``, ``4096``."""

from __future__ import annotations

import re

from golong_eval.errors import ConfigError

__all__ = ["MIN_LENGTH", "length_label", "parse_length"]

MIN_LENGTH = 512
"""The shortest prompt that leaves room for documents beside instructions and question."""

_LENGTH = re.compile(r"([0-9]+)\s*([km]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}


def parse_length(text: str) -> int:
    """Return a length in tokens; ``k`` is 1024 and ``M`` is 1024 * 1024, in either case.

    Raises:
        ConfigError: It is no length, or is under 512.

    >>> parse_length("4k"), parse_length("1M"), parse_length("512")
    (4096, 1048576, 512)
    """
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not a length in tokens", "write a number such as 4096, 4k, 64k or 1M")
    length = int(match[1]) * _UNITS[match[2].lower()]
    if length < MIN_LENGTH:
        raise ConfigError(
            f"a length of {length} tokens leaves no room for documents", f"give --length {MIN_LENGTH} or more"
        )
    return length


def length_label(length: int) -> str:
    """Return the shortest spelling that `parse_length` reads back.

    >>> length_label(4096), length_label(1048576), length_label(5000)
    ('4k', '1M', '5000')
    """
    for unit, size in (("M", _UNITS["m"]), ("k", _UNITS["k"])):
        if length % size == 0:
            return f"{length // size}{unit}"
    return str(length)
