"""How long a run would take: from a stated throughput, or from a run that was measured.

A measured run tells one number, the seconds of its generation, for two kinds of work: computing prompts and writing
answers. What each takes can't be told from their sum. But as long as both take time in proportion to their tokens, a
run with ``p`` times the prompt tokens and ``a`` times the answer tokens takes between ``min(p, a)`` and ``max(p, a)``
times as long, whatever the shares are; that interval is what is given. Attention costs more a token in longer prompts,
so the measured run should be of the same length.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from golong_eval.errors import ConfigError
from golong_eval.harness.records import read_predictions
from golong_eval.schema import Frozen, Generation

__all__ = ["Measured", "TimeEstimate", "estimate_measured", "estimate_stated", "read_measured"]


class Measured(Frozen):
    """What a finished run tells about another over the same deployment."""

    run: str
    seconds: float | None
    """Of its generation, over all its sessions; None where it was not recorded."""
    prompt_tokens: int
    computed_prompt_tokens: int
    completion_tokens: int
    answer_tokens: dict[str, float]
    """Mean tokens of an answer, by task."""
    mean_answer_tokens: float
    tells_cached: bool
    """Whether its engine told which prompt tokens its prefix cache had."""
    note: str = ""
    """Why `seconds` is None."""

    def expected(self, task: str) -> float:
        """Return the tokens to expect of an answer; of a task that the run lacks, its mean over all tasks."""
        return self.answer_tokens.get(task, self.mean_answer_tokens)


class TimeEstimate(Frozen):
    """Seconds that a run's generation would take, each as (least, most)."""

    source: str
    bound: tuple[float, float]
    """If every answer takes its whole budget."""
    expected: tuple[float, float] | None = None
    """If answers are as long as the measured run's."""


def estimate_stated(prefill_tps: float, decode_tps: float, prompt_tokens: int, answer_tokens: int) -> TimeEstimate:
    """Return the time at a stated throughput, prompts and answers one after the other.

    Args:
        prefill_tps: Prompt tokens that the whole deployment computes in a second.
        decode_tps: Answer tokens that it writes in a second.
        prompt_tokens: To compute.
        answer_tokens: To write at most.
    """
    seconds = prompt_tokens / prefill_tps + answer_tokens / decode_tps
    return TimeEstimate(
        source=f"at {prefill_tps:,g} prompt and {decode_tps:,g} answer tokens a second", bound=(seconds, seconds)
    )


def estimate_measured(
    measured: Measured, *, prompt_tokens: int, computed_tokens: int, budget: int, expected: float
) -> TimeEstimate | None:
    """Return the time in proportion to a measured run's; None where that run recorded none.

    Args:
        measured: That run.
        prompt_tokens: Of the planned run's prompts, as often as its engine takes them.
        computed_tokens: Those left to compute where its engine computes shared beginnings once.
        budget: Answer tokens at most.
        expected: Answer tokens to expect by `measured`.
    """
    seconds, completion = measured.seconds, measured.completion_tokens
    if seconds is None:
        return None
    if measured.tells_cached:
        prompts = computed_tokens / measured.computed_prompt_tokens
    else:
        prompts = prompt_tokens / measured.prompt_tokens

    def between(answer_tokens: float) -> tuple[float, float]:
        answers = answer_tokens / completion
        return min(prompts, answers) * seconds, max(prompts, answers) * seconds

    return TimeEstimate(source=f"as in {measured.run}", bound=between(budget), expected=between(expected))


def read_measured(run: str | Path) -> Measured:
    """Read what a finished run measured: ``env.json`` and its answers.

    Raises:
        ConfigError: There is no run in that folder, or no answer in it.
        DataError: A file of answers is damaged.
    """
    folder = Path(run)
    predictions = folder / "predictions"
    tasks = sorted(file.stem for file in predictions.glob("*.jsonl"))
    by_task = {task: _told(read_predictions(predictions, [task]).values()) for task in tasks}
    answers = [answer for told in by_task.values() for answer in told]
    if not answers:
        raise ConfigError(
            f"no answers of a run in {folder}", "--measured takes a run's folder: it holds predictions/ and env.json"
        )
    totals, note = _sessions(folder / "env.json")
    return Measured(
        run=str(run),
        seconds=None if note else totals["generate_seconds"],
        prompt_tokens=int(totals["prompt_tokens"]),
        computed_prompt_tokens=int(totals["computed_prompt_tokens"]),
        completion_tokens=int(totals["completion_tokens"]),
        answer_tokens={task: _mean(told) for task, told in by_task.items() if told},
        mean_answer_tokens=_mean(answers),
        tells_cached=any(answer.cached_tokens is not None for answer in answers),
        note=note,
    )


def _told(answers: Any) -> list[Generation]:
    return [answer for answer in answers if answer.error is None and answer.completion_tokens]


def _mean(answers: list[Generation]) -> float:
    return sum(answer.completion_tokens for answer in answers) / len(answers)


def _sessions(file: Path) -> tuple[dict[str, float], str]:
    """Return the sums over a run's sessions, and why they tell no time."""
    totals = dict.fromkeys(("generate_seconds", "prompt_tokens", "computed_prompt_tokens", "completion_tokens"), 0.0)
    try:
        sessions = json.loads(file.read_bytes())["sessions"]
        # A session without the time generated nothing, or was killed before it could write it.
        timed = [session for session in sessions if session.get("generate_seconds")]
        for key in totals:
            totals[key] = float(sum(session[key] for session in timed))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return totals, f"{file} can't be read ({error})"
    if not all(totals.values()):
        missing = [key for key, value in totals.items() if not value]
        return totals, f"{file} records no {missing[0]}"
    return totals, ""
