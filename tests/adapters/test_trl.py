"""TRL's reward functions, called as TRL calls them; its trainer itself is in tests/training."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from golong_eval.adapters.trl import TaskReward, completion_text, reward_funcs, trl_rows
from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.schema import Document, ItemsGold, NumberGold, Sample

SAMPLES = [
    Sample(
        id="a",
        task="t3",
        documents=(Document(id="D1", text="red fox"), Document(id="D2", text="blue hen")),
        question="Which documents mention foxes?",
        gold=ItemsGold(items=("D1",)),
    ),
    Sample(
        id="b",
        task="t4",
        documents=(Document(id="D1", text="12 ships"),),
        question="How many?",
        gold=NumberGold(value="12"),
    ),
]


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows as a trainer hands them over: a list a column."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_rows_and_rewards_fit_together() -> None:
    """From samples to rewards, with texts and with conversations, in one call."""
    given = columns(list(trl_rows(SAMPLES)))
    assert given["task"] == ["t3", "t4"]
    assert "red fox" in given["prompt"][0][-1]["content"]
    (reward,) = reward_funcs()
    prompts = given.pop("prompt")
    right = ["[Answer]\nD1", "[Answer]\n12"]
    assert reward(prompts=prompts, completions=right, completion_ids=[[1], [2]], trainer_state=None, **given) == [1, 1]
    chats = [[{"role": "assistant", "content": text}] for text in ("[Answer]\nD2", "[Answer]\n13")]
    assert reward(prompts=prompts, completions=chats, completion_ids=[[1], [2]], **given) == [0, 0]


def test_a_function_for_each_task_gives_none_for_others() -> None:
    given = columns(list(trl_rows(SAMPLES)))
    said = ["[Answer]\nD1", "[Answer]\n12"]
    functions = reward_funcs(["t3", "t4"])
    assert [function.__name__ for function in functions] == ["t3", "t4"]
    assert functions[0](completions=said, **given) == [1.0, None]
    assert functions[1](completions=said, **given) == [None, 1.0]


def test_a_batch_is_scored_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    import golong_eval.adapters.rows as rows

    calls = []
    whole = rows.score_batch
    monkeypatch.setattr(
        rows, "score_batch", lambda requests, **more: calls.append(len(requests)) or whole(requests, **more)
    )
    given = columns(list(trl_rows(SAMPLES)) * 8)
    reward_funcs()[0](completions=["[Answer]\nD1"] * 16, **given)
    assert calls == [16]


def test_the_mean_of_each_task_is_logged() -> None:
    given = columns(list(trl_rows(SAMPLES)) * 2)
    logged: dict[str, float] = {}
    said = ["[Answer]\nD1", "[Answer]\n12", "[Answer]\nD2", "[Answer]\n12"]
    reward_funcs()[0](completions=said, log_metric=logged.__setitem__, log_extra=None, **given)
    assert logged == {"golong/t3/reward": 0.5, "golong/t4/reward": 1.0}


def test_columns_of_metrics_and_golds() -> None:
    """A data set of one's own: names or identities, golds as they are or as JSON texts."""
    (reward,) = reward_funcs(metric="kind", gold="truth")
    kinds = ["f1", "ndcg@gold[strict,v1]", "exact_match", "iou", "math_verify"]
    truths = ['["D1", "D2"]', ["D2", "D1"], "Paris", '{"columns": ["a"], "data": [["1"]]}', 12]
    said = ["D1\nD2", "D2\nD1", "Paris", '{"columns": ["a"], "data": [["1"]]}', r"\boxed{12}"]
    assert reward(completions=said, kind=kinds, truth=truths) == [1.0] * 5
    assert reward(completions=["42 %"], kind=["math_verify"], truth=["0.42"], question=["What percentage?"]) == [1.0]


def test_what_has_no_score_is_none_and_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A damaged label, a completion that is no text: None, said in the log, and the rest is scored."""
    label = next(iter(trl_rows(SAMPLES)))["label"]
    (reward,) = reward_funcs()
    said = ["[Answer]\nD1", "[Answer]\nD1", None, "[Answer]\nD1", []]
    assert reward(completions=said, label=[label, "{", label, label, label]) == [1.0, None, None, 1.0, None]
    assert "has no score" in caplog.text
    assert reward(completions=["D1"], label=[None]) == [None]
    assert reward(completions=[], label=[]) == []


def test_a_missing_column_is_an_error_that_names_the_columns() -> None:
    (reward,) = reward_funcs()
    with pytest.raises(ConfigError, match=r"no column 'label' .*its columns: answer"):
        reward(completions=["x"], answer=["y"])


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("plain", "plain"),
        ([{"role": "assistant", "content": "chat"}], "chat"),
        ([{"role": "assistant", "content": "call"}, {"role": "tool", "content": "x"}, {"content": "last"}], "last"),
        ([{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], "ab"),
        ([{"role": "assistant", "content": None}], None),
    ],
)
def test_completions_of_all_forms(completion: Any, text: Any) -> None:
    assert completion_text(completion) == text


@pytest.mark.parametrize(
    "reward", [*reward_funcs(), *reward_funcs(["t1"]), *reward_funcs(metric="m"), *reward_funcs(variant="official")]
)
def test_functions_can_be_pickled_and_named(reward: TaskReward) -> None:
    again = pickle.loads(pickle.dumps(reward))
    assert again == reward
    assert again.__name__ == reward.__name__


def test_variants_and_the_gate_on_thinking() -> None:
    label = next(iter(trl_rows(SAMPLES, variant="official")))["label"]
    assert json.loads(label)["metric"].startswith("f1[official")
    strict = next(iter(trl_rows(SAMPLES)))["label"]
    (gated,) = reward_funcs(require_think=True)
    said = ["[Answer]\nD1", "<think>x</think>[Answer]\nD1", "<think>a</think><think>b</think>[Answer]\nD1"]
    assert gated(completions=said, label=[strict] * 3) == [0.0, 1.0, 0.0]
    (official,) = reward_funcs(variant="official")
    assert official(completions=["D1\n\nD1x"], label=[strict]) != reward_funcs()[0](
        completions=["D1\n\nD1x"], label=[strict]
    )


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="t33"):
        reward_funcs(["t33"])
    with pytest.raises(ConfigError):
        reward_funcs(["t3"], metric="m")


def test_threads_score_alike() -> None:
    """TRL runs asynchronous functions in a thread of their own, others call from several."""
    given = columns(list(trl_rows(SAMPLES)) * 4)
    (reward,) = reward_funcs()
    said = ["[Answer]\nD1", "[Answer]\n12"] * 4
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(reward(completions=said, **given))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[1.0] * 8] * 4


def math_workers() -> list[int]:
    """The processes that do mathematics for this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"math_worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_a_reward_worker_that_is_killed_costs_no_score() -> None:
    """The process that does the mathematics is replaced, in the middle of a training too."""
    given = columns([list(trl_rows(SAMPLES))[1]] * 4)
    (reward,) = reward_funcs()
    before = reward(completions=[rf"\boxed{{\frac{{24}}{{{n}}}}}" for n in (2, 3, 4, 6)], **given)
    workers = math_workers()
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    after = reward(completions=[rf"\boxed{{\frac{{48}}{{{n}}}}}" for n in (4, 6, 8, 12)], **given)
    assert before == after == [1.0, 0.0, 0.0, 0.0]
    assert not set(workers) & set(math_workers())
