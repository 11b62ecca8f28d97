"""T4, quantitative reasoning: a number, a quantity or an expression, by exact arithmetic and by math_verify."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from golong_eval.rewards import math_process
from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.rewards.quantities import (
    Quantity,
    join_groups,
    only_quantity,
    plain_math,
    read_quantity,
    same_quantity,
    split_unit,
)
from golong_eval.rewards.units import FUNCTIONS
from golong_eval.schema import NumberGold
from golong_eval.text import HAN, boxes, content_lines, fold, is_fence

__all__ = ["MathVerify"]

_MAX_EXPRESSION = 1000
_MAX_DEPTH = 40  # of brackets
_AFTER = re.compile(
    r"\banswers? ?(?:is|are|:|：) ?:?|答案 ?(?:应该是|应为|是|为|:|：) ?[:：]?|(?<![<>=!:≤≥≠])[=＝](?!=)", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|[。！？；]")
_LOOSE_END = re.compile(r"(?:[\s$*`.]|\\[)\]])+$")
_WORDS = re.compile(r"\\?[A-Za-z]{2,}")
_ASSIGNMENT = re.compile(r"[A-Za-z](?:_\{?\w{1,3}\}?)? ?= ?(?=[^=])")
# As arithmetic, 2019-05-03 is 2011. A range is one only as a gold: an answer 50-8 is a difference.
_DATE_OR_TIME = re.compile(r"(?<![0-9])[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?![0-9])|[0-9]:[0-9]")
_RANGE = re.compile(r"[0-9][0-9.,]* ?[-~] ?[0-9][0-9.,]*")
_PERCENT_ASKED = re.compile(r"percent|per cent|\bpct\b|百分|(?:^|[^0-9\s])\s*%", re.IGNORECASE)


@dataclass(frozen=True)
class _Read:
    """What a text was read as: a quantity, an expression, or (neither) words."""

    text: str
    quantity: Quantity | None = None
    expression: bool = False


@dataclass(frozen=True)
class MathVerify:
    r"""1 if the answer is the gold number, quantity or expression, else 0.

    The answer is the last box in the answer area; without a box the text after the last "answer is" or "="; else
    the area itself if it is one quantity or expression; else the only number in it; else there is none. An answer
    that is the gold letter for letter is right whatever it is.

    Numbers, fractions and percentages with Unicode minus, thousands separators, currency, scale words (million,
    万, 亿) and units are compared exactly. A unit on one side only is ignored, a different unit is wrong, and units
    are not converted. A percentage equals its fraction only if the gold is one or the question asks for one. What is
    left goes to math_verify in a child process under limits of time and memory (`math_process`); an answer that
    exceeds them is ``unparsed``.

    Source: GoLongRL (arXiv 2605.19577), reward ``math_longcot_math_verify``. The published code reads the last 500
    characters, ignores units, and makes every failure 0, also that of math_verify's own time limit in a thread.

    >>> score = MathVerify(NumberGold(value="$3.5 million"))
    >>> [score(area, Ask()).value for area in (r"\boxed{3,500,000}", "The answer is 3.5 million dollars.", "3.5")]
    [1.0, 1.0, 0.0]
    """

    gold: NumberGold
    _read: _Read = field(init=False, repr=False)
    _words: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        plain = plain_math(self.gold.value)
        words = frozenset(_WORDS.findall(plain))
        read = None if _RANGE.fullmatch(plain) else _read(plain, frozenset())
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_read", read or _Read(plain))

    def __call__(self, area: str, ask: Ask) -> Outcome:
        """Score one answer area."""
        if self._is_gold(area):
            return Outcome(1.0, parsed=self._read.text)
        area = join_groups(area)  # before lines are read, where a thin space becomes a plain one
        answer, where = self._answer(area)
        if answer is None:
            return no_answer(f"no single number or expression {where}")
        return self._compare(answer, ask)

    def _is_gold(self, text: str) -> bool:
        if len(text) > 4 * len(self.gold.value) + 1000:
            return False
        plain = plain_math(text)
        # Words read alike in any case, symbols do not: M is not m.
        words = self._read.quantity is None and not self._read.expression
        return plain == self._read.text or (words and fold(plain) == fold(self._read.text) != "")

    def _answer(self, area: str) -> tuple[_Read | None, str]:
        """Return the answer that an area holds, and where it was looked for."""
        found = boxes(area)
        if found:
            return self._attempt(found[-1].content), "in the last box"
        lines = [line for line in content_lines(area) if not is_fence(line)]
        text = "\n".join(lines)
        last = None
        for last in _AFTER.finditer(text):  # noqa: B007  # the last match is what counts
            pass
        if last is not None:
            first, _, others = text[last.end() :].strip().partition("\n")
            end = _SENTENCE_END.search(first)
            read = self._attempt(first[: end.start()] if end is not None else first)
            if read is None and not re.search("[0-9]", first):
                read = self._attempt(others)
            return read, "after the last 'answer is' or '='"
        return self._attempt(text), "in the answer"

    def _attempt(self, text: str) -> _Read | None:
        """Read a text as the gold itself, as a quantity or expression, or as words around one quantity."""
        if not text.strip():
            return None
        if self._is_gold(text):
            return self._read
        if len(text) <= _MAX_EXPRESSION:
            # A text cut out of "$x = 42$." has a loose end.
            for candidate in (text, _LOOSE_END.sub("", text)):
                read = _read(plain_math(candidate), self._words)
                if read is not None:
                    return read
        quantity = only_quantity(plain_math(text))
        if quantity is None:
            return None
        if not quantity.known and (self._read.quantity is None or self._read.quantity.known):
            # The words behind a number in prose are a unit only beside a gold that has such words for its unit.
            quantity = Quantity(quantity.value)
        return _Read(quantity.latex, quantity)

    def _compare(self, answer: _Read, ask: Ask) -> Outcome:
        gold = self._read
        if answer is gold:
            return Outcome(1.0, parsed=gold.text)
        if gold.quantity is None and not gold.expression:
            return Outcome(0.0, parsed=answer.text, reason="the gold is words, and the answer is not them")
        if gold.quantity is not None and answer.quantity is not None:
            asked = ask.question is not None and _PERCENT_ASKED.search(ask.question) is not None
            same = same_quantity(gold.quantity, answer.quantity, percent_asked=asked)
            if same is not None:
                return Outcome(float(same), parsed=answer.text)
        (gold_text, gold_unit), (answer_text, answer_unit) = _part(gold), _part(answer)
        # "2x" ends in a variable, but beside "2 km" the end of "2 m" is a unit.
        if gold_unit and not answer_unit:
            answer_text, answer_unit = _part(answer, letters=True)
        elif answer_unit and not gold_unit:
            gold_text, gold_unit = _part(gold, letters=True)
        if gold_unit and answer_unit and gold_unit.isdisjoint(answer_unit):
            return Outcome(0.0, parsed=answer.text, reason="another unit")
        verdict = math_process.compare(gold_text, answer_text)
        if verdict.outcome in ("answer_unread", "failed"):
            return no_answer(verdict.reason, answer.text)
        if verdict.outcome == "down":
            return Outcome(0.0, status="scorer_error", reason=verdict.reason)
        return Outcome(float(verdict.outcome == "equal"), parsed=answer.text, reason=verdict.reason or None)


def _part(read: _Read, *, letters: bool = False) -> tuple[str, frozenset[str]]:
    if read.quantity is not None:
        return read.quantity.latex, read.quantity.unit
    return split_unit(read.text, letters=letters)


def _read(plain: str, words: frozenset[str]) -> _Read | None:
    """Read plain mathematics as a quantity or an expression; None when it is words."""
    assigned = _ASSIGNMENT.match(plain)
    quantity = read_quantity(plain) or (read_quantity(plain[assigned.end() :]) if assigned is not None else None)
    if quantity is not None:
        return _Read(plain, quantity)
    return _Read(plain, expression=True) if _is_expression(plain, words) else None


def _is_expression(plain: str, words: frozenset[str]) -> bool:
    """Whether a text could be mathematics: no words but functions, LaTeX commands, units and the gold's own."""
    text = split_unit(plain)[0]
    if not text or len(text) > _MAX_EXPRESSION or "$" in text or HAN.search(text) or not re.search(r"\w", text):
        return False
    if _DATE_OR_TIME.search(text):
        return False
    depth = 0
    for bracket in re.findall(r"(?<!\\)[{}]|[()\[\]]", text):
        depth += 1 if bracket in "{([" else -1
        if depth < 0 or depth > _MAX_DEPTH:
            return False
    allowed = words | FUNCTIONS
    return depth == 0 and all(word[0] == "\\" or word in allowed for word in _WORDS.findall(text))
