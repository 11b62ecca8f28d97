"""Results, plans, tasks and builds as text."""

from golong_eval.reports.text import build_text, catalogue_text, plan_text, results_text, task_text

__all__ = ["build_text", "catalogue_text", "plan_text", "results_text", "task_text"]
