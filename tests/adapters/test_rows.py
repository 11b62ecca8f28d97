"""A label scores as its sample does, says what is wrong with it, and one bad row costs the others nothing."""

from __future__ import annotations

import json
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from golong_eval.adapters import rows
from golong_eval.adapters.rows import (
    Label,
    decode_label,
    encode_label,
    label_of,
    log_failures,
    score_label,
    score_labels,
    training_rows,
    write_jsonl,
)
from golong_eval.errors import ConfigError, DataError, StorageError, UnknownNameError
from golong_eval.rewards import coerce_gold
from golong_eval.schema import RowGold
from golong_eval.tasks import load_catalogue

from .labelled import BROKEN, NINE, T1, T3, labelled, samples


def test_a_label_scores_as_its_sample_does_in_each_task_alone_and_in_a_batch() -> None:
    material = labelled()
    assert {one.sample.task for one in material} == set(NINE)
    scored = score_labels([one.label for one in material], [one.response for one in material])
    assert [one.value for one in scored] == [one.value for one in material]
    assert [one.task for one in scored] == [one.sample.task for one in material]
    assert any(one.value not in (0.0, 1.0) for one in material)
    for one in material[::7]:
        assert score_label(one.label, one.response).value == one.value


def test_a_label_keeps_the_gold_the_metric_and_all_that_a_scorer_may_read() -> None:
    catalogue = load_catalogue()
    for sample in samples():
        task = catalogue.get(sample.task)
        label = decode_label(label_of(sample, task))
        assert label.spec == task.metric
        assert coerce_gold(task.metric.name, label.gold) == sample.gold
        assert (label.language, label.question) == (sample.metadata.language, sample.question)
        assert label.candidates == sample.metadata.candidates
        request = label.request("an answer")
        assert (request.language, request.question) == (label.language, label.question)
        assert (request.candidates, request.response) == (label.candidates, "an answer")
        assert str(request.metric) == label.metric
        assert decode_label(label_of(sample, task, "official")).spec.variant == "official"


def test_labels_are_the_same_text_each_time_and_survive_a_reader_that_makes_objects_of_them() -> None:
    catalogue = load_catalogue()
    for one in labelled():
        assert label_of(one.sample, catalogue.get(one.sample.task)) == one.label
        read = json.loads(one.label)
        assert decode_label(read) == decode_label(one.label)
        assert decode_label(read | {"candidates": None, "question": None}).question is None
        assert pickle.loads(pickle.dumps(decode_label(one.label))) == decode_label(one.label)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (None, "NoneType"),
        (3.5, "float"),
        ("", "not JSON"),
        ("42", "label"),
        (BROKEN, "needs the key 'gold'"),
        (T3.replace('"golong": 1', '"golong": 2'), "golong"),
        (T3.replace('"task"', '"tsk"'), "did you mean 'task'"),
        (T3.replace("f1[strict,v1]", "f2[strict,v1]"), "did you mean 'f1'"),
        (T3.replace("f1[strict,v1]", "f1[strict"), "is no metric"),
        (T3.replace("f1[strict,v1]", "mrcr[strict,v1]"), "benchmark"),
        (T3.replace('["D1", "D3"]', "[]"), "empty"),
        (T3.replace('["D1", "D3"]', "[1, 2]"), "not a string"),
        ({"golong": 1, "gold": object()}, "no JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_label_that_cannot_be_read_says_why(label: Any, says: str) -> None:
    with pytest.raises(DataError, match=r"label|gold") as caught:
        decode_label(label)
    assert says in str(caught.value)
    (scored,) = score_labels([label], ["[Answer]\nD1"])
    assert (scored.value, scored.result, scored.status) == (None, None, "row_error")
    assert says in str(scored.error)


def test_a_bottomless_label_is_refused_like_any_other() -> None:
    deep: dict[str, Any] = {}
    bottom = deep
    for _ in range(50_000):
        bottom["gold"] = bottom = {}
    (scored,) = score_labels([deep], ["D1"])
    assert scored.status == "row_error"


def test_a_bad_row_costs_the_others_nothing() -> None:
    right = "[Answer]\nD1\nD3"
    scored = score_labels([T3, BROKEN, T3, T3], [right, right, None, "[Answer]\nD1"])
    assert [one.value for one in scored] == [1.0, None, None, pytest.approx(2 / 3)]
    assert [one.status for one in scored] == ["ok", "row_error", "row_error", "ok"]
    assert "NoneType" in str(scored[2].error)


def test_a_metric_without_the_variant_that_is_asked_for_has_no_score() -> None:
    choice = '{"golong": 1, "task": "t2", "metric": "choice[official,v1]", "gold": ["B"]}'
    scored = score_labels([choice, T3], ["The correct answer is (B).", "[Answer]\nD1\nD3"], variant="strict")
    assert [one.value for one in scored] == [None, 1.0]
    assert "official only" in str(scored[0].error)
    with pytest.raises(DataError, match="official only"):
        score_label(choice, "B", variant="strict")
    with pytest.raises(DataError, match="no variant"):
        score_label(T3, "D1", variant="loose")  # type: ignore[arg-type]


def test_a_row_that_breaks_the_batch_has_no_score_and_the_others_have_theirs() -> None:
    # What only an embedder could score: the batch as a whole is refused.
    semantic = '{"golong": 1, "task": "t9", "metric": "rouge_l[strict,v1,semantic=0.5*m]", "gold": ["a text"]}'
    scored = score_labels([T3, semantic, T1], ["[Answer]\nD1\nD3", "a text", "[Answer]\n41"])
    assert [one.value for one in scored] == [1.0, None, 0.0]
    assert scored[1].task == "t9"
    assert "embed" in str(scored[1].error)


def test_an_exception_of_ours_is_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(rows, "score_batch", broken)
    scored = score_labels([T3, T1], ["D1", "42"])
    assert [(one.value, one.error) for one in scored] == [(None, "RuntimeError: a bug")] * 2


def test_variant_gate_and_unfinished_thinking_reach_the_scorer() -> None:
    blank = "D1\n\nD3"
    assert score_label(T3, blank).value == 1.0
    assert score_label(T3, blank, variant="official").value == 0.8
    assert score_label(T3, "[Answer]\nD1\nD3", require_think=True).status == "unparsed"
    (one, other) = score_labels([T3, T3], ["[Answer]\nD1\nD3"] * 2, unfinished=[True, False])
    assert (one.status, one.value, other.value) == ("unparsed", 0.0, 1.0)
    with pytest.raises(ConfigError):
        score_labels([T3], [])
    with pytest.raises(ConfigError):
        score_labels([T3], [""], unfinished=[])
    assert score_labels([], []) == []


def test_threads_get_the_same_scores() -> None:
    material = labelled()[::5]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: score_labels([one.label], [one.response])[0].value, material))
    assert found == [one.value for one in material]


def test_the_row_of_a_benchmark_is_no_label() -> None:
    with pytest.raises(DataError, match="no training row"):
        encode_label("mrcr", "mrcr[strict,v1]", RowGold(row={}))


def test_rows_of_unknown_tasks_and_of_misfitting_golds_are_refused_by_name() -> None:
    sample = samples()[0]
    with pytest.raises(UnknownNameError, match="t99"):
        list(training_rows([sample.model_copy(update={"task": "t99"})]))
    with pytest.raises(DataError, match=sample.id):
        list(training_rows([sample.model_copy(update={"task": "t5"})]))


def test_failures_are_logged_once_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test_failures_are_logged_once_a_kind")
    scored = score_labels([BROKEN, T3, BROKEN], ["D1", "D1", "D1"])
    log_failures(log, scored, "0.0")
    log_failures(log, scored, "0.0")
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "gold" in record.getMessage()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "new" / "rows.jsonl"

    def breaks() -> Any:
        yield {"a": "ä"}
        raise DataError("no more")

    with pytest.raises(DataError):
        write_jsonl(file, breaks())
    with pytest.raises(ConfigError, match="no samples"):
        write_jsonl(file, [])
    assert list(file.parent.iterdir()) == []
    assert write_jsonl(file, [{"a": "ä"}, {"a": "\u2028"}]) == 2
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]] == [
        {"a": "ä"},
        {"a": "\u2028"},
    ]
    with pytest.raises(StorageError):
        write_jsonl(tmp_path / "new" / "rows.jsonl" / "x", [{}])


def test_a_label_is_frozen_and_refuses_unknown_keys() -> None:
    label = decode_label(T3)
    with pytest.raises(ValueError, match="frozen"):
        label.task = "t1"  # type: ignore[misc]
    with pytest.raises(ValueError, match="extra"):
        Label(task="t1", metric="f1[strict,v1]", gold=["a"], more=1)  # type: ignore[call-arg]
