"""The head of a run read back, its settings and its table, without its samples and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from golong_eval.errors import DataError, UnknownNameError
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import RunFolder
from golong_eval.rewards import MetricSpec

__all__ = ["RESULT_VARIANTS", "read_table"]

RESULT_VARIANTS = ("strict", "official", "custom")
"""Which scores of a run can be asked for, beside those of its tasks' own metrics."""


def read_table(path: Path, variant: str | None = None) -> tuple[dict[str, Any], Results]:
    """Return a run's ``config.json`` and its results; nothing is locked or written.

    Args:
        path: The run's folder.
        variant: Which results: those in ``results.json``, or ``official``, ``strict`` or ``custom`` for those in
            ``results.VARIANT.json``. A run whose own metrics are of the variant has no such file: its own are meant.

    Raises:
        UnknownNameError: There is no such variant.
        DataError: The folder holds no run, one without these results, or a damaged one.
    """
    if variant is not None and variant not in RESULT_VARIANTS:
        raise UnknownNameError("variant", variant, RESULT_VARIANTS)
    config = RunFolder.json_at(path / "config.json")
    if config is None:
        raise DataError("no config.json here", "name the folder of a run, such as runs/MODEL/STAMP", file=path)
    if not isinstance(config.get("settings"), dict):
        raise DataError("this is no run of golong-eval", "name a folder with a config.json of its own", file=path)
    name = "results.json" if variant is None else f"results.{variant}.json"
    results = _read_results(path, name)
    if results is None and variant is not None:
        own = _read_results(path, "results.json")
        if own is not None and all(MetricSpec.model_validate(row.metric).variant == variant for row in own.tasks):
            results = own
    if results is None and variant is None:
        raise DataError(
            "the run has no results.json: it was interrupted before anything was scored",
            f"golong run with its options and --resume goes on; golong score {path} scores what there is",
            file=path,
        )
    if results is None:
        option = "--metric TASK=METRIC" if variant == "custom" else f"--variant {variant}"
        raise DataError(f"the run has no {name}", f"score it first: golong score {path} {option}", file=path)
    return config, results


def _read_results(path: Path, name: str) -> Results | None:
    content = RunFolder.json_at(path / name)
    if content is None:
        return None
    try:
        return Results.model_validate(content)
    except ValidationError as error:
        raise DataError(
            f"these are no results of this version ({error.errors()[0]['msg']})",
            f"write them again: golong score {path}",
            file=path / name,
        ) from None
