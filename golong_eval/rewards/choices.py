"""Which choice an answer states: a letter A to J, or yes / no.

A statement is a choice as a whole line, in a box, in parentheses, or right after an answer phrase. A negated one is
none. The last statement counts, unless another choice stands right beside it ("A or B"): then nothing is stated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from golong_eval.text import bare, clean, content_lines, fold, is_fence

__all__ = ["choice_of", "stated_choice", "stated_yes_no", "yes_no_of"]


class _Statement(NamedTuple):
    start: int
    """Where the statement starts, its phrase included."""
    at: int
    """Where the choice itself starts."""
    end: int
    """One past the choice itself."""
    choice: str
    phrased: bool = False
    """Whether it follows an answer phrase."""


_OPEN, _CLOSE = r"[\s([{\"'“‘「【]{0,4}", r"[\s)\]}\"'”’」】.。,，;；:：]{0,6}"
_BOX = r"\\boxed ?\{ ?(?:\\(?:text|textbf|mathrm|mathbf) ?\{ ?)?\(?"
_PHRASE = re.compile(
    r"(?:\b(?:answers?|correct (?:option|choice|one)|right (?:option|choice|one)|best (?:option|choice|one))"
    r" ?(?:should be|would be|must be|is|=|:)"
    r"|\b(?:(?:choose|select|pick|go with) ?:?)"
    r"|答案 ?(?:应该是|应当是|应为|应选|就是|是|为|选|[:=])|(?:应该|应当|应|我|故|所以)?选(?!项)(?:择|的是)?) ?:?"
    r"\s?(?:(?:the )?(?:option|choice|letter)\b|选项)?",
    re.IGNORECASE,
)
_LETTER_IN_PARENS = re.compile(r"\( ?([A-J]) ?\)")
_LETTER_IN_BOX = re.compile(_BOX + r"([A-Ja-j])\)?\.? ?\}")
_LETTER_AFTER = re.compile(_OPEN + r"(?:\\text ?\{)?([A-Ja-j])(?![A-Za-z0-9_'’])")
_LETTER_LINE = re.compile(r"[\s([{\"'“‘「【•-]{0,6}(?:(?:option|choice) |选项 ?)?([A-Ja-j])" + _CLOSE, re.IGNORECASE)
# "The answer is A dog", "the answer is I think": the letter is a word unless the sentence goes on like this.
_GOES_ON = re.compile(r" (?:because|since|as|for|which|and|or|but|not|based|given|due|\()", re.IGNORECASE)
_ENDS = re.compile(r"[)\]}\"'”’」]*(?:[.。,，;；:：!?)]|\s*$)", re.MULTILINE)

_JOIN = r"[ )\]}\"'”’.,，、/&|;；+]{0,8}(?:(?:and|or|和|或者|或|与|及|以及)(?![a-z]))?[ ([{\"'“‘]{0,4}(?:\\boxed ?\{)?"
_ONLY_JOIN = re.compile(_JOIN.replace(" )", r"\s)", 1), re.IGNORECASE)
_LETTER_NEXT = re.compile(_JOIN + r"([A-J])(?=[ ]?(?:$|[.,，、/&|;；)\]}\n]|(?:and|or|和|或)\b))", re.MULTILINE)
_LETTER_BEFORE = re.compile(r"(?<![\w\\'’])([A-J])" + _JOIN + r"$")

_NOT_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|except|without|excludes?|excluding|rather than|instead of)\b|n[’']t\b"
    r"|不|非|别|勿|除了?|排除)(?:能|要|应该?|可以?|是|会|选择?)*"
    r"[ ,]?(?:(?:be|the|an?|option|choice|answer|is|to|correct|选项)\b ?){0,4}[\s([{\"'“‘]*(?:\\boxed ?\{)?$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"[ )\]}\"'”’]{0,4}(?:(?:is|was|are|were|seems|looks|can|could|does) ?(?:not\b|n[’']t\b)|cannot\b"
    r"|(?:is|was|are|were|seems|looks) (?:also |clearly |obviously )?(?:incorrect|wrong|false|ruled out|excluded)"
    r"|(?:是|也|都)?(?:错|不对|不正确|不是|不符|不成立|误|排除))",
    re.IGNORECASE,
)
_WINDOW = 48
_CHAIN = 12  # choices side by side are looked at this far back; there are ten letters


def choice_of(answer: str) -> str | None:
    """Return the letter A to J that a gold answer is, or None.

    >>> choice_of("(b)."), choice_of("K")
    ('B', None)
    """
    letter = bare(clean(answer)).strip("()[]").rstrip(".):")
    return letter.upper() if re.fullmatch("[A-Ja-j]", letter) else None


_YES_NO = {"yes": "yes", "是": "yes", "是的": "yes", "no": "no", "否": "no", "不是": "no"}
_WORD = r"(yes|no|是的|不是|是|否)(?![A-Za-z0-9_'’]|[\u4e00-\u9fff])"
_WORD_IN_PARENS = re.compile(rf"\( ?{_WORD} ?\)", re.IGNORECASE)
_WORD_IN_BOX = re.compile(_BOX + _WORD + r" ?\.? ?\}", re.IGNORECASE)
_WORD_AFTER = re.compile(_OPEN + _WORD, re.IGNORECASE)
_WORD_LINE = re.compile(r"[\s([{\"'“‘「【•-]{0,6}" + _WORD + _CLOSE, re.IGNORECASE)
_WORD_OPENS = re.compile(rf"(?:^|(?<=[.!?。！？])) ?{_WORD}(?= ?[,.;:!，。；：！])", re.IGNORECASE | re.MULTILINE)
_WORD_NEXT = re.compile(_JOIN + _WORD, re.IGNORECASE)
_WORD_BEFORE = re.compile(r"(?<![\w\\'’])" + _WORD.partition("(?!")[0] + _JOIN + r"$", re.IGNORECASE)


def yes_no_of(answer: str) -> str | None:
    """Return ``yes`` or ``no`` if a gold answer is one, also as 是 or 否; else None."""
    return _YES_NO.get(fold(bare(clean(answer))))


def _readable(area: str) -> str:
    """Return the area's lines in NFKC, without emphasis, math delimiters, blank lines and fences."""
    lines = (clean(line) for line in content_lines(area) if not is_fence(line))
    return "\n".join(re.sub(r"[*`$]|__|\\[()\[\]]", "", line).strip() for line in lines)


def _last(text: str, found: list[_Statement], beside: tuple[re.Pattern[str], re.Pattern[str]]) -> str | None:
    """Return the last choice that is stated, not negated, and alone."""
    # "pick (B)" is found twice: the reading with the phrase, which starts first, is kept.
    found = sorted({s.at: s for s in sorted(found, reverse=True)}.values(), key=lambda s: s.at)
    while found and _negated(text, found[-1]):
        found.pop()
    if not found:
        return None
    last = later = found[-1]
    for other in found[-2:-_CHAIN:-1]:
        between = text[other.end : later.start]
        if len(between) > _WINDOW or not _ONLY_JOIN.fullmatch(between):
            break
        if other.choice != last.choice:
            return None
        later = other
    neighbours = [beside[0].match(text, last.end)]
    if not last.phrased:
        neighbours.append(beside[1].search(text[max(0, last.start - _WINDOW) : last.start]))
    if any(neighbour is not None and _name(neighbour[1]) != last.choice for neighbour in neighbours):
        return None
    return last.choice


def _name(choice: str) -> str:
    return _YES_NO.get(choice.casefold()) or choice.upper()


def _negated(text: str, statement: _Statement) -> bool:
    for start in {statement.start, statement.at}:
        line = text[max(0, start - _WINDOW) : start].rpartition("\n")[2]
        if _NOT_BEFORE.search(line):
            return True
    return _NOT_AFTER.match(text, statement.end) is not None


def _statements(
    text: str, patterns: tuple[re.Pattern[str], ...], line: re.Pattern[str], after: re.Pattern[str]
) -> list[_Statement]:
    found = [
        _Statement(match.start(), match.start(1), match.end(1), _name(match[1]))
        for pattern in patterns
        for match in pattern.finditer(text)
    ]
    offset = 0
    for row in text.split("\n"):
        whole = line.fullmatch(row) if len(row) < _WINDOW else None
        if whole is not None:
            found.append(
                _Statement(offset + whole.start(1), offset + whole.start(1), offset + whole.end(1), _name(whole[1]))
            )
        offset += len(row) + 1
    for phrase in _PHRASE.finditer(text):
        match = after.match(text, phrase.end())
        if match is not None and _stands_alone(text, match):
            found.append(_Statement(phrase.start(), match.start(1), match.end(1), _name(match[1]), phrased=True))
    return found


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Whether the choice after a phrase is one, and not the article "a" or the pronoun "I"."""
    word = match[1]
    if len(word) > 1 or not word.isascii() or word in "BCDEFGHJ" or _ENDS.match(text, match.end()):
        return True
    return word in "AI" and _GOES_ON.match(text, match.end()) is not None


def stated_choice(area: str) -> str | None:
    """Return the letter that an answer area states, or None.

    An area that is one line, "B. Paris", states B if it names no other choice and does not turn against it.

    >>> [stated_choice(area) for area in ("**B**", "It is (A). No: the answer is C.", "I am sure", "A or B", "not B")]
    ['B', 'C', None, None, None]
    """
    text = _readable(area)
    found = _statements(text, (_LETTER_IN_BOX, _LETTER_IN_PARENS), _LETTER_LINE, _LETTER_AFTER)
    if not found and "\n" not in text:
        option = re.match(r"[\s(\"'“]{0,4}([A-J]) ?[.):、,，] ?(?=\S)", text)
        if option is not None and not re.search(r"(?<!\w)[A-J](?!\w)", text[option.end() :]):
            turned = re.match(r"(?:is|was|not|no|wrong|incorrect|false|错|不)\b", text[option.end() :], re.IGNORECASE)
            return None if turned or re.match("[错不误]", text[option.end() :]) else option[1]
    return _last(text, found, (_LETTER_NEXT, _LETTER_BEFORE))


def stated_yes_no(area: str) -> str | None:
    """Return ``yes`` or ``no`` as an answer area states it, or None.

    Also a sentence's opening word before a punctuation mark counts: "Yes, because ...".

    >>> [stated_yes_no(area) for area in ("Yes, it does.", "答案：否", "yes or no", "I know it")]
    ['yes', 'no', None, None]
    """
    text = _readable(area)
    found = _statements(text, (_WORD_IN_BOX, _WORD_IN_PARENS, _WORD_OPENS), _WORD_LINE, _WORD_AFTER)
    return _last(text, found, (_WORD_NEXT, _WORD_BEFORE))
