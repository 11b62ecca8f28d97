"""How DocMath-Eval compares numbers: as the ports of its published rule do, and rightly. Nothing is ever evaluated."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

from golong_eval.rewards.quantities import Quantity, only_quantity, plain_math, read_quantity

__all__ = ["numbers_agree", "published_number", "published_statement", "same_number", "shown"]

# ---- the published rule, as QwenLong and evalscope have it

_DROPPED = str.maketrans("", "", "*()")
_STATED = re.compile(r"the answer is (=?≈?`?%?\$?°?£?€?¥?-?[0-9.,]+)", re.IGNORECASE)
_ALONE = re.compile(r"[=≈`%$°£€¥]{0,9}-?[0-9][0-9.,]*%?")
_SYMBOLS = str.maketrans("", "", "=≈`%$°£€¥")
_LEADING_DOTS = re.compile(r"\.{1,2}(?=[0-9]*\.*[0-9]+\Z)")
_LITERAL = re.compile(r"-?(?:0+|[1-9][0-9]*|[0-9]+\.[0-9]*|\.[0-9]+)")
_LONGEST_LITERAL = 4_300  # digits: more are an error in Python


def published_statement(text: str) -> str | None:
    """Return what the published rule takes for the stated number: behind the first "the answer is", and one space.

    A response that is nothing but a number is one; of any other without a statement the ports evaluate the text, which
    is not done here.

    >>> published_statement("The answer is **(-1,234.5)**."), published_statement("The answer is: 5")
    ('-1234.5', None)
    """
    text = text.translate(_DROPPED)
    found = _STATED.search(text)
    if found is not None:
        return found[1].replace(",", "").rstrip(".")
    text = text.strip()
    return text.replace(",", "").rstrip(".") if len(text) < 1_000 and _ALONE.fullmatch(text) else None


def published_number(stated: str) -> float:
    """Return the value of a stated number as the published rule reads it; what it can't read is 0.

    >>> [published_number(text) for text in ("$-1234.5", ".25", "1.2.3", "05", "")]
    [-1234.5, 25.0, 0.0, 0.0, 0.0]
    """
    digits = stated.translate(_SYMBOLS)
    dots = _LEADING_DOTS.match(digits)  # .25 is read as 25
    digits = digits if dots is None else digits[dots.end() :]
    if len(digits) > _LONGEST_LITERAL or _LITERAL.fullmatch(digits) is None:
        return 0.0
    return float(digits)


def numbers_agree(answer: float, gold: float) -> bool:
    """Return whether two numbers are the same by the published rule, in the form of its ports.

    Signs aside, they differ by a power of ten; or by 100, 1,000 or 100,000 within 0.15 %; or both round up to the same
    at two decimals (three in the official repository). Or they differ by at most 0.15 % of the gold.

    >>> [numbers_agree(one, 0.0391) for one in (0.0312, -0.0391, 3.91, 0.0412)]
    [True, True, True, False]
    """
    if not (math.isfinite(answer) and math.isfinite(gold)):
        return False
    larger, smaller = max(abs(answer), abs(gold)), min(abs(answer), abs(gold))
    if smaller and math.isfinite(larger / smaller) and math.log10(larger / smaller).is_integer():
        return True
    if any(_within(smaller * scale, larger) for scale in (100, 1_000, 100_000) if smaller <= larger / (scale / 2)):
        return True
    if larger < 1e300 and math.ceil(larger * 100) == math.ceil(smaller * 100):
        return True
    return _within(answer, gold)


def _within(answer: float, gold: float) -> bool:
    margin = 0.0015 * abs(gold)
    return gold - margin <= answer <= gold + margin


# ---- the strict rule

_LONGEST = 400  # characters of a conclusion that is read as a number; a longer one may hold others
_SCALE = re.compile(r"(?<=[0-9]) ?(thousand|million|billion|trillion|mn|bn|tn|[kmb])s?\b", re.IGNORECASE)
_DOTTED = re.compile(r"[0-9]\.[0-9]+\.[0-9]")  # 1.2.3 and 3.5.2019 are no numbers
_STEMS = {"mn": "million", "m": "million", "bn": "billion", "b": "billion", "tn": "trillion", "k": "thousand"}
_FALL = re.compile(r"\b(?:decreas|declin|fell|fall|drop|loss|lower|reduc|less|down|negative)", re.IGNORECASE)
_PERCENT = re.compile(r"per ?cent|%|\bratio\b|\brates?\b|\bshares?\b|\bproportion\b|\bmargins?\b", re.IGNORECASE)


def same_number(said: str, gold: float, question: str) -> bool | None:
    """Return whether a conclusion is the right number; None where the rule can't tell.

    Sign and scale have to be right: 12% is 0.12, and 12 where the gold is in percent; thousand and million count. The
    value is within 0.15 % of the gold; or rounds to it at the decimals that the gold shows; or is the gold rounded to
    at least three figures.

    It can't tell if there is no single number; if a question about a percentage or ratio is answered by the one in the
    place of the other; if a scale word stands behind the gold's own number and not in the question; or if a word such
    as decrease stands in the place of a sign.

    Args:
        said: The conclusion.
        gold: The right number.
        question: What was asked.

    >>> [same_number(one, 0.12, "Which share?") for one in ("0.12", "12 %", "-0.12", "1.2", "12", "none")]
    [True, True, False, False, None, None]
    """
    plain = plain_math(said) if len(said) <= _LONGEST else ""
    found = _number(plain)
    if found is None:
        return None
    if _equal(found, gold):
        return True
    scale = _SCALE.search(plain)
    if scale is not None:
        bare = _number(_SCALE.sub("", plain))
        if bare is not None and _equal(bare, gold):
            word = scale[1].lower()
            return True if _STEMS.get(word, word) in question.lower() else None
    if found.value > 0 > gold and _FALL.search(plain) and _equal(Quantity(-found.value, percent=found.percent), gold):
        return None
    if _PERCENT.search(question) and any(_equal(Quantity(value), gold) for value in _rescaled(found.value)):
        return None
    return False


def _number(plain: str) -> Quantity | None:
    return None if _DOTTED.search(plain) else read_quantity(plain) or only_quantity(plain)


def _rescaled(value: Fraction) -> tuple[Fraction, Fraction]:
    return value * 100, value / 100


def _equal(answer: Quantity, gold: float) -> bool:
    values = [answer.value, answer.value / 100] if answer.percent else [answer.value]
    return any(_close(value, Decimal(repr(gold))) for value in values)


def _close(value: Fraction, gold: Decimal) -> bool:
    exact = Fraction(gold)
    distance = abs(value - exact)
    if distance <= Fraction(15, 10_000) * abs(exact):
        return True
    if (value < 0) != (exact < 0):
        return False
    exponent = gold.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    unit = Fraction(1, 10**places)
    if distance <= unit / 2 and (places >= 2 or abs(exact) >= 10 * unit):
        return True  # it rounds to what the gold shows
    unit = next((one for one in _UNITS if (value / one).denominator == 1), None) or abs(value)
    return distance <= unit / 2 and abs(value) >= 100 * unit


_UNITS = tuple(Fraction(1, 10**places) for places in range(9))


def shown(number: float) -> str:
    """Return a number as digits, without an exponent.

    >>> shown(12.0), shown(-0.5), shown(5e-7), shown(1e21)
    ('12', '-0.5', '0.0000005', '1000000000000000000000')
    """
    digits = format(Decimal(repr(number)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
