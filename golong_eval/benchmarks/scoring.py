"""From answers to rewards by a benchmark's rule: thinking off, rule, verdicts of the judge, embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from golong_eval.benchmarks.base import Answer, Benchmark, NeedsEmbedding, NeedsJudge, Said
from golong_eval.errors import MissingExtraError
from golong_eval.judges.question import JudgeQuestion, Verdict
from golong_eval.rewards import Embedder
from golong_eval.rewards.outcome import Outcome
from golong_eval.rewards.scoring import Rule, result_of
from golong_eval.rewards.semantic import check_embedder, with_semantic
from golong_eval.schema import Language, RewardResult, RowGold, Variant
from golong_eval.text import is_blank, remove_thinking

__all__ = ["AnswerToScore", "judge_questions", "score_answers"]


@dataclass(frozen=True, slots=True)
class AnswerToScore:
    """An answer with the row that it is scored by.

    Attributes:
        text: What the model wrote, with its thinking.
        row: A `RowGold`, or a row.
        language: Of the sample.
        thinking_unfinished: The engine says that the tokens ran out while the model was thinking.
        thinking_apart: The server sent the thinking apart: no published rule has seen it.
    """

    text: str
    row: Any
    language: Language | None = None
    thinking_unfinished: bool = False
    thinking_apart: bool = False


def score_answers(
    benchmark: Benchmark[Any],
    answers: Sequence[AnswerToScore],
    *,
    verdicts: Mapping[str, Verdict] | None = None,
    embedder: Embedder | None = None,
) -> list[RewardResult]:
    """Score answers by a benchmark's rule, in the variant that the benchmark is set to.

    Args:
        benchmark: The benchmark.
        answers: What to score.
        verdicts: What the judge said, by `JudgeQuestion.key`. A question without a verdict is ``judge_error``.
        embedder: Gives the embeddings of a semantic part.

    Raises:
        ConfigError: The benchmark has a semantic part, and there is no embedder, or another one.
        DataError: A row is malformed.
    """
    check_embedder(benchmark.metric, embedder)
    said = [_said(benchmark, answer, benchmark.variant) for answer in answers]
    outcomes = _embedded(benchmark, [_judged(one, verdicts or {}) for one in said], embedder)
    return [result_of(_rule(benchmark), outcome) for outcome in outcomes]


def judge_questions(
    benchmark: Benchmark[Any], answers: Sequence[AnswerToScore], variants: Sequence[Variant] = ("strict", "official")
) -> list[JudgeQuestion]:
    """Return what has to be asked of a judge to score answers, each question once."""
    asked: dict[str, JudgeQuestion] = {}
    for answer in answers:
        for variant in variants:
            said = _said(benchmark, answer, variant)
            if isinstance(said, NeedsJudge):
                asked[said.question.key] = said.question
    return list(asked.values())


def _said(benchmark: Benchmark[Any], answer: AnswerToScore, variant: Variant) -> Said:
    after = remove_thinking(answer.text, unfinished=answer.thinking_unfinished, closed=variant == "strict")
    if after.text is None:
        return Outcome(0.0, status="unparsed", reason=after.reason)
    if is_blank(after.text):
        what = "response" if is_blank(answer.text) else "text after the thinking"
        return Outcome(0.0, status="empty", reason=f"the {what} is empty")
    row = benchmark.row_of(answer.row) if isinstance(answer.row, RowGold) else answer.row
    try:
        written = after.text if answer.thinking_apart else answer.text
        return benchmark.score(Answer(written, after.text, answer.language), row, variant)
    except MissingExtraError:
        raise
    except Exception as error:  # noqa: BLE001  # ours, and never a score: the status says so
        return Outcome(0.0, status="scorer_error", reason=f"{type(error).__name__}: {error}")


def _judged(said: Said, verdicts: Mapping[str, Verdict]) -> Outcome | NeedsEmbedding:
    if not isinstance(said, NeedsJudge):
        return said
    verdict = verdicts.get(said.question.key)
    if verdict is None:
        return Outcome(0.0, status="judge_error", reason="the rule can't decide, and no judge has been asked")
    if verdict.outcome == "error":
        return Outcome(0.0, status="judge_error", reason=verdict.reason or "the judge gave no verdict")
    outcome = said.right if verdict.outcome == "right" else said.wrong
    return replace(outcome, parts={**outcome.parts, "judged": 1.0})


def _embedded(
    benchmark: Benchmark[Any], said: Sequence[Outcome | NeedsEmbedding], embedder: Embedder | None
) -> Iterator[Outcome]:
    wanted = [one for one in said if isinstance(one, NeedsEmbedding)]
    if benchmark.semantic is None or embedder is None or not wanted:
        yield from (one.outcome if isinstance(one, NeedsEmbedding) else one for one in said)
        return
    made = iter(
        with_semantic(
            benchmark.semantic.weight,
            [one.outcome for one in wanted],
            [one.text for one in wanted],
            [one.references for one in wanted],
            embedder,
        )
    )
    yield from (next(made) if isinstance(one, NeedsEmbedding) else one for one in said)


def _rule(benchmark: Benchmark[Any]) -> Rule:
    return Rule(benchmark.metric, str(benchmark.metric), RowGold(row={}), _unused, 0.0)


def _unused(_answer: str, _ask: object) -> Outcome:
    raise AssertionError("a benchmark scores by its own rule")
