"""Work out plain numeric expressions in floating point, to tell without a process that two are different."""

from __future__ import annotations

import math
import re

__all__ = ["far_apart", "numeric_value"]

_MAX_LENGTH = 200
_TOKEN = re.compile(
    r"\s*(?:([0-9]+(?:\.[0-9]+)?)|(\\frac|\\sqrt|\\pi(?![A-Za-z]))|\^(\{-?[0-9]{1,2}\}|[0-9])|([-+*×/(){}]))"
)
_ENDS = frozenset({"", "+", "-", ")", "}"})


class _UnreadError(Exception):
    """The text is not of this grammar."""


class _Reader:
    """A recursive descent over tokens. Whatever could be read in two ways is not read at all."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise _UnreadError
            number, command, power, symbol = match.groups()
            self.tokens.append(number or command or (f"^{power.strip('{}')}" if power else symbol))
            at = match.end()
        self.at = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, token: str) -> None:
        if self.next != token:
            raise _UnreadError
        self.at += 1

    def sum(self) -> float:
        sign = -1.0 if self.next == "-" else 1.0
        if self.next in ("+", "-"):
            self.at += 1
        total = sign * self.product()
        while self.next in ("+", "-"):
            sign = -1.0 if self.next == "-" else 1.0
            self.at += 1
            total += sign * self.product()
        return total

    def product(self) -> float:
        value = self.power()
        while self.next not in _ENDS:
            if self.next in ("*", "×"):
                self.at += 1
                value *= self.power()
            elif self.next == "/":
                self.at += 1
                value /= self.power()
                if self.next not in _ENDS:
                    raise _UnreadError  # 1/2\\pi
            elif self.next in ("\\sqrt", "\\pi", "("):
                value *= self.power()
            else:
                raise _UnreadError  # 3\\frac{1}{2}, 3 4
        return value

    def power(self) -> float:
        value = self.atom()
        if self.next.startswith("^"):
            value **= int(self.next[1:])
            self.at += 1
        if self.next.startswith("^"):
            raise _UnreadError
        return value

    def atom(self) -> float:
        token = self.next
        self.at += 1
        if token[:1].isdigit():
            return float(token)
        if token == "\\pi":
            return math.pi
        if token == "(":
            value = self.sum()
            self.take(")")
            return value
        if token == "\\sqrt":
            return math.sqrt(self.group())
        if token == "\\frac":
            return self.group() / self.group()
        raise _UnreadError

    def group(self) -> float:
        self.take("{")
        value = self.sum()
        self.take("}")
        return value


def numeric_value(text: str) -> float | None:
    r"""Return the value of an expression of numbers, roots, fractions, powers and pi; None for anything else.

    >>> numeric_value(r"\frac{\sqrt{2}}{4} + 1"), numeric_value("x + 1"), numeric_value(r"3\frac{1}{2}")
    (1.3535533905932737, None, None)
    """
    if len(text) > _MAX_LENGTH:
        return None
    try:
        reader = _Reader(text)
        value = reader.sum()
    except (_UnreadError, ArithmeticError, ValueError):
        return None
    return value if reader.next == "" and isinstance(value, float) and math.isfinite(value) else None


def far_apart(one: str, other: str) -> bool:
    r"""Whether two expressions have values that no rounding makes equal: more than a thousandth apart.

    >>> far_apart(r"2\sqrt{3}", r"\sqrt{13}"), far_apart(r"2\sqrt{3}", r"\sqrt{12}"), far_apart("2x", "3x")
    (True, False, False)
    """
    values = numeric_value(one), numeric_value(other)
    if values[0] is None or values[1] is None:
        return False
    return abs(values[0] - values[1]) > 1e-3 * max(1.0, abs(values[0]), abs(values[1]))
