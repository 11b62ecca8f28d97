"""The models that scoring needs beside the rules: what the judge said of a run, and the embedder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from golong_eval.benchmarks import Benchmark
from golong_eval.errors import DataError, GolongError, JudgeError
from golong_eval.harness.results import JudgeUsage
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.harness.settings import NOBODY, EmbedderSettings
from golong_eval.harness.task_book import Task
from golong_eval.judges.cost import spent
from golong_eval.judges.question import Verdict
from golong_eval.rewards import Embedder, Semantic

__all__ = [
    "SCORING_FILE",
    "ScoringModels",
    "note_models",
    "open_embedder_of",
    "read_verdicts",
    "stored_models",
    "verdicts_file",
]

SCORING_FILE = "scoring.json"
"""In a run's folder: which judge its scores rest on."""


@dataclass(frozen=True)
class ScoringModels:
    """What a judge said, and the embedder.

    Attributes:
        judge: Identity of the judge; None where there is none.
        verdicts: Its verdicts by `JudgeQuestion.key`.
        embedder: Gives the embeddings of semantic parts.
        price: Of the judge's tokens, a million of prompts and of replies.
    """

    judge: str | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    embedder: Embedder | None = None
    price: tuple[float, float] | None = None

    def applied(self, spec: Task) -> Task:
        """Return a task as these models score it: a benchmark's metric names the judge and the embedder."""
        if not isinstance(spec, Benchmark):
            return spec
        judge = self.judge if "judge" in spec.needs else None
        semantic = Semantic(model=self.embedder.name) if self.embedder is not None and spec.embeds else None
        return spec.scored_as(judge=judge, semantic=semantic)

    @property
    def usage(self) -> JudgeUsage | None:
        """What judging took; None without a judge."""
        if self.judge is None:
            return None
        return JudgeUsage(judge=self.judge, **spent(self.verdicts.values(), self.price).model_dump())


def verdicts_file(folder: Path, judge: str) -> Path:
    """Return where a run keeps the verdicts of a judge."""
    name = "".join(letter if letter.isalnum() or letter in "-.@" else "_" for letter in judge)
    return folder / "verdicts" / f"{name[-120:]}.jsonl"


def read_verdicts(folder: Path, judge: str) -> dict[str, Verdict]:
    """Return the verdicts of a judge by question; of several to one question the last, unless it is an error.

    Raises:
        DataError: The file is damaged.
    """
    found: dict[str, Verdict] = {}
    for verdict in AppendLog.read(verdicts_file(folder, judge), Verdict):
        if verdict.judge == judge and (verdict.outcome != "error" or verdict.key not in found):
            found[verdict.key] = verdict
    return found


def stored_models(folder: RunFolder, embedder: EmbedderSettings | None = None) -> ScoringModels:
    """Return what a run is scored with: the judge that it was judged by last, and its embedder.

    Args:
        folder: The run's folder.
        embedder: Another embedder, from now on; ``none`` for none at all; None for the one that the run has.

    Raises:
        DataError: A file is damaged.
        JudgeError: The embedder does not answer. Nothing is scored then: it would lose half of a score.
    """
    noted = folder.read_json(SCORING_FILE) or {}
    judge, kept = noted.get("judge"), noted.get("embedder")
    if not isinstance(judge, str | None) or not isinstance(kept, dict | None):
        raise DataError(
            "names no judge and no embedder", "golong judge writes it again", file=folder.path / SCORING_FILE
        )
    if embedder is not None:
        kept = None if embedder.model == NOBODY else embedder.model_dump(mode="json")
        note_models(folder, embedder=kept)
    verdicts = {} if judge is None else read_verdicts(folder.path, judge)
    return ScoringModels(judge=judge, verdicts=verdicts, embedder=None if kept is None else _checked(kept, folder))


def note_models(folder: RunFolder, **changed: Any) -> None:
    """Note in a run's folder which judge or embedder its scores rest on from now on."""
    noted = folder.read_json(SCORING_FILE) or {}
    if any(noted.get(key) != value for key, value in changed.items()):
        folder.write_json(SCORING_FILE, noted | changed)


def open_embedder_of(settings: EmbedderSettings) -> Embedder:
    """Return the embedder that settings name."""
    from golong_eval.judges.embedder_choice import open_embedder

    return open_embedder(
        settings.model, base_url=settings.base_url, api_key_env=settings.api_key_env, cache=settings.cache
    )


def _checked(kept: dict[str, Any], folder: RunFolder) -> Embedder:
    try:
        settings = EmbedderSettings.model_validate(kept)
        embedder = open_embedder_of(settings)
    except ValidationError as error:
        told = f"the embedder is none ({error.errors()[0]['msg']})"
        raise DataError(told, "give --embedder", file=folder.path / SCORING_FILE) from None
    try:
        embedder(["a text"])
    except GolongError as error:
        raise JudgeError(
            f"the run's summaries are scored with the embedder {settings.model}, which does not answer: {error}",
            "start it again, or name another with --embedder; --embedder none scores without",
        ) from error
    return embedder
