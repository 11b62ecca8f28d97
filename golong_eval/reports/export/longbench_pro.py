"""LongBench Pro's official summary of a run: averages, groups, BoN-k and pass@k as its leaderboard has them."""

from __future__ import annotations

from pathlib import Path

from golong_eval.benchmarks.longbench_pro_summary import SIZES, Item, summarize
from golong_eval.errors import ConfigError
from golong_eval.harness import StoredRun, read_run
from golong_eval.reports.export.files import write_lines
from golong_eval.reports.terminal import json_text
from golong_eval.schema import Sample

__all__ = ["write_longbench_pro"]

_LANGUAGES = {"en": "English", "zh": "Chinese"}


def write_longbench_pro(run: StoredRun, folder: Path) -> list[Path]:
    """Write ``longbench_pro_summary.json``, by the published rule; of the CoT questions, another one beside it.

    Raises:
        ConfigError: The run has no answers to LongBench Pro.
    """
    tasks = [task for task in run.scores if task.startswith("longbench_pro")]
    if not tasks:
        raise ConfigError(f"{run.path} has no answers to LongBench Pro", "golong run --suite longbench-pro makes some")
    official = read_run(run.path, variant="official")
    files = []
    for task in tasks:
        scores: dict[str, list[float | None]] = {}
        for row in official.rows():
            if row.sample.task == task:
                # The official program counts an empty answer among the failures.
                value = None if row.result.status == "empty" else row.result.value
                scores.setdefault(row.sample.id, []).append(value)
        items = [Item(_groups(official.samples[identifier]), tuple(found)) for identifier, found in scores.items()]
        summary = summarize(items, official.results.started[:10])
        name = task.replace("longbench_pro", "longbench_pro_summary")
        files.append(write_lines(folder / f"{name}.json", [json_text(summary) + "\n"]))
    return files


def _groups(sample: Sample) -> dict[str, str]:
    metadata = sample.metadata
    known = {"language": _LANGUAGES[metadata.language], "difficulty": metadata.difficulty or ""}
    return {kind: {**(metadata.groups or {}), **known}.get(kind, "") for kind in SIZES}
