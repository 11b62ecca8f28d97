"""The five rubrics by which a judge decides LongMemEval, in our own words."""

from __future__ import annotations

from golong_eval.judges.question import Rubric

__all__ = ["rubric_of"]

_HOLDS = (
    "The answer is right if it holds the reference answer, says the same in other words, or holds all the steps that "
    "lead to it. It is wrong if it holds only a part of what the reference answer says."
)
_CONTAINS = Rubric(id="longmemeval", text=_HOLDS)
_TEMPORAL = Rubric(
    id="longmemeval_temporal",
    text=(
        f"{_HOLDS} A count of days, weeks or months may be off by one: 19 days are right where the reference answer is "
        "18 days."
    ),
)
_UPDATE = Rubric(
    id="longmemeval_update",
    text=(
        "The fact that is asked for has changed over time, and the reference answer is its latest state. The answer is "
        "right if it gives that latest state; an earlier state beside it does no harm, as long as the latest is what "
        "it gives as the answer."
    ),
)
_PREFERENCE = Rubric(
    id="longmemeval_preference",
    text=(
        "The reference describes what this user would want of a personal reply. The answer is right if it remembers "
        "what the user said about themselves and makes good use of it. It need not meet every point of the description."
    ),
)
_ABSTENTION = Rubric(
    id="longmemeval_abstention",
    text=(
        "The question can't be answered from the sessions; the reference explains why. The answer is right if it says "
        "that this can't be known, that the information is missing or incomplete, or that other things were mentioned "
        "but not this."
    ),
)
_RUBRICS = {
    "temporal-reasoning": _TEMPORAL,
    "knowledge-update": _UPDATE,
    "single-session-preference": _PREFERENCE,
}


def rubric_of(question_type: str, abstains: bool) -> Rubric:
    """Return the rubric of a question: by its type, or for one without an answer that of abstention.

    >>> rubric_of("multi-session", False).id, rubric_of("temporal-reasoning", True).id
    ('longmemeval', 'longmemeval_abstention')
    """
    return _ABSTENTION if abstains else _RUBRICS.get(question_type, _CONTAINS)
