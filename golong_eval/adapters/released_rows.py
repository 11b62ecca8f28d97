"""Rows of training data as frameworks hand them to a reward: ours, and those that GoLongRL released.

Three things reach a reward: ``data_source``, ``ground_truth`` and ``extra_info``. Ours carry all in ``ground_truth``,
the label of `golong_eval.adapters.rows`. Released rows have one of five values of ``data_source``; those of
``longbench_pro`` name their secondary task, or their reward, in ``extra_info["reward_mode"]``. Their ``ground_truth``
is a struct, or a list whose last element is one, or such a struct as JSON text: ``doc_ids`` is the gold list (the name
is historical), ``golden_label`` the gold text, ``summary`` the language.

Source: GoLongRL (arXiv 2605.19577), released rows and published reward code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from golong_eval.adapters.rows import Label, decode_label
from golong_eval.errors import DataError, UnknownNameError
from golong_eval.faults import explain
from golong_eval.rewards import METRIC_NAMES, SECONDARY_TASKS, MetricSpec
from golong_eval.rewards.choices import stated_choice
from golong_eval.schema import Language, Variant

__all__ = ["ABILITIES", "read_row", "task_of"]

ABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "precise long-range information retrieval": "exact_match",
        "evidence-grounded comprehension and reasoning": "accuracy",
        "high-recall exhaustive retrieval and verification": "f1",
        "numerical extraction and quantitative reasoning": "math_verify",
        "multi-table structured extraction": "iou",
        "fragment-level structured matching and induction": "sub_em",
        "dimension-quantified retrieval and graded ranking": "ndcg",
        "sequence reconstruction and ordering": "pairwise_accuracy",
        "long document summarization": "rouge_l",
    }
)
"""The nine capabilities as released rows name them in ``ability``, each with its metric."""

_SOURCES = {
    "EM": "exact_match",
    "selection": "accuracy",
    "math_longcot_math_verify": "math_verify",
    "multitableqa_pretraining": "iou",
}
"""What the published code scores by ``data_source`` alone."""

_MODES = {
    **SECONDARY_TASKS,
    **{name: name for name in METRIC_NAMES},
    "Accuracy": "accuracy",
    "F1_Score": "f1",
    "SubEM": "sub_em",
    "NDCG": "ndcg",
    "Pairwise_Accuracy": "pairwise_accuracy",
    "Summary": "rouge_l",
}
"""What ``reward_mode`` of a row of ``longbench_pro`` may name: a secondary task, or the reward."""

_TASKS = {metric: f"t{number}" for number, metric in enumerate(METRIC_NAMES, 1)}
_LANGUAGES: dict[str, Language] = {"Chinese": "zh", "English": "en"}
_SMALL_CHOICE = re.compile(r"\A\(?[a-j](?:\)|[.:]\s)")
_KEYS = ("golong", "golden_label", "doc_ids")


def read_row(data_source: Any, ground_truth: Any, extra_info: Any = None, variant: Variant | None = None) -> Label:
    """Return what a row says, ready to score responses.

    Nothing is changed in the arguments, and None in a struct counts as absent: Arrow gives every row the fields of all.

    Args:
        data_source: The column, a text.
        ground_truth: ``reward_model["ground_truth"]``.
        extra_info: The column, a mapping or None.
        variant: Score by this variant; None: as our row says, ``strict`` for a released one.

    Raises:
        DataError: The row is neither one of ours nor a released one, or lacks a part.
        UnknownNameError: There is no such variant.

    >>> read_row("longbench_pro", {"doc_ids": ["D1"]}, {"reward_mode": "T1.2 Key-Snippet Retrieval"}).metric
    'ndcg@gold[strict,v1]'
    """
    if variant not in (None, "strict", "official"):
        raise UnknownNameError("variant", str(variant), ("strict", "official"))
    extra = _present(extra_info)
    truth = _opened(ground_truth)
    if "golong" in _present(truth):
        label = decode_label(ground_truth if isinstance(ground_truth, str) else truth)
        if variant is None or variant == label.spec.variant:
            return label
        return label.model_copy(update={"metric": str(label.request("", variant=variant).metric)})
    metric = _released_metric(data_source, extra)
    if metric is None:
        raise DataError(
            f"data_source {data_source!r} with reward_mode {extra.get('reward_mode')!r} is none that can be scored",
            "write rows with golong_eval.adapters, or use the columns of the released ones",
        )
    if isinstance(truth, list | tuple) and truth and (data_source in _SOURCES or isinstance(truth[-1], Mapping)):
        truth = _opened(truth[-1])  # as the published code has it
    question = extra.get("question")
    # The published reward of selection rows has a name of its own; `accuracy` is what it means.
    name = "choice" if data_source == "selection" and variant == "official" else metric
    try:
        return Label(
            task=_TASKS[metric],
            metric=str(MetricSpec(name=name, variant=variant or "strict")),
            gold=_released_gold(str(data_source), metric, truth),
            language=_LANGUAGES.get(str(_present(truth).get("summary"))),
            question=question if isinstance(question, str) else None,
        )
    except ValidationError as error:
        raise DataError(f"{data_source}: {'; '.join(explain(error, Label))}", "give the gold") from None


def task_of(data_source: Any, extra_info: Any = None) -> str | None:
    """Return the task of a row: ``extra_info["task"]``, the task of a released row, else its ``data_source``.

    None where there is no ``data_source`` either. The ground truth is not needed.

    >>> task_of("longbench_pro", {"reward_mode": "T1.2 Key-Snippet Retrieval"}), task_of("gsm8k"), task_of(None)
    ('t7', 'gsm8k', None)
    """
    extra = _present(extra_info)
    named = extra.get("task")
    if isinstance(named, str) and named:
        return named
    metric = _released_metric(data_source, extra)
    if metric is not None:
        return _TASKS[metric]
    return str(data_source) if data_source is not None and str(data_source) else None


def _released_metric(data_source: Any, extra: Mapping[str, Any]) -> str | None:
    if not isinstance(data_source, str):
        return None
    if data_source in _SOURCES:
        return _SOURCES[data_source]
    if data_source != "longbench_pro":
        return None
    return _MODES.get(str(extra.get("reward_mode"))) or ABILITIES.get(str(extra.get("ability")))


def _released_gold(source: str, metric: str, truth: Any) -> Any:
    """Return the gold of a released row, as plain data."""
    gold = truth
    if isinstance(truth, Mapping):
        present = _present(truth)
        # What the published code reads: the list for LongBench Pro's rewards, the label for the others.
        gold = present.get("doc_ids" if source == "longbench_pro" else "golden_label")
        if metric == "iou" and gold is None and "data" in present:
            gold = {name: present[name] for name in ("columns", "data") if name in present}
    if hasattr(gold, "tolist"):
        gold = gold.tolist()
    if gold is None or gold == "" or gold == []:
        raise DataError(f"{source}: the ground truth has no gold", "give golden_label, or doc_ids for longbench_pro")
    return _letter(gold) if source == "selection" else gold


def _letter(gold: Any) -> str:
    """Return the one letter that the gold of a selection row states.

    Anything else would be a gold that no answer meets, and every rollout would get 0 without a word.
    """
    (only,) = gold if isinstance(gold, list) and len(gold) == 1 else (gold,)
    if isinstance(only, str):
        text = only.replace("*", "").strip()
        small = _SMALL_CHOICE.match(text)
        found = stated_choice(small[0].upper() + text[small.end() :] if small else text)
        if found is not None:
            return found
    raise DataError(
        f"selection: no single letter can be read from the gold {str(gold)[:80]!r}", "give a letter, A to J"
    )


def _present(struct: Any) -> dict[str, Any]:
    """Return a struct without its empty fields; nothing for what is no struct."""
    if not isinstance(struct, Mapping):
        return {}
    return {name: value for name, value in struct.items() if value is not None}


def _opened(truth: Any) -> Any:
    """Return a ground truth, read if it is the JSON text of a struct or of a list of structs."""
    if hasattr(truth, "tolist"):
        truth = truth.tolist()
    if not isinstance(truth, str) or not truth.lstrip().startswith(("{", "[")):
        return truth
    try:
        read = json.loads(truth)
    except (ValueError, RecursionError):
        return truth
    struct = read[-1] if isinstance(read, list) and read else read
    return read if isinstance(struct, dict) and any(key in struct for key in _KEYS) else truth
