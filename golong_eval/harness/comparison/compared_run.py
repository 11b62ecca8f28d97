"""What a comparison needs of a run: each sample's score, cluster and content, in little memory.

Answers and the texts of documents are not read: their hashes stand in the samples. 100,000 samples take seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from golong_eval.errors import DataError
from golong_eval.harness.aggregate import cluster_of
from golong_eval.harness.records import StoredScore
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import AppendLog
from golong_eval.harness.run_table import label_of, read_environment, read_table
from golong_eval.harness.scoring import scores_file
from golong_eval.harness.settings import repeats_of
from golong_eval.rewards import MetricSpec
from golong_eval.schema import Sample, sha256_text
from golong_eval.tasks.samples import parse_sample

__all__ = ["ComparedRun", "ComparedSample", "content_hash", "read_compared"]


@dataclass(frozen=True, slots=True)
class ComparedSample:
    """One sample of a run.

    Attributes:
        content: `content_hash` of the sample.
        shown: Ids of the documents that the prompt showed, where the run showed the evidence alone; else None.
        cluster: What it is not independent of.
        tokenizer: What counted the tokens of its prompt, where that is known.
        score: Mean over its repeats, failures as 0.
        scored: Mean over the repeats with a score; None where none has one.
        failures: Repeats without a score.
    """

    content: bytes
    shown: tuple[str, ...] | None
    cluster: str
    tokenizer: str | None
    score: float
    scored: float | None
    failures: int


@dataclass(frozen=True)
class ComparedRun:
    """A run, as far as a comparison needs it.

    Attributes:
        path: Its folder.
        label: Name of the scores that were read, as in ``results.LABEL.json``; None for the run's own.
        settings: What it asked, and of whom: ``settings`` of its ``config.json``.
        sessions: The sessions of its ``env.json``.
        results: Its table.
        samples: The samples of each task in the table, by id.
    """

    path: Path
    label: str | None
    settings: dict[str, Any]
    sessions: tuple[dict[str, Any], ...]
    results: Results
    samples: dict[str, dict[str, ComparedSample]]


def read_compared(path: Path, variant: str | None = None) -> ComparedRun:
    """Read a run's scores and samples; nothing is locked or written.

    Args:
        path: The run's folder.
        variant: Which scores; see `golong_eval.harness.run_table.read_table`.

    Raises:
        UnknownNameError: There is no such variant.
        DataError: The folder holds no run, one without these results, or a damaged one.
    """
    config, results = read_table(path, variant)
    settings = config["settings"]
    values: dict[str, dict[str, list[float | None]]] = {}
    for row in results.tasks:
        file = path / scores_file(row.task, MetricSpec.model_validate(row.metric))
        if not file.is_file():
            raise DataError("the scores behind the table are missing", f"golong score {path}", file=file)
        by_sample = values[row.task] = {}
        for score in AppendLog.read(file, StoredScore):
            by_sample.setdefault(score.sample_id, []).append(score.result.value)
    return ComparedRun(
        path=path,
        label=label_of(path, variant),
        settings=settings,
        sessions=tuple(read_environment(path).get("sessions", ())),
        results=results,
        samples=_read_samples(path, values, settings),
    )


def content_hash(sample: Sample) -> bytes:
    """Return a hash over what a sample asks and what its answer is scored by; 16 bytes.

    Task, language, question, gold, labels to choose from, and each document's id, title and text. Where a text lies,
    and notes such as difficulty or evidence, do not count.
    """
    parts = [
        sample.task,
        sample.metadata.language,
        sample.question,
        sample.gold.model_dump_json(),
        sample.metadata.candidates,
        [
            (document.id, document.title.strip(), document.sha256 or sha256_text(document.read()))
            for document in sample.documents
        ],
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()


def _read_samples(
    path: Path, values: dict[str, dict[str, list[float | None]]], settings: dict[str, Any]
) -> dict[str, dict[str, ComparedSample]]:
    evidence = settings.get("context") == "evidence"
    file = path / "samples.jsonl"
    samples: dict[str, dict[str, ComparedSample]] = {task: {} for task in values}
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                sample = _parse(line, file, number)
                if sample.task not in samples:
                    continue
                repeats = repeats_of(settings, sample.task)
                scored = [value for value in values[sample.task].get(sample.id, ()) if value is not None]
                total = math.fsum(scored)
                samples[sample.task][sample.id] = ComparedSample(
                    content=content_hash(sample),
                    shown=tuple(sorted({place.document for place in sample.metadata.evidence})) if evidence else None,
                    cluster=sys.intern(cluster_of(sample)),  # many share one
                    tokenizer=sample.metadata.tokenizer,
                    score=min(1.0, total / repeats),
                    scored=min(1.0, total / len(scored)) if scored else None,
                    failures=repeats - len(scored),
                )
    except OSError as error:
        raise DataError(f"cannot read the samples ({error.strerror})", "name a whole run's folder", file=file) from None
    return samples


def _parse(line: bytes, file: Path, number: int) -> Sample:
    """Return a line's sample; its documents are located on the disk only where a text has no hash.

    Raises:
        DataError: The line is no sample.
    """
    try:
        sample = Sample.model_validate_json(line)
    except ValidationError:
        return parse_sample(line, file, number)  # which says what is wrong
    if any(document.path is not None and document.sha256 is None for document in sample.documents):
        return parse_sample(line, file, number)
    return sample
