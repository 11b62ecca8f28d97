"""Results, plans, tasks and builds as text."""

from golong_eval.reports.comparison_text import comparison_markdown, comparison_text
from golong_eval.reports.notes import results_notes
from golong_eval.reports.plan_text import plan_text
from golong_eval.reports.results_text import results_text, several_text
from golong_eval.reports.text import build_text, catalogue_text, task_text

__all__ = [
    "build_text",
    "catalogue_text",
    "comparison_markdown",
    "comparison_text",
    "plan_text",
    "results_notes",
    "results_text",
    "several_text",
    "task_text",
]
