"""T4, quantitative reasoning: a number, a quantity or an expression, by exact arithmetic and by math_verify."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from golong_eval.rewards import math_pool as math_pool  # loaded here, where a fork waits for it
from golong_eval.rewards.numeric import far_apart
from golong_eval.rewards.outcome import Ask, Compare, Comparison, Outcome, Verdict, no_answer
from golong_eval.rewards.quantities import (
    Quantity,
    join_groups,
    only_quantity,
    plain_math,
    read_quantity,
    same_quantity,
    split_unit,
)
from golong_eval.rewards.units import FUNCTIONS, STOP_WORDS
from golong_eval.schema import NumberGold
from golong_eval.text import HAN, Box, boxes, clean, content_lines, fold, is_fence

__all__ = ["MathVerify"]

_MAX_EXPRESSION = 1000
_MAX_DEPTH = 40  # of brackets
_AFTER = re.compile(
    r"\banswers? ?(?:is|are|:|：) ?:?|答案 ?(?:应该是|应为|是|为|:|：) ?[:：]?|(?<![<>=!:≤≥≠])[=＝](?!=)>?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|[。！？；]")
_LOOSE_END = re.compile(r"(?:[\s$*`.]|\\[)\]])+$")
_WORDS = re.compile(r"\\?[A-Za-z]{2,}")
_ASSIGNMENT = re.compile(r"[A-Za-z](?:_\{?\w{1,3}\}?)? ?= ?(?=[^=])")
# As arithmetic, 2019-05-03 is 2011. A range is one only as a gold: an answer 50-8 is a difference.
_DATE_OR_TIME = re.compile(r"(?<![0-9])[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?![0-9])|[0-9]:[0-9]")
_SIDE_BY_SIDE = re.compile(r"(?:^|[-+\s(\[{=])[0-9][0-9.]*\s+[0-9]")  # math_verify adds such numbers up
_RANGE = re.compile(r"[0-9][0-9.,]* ?[-~] ?[0-9][0-9.,]*")
_PERCENT_ASKED = re.compile(
    r"\bpercent(?:ages?)?\b(?! ?points?)|\bper cent\b|\bpct\b|百分(?!点)|\b(?:what|how many) ?%", re.IGNORECASE
)
_BULLET = re.compile(r"[-*•\u2212\u2010-\u2013]\s+")
_WRONG_BEFORE = re.compile(
    r"(?:\b(?:wrong|incorrect|false|bad)\b|[错误]的?|\b(?:not|false|wrong|incorrect|untrue)\b(?: that)?(?: the)?) ?$",
    re.IGNORECASE,
)
# What is sent to math_verify, beside letters, digits and the functions of FUNCTIONS. The rest only as the gold has it.
_PLAIN = re.compile(r"[A-Za-z0-9\u0370-\u03ff\s+\-*/^_=().,\[\]{}|!×÷°'′\\]")
_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|!=|.", re.DOTALL)
# An answer may have an infinity, a limit, a sum or an integral only where the gold has one: math_verify takes
# infinities for any number, and all of them can be made infinite.
_ANSWERED = FUNCTIONS - {"inf", "infty", "infinity", "lim"}
_COMMANDS = """
    frac sqrt pi times cdot div binom dbinom tbinom lfloor rfloor lceil rceil lvert rvert prime circ
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon
    phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega emptyset
"""
_ALLOWED = frozenset("\\" + name for name in [*_COMMANDS.split(), *_ANSWERED, "{", "}"])
_NAME = re.compile(r"\\?[A-Za-z\u0370-\u03ff]+(?:_\{?\w{1,12}\}?)?'*(?: ?\([^()=]{1,20}\))?")
_EQUALS = re.compile(r"(?<![<>=!:≤≥≠])=(?!=)")
_BROKEN = re.compile(
    r"[ *×÷/^_,!)=]|.*[ +\-*×÷/^_,(=]$|.*(?:^|[^\s\w)}!\]'|])\s*!|.*[0-9)}]\s*_|.*(?:^|[^\s])\s*[*×÷/^]\s*[*×÷/^]",
    re.DOTALL,
)


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
    are not converted. A plain answer is a gold percentage by its number or its fraction; a percentage is a plain gold
    only if the question asks for one. Relations, bounds ("at least 42"), joiners and denials are no answer, unless the
    gold has them; the numbers of a chain of "=" have to agree. What is left goes to math_verify in a child process
    under limits of time and memory (`math_pool`); an answer that exceeds them is ``unparsed``.

    Source: GoLongRL (arXiv 2605.19577), reward ``math_longcot_math_verify``. The published code reads the last 500
    characters, ignores units, and makes every failure 0, also that of math_verify's own time limit in a thread.

    >>> score = MathVerify(NumberGold(value="$3.5 million"))
    >>> [score(area, Ask()).value for area in (r"\boxed{3,500,000}", "The answer is 3.5 million dollars.", "3.5")]
    [1.0, 1.0, 0.0]
    """

    gold: NumberGold
    _read: _Read = field(init=False, repr=False)
    _words: frozenset[str] = field(init=False, repr=False)
    _tokens: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        plain = plain_math(self.gold.value)
        words = frozenset(_WORDS.findall(plain))
        read = None if _RANGE.fullmatch(plain) else _read(plain, None)
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_read", read or _Read(plain))
        object.__setattr__(self, "_tokens", frozenset(_TOKEN.findall(plain)) | words)

    def __call__(self, area: str, ask: Ask) -> Outcome:
        """Score one answer area."""
        if clean(area) == clean(self.gold.value) or self._is_gold(_unbulleted(area)):
            return Outcome(1.0, parsed=self._read.text)
        area = join_groups(area)  # before lines are read, where a thin space becomes a plain one
        answer, where = self._answer(area, ask.compare)
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

    def _answer(self, area: str, compare: Compare) -> tuple[_Read | None, str]:
        """Return the answer that an area holds, and where it was looked for."""
        found = boxes(area)
        if found:
            return self._attempt(_with_unit(found[-1], area), compare), "in the last box"
        lines = [line for line in content_lines(area) if not is_fence(line)]
        text = "\n".join(lines)
        last = None
        for match in _AFTER.finditer(text):
            last = match
        if last is not None:
            if _WRONG_BEFORE.search(text[max(0, last.start() - 64) : last.start()]):
                return None, "that is not called wrong"
            rest = text[last.end() :]
            first, _, others = (_unbulleted(rest) if rest[:1] == "\n" else rest).strip().partition("\n")
            end = _SENTENCE_END.search(first)
            read = self._attempt(first[: end.start()] if end is not None else first, compare)
            if read is None and not re.search("[0-9]", first):
                read = self._attempt(_unbulleted(others), compare)
            if read is not None and last[0][0] in "=＝":
                before = re.split(r"[=＝\n]", text[max(0, last.start() - 200) : last.start()])[-1]
                if _agrees(plain_math(before), read, compare) is False:
                    return None, "that both sides of the last '=' agree on"
            return read, "after the last 'answer is' or '='"
        return self._attempt(_unbulleted(text), compare), "in the answer"

    def _attempt(self, text: str, compare: Compare) -> _Read | None:
        """Read a text as the gold itself, as a quantity or expression, or as words around one quantity."""
        if not text.strip():
            return None
        if self._is_gold(text):
            return self._read
        if len(text) <= _MAX_EXPRESSION:
            # A text cut out of "$x = 42$." has a loose end.
            for candidate in (text, _LOOSE_END.sub("", text)):
                read = self._read_plain(plain_math(candidate), compare)
                if read is not None:
                    return read
        quantity = only_quantity(plain_math(text))
        if quantity is None:
            return None
        if not quantity.known and (self._read.quantity is None or self._read.quantity.known):
            # The words behind a number in prose are a unit only beside a gold that has such words for its unit.
            quantity = Quantity(quantity.value)
        return _Read(quantity.latex, quantity)

    def _read_plain(self, plain: str, compare: Compare) -> _Read | None:
        """Read plain mathematics: an expression, the last side of a chain of equal ones, or "42 (30 + 12)"."""
        read = _read(plain, self._tokens)
        if read is None or read.quantity is not None:
            return read
        explained = re.fullmatch(r"([^()]+) \(([0-9 .,+*/×÷=-]+)\)", plain)
        quantity = read_quantity(explained[1]) if explained is not None else None
        if explained is not None and quantity is not None and not _MATHS.search(explained[1]):
            sides = explained[2].split("=")
            if all(_agrees(side.strip(), _Read(explained[1], quantity), compare) for side in sides):
                return _Read(explained[1], quantity)
        sides = [side.strip() for side in _EQUALS.split(plain)]
        if not sides[0]:
            del sides[0]
        if len(sides) > 1 and (self._read.quantity is not None or "=" not in self._tokens):
            last = _read(sides[-1], self._tokens)
            named = [_NAME.fullmatch(side) is not None for side in sides[:-1]]
            if last is None or len(sides) > 4:
                return None
            if all(name or _agrees(side, last, compare) for side, name in zip(sides[:-1], named, strict=True)):
                return last
            return None
        return _read(sides[0], self._tokens) if len(sides) == 1 else read

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
        percents = [read.quantity is not None and read.quantity.percent for read in (gold, answer)]
        asked = ask.question is not None and _PERCENT_ASKED.search(ask.question) is not None
        if percents == [False, True] and not asked:
            return Outcome(0.0, parsed=answer.text, reason="a percentage, and the gold is none")
        if {_kind(gold_text), _kind(answer_text)} in ({"point", "set"}, {"", "set of one"}):
            return Outcome(0.0, parsed=answer.text, reason="a set is no number, and no point")
        if gold_unit and answer_unit and gold_unit.isdisjoint(answer_unit):
            return Outcome(0.0, parsed=answer.text, reason="another unit")
        verdict = _verdict(ask.compare, gold_text, answer_text)
        if verdict.outcome in ("answer_unread", "failed"):
            return no_answer(verdict.reason, answer.text)
        if verdict.outcome == "down":
            return Outcome(0.0, status="scorer_error", reason=verdict.reason)
        return Outcome(float(verdict.outcome == "equal"), parsed=answer.text, reason=verdict.reason or None)


def _part(read: _Read, *, letters: bool = False) -> tuple[str, frozenset[str]]:
    if read.quantity is not None:
        return read.quantity.latex, read.quantity.unit
    return split_unit(read.text, letters=letters)


_MATHS = re.compile(r"[a-z]\\?[({]|\\[A-Za-z]")


_BEHIND_BOX = re.compile(r"[ \t$*]{0,4}(?:\\text ?\{ ?)?([A-Za-z]{1,12}|%|[\u4e00-\u9fff]{1,2})")


def _with_unit(box: Box, area: str) -> str:
    """Return what is in a box, with the unit or scale word right behind it, where the number in it has none."""
    behind = _BEHIND_BOX.match(area[box.end : box.end + 40])
    if behind is None or behind[1].casefold() in STOP_WORDS:
        return box.content
    alone, together = (read_quantity(plain_math(text)) for text in (box.content, f"{box.content} {behind[1]}"))
    if alone is None or alone.unit or alone.percent or together is None or not together.known:
        return box.content
    return box.content if together == alone else f"{box.content} {behind[1]}"


def _unbulleted(text: str) -> str:
    """Return a text without the bullets of its lines."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(_BULLET.sub("", line, count=1) if _BULLET.match(line) else line for line in lines)


def _kind(text: str) -> str:
    if "," not in text:
        return "set of one" if text.startswith("\\{") else ""
    return "set" if text.startswith(("\\{", "{")) else "point" if text.startswith("(") else ""


def _agrees(side: str, read: _Read, compare: Compare) -> bool | None:
    """Whether one side of an equation is the number that the other side is; None when it is no number."""
    quantity = read_quantity(side)
    if quantity is not None and read.quantity is not None:
        return same_quantity(read.quantity, quantity, percent_asked=True) is not False
    number = re.sub(r"\\?[A-Za-z]{2,}", lambda m: "" if m[0].lstrip("\\") in _NUMERIC else m[0], side)
    if not re.search("[0-9]", side) or re.search(r"[^0-9\s+\-*/^().,{}!×÷]", number):
        return None
    return _verdict(compare, _part(read)[0], side).outcome in ("equal", "down")


# Towers of exponents, exponents of seven digits, factorials of factorials and of six digits: sympy would work them out.
_TOO_LARGE = re.compile(
    r"(?:\^\s*(?:\w|[({][^(){}^]{0,40})\s*){2}\^|\^ ?[({]* ?-?[0-9]{7}"
    r"|![)} ]*!|[0-9]{6}[)} ]*!|\^[ ({]*[0-9]{2,}[)} ]*!"
)


_LOOSE_SPACE = re.compile(r"(?<![A-Za-z0-9.]) +| +(?![A-Za-z0-9.])")  # not that of "3 4"


def _verdict(compare: Compare, gold: str, answer: str) -> Verdict:
    if _TOO_LARGE.search(answer):
        return Verdict("failed", "a number too large to be worked out")
    if _LOOSE_SPACE.sub("", gold) == _LOOSE_SPACE.sub("", answer):
        return Verdict("equal")
    if far_apart(gold, answer):
        return Verdict("different")
    return compare(Comparison(gold, answer))


_NUMERIC = FUNCTIONS | {"frac", "times", "cdot", "div", "binom"}


def _read(plain: str, gold: frozenset[str] | None) -> _Read | None:
    """Read plain mathematics as a quantity or an expression; None when it is words.

    Args:
        plain: The text, as `plain_math` returns it.
        gold: The tokens of the gold, which an answer may use too; None where the text is the gold.
    """
    if plain.startswith("= "):
        plain = plain[2:]
    assigned = _ASSIGNMENT.match(plain)
    quantity = read_quantity(plain) or (read_quantity(plain[assigned.end() :]) if assigned is not None else None)
    if quantity is not None:
        return _Read(plain, quantity)
    return _Read(plain, expression=True) if _is_expression(plain, gold) else None


def _is_expression(plain: str, gold: frozenset[str] | None) -> bool:
    """Whether a text could be mathematics: no words but functions, LaTeX commands, units and the gold's own."""
    text = split_unit(plain)[0]
    if not text or len(text) > _MAX_EXPRESSION or "$" in text or HAN.search(text) or not re.search(r"\w", text):
        return False
    if _DATE_OR_TIME.search(text) or (gold is not None and _SIDE_BY_SIDE.search(text)):
        return False
    depth = 0
    for bracket in re.findall(r"(?<!\\)[{}]|[()\[\]]", text):
        depth += 1 if bracket in "{([" else -1
        if depth < 0 or depth > _MAX_DEPTH:
            return False
    allowed = FUNCTIONS if gold is None else gold | _ANSWERED
    if depth or not all(word[0] == "\\" or word in allowed for word in _WORDS.findall(text)):
        return False
    return gold is None or _is_allowed(text, gold)


def _is_allowed(text: str, gold: frozenset[str]) -> bool:
    """Whether an answer has only symbols that belong to an expression, or that the gold has too, in their places.

    Relations, joiners (or, union) and number bases say something else than a number: math_verify would overlook
    them, or read the last piece.
    """
    for token in _TOKEN.findall(text):
        if token in gold or token in _ALLOWED:
            continue
        if len(token) > 1 or not _PLAIN.match(token):
            return False
    if "|" in text and "|" not in gold and (text.count("|") != 2 or not re.search(r"(?:^|[-+*/×^(={,])\s*\|", text)):
        return False
    return not (_BROKEN.match(text) and not ("_" in gold and "_" in text))
