"""BABILong: facts of small worlds, scattered over a long text, and a question that joins them.

    golong data fetch babilong
    golong run --model M --tasks babilong
    golong run --model M --tasks babilong --data babilong=generated --length 4k,8k

The headline is the mean of qa1 to qa5. Files of qa6 to qa10 are read too.

Source: BABILong (arXiv 2406.10149); github.com/booydar/babilong, ``babilong/prompts.py`` and ``babilong/metrics.py``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from golong_eval.benchmarks.babilong_generator import GENERATED_TASKS, Story, story
from golong_eval.benchmarks.babilong_labels import published, strict
from golong_eval.benchmarks.babilong_prompts import ASKED, instructions
from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Row, document
from golong_eval.benchmarks.haystack import fit, hide, prose
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, RowGold, Sample, Variant
from golong_eval.tasks import ContextMode
from golong_eval.text import answer_area

__all__ = ["BABILong", "BABILongRow"]

_OPEN, _CLOSE = "<context>\n", "\n</context>\n"
_OMITTED = "(The text is left out.)"

_TASK = re.compile(r"qa[0-9]{1,2}")
_LENGTH = re.compile(r"[0-9]{1,4}[kM]")


class BABILongRow(Row):
    """A row of ``data/qaN/<length>.json``."""

    input: str
    question: str = Field(pattern=r"\S")
    target: str
    task: Literal["qa1", "qa2", "qa3", "qa4", "qa5", "qa6", "qa7", "qa8", "qa9", "qa10"]
    length_config: str = ""
    number: str = ""


class BABILong(Benchmark[BABILongRow]):
    """Right is what names the target and no other label of its task."""

    id = "babilong"
    name = "BABILong"
    capability = "joining facts that are scattered over a long text"
    source = "arXiv 2406.10149; github.com/booydar/babilong"
    data = DataSource(
        "RMT-team/babilong",
        ("data/qa[1-5]/[0-9]k.json", "data/qa[1-5]/[136][246]k.json", "data/qa[1-5]/128k.json"),
        megabytes=550,
        note="256k and more have files of their own, which are read where --data names them",
    )
    row = BABILongRow
    rule = "babilong"
    max_tokens = 64
    size = "100 of each task and length"
    lengths = "0k-10M tokens"
    binary = True
    flaws = (
        "the published rule reads the first sentence, be it of the thinking, finds labels inside of other words (no in "
        "know, one in none), drops the labels of the question even where they are the answer, and never cuts at the "
        "next question"
    )
    macro = "task"
    templates: ClassVar[tuple[str, ...]] = (*ASKED, _OPEN, _CLOSE, _OMITTED)
    apart = ("input",)
    scored_by = ("task", "question", "target")
    generates = True

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
        """Return a row with its task and length, which stand in the path of its file."""
        names = [re.split(r"[.-]", file.name)[0], *(parent.name for parent in file.parents)]
        task = next(filter(_TASK.fullmatch, names), None)
        length = next(filter(_LENGTH.fullmatch, names), "")
        return {**({} if task is None else {"task": task}), "length_config": length, **fields}

    def sample(self, row: BABILongRow, place: str) -> Sample:
        """Return the sample of a row."""
        number = row.number or re.split(r"[\\/]", place)[-1]
        return self.make_sample(
            row,
            "/".join(filter(None, (row.task, row.length_config, number))),
            question=row.question.strip(),
            answers=[row.target],
            documents=[document(row.input)],
            groups={"task": row.task, **({"length_config": row.length_config} if row.length_config else {})},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return instruction, examples and the form of the answer, then the text in tags, then the question."""
        if context == "evidence":
            raise self.no_evidence()
        assert isinstance(sample.gold, RowGold)
        text = _OMITTED if context == "none" else sample.documents[0].read()
        before = instructions(self.row_of(sample.gold).task) + _OPEN
        return Prompt(before=before, documents=text, after=f"{_CLOSE}Question: {sample.question}")

    def score(self, answer: Answer, row: BABILongRow, variant: Variant) -> Outcome:
        """Score an answer.

        >>> columns = {"task": "qa1", "question": "Where is Mary?", "target": "office"}
        >>> row = BABILong().row_of_columns(columns, "row 1")
        >>> said = Answer("Let me think. Mary is in the office.", "Let me think. Mary is in the office.")
        >>> [BABILong().score(said, row, variant).value for variant in ("official", "strict")]
        [0.0, 1.0]
        """
        if variant == "official":
            right, found = published(answer.text, row.task, row.question, row.target)
        else:
            right, found = strict(answer_area(answer.final), row.task, row.question, row.target)
        if not found and not right:
            return no_answer("names no label of its task")
        return Outcome(float(right), parsed=tuple(found))

    def gold_answer(self, row: BABILongRow) -> str:
        """Return the target."""
        return row.target

    def generate(self, length: int, count: int, seed: int, tokens: Callable[[str], int]) -> Iterator[BABILongRow]:
        """Yield `count` rows of qa1 to qa5: prompt and answer together have at most `length` tokens.

        Raises:
            ConfigError: A story does not fit into so few tokens.
        """
        guess = max(1, length // 20)
        config = f"{length // 1024}k" if length % 1024 == 0 else str(length)
        for task in GENERATED_TASKS:
            for index in range(count):
                name = f"{seed}/{task}/{length}/{index}"
                made = story(task, random.Random(name))

                def build(amount: int, made: Story = made, name: str = name) -> str:
                    return " ".join(hide(made.facts, prose(amount), random.Random(f"{name}/places")))

                def size(text: str, made: Story = made, task: str = task) -> int:
                    return tokens(f"{instructions(task)}{_OPEN}{text}{_CLOSE}Question: {made.question}")

                text, guess = fit(build, size, length - self.max_tokens, guess, f"BABILong's {task}")
                yield BABILongRow.model_validate(
                    {
                        "input": text,
                        "question": made.question,
                        "target": made.target,
                        "task": task,
                        "length_config": config,
                        "number": str(index),
                    }
                )
