"""Score one response: thinking off, scorer, chance, semantic part, result. `batch` scores many by the same steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.rewards.chance import chance_level
from golong_eval.rewards.golds import coerce_gold
from golong_eval.rewards.outcome import Ask, LaterError, Outcome, Scorer
from golong_eval.rewards.registry import metric_named, scorer_class
from golong_eval.rewards.semantic import Embedder, check_embedder, with_semantic
from golong_eval.rewards.spec import OFFICIAL_ONLY, MetricSpec
from golong_eval.schema import Gold, Language, ReferencesGold, RewardResult, Variant
from golong_eval.text import answer_area, is_blank, remove_thinking

__all__ = [
    "Rule",
    "ScoreRequest",
    "add_semantic",
    "ask_of",
    "attempt",
    "check_request",
    "result_of",
    "rule_of",
    "score",
    "shown_of",
]

_MAX_PARSED = 2000  # characters kept of what was read as the answer
_MAX_KEPT = 20_000  # characters of a gold that is kept
_MAX_AREA = 1_000_000  # characters; about ten times what a model can write, and a second or two of work


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One response to score. The fields are the arguments of `score`."""

    metric: str | MetricSpec
    response: str
    gold: Any
    variant: Variant | None = None
    language: Language | None = None
    require_think: bool = False
    question: str | None = None
    thinking_unfinished: bool = False
    candidates: int | None = None


def score(
    metric: str | MetricSpec,
    response: str,
    gold: Any,
    *,
    variant: Variant | None = None,
    language: Language | None = None,
    require_think: bool = False,
    question: str | None = None,
    thinking_unfinished: bool = False,
    candidates: int | None = None,
    embedder: Embedder | None = None,
) -> RewardResult:
    r"""Score a response against a gold.

    Never raises on what a model wrote: an empty response is ``empty`` and one without an answer ``unparsed``, both
    worth 0; a failure of the scorer itself is ``scorer_error``, without a value.

    Args:
        metric: One of `METRIC_NAMES`, a printed identity, or a `MetricSpec`.
        response: What the model wrote, with its thinking.
        gold: A typed gold, or plain data (see `coerce_gold`).
        variant: ``strict`` (the default of a plain name) or ``official``; a `MetricSpec` brings its own.
        language: ``en``, ``zh``, or None to detect it.
        require_think: Demand exactly one closed thinking, as a training gate.
        question: The question, where it decides how an answer reads (is a percentage asked for?).
        thinking_unfinished: The engine says that the tokens ran out while the model was thinking.
        candidates: How many labels or choices an answer can name; a chance-corrected metric may need it.
        embedder: Gives the embeddings of a metric with a semantic part.

    Raises:
        UnknownNameError: Unknown metric, variant or language; the hint gives the nearest.
        ConfigError: A version that is not available, two variants, no embedder, or a response that is no string.
        DataError: The gold is malformed, empty, not the metric's, or its chance level can't be told.
        MissingExtraError: The gold needs a package that is not installed (jieba, for Chinese references).

    >>> score("f1", "<think>D9?</think>[Answer]\nD1\nD3", ["D1", "D3"]).value
    1.0
    >>> score("f1", "D1\n\nD3", ["D1", "D3"], variant="official").value  # the blank line counts as an item
    0.8
    """
    request = ScoreRequest(
        metric, response, gold, variant, language, require_think, question, thinking_unfinished, candidates
    )
    check_request(request)
    rule = rule_of(request)
    check_embedder(rule.spec, embedder)
    shown = shown_of(rule, request)
    outcome = shown if isinstance(shown, Outcome) else attempt(rule.scorer, shown, ask_of(request))
    if not isinstance(shown, Outcome) and rule.spec.semantic is not None and embedder is not None:
        (outcome,) = add_semantic(rule.spec, [(rule.gold, shown, outcome)], embedder)
    return result_of(rule, outcome)


@dataclass(frozen=True, slots=True)
class Rule:
    """A metric with a gold: checked, read, and shared by the requests that have both."""

    spec: MetricSpec
    identity: str
    gold: Gold
    scorer: Scorer
    chance: float


def rule_of(request: ScoreRequest) -> Rule:
    """Return the rule of a request, checked. Those of golds made of strings are kept for the requests to come.

    Of other data 1, 1.0 and true are equal in Python, and not as golds: a batch tells them by their place in memory.
    """
    spec = _spec(request)
    plain = request.gold
    strings = (plain,) if type(plain) is str else plain
    # By exact type: a subclass may be equal to what it is not. Large golds would fill the memory.
    known = isinstance(strings, list | tuple) and all(type(item) is str for item in strings)
    if known and sum(map(len, strings)) <= _MAX_KEPT:
        return _rule_of_strings(spec, type(plain) is str, tuple(strings), request.candidates)
    return _new_rule(spec, plain, request.candidates)


@lru_cache(maxsize=512)
def _rule_of_strings(spec: MetricSpec, alone: bool, strings: tuple[str, ...], candidates: int | None) -> Rule:
    return _new_rule(spec, strings[0] if alone else strings, candidates)


def _new_rule(spec: MetricSpec, plain: Any, candidates: int | None) -> Rule:
    gold = coerce_gold(spec.name, plain)
    chance = _chance(spec, gold, candidates)
    return Rule(spec, str(spec), gold, scorer_class(spec.name, spec.variant)(gold), chance)


def _spec(request: ScoreRequest) -> MetricSpec:
    metric, variant = request.metric, request.variant
    spec = _spec_named(metric, variant) if isinstance(metric, str) else metric
    if variant is not None and variant != spec.variant:
        raise ConfigError(f"variant={variant!r} beside the metric {spec}", "leave variant out: the metric has its own")
    if spec.version != 1:
        raise ConfigError(f"{spec.name} has no version {spec.version}", f"use version 1: {MetricSpec(name=spec.name)}")
    return spec


@lru_cache(maxsize=256)
def _spec_named(metric: str, variant: Variant | None) -> MetricSpec:
    """Return the metric of a name, in a variant, or of a printed identity, which has its own."""
    if "[" in metric:
        try:
            return MetricSpec.model_validate(metric)
        except ValueError as error:
            raise ConfigError(f"{metric!r} is no metric", "write it like ndcg or 'ndcg@gold[strict,v1]'") from error
    metric_named(metric)
    if metric in OFFICIAL_ONLY and variant == "strict":
        raise ConfigError(f"{metric} has no strict variant", "use accuracy: it does what the published code meant")
    return MetricSpec(name=metric, variant=variant or ("official" if metric in OFFICIAL_ONLY else "strict"))


def check_request(request: ScoreRequest) -> None:
    """Check everything but the gold, by type and name.

    Raises:
        UnknownNameError: Unknown variant or language.
        ConfigError: A metric, response or number of candidates that is none.
    """
    if not isinstance(request.metric, str | MetricSpec):
        raise ConfigError(
            f"a metric is a name or a MetricSpec, not {type(request.metric).__name__}", 'for instance "ndcg"'
        )
    if request.variant not in (None, "strict", "official"):
        raise UnknownNameError("variant", str(request.variant), ("strict", "official"))
    if request.candidates is not None and (type(request.candidates) is not int or request.candidates < 1):
        raise ConfigError(f"candidates is {request.candidates!r}", "give the number of labels that an answer can name")
    if request.language not in (None, "en", "zh"):
        raise UnknownNameError("language", str(request.language), ("en", "zh"))
    if not isinstance(request.response, str):
        raise ConfigError(
            f"a response is a string, not {type(request.response).__name__}", "score only generations that have a text"
        )


def _chance(spec: MetricSpec, gold: Gold, candidates: int | None) -> float:
    """Return the chance level that is to be taken off; 0 for a metric that is not corrected."""
    if not spec.chance_corrected:
        return 0.0
    chance = chance_level(spec.name, gold, candidates, spec.variant)
    if chance is None:
        why = (
            "give candidates" if spec.name not in ("iou", "rouge_l") else f"leave chance_corrected out for {spec.name}"
        )
        raise DataError(f"{spec}: the chance level of this gold can't be told", why)
    return chance


def shown_of(rule: Rule, request: ScoreRequest) -> str | Outcome:
    """Return what the scorer reads, or why there is nothing to read."""
    strict = rule.spec.variant == "strict"
    after = remove_thinking(
        request.response,
        require_think=request.require_think,
        unfinished=request.thinking_unfinished,
        closed=strict,
    )
    if after.text is None:
        return Outcome(0.0, status="unparsed", reason=after.reason)
    shown = answer_area(after.text) if strict else after.text
    if is_blank(shown):
        text = after.text
        what = "response" if is_blank(request.response) else "text after the thinking" if is_blank(text) else ""
        return Outcome(0.0, status="empty", reason=f"the {what or 'answer area'} is empty")
    if strict and len(shown) > _MAX_AREA and rule.spec.name != "rouge_l" and len(shown) > 4 * len(repr(rule.gold)):
        return Outcome(0.0, status="unparsed", reason=f"an answer of {len(shown)} characters is none")
    return shown


def ask_of(request: ScoreRequest) -> Ask:
    """Return what a scorer may know of a request."""
    return Ask(request.question, request.language)


def attempt(scorer: Scorer, shown: str, ask: Ask) -> Outcome:
    """Return a scorer's outcome. An exception is one without a score, unless it says that a verdict comes later."""
    try:
        return scorer(shown, ask)
    except LaterError:
        raise
    except Exception as error:  # noqa: BLE001  # ours, and never a score: the status says so
        return Outcome(0.0, status="scorer_error", reason=f"{type(error).__name__}: {error}")


def add_semantic(spec: MetricSpec, scored: Sequence[tuple[Gold, str, Outcome]], embedder: Embedder) -> list[Outcome]:
    """Add the semantic part to what has a ROUGE-L; the rest stays what it is."""
    assert spec.semantic is not None
    places = [place for place, (_, _, outcome) in enumerate(scored) if outcome.status == "ok"]
    texts, references = [], []
    for gold, shown, _ in (scored[place] for place in places):
        assert isinstance(gold, ReferencesGold)  # MetricSpec allows a semantic part to rouge_l alone
        texts.append(_embedded(spec, shown))
        references.append([_embedded(spec, text) for text in gold.texts])
    found = [outcome for _, _, outcome in scored]
    if places:
        added = with_semantic(spec.semantic.weight, [found[place] for place in places], texts, references, embedder)
        for place, outcome in zip(places, added, strict=True):
            found[place] = outcome
    return found


def _embedded(spec: MetricSpec, text: str) -> str:
    """Return a text as it is embedded: the published code lower-cases it and collapses its white space."""
    return " ".join(text.lower().split()) if spec.variant == "official" else text.strip()


def result_of(rule: Rule, outcome: Outcome) -> RewardResult:
    """Return the result of an outcome, corrected for chance where the metric says so."""
    value: float | None = outcome.value
    parts = dict(outcome.parts)
    if outcome.status in ("scorer_error", "judge_error"):
        value = None
    elif rule.spec.chance_corrected and outcome.status == "ok":
        parts |= {"uncorrected": outcome.value, "chance": rule.chance}
        # A chance of 1 (a ranking of one item) leaves only right and wrong.
        rest = 1 - rule.chance
        value = max(0.0, (outcome.value - rule.chance) / rest) if rest > 0 else float(outcome.value >= 1)
    return RewardResult(
        value=value,
        status=outcome.status,
        metric=rule.identity,
        parts={name: part for name, part in parts.items() if math.isfinite(part)},
        parsed=_short(outcome.parsed),
        reason=None if outcome.reason is None else _utf8(outcome.reason[:_MAX_PARSED]),
    )


def _short(parsed: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if isinstance(parsed, tuple):
        if sum(map(len, parsed)) <= _MAX_PARSED and all(map(str.isascii, parsed)):
            return parsed
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
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
