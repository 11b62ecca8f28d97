"""TRL's trainer with our advantages: two processes give what one gives, groups are refilled, the scale is kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="trl is not installed: make test-train")
pytestmark = pytest.mark.train

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from trl import GRPOConfig  # noqa: E402

from golong_eval.adapters.trl import reward_funcs  # noqa: E402
from golong_eval.advantages import tmn_reweight  # noqa: E402
from golong_eval.errors import ConfigError, DataError, GolongError  # noqa: E402
from golong_eval.rewards import score  # noqa: E402
from golong_eval.tasks import build_to_file  # noqa: E402
from golong_eval.training import TMNGRPOConfig, TMNGRPOTrainer  # noqa: E402
from golong_eval.training.merging import replace_rows  # noqa: E402

from .processes import CHECKPOINT, GROUP, SAID, rows  # noqa: E402

SCRIPT = Path(__file__).with_name("processes.py")


def train(out: Path, processes: int, rows_a_process: int, refills: int = 0) -> dict[str, Any]:
    """Train in processes of their own; return what was recorded, with the trained weights."""
    out.mkdir()
    launcher = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)] if processes > 1 else []
    )
    done = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(out), str(rows_a_process), str(refills)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "TRL_EXPERIMENTAL_SILENCE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record: dict[str, Any] = json.loads((out / "record.json").read_text())
    return record | {"weights": torch.load(out / "weights.pt", weights_only=True)}


def reward(number: int, place: int) -> tuple[float, str]:
    """What the script's rollout is worth, and its task."""
    task, metric, gold = (("t3", "f1", ["D1"]), ("t7", "ndcg", ["D1", "D2"]))[number // 2 % 2]
    value = score(metric, SAID[number % len(SAID)][place % GROUP], gold).value
    assert value is not None
    return value, task


@pytest.mark.parametrize(("alone", "together"), [(32, 16), (12, 6)], ids=["whole groups", "a group in two processes"])
def test_two_processes_train_as_one(tmp_path: Path, alone: int, together: int) -> None:
    """Same rows, same advantages, same task scale, same weights."""
    one, two = train(tmp_path / "one", 1, alone), train(tmp_path / "two", 2, together)
    assert one["scale"] == two["scale"]
    for first, second in zip(one["seen"], two["seen"], strict=True):
        assert first["advantages"] == second["advantages"]
        assert first["tokens"] == second["tokens"]
    for name, weight in one["weights"].items():
        torch.testing.assert_close(weight, two["weights"][name], atol=2e-5, rtol=1e-4)
    assert one["log"][0]["grad_norm"] > 0  # there was something to learn


def test_the_loss_gets_the_estimators_numbers(tmp_path: Path) -> None:
    """The advantages of a step are those of `tmn_reweight` on the rollouts' rewards; metrics go through TRL's log."""
    record = train(tmp_path / "one", 1, 16)
    step = record["seen"][0]
    scored = [reward(number, place) for place, number in enumerate(step["numbers"])]
    groups = [place // GROUP for place in range(16)]
    want = tmn_reweight([value for value, _ in scored], groups, [task for _, task in scored], alpha=0.5)
    assert step["advantages"] == pytest.approx(want.tolist(), abs=1e-5)
    log = record["log"][0]
    assert log["golong/t3/mean_reward"] == pytest.approx(
        sum(value for value, task in scored if task == "t3") / 8, abs=1e-6
    )
    assert log["golong/t3/reward"] == pytest.approx(log["golong/t3/mean_reward"], abs=1e-6)


@pytest.mark.parametrize("processes", [1, 2])
def test_groups_that_teach_nothing_are_refilled(tmp_path: Path, processes: int) -> None:
    """Half of the prompts get equal rewards; they make room for others of their task, and all of a row moves."""
    record = train(tmp_path / "out", processes, 32 // processes, refills=8)
    for step, log in zip(record["seen"], record["log"], strict=True):
        assert log["golong/refilled"] >= 4
        assert log["golong/dead"] == 0
        assert log["frac_reward_zero_std"] == 0.5  # TRL's: of what was generated first, and no mean over rounds
        if processes == 1:
            local_rewards = [reward(number, place)[0] for place, number in enumerate(step["numbers"])]
            assert log["golong/mean_reward"] == pytest.approx(sum(local_rewards) / 32, abs=1e-6)
            assert log["reward"] != pytest.approx(log["golong/mean_reward"], abs=1e-3)
        for place, (number, said) in enumerate(zip(step["numbers"], step["said"], strict=True)):
            assert said.strip() == SAID[number % 4][place % GROUP]  # a row's prompt and completion belong together
        local = [reward(number, place) for place, number in enumerate(step["numbers"])]
        tasks = [task for _, task in local]
        if processes == 1:
            want = tmn_reweight([v for v, _ in local], [p // GROUP for p in range(32)], tasks, alpha=0.5)
            if step is record["seen"][0]:  # later steps have the running scale
                assert step["advantages"] == pytest.approx(want.tolist(), abs=1e-5)
            assert step["tokens"] == step["own_tokens"]
            assert tasks.count("t3") == tasks.count("t7") == 16  # the mixture is kept
        assert (step["tokens"] > step["own_tokens"]) == (processes == 2)
        assert all(
            value != 0 for value in step["advantages"]
        )  # of both processes: no group is left that teaches nothing
    assert record["seen"][0]["numbers"] != record["seen"][1]["numbers"]


def test_rows_are_replaced_at_any_width() -> None:
    """Prompts are padded on the left, completions on the right; the other rows stay as they are."""
    batch = {
        "prompt_ids": torch.tensor([[9, 1], [2, 3]]),
        "prompt_mask": torch.tensor([[0, 1], [1, 1]]),
        "completion_ids": torch.tensor([[4, 5, 6], [7, 9, 9]]),
        "old_per_token_logps": torch.tensor([[-1.0, -2.0, -3.0], [-4.0, 0.0, 0.0]]),
        "advantages": torch.tensor([1.0, 2.0]),
        "num_items_in_batch": torch.tensor(4),
    }
    fresh = {
        "prompt_ids": torch.tensor([[9, 9, 9], [11, 12, 13]]),
        "prompt_mask": torch.tensor([[0, 0, 0], [1, 1, 1]]),
        "completion_ids": torch.tensor([[0], [14]]),
        "old_per_token_logps": torch.tensor([[0.0], [-5.0]]),
        "advantages": torch.tensor([0.0, 3.0]),
        "num_items_in_batch": torch.tensor(1),
    }
    replace_rows(batch, fresh, torch.tensor([0]), torch.tensor([1]), pad_token=9)
    assert batch["prompt_ids"].tolist() == [[11, 12, 13], [9, 2, 3]]
    assert batch["prompt_mask"].tolist() == [[1, 1, 1], [0, 1, 1]]
    assert batch["completion_ids"].tolist() == [[14, 9, 9], [7, 9, 9]]
    assert batch["old_per_token_logps"].tolist() == [[-5.0, 0.0, 0.0], [-4.0, 0.0, 0.0]]
    assert batch["advantages"].tolist() == [3.0, 2.0]
    assert batch["num_items_in_batch"] == 4


def config(tmp_path: Path, **values: Any) -> TMNGRPOConfig:
    usual = {"max_steps": 2, "num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 4}
    return TMNGRPOConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", disable_tqdm=True, **(usual | values)
    )


def by_length(completions: list[Any], **_: Any) -> list[float]:
    """Rewards that differ, whatever an untrained model says."""
    return [len(completion[-1]["content"]) / 100 for completion in completions]


def test_the_scale_is_kept_with_the_checkpoint(tmp_path: Path) -> None:
    """A training that goes on from a checkpoint has the scale of the one that was never stopped."""
    settings: dict[str, Any] = {"task_scale_decay": 0.5, "save_steps": 1, "max_steps": 2}
    first = TMNGRPOTrainer(CHECKPOINT, by_length, config(tmp_path, **settings), rows())
    first.train()
    assert first.task_scale is not None
    kept = json.loads((tmp_path / "checkpoint-1" / "task_scale.json").read_text())
    assert {task for task, *_ in kept["tasks"]} <= {"t3", "t7"}
    second = TMNGRPOTrainer(CHECKPOINT, by_length, config(tmp_path, **settings), rows())
    loaded: list[Any] = []
    assert second.task_scale is not None
    load = second.task_scale.load_state_dict
    second.task_scale.load_state_dict = lambda state: (loaded.append(state), load(state))  # type: ignore[method-assign]
    second.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert loaded == [kept]
    assert second.state.global_step == 2
    (tmp_path / "checkpoint-1" / "task_scale.json").unlink()
    third = TMNGRPOTrainer(CHECKPOINT, by_length, config(tmp_path, **settings), rows())
    with pytest.raises(DataError, match=r"no task_scale\.json"):
        third.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))


@pytest.mark.parametrize("estimator", ["grpo", "dr_grpo", "task_norm", "batch_norm", "tmn", "tmn_reweight"])
def test_every_estimator_trains(tmp_path: Path, estimator: str) -> None:
    trainer = TMNGRPOTrainer(
        CHECKPOINT, by_length, config(tmp_path, advantage_estimator=estimator, max_steps=1, save_strategy="no"), rows()
    )
    trainer.train()
    assert any("golong/cv_abs_advantage" in entry for entry in trainer.state.log_history)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"advantage_estimator": "tnm"}, "tnm"),
        ({"advantage_parameters": {"alhpa": 0.5}}, "alhpa"),
        ({"advantage_parameters": '{"alpha": 2}'}, "alpha=2"),
        ({"advantage_estimator": "grpo", "task_scale_decay": 0.9}, "no task scale"),
        ({"task_scale_decay": 1.0}, "decay"),
        ({"max_refills": -1}, "max_refills"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, values: dict[str, Any], what: str) -> None:
    with pytest.raises(GolongError, match=what):
        config(tmp_path, **values)


def test_rows_without_a_task_are_refused_before_anything_is_generated(tmp_path: Path) -> None:
    plain = config(tmp_path)
    with pytest.raises(ConfigError, match="no column 'task'"):
        TMNGRPOTrainer(CHECKPOINT, by_length, plain, rows().remove_columns("task"))
    holes = Dataset.from_list([dict(row, task=None if n == 3 else row["task"]) for n, row in enumerate(rows())])
    with pytest.raises(DataError, match="row 3 has no task"):
        TMNGRPOTrainer(CHECKPOINT, by_length, plain, holes)
    with pytest.raises(ConfigError, match="TMNGRPOConfig"):
        TMNGRPOTrainer(CHECKPOINT, by_length, GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False), rows())
    uneven = config(tmp_path, per_device_train_batch_size=6, gradient_accumulation_steps=2, max_refills=1)
    trainer = TMNGRPOTrainer(CHECKPOINT, by_length, uneven, rows())  # twelve rows are three groups of four
    trainer.args.generation_batch_size = 10  # what one of several processes may be left with
    with pytest.raises(ConfigError, match="no whole groups of 4"):
        trainer._check_refills()


def test_tasks_may_be_numbers_and_the_table_shows_what_was_generated_first(tmp_path: Path) -> None:
    """Prompt 0 is dead and stays so; the advantages in TRL's table stand beside their own rows."""
    numbered = rows().map(lambda row: {"task": int(row["task"][1])})

    def by_place(completions: list[Any], task: list[int], **_: Any) -> list[float]:
        return [0.0 if kind == 3 else float(place % 2) for place, kind in enumerate(task)]

    settings = {"max_steps": 1, "save_strategy": "no", "max_refills": 1, "seed": 1, "shuffle_dataset": False}
    trainer = TMNGRPOTrainer(CHECKPOINT, by_place, config(tmp_path, **settings), numbered.select([0, 2]))
    trainer.train()
    rewards, advantages = list(trainer._logs["rewards"]["by_place"]), list(trainer._logs["advantages"])
    assert rewards == [0.0] * 4 + [0.0, 1.0] * 2
    assert advantages[:4] == [0.0] * 4
    assert [value > 0 for value in advantages[4:]] == [False, True] * 2


def test_rewards_of_none_are_left_out(tmp_path: Path) -> None:
    """A row that no function scores has advantage 0 and enters no statistic."""

    def some(completions: list[Any], **_: Any) -> list[float | None]:
        return [None if place % 4 == 0 else float(place % 2) for place in range(len(completions))]

    trainer = TMNGRPOTrainer(CHECKPOINT, some, config(tmp_path, max_steps=1, save_strategy="no"), rows())
    seen = []
    inner = trainer._generate_and_score_completions

    def record(inputs: Any) -> Any:
        seen.append(inner(inputs)["advantages"].tolist())
        return inner(inputs)

    trainer._generate_and_score_completions = record  # type: ignore[method-assign]
    trainer.train()
    (first, *_) = seen
    assert first[0] == first[4] == 0
    assert first[1] > 0 > first[2]


def test_our_rewards_score_a_real_batch(tmp_path: Path) -> None:
    """From labels to the log, with an untrained model: no rewards, but one a row, and one metric a task."""
    trainer = TMNGRPOTrainer(CHECKPOINT, reward_funcs(), config(tmp_path, max_steps=1, save_strategy="no"), rows())
    trainer.train()
    entry = next(entry for entry in trainer.state.log_history if "golong/rows" in entry)
    assert entry["golong/rows"] == 8
    assert entry["golong/unscored"] == 0
    assert any(name.endswith("/reward") and name.startswith("golong/t") for name in entry)


@pytest.mark.parametrize(
    ("page", "found"), [("docs/trl.md", r"```python\n(.*?)```"), ("README.md", r"ten lines:\n\n((?:    [^\n]*\n|\n)+)")]
)
def test_the_script_of_the_guide_trains(page: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the embedded checkpoint and for one short step."""
    monkeypatch.chdir(tmp_path)
    build_to_file(tmp_path / "train.jsonl", tasks=("t1", "t3"), length="512", per_task=2)
    (block,) = re.findall(found, (Path(__file__).parents[2] / page).read_text(), re.DOTALL)
    block = textwrap.dedent(block)
    assert len([line for line in block.splitlines() if line.strip()]) <= 12
    small = "max_steps=1, use_cpu=True, bf16=False, report_to='none', max_completion_length=4, num_generations=2"
    small += ", per_device_train_batch_size=4, save_strategy='no'"
    block = block.replace("path/to/checkpoint", CHECKPOINT).replace("papers.jsonl", "train.jsonl")
    block = block.replace('output_dir="out"', f'output_dir="out", {small}')
    names: dict[str, Any] = {}
    exec(compile(block, page, "exec"), names)
    assert names["trainer"].state.global_step == 1
