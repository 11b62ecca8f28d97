"""Training with the same rewards: TRL's GRPO with our estimators, recipes, and runs that resume."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golong_eval.training.mixture import RELEASED_SHARES, plan_prompts, task_shares
    from golong_eval.training.trl_trainer import TMNGRPOConfig, TMNGRPOTrainer

__all__ = ["RELEASED_SHARES", "TMNGRPOConfig", "TMNGRPOTrainer", "plan_prompts", "task_shares"]

_HOME = {
    "RELEASED_SHARES": "mixture",
    "TMNGRPOConfig": "trl_trainer",
    "TMNGRPOTrainer": "trl_trainer",
    "plan_prompts": "mixture",
    "task_shares": "mixture",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"golong_eval.training.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
