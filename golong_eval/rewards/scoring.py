"""Score one response, or many: thinking off, answer area, scorer, result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from golong_eval.errors import ConfigError, GolongError, UnknownNameError
from golong_eval.rewards.golds import coerce_gold
from golong_eval.rewards.outcome import Ask, Outcome, Scorer
from golong_eval.rewards.registry import metric_named
from golong_eval.rewards.spec import MetricSpec
from golong_eval.schema import Gold, Language, RewardResult, Status, Variant
from golong_eval.text import answer_area, is_blank, remove_thinking

__all__ = ["ScoreRequest", "score", "score_batch"]

_MAX_PARSED = 2000  # characters kept of what was read as the answer


@dataclass(frozen=True)
class ScoreRequest:
    """One response to score. The fields are the arguments of `score`."""

    metric: str | MetricSpec
    response: str
    gold: Any
    variant: Variant = "strict"
    language: Language | None = None
    require_think: bool = False
    question: str | None = None
    thinking_unfinished: bool = False


def score(
    metric: str | MetricSpec,
    response: str,
    gold: Any,
    *,
    variant: Variant = "strict",
    language: Language | None = None,
    require_think: bool = False,
    question: str | None = None,
    thinking_unfinished: bool = False,
) -> RewardResult:
    r"""Score a response against a gold.

    Never raises on what a model wrote: an empty response is ``empty`` and one without an answer ``unparsed``, both
    worth 0; a failure of the scorer itself is ``scorer_error``, without a value.

    Args:
        metric: One of `METRIC_NAMES`, or a `MetricSpec`.
        response: What the model wrote, with its thinking.
        gold: A typed gold, or plain data (see `coerce_gold`).
        variant: ``strict``; ``official`` is not available in this version.
        language: ``en``, ``zh``, or None to detect it.
        require_think: Demand exactly one closed thinking, as a training gate.
        question: The question, where it decides how an answer reads (is a percentage asked for?).
        thinking_unfinished: The engine says that the tokens ran out while the model was thinking.

    Raises:
        UnknownNameError: Unknown metric, variant or language; the hint gives the nearest.
        ConfigError: A variant or version that is not available, or a response that is no string.
        DataError: The gold is malformed, empty, or not the metric's.
        MissingExtraError: The gold needs a package that is not installed (jieba, for Chinese references).

    >>> score("f1", "<think>D9?</think>[Answer]\nD1\nD3", ["D1", "D3"]).value
    1.0
    """
    request = ScoreRequest(metric, response, gold, variant, language, require_think, question, thinking_unfinished)
    spec, typed = _checked(request)
    return _result(spec, _run(metric_named(spec.name).strict(typed), request))


def score_batch(requests: Sequence[ScoreRequest]) -> list[RewardResult]:
    """Score many responses; results in the order of the requests.

    Each distinct gold is read once, and identical requests are scored once. All golds are read before anything is
    scored, so that a malformed one costs no time.

    Raises:
        GolongError: As for `score`; the message names the place of the request.
    """
    prepared: list[tuple[MetricSpec, Scorer, tuple[Any, ...]]] = []
    scorers: dict[tuple[str, str], Scorer] = {}
    for place, request in enumerate(requests):
        try:
            spec, gold = _checked(request)
            # JSON tells 1 from true and 1.0, which are equal as Python values.
            key = (str(spec), gold.model_dump_json())
            if key not in scorers:
                scorers[key] = metric_named(spec.name).strict(gold)
        except GolongError as error:
            error.args = (f"request {place}: {error}",)
            raise
        what = (key, request.response, request.language, request.require_think, request.question)
        prepared.append((spec, scorers[key], (*what, request.thinking_unfinished)))
    results: dict[tuple[Any, ...], RewardResult] = {}
    for request, (spec, scorer, what) in zip(requests, prepared, strict=True):
        if what not in results:
            results[what] = _result(spec, _run(scorer, request))
    return [results[what] for _, _, what in prepared]


def _checked(request: ScoreRequest) -> tuple[MetricSpec, Gold]:
    """Check everything that is the caller's."""
    metric = request.metric
    if isinstance(metric, str):
        metric_named(metric)
        spec = MetricSpec(name=metric)
    elif isinstance(metric, MetricSpec):
        spec = metric
    else:
        raise ConfigError(f"a metric is a name or a MetricSpec, not {type(metric).__name__}", 'for instance "ndcg"')
    if request.variant not in ("strict", "official"):
        raise UnknownNameError("variant", str(request.variant), ("strict", "official"))
    if "official" in (request.variant, spec.variant):
        raise ConfigError(
            f"{spec.name}: the 'official' variant is not available in this version of golong-eval",
            "use variant='strict'; the two give different numbers, so none stands in for the other",
        )
    if spec.version != 1:
        raise ConfigError(f"{spec.name} has no version {spec.version}", f"use version 1: {MetricSpec(name=spec.name)}")
    if request.language not in (None, "en", "zh"):
        raise UnknownNameError("language", str(request.language), ("en", "zh"))
    if not isinstance(request.response, str):
        raise ConfigError(
            f"a response is a string, not {type(request.response).__name__}", "score only generations that have a text"
        )
    return spec, coerce_gold(spec.name, request.gold)


def _run(scorer: Scorer, request: ScoreRequest) -> tuple[Status, Outcome]:
    shown = remove_thinking(
        request.response, require_think=request.require_think, unfinished=request.thinking_unfinished
    )
    if shown.text is None:
        return "unparsed", Outcome(0.0, reason=shown.reason)
    area = answer_area(shown.text)
    if is_blank(area):
        what = "response" if is_blank(request.response) else "text after the thinking" if is_blank(shown.text) else ""
        return "empty", Outcome(0.0, reason=f"the {what or 'answer area'} is empty")
    try:
        outcome = scorer(area, Ask(request.question, request.language))
    except Exception as error:  # noqa: BLE001  # ours, and never a score: the status says so
        return "scorer_error", Outcome(0.0, reason=f"{type(error).__name__}: {error}")
    return outcome.status, outcome


def _result(spec: MetricSpec, scored: tuple[Status, Outcome]) -> RewardResult:
    status, outcome = scored
    return RewardResult(
        value=None if status == "scorer_error" else outcome.value,
        status=status,
        metric=str(spec),
        parts=dict(outcome.parts),
        parsed=_short(outcome.parsed),
        reason=None if outcome.reason is None else _utf8(outcome.reason[:_MAX_PARSED]),
    )


def _short(parsed: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if isinstance(parsed, tuple):
        kept: list[str] = []
        left = _MAX_PARSED
        for item in parsed:
            if left <= 0:
                break
            kept.append(_utf8(item[:left]))
            left -= len(item) + 1
        return tuple(kept)
    return None if parsed is None else _utf8(parsed[:_MAX_PARSED])


def _utf8(text: str) -> str:
    """Replace lone surrogates, which a model's bytes can decode to and no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
