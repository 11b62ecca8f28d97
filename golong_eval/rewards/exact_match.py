"""T1, precise retrieval: exact match."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import TextGold
from golong_eval.text import GoldItems, bare, boxes, clean, content_lines, drop_lead_in, is_fence

__all__ = ["ExactMatch"]

_LEAD = 120  # characters of a sentence before the answer that it names
_LEADS = re.compile(r"(?:the|this|that|it|my|so|thus|therefore|hence|missing)\b|[\u3400-\u9fff]", re.IGNORECASE)
_IS = re.compile(r" (?:is|was|are)(?: |:)|(?:应该|应当)?[是为] ?:?|[:：]")
_DENIES = re.compile(
    r"\b(?:not|never|no|neither|nor|cannot|wrong|incorrect|false|except|without|or|if|whether)\b|n[’']t\b|[不非错误没无]|是否|[.!?。！？]\s",
    re.IGNORECASE,
)
_TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|texttt) ?\{([^{}]*)\}")


@dataclass(frozen=True)
class ExactMatch:
    """1 if the answer area, or its last non-empty line, is the gold or an alias of it; else 0.

    Both go through the item rules of `golong_eval.text`: decoration, case, white space and one number in front do
    not count. A lead-in such as "the answer is" or 答案是 is dropped from the answer, also a longer one ("The missing
    word is ..."), if it denies nothing; of a line with a box, the box is the answer.

    Source: GoLongRL (arXiv 2605.19577), reward ``EM``. The published code compares the stripped response after its
    thinking with the stripped gold and normalises nothing, so ``**e0**`` and ``e0.`` earn 0.

    >>> score = ExactMatch(TextGold(answers=("e0", "epsilon zero")))
    >>> [score(area, Ask()).value for area in ("**e0**.", "The answer is Epsilon Zero", "not e0", "e1")]
    [1.0, 1.0, 0.0, 0.0]
    """

    gold: TextGold
    _aliases: tuple[GoldItems, ...] = field(init=False, repr=False)
    _longest: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # One index an alias: aliases may coincide in a normal form, where items of one gold may not.
        object.__setattr__(self, "_aliases", tuple(GoldItems((answer,)) for answer in self.gold.answers))
        object.__setattr__(self, "_longest", 500 + 4 * max(map(len, self.gold.answers)))

    def matches(self, text: str) -> bool:
        """Whether a text is an alias, with or without its lead-in."""
        if len(text) > self._longest:
            return False  # a long answer is no short one, however it is dressed
        rest = drop_lead_in(bare(clean(text)))
        return any(alias.find(text) is not None or alias.find(rest) is not None for alias in self._aliases)

    def _says(self, line: str) -> bool:
        """Whether a line says an alias: alone, in a box, with a comma behind it, or in a sentence that names it."""
        if len(line) > self._longest:
            return False
        found = boxes(line)
        if found and not _DENIES.search(line[: found[-1].start]) and not re.search(r"\w", line[found[-1].end :]):
            content = found[-1].content.strip()
            inner = _TEXT_COMMAND.fullmatch(content)
            return self.matches(content) or (inner is not None and self.matches(inner[1]))
        text = clean(line)
        text = bare(text).rstrip(",;:，；：、")
        if self.matches(text):
            return True
        for verb in _IS.finditer(text[:_LEAD]):
            lead = text[: verb.start()]
            if _DENIES.search(lead) or not _LEADS.match(lead):
                return False
            if self.matches(text[verb.end() :]):
                return True
        return False

    def __call__(self, area: str, _ask: Ask) -> Outcome:
        """Score one answer area."""
        written = content_lines(area)
        for whole in (area, written[-1]):  # also a gold that looks like a fence is a gold
            if self.matches(whole):
                return Outcome(1.0, parsed=clean(whole))
        # A rule such as "---" is no answer, and no gold either here.
        lines = [line for line in written if not is_fence(line) and bare(line)]
        if not lines:
            return no_answer("nothing but code fences and rules")
        if self.matches(" ".join(lines)):
            return Outcome(1.0, parsed=clean(" ".join(lines)))
        return Outcome(float(self._says(lines[-1])), parsed=clean(lines[-1]))
