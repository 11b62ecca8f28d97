"""Score many responses in one call: shared work once, and math_verify beside the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from golong_eval.errors import ConfigError, GolongError
from golong_eval.rewards.outcome import Ask, Comparison, LaterError, Outcome, Scorer, Verdict
from golong_eval.rewards.scoring import (
    Rule,
    ScoreRequest,
    add_semantic,
    ask_of,
    attempt,
    check_request,
    result_of,
    rule_of,
    shown_of,
)
from golong_eval.rewards.semantic import Embedder, check_embedder
from golong_eval.rewards.spec import MetricSpec
from golong_eval.schema import Gold, Language, RewardResult, Variant

__all__ = ["score_batch"]


def score_batch(
    requests: Sequence[ScoreRequest], *, workers: int | None = None, embedder: Embedder | None = None
) -> list[RewardResult]:
    r"""Score many responses, for instance a whole training step; results in the order of the requests.

    Everything is checked before anything is scored, so that a malformed gold costs no time. Each distinct gold is
    read once, each distinct answer to it is scored once, and all texts are embedded in one call. What math_verify
    has to decide goes to its processes while the rest is scored in the calling thread.

    Args:
        requests: What to score.
        workers: Most math processes to use at once; None for one a usable CPU, at most 8.
        embedder: Gives the embeddings of metrics with a semantic part.

    Raises:
        GolongError: As for `golong_eval.rewards.score`; the message names the place of the request.

    >>> requests = [ScoreRequest("f1", f"[Answer]\n{label}", ["D1"]) for label in ("D1", "D2")]
    >>> [result.value for result in score_batch(requests)]
    [1.0, 0.0]
    """
    if workers is not None and (type(workers) is not int or workers < 1):
        raise ConfigError(f"workers is {workers!r}", "give 1 or more, or None")
    if not isinstance(requests, Sequence):
        raise ConfigError(f"score_batch takes a list of requests, not {type(requests).__name__}", "for one: score(...)")
    rules: dict[tuple[str | MetricSpec, Variant | None, int, int | None], Rule] = {}
    placed: list[_Placed] = []
    for place, request in enumerate(requests):
        try:
            if not isinstance(request, ScoreRequest):
                raise ConfigError(
                    f"not a ScoreRequest, but {type(request).__name__}", "write ScoreRequest(metric, ...)"
                )
            check_request(request)
            # The requests hold their golds, so a place in memory is one gold's.
            same = (request.metric, request.variant, id(request.gold), request.candidates)
            rule = rules[same] if same in rules else rules.setdefault(same, rule_of(request))
            check_embedder(rule.spec, embedder)
        except GolongError as error:
            error.args = (f"request {place}: {error}",)
            raise
        shown = shown_of(rule, request)
        key = _Key(id(rule), shown if isinstance(shown, str) else "", request.language, request.question)
        placed.append(_Placed(rule, shown, key, request))
    outcomes = _outcomes(placed, workers)
    if embedder is not None:
        _add_semantic(placed, outcomes, embedder)
    results: dict[_Key, RewardResult] = {}
    found = []
    for rule, shown, key, _ in placed:
        if isinstance(shown, Outcome):
            found.append(result_of(rule, shown))
            continue
        if key not in results:
            results[key] = result_of(rule, outcomes[key])
        found.append(results[key])
    return found


class _Key(NamedTuple):
    """What decides an outcome: requests that agree in it are scored once."""

    rule: int
    shown: str
    language: Language | None
    question: str | None


class _Placed(NamedTuple):
    """A request with its rule, and what its scorer reads (or why there is nothing to read)."""

    rule: Rule
    shown: str | Outcome
    key: _Key
    request: ScoreRequest


class _Ledger:
    """Answers comparisons that were made, and notes those that were not."""

    def __init__(self) -> None:
        self.verdicts: dict[Comparison, Verdict] = {}
        self.wanted: list[Comparison] = []

    def __call__(self, comparison: Comparison) -> Verdict:
        if comparison in self.verdicts:
            return self.verdicts[comparison]
        self.wanted.append(comparison)
        raise LaterError


def _outcomes(placed: Sequence[_Placed], workers: int | None) -> dict[_Key, Outcome]:
    """Score each distinct answer once; comparisons of mathematics together, beside the rest."""
    maths: dict[_Key, tuple[Scorer, str, Ask]] = {}
    others: dict[_Key, tuple[Scorer, str, Ask]] = {}
    for rule, shown, key, request in placed:
        if isinstance(shown, str):
            group = maths if rule.spec.name == "math_verify" else others
            if key not in group:
                group[key] = (rule.scorer, shown, ask_of(request))
    outcomes: dict[_Key, Outcome] = {}
    ledger = _Ledger()
    while maths:
        # An answer may want several comparisons, one after another: each round makes one more of each.
        for key, (scorer, shown, ask) in list(maths.items()):
            try:
                outcomes[key] = attempt(scorer, shown, replace(ask, compare=ledger))
            except LaterError:
                continue
            del maths[key]
        if ledger.wanted:
            from golong_eval.rewards.math_pool import shared_pool

            with shared_pool().comparing(ledger.wanted, workers) as made:
                outcomes |= {key: attempt(*task) for key, task in others.items()}
                others = {}
                ledger.verdicts |= zip(ledger.wanted, made(), strict=True)
            ledger.wanted = []
    return outcomes | {key: attempt(*task) for key, task in others.items()}


def _add_semantic(placed: Sequence[_Placed], outcomes: dict[_Key, Outcome], embedder: Embedder) -> None:
    by_spec: dict[MetricSpec, dict[_Key, tuple[Gold, str, Outcome]]] = {}
    for rule, shown, key, _ in placed:
        if rule.spec.semantic is not None and isinstance(shown, str):
            by_spec.setdefault(rule.spec, {})[key] = (rule.gold, shown, outcomes[key])
    for spec, of_spec in by_spec.items():
        outcomes |= zip(of_spec, add_semantic(spec, list(of_spec.values()), embedder), strict=True)
