"""Build samples of the nine tasks: draw a context, ask each task's question of it, check the length, go on.

The length of a prompt is its tokens as `TaskSpec.prompt` renders it (instructions, documents, question), before any
chat template. All questions over one context share its documents, byte for byte, so that an engine can share their
tokens; T9 edits one of them.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.schema import Sample, SampleMetadata
from golong_eval.tasks.builders import (
    t1_precise_retrieval,
    t2_grounded_reasoning,
    t3_exhaustive_retrieval,
    t4_numerical_reasoning,
    t5_table_extraction,
    t6_fragment_matching,
    t7_graded_ranking,
    t8_sequence_ordering,
    t9_summarization,
)
from golong_eval.tasks.builders.context import Context, Drops, evidence
from golong_eval.tasks.builders.corpus import open_corpus
from golong_eval.tasks.builders.draft import Draft, TaskBuilder
from golong_eval.tasks.builders.filling import Filler
from golong_eval.tasks.builders.lengths import length_label
from golong_eval.tasks.builders.prompt_lengths import PromptLengths, Share, shares
from golong_eval.tasks.builders.report import BuildReport, TaskReport
from golong_eval.tasks.builders.tokenizer import Tokenizer
from golong_eval.tasks.spec import TaskSpec

__all__ = ["BUILDERS", "BuildRun", "build_samples"]

BUILDERS: Mapping[str, TaskBuilder] = {
    "t1": t1_precise_retrieval.BUILDER,
    "t2": t2_grounded_reasoning.BUILDER,
    "t3": t3_exhaustive_retrieval.BUILDER,
    "t4": t4_numerical_reasoning.BUILDER,
    "t5": t5_table_extraction.BUILDER,
    "t6": t6_fragment_matching.BUILDER,
    "t7": t7_graded_ranking.BUILDER,
    "t8": t8_sequence_ordering.BUILDER,
    "t9": t9_summarization.BUILDER,
}
"""The builder of each task."""

_SHORT = 2048
_ATTEMPTS = 8
"""Drafts of one task over one context, where the first are too long or were asked before."""


def build_samples(
    documents: str | Path,
    *,
    tasks: Sequence[str],
    length: int,
    per_task: int,
    seed: int,
    tokenizer: Tokenizer,
    specs: Mapping[str, TaskSpec],
    on_progress: Callable[[str], None] | None = None,
) -> BuildRun:
    """Return an iterator of samples over documents, made as they are asked for.

    Args:
        documents: A folder, a file, or the word ``pydoc``.
        tasks: Ids from ``t1`` to ``t9``.
        length: Tokens that the whole prompt may take; it is filled as near as whole paragraphs allow.
        per_task: Samples of each task.
        seed: Same seed (and documents, tokenizer, specs), same bytes.
        tokenizer: Counts the tokens; see `load_tokenizer`.
        specs: The tasks' specs, by id: their prompts are part of the length.
        on_progress: Told in words how far the build is.

    Raises:
        UnknownNameError: A task has no builder, or no spec.
        ConfigError: The length leaves no room for documents, or ``per_task`` is under 1.
        DocumentError: The documents can't be read at all. (That they are too few shows when iterating.)
    """
    for task in tasks:
        if task not in BUILDERS or task not in specs:
            raise UnknownNameError("task with a builder", task, BUILDERS)
    if not tasks or per_task < 1:
        raise ConfigError("nothing to build", "name at least one task, and --per-task 1 or more")
    chosen = {task: specs[task] for task in tasks}
    shared = shares(length, tokenizer, chosen, BUILDERS)
    filler = Filler(open_corpus(documents), tokenizer, seed)
    return BuildRun(filler, shared, length, per_task, chosen, on_progress or (lambda _: None))


class BuildRun(Iterator[Sample]):
    """The samples of a build, and its report. Made by `build_samples`; can be iterated once.

    Contexts are drawn until every task has its samples, or ``4 * per_task + 8`` were drawn (five times as many under
    2,048 tokens): what is missing then is in the report with its reasons.
    """

    def __init__(
        self,
        filler: Filler,
        shares: Sequence[Share],
        length: int,
        per_task: int,
        specs: Mapping[str, TaskSpec],
        on_progress: Callable[[str], None],
    ) -> None:
        self._filler = filler
        self._shares = shares
        self._length = length
        self._per_task = per_task
        self._specs = specs
        self._on_progress = on_progress
        self._made = dict.fromkeys(specs, 0)
        self._tokens = dict.fromkeys(specs, 0)
        self._drops = {task: Drops() for task in specs}
        self._contexts = 0
        self._asked: set[bytes] = set()
        self._samples = self._generate()

    def __next__(self) -> Sample:
        return next(self._samples)

    @property
    def report(self) -> BuildReport:
        """What was done so far."""
        corpus = self._filler.corpus
        return BuildReport(
            documents=corpus.label,
            length=self._length,
            tokenizer=self._filler.tokenizer.name,
            seed=self._filler.seed,
            tasks=tuple(
                TaskReport(
                    task=task,
                    wanted=self._per_task,
                    made=made,
                    dropped=dict(self._drops[task].most_common()),
                    fill=self._tokens[task] / (made * self._length) if made else 0.0,
                )
                for task, made in self._made.items()
            ),
            contexts=self._contexts,
            prompt_tokens=sum(self._tokens.values()),
            documents_read=len(corpus.languages),
            documents_repeated=len(corpus.repeated),
            skipped=dict(sorted(corpus.skipped.items())),
            other_suffixes=dict(corpus.other_suffixes.most_common()),
        )

    def _generate(self) -> Iterator[Sample]:
        rounds = 4 * self._per_task + 8
        if self._length < _SHORT:
            rounds *= 5  # a short context often lacks what a question needs, and costs milliseconds
        for number in range(rounds):
            waiting = [task for task, made in self._made.items() if made < self._per_task]
            if not waiting:
                return
            self._on_progress(
                f"context {number + 1}, {sum(self._made.values())} of {self._per_task * len(self._made)} samples"
            )
            for share in self._shares:
                yield from self._round(number, share, [task for task in share.tasks if task in waiting])

    def _round(self, number: int, share: Share, tasks: list[str]) -> Iterator[Sample]:
        """Ask one question of each task about one context."""
        if not tasks:
            return
        context = self._filler.context(number, share.budgets)
        self._contexts += 1
        lengths = PromptLengths(self._filler.tokenizer)
        for task in tasks:
            sample = self._ask(task, number, context, lengths)
            if sample is not None:
                self._made[task] += 1
                self._tokens[task] += sample.metadata.length or 0
                yield sample

    def _ask(self, task: str, number: int, context: Context, lengths: PromptLengths) -> Sample | None:
        """Return the first draft that is new and short enough."""
        rng = random.Random(f"{self._filler.seed}/{number}/{task}")
        drops = self._drops[task]
        for _ in range(_ATTEMPTS):
            draft = BUILDERS[task].build(context, rng, drops)
            if draft is None:
                return None
            keys = {_digest(task, asked) for asked in (draft.question, draft.key) if asked}
            if keys & self._asked:
                drops["asked before"] += 1
                continue
            sample = self._sample(task, context, draft)
            tokens = lengths.count(self._specs[task].prompt(sample))
            if tokens > self._length:
                drops["prompt longer than the length"] += 1
                continue
            self._asked |= keys
            metadata = sample.metadata.model_copy(update={"length": tokens})
            return sample.model_copy(update={"metadata": metadata})
        return None

    def _sample(self, task: str, context: Context, draft: Draft) -> Sample:
        documents = context.documents if draft.documents is None else draft.documents
        sources = {context.units[place.unit].source for place in draft.places}
        return Sample(
            # The digits of the question keep builds over different documents apart.
            id=f"{task}-{length_label(self._length)}-{self._filler.seed}-{self._made[task]:04d}-"
            f"{_digest(task, draft.question).hex()[:6]}",
            task=task,
            documents=documents,
            question=draft.question,
            gold=draft.gold,
            metadata=SampleMetadata(
                language=context.language,
                evidence=evidence(documents, draft.places),
                candidates=draft.candidates,
                cluster=sources.pop() if len(sources) == 1 else None,
                tokenizer=self._filler.tokenizer.name,
                builder=f"{task}@{BUILDERS[task].version}",
                seed=self._filler.seed,
                edits=draft.edits,
            ),
        )


def _digest(task: str, asked: str) -> bytes:
    return hashlib.sha256(f"{task}\0{asked}".encode()).digest()
