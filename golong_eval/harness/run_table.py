"""The head of a run read back, its settings and its table, without its samples and answers."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from golong_eval.errors import DataError, UnknownNameError
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import RunFolder
from golong_eval.rewards import MetricSpec

__all__ = ["RESULT_VARIANTS", "label_of", "read_environment", "read_table"]

RESULT_VARIANTS = ("strict", "official", "custom")
"""Which scores of a run can be asked for, beside those of its tasks' own metrics."""

# Names of tasks become names of files: no folders, no control characters.
_NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")


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
    _check_settings(config["settings"], path / "config.json")
    name = "results.json" if variant is None else f"results.{variant}.json"
    results = _read_results(path, name)
    if results is None and variant is not None:
        own = _read_results(path, "results.json")
        if own is not None and all(MetricSpec.model_validate(row.metric).variant == variant for row in own.tasks):
            results = own
    if results is None and variant is None:
        raise DataError(
            "the run has no results.json: it was interrupted before anything was scored",
            f"golong run with its options and --resume goes on; golong score {path} scores the answers that came",
            file=path,
        )
    if results is None:
        option = "--metric TASK=METRIC" if variant == "custom" else f"--variant {variant}"
        raise DataError(f"the run has no {name}", f"score it first: golong score {path} {option}", file=path)
    return config, results


def label_of(path: Path, variant: str | None) -> str | None:
    """Return the name of the scores that `read_table` gives for a variant; None for the run's own."""
    # golong score writes no results of their own where the tasks' metrics are of that variant already.
    return variant if variant is not None and (path / f"results.{variant}.json").is_file() else None


def read_environment(path: Path) -> dict[str, Any]:
    """Return a run's ``env.json``: notes that nothing rests on, so a damaged one is as good as none."""
    try:
        content = RunFolder.json_at(path / "env.json") or {}
    except (DataError, OSError):
        return {}
    sessions = content.get("sessions", [])
    return content if isinstance(sessions, list) and all(map(_is_session, sessions)) else {}


def _is_session(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    tables = [value.get(name) for name in ("packages", "engine")]
    seconds = value.get("generate_seconds")
    return all(table is None or isinstance(table, dict) for table in tables) and (
        seconds is None or _is_number(seconds)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _read_results(path: Path, name: str) -> Results | None:
    content = RunFolder.json_at(path / name)
    if content is None:
        return None
    again = f"write them again: golong score {path}"
    try:
        results = Results.model_validate(content)
        for row in results.tasks:
            MetricSpec.model_validate(row.metric)
    except ValidationError as error:
        raise DataError(
            f"these are no results of this version ({error.errors()[0]['msg']})", again, file=path / name
        ) from None
    for row in results.tasks:
        if row.task in ("", ".", "..") or _NOT_IN_NAMES.search(row.task):
            raise DataError(f"{row.task!r} is no name of a task", again, file=path / name)
    return results


def _check_settings(settings: dict[str, Any], file: Path) -> None:
    """Check the settings that reading a run rests on; one that is not there gets its default.

    Raises:
        DataError: One has a value that no run has.
    """
    repeats, temperature = settings.setdefault("repeats", 1), settings.get("temperature")
    whole = isinstance(repeats, int) and not isinstance(repeats, bool) and repeats > 0
    if not whole:
        raise DataError(f"repeats must be a number from 1, not {repeats!r}", "restore the file", file=file)
    if temperature is not None and not _is_number(temperature):
        raise DataError(f"temperature must be a number, not {temperature!r}", "restore the file", file=file)
