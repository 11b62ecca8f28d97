"""verl's own reward managers, fed by verl's own data set from our file, give our own reward's numbers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("verl", reason="needs verl")
import pyarrow.parquet
import torch
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo.reward import load_reward_manager
from verl.trainer.ppo.v1 import trainer_base
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn

from golong_eval.adapters.verl import FLAGS, compute_score
from golong_eval.rewards import score
from golong_eval.tasks import load_catalogue

from ..released_material import ROWS
from .conftest import REWARD

pytestmark = pytest.mark.verl

MANAGERS = ["naive", "dapo", "gdpo"]


def as_rollout(tokenizer: Any, columns: dict[str, Any], answer: str) -> DataProto:
    """A row of the data set with a response, as verl's agent loop hands it to a reward manager."""
    response = torch.tensor([*tokenizer.encode(answer, add_special_tokens=False), tokenizer.eos_token_id])
    prompt = torch.tensor([1, 2, 3])
    ids = torch.cat([prompt, response])
    batch = TensorDict(
        {
            "prompts": prompt[None],
            "responses": response[None],
            "attention_mask": torch.ones_like(ids)[None],
            "input_ids": ids[None],
        },
        batch_size=1,
    )
    return DataProto(batch=batch, non_tensor_batch={name: _alone(value) for name, value in columns.items()})


def _alone(value: Any) -> Any:
    array = np.empty(1, dtype=object)
    array[0] = value
    return array


def run(manager: Any, data: DataProto) -> dict[str, Any]:
    found: dict[str, Any] = manager.loop.run_until_complete(manager.run_single(data))
    return found


@pytest.mark.parametrize("name", MANAGERS)
def test_the_rows_that_we_write_are_scored_as_ours_in_every_manager(
    name: str, settings: Callable[..., Any], tokenizer: Any, rows_file: Path
) -> None:
    config = settings(*REWARD, f"reward.reward_manager.name={name}", "data.max_prompt_length=100000")
    manager = load_reward_manager(config, tokenizer)
    dataset = RLHFDataset(data_files=[str(rows_file)], tokenizer=tokenizer, config=config.data)
    catalogue = load_catalogue()
    examples = [(f"t{n}", e) for n in range(1, 10) for e in catalogue.examples(f"t{n}")]
    assert len(dataset) == len(examples)
    for (task, example), columns in zip(examples, (dataset[i] for i in range(len(dataset))), strict=True):
        assert columns["raw_prompt"] == catalogue.get(task).prompt(example.sample).messages
        for answer in (example.right[0], example.wrong[0]):
            decoded = tokenizer.decode(tokenizer.encode(answer, add_special_tokens=False))
            meta = example.sample.metadata
            own = score(
                catalogue.get(task).metric,
                decoded,
                example.sample.gold,
                language=meta.language,
                question=example.sample.question,
                candidates=meta.candidates,
            )
            found = run(manager, as_rollout(tokenizer, columns, answer))
            assert found["reward_score"] == own.value, (task, decoded)
            assert found["reward_extra_info"] == {"score": own.value, "acc": own.value} | {
                flag: float(own.status == flag) for flag in FLAGS
            }


@pytest.mark.parametrize("name", MANAGERS)
def test_released_rows_are_scored_by_their_metrics(name: str, settings: Callable[..., Any], tokenizer: Any) -> None:
    manager = load_reward_manager(settings(*REWARD, f"reward.reward_manager.name={name}"), tokenizer)
    for row in ROWS:
        columns = {
            "data_source": row.source,
            "ability": row.ability,
            "reward_model": {"style": "rule", "ground_truth": row.truth},
            "extra_info": {"reward_mode": row.mode, "question": None},
        }
        found = [run(manager, as_rollout(tokenizer, columns, answer)) for answer in (row.right, row.other)]
        assert found[0]["reward_score"] == 1.0, row
        assert found[1]["reward_score"] == pytest.approx(row.value, abs=1e-6)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_file_of_released_rows_goes_through_verl_s_data_set(
    kind: str, settings: Callable[..., Any], tokenizer: Any, tmp_path: Path
) -> None:
    """All columns of all kinds of rows in one file: Arrow fills what a row lacks with None."""
    file = tmp_path / f"rows.{kind}"
    rows = [
        {
            "data_source": row.source,
            "prompt": [{"role": "user", "content": "Which?"}],
            "ability": row.ability,
            "reward_model": {"style": "rule", "ground_truth": [row.truth]},
            "extra_info": {"reward_mode": row.mode, "index": number},
        }
        for number, row in enumerate(ROWS)
    ]
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = settings(*REWARD)
    manager = load_reward_manager(config, tokenizer)
    dataset = RLHFDataset(data_files=[str(file)], tokenizer=tokenizer, config=config.data)
    for number, row in enumerate(ROWS):
        found = run(manager, as_rollout(tokenizer, dataset[number], row.other))
        assert found["reward_score"] == pytest.approx(row.value, abs=1e-6), row


def test_arguments_of_the_launch_file_reach_the_reward(settings: Callable[..., Any], tokenizer: Any) -> None:
    columns = {
        "data_source": "EM",
        "reward_model": {"ground_truth": {"golden_label": "7"}},
        "extra_info": {},
    }
    data = as_rollout(tokenizer, columns, "7")
    assert run(load_reward_manager(settings(*REWARD), tokenizer), data)["reward_score"] == 1
    gate = settings(*REWARD, "+reward.custom_reward_function.reward_kwargs.require_think=True")
    found = run(load_reward_manager(gate, tokenizer), data)
    assert (found["reward_score"], found["reward_extra_info"]["unparsed"]) == (0, 1)


def test_a_row_that_can_t_be_read_is_flagged_and_does_not_raise(settings: Callable[..., Any], tokenizer: Any) -> None:
    manager = load_reward_manager(settings(*REWARD), tokenizer)
    columns = {"data_source": "unknown", "reward_model": {"ground_truth": None}, "extra_info": {}}
    found = run(manager, as_rollout(tokenizer, columns, "7"))
    assert found["reward_score"] == 0
    assert (found["reward_extra_info"]["unscored"], found["reward_extra_info"]["row_error"]) == (1, 1)


def test_mathematics_is_scored_in_the_threads_that_managers_use(settings: Callable[..., Any], tokenizer: Any) -> None:
    """math_verify's own limits need the main thread; the published reward pays 0 for everything there."""
    manager = load_reward_manager(settings(*REWARD), tokenizer)
    columns = {
        "data_source": "math_longcot_math_verify",
        "reward_model": {"ground_truth": {"golden_label": r"\frac{x^2-1}{x-1}"}},
        "extra_info": {},
    }
    seen: list[threading.Thread] = []

    def spy(*args: Any, **kwargs: Any) -> dict[str, float]:
        seen.append(threading.current_thread())
        return compute_score(*args, **kwargs)

    manager.compute_score = spy
    assert run(manager, as_rollout(tokenizer, columns, r"\boxed{x+1}"))["reward_score"] == 1
    assert seen
    assert seen[0] is not threading.main_thread()


def test_rows_of_all_tasks_come_in_one_batch(settings: Callable[..., Any], tokenizer: Any, rows_file: Path) -> None:
    config = settings("data.max_prompt_length=100000", "data.filter_overlong_prompts=True")
    dataset = RLHFDataset(data_files=[str(rows_file)], tokenizer=tokenizer, config=config.data)
    assert len(dataset) == sum(len(load_catalogue().examples(f"t{n}")) for n in range(1, 10))
    batch = collate_fn([dataset[i] for i in range(len(dataset))])
    assert {extra["task"] for extra in batch["extra_info"]} == {f"t{number}" for number in range(1, 10)}
    assert all(isinstance(model["ground_truth"], str) for model in batch["reward_model"])


def test_validation_is_logged_by_task() -> None:
    """The method of verl's trainer, over what the reward returned for two answers of each of two tasks."""
    scored = [
        compute_score(f"golong_{task}", answer, truth)
        for task, truth in (("t1", TEXT), ("t3", ITEMS))
        for answer in ("[Answer]\nD1", "[Answer]\nD2")
    ]
    trainer_class = trainer_base.get_trainer_cls("sync")
    metrics = trainer_class.__new__(trainer_class)._val_metrics_update(
        [f"golong_{task}" for task in ("t1", "t1", "t3", "t3")],
        ["a", "b", "c", "d"],
        {key: [one[key] for one in scored] for key in scored[0]},
        [],
    )
    assert metrics["val-core/golong_t1/acc/mean@1"] == pytest.approx(0.5)
    assert metrics["val-core/golong_t3/acc/mean@1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert metrics["val-aux/golong_t3/unparsed/mean@1"] == 0


TEXT = '{"golong": 1, "task": "t1", "metric": "exact_match[strict,v1]", "gold": ["D1"]}'
ITEMS = '{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1", "D2"]}'


@pytest.fixture(autouse=True)
def a_loop() -> Any:
    """Managers take the thread's event loop when they are made."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)
