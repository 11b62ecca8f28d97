"""Golds: from plain data to types, and from types to the answer that a model would give."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import ValidationError

from golong_eval.errors import DataError
from golong_eval.rewards.registry import Metric, metric_named
from golong_eval.rewards.spec import MetricSpec
from golong_eval.schema import (
    Frozen,
    Gold,
    ItemsGold,
    NumberGold,
    OrderGold,
    RankingGold,
    ReferencesGold,
    RowGold,
    TableGold,
    TextGold,
)
from golong_eval.text import RESERVED, is_blank

__all__ = ["coerce_gold", "render_gold"]

_FORMS = {
    TextGold: "a string, or a list of strings (aliases)",
    ItemsGold: "a list of strings",
    RankingGold: "a list of strings, best first",
    OrderGold: "a list of strings, first to last",
    TableGold: '{"columns": [...], "data": [[...], ...]}, or its JSON text',
    NumberGold: "a string or a number",
    ReferencesGold: "a string, or a list of strings (references)",
}


def coerce_gold(metric: str, plain: Any) -> Gold:
    """Return the typed gold of a metric from plain data, checked.

    Args:
        metric: Name of the metric.
        plain: A typed gold, its dump, or plain data: a string (for items: one a line), a list of strings, a number,
            or a table as a mapping or JSON text; also as an array or number of numpy. A list of one string works for
            every metric.

    Raises:
        UnknownNameError: No such metric.
        DataError: The gold does not fit the metric, is empty, or could not be answered.

    >>> coerce_gold("ndcg", ["D2", "D1"]).items
    ('D2', 'D1')
    """
    rule = metric_named(metric)
    # An array or number of numpy, as columns of parquet files come.
    if not isinstance(plain, Frozen) and hasattr(plain, "tolist"):
        plain = plain.tolist()
    gold = plain if isinstance(plain, Frozen) else _typed(metric, rule, plain)
    if not isinstance(gold, rule.gold):
        kind = getattr(gold, "type", type(gold).__name__)
        _refuse(metric, rule, f"takes a gold of type {_kind(rule)!r}, not {kind!r}")
    _check(metric, rule, gold)
    return gold  # type: ignore[return-value]  # rule.gold is one of the union


def _kind(rule: Metric) -> str:
    return str(rule.gold.model_fields["type"].default)


def _refuse(metric: str, rule: Metric, problem: str) -> NoReturn:
    raise DataError(f"{metric}: {problem}", f"the gold of {metric} is {_FORMS[rule.gold]}")


def _typed(metric: str, rule: Metric, plain: Any) -> Frozen:
    if isinstance(plain, Mapping) and "type" in plain and plain["type"] != _kind(rule):
        _refuse(metric, rule, f"takes a gold of type {_kind(rule)!r}, not {plain['type']!r}")
    if rule.field is None:
        data: Any = _table(metric, rule, plain)
    elif isinstance(plain, Mapping):
        data = dict(plain)
    elif rule.gold is NumberGold:
        data = {"value": _number(metric, rule, plain)}
    else:
        data = {rule.field: _strings(metric, rule, plain)}
    try:
        return rule.gold.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        _refuse(metric, rule, f"the gold is malformed: {place + ': ' if place else ''}{first['msg']}")


def _strings(metric: str, rule: Metric, plain: Any) -> tuple[str, ...]:
    if isinstance(plain, str):
        one_a_line = rule.field == "items"
        if one_a_line and plain.lstrip().startswith("[") and _is_json_list(plain):
            _refuse(metric, rule, "the gold is the JSON text of a list, which would be one item: pass the list")
        strings = tuple(line for line in plain.splitlines() if line.strip()) if one_a_line else (plain,)
    elif isinstance(plain, list | tuple):
        strings = tuple(plain)
        for place, item in enumerate(strings):
            if not isinstance(item, str):
                _refuse(metric, rule, f"gold item {place} is {type(item).__name__}, not a string")
    else:
        _refuse(metric, rule, f"the gold is {type(plain).__name__}")
    if not strings:
        _refuse(metric, rule, "the gold is empty (spell an empty list as the word that the task asks for, e.g. none)")
    return strings


def _is_json_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _number(metric: str, rule: Metric, plain: Any) -> str:
    if isinstance(plain, list | tuple) and len(plain) == 1:
        plain = plain[0]
    if isinstance(plain, bool) or not isinstance(plain, str | int | float):
        _refuse(metric, rule, f"the gold is {type(plain).__name__}")
    if isinstance(plain, float) and not math.isfinite(plain):
        _refuse(metric, rule, f"the gold is {plain}")
    try:
        return str(plain)
    except ValueError as error:  # an integer of more than 4,300 digits
        _refuse(metric, rule, str(error))


def _table(metric: str, rule: Metric, plain: Any) -> Any:
    if isinstance(plain, list | tuple) and len(plain) == 1 and isinstance(plain[0], str):
        plain = plain[0]
    if isinstance(plain, str):
        try:
            plain = json.loads(plain)
        except (ValueError, RecursionError) as error:
            _refuse(metric, rule, f"the gold is no JSON ({error})")
    if not isinstance(plain, Mapping):
        _refuse(metric, rule, f"the gold is {type(plain).__name__}")
    return dict(plain)


def _check(metric: str, rule: Metric, gold: Any) -> None:
    """Refuse a gold that no answer could match."""
    if isinstance(gold, TableGold):
        strings = [*gold.columns, *(cell for row in gold.data for cell in row if isinstance(cell, str))]
        required = list(gold.columns)
        numbers = [cell for row in gold.data for cell in row if isinstance(cell, int | float)]
        if not all(isinstance(cell, int) or math.isfinite(cell) for cell in numbers):
            _refuse(metric, rule, "a cell is NaN or infinite, which JSON can't write")
        if any(isinstance(cell, int) and cell.bit_length() > 3000 for cell in numbers):
            _refuse(metric, rule, "a cell has more than 900 digits")
    else:
        value = getattr(gold, rule.field or "")
        strings = required = [value] if isinstance(value, str) else list(value)
    for text in required:
        if is_blank(text):
            _refuse(metric, rule, "a part of the gold is blank")
    for text in strings:
        tag = next((tag for tag in RESERVED if tag in text), None)
        if tag is not None:
            _refuse(metric, rule, f"the gold holds {tag}, which shapes a response: no answer could match")


def render_gold(gold: Gold, metric: MetricSpec | None = None) -> str:
    r"""Return the gold written as a model would answer it.

    It earns 1.0 with every strict metric that takes it. An official metric may read answers in another form, which is
    returned when the metric is given; some golds earn less than 1.0 there in any form.

    >>> print(render_gold(RankingGold(items=("D2", "D1"))))
    [Answer]
    D2
    D1
    >>> render_gold(NumberGold(value="42"), MetricSpec(name="math_verify", variant="official"))
    '\\boxed{42}'
    """
    if metric is not None and metric.variant == "official":
        match gold:
            case TextGold() if metric.name == "choice":
                sentence = gold.answers[0]
                return sentence if len(sentence) > 1 else f"The correct answer is ({sentence})"
            case TextGold() if metric.name == "exact_match":
                return gold.answers[0]
            case NumberGold():
                return rf"\boxed{{{gold.value}}}"
            case TableGold() | ReferencesGold():
                return _body(gold)
    return f"[Answer]\n{_body(gold)}"


def _body(gold: Gold) -> str:
    match gold:
        case TextGold():
            return _line(gold.answers[0])
        case ItemsGold() | RankingGold() | OrderGold():
            return "\n".join(map(_line, gold.items))
        case NumberGold():
            return _line(gold.value)
        case TableGold():
            return json.dumps({"columns": gold.columns, "data": gold.data}, ensure_ascii=False, allow_nan=False)
        case ReferencesGold():
            return gold.texts[0]
        case RowGold():
            return "\n".join(gold.answers)


def _line(text: str) -> str:
    return " ".join(text.split())
