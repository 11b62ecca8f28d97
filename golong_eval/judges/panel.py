"""Several judges: the majority decides."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence

from golong_eval.errors import ConfigError, JudgeError
from golong_eval.judges.judge import Judge
from golong_eval.judges.question import JudgeQuestion, Verdict

__all__ = ["Panel"]


class Panel:
    """A judge made of others. Each votes; more than half of all the votes decide, else there is no verdict.

    Args:
        judges: The members, two or more, no two alike.

    Raises:
        ConfigError: There are fewer, or two are alike.
    """

    def __init__(self, judges: Sequence[Judge]) -> None:
        if len(judges) < 2:
            raise ConfigError("a panel of fewer than two judges", "name several, or use the judge itself")
        if len({judge.identity for judge in judges}) < len(judges):
            raise ConfigError("two judges of the panel are the same", "name each once")
        self.judges = tuple(judges)

    def __repr__(self) -> str:
        return f"Panel({list(self.judges)!r})"

    @property
    def identity(self) -> str:
        """Those of the members."""
        return "+".join(judge.identity for judge in self.judges)

    def check(self) -> None:
        """See whether all members are there.

        Raises:
            JudgeError: One is not.
        """
        for judge in self.judges:
            judge.check()

    def __call__(self, questions: Sequence[JudgeQuestion], /) -> list[Verdict]:
        """Return the majority's verdict for each question, with the votes in the order of the members.

        Raises:
            JudgeError: No member answers.
        """
        ballots: list[list[Verdict]] = []
        failure: JudgeError | None = None
        for judge in self.judges:
            try:
                ballots.append(judge(questions))
            except JudgeError as error:
                failure = error
                ballots.append([_absent(question, judge, error) for question in questions])
        if failure is not None and all(verdict.outcome == "error" for ballot in ballots for verdict in ballot):
            raise failure
        return [self._counted(question, votes) for question, *votes in zip(questions, *ballots, strict=True)]

    def close(self) -> None:
        """Release what the members hold, if they hold anything."""
        for judge in self.judges:
            with contextlib.suppress(AttributeError):
                judge.close()  # type: ignore[attr-defined]

    def _counted(self, question: JudgeQuestion, votes: Sequence[Verdict]) -> Verdict:
        counts = Counter(vote.outcome for vote in votes)
        spent = [vote for vote in votes if not vote.cached]
        winner = next((side for side in ("right", "wrong") if 2 * counts[side] > len(votes)), None)
        reasons = {vote.outcome: vote.reason for vote in reversed(votes)}
        split = "the judges are split: " + ", ".join(f"{count} {side}" for side, count in sorted(counts.items()))
        return Verdict(
            key=question.key,
            judge=self.identity,
            outcome="error" if winner is None else "right" if winner == "right" else "wrong",
            reason=split if winner is None else reasons["right" if winner == "right" else "wrong"],
            votes=tuple(vote.outcome for vote in votes),
            prompt_tokens=sum(vote.prompt_tokens for vote in spent or votes),
            completion_tokens=sum(vote.completion_tokens for vote in spent or votes),
            cached=not spent,
        )


def _absent(question: JudgeQuestion, judge: Judge, error: JudgeError) -> Verdict:
    return Verdict(key=question.key, judge=judge.identity, outcome="error", reason=str(error))
