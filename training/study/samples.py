"""The samples of the study: held-out ones over `pydoc`, and those that the policy learns from over other documents.

    python training/study/samples.py          # held_out.jsonl and train.jsonl

Both are what `golong tasks build` makes, all nine tasks, at the shortest length at which each of them comes in number.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from contexts import END_OF_PROMPT, START_OF_PROMPT, encode
from model import WORK

from golong_eval.harness.aggregate import cluster_of
from golong_eval.rewards import ScoreRequest, score_batch
from golong_eval.schema import Sample
from golong_eval.tasks import ContextMode, TaskSpec, build_to_file, load_tasks, read_samples

HERE = Path(__file__).parent
LENGTH = "1k"
TASKS = tuple(f"t{number}" for number in range(1, 10))
MAX_TOKENS = {"t1": 24, "t2": 12, "t3": 32, "t4": 16, "t5": 120, "t6": 48, "t7": 32, "t8": 32, "t9": 80}
"""Budget of an answer: what golds of this length need, and a little more."""


class Item(NamedTuple):
    """A sample ready to be asked."""

    sample: Sample
    spec: TaskSpec
    prompt: list[int]
    """Tokens."""

    @property
    def cluster(self) -> str:
        """What it shares with the samples that it is not independent of."""
        return cluster_of(self.sample)[:48]


def main() -> None:
    """Build both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=WORK)
    parser.add_argument("--tokenizer", type=Path, help="default: that of checkpoints/supervised, else of the folder")
    parser.add_argument("--held-out", type=int, default=40, help="samples of each task")
    parser.add_argument("--train", type=int, default=120, help="samples of each task")
    given = parser.parse_args()
    tokenizers = (given.tokenizer, HERE / "checkpoints" / "supervised", given.folder / "tokenizer")
    tokenizer = str(next(folder for folder in tokenizers if folder is not None and folder.exists()))
    for name, documents, count, seed in (
        ("held_out", "pydoc", given.held_out, 0),
        ("train", given.folder / "documents", given.train, 1),
    ):
        report = build_to_file(
            given.folder / f"{name}.jsonl",
            documents=documents,
            length=LENGTH,
            per_task=count,
            seed=seed,
            tokenizer=tokenizer,
            overwrite=True,
        )
        print(name, {task.task: task.made for task in report.tasks}, flush=True)


def load_items(file: Path, tokenizer: Any, context: ContextMode = "full") -> list[Item]:
    """Return the samples of a file with their prompts as tokens."""
    specs = load_tasks()
    return [as_item(sample, specs[sample.task], tokenizer, context) for sample in read_samples(file)]


def as_item(sample: Sample, spec: TaskSpec, tokenizer: Any, context: ContextMode = "full") -> Item:
    """Return a sample with its prompt as tokens, as the chat template has it."""
    return Item(sample, spec, encode(tokenizer, START_OF_PROMPT + spec.prompt(sample, context).text + END_OF_PROMPT))


def score_answers(items: list[Item], answers: list[str]) -> list[float]:
    """Return the reward of each answer by its task's own metric; NaN where the scorer failed."""
    results = score_batch(
        [
            ScoreRequest(
                item.spec.metric,
                answer,
                item.sample.gold,
                language=item.sample.metadata.language,
                question=item.sample.question,
                candidates=item.sample.metadata.candidates,
            )
            for item, answer in zip(items, answers, strict=True)
        ],
        workers=1,
    )
    return [float("nan") if result.value is None else result.value for result in results]


class Deck:
    """Deals samples of each task in turn, every one once before any comes again."""

    def __init__(self, items: list[Item], seed: int) -> None:
        self._random = random.Random(seed)
        self._items: dict[str, list[Item]] = defaultdict(list)
        self._left: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            self._items[item.sample.task].append(item)

    def deal(self, each: int) -> list[Item]:
        """Return so many samples of each task."""
        dealt = []
        for task in sorted(self._items):
            for _ in range(each):
                if not self._left[task]:
                    self._left[task] = self._random.sample(self._items[task], len(self._items[task]))
                dealt.append(self._left[task].pop())
        return dealt


if __name__ == "__main__":
    main()
