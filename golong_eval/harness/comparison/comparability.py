"""Whether the scores of two runs compare, and what was asked of them differently.

Scores compare when task version, prompt, metric, context mode and context policy agree, on samples of the same content.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from golong_eval.errors import UnknownNameError
from golong_eval.harness.comparison.compared_run import ComparedRun
from golong_eval.harness.comparison.results import Mismatch
from golong_eval.harness.settings import is_operational

__all__ = ["ALLOWANCES", "MODEL", "check_allowances", "differences", "mismatches"]

ALLOWANCES = ("version", "prompt", "context", "context-policy")
"""Differences that a comparison refuses unless it is told to allow them. Other metrics are never allowed."""

MODEL = ("model", "weights")
"""What two runs are expected to differ in."""

# Told in lines of their own, or no difference of what was asked: where samples lie, whole tables of hashes.
_TOLD_APART = (
    frozenset({"model", "checkpoint", "context", "context_policy", "engine", "seed", "repeats", "shard"})
    | {"golong_eval", "task_identities"}
    | {"tasks", "files", "paths", "include", "trust_remote_code"}
)


def check_allowances(allow: Collection[str]) -> frozenset[str]:
    """Return the allowances, underscores taken for hyphens.

    Raises:
        UnknownNameError: One is unknown.
    """
    names = frozenset(name.strip().replace("_", "-") for name in allow)
    for name in sorted(names - set(ALLOWANCES)):
        raise UnknownNameError("difference to allow", name, ALLOWANCES)
    return names


def mismatches(baseline: ComparedRun, other: ComparedRun, task: str) -> list[Mismatch]:
    """Return why the scores of a task in two runs do not compare; empty if they do."""
    first, second = baseline.results[task], other.results[task]
    pairs = {
        "metric": (first.metric, second.metric),
        "version": (first.task_version, second.task_version),
        "prompt": (first.prompt_hash, second.prompt_hash),
        "context": (baseline.settings.get("context"), other.settings.get("context")),
        "context-policy": (baseline.settings.get("context_policy"), other.settings.get("context_policy")),
    }
    return [
        Mismatch(about=about, baseline=str(one), other=str(two)) for about, (one, two) in pairs.items() if one != two
    ]


def differences(baseline: ComparedRun, other: ComparedRun) -> dict[str, tuple[Any, Any]]:
    """Return what two runs differ in, with both values; the model first.

    Left out are settings that say how a run is carried out and not what it asks, and where its samples lie.
    """
    one, two = baseline.settings, other.settings
    found: dict[str, tuple[Any, Any]] = {}
    if baseline.results.model != other.results.model or one.get("model") != two.get("model"):
        found["model"] = (one.get("model"), two.get("model"))
    elif one.get("checkpoint") != two.get("checkpoint"):
        found["weights"] = (one.get("checkpoint"), two.get("checkpoint"))
    for key in ("context", "context_policy", "engine", "seed", "repeats"):
        if one.get(key) != two.get(key):
            found[key.replace("_", "-")] = (one.get(key), two.get(key))
    first, second = _asked(one), _asked(two)
    for key in sorted(first.keys() | second.keys()):
        if first.get(key) != second.get(key):
            found[key] = (first.get(key), second.get(key))
    if not found and one.get("paths") != two.get("paths"):
        found["files of an adapter or a tokenizer"] = (one.get("paths"), two.get("paths"))
    return found


def _asked(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are compared one by one, nested ones as ``KEY.KEY``."""
    engine = str(settings.get("engine"))
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _TOLD_APART or is_operational(key, engine):
            continue
        if isinstance(value, dict):
            inner = {f"{key}.{name}": part for name, part in value.items()}
            flat |= {name: part for name, part in inner.items() if not is_operational(name, engine)}
        elif value not in (None, [], {}):
            flat[key] = value
    return flat
