"""From a checkpoint and tasks to a table: plan, generate, score, store."""

from golong_eval.harness.evaluation import evaluate
from golong_eval.harness.plan import Plan, TaskPlan, plan_run
from golong_eval.harness.progress import Progress
from golong_eval.harness.results import Results, TaskResult
from golong_eval.harness.run_folder import RunFolder
from golong_eval.harness.settings import RunSettings

__all__ = ["Plan", "Progress", "Results", "RunFolder", "RunSettings", "TaskPlan", "TaskResult", "evaluate", "plan_run"]
