"""Contexts of the training documents with many questions each, as tokens: what the supervised start learns from.

    python training/study/contexts.py --count 2400

Questions, golds and prompts are those of the real builders and of `TaskSpec.prompt`. One difference: a build asks one
question of a task about a context, here several are, because a context costs more to read than a question.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from model import WORK

from golong_eval.rewards import render_gold
from golong_eval.schema import Sample, SampleMetadata
from golong_eval.tasks import BUILDERS, TaskSpec, load_tasks, load_tokenizer
from golong_eval.tasks.builders.context import Context, Drops
from golong_eval.tasks.builders.corpus import open_corpus
from golong_eval.tasks.builders.draft import Draft
from golong_eval.tasks.builders.filling import Filler
from golong_eval.tasks.builders.prompt_lengths import shares

SHARED = ("t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8")
"""Tasks that ask about the documents as they are; T9 cuts one of them, and has a context of its own."""
END_OF_PROMPT = "<|im_end|>\n<|im_start|>assistant\n"
START_OF_PROMPT = "<|im_start|>user\n"


class Question(NamedTuple):
    """One question about a context: what follows the documents, up to the answer's end."""

    task: str
    tokens: list[int]
    asked: tuple[int, int]
    """Where the question itself stands in the tokens; before and after are instructions, always the same."""
    answer: int
    """Where the answer starts."""
    hints: tuple[tuple[int, int], ...] = ()
    """Places in the tokens, and the number of the document that what stands there is from; 0 where it is from none."""
    blanks: tuple[tuple[int, int], ...] = ()
    """Places of what was left out, and the token that was."""


class Passage(NamedTuple):
    """The opening of a prompt up to the last document, and its questions."""

    tokens: list[int]
    questions: list[Question]


def main() -> None:
    """Write the contexts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=WORK / "documents")
    parser.add_argument("--tokenizer", type=Path, default=WORK / "tokenizer")
    parser.add_argument("--count", type=int, default=2400)
    parser.add_argument("--each", type=int, default=3, help="questions of each task about a context")
    parser.add_argument("--lengths", default="512,512,640,768,1024,1024")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--out", type=Path, default=WORK / "contexts.pt")
    given = parser.parse_args()
    started = time.monotonic()
    found: list[Passage] = []
    lengths = [int(length) for length in given.lengths.split(",")]
    for turn, length in enumerate(lengths):
        made = passages(
            given.documents,
            given.tokenizer,
            length,
            given.count // len(lengths),
            given.each,
            given.seed + length + turn,
        )
        found += made
        counts: dict[str, int] = {}
        for passage in found:
            for question in passage.questions:
                counts[question.task] = counts.get(question.task, 0) + 1
        print(
            f"{length}: {len(found)} contexts, {dict(sorted(counts.items()))}, {time.monotonic() - started:.0f} s",
            flush=True,
        )
    torch.save([(passage.tokens, [tuple(question) for question in passage.questions]) for passage in found], given.out)


def load_passages(file: Path) -> list[Passage]:
    """Return what `main` wrote."""
    return [Passage(tokens, [Question(*each) for each in asked]) for tokens, asked in torch.load(file)]


def passages(
    documents: Path, tokenizer_folder: Path, length: int, count: int, each: int, seed: int
) -> Iterator[Passage]:
    """Yield contexts with their questions as tokens."""
    from transformers import AutoTokenizer

    specs = {name: spec for name, spec in load_tasks().items() if name in BUILDERS}
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    filler = Filler(open_corpus(documents), load_tokenizer(str(tokenizer_folder)), seed)
    budgets = {share.tasks[0]: share.budgets for share in shares(length, filler.tokenizer, specs, BUILDERS)}
    rng = random.Random(seed)
    for number in range(count):
        if length >= 768 and number % 4 == 3:
            task, asked = "t9", ("t9",)
        else:
            task, asked = rng.choice(SHARED), SHARED
        english = {"en": budgets[task]["en"]} if "en" in budgets[task] else None
        if english is None:
            continue
        context = filler.context(number, english)  # type: ignore[arg-type]
        passage = _passage(context, asked, each, specs, tokenizer, random.Random(f"{seed}/{number}"), length)
        if passage is not None:
            yield passage


def _passage(
    context: Context,
    tasks: Sequence[str],
    each: int,
    specs: Mapping[str, TaskSpec],
    tokenizer: Any,
    rng: random.Random,
    length: int,
) -> Passage | None:
    opening: list[int] | None = None
    questions: list[Question] = []
    for task in tasks:
        seen: set[str] = set()
        for _ in range(1 if task == "t9" else each):
            draft = BUILDERS[task].build(context, rng, Drops())
            if draft is None:
                break
            if draft.question in seen:
                continue
            seen.add(draft.question)
            sample = as_sample(task, context, draft)
            prompt = specs[task].prompt(sample)
            if opening is None:
                opening = encode(tokenizer, START_OF_PROMPT + prompt.before + prompt.documents)
            question = as_question(sample, specs[task], tokenizer)
            if len(opening) + len(question.tokens) <= length + 160:
                questions.append(question)
    return Passage(opening, questions) if opening and questions else None


def as_sample(task: str, context: Context, draft: Draft) -> Sample:
    """Return a draft as a sample, as a build makes it."""
    return Sample(
        id=f"{task}-{hashlib.sha256(draft.question.encode()).hexdigest()[:12]}",
        task=task,
        documents=context.documents if draft.documents is None else draft.documents,
        question=draft.question,
        gold=draft.gold,
        metadata=SampleMetadata(language=context.language, candidates=draft.candidates),
    )


def as_question(sample: Sample, spec: TaskSpec, tokenizer: Any) -> Question:
    """Return the tokens after the documents: instructions, question, answer."""
    after = spec.prompt(sample).after
    at = after.index(sample.question)
    # How a word is written in tokens depends on the sign before it: so the whole is encoded, and places are counted.
    first = len(encode(tokenizer, after[:at]))
    last = len(encode(tokenizer, after[: at + len(sample.question)]))
    tokens = encode(tokenizer, after + END_OF_PROMPT)
    answer = [*encode(tokenizer, render_gold(sample.gold, spec.metric)), tokenizer.eos_token_id]
    return Question(sample.task, tokens + answer, (first, last), len(tokens))


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a text."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


if __name__ == "__main__":
    main()
