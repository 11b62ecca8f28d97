"""The estimators by name, for recipes and for frameworks that choose them by a text."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from golong_eval.advantages.arrays import Array
from golong_eval.advantages.estimators import batch_norm, dr_grpo, grpo, task_norm, tmn, tmn_reweight
from golong_eval.advantages.task_scale import TaskScale
from golong_eval.errors import ConfigError, UnknownNameError, nearest

__all__ = ["ESTIMATORS", "check_parameters", "estimate"]

ESTIMATORS: MappingProxyType[str, Callable[..., Array]] = MappingProxyType(
    {
        "grpo": grpo,
        "dr_grpo": dr_grpo,
        "task_norm": task_norm,
        "batch_norm": batch_norm,
        "tmn": tmn,
        "tmn_reweight": tmn_reweight,
    }
)


def check_parameters(name: str, parameters: dict[str, Any], task_scale_decay: float = 0.0) -> None:
    """Check an estimator's name and the names and ranges of its parameters, before a training starts.

    Args:
        name: Name of the estimator.
        parameters: Its parameters.
        task_scale_decay: Decay of a running task scale; 0: there is none.

    Raises:
        UnknownNameError: There is no such estimator.
        ConfigError: It has no such parameter, a value is out of its range, or it has no task scale.
    """
    _check_names(name, parameters)
    if "scale" in parameters:
        raise ConfigError("scale is no setting", "give the decay of a task scale instead")
    if task_scale_decay and "scale" not in inspect.getfullargspec(ESTIMATORS[name]).kwonlyargs:
        raise ConfigError(
            f"a task scale of decay {task_scale_decay} with the estimator {name}, which has no task scale",
            "take tmn or tmn_reweight, or leave the decay out",
        )
    TaskScale(task_scale_decay)
    ESTIMATORS[name]([], [], **parameters)


def estimate(name: str, rewards: Any, prompt_ids: Any, task_ids: Any | None = None, **parameters: Any) -> Array:
    """Return the advantages by the estimator of that name.

    Raises:
        UnknownNameError: There is no such estimator.
        ConfigError: It has no such parameter, or a value is out of its range.
        DataError: As the estimator.

    >>> estimate("tmn", [1.0, 0.0], ["p", "p"], ["t1", "t1"]).round(3).tolist()
    [0.707, -0.707]
    """
    _check_names(name, parameters)
    return ESTIMATORS[name](rewards, prompt_ids, task_ids, **parameters)


def _check_names(name: str, parameters: dict[str, Any]) -> None:
    if name not in ESTIMATORS:
        raise UnknownNameError("advantage estimator", name, ESTIMATORS)
    allowed = inspect.getfullargspec(ESTIMATORS[name]).kwonlyargs
    for given in parameters:
        if given not in allowed:
            close = nearest(given, allowed)
            raise ConfigError(
                f"the estimator {name} has no parameter {given!r}",
                f"did you mean {close!r}?" if close else f"it has {', '.join(allowed)}",
            )
