"""``report.html``: a run to look at in a browser, in one file that needs no network."""

from golong_eval.reports.html.page import write_report

__all__ = ["write_report"]
