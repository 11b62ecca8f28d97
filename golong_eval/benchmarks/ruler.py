"""RULER: needles, variables, words to count and questions, at any length; made here, or read from RULER's own records.

    golong run --model M --tasks ruler --length 4k,8k,16k
    golong run --model M --tasks ruler --data ruler=path/to/4096/data

Eleven of the thirteen tasks are made here (`golong_eval.benchmarks.ruler_generator`). The two with questions, qa_1 and
qa_2, need SQuAD and HotpotQA and are read from RULER's records only.

Source: RULER (arXiv 2404.06654); github.com/NVIDIA/RULER, ``scripts/eval/synthetic/constants.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Row, document
from golong_eval.benchmarks.ruler_generator import drafts
from golong_eval.benchmarks.ruler_values import answers, named_values
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Variant
from golong_eval.tasks import ContextMode
from golong_eval.text import answer_area, clean, fold

__all__ = ["Ruler", "RulerRow"]

Task = Literal[
    "niah_single_1",
    "niah_single_2",
    "niah_single_3",
    "niah_multikey_1",
    "niah_multikey_2",
    "niah_multikey_3",
    "niah_multivalue",
    "niah_multiquery",
    "vt",
    "cwe",
    "fwe",
    "qa_1",
    "qa_2",
]

_CONTROL = re.compile("[\x00-\x1f]")


class RulerRow(Row):
    """A record of RULER's files."""

    index: int
    task: Task
    input: str
    outputs: list[str] = Field(min_length=1)
    length: int = 0
    answer_prefix: str = ""
    question: str = ""
    """The last line of the prompt, with the start of the answer."""
    folder: str = ""
    """The folder that RULER names by the length, where the file stands in one."""


def _split(text: str) -> tuple[str, str]:
    """Return what stands before the last line of a prompt, and that line."""
    head, newline, last = text.rstrip().rpartition("\n")
    return head + newline, last


class Ruler(Benchmark[RulerRow]):
    """Published: the share of the references that the response contains. ``strict``: also how much else it names."""

    id = "ruler"
    name = "RULER"
    capability = "retrieval, tracing and counting in synthetic text"
    source = "arXiv 2404.06654; github.com/NVIDIA/RULER"
    data = DataSource(
        None,
        ("*.jsonl", "*/*.jsonl", "**/data/*/*.jsonl"),
        licence="made here; Python's help topics are under the PSF licence",
    )
    row = RulerRow
    rule = "ruler"
    max_tokens = 128
    size = "11 tasks, as many as asked for"
    lengths = "any, from 1k tokens"
    flaws = (
        "the published rule counts what is found and not what else is said, so listing everything wins; "
        "it reads the thinking too, and finds a reference inside of a longer word"
    )
    macro = "task"
    templates: ClassVar[tuple[str, ...]] = ("{input}{answer_prefix}",)
    apart = ("input",)
    scored_by = ("task", "outputs", "question")
    generates = True

    def prepare(self, fields: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
        """Return a record with its task, which RULER writes into the names of files or folders, and its question."""
        names = [file.name.partition(".")[0], *(parent.name for parent in file.parents)]
        task = next((name for name in names if name in get_args(Task)), None)
        folder = next((name for name in names[1:] if name.isascii() and name.isdigit()), "")
        made = {"folder": folder, **({} if task is None else {"task": task}), **fields}
        text = f"{fields.get('input', '')}{fields.get('answer_prefix') or ''}"
        return {**made, "question": fields.get("question") or _split(text)[1], "folder": str(made["folder"])}

    def sample(self, row: RulerRow, place: str) -> Sample:
        """Return the sample of a record: its last line is the question, all before it the document."""
        head, last = _split(row.input + row.answer_prefix)
        return self.make_sample(
            row,
            "/".join(filter(None, (row.folder, row.task, str(row.index)))),
            question=last,
            answers=row.outputs,
            documents=[document(head)] if head else [],
            groups={"task": row.task},
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the record as it stands, the start of the answer at its end."""
        if context == "evidence":
            raise self.no_evidence()
        text = sample.documents[0].read() if sample.documents and context == "full" else ""
        return Prompt(documents=text, after=sample.question)

    def score(self, answer: Answer, row: RulerRow, variant: Variant) -> Outcome:
        """Score an answer.

        >>> row = Ruler().row_of_columns({"task": "niah_multivalue", "outputs": ["1234567", "7654321"]}, "row 1")
        >>> said = Answer("", "1234567, 7654321, 1111111, 2222222")
        >>> round(Ruler().score(said, row, "strict").value, 3)
        0.667
        >>> said = Answer(said.final, said.final)
        >>> Ruler().score(said, row, "official").value
        1.0
        """
        if variant == "official":
            text = _CONTROL.sub("\n", answer.text).strip().lower()
            found = [reference.lower() in text for reference in row.outputs]
            return Outcome(float(any(found)) if row.task.startswith("qa_") else sum(found) / len(found))
        text = answer_area(answer.final)
        if row.task.startswith("qa_"):
            return Outcome(float(answers(text, row.outputs)), parsed=clean(text[:2000]))
        named = named_values(text, row.task, row.outputs, row.question)
        if not named:
            return no_answer("names nothing of the kind that is asked for")
        golds = {fold(gold) for gold in row.outputs}
        right = len(golds.intersection(named))
        precision, recall = right / len(named), right / len(golds)
        value = 2 * precision * recall / (precision + recall) if right else 0.0
        return Outcome(value, {"precision": precision, "recall": recall}, tuple(named[:50]))

    def gold_answer(self, row: RulerRow) -> str:
        """Return all references; of a question, the first."""
        return row.outputs[0] if row.task.startswith("qa_") else ", ".join(row.outputs)

    def generate(self, length: int, count: int, seed: int, tokens: Callable[[str], int]) -> Iterator[RulerRow]:
        """Yield `count` records of each of the eleven tasks: prompt and answer together have at most `length` tokens.

        Raises:
            ConfigError: A task does not fit into so few tokens.
        """
        for task, index, draft, used in drafts(length, self.max_tokens, count, seed, tokens):
            yield RulerRow.model_validate(
                {
                    "index": index,
                    "task": task,
                    "input": draft.text,
                    "outputs": list(draft.outputs),
                    "length": used + self.max_tokens,
                    "question": draft.question,
                }
            )
