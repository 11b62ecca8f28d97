"""The parquet file for verl holds each sample's prompt and gold, and its rows are scored as the samples are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from golong_eval.adapters.verl import compute_score, write_verl_rows
from golong_eval.errors import ConfigError, DataError, StorageError, UnknownNameError
from golong_eval.rewards import score
from golong_eval.schema import Document, ItemsGold, RowGold, Sample, SampleMetadata
from golong_eval.tasks import load_catalogue

NINE = [f"t{number}" for number in range(1, 10)]


def samples_of_nine() -> list[Sample]:
    catalogue = load_catalogue()
    return [example.sample for task in NINE for example in catalogue.examples(task)]


def a_sample(task: str = "t3") -> Sample:
    return Sample(
        id="s1",
        task=task,
        documents=(Document(id="D1", text="one"), Document(id="D2", text="two")),
        question="Which document says two?",
        gold=ItemsGold(items=("D2",)),
        metadata=SampleMetadata(candidates=2, cluster="c"),
    )


def read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def test_every_sample_is_a_row_that_scores_as_the_sample_does(tmp_path: Path) -> None:
    catalogue, samples = load_catalogue(), samples_of_nine()
    assert write_verl_rows(samples, tmp_path / "rows.parquet") == len(samples)
    rows = read(tmp_path / "rows.parquet")
    answers = {e.sample.id: (*e.right, *e.wrong, "") for task in NINE for e in catalogue.examples(task)}
    for sample, row in zip(samples, rows, strict=True):
        spec = catalogue.get(sample.task)
        assert row["prompt"] == spec.prompt(sample).messages
        assert row["data_source"] == f"golong_{sample.task}"
        assert row["ability"] == spec.capability
        assert row["extra_info"]["task"] == sample.task
        for answer in answers[sample.id]:
            own = score(
                spec.metric,
                answer,
                sample.gold,
                language=sample.metadata.language,
                question=sample.question,
                candidates=sample.metadata.candidates,
            )
            truth = row["reward_model"]["ground_truth"]
            assert compute_score(row["data_source"], answer, truth, row["extra_info"])["score"] == own.value


def test_a_row_is_what_verl_reads(tmp_path: Path) -> None:
    write_verl_rows([a_sample()], tmp_path / "rows.parquet", split="val", variant="official")
    (row,) = read(tmp_path / "rows.parquet")
    assert [message["role"] for message in row["prompt"]] == ["user"]
    assert "Document D2\ntwo" in row["prompt"][0]["content"]
    assert row["reward_model"]["style"] == "rule"
    assert json.loads(row["reward_model"]["ground_truth"]) == {
        "golong": 1,
        "task": "t3",
        "metric": "f1[official,v1]",
        "gold": ["D2"],
        "language": "en",
        "question": "Which document says two?",
        "candidates": 2,
    }
    assert row["extra_info"] == {
        "index": 0,
        "split": "val",
        "task": "t3",
        "sample": "s1",
        "metric": "f1[official,v1]",
        "language": "en",
        "cluster": "c",
    }


def test_more_rows_than_one_write_takes_keep_their_order(tmp_path: Path) -> None:
    many = [a_sample().model_copy(update={"id": f"s{number}"}) for number in range(150)]
    assert write_verl_rows(iter(many), tmp_path / "rows.parquet") == 150
    assert [row["extra_info"]["sample"] for row in read(tmp_path / "rows.parquet")] == [one.id for one in many]
    assert [row["extra_info"]["index"] for row in read(tmp_path / "rows.parquet")] == list(range(150))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    with pytest.raises(UnknownNameError, match="t33"):
        write_verl_rows([a_sample(), a_sample("t33")], path)
    with pytest.raises(DataError, match="benchmark"):
        write_verl_rows([a_sample().model_copy(update={"gold": RowGold(row={})})], path)
    with pytest.raises(ConfigError, match="no samples"):
        write_verl_rows([], path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_can_t_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"rows\.parquet"):
        write_verl_rows([a_sample()], tmp_path / "file" / "rows.parquet")
