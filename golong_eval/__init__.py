r"""golong-eval: long-context evaluation, rewards and training on nine capabilities.

    >>> import golong_eval
    >>> golong_eval.score("ndcg", "[Answer]\nD2\nD1", ["D2", "D1"]).value
    1.0

Names are imported when they are first used, so that ``import golong_eval`` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from golong_eval.errors import GolongError
    from golong_eval.harness import Results, TaskResult, compare_runs, evaluate, read_run
    from golong_eval.reports.html import write_report
    from golong_eval.rewards import ScoreRequest, score, score_batch
    from golong_eval.schema import Document, Generation, RewardResult, Sample
    from golong_eval.tasks import TaskSpec, build_samples, load_tasks, read_samples

_HOME = {
    "GolongError": "errors",
    "Results": "harness",
    "TaskResult": "harness",
    "compare_runs": "harness",
    "evaluate": "harness",
    "read_run": "harness",
    "write_report": "reports.html",
    "ScoreRequest": "rewards",
    "score": "rewards",
    "score_batch": "rewards",
    "Document": "schema",
    "Generation": "schema",
    "RewardResult": "schema",
    "Sample": "schema",
    "TaskSpec": "tasks",
    "build_samples": "tasks",
    "load_tasks": "tasks",
    "read_samples": "tasks",
}

__all__ = [
    "Document",
    "Generation",
    "GolongError",
    "Results",
    "RewardResult",
    "Sample",
    "ScoreRequest",
    "TaskResult",
    "TaskSpec",
    "build_samples",
    "compare_runs",
    "evaluate",
    "load_tasks",
    "read_run",
    "read_samples",
    "score",
    "score_batch",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"golong_eval.{_HOME[name]}"), name)
    raise AttributeError(f"module 'golong_eval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
