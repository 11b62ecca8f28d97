"""verl's entry point (group ``verl.plugins``): our advantage estimators, and the task of each row for them.

verl imports this at the end of ``import verl``, in every one of its processes, so it is light: it waits until verl
imports the modules that it has to do with, which only the trainer's process does, and then

- registers the estimators of `NAMES` with verl's registry;
- wraps what computes advantages, so that the estimator learns the task of each row (verl hands it none), rows without
  a score are left out, and metrics by task are logged: `PPOTrainer._compute_advantage` of the default trainer, the
  function ``compute_advantage`` of the old one;
- wraps the trainers' beginning, to check the parameters before anything costly, and their checkpoints, to keep the
  running scale.

No file of verl is changed. Where an entry point can't be used, the environment variable
``VERL_USE_EXTERNAL_MODULES=golong_eval.adapters.verl_plugin`` does the same.

Source: verl 0.9.1.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from collections.abc import Callable
from types import MappingProxyType, ModuleType
from typing import Any

from golong_eval.adapters.import_hook import patch_on_import

__all__ = ["NAMES", "install"]

_log = logging.getLogger(__name__)

NAMES = MappingProxyType(
    {
        "tmn": "tmn",
        "tmn_reweight": "tmn_reweight",
        "task_norm": "task_norm",
        "batch_norm": "batch_norm",
        "golong_grpo": "grpo",
        "golong_dr_grpo": "dr_grpo",
    }
)
"""Our estimators under their names in verl, which has a ``grpo`` of its own, each with its name in
`golong_eval.advantages.ESTIMATORS`."""


def install() -> None:
    """Wait for verl's modules, or take those that are there already. A second call does nothing."""
    patch_on_import("verl", _PATCHES, _patch, _unusual)


def _unusual(name: str) -> None:
    _log.warning("golong-eval can't extend %s: it is loaded in an unusual way", name)


def _patch(module: ModuleType) -> None:
    """Patch a module of verl. One that is not as expected is left alone, and named: training must say it, not break."""
    if getattr(module, "_golong_patched", False):
        return
    module._golong_patched = True  # type: ignore[attr-defined]
    try:
        _PATCHES[module.__name__](module)
    except (AttributeError, TypeError, ValueError) as error:
        _log.warning("golong-eval is made for verl 0.9.1, and can't extend %s here: %s", module.__name__, error)


def _register(core_algos: ModuleType) -> None:
    for name in NAMES:
        if name in core_algos.ADV_ESTIMATOR_REGISTRY:
            _log.warning("verl has an estimator named %r already; golong-eval's is not registered", name)
            continue
        core_algos.register_adv_est(name)(_estimator(name))


def _estimator(name: str) -> Callable[..., Any]:
    def advantages(
        token_level_rewards: Any,
        response_mask: Any,
        index: Any = None,
        config: Any = None,
        non_tensor_batch: Any = None,
        batch: Any = None,
        **others: Any,
    ) -> Any:
        del batch, others
        return _ours().advantages_of(NAMES[name], token_level_rewards, response_mask, index, config, non_tensor_batch)

    advantages.__name__ = advantages.__qualname__ = f"golong_{name}"
    return advantages


def _ours() -> Any:
    return importlib.import_module("golong_eval.adapters.verl_advantages")


def _wrap(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Put ``wrapper(original, *args, **kwargs)`` in the place of an attribute."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    setattr(owner, name, wrapped)


def _patch_default_trainer(module: ModuleType) -> None:
    trainer = module.PPOTrainer
    _wrap(trainer, "_compute_advantage", lambda *args, **kwargs: _ours().with_queue(module.tq, *args, **kwargs))
    _patch_trainer(trainer)


def _patch_old_trainer(module: ModuleType) -> None:
    original = module.compute_advantage
    _wrap(module, "compute_advantage", lambda *args, **kwargs: _ours().with_batch(*args, **kwargs))
    for name in ("verl.trainer.ppo.v1.utils", "verl.experimental.separation.ray_trainer"):  # they import it by name
        copy = sys.modules.get(name)
        if copy is not None and getattr(copy, "compute_advantage", None) is original:
            copy.compute_advantage = module.compute_advantage  # type: ignore[attr-defined]
    _patch_trainer(module.RayPPOTrainer)


def _patch_trainer(trainer: type[Any]) -> None:
    _wrap(trainer, "__init__", lambda *args, **kwargs: _ours().begin(*args, **kwargs))
    _wrap(trainer, "_save_checkpoint", lambda *args, **kwargs: _ours().save(*args, **kwargs))
    _wrap(trainer, "_load_checkpoint", lambda *args, **kwargs: _ours().load(*args, **kwargs))


def _patch_metrics(module: ModuleType) -> None:
    _wrap(module, "compute_data_metrics", lambda *args, **kwargs: _ours().with_metrics(*args, **kwargs))


_PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "verl.trainer.ppo.core_algos": _register,
    "verl.trainer.ppo.metric_utils": _patch_metrics,
    "verl.trainer.ppo.ray_trainer": _patch_old_trainer,
    "verl.trainer.ppo.v1.trainer_base": _patch_default_trainer,
}

# Importing this is what switches it on: an entry point is imported, and not called. Without verl it waits for nothing.
install()
