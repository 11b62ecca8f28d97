"""slime's reward and its hook: our scores, and advantages by group and task whatever the order of the samples.

slime is not on PyPI: the samples are of a class with the fields that the hooks use. Where a checkout of slime can be
imported, its own class and its own callers are used too.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import math
import pickle
import random
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from golong_eval.adapters import slime as adapter
from golong_eval.adapters.batch_advantages import SETTINGS
from golong_eval.adapters.rows import decode_label
from golong_eval.adapters.slime import post_process, reward, write_slime_rows
from golong_eval.advantages import TaskScale, tmn, tmn_reweight
from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.tasks import load_catalogue

from .labelled import BROKEN, T1, T3, labelled, samples

RIGHT = "[Answer]\nD1\nD3"


@dataclass
class SlimeSample:
    """The fields of slime 0.3.1's ``Sample`` that a reward or the hook may touch."""

    group_index: int | None = None
    index: int | None = None
    prompt: str | list[dict[str, str]] = ""
    tokens: list[int] = field(default_factory=list)
    response: str = ""
    response_length: int = 0
    label: str | None = None
    reward: float | dict[str, Any] | None = None
    loss_mask: list[int] | None = None
    remove_sample: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    rollout_id: int | None = None


def arguments(**changes: Any) -> Any:
    return SimpleNamespace(**{"advantage_estimator": "grpo", "reward_key": None, "eval_reward_key": None} | changes)


def a_sample(group: int, value: float | None, label: str | None = T3, **changes: Any) -> SlimeSample:
    return SlimeSample(group_index=group, reward=value, label=label, **changes)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter._advantages.cache_clear()
    monkeypatch.setattr("golong_eval.adapters.rows._SAID", set())


def test_each_task_is_rewarded_as_its_sample_is_scored_alone_and_as_a_group() -> None:
    material = labelled()

    async def all_of_them() -> tuple[Any, list[Any]]:
        made = [SlimeSample(label=one.label, response=one.response + "<|im_end|>", prompt="p") for one in material]
        as_group = await reward(arguments(), made)
        alone = [await reward(arguments(), sample) for sample in made[::11]]
        assert [sample.metadata["golong"]["task"] for sample in made] == [one.sample.task for one in material]
        return as_group, alone

    as_group, alone = asyncio.run(all_of_them())
    assert as_group == [one.value for one in material]
    assert alone == [one.value for one in material[::11]]
    assert all(type(value) is float for value in as_group)


def test_a_row_without_a_score_is_taken_out_of_the_loss_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    bad = SlimeSample(label=BROKEN, response=RIGHT)
    good = SlimeSample(label=T3, response=RIGHT)
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(reward(arguments(), [bad, good])) == [0.0, 1.0]
    assert (bad.remove_sample, good.remove_sample) == (True, False)
    assert "gold" in bad.metadata["golong"]["error"]
    assert len(caplog.records) == 1
    bad.label = T3  # asked again, with a label that can be read
    assert asyncio.run(reward(arguments(), bad)) == 1.0
    assert bad.remove_sample is False
    removed = SlimeSample(label=T3, response=RIGHT, remove_sample=True)  # by someone else, who knows why
    assert asyncio.run(reward(arguments(), removed)) == 1.0
    assert removed.remove_sample is True


def test_settings_come_from_the_arguments_and_else_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = SlimeSample(label=T3, response="D1\n\nD3")
    assert asyncio.run(reward(arguments(), blank)) == 1.0
    monkeypatch.setenv("GOLONG_VARIANT", "official")
    assert asyncio.run(reward(arguments(), blank)) == 0.8
    assert asyncio.run(reward(arguments(golong_variant="strict"), blank)) == 1.0
    assert asyncio.run(reward(arguments(golong_variant="strict", golong_require_think="true"), blank)) == 0.0
    with pytest.raises(UnknownNameError, match="oficial"):
        asyncio.run(reward(arguments(golong_variant="oficial"), blank))


def test_a_reward_key_makes_a_dict_of_the_reward() -> None:
    sample = SlimeSample(label=T3, response=RIGHT)
    assert asyncio.run(reward(arguments(reward_key="score"), sample)) == {"score": 1.0}
    both = asyncio.run(reward(arguments(reward_key="a", eval_reward_key="b"), [sample]))
    assert both == [{"a": 1.0, "b": 1.0}]


def test_the_thinking_that_the_template_opened_counts() -> None:
    cut = SlimeSample(label=T3, response="D1\nD3", prompt="...<think>\n")
    assert asyncio.run(reward(arguments(), cut)) == 0.0
    assert cut.metadata["golong"]["status"] == "unparsed"


def test_the_event_loop_goes_on_while_samples_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    real = adapter.score_labels
    seen: set[str] = set()

    def slow(*args: Any, **kwargs: Any) -> Any:
        seen.add(threading.current_thread().name)
        time.sleep(0.3)
        return real(*args, **kwargs)

    monkeypatch.setattr(adapter, "score_labels", slow)

    async def four() -> tuple[list[float], int, float]:
        beats = 0

        async def heart() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(heart())
        started = time.monotonic()
        found = await asyncio.gather(*(reward(arguments(), SlimeSample(label=T3, response=RIGHT)) for _ in range(4)))
        took = time.monotonic() - started
        beating.cancel()
        return found, beats, took

    found, beats, took = asyncio.run(four())
    assert found == [1.0] * 4
    assert beats >= 5
    assert took < 1.0  # side by side, not 1.2 s one after another
    assert threading.main_thread().name not in seen


MIXED = [
    *(a_sample(7, value, T3) for value in (1.0, 0.0, 0.5, 0.5)),
    *(a_sample(3, value, T3) for value in (0.6, 0.4)),  # groups differ in size
    *(a_sample(9, value, T1) for value in (0.0, 0.0, 1.0)),
]


@pytest.mark.parametrize("estimator", ["tmn", "tmn_reweight"])
def test_the_advantages_are_those_of_the_estimator_in_any_order(estimator: str) -> None:
    values = [sample.reward for sample in MIXED]
    groups = [sample.group_index for sample in MIXED]
    tasks = ["t3"] * 6 + ["t1"] * 3
    expected = {"tmn": tmn, "tmn_reweight": tmn_reweight}[estimator](values, groups, tasks)
    order = list(range(len(MIXED)))
    for seed in range(5):
        random.Random(seed).shuffle(order)
        raw, found = post_process(arguments(golong_estimator=estimator), [MIXED[row] for row in order])
        assert raw == [values[row] for row in order]
        assert found == pytest.approx([expected[row] for row in order])
        assert all(type(value) is float for value in found)


def test_a_scale_by_hand() -> None:
    # T3: variances 0.5 (1, 0) and 0.02 (0.6, 0.4): sigma = sqrt(0.26). T1 alone: 0.5.
    made = [
        a_sample(0, 1.0),
        a_sample(0, 0.0),
        a_sample(1, 0.6),
        a_sample(1, 0.4),
        a_sample(2, 1.0, T1),
        a_sample(2, 0.0, T1),
    ]
    _, found = post_process(arguments(golong_estimator="tmn"), made)
    assert found == pytest.approx(
        [0.5 / math.sqrt(0.26), -0.5 / math.sqrt(0.26), 0.196116, -0.196116, 0.707107, -0.707107], abs=1e-5
    )


def test_samples_may_come_as_lists_of_groups() -> None:
    flat = post_process(arguments(), MIXED)
    assert post_process(arguments(), [MIXED[:4], MIXED[4:6], MIXED[6:]]) == flat


def test_removed_and_unscored_samples_enter_no_statistic_and_get_zero() -> None:
    rest = [a_sample(0, 1.0), a_sample(0, 0.0), a_sample(1, 0.5), a_sample(1, 0.0)]
    _, expected = post_process(arguments(), rest)
    # The label that could not be read is why one was removed: its group knows the task.
    more = [a_sample(0, 0.0, BROKEN, remove_sample=True), a_sample(1, None), a_sample(1, math.nan)]
    raw, found = post_process(arguments(), [*more[:1], *rest, *more[1:]])
    assert found == pytest.approx([0.0, *expected, 0.0, 0.0])
    assert raw == [0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 0.0]
    whole_group = [a_sample(5, 0.0, BROKEN, remove_sample=True), a_sample(5, 0.0, BROKEN, remove_sample=True)]
    _, found = post_process(arguments(), [*rest, *whole_group])
    assert found == pytest.approx([*expected, 0.0, 0.0])


def test_the_parts_of_one_rollout_count_once_and_share_its_advantage() -> None:
    whole = [a_sample(0, 1.0), a_sample(0, 0.0)]
    _, expected = post_process(arguments(), whole)
    parts = [
        a_sample(0, 0.3, rollout_id=1),
        a_sample(0, 1.0, rollout_id=1),  # the last part's reward is the rollout's
        a_sample(0, 0.0, rollout_id=2),
    ]
    _, found = post_process(arguments(), parts)
    assert found == pytest.approx([expected[0], expected[0], expected[1]])


def test_a_part_that_was_removed_gets_nothing_and_the_others_the_advantage() -> None:
    _, expected = post_process(arguments(), [a_sample(0, 1.0), a_sample(0, 0.0)])
    parts = [
        a_sample(0, 0.3, rollout_id=1, remove_sample=True),
        a_sample(0, 1.0, rollout_id=1),
        a_sample(0, 0.0, rollout_id=2),
    ]
    assert post_process(arguments(), parts)[1] == pytest.approx([0.0, *expected])


def test_rollouts_of_two_groups_may_have_the_same_numbers() -> None:
    values = [(0, 1.0), (0, 0.0), (1, 0.6), (1, 0.4)]
    _, expected = post_process(arguments(), [a_sample(group, value) for group, value in values])
    numbered = [a_sample(group, value, rollout_id=row % 2) for row, (group, value) in enumerate(values)]
    assert post_process(arguments(), numbered)[1] == pytest.approx(expected)


def test_a_response_of_special_tokens_alone_is_empty() -> None:
    sample = SlimeSample(label=T3, response="<|im_end|><pad>")
    assert asyncio.run(reward(arguments(), sample)) == 0.0
    assert sample.metadata["golong"]["status"] == "empty"


def test_the_task_stands_in_the_metadata_where_rows_are_not_ours() -> None:
    made = [a_sample(0, v, None, metadata={"task": "gsm8k"}) for v in (1.0, 0.0)]
    assert post_process(arguments(), made)[1] == pytest.approx([1.0 / math.sqrt(2), -1.0 / math.sqrt(2)], abs=1e-5)
    with pytest.raises(DataError, match="unknown"):
        post_process(arguments(), [a_sample(0, 1.0, None)])


def test_a_running_scale_goes_on_from_rollout_to_rollout_and_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "scale.json"
    settings = arguments(golong_estimator="tmn", golong_decay="0.5", golong_scale_file=str(file))
    scale = TaskScale(0.5)
    steps = [[1.0, 0.0], [0.2, 0.0], [0.9, 0.1]]
    for number, values in enumerate(steps):
        if number == 2:
            adapter._advantages.cache_clear()  # another process
        expected = tmn(values, [0, 0], ["t3", "t3"], scale=scale)
        _, found = post_process(settings, [a_sample(0, value) for value in values])
        assert found == pytest.approx(list(expected))
    assert json.loads(file.read_text())["decay"] == 0.5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"advantage_estimator": "reinforce_plus_plus"}, "makes advantages of its own"),
        ({"normalize_advantages": True}, "undo"),
        ({"golong_estimator": "tmnn"}, "unknown advantage estimator"),
        ({"golong_estimator": "tmn", "golong_alpha": 0.5}, "does nothing"),
        ({"golong_estimator": "grpo", "golong_decay": 0.9}, "no task scale"),
        ({"golong_alpha": 1.5}, "alpha"),
        ({"golong_alpha": "much"}, "number"),
        ({"golong_recenter": "perhaps"}, "true or false"),
        ({"golong_scale_file": "x.json"}, "keeps nothing"),
        ({"golong_singles": "drop"}, "singles"),
        ({"golong_alhpa": 0.5}, "golong_alhpa"),
    ],
)
def test_a_setting_that_is_wrong_or_would_do_nothing_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        post_process(arguments(**changes), MIXED)


def test_samples_without_groups_and_groups_of_two_tasks_are_refused() -> None:
    with pytest.raises(DataError, match="prompt id"):
        post_process(arguments(), [SlimeSample(reward=1.0, label=T3)])
    with pytest.raises(DataError, match="two tasks"):
        post_process(arguments(), [a_sample(0, 1.0, T3), a_sample(0, 0.0, T1)])
    with pytest.raises(ConfigError, match="--reward-key"):
        post_process(arguments(), [SlimeSample(group_index=0, reward={"a": 1.0}, label=T3)])


def test_dicts_of_rewards_are_read_by_their_key() -> None:
    made = [SlimeSample(group_index=0, reward={"a": value, "b": 9.0}, label=T3) for value in (1.0, 0.0)]
    raw, found = post_process(arguments(reward_key="a"), made)
    assert raw == [1.0, 0.0]
    assert found[0] > 0 > found[1]


def test_what_happened_is_logged_by_task(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        post_process(arguments(), MIXED)
    said = json.loads(caplog.messages[-1].partition(": ")[2])
    assert said["golong/t1/mean_reward"] == pytest.approx(1 / 3)
    assert said["golong/prompts"] == 3


def test_rows_have_what_slime_reads(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert write_slime_rows(samples(), file, variant="official") == len(samples())
    catalogue = load_catalogue()
    for line, sample in zip(file.read_text(encoding="utf-8").splitlines(), samples(), strict=True):
        row = json.loads(line)
        assert row["prompt"] == catalogue.get(sample.task).prompt(sample).messages
        assert decode_label(row["label"]).spec.variant == "official"
        assert row["metadata"] == {"task": sample.task, "sample": sample.id, "source_name": f"golong_{sample.task}"}


@pytest.mark.parametrize("function", [reward, post_process])
def test_the_functions_can_be_pickled(function: Any) -> None:
    assert pickle.loads(pickle.dumps(function)) is function


TRAINING = Path(__file__).parents[2] / "training" / "slime"


def test_the_launch_files_name_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_FILE", "t.jsonl")
    done = subprocess.run(
        ["bash", "-c", f'set -euo pipefail; source {TRAINING}/golong_args.sh; printf "%s\\n" "${{GOLONG_ARGS[@]}}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    for option, function in (("--custom-rm-path", reward), ("--custom-reward-post-process-path", post_process)):
        module, _, name = words[words.index(option) + 1].rpartition(".")
        assert getattr(importlib.import_module(module), name) is function
    settings = yaml.safe_load(Path(words[words.index("--custom-config-path") + 1]).read_text())
    assert {key.removeprefix("golong_") for key in settings} <= {*SETTINGS, "variant", "require_think"}
    given = arguments(advantage_estimator=words[words.index("--advantage-estimator") + 1], **settings)
    assert post_process(given, MIXED)[1] == post_process(arguments(), MIXED)[1]
    thinking = SlimeSample(label=T3, response=f"<think>hm</think>{RIGHT}")
    assert asyncio.run(reward(given, thinking)) == 1.0


# With a checkout of slime.


@pytest.mark.frameworks
def test_the_callers_of_slime_get_our_rewards_and_its_samples_our_advantages() -> None:
    types = pytest.importorskip("slime.utils.types", reason="needs a checkout of slime in PYTHONPATH")
    hub = pytest.importorskip("slime.rollout.rm_hub", reason="needs a checkout of slime in PYTHONPATH")
    settings = arguments(custom_rm_path="golong_eval.adapters.slime.reward")
    material = labelled()[:40]
    made = [
        types.Sample(group_index=place // 2, index=place, prompt="p", response=one.response, label=one.label)
        for place, one in enumerate(material)
    ]
    alone = [asyncio.run(hub.async_rm(settings, sample)) for sample in made[:5]]
    assert alone == [one.value for one in material[:5]]
    assert asyncio.run(hub.batched_async_rm(settings, made)) == [one.value for one in material]
    for sample, one in zip(made, material, strict=True):
        sample.reward = one.value
        sample.group_index = hash(one.sample.id)
        assert sample.get_reward_value(settings) == one.value
        assert types.Sample.from_dict(sample.to_dict()).metadata == sample.metadata
    raw, found = post_process(settings, made)
    assert raw == [one.value for one in material]
    tasks = [one.sample.task for one in material]
    assert found == pytest.approx(list(tmn_reweight(raw, [sample.group_index for sample in made], tasks)))
