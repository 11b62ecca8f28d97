"""From a checkpoint and tasks to a table: plan, generate, score, store."""

from golong_eval.harness.checkpoints import Outcome, evaluate_each, find_checkpoints
from golong_eval.harness.comparison import (
    ALLOWANCES,
    Caution,
    Comparison,
    Mismatch,
    Paired,
    Refused,
    RunComparison,
    RunFacts,
    SamplePair,
    ScoredInBoth,
    TaskComparison,
    compare_runs,
)
from golong_eval.harness.evaluation import evaluate
from golong_eval.harness.judging import judge_run
from golong_eval.harness.merging import merge_runs
from golong_eval.harness.plan import Assumptions, Plan, TaskPlan, plan_run
from golong_eval.harness.progress import Progress
from golong_eval.harness.rescoring import FROM_A_FILE, rescore_run, score_file
from golong_eval.harness.results import AtK, EffectiveLength, Estimate, GridCell, Group, Results, Slice, TaskResult
from golong_eval.harness.run_folder import RunFolder
from golong_eval.harness.run_table import RESULT_VARIANTS
from golong_eval.harness.schedule import schedule
from golong_eval.harness.settings import EmbedderSettings, JudgeSettings, RunSettings
from golong_eval.harness.stored_predictions import score_predictions
from golong_eval.harness.stored_run import StoredAnswer, StoredRun, read_run

__all__ = [
    "ALLOWANCES",
    "FROM_A_FILE",
    "RESULT_VARIANTS",
    "Assumptions",
    "AtK",
    "Caution",
    "Comparison",
    "EffectiveLength",
    "EmbedderSettings",
    "Estimate",
    "GridCell",
    "Group",
    "JudgeSettings",
    "Mismatch",
    "Outcome",
    "Paired",
    "Plan",
    "Progress",
    "Refused",
    "Results",
    "RunComparison",
    "RunFacts",
    "RunFolder",
    "RunSettings",
    "SamplePair",
    "ScoredInBoth",
    "Slice",
    "StoredAnswer",
    "StoredRun",
    "TaskComparison",
    "TaskPlan",
    "TaskResult",
    "compare_runs",
    "evaluate",
    "evaluate_each",
    "find_checkpoints",
    "judge_run",
    "merge_runs",
    "plan_run",
    "read_run",
    "rescore_run",
    "schedule",
    "score_file",
    "score_predictions",
]
