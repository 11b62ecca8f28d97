"""T2, grounded comprehension: accuracy of a choice, a yes or no, or a short text."""

from __future__ import annotations

from dataclasses import dataclass, field

from golong_eval.rewards.choices import choice_of, stated_choice, stated_yes_no, yes_no_of
from golong_eval.rewards.exact_match import ExactMatch
from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import TextGold

__all__ = ["Accuracy"]


@dataclass(frozen=True)
class Accuracy:
    """1 if the answer states the gold choice, else 0.

    What is asked follows from the gold: a letter A to J; yes or no (also 是 or 否); or a text, which is scored like
    `exact_match`. A letter counts only as a whole line, in a box, in parentheses, or right after an answer phrase
    ("the answer is", 选), and not when negated; the last one stated counts; different choices side by side are no
    answer. See `golong_eval.rewards.choices`.

    Source: LongBench Pro (arXiv 2601.02872), ``accuracy``; reward of GoLongRL (arXiv 2605.19577). The published code
    compares the first line of the answer area, so that a corrected answer is lost and ``**B**`` earns 0.

    >>> score = Accuracy(TextGold(answers=("B",)))
    >>> [score(area, Ask()).value for area in ("(B)", "The answer is A. Wait, the answer is B.", "A, B, C, D")]
    [1.0, 1.0, 0.0]
    """

    gold: TextGold
    _choices: frozenset[str] = field(init=False, repr=False)
    _yes_no: frozenset[str] = field(init=False, repr=False)
    _texts: ExactMatch | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        answers = self.gold.answers
        choices = frozenset(filter(None, map(choice_of, answers)))
        yes_no = frozenset(filter(None, map(yes_no_of, answers)))
        texts = tuple(a for a in answers if choice_of(a) is None and yes_no_of(a) is None)
        object.__setattr__(self, "_choices", choices)
        object.__setattr__(self, "_yes_no", yes_no)
        object.__setattr__(self, "_texts", ExactMatch(TextGold(answers=texts)) if texts else None)

    def __call__(self, area: str, ask: Ask) -> Outcome:
        """Score one answer area."""
        if self._texts is not None:
            outcome = self._texts(area, ask)
            if outcome.value or not (self._choices or self._yes_no):
                return outcome
        stated = stated_choice(area) if self._choices else None
        if stated is None and self._yes_no:
            stated = stated_yes_no(area)
        if stated is None:
            return no_answer("no single choice is stated")
        return Outcome(float(stated in self._choices | self._yes_no), parsed=stated)
