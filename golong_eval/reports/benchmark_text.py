"""The lists of benchmarks and suites, and what checking scorers found, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from golong_eval.benchmarks import Benchmark, load_benchmarks
from golong_eval.benchmarks.suites import SUITES
from golong_eval.benchmarks.verification import Check
from golong_eval.reports.table import table

__all__ = ["benchmarks_data", "benchmarks_text", "checks_text"]

_NEEDS = {"judge": "a judge", "chinese": "jieba for Chinese", "lm_eval": "lm-eval", "bfcl": "bfcl-eval"}


def benchmarks_text() -> str:
    """Return the list of benchmarks and that of suites."""
    header = ("benchmark", "", "measures", "rows", "lengths", "languages", "needs")
    rows = [
        (one.id, one.name, one.capability, one.size, one.lengths, ", ".join(one.languages), _needs(one))
        for one in load_benchmarks().values()
    ]
    suites = [(suite.id, suite.about) for suite in SUITES.values()]
    lines = [*table(header, rows, right=range(0)), "", *table(("suite", ""), suites, right=range(0)), ""]
    return "\n".join([*lines, "get their data with: golong data fetch BENCHMARK; run with --tasks or --suite"])


def _needs(one: Benchmark[Any]) -> str:
    needs = [_NEEDS[need] for need in one.needs if need in _NEEDS]
    return ", ".join([*needs, *["an embedder for half of a summary's score"] * one.embeds]) or "nothing"


def benchmarks_data() -> list[dict[str, Any]]:
    """Return the list of benchmarks as plain data."""
    return [
        {
            "id": one.id,
            "name": one.name,
            "capability": one.capability,
            "metric": str(one.metric),
            "version": one.version,
            "prompt_hash": one.prompt_hash,
            "max_tokens": one.max_tokens,
            "rows": one.size,
            "lengths": one.lengths,
            "languages": one.languages,
            "needs": one.needs,
            "embeds": one.embeds,
            "data": one.data.hub,
            "revision": one.data.revision,
            "files": one.data.files,
            "licence": one.data.licence,
            "megabytes": one.data.megabytes,
            "source": one.source,
            "published_scoring_flaws": one.flaws,
        }
        for one in load_benchmarks().values()
    ]


def checks_text(checks: Sequence[Check]) -> str:
    """Return what checking scorers found: a line a check, and its faults below it."""
    lines = []
    for check in checks:
        found = f"not checked: {check.skipped}" if check.skipped else f"{check.cases} cases, {len(check.faults)} wrong"
        lines += [f"{check.what}: {found}", *(f"  {fault}" for fault in check.faults)]
    return "\n".join(lines)
