"""From rewards to advantages: GRPO and its kin, TMN and TMN-Reweight, on NumPy arrays and torch tensors.

    >>> from golong_eval.advantages import grpo, tmn_reweight
    >>> grpo([1.0, 0.0, 0.0, 0.0], ["p", "p", "p", "p"]).round(2).tolist()
    [1.5, -0.5, -0.5, -0.5]

Every estimator is a function of the rewards of a batch, the prompt of each row, and its task. Importing this loads
neither NumPy nor torch.
"""

from golong_eval.advantages.broadcasting import broadcast
from golong_eval.advantages.diagnostics import BatchDiagnostics, TaskDiagnostics, diagnose
from golong_eval.advantages.estimators import EPS, batch_norm, dr_grpo, grpo, task_norm, tmn, tmn_reweight
from golong_eval.advantages.registry import ESTIMATORS, check_parameters, estimate
from golong_eval.advantages.task_scale import TaskScale

__all__ = [
    "EPS",
    "ESTIMATORS",
    "BatchDiagnostics",
    "TaskDiagnostics",
    "TaskScale",
    "batch_norm",
    "broadcast",
    "check_parameters",
    "diagnose",
    "dr_grpo",
    "estimate",
    "grpo",
    "task_norm",
    "tmn",
    "tmn_reweight",
]
