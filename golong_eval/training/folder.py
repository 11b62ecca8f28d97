"""The folder of a training: settings first, metrics line by line, and which checkpoint is whole.

runs/training/NAME/<UTC stamp>-<hash>/
  config.json       the recipe, written first, and the revision of the samples
  env.json          each session: versions, hardware, processes
  metrics.jsonl     one line a step, and one an evaluation
  checkpoints/      checkpoint-N, as transformers writes them, with task_scale.json
  evaluations/      step-N: runs of `golong_eval.evaluate` on held_out.jsonl
  figures/          curves, made from metrics.jsonl
  model/            the checkpoint after the last step
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golong_eval.errors import ConfigError, DataError, ResumeError
from golong_eval.harness.run_folder import RunFolder
from golong_eval.training.recipe import Recipe

__all__ = ["PARTS", "identity", "last_checkpoint", "open_training", "read_metrics", "rewind"]

PARTS = ("checkpoints", "evaluations", "figures")
_HOW_NOT_WHAT = ("checkpoints", "report_to")


def identity(recipe: Recipe) -> dict[str, Any]:
    """Return what a resumed training must share with the one it goes on with.

    How often checkpoints and evaluations are made may change, and with a constant learning rate the number of steps.
    """
    values = recipe.model_dump(mode="json", exclude=set(_HOW_NOT_WHAT))
    values["evaluation"].pop("every"), values["evaluation"].pop("batch_size")
    if recipe.optimiser.schedule == "constant":
        values.pop("steps"), values.pop("epochs")
    return values


def open_training(recipe: Recipe, output_dir: Path, *, resume: bool) -> RunFolder:
    """Make a training's folder, or find the newest one to resume, and lock it.

    Raises:
        ConfigError: There is nothing to resume, or another process trains there.
        ResumeError: The newest training of this name had another recipe; names the keys that differ.
        StorageError: The folder can't be written.
    """
    home = output_dir / recipe.name
    if resume:
        found = sorted((file.parent for file in home.glob("*/config.json")), reverse=True)
        if not found:
            raise ConfigError(f"there is no training to resume in {home}", "leave out --resume, or give --output-dir")
        differences = []
        for path in found:
            differing = _differing(path, identity(recipe))
            if not differing:
                return RunFolder(path, PARTS)
            differences.append(f"{path} differs in {', '.join(differing)}")
        raise ResumeError(differences[0], "resume with the recipe in its config.json, or leave out --resume")
    now = datetime.now(UTC)
    digest = hashlib.sha256(json.dumps(identity(recipe), sort_keys=True).encode()).hexdigest()[:8]
    path, attempt = home / f"{now:%Y%m%dT%H%M%SZ}-{digest}", 1
    while path.exists():  # two in one second
        attempt += 1
        path = home / f"{now:%Y%m%dT%H%M%SZ}-{digest}.{attempt:03d}"
    folder = RunFolder(path, PARTS)
    folder.write_json(
        "config.json", {"recipe": recipe.model_dump(mode="json"), "started": now.isoformat(timespec="seconds")}
    )
    return folder


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint; one without ``trainer_state.json``, which is written last, is torn."""
    whole = []
    for path in (folder / "checkpoints").glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-")
        if number.isdecimal() and _is_whole(path, int(number)):
            whole.append((int(number), path))
    return max(whole)[1] if whole else None


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the metrics of a training by step, the steps that a resumed training did again once.

    Raises:
        DataError: A line before the last is malformed.
    """
    file = folder / "metrics.jsonl"
    rows: dict[tuple[int, bool], dict[str, Any]] = {}
    if not file.is_file():
        return []
    lines = file.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline is torn
        try:
            row = json.loads(line)
            rows[(row["step"], "held_out" in row)] = row
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"damaged line ({error})", "remove that line", file=file, line=number) from None
    return [rows[key] for key in sorted(rows)]


def rewind(folder: RunFolder, step: int) -> None:
    """Put aside what was written after a step, before the training goes on from there: it will be done anew.

    Draws differ the second time, so an evaluation of a later step is one of a model that no longer exists. It goes to
    ``superseded/``, and so do the lines of metrics.jsonl.
    """
    aside = folder.path / "superseded"
    for path in (folder.path / "evaluations").glob("step-*"):
        number = path.name.removeprefix("step-")
        if number.isdecimal() and int(number) > step:
            aside.mkdir(exist_ok=True)
            path.rename(_free(aside / path.name))
    rows = read_metrics(folder.path)
    if any(row["step"] > step for row in rows):
        aside.mkdir(exist_ok=True)
        shutil.copyfile(folder.path / "metrics.jsonl", _free(aside / "metrics.jsonl"))
        folder.write_lines("metrics.jsonl", [json.dumps(row) for row in rows if row["step"] <= step])


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _is_whole(path: Path, step: int) -> bool:
    try:
        return bool(json.loads((path / "trainer_state.json").read_bytes())["global_step"] == step)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _differing(path: Path, wanted: dict[str, Any]) -> list[str]:
    stored = RunFolder.json_at(path / "config.json") or {}
    try:
        recipe = identity(Recipe.model_validate(stored.get("recipe")))
    except ValueError:
        return ["its recipe, which this version can't read"]
    before, now = _leaves(recipe), _leaves(wanted)
    return [
        f"{key} ({before.get(key)!r}, now {now.get(key)!r})"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted key, as ``--set`` names them."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
