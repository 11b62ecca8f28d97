"""A finished run read back from its folder, for reports, comparisons and exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golong_eval.errors import DataError
from golong_eval.harness.records import Key, StoredPrompt, StoredScore, read_predictions
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import AppendLog
from golong_eval.harness.run_table import read_environment, read_table
from golong_eval.harness.scoring import scores_file
from golong_eval.harness.settings import repeats_of
from golong_eval.rewards import MetricSpec
from golong_eval.schema import Generation, RewardResult, Sample
from golong_eval.tasks import read_samples

__all__ = ["StoredAnswer", "StoredRun", "read_run"]


@dataclass(frozen=True)
class StoredAnswer:
    """One answer wanted of a run.

    Attributes:
        sample: Its sample; documents are read when they are asked for.
        repeat: Number of the repeat, from 0.
        generation: The answer; None where none came.
        result: Its score.
    """

    sample: Sample
    repeat: int
    generation: Generation | None
    result: RewardResult


@dataclass(frozen=True)
class StoredRun:
    """A run's folder, read.

    Attributes:
        path: The folder.
        config: ``config.json``, secrets masked as they were written.
        environment: ``env.json``; empty where there is none, or a damaged one.
        results: The table, by the chosen metrics.
        samples: The samples by id, in the run's order.
        answers: The answers by sample id and repeat.
        scores: Per task, the scores by sample id and repeat.
    """

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    results: Results
    samples: Mapping[str, Sample]
    answers: Mapping[Key, Generation]
    scores: Mapping[str, Mapping[Key, RewardResult]]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that make the run what it is."""
        settings: dict[str, Any] = self.config["settings"]
        return settings

    def rows(self) -> Iterator[StoredAnswer]:
        """Yield every answer wanted of the tasks in the table: sample by sample, repeat by repeat."""
        for sample in self.samples.values():
            scores = self.scores.get(sample.task, {})
            for repeat in range(repeats_of(self.settings, sample.task)):
                key = (sample.id, repeat)
                if key in scores:
                    yield StoredAnswer(sample, repeat, self.answers.get(key), scores[key])

    def prompts(self) -> dict[str, StoredPrompt]:
        """Return the prompts by their hash, which answers name, without their documents."""
        return {prompt.hash: prompt for prompt in AppendLog.read(self.path / "prompts.jsonl", StoredPrompt)}


def read_run(path: Path | str, *, variant: str | None = None) -> StoredRun:
    """Read a run's folder; nothing is locked or written, so a run that goes on can be read too.

    Args:
        path: The folder.
        variant: Which scores; see `read_table`.

    Raises:
        UnknownNameError: There is no such variant.
        DataError: The folder holds no run, one without these results, or a damaged one.
    """
    path = Path(path)
    config, results = read_table(path, variant)
    samples = {sample.id: sample for sample in read_samples(path / "samples.jsonl")}
    scores: dict[str, dict[Key, RewardResult]] = {}
    for row in results.tasks:
        file = path / scores_file(row.task, MetricSpec.model_validate(row.metric))
        if not file.is_file():
            raise DataError("the scores behind the table are missing", f"golong score {path}", file=file)
        scores[row.task] = {
            (score.sample_id, score.repeat): score.result for score in AppendLog.read(file, StoredScore)
        }
    return StoredRun(
        path=path,
        config=config,
        environment=read_environment(path),
        results=results,
        samples=samples,
        answers=read_predictions(path / "predictions", [row.task for row in results.tasks]),
        scores=scores,
    )
