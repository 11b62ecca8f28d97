"""T1, precise retrieval: exact match."""

from __future__ import annotations

from dataclasses import dataclass, field

from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import TextGold
from golong_eval.text import GoldItems, bare, clean, content_lines, drop_lead_in, is_fence

__all__ = ["ExactMatch"]


@dataclass(frozen=True)
class ExactMatch:
    """1 if the answer area, or its last non-empty line, is the gold or an alias of it; else 0.

    Both go through the item rules of `golong_eval.text`: decoration, case, white space and one number in front do
    not count. A lead-in such as "the answer is" or 答案是 is dropped from the answer.

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

    def __call__(self, area: str, _ask: Ask) -> Outcome:
        """Score one answer area."""
        written = content_lines(area)
        for whole in (area, written[-1]):  # also a gold that looks like a fence is a gold
            if self.matches(whole):
                return Outcome(1.0, parsed=clean(whole))
        lines = [line for line in written if not is_fence(line)]
        if not lines:
            return no_answer("nothing but code fences")
        if self.matches(" ".join(lines)):
            return Outcome(1.0, parsed=clean(" ".join(lines)))
        return Outcome(float(self.matches(lines[-1])), parsed=clean(lines[-1]))
