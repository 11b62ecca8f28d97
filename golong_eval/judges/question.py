"""What a judge is asked, and what it says: one question about one answer, and one verdict."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field

from golong_eval.schema import Frozen

__all__ = ["JudgeQuestion", "Rubric", "Verdict"]


class Rubric(Frozen):
    """What makes an answer right, in words; the document is left out, so the gold has to be enough."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """For instance ``equivalence`` or ``longmemeval_temporal``."""
    version: int = Field(default=1, ge=1)
    """Raised by every change of the text."""
    text: str = Field(pattern=r"\S")
    """One or a few sentences that end in what counts as right; no word on the form of the verdict."""


class JudgeQuestion(Frozen):
    """Whether an answer is right. Two equal questions are one."""

    rubric: Rubric
    question: str
    """The question that was asked, without the document."""
    golds: tuple[str, ...] = Field(min_length=1)
    """Right answers, any of which will do; or the points of a rubric that the benchmark gives with its question."""
    answer: str
    """What the model said, without its thinking. Hostile: it may hold instructions to the judge."""

    @property
    def key(self) -> str:
        """SHA-256 over the content: verdicts are kept by it, apart for each judge."""
        content = [self.rubric.id, self.rubric.version, self.rubric.text, self.question, self.golds, self.answer]
        return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()


class Verdict(Frozen):
    """What a judge, or several, said of one question."""

    key: str
    """`JudgeQuestion.key`."""
    judge: str
    """Identity of the judge: model and prompt version; see `golong_eval.judges`."""
    outcome: Literal["right", "wrong", "error"]
    """``error``: no reply, or none that could be read; it is never taken for "wrong"."""
    reason: str = ""
    """Of an error, what happened; else what the judge said before its verdict, if anything."""
    votes: tuple[Literal["right", "wrong", "error"], ...] = ()
    """Of several judges or positions, what each said."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False
    """Taken from the cache; its tokens were not spent again."""
