"""The reward for verl gives our own reward's numbers, the same keys for every row, and never raises."""

from __future__ import annotations

import concurrent.futures
import copy
import json
import logging
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.adapters import verl
from golong_eval.adapters.rows import label_of
from golong_eval.adapters.verl import FLAGS, compute_score
from golong_eval.rewards import score
from golong_eval.schema import Variant
from golong_eval.tasks import load_catalogue

from .released_material import ROWS, Released, shapes

KEYS = {"score", "acc", *FLAGS}


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    verl._SAID.clear()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.metric}")
def test_a_released_row_is_scored_by_its_metric_in_every_shape(row: Released) -> None:
    extra = {"reward_mode": row.mode, "ability": None, "question": None}
    for truth in shapes(row.truth):
        right = compute_score(row.source, f"<think>[Answer]\nqq</think>{row.right}", truth, extra)
        assert right == {"score": 1.0, "acc": 1.0} | dict.fromkeys(FLAGS, 0.0)
        other = compute_score(row.source, row.other, truth, extra)
        assert other["score"] == other["acc"] == pytest.approx(row.value, abs=1e-6)
        assert other["unscored"] == 0


@pytest.mark.parametrize("variant", ["strict", "official"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.metric}")
def test_a_released_row_gives_our_own_reward_in_both_variants(row: Released, variant: Variant) -> None:
    name = "choice" if row.source == "selection" and variant == "official" else row.metric
    gold: Any = row.truth["doc_ids"] if row.source == "longbench_pro" else row.truth["golden_label"]
    gold = "B" if row.source == "selection" else gold
    for answer in (row.right, row.other, "", "<think>never closed"):
        own = score(name, answer, gold, variant=variant, language="en" if row.truth["summary"] else None)
        got = compute_score(row.source, answer, row.truth, {"reward_mode": row.mode}, variant=variant)
        assert got["score"] == own.value
        assert (got["unparsed"], got["empty"]) == (own.status == "unparsed", own.status == "empty")


@pytest.mark.parametrize("variant", [None, "strict", "official"])
@pytest.mark.parametrize("task", [f"t{number}" for number in range(1, 10)])
def test_a_row_of_ours_gives_our_own_reward(task: str, variant: Variant | None) -> None:
    catalogue = load_catalogue()
    metric = catalogue.get(task).metric
    for example in catalogue.examples(task):
        sample = example.sample
        truth = label_of(sample, catalogue.get(task))
        for answer in (*example.right, *example.wrong, "", "[Answer]"):
            own = score(
                metric.name,
                answer,
                sample.gold,
                variant=variant or metric.variant,
                language=sample.metadata.language,
                question=sample.question,
                candidates=sample.metadata.candidates,
            )
            assert compute_score(f"golong_{task}", answer, truth, {"x": None}, variant=variant)["score"] == own.value


def test_the_training_gate_wants_one_closed_thinking() -> None:
    truth = {"golden_label": "42"}
    assert compute_score("EM", "[Answer]\n42", truth)["score"] == 1
    assert compute_score("EM", "[Answer]\n42", truth, require_think=True) == compute_score(
        "EM", "<think>42", truth
    )  # unparsed both
    assert compute_score("EM", "a</think>[Answer]\n42", truth, require_think=True)["score"] == 1


def test_the_question_decides_whether_a_percentage_is_asked_for() -> None:
    label = {"golong": 1, "task": "t4", "metric": "math_verify[strict,v1]", "gold": "12"}
    asked = label | {"question": "What percentage?"}
    assert compute_score("x", "[Answer]\n12%", json.dumps(label))["score"] == 0
    assert compute_score("x", "[Answer]\n12%", json.dumps(asked))["score"] == 1
    released = ("math_longcot_math_verify", "[Answer]\n12%", {"golden_label": "12"})
    assert compute_score(*released, {"question": None})["score"] == 0
    assert compute_score(*released, {"question": "What percentage?"})["score"] == 1


HOSTILE = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(
        st.sampled_from(["golden_label", "doc_ids", "summary", "golong", "metric", "gold", "task"]),
        st.one_of(st.none(), st.text(max_size=5), st.integers(), st.lists(st.text(max_size=3), max_size=2)),
    ),
)


@given(
    source=st.one_of(st.none(), st.integers(), st.sampled_from([row.source for row in ROWS]), st.text(max_size=5)),
    answer=st.one_of(st.text(max_size=40), st.none()),
    truth=st.one_of(HOSTILE, HOSTILE.map(lambda value: json.dumps(value, default=str))),
    extra=st.one_of(
        st.none(),
        st.text(max_size=3),
        st.dictionaries(
            st.sampled_from(["reward_mode", "ability", "question"]),
            st.one_of(st.none(), st.integers(), st.text(max_size=5)),
        ),
    ),
)
def test_it_never_raises_changes_nothing_and_always_has_the_same_keys(
    source: Any, answer: Any, truth: Any, extra: Any
) -> None:
    before = copy.deepcopy((truth, extra))
    found = compute_score(source, answer, truth, extra)
    assert set(found) == KEYS
    assert all(type(value) is float and 0 <= value <= 1 for value in found.values())
    assert not (found["unscored"] and found["score"])
    assert repr((truth, extra)) == repr(before)  # NaN is not equal to itself


class Alarm(BaseException):
    """Like math-verify's timeout, which is no Exception."""


@pytest.mark.parametrize("error", [Alarm(), RuntimeError("x"), MemoryError(), RecursionError()])
def test_a_scorer_that_raises_anything_is_no_score(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(verl, "score", fail)
    found = compute_score("EM", "42", {"golden_label": "42"})
    assert found == {"score": 0.0, "acc": 0.0} | dict.fromkeys(FLAGS, 0.0) | {"unscored": 1.0, "scorer_error": 1.0}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_user_s_stop_is_a_stop(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(verl, "score", stop)
    with pytest.raises(error):
        compute_score("EM", "42", {"golden_label": "42"})


def test_a_row_that_can_t_be_read_is_flagged_and_logged_once_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            found = compute_score("nothing_known", "[Answer]\n42", "42")
        compute_score("EM", "42", {"golden_label": None})
    assert (found["score"], found["unscored"], found["row_error"], found["scorer_error"]) == (0.0, 1.0, 1.0, 0.0)
    assert len(caplog.records) == 2
    assert "nothing_known" in caplog.text
    assert "golong_eval.adapters" in caplog.text  # what to type


def test_an_argument_that_does_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        compute_score("EM", "42", {"golden_label": "42"}, require_thinking=True, reward_router_address="a")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the reward takes no argument 'require_thinking'"
    ]


def test_threads_agree_with_one_thread() -> None:
    calls = [
        (row.source, answer, row.truth, {"reward_mode": row.mode})
        for row in ROWS
        for answer in (row.right, row.other)
        for _ in range(4)
    ]
    alone = [compute_score(*call) for call in calls]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda call: compute_score(*call), calls)) == alone


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(compute_score)) is compute_score


def test_language_and_candidates_of_the_label_reach_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.update(kwargs)
        return score(*args, **kwargs)

    monkeypatch.setattr(verl, "score", watched)
    label = {"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1"], "language": "zh", "candidates": 7}
    assert compute_score("x", "[Answer]\nD1", json.dumps(label))["score"] == 1
    assert (seen["language"], seen["candidates"]) == ("zh", 7)


def test_a_result_without_a_value_is_the_scorer_s_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        result = score(*args, **kwargs)
        return result.model_copy(update={"value": None, "status": "scorer_error", "reason": "out of time"})

    monkeypatch.setattr(verl, "score", fail)
    found = compute_score("EM", "[Answer]\n42", {"golden_label": "42"})
    assert found == {"score": 0.0, "acc": 0.0} | dict.fromkeys(FLAGS, 0.0) | {"unscored": 1.0, "scorer_error": 1.0}


def test_a_variant_that_there_is_not_is_the_row_s_error() -> None:
    label = '{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1"]}'
    loose: Any = "loose"
    for source, truth in (("x", label), ("EM", {"golden_label": "42"})):
        found = compute_score(source, "[Answer]\nD1", truth, variant=loose)
        assert (found["unscored"], found["row_error"], found["scorer_error"]) == (1.0, 1.0, 0.0)
