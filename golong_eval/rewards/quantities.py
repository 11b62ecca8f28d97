"""Read a plain quantity exactly: a number, fraction or percentage with sign, scale word, currency and unit.

What can be read here is compared here, without sympy. Everything is bounded: no integer is built from a text of
more than a few hundred digits, no power is computed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from unicodedata import normalize

from golong_eval.rewards.units import CURRENCIES, FUNCTIONS, SCALES, STOP_WORDS, UNITS
from golong_eval.text import bare, clean

__all__ = [
    "Quantity",
    "join_groups",
    "only_quantity",
    "plain_math",
    "read_quantity",
    "same_quantity",
    "split_unit",
    "units_clash",
]

_LETTER_SCALES = {"k": 3, "m": 6, "b": 9}  # only after a currency sign: 5 m is five metres, $5m is not
_MAX_EXPONENT = 400
_MAX_NUMBERS = 16  # the same number may be said again, but not without end
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
_SIGN_AND_CURRENCY = (
    r"(?P<sign>[+-])? ?(?P<currency>us\$|hk\$|[$€£¥₹₩]|(?:usd|eur|gbp|cny|rmb|jpy)\b|人民币)? ?(?P<sign2>[+-])?"
)
_VALUE = (
    rf"(?P<number>{_DIGITS})(?:e(?P<exponent>[+-]?[0-9]{{1,9}})(?![0-9a-z]))?"
    rf"(?: ?/ ?(?P<over>{_DIGITS})(?![0-9.]))?(?: ?[×*x] ?10 ?\^ ?\{{?(?P<ten>[+-]?[0-9]{{1,9}})\}}?)?"
)
_PERCENT = r"(?P<percent>%|percent(?:age)?\b(?! ?point)|per ?cent\b|pct\b)"
_SCALE = (
    r"(?P<scale>(?:hundred|thousand|million|billion|trillion)s?\b|(?:mn|bn|tn)\b"
    r"|[十百千万]?[万亿]|萬|億|千(?![克米瓦])|百(?!分))"
)
_QUANTITY = re.compile(
    rf"(?P<percent_of>百分之)? ?{_SIGN_AND_CURRENCY} ?{_VALUE}(?: ?{_SCALE})?"
    rf"(?(currency)(?: ?(?P<letter>[kmb])\b)?)(?: ?{_PERCENT})?",
    re.IGNORECASE,
)
# A number in prose: not the digits of a name such as D3, 文档3 or COVID-19.
_NUMBER = re.compile(rf"(?<![A-Za-z0-9_.第])(?<!文档)(?<!文件)(?<![A-Za-z]-)(?:{_DIGITS})")


@dataclass(frozen=True)
class Quantity:
    """An exact value with what it counts."""

    value: Fraction
    unit: frozenset[str] = frozenset()
    """Canonical units or unit words; several where the spelling is ambiguous. Empty: no unit."""
    known: bool = True
    """Whether the unit is one of the table's. Others are compared by their words."""
    percent: bool = False
    """Whether the value was written as a percentage; 12% has the value 12."""

    @property
    def latex(self) -> str:
        """The value, for math_verify: as a decimal where it has one."""
        top, bottom = self.value.as_integer_ratio()
        places = 0
        while places < 30 and 10**places % bottom:
            places += 1
        if bottom == 1:
            return str(top)
        if 10**places % bottom:
            return rf"{'-' if top < 0 else ''}\frac{{{abs(top)}}}{{{bottom}}}"
        digits = str(abs(top) * 10**places // bottom).rjust(places + 1, "0")
        return f"{'-' if top < 0 else ''}{digits[:-places]}.{digits[-places:]}"


_COMMANDS = [
    (re.compile(r"</?[A-Za-z]{1,10}>"), " "),
    (re.compile(r"(?:[-=]>|[→⇒∴]|\\(?:[Rr]ightarrow|implies|therefore)(?![A-Za-z])) ?"), "= "),
    (re.compile(r"\\(?:left|right|displaystyle|limits|quad|qquad|,|!|;|:| )|~"), " "),
    (re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|operatorname|mbox|unit) ?\{([^{}]*)\}"), r" \1 "),
    (re.compile("∞"), r"\\infty "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\([%$#&])"), r"\1"),
    (re.compile(r"\^ ?\{? ?\\(?:circ|degree) ?\}?|\\(?:degree|circ)\b"), "°"),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z]) ?|[·⋅∙] ?"), "×"),
    (re.compile(r"\\[dt]frac\b"), r"\\frac"),
    (re.compile(r"\\leq?(?![A-Za-z])|<=(?![=>])|≤"), r"\\leq "),
    (re.compile(r"\\geq?(?![A-Za-z])|(?<![<=])>=(?!=)|≥"), r"\\geq "),
    (re.compile(r"\\neq?(?![A-Za-z])|!=(?!=)|≠"), r"\\neq "),
    (re.compile(r"[\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d]"), "-"),
    (re.compile(r"(?:(?<![A-Za-z\\])(?:minus|negative)\b|[负負]) ?(?=[0-9.$€£¥₹₩(\\])", re.IGNORECASE), "-"),
    (re.compile(r"(?<=[\w)}\]]) ?\*\* ?(-?[A-Za-z0-9]+)"), r"^{\1}"),
    (re.compile(r"(?<=[\w)}\]]) ?\*\* ?(?=\()"), "^"),
    (
        re.compile(r"(?:√|(?<![A-Za-z\\])sqrt(?= ?\()) ?(?:\(([^()]*)\)|([0-9.]*[0-9]|[A-Za-z](?![A-Za-z])))"),
        r"\\sqrt{\1\2}",
    ),
    (re.compile(r"\^ ?(-[0-9]+|[0-9]{2,})"), r"^{\1}"),
    (re.compile(r"(?<![A-Za-z\\])((?:arc)?(?:sin|cos|tan)|log|ln|exp)(?= ?\()"), r"\\\1"),
    (re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])|π"), r"\\pi "),
    (re.compile(r"(?:\\(?:approx|simeq|sim)(?![A-Za-z])|[≈≃]) ?"), "= "),
]
_SIGN = re.compile("([\\s*_`$\"'“‘(\\[\\\\]{0,12}[-\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d])\\s+")

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED_RUN = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_THIN_GROUP = re.compile("(?<=[0-9])(?:[\u00a0\u2009\u202f]|\\\\,)(?=[0-9]{3}(?![0-9]))")
_VULGAR = re.compile("[¼-¾⅐-⅞]")
_MIXED = re.compile(
    r"(?<![0-9.,^/*×}])([0-9]{1,9})(?: ?\\frac ?\{? ?([0-9]{1,9}) ?\}? ?\{? ?([0-9]{1,9}) ?\}?"
    r"| ([0-9]{1,9})/([0-9]{1,9}))(?![0-9./])"
)
_MIXED_LATEX = re.compile(r"(?<![0-9.,^/*×}])([0-9]{1,9}) ?\\frac ?\{ ?([0-9]{1,9}) ?\} ?\{ ?([0-9]{1,9}) ?\}()()")
_SPACED_GROUPS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
# Not behind a digit: 3\\frac{5}{2} is for math_verify.
_SIMPLE_FRACTION = re.compile(r"(?<![0-9.,}])(?<![0-9.,}] )\\frac ?\{ ?([0-9.,]+) ?\} ?\{ ?([0-9.,]+) ?\}")


def join_groups(text: str) -> str:
    """Return a text with thousands parted by commas where they were by thin or no-break spaces."""
    return _THIN_GROUP.sub(",", text)


def plain_math(text: str) -> str:
    r"""Return an expression without decoration, delimiters and typography: ready to be read or sent to math_verify.

    A minus sign in front is a sign, never a bullet, also with a space behind it or as a word (minus, 负).

    >>> plain_math(r"**$\text{−3}\,{,}5 \times 10³$.**")
    '-3 ,5 ×10^{3}'
    """
    text = _VULGAR.sub(
        lambda match: r"\frac{{{}}}{{{}}}".format(*normalize("NFKC", match[0]).split("⁄")), join_groups(text)
    )
    text = bare(_joined_sign(clean(text).rstrip(" ✓✔✅☑")))
    for _ in range(2):  # "$...$" inside of quotes, and the other way round
        if len(text) > 3 and text[:2] in ("\\(", "\\[", "$$") and text[-2:] in ("\\)", "\\]", "$$"):
            text = bare(_joined_sign(text[2:-2]))
        elif len(text) > 1 and text[0] == text[-1] == "$":
            text = bare(_joined_sign(text[1:-1]))
    for pattern, replacement in _COMMANDS:
        text = pattern.sub(replacement, text)
    text = _RAISED_RUN.sub(lambda match: "^{" + match[0].translate(_RAISED) + "}", text)
    return bare(_joined_sign(" ".join(text.split())))


def _joined_sign(text: str) -> str:
    """Return a text without white space behind its leading minus sign, which is no bullet here."""
    match = _SIGN.match(text)
    return text if match is None else match[1] + text[match.end() :]


def _improper(pattern: re.Pattern[str], text: str) -> str:
    """Return a text with its mixed numbers (3 1/2) as improper fractions (7/2)."""

    def improper(match: re.Match[str]) -> str:
        whole, top, bottom = int(match[1]), int(match[2] or match[4]), int(match[3] or match[5])
        return f"{whole * bottom + top}/{bottom}" if 0 < top < bottom else match[0]

    return pattern.sub(improper, text)


def _fraction(digits: str, exponent: int) -> Fraction | None:
    digits = digits.replace(",", "")
    if len(digits) > _MAX_EXPONENT or abs(exponent) > _MAX_EXPONENT:
        return None
    return Fraction(digits + "0" if digits.endswith(".") else digits) * Fraction(10) ** exponent


def _unit_of(text: str, currency: str | None) -> tuple[frozenset[str], bool] | None:
    """Return the unit that a number's remainder names and whether it is known; None when it is no unit."""
    words = re.sub(r"\^\{?([0-9])\}?", r"^\1", text.casefold())
    words = re.sub(r"\b(?:square|sq)\.? ", "sq ", words).replace(" per hour", "/h").replace(" per second", "/s")
    words = bare(words).strip(" ,;")
    found: frozenset[str] = frozenset()
    if currency:
        found = frozenset(CURRENCIES[currency.casefold()])
    if not words:
        return found, True
    squared = words.startswith("sq ")
    base = words.removeprefix("sq ")
    for spelling in (base, base.replace(" ", ""), base.removesuffix("s"), base.replace(" ", "").removesuffix("s")):
        known = UNITS.get(spelling)
        if known is None and "/" in spelling:
            top, _, bottom = spelling.partition("/")
            tops = UNITS.get(top) or UNITS.get(top.removesuffix("s")) or frozenset()
            known = frozenset(f"{a}/{b}" for a in tops for b in UNITS.get(bottom, frozenset())) or None
        if known is not None:
            known = frozenset(f"{name}^2" for name in known) if squared else known
            # "$5 USD": both say it. "$5 km" is nothing.
            return (known, True) if not found or found & known else None
    if found:
        return None
    named = re.findall(r"[^\W\d_]+", words)
    if not named or re.search(r"[0-9=+*/^\\{}<>×!]", words):
        return None
    if words[0].isascii() and (text[0] != " " or len(named[0]) < 2 or named[0] in FUNCTIONS):
        return None  # 2x, 42nd, 2 pi
    if named[0] in STOP_WORDS:
        return frozenset(), True
    if len(named) > 3:
        return None
    if named[0].startswith("个") and len(named[0]) > 1:
        named[0] = named[0][1:]
    elif named[0] == "个":
        return frozenset(), True
    return frozenset(map(_singular, named)), False


def _value_of(match: re.Match[str]) -> Fraction | None:
    if match["sign"] and match["sign2"]:
        return None
    exponent = int(match["exponent"] or 0) + int(match["ten"] or 0)
    if match["scale"]:
        scale = match["scale"].casefold()
        exponent += SCALES[scale] if scale in SCALES else SCALES[scale.removesuffix("s")]
    if match["letter"]:
        exponent += _LETTER_SCALES[match["letter"].casefold()]
    value = _fraction(match["number"], exponent)
    if value is not None and match["over"]:
        over = _fraction(match["over"], 0)
        value = value / over if over else None
    if value is not None and "-" in (match["sign"], match["sign2"]):
        value = -value
    return value


def read_quantity(text: str) -> Quantity | None:
    r"""Read a whole text as one quantity; None when it is anything else.

    Args:
        text: The text, as `plain_math` returns it.

    >>> read_quantity("-$3.5 million").value
    Fraction(-3500000, 1)
    >>> read_quantity("3.5万元") == read_quantity("35,000 yuan")
    True
    >>> read_quantity("42 and 43") is read_quantity("5 apples or 6") is None
    True
    """
    if len(text) > 2 * _MAX_EXPONENT:
        return None
    text = _SPACED_GROUPS.sub(lambda match: match[0].replace(" ", ","), _improper(_MIXED, text), count=1)
    text = _SIMPLE_FRACTION.sub(r"\1/\2", text)
    match = _QUANTITY.match(text)
    if match is None:
        return None
    value = _value_of(match)
    rest = text[match.end() :]
    if value is None or (rest and rest[0].isascii() and rest[0].isalnum() and rest[0].isdigit()):
        return None
    if _NOT_AFTER.match(rest[:64]):
        return None
    if match["percent"] or match["percent_of"]:
        return Quantity(value, percent=True) if not rest.strip(" .,;") and not match["currency"] else None
    unit = _unit_of(rest, match["currency"])
    return None if unit is None else Quantity(value, unit[0], unit[1])


def only_quantity(text: str) -> Quantity | None:
    """Return the only quantity in a text of words, with the unit behind it; None when there is none or several.

    Numbers in names (D3, COVID-19) are none. A number inside an expression, such as the 12 of 12^2, is unreadable.

    >>> only_quantity("In all they walked 5 km on that day").unit
    frozenset({'km'})
    >>> only_quantity("42 in 2019") is only_quantity("it is 5!") is None
    True
    """
    if _NO_PROSE.search(text):
        return None
    text = _SIMPLE_FRACTION.sub(r"\1/\2", _improper(_MIXED_LATEX, text))
    found: set[Quantity] = set()
    at = seen = 0
    while (number := _NUMBER.search(text, at)) is not None:
        seen += 1
        before = _BEFORE.search(text, max(0, number.start() - 8), number.start())
        start = before.start() if before is not None else number.start()
        if _NOT_BEFORE.search(text[max(0, start - 64) : start]):
            return None
        match = _QUANTITY.match(text, start)
        if match is None or match.end() <= number.start():
            return None
        at = match.end()
        if (start and text[start - 1] in "^*/+×÷{_\\√") or text[at : at + 1] in set("^*+×÷}_!/\\"):
            return None
        value = _value_of(match)
        if value is None:
            return None
        percent = bool(match["percent"] or match["percent_of"])
        if _NOT_AFTER.match(text[at : at + 64]):
            return None
        unit = (frozenset[str](), True) if percent else _unit_in_prose(text[at : at + 80], match["currency"])
        if unit is None:
            return None
        found.add(Quantity(value, unit[0], unit[1], percent))
        if len(found) > 1 or seen > _MAX_NUMBERS:
            return None
    return found.pop() if found else None


# A number beside these is a part of something: a range, an infinite expression.
_NO_PROSE = re.compile(
    r"±|\\(?:pm|infty|int|sum|prod|lim|max|min|inf)(?![A-Za-z])|(?<![A-Za-z])inf(?:inity)?(?![A-Za-z])"
)
_BEFORE = re.compile(rf"(?:百分之 ?|(?<![A-Za-z0-9]){_SIGN_AND_CURRENCY})$", re.IGNORECASE)
_NOT_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|without|except|(?:any|every|no)thing but|all but|rather than|instead of"
    r"|other than|excluding"
    r"|(?:wrong|incorrect|false) (?:answer|number|value))\b|n[’']t\b|不|非)"
    r"(?: ?(?:\b(?:be|been|equals?|to|the|an?|is|was|are|possibly|exactly|really|simply|just|answer"
    r"|number|value|for)\b"
    r"|可能|应该?|能|会|是|等于|为|:)){0,6} ?$"
    r"|\b(?:half(?: of)?|twice|thrice|double|triple|(?:square |cube )?root of|(?:third|quarter|percent) of) ?$"
    r"|公元前 ?$"
    r"|\b(?:at (?:least|(?:the )?most)|(?:less|more|fewer|greater|larger|smaller|higher|lower|bigger|older|younger"
    r"|longer|shorter) than(?: or equal to)?"
    r"|up to|over|under|above|below|beyond|exceed(?:s|ed|ing)?|min(?:imum)? of|max(?:imum)? of) ?$"
    r"|(?:至少|至多|最多|最少|超过|不到|不足|不超过|少于|多于|大于|小于|高于|低于|除了?) ?$"
    r"|(?:[<>≤≥≠≮≯¬∉!]=?|\\[A-Za-z]+) ?$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"(?: ?[A-Za-z%]{1,12}){0,2}?,?(?: which| that)? ?"
    r"(?:\b(?:is|was|are|were|seems|looks|can|could|does|would be|must be) ?"
    r"(?:clearly |obviously |also )?(?:not\b|n[’']t\b|wrong|incorrect|false)|cannot\b"
    r"|\bor (?:more|less|fewer|above|below|higher|lower)\b"
    r"|[?？‰‱]|(?:dozen|tenth|hundredth|thousandth|third|quarter|fifth)s?\b|halves\b|squared\b|cubed\b"
    r"|and a (?:half|quarter)\b|basis points?\b|bps\b|B\.?C\b|成(?![为立功员])|分之"
    r"|又(?=[一二三四五六七八九十0-9])|的一半"
    r"|at (?:least|most)\b|(?:是|也|都)?(?:错|不对|不正确|不是)|[个人元]?(?:以上|以下)|[✗✘❌✖])",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[.,;:!?()\[\]](?: |$)|[，。；：！？、（）\n]")
_HAN_UNITS = sorted((unit for unit in UNITS if not unit.isascii() and unit[0].isalpha()), key=len, reverse=True)


def _unit_in_prose(rest: str, currency: str | None) -> tuple[frozenset[str], bool] | None:
    """Return the unit at the head of a number's remainder; None when letters or digits stick to the number."""
    rest = _CLAUSE_END.split(rest, maxsplit=1)[0]
    words = rest.split()[:3]
    for count in range(len(words), 0, -1):
        unit = _unit_of(rest[: len(rest) - len(rest.lstrip())] + " ".join(words[:count]), currency)
        if unit is not None and unit[0] and unit[1]:
            return unit
    if currency:
        return frozenset(CURRENCIES[currency.casefold()]), True
    han = next((unit for unit in _HAN_UNITS if rest.lstrip().startswith(unit)), None)
    if han is not None:
        return UNITS[han], True
    if rest[:1].isascii() and rest[:1].isalnum():
        return None
    named = [word for word in words if word.isalpha()]
    stop = next((i for i, word in enumerate(named) if word.casefold() in STOP_WORDS), len(named))
    if not named[:stop] or not named[0].isascii():
        return frozenset(), True
    return frozenset(_singular(word.casefold()) for word in named[:stop]), False


def _singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 3 else word


def units_clash(one: Quantity, other: Quantity) -> bool:
    """Whether two quantities both have a unit, and not the same one."""
    units = [frozenset({"%"}) if q.percent else q.unit for q in (one, other)]
    if not units[0] or not units[1]:
        return False
    if one.known and other.known:
        return units[0].isdisjoint(units[1])
    if one.known != other.known:
        return True
    # By words: "red apples" are apples; 人参加 begins with 人, as Chinese has no spaces.
    begins = any(a.startswith(b) or b.startswith(a) for a in units[0] for b in units[1] if not (a + b).isascii())
    return not (begins or units[0] <= units[1] or units[1] <= units[0])


def same_quantity(gold: Quantity, answer: Quantity, *, percent_asked: bool) -> bool | None:
    """Whether two quantities are the same by the rules of `MathVerify`; None when rounding has to decide.

    A unit on one side only is ignored, also the % of a gold. A plain answer is a gold percentage if it equals its
    number or its fraction. A percentage is a plain gold only if the question asks for one: beside a gold of at most
    1 by its fraction, else by its number.
    """
    if units_clash(gold, answer):
        return False
    if gold.percent and not answer.percent:
        return answer.value in (gold.value, gold.value / 100)
    if answer.percent and not gold.percent:
        return percent_asked and gold.value == (answer.value / 100 if abs(gold.value) <= 1 else answer.value)
    if gold.value == answer.value:
        return True
    difference = abs(gold.value - answer.value)
    # math_verify rounds to six decimals: 0.3333333 is 1/3. That is for it to say, but 1e-7 is not 2e-7.
    close = difference < Fraction(1, 10**6) and difference * 10**4 < max(abs(gold.value), abs(answer.value))
    return None if close else False


def split_unit(text: str, *, letters: bool = False) -> tuple[str, frozenset[str]]:
    r"""Part an expression from a known unit behind it; a single letter is one only if `letters` says so.

    >>> split_unit(r"2\sqrt{3} km")
    ('2\\sqrt{3}', frozenset({'km'}))
    """
    head, _, word = text.rpartition(" ")
    unit = UNITS.get(word.casefold()) or UNITS.get(word.casefold().removesuffix("s"))
    return (head, unit) if head and unit and (letters or len(word) > 1) else (text, frozenset())
