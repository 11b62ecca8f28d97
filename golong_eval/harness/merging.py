"""Put the parts of a run that was split with ``--shard i/n`` together again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from golong_eval.errors import ConfigError, DataError
from golong_eval.harness.progress import OnProgress
from golong_eval.harness.records import StoredPrompt, read_predictions
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.harness.scoring import run_config, score_run
from golong_eval.harness.scoring_models import SCORING_FILE
from golong_eval.harness.settings import RunSettings
from golong_eval.harness.task_book import tasks_named
from golong_eval.harness.two_calls import FIRST
from golong_eval.judges.question import Verdict
from golong_eval.schema import Sample
from golong_eval.tasks import SampleWriter, read_samples

__all__ = ["merge_runs"]


def merge_runs(
    parts: Sequence[Path | str], output_dir: Path | str = "runs", on_progress: OnProgress = lambda _: None
) -> Results:
    """Make one run of all its parts: as if it had never been split.

    Samples stand in the order of the whole run, so its data revision and its intervals are those of an unsplit run.
    The parts stay as they are.

    Args:
        parts: The folders of all parts, in any order. Unfinished ones are fine: what is missing counts as failed.
        output_dir: Where the run's folder is made, as with ``golong run``.
        on_progress: Told of the scoring.

    Raises:
        ConfigError: A part is missing, stands twice, or was run with other settings (names the keys).
        DataError: A folder holds no run, or a damaged one.
    """
    folders = [_Part(Path(part)) for part in parts]
    _check(folders)
    first = folders[0]
    order: list[str] = first.build["order"]
    settings = first.settings | {"shard": None}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    started = min(part.config["started"] for part in folders)
    stamp = started.replace("-", "").replace(":", "").partition("+")[0]
    path = Path(output_dir) / first.config["model_name"] / f"{stamp}Z-{digest}-merged"
    if (path / "config.json").exists():
        raise ConfigError(f"{path} exists", "remove it, or give another --output-dir")
    with RunFolder(path) as folder:
        samples = _copy_samples(folder, folders, order)
        _copy_answers(folder, folders, {sample.task for sample in samples})
        _copy_verdicts(folder, folders)
        dropped = {task: reason for part in folders for task, reason in part.build.get("dropped", {}).items()}
        folder.write_json("build.json", {"dropped": dropped})
        sessions = [session for part in folders for session in part.sessions]
        folder.write_json("env.json", {"sessions": sessions})
        # Last of all: until it stands there, the folder is no run, and nothing resumes it.
        folder.write_json(
            "config.json",
            first.config | {"settings": settings, "started": started, "merged_from": [str(p.path) for p in folders]},
        )
        specs = tasks_named((sample.task for sample in samples), settings["include"])
        return score_run(folder, specs, samples, on_progress=on_progress)


class _Part:
    """A part's files, read and checked one by one."""

    def __init__(self, path: Path) -> None:
        if not (path / "config.json").is_file():
            raise DataError("no config.json here", "name the folders of runs", file=path)
        self.path = path
        with RunFolder(path) as folder:  # nobody is writing to it
            self.config: dict[str, Any] = run_config(folder)
            self.build: dict[str, Any] = folder.read_json("build.json") or {}
            self.sessions: list[Any] = (folder.read_json("env.json") or {}).get("sessions", [])
        self.settings: dict[str, Any] = self.config["settings"]
        self.shard: str | None = self.settings.get("shard")
        if self.shard is None or "order" not in self.build:
            raise ConfigError(f"{path} is no part of a run, or has no samples yet", "name runs made with --shard I/N")

    @property
    def place(self) -> tuple[int, int]:
        """Which part of how many, counted from 0."""
        return RunSettings.make(shard=self.shard).shard_of


def _check(parts: Sequence[_Part]) -> None:
    if not parts:
        raise ConfigError("no runs are named", "golong merge RUN_1 RUN_2 ...")
    first = parts[0]
    for part in parts[1:]:
        keys = sorted(
            key
            for key in first.settings.keys() | part.settings.keys()
            if key != "shard" and first.settings.get(key) != part.settings.get(key)
        )
        if keys or first.place[1] != part.place[1]:
            raise ConfigError(
                f"{part.path} differs from {first.path} in {', '.join(keys) or 'the number of parts'}",
                "merge the parts of one run",
            )
        if part.build["order"] != first.build["order"]:
            raise ConfigError(
                f"{part.path} was made from other samples than {first.path}",
                "run the parts with the same documents, files and version of golong-eval",
            )
    places = [part.place[0] for part in parts]
    count = first.place[1]
    missing = [f"{place + 1}/{count}" for place in range(count) if place not in places]
    if missing or len(set(places)) < len(places):
        twice = sorted({f"{place + 1}/{count}" for place in places if places.count(place) > 1})
        raise ConfigError(
            f"not all parts once each: {', '.join(missing) or 'none'} missing, {', '.join(twice) or 'none'} twice",
            "name each part once",
        )


def _copy_samples(folder: RunFolder, parts: Sequence[_Part], order: Sequence[str]) -> list[Sample]:
    by_id = {sample.id: sample for part in parts for sample in read_samples(part.path / "samples.jsonl")}
    if by_id.keys() != set(order):
        raise DataError("the parts do not hold all samples", "run the parts again", file=folder.path)
    with SampleWriter(folder.samples, overwrite=True) as writer:
        for identifier in order:
            writer.write(by_id[identifier])
    return list(read_samples(folder.samples))


def _copy_answers(folder: RunFolder, parts: Sequence[_Part], tasks: set[str]) -> None:
    two = [f"{task}{FIRST}" for task in tasks if any(_firsts(part, task).is_file() for part in parts)]
    for task in sorted([*tasks, *two]):
        folder.write_lines(
            f"predictions/{task}.jsonl",
            (
                answer.model_dump_json()
                for part in parts
                for answer in read_predictions(part.path / "predictions", [task]).values()
            ),
        )
    prompts = {
        line.hash: line.model_dump_json()
        for part in parts
        for line in AppendLog.read(part.path / "prompts.jsonl", StoredPrompt)
    }
    folder.write_lines("prompts.jsonl", prompts.values())


def _firsts(part: _Part, task: str) -> Path:
    """Return where a part keeps the answers to the first of two calls."""
    return part.path / "predictions" / f"{task}{FIRST}.jsonl"


def _copy_verdicts(folder: RunFolder, parts: Sequence[_Part]) -> None:
    """Put the judges' verdicts together; the run is scored by the judge that the parts are scored by.

    Raises:
        ConfigError: The parts are scored by different judges.
    """
    noted = {json.dumps(RunFolder.json_at(part.path / SCORING_FILE) or {}, sort_keys=True) for part in parts}
    noted -= {"{}"}
    if len(noted) > 1:
        raise ConfigError(
            "the parts are scored by different judges or embedders", "golong judge each part by the same, then merge"
        )
    (folder.path / "verdicts").mkdir(exist_ok=True)
    for name in sorted({file.name for part in parts for file in (part.path / "verdicts").glob("*.jsonl")}):
        folder.write_lines(
            f"verdicts/{name}",
            (
                verdict.model_dump_json()
                for part in parts
                for verdict in AppendLog.read(part.path / "verdicts" / name, Verdict)
            ),
        )
    for content in noted:
        folder.write_json(SCORING_FILE, json.loads(content))
