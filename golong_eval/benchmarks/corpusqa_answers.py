"""When two answers to a question of CorpusQA are plainly the same: texts, numbers, dates and lists in brackets."""

from __future__ import annotations

import re

from golong_eval.benchmarks.statements import undressed
from golong_eval.rewards.quantities import plain_math, read_quantity
from golong_eval.text import clean, fold

__all__ = ["plainly_equal"]

_LONGEST_VALUE = 200  # characters of a number or a date
_LONGEST_LIST = 20_000
_DATE = re.compile(r"([12][0-9]{3}) ?[-/年] ?([0-9]{1,2})(?: ?[-/月] ?([0-9]{1,2}))?(?: ?[月日])?")
_DOTTED = re.compile(r"[0-9]\.[0-9]+\.[0-9]")  # 3.5.2019 is no number
_ITEM = re.compile(
    r"\s*(?:'(?P<single>(?:[^'\\]|\\.|'(?!\s*(?:[,，、;；]|$)))*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\""
    r"|(?P<plain>[^,，、;；\"\[\]]*))\s*(?:[,，、;；]|$)"
)
_ORDERED = re.compile(
    r"\b(?:order(?:ed|ing)?|sort(?:ed|ing)?|rank(?:ed|ing)?|ascending|descending|chronological\w*)\b"
    r"|排序|排列|顺序|排名|升序|降序|从[高低大小早晚]到|由[高低大小早晚]到"
)


def plainly_equal(said: str, gold: str, question: str) -> bool:
    """Return whether two answers are the same beyond doubt; False says nothing.

    Two texts that read alike; two numbers of one value, both percentages or neither, of one unit; two dates; two lists
    with the same items, each as often. The gold's list stands in brackets, the answer's need not. Where the question
    asks for an order, it has to be the same.

    Args:
        said: The answer, `undressed`.
        gold: The right one.
        question: What was asked.

    >>> plainly_equal("1,200.5", "1200.50", ""), plainly_equal("b, a", "['a', 'b']", ""), plainly_equal("5", "5%", "")
    (True, True, False)
    """
    if _key(said) == _key(undressed(gold)):
        return True
    if len(said) > 4 * len(gold) + 1_000:
        return False
    wanted, found = _items(gold, brackets=True), _items(said, brackets=False)
    if wanted is None or found is None:
        return False
    if _ORDERED.search(question.casefold()):
        return found == wanted
    return sorted(map(repr, found)) == sorted(map(repr, wanted))


_Key = tuple[object, ...]


def _key(text: str) -> _Key:
    """Return what is equal for two texts that say the same."""
    if len(text) <= _LONGEST_VALUE:
        date = _DATE.fullmatch(clean(text))
        if date is not None:
            return ("date", *(int(part) for part in date.groups() if part))
        number = None if _DOTTED.search(text) else read_quantity(plain_math(text))
        if number is not None:
            return ("number", str(number.value), tuple(sorted(number.unit)), number.percent)
    return ("text", fold(text))


def _items(text: str, *, brackets: bool) -> list[_Key] | None:
    """Return the items of a list; None of what is none, or can't be parted with certainty."""
    plain = clean(text)
    if len(plain) > _LONGEST_LIST:
        return None
    if plain.startswith("[") and plain.endswith("]"):
        plain = plain[1:-1].strip()
    elif brackets:
        return None
    items: list[_Key] = []
    at = 0
    while at < len(plain):
        match = _ITEM.match(plain, at)
        if match is None or match.end() == at:
            return None
        item = next(part for part in (match["single"], match["double"], match["plain"]) if part is not None)
        if not item.strip():
            return None
        items.append(_key(undressed(item)))
        at = match.end()
    return items
