"""The supervised start, shared by all runs of the study: copying, then the nine tasks' questions over real text.

    python training/study/documents.py && python training/study/make_tokenizer.py && python training/study/contexts.py
    python training/study/supervised.py --minutes 90          # again with more minutes goes on where it stopped

In a part of the sequences words are exchanged for others, the same ones everywhere in a prompt and its answers, so that
nothing is left but to read: what the training documents say can't be learned by heart. Answers are learned, and what
questions quote from the documents, which is dense practice in finding the place.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import drills
import torch
from contexts import Passage, load_passages
from copying import FIRST_TOKEN, lessons
from losses import batch_loss
from marks import PARTS
from model import VOCABULARY, WORK, make_model, save
from swapping import Swapper, prepare, swapped
from torch.nn.functional import cross_entropy

KINDS = (("t1", "t3", "t4", "t7"), ("t2", "t5", "t6", "t8"), ("t2", "t6", "t8"))
"""Tasks whose questions share a batch, being of like length."""
ENOUGH = 0.9
"""Share of tokens copied with which a lesson ends."""
RARE = 0.15
"""Share of steps over contexts that have a question of T7 or T9."""
HELD_OUT = 24
"""Last contexts of the file, never learned from: they tell how far it is."""


class Start:
    """The state of the supervised start, as it is saved."""

    def __init__(self, folder: Path, rate: float, seed: int) -> None:
        self.folder = folder
        self.rate = rate
        self.model = make_model(seed)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.parts = torch.nn.ModuleList(torch.nn.Linear(self.model.config.hidden_size, PARTS) for _ in range(2))
        self.parts_optimizer = torch.optim.AdamW(self.parts.parameters(), lr=rate, betas=(0.9, 0.98))
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.stage = 0
        self.step = 0
        self.asked = 0
        """Steps over the tasks' questions."""
        self.seconds = 0.0
        self.file = folder / "state.pt"
        if self.file.exists():
            saved = torch.load(self.file, weights_only=False)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.parts.load_state_dict(
                saved["parts"]
                if "0.weight" in saved["parts"]
                else {f"{n}.{k}": v for k, v in saved["parts"].items() for n in range(2)}
            )
            self.random.setstate(saved["random"])
            self.generator.set_state(saved["generator"])
            self.stage, self.step, self.asked = saved["stage"], saved["step"], saved.get("asked", 0)
            self.seconds = saved["seconds"]

    def save(self) -> None:
        """Write the state, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "parts": self.parts.state_dict(),
                "random": self.random.getstate(),
                "generator": self.generator.get_state(),
                "stage": self.stage,
                "step": self.step,
                "asked": self.asked,
                "seconds": self.seconds,
            },
            part,
        )
        part.replace(self.file)

    def update(self, loss: torch.Tensor, rate: float) -> None:
        """Take one optimiser step."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.parts_optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.parts_optimizer.step()
        self.step += 1


def main() -> None:
    """Train for so many minutes, saving every few."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contexts", type=Path, default=WORK / "contexts.pt")
    parser.add_argument("--tokenizer", type=Path, default=WORK / "tokenizer")
    parser.add_argument("--folder", type=Path, default=WORK / "supervised", help="state and checkpoint")
    parser.add_argument("--minutes", type=float, default=90.0, help="of this sitting")
    parser.add_argument(
        "--cool", type=float, default=0.0, help="let the rate fall to nothing over the last so many minutes"
    )
    parser.add_argument("--grow", type=int, default=2000, help="steps over which contexts and prompts become whole")
    parser.add_argument("--drill", type=float, default=0.5, help="share of steps with drills in the place of questions")
    parser.add_argument("--small", type=float, default=0.5, help="share of drills over a few words of a few documents")
    parser.add_argument("--swap", type=float, default=0.6, help="share of contexts with exchanged words")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--contexts-a-step", type=int, default=3)
    parser.add_argument("--questions", type=int, default=6, help="about each context of a step")
    parser.add_argument("--copying-stages", type=int, default=99, help="lessons of copying before the tasks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    start = Start(given.folder, given.rate, given.seed)
    clock = Clock(start, given.minutes, given.cool)
    log = Log(given.folder / "log.jsonl")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        practise_copying(start, clock, log, given.copying_stages)
        if not clock.over:
            study_tasks(start, clock, log, given)
    except KeyboardInterrupt:
        print("stopped: the state is kept, the same command goes on", flush=True)
    start.save()
    from transformers import AutoTokenizer

    size = save(start.model, AutoTokenizer.from_pretrained(given.tokenizer), given.folder / "checkpoint")
    print(f"{given.folder / 'checkpoint'}: step {start.step}, {size / 2**20:.1f} MiB")


class Clock:
    """Counts the seconds of training over all sittings, saves every few minutes, and says when to stop."""

    def __init__(self, start: Start, minutes: float, cool: float) -> None:
        self._start = start
        self._began = self._saved = self._last = time.monotonic()
        self._limit = 60 * minutes
        self._cool = 60 * cool

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self._began > self._limit

    @property
    def rate(self) -> float:
        """The learning rate now."""
        left = self._limit - (time.monotonic() - self._began)
        share = 1.0 if left > self._cool else max(0.02, left / self._cool)
        return self._start.rate * share

    def tick(self) -> None:
        """Count on, and save from time to time."""
        now = time.monotonic()
        self._start.seconds += now - self._last
        self._last = now
        if now - self._saved > 180:
            self._start.save()
            self._saved = now


class Log:
    """Appends lines of numbers to a file, and shows them."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file

    def __call__(self, **numbers: Any) -> None:
        """Write one line."""
        line = json.dumps(
            {name: round(value, 4) if isinstance(value, float) else value for name, value in numbers.items()}
        )
        with self._file.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


def practise_copying(start: Start, clock: Clock, log: Log, stages: int) -> None:
    """Go through the lessons of `copying`, each until its tokens are copied."""
    course = lessons(VOCABULARY)[:stages]
    right, since = 0.0, 0
    while start.stage < len(course) and not clock.over:
        lesson = course[start.stage]
        tokens, mark = lesson.batch(start.generator)
        states = start.model.model(input_ids=tokens[:, :-1]).last_hidden_state
        wanted = tokens[:, 1:][mark[:, 1:]]
        # Tokens that never come yet are no choice: else all of them would be learned to be alike.
        logits = states[mark[:, 1:]] @ start.model.lm_head.weight[: FIRST_TOKEN + lesson.pool].T
        loss = cross_entropy(logits, wanted)
        start.update(loss, min(1.0, (start.step + 1) / 50) * start.rate)
        right = 0.9 * right + 0.1 * float((logits.argmax(-1) == wanted).float().mean())
        since += 1
        clock.tick()
        if start.step % 50 == 0:
            log(step=start.step, seconds=start.seconds, stage=start.stage, loss=loss.item(), copied=right)
        if right > ENOUGH and since > 40:
            log(step=start.step, seconds=start.seconds, stage=start.stage, copied=right, done=True)
            start.stage += 1
            right, since = 0.0, 0
            start.save()


def study_tasks(start: Start, clock: Clock, log: Log, given: argparse.Namespace) -> None:
    """Learn the tasks' questions."""
    found = sorted(load_passages(given.contexts), key=lambda passage: len(passage.tokens))
    picker = random.Random(0)
    held_out = picker.sample(found, HELD_OUT)
    kept = {id(passage) for passage in held_out}
    learned = [passage for passage in found if id(passage) not in kept]
    swapper = Swapper(given.tokenizer)
    drilled = drills.Drills(swapper.tokenizer)
    learned = [drilled.hinted(passage) for passage in learned]
    rare = [at for at, each in enumerate(learned) if {question.task for question in each.questions} & {"t7", "t9"}]
    sums: dict[str, list[float]] = defaultdict(list)
    while not clock.over:
        # From the shortest quarter of the contexts to all of them, and from bare questions to whole prompts.
        grown = min(1.0, start.asked / given.grow)
        reach = int(len(learned) * (0.25 + 0.75 * grown))
        brief = 0.9 - 0.6 * grown
        # Contexts of like length and questions of like length together: less padding.
        near = start.random.randrange(reach)
        places = [min(max(near + start.random.randint(-30, 30), 0), reach - 1) for _ in range(given.contexts_a_step)]
        if start.random.random() < given.drill:
            kinds = start.random.choice(drills.KINDS)
            batch = []
            for place in places:
                other = learned[start.random.randrange(reach)]
                if start.random.random() < given.small:
                    passage = drilled.make_small([learned[place], other], 12, kinds, start.random)
                else:
                    passage = drilled.make(learned[place], other, 12, kinds, start.random)
                batch.append(swapped(passage, swapper, start.random, given.swap))
            batch = [passage for passage in batch if passage.questions]
            if not batch:
                continue
        else:
            kind = start.random.choice(KINDS)
            if start.random.random() < RARE:
                places = start.random.sample(rare, given.contexts_a_step)
            batch = [
                prepare(learned[place], given.questions, start.random, swapper, brief, given.swap, kind)
                for place in places
            ]
        loss, right = batch_loss(start.model, batch, drilled, start.parts)
        start.update(loss, clock.rate)
        start.asked += 1
        clock.tick()
        sums["loss"].append(loss.item())
        for task, value in right:
            sums[task].append(value)
        if start.step % 50 == 0:
            means = {name: sum(values) / len(values) for name, values in sorted(sums.items())}
            log(step=start.step, seconds=start.seconds, rate=clock.rate, **means)
            sums.clear()
        if start.step % 1000 == 0:
            check(start, held_out, swapper, log)


def check(start: Start, held_out: list[Passage], swapper: Swapper, log: Log) -> None:
    """Log how many held-out answers are right in every token, each token given those before it."""
    picker = random.Random(1)
    sums: dict[str, list[float]] = defaultdict(list)
    with torch.no_grad():
        for passage in held_out:
            _, right = batch_loss(start.model, [prepare(passage, 8, picker, swapper, 0.0, 0.0)])
            for task, value in right:
                sums[task].append(value)
    log(step=start.step, held_out=True, **{task: sum(each) / len(each) for task, each in sorted(sums.items())})


if __name__ == "__main__":
    main()
