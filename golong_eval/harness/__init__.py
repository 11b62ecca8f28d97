"""From a checkpoint and tasks to a table: plan, generate, score, store."""

from golong_eval.harness.checkpoints import Outcome, evaluate_each, find_checkpoints
from golong_eval.harness.evaluation import evaluate
from golong_eval.harness.merging import merge_runs
from golong_eval.harness.plan import Assumptions, Plan, TaskPlan, plan_run
from golong_eval.harness.progress import Progress
from golong_eval.harness.rescoring import FROM_A_FILE, rescore_run, score_file
from golong_eval.harness.results import Results, TaskResult
from golong_eval.harness.run_folder import RunFolder
from golong_eval.harness.schedule import schedule
from golong_eval.harness.settings import RunSettings

__all__ = [
    "FROM_A_FILE",
    "Assumptions",
    "Outcome",
    "Plan",
    "Progress",
    "Results",
    "RunFolder",
    "RunSettings",
    "TaskPlan",
    "TaskResult",
    "evaluate",
    "evaluate_each",
    "find_checkpoints",
    "merge_runs",
    "plan_run",
    "rescore_run",
    "schedule",
    "score_file",
]
