"""How far judges agree, as text."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from golong_eval.judges.agreement import Agreement
from golong_eval.reports.numbers import NONE, score
from golong_eval.reports.table import table
from golong_eval.reports.terminal import shown_line

__all__ = ["agreement_text"]


def agreement_text(found: Sequence[Agreement]) -> str:
    """Return a table: who, over how many questions, share of equal labels, kappa and alpha; in all, and by rubric."""
    rows = [
        (
            one.rubric or "all",
            " / ".join(map(shown_line, one.raters)),
            str(one.n),
            NONE if one.share is None else f"{100 * one.share:.1f} %",
            score(one.kappa),
            score(one.alpha),
        )
        for one in found
    ]
    header = ("rubric", "raters", "questions", "agree", "Cohen's kappa", "Krippendorff's alpha")
    lacking = importlib.util.find_spec("sklearn") is None
    note = ["Cohen's kappa is scikit-learn's, which is not installed: pip install 'golong-eval[stats]'"]
    return "\n".join(["", *table(header, rows, right=range(2, 6)), *(note if lacking else [])])
