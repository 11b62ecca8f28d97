"""Scores without a model: the same again, by other metrics, and for responses that came from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from golong_eval import evaluate
from golong_eval.errors import ConfigError, DataError, GolongError, UnknownNameError
from golong_eval.harness import Results, rescore_run, score_file
from golong_eval.tasks import create_task


@pytest.fixture
def run(tmp_path: Path, samples_file: Path) -> Results:
    return evaluate(
        model=lambda prompt: "<think>hm</think>D1, D2\nD3", tasks=samples_file, output_dir=tmp_path / "runs"
    )


def write(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_the_same_rewards_give_the_same_results(run: Results) -> None:
    before = (Path(run.run) / "results.json").read_bytes()
    assert rescore_run(run.run) == run
    assert (Path(run.run) / "results.json").read_bytes() == before


def test_another_variant_stands_beside_the_first(run: Results) -> None:
    official = rescore_run(run.run, variant="official")
    assert {row.metric for row in official.tasks} == {
        "exact_match[official,v1]",
        "ndcg@gold[official,v1]",
        "pairwise_accuracy[official,v1]",
    }
    folder = Path(run.run)
    assert Results.model_validate_json((folder / "results.json").read_bytes()) == run
    assert Results.model_validate_json((folder / "results.official.json").read_bytes()) == official
    assert {"t7.ndcg.strict@1.jsonl", "t7.ndcg.official@1.jsonl"} <= {
        file.name for file in (folder / "scores").iterdir()
    }


def test_one_task_by_another_metric(run: Results) -> None:
    custom = rescore_run(run.run, metrics={"t7": "ndcg@gold[strict,v1,chance_corrected]"})
    assert custom["t7"].chance == 0.0
    assert custom["t1"] == run["t1"]
    assert (Path(run.run) / "results.custom.json").is_file()


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"variant": "lenient"}, UnknownNameError, "unknown variant 'lenient'"),
        ({"metrics": {"t3": "f1"}}, UnknownNameError, "unknown task of this run 't3'"),
        ({"metrics": {"t7": "ndgc"}}, ConfigError, "did you mean 'ndcg'"),
        ({"metrics": {"t7": "ndcg@gold[strict,v2]"}}, GolongError, "version|v2"),
        ({"metrics": {"t7": "math_verify"}}, GolongError, "gold"),
    ],
)
def test_what_can_t_be_scored_is_told_and_changes_nothing(
    run: Results, values: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = {file.name: file.read_bytes() for file in Path(run.run).rglob("*") if file.is_file()}
    with pytest.raises(error, match=message):
        rescore_run(run.run, **values)
    assert {file.name: file.read_bytes() for file in Path(run.run).rglob("*") if file.is_file()} == before


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no config\.json"):
        rescore_run(tmp_path)


def test_responses_from_elsewhere_score_as_those_of_a_run(run: Results, samples_file: Path, tmp_path: Path) -> None:
    rows = [
        {"id": row["sample_id"], "response": row["text"]}
        for file in (Path(run.run) / "predictions").iterdir()
        for row in map(json.loads, file.read_text().splitlines())
    ]
    scored = score_file(write(tmp_path / "mine.jsonl", rows), samples=samples_file, out=tmp_path / "out.jsonl")
    keep = ("task", "metric", "n", "mean", "low", "high", "chance", "statuses", "data_revision")
    assert [[getattr(row, key) for key in keep] for row in sorted(scored.tasks, key=lambda row: row.task)] == [
        [getattr(row, key) for key in keep] for row in run.tasks
    ]
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["sample_id"] for line in out] == [row["id"] for row in rows]
    # Left out responses are failures, not a smaller denominator.
    fewer = score_file(write(tmp_path / "fewer.jsonl", rows[:-1]), samples=samples_file)
    assert (fewer.failures, sum(row.n for row in fewer.tasks)) == (1, 12)


def test_a_run_s_own_predictions_are_a_file_of_responses(run: Results, samples_file: Path, tmp_path: Path) -> None:
    lines = [file.read_text() for file in (Path(run.run) / "predictions").iterdir()]
    (tmp_path / "mine.jsonl").write_text("".join(lines))
    scored = score_file(tmp_path / "mine.jsonl", samples=samples_file)
    assert {row.task: row.mean for row in scored.tasks} == {row.task: row.mean for row in run.tasks}


def test_repeats_without_a_gap_and_no_more_than_there_are(samples_file: Path, tmp_path: Path) -> None:
    rows = [{"id": "t1-0", "response": "Ada", "repeat": repeat} for repeat in (0, 3_000_000)]
    with pytest.raises(DataError, match="has 2 responses and one of them is repeat 3000000"):
        score_file(write(tmp_path / "rows.jsonl", rows), samples=samples_file)


def test_rows_with_their_own_golds(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"metric": "exact_match", "gold": "Ada", "response": "[Answer]\nAda"},
        {"metric": "exact_match", "gold": "Ada", "response": "[Answer]\nBob"},
        {"metric": "ndcg", "gold": ["D2", "D1"], "response": "D2\nD1"},
        {"metric": "math_verify", "gold": 42, "response": "42", "question": "How many?"},
    ]
    results = score_file(write(tmp_path / "rows.jsonl", rows))
    assert {row.task: (row.n, row.mean) for row in results.tasks} == {
        "exact_match": (2, 0.5),
        "ndcg": (1, 1.0),
        "math_verify": (1, 1.0),
    }
    official = score_file(tmp_path / "rows.jsonl", variant="official")
    assert {row.metric.partition("[")[2] for row in official.tasks} == {"official,v1]"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "t1-0"}, r"rows\.jsonl:2: needs the key 'response'"),
        ({"id": "t1-99", "response": "x"}, r"rows\.jsonl:2: no sample has the id 't1-99'"),
        ({"id": "t1-0", "response": "x"}, r"rows\.jsonl:2: a second response to 't1-0', repeat 0"),
        ({"id": "t1-1", "response": 3}, r"rows\.jsonl:2: response: must be text"),
        ({"id": "t1-1", "respons": "x"}, r"rows\.jsonl:2: unknown key 'respons': did you mean 'response'"),
        ({"id": "t1-1", "response": "x", "metric": "f1", "gold": "D1"}, r"rows\.jsonl:2: has a metric or gold"),
    ],
)
def test_malformed_responses_are_named_by_line(
    tmp_path: Path, samples_file: Path, row: dict[str, Any], message: str
) -> None:
    file = write(tmp_path / "rows.jsonl", [{"id": "t1-0", "response": "Ada"}, row])
    with pytest.raises(DataError, match=message):
        score_file(file, samples=samples_file)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"response": "x"}, "has no metric and gold of its own"),
        ({"response": "x", "metric": "f2", "gold": "D1"}, "unknown metric 'f2'"),
        ({"response": "x", "metric": "iou", "gold": "D1"}, "gold"),
        ({"response": "x", "metric": "f1[official,v1]", "gold": "D1"}, "in one file"),
    ],
)
def test_malformed_rows_are_named_by_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "rows.jsonl", [{"response": "D1", "metric": "f1", "gold": "D1"}, row])
    with pytest.raises(GolongError, match=message) as caught:
        score_file(file)
    assert "rows.jsonl:2" in str(caught.value)


def test_files_that_hold_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        score_file(tmp_path / "nowhere.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ConfigError, match="holds no responses"):
        score_file(tmp_path / "empty.jsonl")


def test_a_task_that_has_changed_since_is_not_what_was_asked(tmp_path: Path) -> None:
    task = create_task("mine", tmp_path)
    first = evaluate(model="gold", engine="scripted", tasks="mine", include=(str(task),), output_dir=tmp_path / "runs")
    text = (task / "task.yaml").read_text()
    (task / "task.yaml").write_text(text.replace("version: 1", "version: 2").replace("{question}", "Now: {question}"))
    again = rescore_run(first.run)
    assert (again["mine"].task_version, again["mine"].prompt_hash) == (1, first["mine"].prompt_hash)


def test_why_a_run_stopped_is_kept(samples_file: Path, tmp_path: Path) -> None:
    values = {"model": "gold", "engine": "scripted", "tasks": samples_file, "output_dir": tmp_path / "runs"}
    first = evaluate(token_limit=1, **values)
    assert rescore_run(first.run, variant="official").stopped == first.stopped is not None
