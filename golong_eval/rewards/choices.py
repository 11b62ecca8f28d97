"""Which choice an answer states: a letter A to J, or yes / no.

A statement is a choice as a whole line, in a box, in parentheses, right after an answer phrase, called correct, or
with its text behind it at the opening of the first line ("B. Paris"). A negated one is none. The last statement
counts, unless another choice stands right beside it ("A or B"): then nothing is stated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from golong_eval.text import bare, boxes, clean, content_lines, fold, is_fence

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
    aside: bool = False
    """Whether it only stands in parentheses, as letters do that are talked about."""
    line: bool = False
    """Whether it is a whole line, or opens the first one."""


_OPEN, _CLOSE = r"[\s([{\"'“‘「【]{0,4}", r"[\s)\]}\"'”’」】.。,，;；:：!！]{0,6}"
_BOX = r"\\boxed ?\{ ?(?:\\(?:text|textbf|mathrm|mathbf) ?\{ ?)?\(?"
_PHRASE = re.compile(
    r"(?:\b(?:answers?|(?:(?:most )?(?:correct|right|best|true|accurate)|chosen)"
    r" (?:option|choice|one|statement|letter|description|response|claim))"
    r" ?(?:should be|would be|must be|is|=|:)"
    r"|^(?:so |thus |therefore |hence )?,? ?(?:it|this|that) ?(?:is|['’]s|must be|should be|would be)"
    r"|\b(?:(?:choose|select|pick|go with) ?:?)"
    r"|(?:正确|最佳|最合适|最准确)的?(?:选项|说法|陈述|描述|一项)? ?(?:应该|应当)?(?:是|为|[:=])|答案】?(?=[A-J\s])"
    r"|答案 ?(?:应该是|应当是|应为|应选|就是|是|为|选|[:=])|(?:应该|应当|应|我|故|所以)?选(?!项)(?:择|的是)?) ?:?"
    r"\s?(?:(?:the )?(?:option|choice|letter|statement)\b|选项)?",
    re.IGNORECASE | re.MULTILINE,
)
_LETTER_IN_PARENS = re.compile(r"\( ?([A-J]) ?\)")
_LETTER_IN_BOX = re.compile(_BOX + r"([A-Ja-j])\)?\.? ?\}")
_LETTER_AFTER = re.compile(_OPEN + r"(?:\\text ?\{)?([A-Ja-j])(?![A-Za-z0-9_]|['’]\w)")
_LETTER_LINE = re.compile(
    r"[\s([{\"'“‘「【•#-]{0,6}(?:(?:option|choice|statement|answer) |选项 ?)?([A-Ja-j])" + _CLOSE, re.IGNORECASE
)
# "The answer is A dog", "the answer is I think": the letter is a word unless the sentence goes on like this.
_GOES_ON = re.compile(r" (?:because|since|as|for|which|and|or|but|not|based|given|due|\()", re.IGNORECASE)
_ENDS = re.compile(r"[)\]}\"'”’」]*(?:[.。,，;；:：!?)]|\s*$)", re.MULTILINE)

# Statements in words, and an option written out: "B is correct", "B. Paris", "B because ...".
_LETTER_IS_RIGHT = re.compile(
    r"(?:^|(?<=[.!?。！？:：,，;] )|(?<=[.!?。！？:：,，;])"
    r"|\b(?i:so|thus|therefore|hence|that|option|choice|statement|answer) |选项 ?)"
    r"\(?([A-J])\)? ?(?:(?:is|would be|must be|seems|appears to be)(?: (?:clearly|therefore|thus|indeed))?"
    r" (?:the )?(?:most |only )?(?:correct|right|best|true|accurate|answer)\b"
    r"|(?:选?项)?(?:是|为)?(?:正确|对)(?![误不]))",
    re.MULTILINE,
)
# A conclusion, or a correction of what was said before: "Therefore, B.", "No, A."
_LETTER_CONCLUDES = re.compile(
    r"(?:^|[.?!。？！,，;；…]\s{0,2})(?:(?i:therefore|thus|hence|so|no|wait|sorry|actually|rather|i mean)\b"
    r"|所以|因此|故|不对?|应该)"
    r"\s?[,，:：]?\s?(?:(?i:it is|it['’]s|i mean|it must be|option)\s|是|为|选)?\s?\(?([A-J])\)?(?=[.。!！,，]|\s*$)",
    re.MULTILINE,
)
_OPENS = re.compile(
    r"[\s\"'“‘•-]{0,4}(?:(?:Option|Choice|Statement|选项) ?)?([A-J])"
    r"(?: ?[.):、](?:(?= )|(?=[A-Z][a-z])|(?=[^\x00-\x7f]))"
    r"| [-–—](?= )| (?=(?:because|since)\b)|(?=因为)|[,，](?=[ \u4e00-\u9fff]))"
)
_OTHER_OPTION = re.compile(
    r"(?<![\w(])([A-J]) ?[.):、](?= |$)|(?:\b(?:or|and|nor)\b|[或和/]) ?\(?([B-HJ])(?![\w'’])"
    r"|(?:\b(?:or|and|nor)\b|[或和/]) ?\(?([AI])\)?(?:[.,;]|$)"
)
_LONE_LETTER = re.compile(r"(?<!\w)[A-J](?!\w)")
# What follows a choice that is taken back. In capitals it may be the option's text: "B. False".
_TURNED = re.compile(
    r"[ ,.;:!]{0,3}[-–—]? ?(?:no,? )?(?:(?:(?:is|was) )?(?:wrong|incorrect|false)\b|(?:is|was) not\b"
    r"|(?:[Ww]ait|[Ss]orry|[Ss]cratch that)\b(?=[,.!]| no\b)|是?错|不对|误)(?! (?:options?|answers?|choices?)\b)"
)
_OPTION_TURNED = re.compile(r" ?(?:(?:is|was|not|no)\b(?!,)|不是)")

_HEDGE = r"(?:(?:maybe|perhaps|possibly|probably|also|even|either|both|then|option|choice|可能|也许|选项) ?){0,3}"
_CONNECT = r"(?:(?:and|or|和|或者|或|与|及|以及)(?![a-z]))"
_JOIN = r"[ ()\[\]{}\"'“”‘’.,，、/&|;；+]{0,8}" + _CONNECT + r"? ?" + _HEDGE + r"[ ([{\"'“‘]{0,4}(?:\\boxed ?\{)?"
_ONLY_JOIN = re.compile(_JOIN.replace("[ ", r"[\s").replace("? ?", r"?\s?"), re.IGNORECASE)
_LETTER_NEXT = re.compile(
    rf"(?:{_JOIN}|\s{{0,4}}{_CONNECT}\s{{1,4}}{_HEDGE}[ (]{{0,2}})"
    r"([A-J])(?=[ ]?(?:$|[.,，、/&|;；)\]}?!\n]|(?:and|or|和|或)\b))"
    rf"|[ (,]{{0,3}}(?i:{_CONNECT}) ?\(?{_HEDGE}\(?([B-HJ])(?![\w'’])",
    re.MULTILINE,
)
_LETTER_BEFORE = re.compile(r"(?<![\w\\'’])([A-J])" + _JOIN + r"\Z")

_NOT_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|except|without|excludes?|excluding|rather than|instead of)\b|n[’']t\b"
    r"|\b(?:it is|it['’]s) (?:false|untrue|wrong|incorrect) that|不|非|别|勿|除了?|排除)"
    r"(?:能|要|应该?|可以?|是|会|选择?)*"
    r"[ ,]?(?:(?:be|the|an?|option|choice|answer|is|to|correct|选项)\b ?){0,4}[\s([{\"'“‘]*(?:\\boxed ?\{)?$"
    r"|\b(?:wrong|incorrect|false|untrue|worst)(?: (?:answer|option|choice|one|statement|letter)(?: ?is|:)?)? ?$"
    r"|错误?的?(?:答案|选项)?(?:是|为|:)? ?$",
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
    letter = re.fullmatch(r"[(\[]?([A-Ja-j])[)\]]?[.):]?", bare(clean(answer)))
    return letter[1].upper() if letter is not None else None


_YES_NO = {"yes": "yes", "是": "yes", "是的": "yes", "no": "no", "否": "no", "不是": "no"}
_WORD = r"(yes|no|是的|不是|是|否)(?![A-Za-z0-9_'’]|[\u4e00-\u9fff])"
_WORD_IN_PARENS = re.compile(rf"\( ?{_WORD} ?\)", re.IGNORECASE)
_WORD_IN_BOX = re.compile(_BOX + _WORD + r" ?\.? ?\}", re.IGNORECASE)
_WORD_AFTER = re.compile(_OPEN + _WORD, re.IGNORECASE)
_WORD_LINE = re.compile(r"[\s([{\"'“‘「【•-]{0,6}" + _WORD + _CLOSE, re.IGNORECASE)
_WORD_OPENS = re.compile(
    rf"(?:^|(?<=[.!?。！？])) ?{_WORD}(?= ?[,.;:!，。；：！]| (?:because|since)\b)", re.IGNORECASE | re.MULTILINE
)
_WORD_NEXT = re.compile(_JOIN + _WORD, re.IGNORECASE)
_WORD_BEFORE = re.compile(r"(?<![\w\\'’])" + _WORD.partition("(?!")[0] + _JOIN + r"$", re.IGNORECASE)


def yes_no_of(answer: str) -> str | None:
    """Return ``yes`` or ``no`` if a gold answer is one, also as 是 or 否; else None."""
    return _YES_NO.get(fold(bare(clean(answer))))


def _readable(area: str) -> str:
    """Return the area's lines in NFKC, without emphasis, math delimiters, blank lines and fences."""
    lines = (clean(line) for line in content_lines(area) if not is_fence(line))
    return "\n".join(
        kept
        for line in lines
        if (kept := re.sub(r"[*`$]|__|\\[()\[\]]", "", line).strip(" >")) and re.search(r"\w", kept)
    )


def _last(text: str, found: list[_Statement], beside: tuple[re.Pattern[str], re.Pattern[str]]) -> str | None:
    """Return the last choice that is stated, not negated, and alone."""
    # "pick (B)" is found twice: the reading with the phrase, which starts first, is kept.
    found = sorted({s.at: s for s in sorted(found, reverse=True)}.values(), key=lambda s: s.at)
    first_line = text.find("\n") if "\n" in text else len(text)
    if any(s.line and s.at <= first_line and not _negated(text, s) for s in found):
        found = [s for s in found if not s.aside]
    while found and _negated(text, found[-1]):
        found.pop()
    if not found:
        return None
    last = later = found[-1]
    for other in found[-2:-_CHAIN:-1]:
        between = text[other.end : later.start]
        if len(between) > _WINDOW or not _ONLY_JOIN.fullmatch(between):
            break
        if between.strip(" .。") == "\n" and _explicit(text, later) and not _explicit(text, other):
            break
        if other.choice != last.choice:
            return None
        later = other
    neighbours = [beside[0].match(text, last.end)]
    if not last.phrased:
        neighbours.append(beside[1].search(text[max(0, last.start - _WINDOW) : last.start]))
    for neighbour in neighbours:
        if neighbour is None:
            continue
        other_name = next(filter(None, neighbour.groups()))
        if _name(other_name) != last.choice and not (
            neighbour is neighbours[0] and _NOT_AFTER.match(text, neighbour.end())
        ):
            return None
    return last.choice


def _explicit(text: str, statement: _Statement) -> bool:
    return statement.phrased or text.startswith(("\\boxed", "\\fbox"), statement.start)


def _name(choice: str) -> str:
    return _YES_NO.get(choice.casefold()) or choice.upper()


def _negated(text: str, statement: _Statement) -> bool:
    for start in {statement.start, statement.at}:
        line = text[max(0, start - _WINDOW) : start].rpartition("\n")[2]
        if _NOT_BEFORE.search(line):
            return True
    return (_NOT_AFTER.match(text, statement.end) or _TURNED.match(text, statement.end)) is not None


def _statements(
    text: str,
    patterns: tuple[re.Pattern[str], ...],
    aside: re.Pattern[str],
    line: re.Pattern[str],
    after: re.Pattern[str],
) -> list[_Statement]:
    found = [
        _Statement(match.start(), match.start(1), match.end(1), _name(match[1]), aside=pattern is aside)
        for pattern in (*patterns, aside)
        for match in pattern.finditer(text)
    ]
    offset = 0
    for row in text.split("\n"):
        whole = line.fullmatch(row) if len(row) < _WINDOW else None
        if whole is not None:
            found.append(
                _Statement(
                    offset + whole.start(1), offset + whole.start(1), offset + whole.end(1), _name(whole[1]), line=True
                )
            )
        offset += len(row) + 1
    for phrase in _PHRASE.finditer(text):
        match = after.match(text, phrase.end())
        loose = phrase[0].casefold().lstrip().startswith(("it", "this", "that", "so", "thus", "there", "hence"))
        if match is not None and _stands_alone(text, match, loose=loose):
            found.append(_Statement(phrase.start(), match.start(1), match.end(1), _name(match[1]), phrased=True))
    return found


def _stands_alone(text: str, match: re.Match[str], *, loose: bool) -> bool:
    """Whether the choice after a phrase is one, and not the article "a", the pronoun "I" or ("it is B flat") a name."""
    word = match[1]
    if loose:
        return not word.islower() and (_ENDS.match(text, match.end()) or _GOES_ON.match(text, match.end())) is not None
    if len(word) > 1 or not word.isascii() or word in "BCDEFGHJ" or _ENDS.match(text, match.end()):
        return True
    return word in "AI" and _GOES_ON.match(text, match.end()) is not None


def _opening(text: str) -> re.Match[str] | None:
    """Return the option that a text opens with, written out: "B. Paris"; None when it names others the same way."""
    first, _, others = text.partition("\n")
    option = _OPENS.match(first)
    if option is None or (option[1] == "I" and option[0].endswith((",", "，"))):
        return None
    rest = first[option.end() :]
    for other in _OTHER_OPTION.finditer(rest):
        if next(filter(None, other.groups())) != option[1]:
            return None
    if option[0].endswith((",", "，")) and _LONE_LETTER.search(rest):
        return None
    opened = (_OPENS.match(line) for line in others.split("\n"))
    return option if all(other is None or other[1] == option[1] for other in opened) else None


def _boxed_options(text: str) -> list[_Statement]:
    """Return the boxes with an option written out."""
    found = []
    for box in boxes(text):
        content = box.content.strip()
        for command in ("\\text{", "\\textbf{", "\\mathrm{", "\\mathbf{"):
            if content.startswith(command) and content.endswith("}"):
                content = content[len(command) : -1]
        option = _opening(content) if len(content) < 1000 else None
        if option is not None and not _TURNED.match(content, option.end(1)):
            found.append(_Statement(box.start, box.start + 1, box.end, option[1]))
    return found


def stated_choice(area: str) -> str | None:
    """Return the letter that an answer area states, or None.

    An area that opens with one option, "B. Paris", states B if no other line opens with another and it does not turn
    against it. On the first line, that and a letter alone outrank letters in parentheses behind it.

    >>> [stated_choice(area) for area in ("**B**", "It is (A). No: the answer is C.", "I am sure", "A or B", "not B")]
    ['B', 'C', None, None, None]
    """
    text = _readable(area)
    found = _statements(text, (_LETTER_IN_BOX,), _LETTER_IN_PARENS, _LETTER_LINE, _LETTER_AFTER)
    found += _boxed_options(text)
    for match in _LETTER_CONCLUDES.finditer(text):
        # From the letter on: what stands before the conclusion is said of another one.
        found.append(_Statement(match.start(1), match.start(1), match.end(1), match[1], phrased=True))
    for match in _LETTER_IS_RIGHT.finditer(text):
        found.append(_Statement(match.start(), match.start(1), match.end(1), match[1], phrased=True))
    option = _opening(text)
    if option is not None:
        found.append(_Statement(option.start(1), option.start(1), option.end(1), option[1], phrased=True, line=True))
        if _TURNED.match(text, option.end()) or _OPTION_TURNED.match(text, option.end()):
            found.pop()
    return _last(text, found, (_LETTER_NEXT, _LETTER_BEFORE))


def stated_yes_no(area: str) -> str | None:
    """Return ``yes`` or ``no`` as an answer area states it, or None.

    Also a sentence's opening word before a punctuation mark counts: "Yes, because ...".

    >>> [stated_yes_no(area) for area in ("Yes, it does.", "答案：否", "yes or no", "I know it")]
    ['yes', 'no', None, None]
    """
    text = _readable(area)
    found = _statements(text, (_WORD_IN_BOX, _WORD_OPENS), _WORD_IN_PARENS, _WORD_LINE, _WORD_AFTER)
    return _last(text, found, (_WORD_NEXT, _WORD_BEFORE))
