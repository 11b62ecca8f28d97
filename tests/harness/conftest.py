"""Samples of three tasks over two small documents, and a file of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from golong_eval.schema import (
    Document,
    Evidence,
    OrderGold,
    RankingGold,
    Sample,
    SampleMetadata,
    TextGold,
)
from golong_eval.tasks import SampleWriter


def make_samples(per_task: int) -> list[Sample]:
    samples = []
    for number in range(per_task):
        documents = (
            Document(id="D1", title="Log", text=f"Run {number}. The pump stopped at dawn."),
            Document(id="D2", title="Crew", text=f"Shift {number}. Ada opened the valve."),
        )
        evidence = (Evidence(document="D2", start=0, end=5, depth=0.5),)
        golds = {
            "t1": TextGold(answers=("Ada",)),
            "t7": RankingGold(items=("D1", "D2", "D3")),
            "t8": OrderGold(items=("A", "B", "C", "D")),
        }
        for task, gold in golds.items():
            samples.append(
                Sample(
                    id=f"{task}-{number}",
                    task=task,
                    documents=documents,
                    question="Who opened the valve?",
                    gold=gold,
                    metadata=SampleMetadata(evidence=evidence),
                )
            )
    return samples


@pytest.fixture
def write_samples(tmp_path: Path) -> Callable[[int], Path]:
    def write(per_task: int) -> Path:
        file = tmp_path / "samples.jsonl"
        with SampleWriter(file) as writer:
            for sample in make_samples(per_task):
                writer.write(sample)
        return file

    return write


@pytest.fixture
def samples_file(write_samples: Callable[[int], Path]) -> Path:
    return write_samples(4)
