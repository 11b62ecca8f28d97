"""One run of the study: reinforcement learning from the supervised start with one estimator and one seed.

    python training/study/run.py --estimator tmn --seed 0

Everything but the estimator is the same in all runs: start, samples, order of prompts, rollouts, steps, optimiser. The
record (`records/ESTIMATOR-SEED.json`) is written as the run ends, whole or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from model import WORK
from rollouts import token_log_probs, write
from samples import MAX_TOKENS, Deck, Item, load_items, score_answers

import golong_eval
from golong_eval.advantages import TaskScale, diagnose, estimate

HERE = Path(__file__).parent
ESTIMATORS = ("grpo", "dr_grpo", "task_norm", "tmn", "tmn_reweight", "tmn_reweight_running")
"""The last is tmn_reweight with a task scale that is averaged over steps."""
RUNNING_DECAY = 0.9


@dataclass(frozen=True)
class Settings:
    """What a run is made with. Runs that are compared differ in the first two alone."""

    estimator: str
    seed: int
    steps: int = 60
    prompts_per_task: int = 2
    group: int = 8
    temperature: float = 1.0
    rate: float = 2e-4
    warm_up: int = 3
    clip_low: float = 0.2
    clip_high: float = 0.28
    gradient_clip: float = 1.0
    chunk: int = 6
    """Prompts whose gradients are computed at once: memory alone."""

    @property
    def name(self) -> str:
        """Name of the run."""
        return f"{self.estimator}-{self.seed}"


def main() -> None:
    """Run, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--estimator", choices=ESTIMATORS, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--prompts-per-task", type=int, default=Settings.prompts_per_task)
    parser.add_argument("--group", type=int, default=Settings.group)
    parser.add_argument("--rate", type=float, default=Settings.rate)
    parser.add_argument("--start", type=Path, default=HERE / "checkpoints" / "supervised")
    parser.add_argument("--folder", type=Path, default=WORK, help="of the samples, and of new checkpoints")
    parser.add_argument("--records", type=Path, default=HERE / "records")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings = Settings(
        given.estimator,
        given.seed,
        steps=given.steps,
        prompts_per_task=given.prompts_per_task,
        group=given.group,
        rate=given.rate,
    )
    record = train(settings, given.start, given.folder)
    write_record(record, given.records / f"{settings.name}.json")
    print(
        f"{settings.name}: {record['before']['mean']:.3f} -> {record['after']['mean']:.3f} in {record['seconds']:.0f} s"
    )


def write_record(record: dict[str, Any], file: Path) -> None:
    """Write a record, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")
    part.replace(file)


def train(settings: Settings, start: Path, folder: Path) -> dict[str, Any]:
    """Carry a run out and return its record; the trained checkpoint goes to ``folder/runs/NAME``."""
    from model import save

    started = time.monotonic()
    tokenizer = transformers.AutoTokenizer.from_pretrained(start)
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    held_out = load_items(folder / "held_out.jsonl", tokenizer)
    learned = load_items(folder / "train.jsonl", tokenizer)
    deck = Deck(learned, settings.seed)
    before = evaluate(model, tokenizer, held_out)
    learner = Learner(model, tokenizer, settings)
    steps = [learner.step(deck.deal(settings.prompts_per_task)) for _ in range(settings.steps)]
    after = evaluate(model, tokenizer, held_out)
    save(model, tokenizer, folder / "runs" / settings.name)
    return {
        "settings": asdict(settings),
        "versions": {
            "golong_eval": golong_eval.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "threads": torch.get_num_threads(),
        "start": fingerprint(start / "model.safetensors"),
        "samples": {"held_out": prompts_fingerprint(held_out), "train": prompts_fingerprint(learned)},
        "seconds": round(time.monotonic() - started, 1),
        "before": before,
        "after": after,
        "steps": steps,
    }


class Learner:
    """The policy and its optimiser."""

    def __init__(self, model: Any, tokenizer: Any, settings: Settings) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.scale = TaskScale(decay=RUNNING_DECAY) if settings.estimator == "tmn_reweight_running" else None
        self.steps = 0

    def step(self, items: list[Item]) -> dict[str, float]:
        """Write answers, score them, and take one optimiser step."""
        began = time.monotonic()
        settings = self.settings
        groups = write(
            self.model,
            [item.prompt for item in items],
            [MAX_TOKENS[item.sample.task] for item in items],
            settings.group,
            end=self.tokenizer.eos_token_id,
            temperature=settings.temperature,
            generator=self.generator,
        )
        asked = [item for item in items for _ in range(settings.group)]
        answers = [self.tokenizer.decode(r.tokens, skip_special_tokens=True) for group in groups for r in group]
        written = time.monotonic()
        rewards = torch.tensor(score_answers(asked, answers), dtype=torch.float64)
        prompt_ids = [item.sample.id for item in asked]
        task_ids = [item.sample.task for item in asked]
        advantages = self.advantages(rewards, prompt_ids, task_ids)
        numbers = diagnose(rewards, advantages, prompt_ids, task_ids).to_dict()
        scored = time.monotonic()
        numbers |= self._update(items, groups, advantages.view(len(items), settings.group).float())
        numbers |= {
            "tokens": float(sum(len(r.tokens) for group in groups for r in group)),
            "cut": sum(r.tokens[-1] != self.tokenizer.eos_token_id for group in groups for r in group) / len(asked),
            "seconds_writing": written - began,
            "seconds_scoring": scored - written,
            "seconds_updating": time.monotonic() - scored,
        }
        return {name: round(value, 5) for name, value in numbers.items()}

    def advantages(self, rewards: torch.Tensor, prompt_ids: list[str], task_ids: list[str]) -> torch.Tensor:
        """Return the advantages by the run's estimator."""
        name = self.settings.estimator
        extra = {} if self.scale is None else {"scale": self.scale}
        found = estimate(name.removesuffix("_running"), rewards, prompt_ids, task_ids, **extra)
        return torch.as_tensor(found)

    def _update(self, items: list[Item], groups: list[Any], advantages: torch.Tensor) -> dict[str, float]:
        """Take one step of the clipped policy gradient, averaged over tokens."""
        settings = self.settings
        self.steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate * min(1.0, self.steps / settings.warm_up)
        self.optimizer.zero_grad()
        total = sum(len(r.tokens) for group in groups for r in group)
        gap = clipped = 0.0
        # Prompts of like length and answers of like length together: less padding.
        order = sorted(range(len(items)), key=lambda place: (max(len(r.tokens) for r in groups[place]), place))
        for at in range(0, len(order), settings.chunk):
            places = order[at : at + settings.chunk]
            tokens = [[r.tokens for r in groups[place]] for place in places]
            log_probs, mask = token_log_probs(
                self.model, [items[place].prompt for place in places], tokens, settings.temperature
            )
            old = torch.zeros_like(log_probs)
            for row, place in enumerate(places):
                for column, rollout in enumerate(groups[place]):
                    old[row, column, : len(rollout.log_probs)] = torch.tensor(rollout.log_probs)
            gain = advantages[places][..., None]
            ratio = (log_probs - old).exp()
            kept = torch.minimum(ratio * gain, ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high) * gain)
            loss = -(kept * mask).sum() / total
            loss.backward()
            gap = max(gap, float(((log_probs.detach() - old).abs() * mask).max()))
            clipped += float((((ratio.detach() - 1).abs() > settings.clip_low) * mask).sum())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.gradient_clip)
        self.optimizer.step()
        return {"gradient_norm": float(norm), "log_prob_gap": gap, "clipped": clipped / total}


def evaluate(model: Any, tokenizer: Any, items: list[Item], show: int = 0) -> dict[str, Any]:
    """Return the greedy answers' rewards, by sample, and their means by task; print so many answers of each task."""
    groups = write(
        model,
        [item.prompt for item in items],
        [MAX_TOKENS[item.sample.task] for item in items],
        1,
        end=tokenizer.eos_token_id,
        temperature=0.0,
    )
    answers = [tokenizer.decode(group[0].tokens, skip_special_tokens=True) for group in groups]
    rewards = score_answers(items, answers)
    shown: dict[str, int] = {}
    for item, answer, reward in zip(items, answers, rewards, strict=True):
        shown[item.sample.task] = shown.get(item.sample.task, 0) + 1
        if shown[item.sample.task] <= show:
            print(item.sample.task, f"{reward:.2f}", repr(answer), "gold", item.sample.gold)
    by_task: dict[str, list[float]] = {}
    for item, reward in zip(items, rewards, strict=True):
        by_task.setdefault(item.sample.task, []).append(0.0 if math.isnan(reward) else reward)
    means = {task: sum(values) / len(values) for task, values in sorted(by_task.items())}
    return {
        "mean": sum(means.values()) / len(means),
        "tasks": {task: round(value, 5) for task, value in means.items()},
        "samples": {
            item.sample.id: {"task": item.sample.task, "cluster": item.cluster, "reward": round(reward, 5)}
            for item, reward in zip(items, rewards, strict=True)
            if not math.isnan(reward)
        },
        "unscored": sum(map(math.isnan, rewards)),
    }


def fingerprint(file: Path) -> str:
    """Return the first digits of a file's SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def prompts_fingerprint(items: list[Item]) -> str:
    """Return the first digits of the SHA-256 over samples' ids and prompts, wherever their file lies."""
    found = hashlib.sha256()
    for item in items:
        found.update(json.dumps([item.sample.id, item.prompt]).encode())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    main()
