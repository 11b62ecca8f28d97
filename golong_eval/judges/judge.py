"""A judge: asked once, reminded once where its reply has no verdict, and never taken for "wrong" where it fails."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from golong_eval.errors import ConfigError, JudgeError
from golong_eval.judges.prompt import FORMAT, judge_prompt, reminder, shown, verdict_code
from golong_eval.judges.question import JudgeQuestion, Verdict
from golong_eval.judges.verdict import Reading, read_verdict
from golong_eval.text import remove_thinking

__all__ = ["Judge", "ModelJudge", "Reply", "identity_of"]

Messages = list[dict[str, str]]
"""A conversation: role and content."""

_LEAST = 16  # tokens that a verdict alone may take
_QUOTED = 8_000  # characters of a reply that are shown to the judge again
_NOT_IN_IDENTITIES = re.compile(r"[\s,\[\]*+]+")  # a plus joins the members of a panel


class Judge(Protocol):
    """Says of answers whether they are right."""

    @property
    def identity(self) -> str:
        """Model and prompts: stands in the metric's identity; scores by different judges do not compare."""
        ...

    def __call__(self, questions: Sequence[JudgeQuestion], /) -> list[Verdict]:
        """Return a verdict for each question, in order.

        Raises:
            JudgeError: The judge answers nothing at all.
        """
        ...

    def check(self) -> None:
        """See whether the judge is there, before anything rests on it.

        Raises:
            JudgeError: It is not; says what to do.
        """
        ...


@dataclass(frozen=True)
class Reply:
    """What a judge's model wrote, or why it wrote nothing."""

    text: str | None
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cut: bool = False
    """It ended with its budget."""
    again: bool = False
    """There is no text, and asking once more may give one."""


def identity_of(model: str, **settings: object) -> str:
    """Return the identity of a judge: its model, and a hash over its name, the prompts and all that changes a reply.

    >>> identity_of("org/judge 7b", max_tokens=1024) == identity_of("org/judge 7b", max_tokens=1024)
    True
    >>> identity_of("org/judge 7b").partition("@")[0]
    'org/judge-7b'
    """
    what = f"{model}\x00{FORMAT}\x00{sorted(settings.items())}".encode("utf-8", "surrogatepass")
    return f"{_NOT_IN_IDENTITIES.sub('-', model).strip('-')}@{hashlib.sha256(what).hexdigest()[:8]}"


class ModelJudge(ABC):
    """A judge that is one model.

    Args:
        model: Its name.
        max_tokens: Budget of a reply.
        swap: Ask twice, the right answer and the judged one in both orders; where the two differ there is no verdict.

    Raises:
        ConfigError: The name is blank, or the budget too small for a verdict.
    """

    def __init__(self, model: str, *, max_tokens: int, swap: bool) -> None:
        if not model.strip():
            raise ConfigError("the judge has no name", "give --judge MODEL")
        if max_tokens < _LEAST:
            raise ConfigError(
                f"max_tokens={max_tokens} of the judge is below {_LEAST}",
                "a verdict with its reasons takes some hundreds",
            )
        self.model = model
        self.max_tokens = max_tokens
        self.swap = swap

    @property
    def identity(self) -> str:
        """Model, prompts, budget and whether it is asked in both orders."""
        return identity_of(self.model, max_tokens=self.max_tokens, swap=self.swap)

    @abstractmethod
    def reply_to(self, conversations: Sequence[Messages]) -> list[Reply]:
        """Return the model's reply to each conversation, greedily decoded.

        Raises:
            JudgeError: The model answers nothing at all.
        """

    @abstractmethod
    def check(self) -> None:
        """See whether the judge is there.

        Raises:
            JudgeError: It is not.
        """

    def __call__(self, questions: Sequence[JudgeQuestion], /) -> list[Verdict]:
        """Return a verdict for each question, in order."""
        first = self._verdicts(questions, swapped=False)
        if not self.swap:
            return first
        try:
            second = self._verdicts(questions, swapped=True)
        except JudgeError as error:  # it went away in between
            second = [one.model_copy(update=_failed(error)) for one in first]
        return [_both(one, other) for one, other in zip(first, second, strict=True)]

    def _verdicts(self, questions: Sequence[JudgeQuestion], *, swapped: bool) -> list[Verdict]:
        asked: list[Messages] = [[_user(judge_prompt(question, swapped=swapped))] for question in questions]
        replies = [[reply] for reply in self.reply_to(asked)]
        readings = [_read(reply, question) for (reply,), question in zip(replies, questions, strict=True)]
        again = [
            place
            for place, ((reply,), reading) in enumerate(zip(replies, readings, strict=True))
            if reading.outcome is None and (reply.text is not None or reply.again)
        ]
        reminded = [_reminded(asked[place], replies[place][0], questions[place]) for place in again]
        for place, reply in zip(again, self._second_replies(reminded), strict=True):
            replies[place].append(reply)
            second = _read(reply, questions[place])
            readings[place] = second if second.outcome is not None else readings[place]
        return [
            Verdict(
                key=question.key,
                judge=self.identity,
                outcome=reading.outcome or "error",
                reason=reading.reason,
                prompt_tokens=sum(reply.prompt_tokens for reply in given),
                completion_tokens=sum(reply.completion_tokens for reply in given),
            )
            for question, reading, given in zip(questions, readings, replies, strict=True)
        ]

    def _second_replies(self, conversations: Sequence[Messages]) -> list[Reply]:
        """Return the replies of a second round, whose failure leaves the first round its verdicts."""
        try:
            return self.reply_to(conversations) if conversations else []
        except JudgeError as error:
            return [Reply(None, str(error)) for _ in conversations]


def _user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def _read(reply: Reply, question: JudgeQuestion) -> Reading:
    if reply.text is None:
        return Reading(None, reply.error)
    return read_verdict(reply.text, verdict_code(question), cut=reply.cut)


def _reminded(asked: Messages, reply: Reply, question: JudgeQuestion) -> Messages:
    """Return the conversation of a second round: with what was said and a reminder, if anything was."""
    if reply.text is None:
        return asked
    said = shown((remove_thinking(reply.text).text or "")[-_QUOTED:]) or "-"
    return [*asked, {"role": "assistant", "content": said}, _user(reminder(question))]


def _failed(error: JudgeError) -> dict[str, object]:
    return {"outcome": "error", "reason": str(error), "prompt_tokens": 0, "completion_tokens": 0}


def _both(one: Verdict, other: Verdict) -> Verdict:
    """Return what two orders come to: their verdict where they agree."""
    outcome: Literal["right", "wrong", "error"] = one.outcome if one.outcome == other.outcome else "error"
    reason = one.reason
    if outcome == "error":
        reason = one.reason if one.outcome == "error" else other.reason
        if "error" not in (one.outcome, other.outcome):
            reason = "the judge decides by the order in which it is shown the two answers"
    return one.model_copy(
        update={
            "outcome": outcome,
            "reason": reason,
            "votes": (one.outcome, other.outcome),
            "prompt_tokens": one.prompt_tokens + other.prompt_tokens,
            "completion_tokens": one.completion_tokens + other.completion_tokens,
        }
    )
