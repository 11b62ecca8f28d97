"""What the tests of bridges share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_machine_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep lm-eval from describing the machine after each run: it takes seconds."""
    try:
        import lm_eval.evaluator
    except ImportError:
        return
    monkeypatch.setattr(lm_eval.evaluator, "add_env_info", lambda results: results)
