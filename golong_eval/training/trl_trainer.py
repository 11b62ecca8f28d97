"""TRL's GRPO trainer with any of our advantage estimators, right under several processes.

    from golong_eval.training import TMNGRPOConfig, TMNGRPOTrainer

    TMNGRPOTrainer(
        model="path/to/checkpoint",
        reward_funcs=reward_funcs(),              # golong_eval.adapters.trl
        train_dataset=Dataset.from_list(list(trl_rows(read_samples("train.jsonl")))),
        args=TMNGRPOConfig(advantage_estimator="tmn_reweight", task_scale_decay=0.9),
    ).train()

TRL computes an advantage from a group alone, and none of its settings can express a scale of a task. So two methods
are extended: the rewards, which TRL gathers from all processes, are kept with the tasks of their rows; and once a
batch is generated and scored its advantages are replaced. Each process computes them from the same gathered rows,
which is why the result does not depend on how many there are. Nothing else of TRL's training is touched.
"""

from __future__ import annotations

import copy
import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from trl import GRPOConfig, GRPOTrainer

from golong_eval.advantages import TaskScale, check_parameters, diagnose, estimate
from golong_eval.errors import ConfigError, DataError, StorageError
from golong_eval.training.merging import replace_rows

__all__ = ["TASK_SCALE_FILE", "TMNGRPOConfig", "TMNGRPOTrainer"]

TASK_SCALE_FILE = "task_scale.json"
_EQUAL = 1e-9


@dataclass
class TMNGRPOConfig(GRPOConfig):  # type: ignore[misc]
    """TRL's settings and ours.

    ``scale_rewards`` has no effect on the advantages, which come from the estimator. All other settings are TRL's.

    Args:
        advantage_estimator: Name in `golong_eval.advantages.ESTIMATORS`.
        advantage_parameters: Its parameters, for instance ``{"alpha": 0.8, "gamma": 1.0}``.
        task_column: The column with each row's task.
        task_scale_decay: Decay of the running task scale of `tmn` and `tmn_reweight`; 0 is the batch alone, as
            published.
        max_refills: Dynamic sampling: how often groups of equal rewards, which teach nothing, are replaced by other
            prompts of the same task, generated anew. What is still equal after that stays, with advantage 0. 0: never.
    """

    advantage_estimator: str = field(default="tmn_reweight", metadata={"help": "Advantage estimator by name."})
    advantage_parameters: dict[str, Any] | str | None = field(
        default=None, metadata={"help": "Parameters of the estimator."}
    )
    task_column: str = field(default="task", metadata={"help": "The column with each row's task."})
    task_scale_decay: float = field(default=0.0, metadata={"help": "Decay of the running task scale; 0: none."})
    max_refills: int = field(default=0, metadata={"help": "Rounds that replace groups of equal rewards."})

    def __post_init__(self) -> None:
        super().__post_init__()
        given: Any = self.advantage_parameters
        self.advantage_parameters = json.loads(given) if isinstance(given, str) else dict(given or {})
        check_parameters(self.advantage_estimator, self.advantage_parameters, self.task_scale_decay)
        if self.max_refills < 0:
            raise ConfigError(f"max_refills={self.max_refills}", "give 0 (never) or more")


class TMNGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # trl ships no types
    """`trl.GRPOTrainer` whose advantages come from `golong_eval.advantages`. Arguments are TRL's.

    Logged beside TRL's metrics: ``golong/cv_abs_advantage``, ``golong/TASK/mean_reward`` and all else that
    `golong_eval.advantages.diagnose` says of a batch, ``golong/refilled`` and ``golong/dead`` (groups). The task
    scale goes into every checkpoint as ``task_scale.json`` and is read from the one that training resumes from.

    Raises:
        ConfigError: The configuration is no `TMNGRPOConfig`; refilling is asked for and the rows of a process are
            no whole groups, or the data set is a stream.
        DataError: A training row has no task.
    """

    _logs: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.args, TMNGRPOConfig):
            raise ConfigError(f"args is a {type(self.args).__name__}", "give a TMNGRPOConfig")
        self.task_scale = TaskScale(self.args.task_scale_decay) if self.args.task_scale_decay else None
        self._check_tasks()
        self._scored: tuple[torch.Tensor, list[str]] | None = None
        self._places: dict[str, list[int]] = {}
        if self.args.max_refills:
            self._check_refills()

    def _check_tasks(self) -> None:
        names, column = getattr(self.train_dataset, "column_names", None), self.args.task_column
        if names is None or not hasattr(self.train_dataset, "__getitem__"):
            return  # a stream: its rows are looked at as they come
        if column not in names:
            raise ConfigError(
                f"the training rows have no column {column!r} (their columns: {', '.join(names)})",
                "make them with golong_eval.adapters.trl.trl_rows, or name the column: task_column",
            )
        tasks = list(self.train_dataset[column])
        if None in tasks:
            raise DataError(f"training row {tasks.index(None)} has no task in the column {column!r}", "give it one")

    def _check_refills(self) -> None:
        local = self.args.generation_batch_size // self.accelerator.num_processes
        if local % self.num_generations:
            raise ConfigError(
                f"a process generates {local} rows, which are no whole groups of {self.num_generations}",
                "make per_device_train_batch_size * steps_per_generation a multiple of num_generations",
            )
        if not hasattr(self.train_dataset, "__getitem__"):
            raise ConfigError(
                "max_refills needs a data set that can be indexed", "load the stream, or give max_refills 0"
            )
        for place, task in enumerate(self.train_dataset[self.args.task_column]):
            self._places.setdefault(str(task), []).append(place)

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: Any, completions: Any, completion_ids_list: Any
    ) -> torch.Tensor:
        """Compute TRL's matrix of rewards, gathered from all processes, and keep it with the tasks of its rows."""
        matrix: torch.Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        column = self.args.task_column
        tasks = [row.get(column) for row in inputs]
        if None in tasks:
            raise DataError(
                f"row {tasks.index(None)} of a batch has no task in the column {column!r}",
                "give every row its task: golong_eval.adapters.trl.trl_rows does; or name the column: task_column",
            )
        nothing = torch.isnan(matrix).all(dim=1)
        rewards = (matrix * self.reward_weights.to(matrix.device)).nansum(dim=1)
        rewards[nothing] = torch.nan
        self._scored = (rewards, [str(task) for task in gather_object(tasks)])
        return matrix

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Generate and score as TRL does, replace groups that teach nothing, and compute the advantages."""
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        assert self._scored is not None
        rewards, tasks = self._scored
        training = self.model.training
        mode, size = ("train", self.num_generations) if training else ("eval", self.num_generations_eval)
        local = len(inputs)
        metrics = self._metrics[mode]
        replaced: set[int] = set()
        if training and self.args.max_refills:
            rewards, replaced = self._refill(batch, rewards, tasks, local)
            metrics["golong/refilled"].append(float(len(replaced) // size))
            metrics["golong/dead"].append(float(_dead(rewards, size).sum()))
        groups = torch.arange(len(rewards), device=rewards.device) // size
        parameters = dict(self.args.advantage_parameters)
        if training and self.task_scale is not None:
            parameters["scale"] = self.task_scale
        advantages = estimate(self.args.advantage_estimator, rewards, groups, tasks, **parameters)
        start = self.accelerator.process_index * local
        batch["advantages"] = advantages[start : start + local].to(batch["advantages"])
        for name, value in diagnose(rewards, advantages, groups, tasks).to_dict("golong/").items():
            metrics[name].append(value)
        shown = self._logs["advantages"]  # TRL's own stand there, in its table of completions
        for _ in range(min(len(advantages), len(shown))):
            shown.pop()
        # The table has what was generated first: a row that was replaced has no advantage.
        shown.extend(math.nan if row in replaced else value for row, value in enumerate(advantages.tolist()))
        return batch

    def _refill(
        self, batch: dict[str, Any], rewards: torch.Tensor, tasks: list[str], local: int
    ) -> tuple[torch.Tensor, set[int]]:
        """Replace groups of equal rewards, in place; return the rewards of all processes, and which rows are new.

        Each process replaces its own groups. All generate as many as the one with most of them: what is gathered must
        be of one size. The prompts are drawn from a seed, the step and the round, so a resumed training draws the same.
        """
        size, count = self.num_generations, self.accelerator.num_processes
        own = self.accelerator.process_index
        replaced: set[int] = set()
        logged = copy.deepcopy(self._logs)
        for attempt in range(self.args.max_refills):
            dead = _dead(rewards, size).view(count, -1)  # every process knows all of them
            wanted = int(dead.sum(dim=1).max())
            if not wanted:
                break
            places = [
                self._draw(tasks, row.nonzero()[:, 0] + process * (local // size), wanted, (attempt, process))
                for process, row in enumerate(dead)
            ]
            rows = [dict(self.train_dataset[place]) for place in places[own]]
            lengths = {name: len(values) for name, values in self._metrics["train"].items()}
            fresh = super()._generate_and_score_completions([dict(row) for row in rows for _ in range(size)])
            for name, values in self._metrics["train"].items():
                del values[max(lengths.get(name, 0), name == "num_tokens") :]  # TRL would average rounds as if equal
            assert self._scored is not None
            scored = self._scored[0]
            alive = ~_dead(scored, size).view(count, wanted)
            steps = torch.arange(size, device=rewards.device)
            to_rows, from_rows = [steps[:0]], [steps[:0]]
            # The n-th dead group of a process gets its n-th fresh one, if that one teaches something.
            for process in range(count):
                for number, group in enumerate(dead[process].nonzero()[:, 0].tolist()):
                    if alive[process, number]:
                        to = process * local + group * size
                        rewards[to : to + size] = scored[(process * wanted + number) * size :][:size]
                        replaced.update(range(to, to + size))
                        if process == own:
                            to_rows.append(group * size + steps)
                            from_rows.append(number * size + steps)
            replace_rows(batch, fresh, torch.cat(to_rows), torch.cat(from_rows), self._tokenizer.pad_token_id)
        self._logs = logged
        if replaced and "num_items_in_batch" in batch:
            written = (
                batch["completion_mask"] * batch["tool_mask"] if "tool_mask" in batch else batch["completion_mask"]
            )
            batch["num_items_in_batch"] = self.accelerator.gather(written.sum()).sum()
        return rewards, replaced

    def _draw(self, tasks: list[str], groups: torch.Tensor, wanted: int, key: tuple[int, int]) -> list[int]:
        """Return places of prompts: for each dead group one of its task, and any more that are wanted of any task."""
        rng = random.Random(
            f"{self.args.seed}/{self.state.global_step}/{self._step % self.args.gradient_accumulation_steps}/{key}"
        )
        own = [tasks[int(group) * self.num_generations] for group in groups]
        every = sorted(self._places)
        return [rng.choice(self._places[task]) for task in own + [rng.choice(every) for _ in range(wanted - len(own))]]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save the task scale first: transformers writes ``trainer_state.json`` last, so where that is, all is."""
        folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
        try:
            if self.task_scale is not None and self.args.should_save:
                folder.mkdir(parents=True, exist_ok=True)
                state = json.dumps(self.task_scale.state_dict())
                (folder / TASK_SCALE_FILE).write_text(state + "\n", encoding="utf-8")
            super()._save_checkpoint(model, trial)
        except Exception as error:  # a full disk is an OSError, a RuntimeError or one of safetensors' own
            raise StorageError(
                f"cannot write the checkpoint {folder} ({' '.join(str(error).split())[:200]})",
                "checkpoints before it are whole: free some space, and resume from the last one",
            ) from error

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if self.task_scale is None or checkpoint is None:
            return
        file = Path(checkpoint) / TASK_SCALE_FILE
        if not file.is_file():
            raise DataError(
                f"{checkpoint} has no {TASK_SCALE_FILE}: it was trained without a running scale",
                "resume with task_scale_decay 0, or start a new training",
            )
        self.task_scale.load_state_dict(json.loads(file.read_text(encoding="utf-8")))


def _dead(rewards: torch.Tensor, size: int) -> torch.Tensor:
    """Tell which groups teach nothing: all scored rewards equal, or fewer than two of them."""
    grouped = rewards.view(-1, size)
    high = torch.nan_to_num(grouped, nan=-math.inf).max(dim=1).values
    low = torch.nan_to_num(grouped, nan=math.inf).min(dim=1).values
    return high - low <= _EQUAL
