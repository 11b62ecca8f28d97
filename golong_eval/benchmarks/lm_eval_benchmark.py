"""What is common to the benchmarks that lm-eval has: its prompts, filters and metrics behind our contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import JsonValue

from golong_eval.benchmarks.base import Answer, Benchmark, Row
from golong_eval.benchmarks.lm_eval_objects import LmEvalTask, hub_rows
from golong_eval.errors import DataError
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Variant
from golong_eval.tasks import ContextMode

__all__ = ["LmEvalBenchmark", "LmEvalRow"]

_LONGEST_TEXT, _LONGEST_ANSWER = 1_000_000, 10_000  # characters; beyond them lm-eval's code takes minutes
_SCORERS: dict[tuple[str, tuple[str, ...]], LmEvalTask] = {}


class LmEvalRow(Row):
    """A row as lm-eval asks it. Scores rest on `doc` alone, which stands in the samples that lm-eval logs, too."""

    task: str
    index: int
    question: str
    target: str
    context_text: str
    """The whole prompt: description, examples, question."""
    generation: dict[str, JsonValue]
    """lm-eval's settings. Stop strings are used in scoring; budget and temperature are the run's own."""
    doc: dict[str, JsonValue]


class LmEvalBenchmark(Benchmark[LmEvalRow]):
    """A task of lm-eval. ``official`` filters all that was written, thinking included; ``strict`` what follows it."""

    row = LmEvalRow
    rule = "lm_eval"
    needs = ("lm_eval",)
    binary = True
    loads_itself = True
    lengths = "under 8k tokens"
    scored_by = ("doc",)
    flaws = "the filters read the whole response, so that a guess, or a stop string, inside the thinking decides"

    task: ClassVar[str]
    """Its name in lm-eval."""
    folder: ClassVar[str]
    task_version: ClassVar[float]
    primary: ClassVar[str]
    """The metric that is the score, as lm-eval prints it: ``metric,filter``. The others are parts."""
    hub_config: ClassVar[str | None] = None
    hub_splits: ClassVar[tuple[str, ...]]
    shipped: ClassVar[tuple[str, ...]]
    """Columns that a row of the data set must have."""
    identifier: ClassVar[str | None] = None
    """Column with the id of a row; None: its number."""
    grouped_by: ClassVar[Mapping[str, str]] = {}
    """Name of a group -> column."""

    @classmethod
    def data_name(cls) -> str:
        """Each has a data set of its own."""
        return cls.id

    def load(
        self, path: Path | None, on_fault: Callable[[DataError], None] | None = None
    ) -> Iterator[tuple[str, LmEvalRow]]:
        """Yield the rows as lm-eval's task asks them; without a path, those of the hub."""
        rows: list[dict[str, Any]] = []
        for place, row in self._shipped(path):
            lacking = [column for column in self.shipped if column not in row]
            if not lacking:
                rows.append(row)
                continue
            fault = DataError(f"{place}: there is no column {lacking[0]!r}", f"check that the file is {self.name}'s")
            if on_fault is None:
                raise fault
            on_fault(fault)
        for name, part, examples in self.subtasks(rows) if rows else ():
            task = LmEvalTask(name, self.folder, self.task_version, part, examples)
            for index, asked in enumerate(task.asked()):
                row_asked = LmEvalRow(
                    task=name,
                    index=index,
                    question=asked.question,
                    target=asked.target,
                    context_text=asked.context,
                    generation=task.generation,
                    doc=asked.doc,
                )
                yield f"{name}:{index}", row_asked

    def _shipped(self, path: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the rows as the data set ships them, each with its place."""
        if path is None:
            assert self.data.hub is not None
            yield from hub_rows(self.data.hub, self.hub_config, self.hub_splits, self.data.revision)
            return
        from golong_eval.benchmarks.files import read_rows  # loads readers only where data is read

        for raw in read_rows(path, self.data.files):
            yield f"{raw.file}:{raw.number}", dict(raw.fields)

    def subtasks(self, rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]:
        """Yield name, rows and rows of examples of each task in lm-eval that the rows belong to."""
        yield self.task, rows, []

    def sample(self, row: LmEvalRow, place: str) -> Sample:
        """Return the sample of a row; it has no documents."""
        name = row.doc.get(self.identifier) if self.identifier is not None else None
        groups = {group: str(row.doc[column]) for group, column in self.grouped_by.items() if row.doc.get(column)}
        return self.make_sample(
            row,
            str(row.index if name is None else name),
            question=row.question.strip(),
            answers=self.answers(row),
            groups=groups,
            candidates=self.choices(row),
        )

    def answers(self, row: LmEvalRow) -> list[str]:
        """Return the right answers, as a person reads them."""
        return [row.target]

    def choices(self, row: LmEvalRow) -> int | None:
        """Return how many choices an answer has."""
        return None

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return lm-eval's prompt as one message. There are no documents to leave out."""
        if context == "evidence":
            raise self.no_evidence()
        assert sample.gold.type == "row"
        return Prompt(after=str(sample.gold.row["context_text"]))

    def score(self, answer: Answer, row: LmEvalRow, variant: Variant) -> Outcome:
        """Score an answer with lm-eval's filters and metrics; needs lm-eval."""
        text = answer.text if variant == "official" else answer.final
        if len(text) > _LONGEST_TEXT:
            return no_answer(f"a response of {len(text)} characters is none")
        task = self._scorer(row.doc)
        scored = task.score(row.doc, task.cut(text), _LONGEST_ANSWER)
        parts = {name: value for name, value in scored.values.items() if name != self.primary}
        found = scored.extracted[self.primary.partition(",")[2]]
        if found == "[invalid]":
            return Outcome(0.0, parts, status="unparsed", reason="lm-eval's filter finds no answer")
        return Outcome(scored.values[self.primary], parts, parsed=found if len(found) < 200 else None)

    def _scorer(self, doc: dict[str, Any]) -> LmEvalTask:
        """Return the task for docs with these columns; it needs one to be built, and keeps nothing of it."""
        key = (self.id, tuple(sorted(doc)))
        if key not in _SCORERS:
            _SCORERS[key] = LmEvalTask(self.task, self.folder, self.task_version, [doc], [doc], processed=True)
        return _SCORERS[key]
