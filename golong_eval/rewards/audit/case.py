"""A sample as the audit sees it: plain texts and a gold, without the task that it came from."""

from __future__ import annotations

from pydantic import Field

from golong_eval.schema import Frozen, Gold, Language

__all__ = ["AuditCase"]


class AuditCase(Frozen):
    """A sample to attack. Texts are what a model would be shown."""

    id: str
    metric: str
    """One of `golong_eval.rewards.METRIC_NAMES`."""
    gold: Gold
    question: str = ""
    documents: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """What the documents are called, for instance ``D1``."""
    prompt: str = ""
    candidates: int | None = Field(default=None, ge=1)
    """How many labels or choices an answer can name, where the sample tells."""
    language: Language = "en"
    right: tuple[str, ...] = ()
    """Responses known to be right, where there are any: reported, never a bound."""
    wrong: tuple[str, ...] = ()
    """Responses known to be wrong, the same."""
