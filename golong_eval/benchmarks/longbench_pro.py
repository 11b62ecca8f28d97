"""LongBench Pro: 1,500 questions of 25 tasks over 8k to 256k tokens, English and Chinese, each task with its metric.

    golong data fetch longbench_pro
    golong run --model M --suite longbench-pro

``longbench_pro`` asks the question that wants the answer alone, ``longbench_pro_cot`` the one that asks for reasoning
first. The leaderboard gives the first to every model that thinks by itself, and both to models that do not.

Source: LongBench Pro (arXiv 2601.02872); github.com/caskcsg/longcontext.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsEmbedding, Row, Said, document
from golong_eval.errors import DataError, nearest
from golong_eval.rewards import SECONDARY_TASKS, coerce_gold, render_gold
from golong_eval.rewards.outcome import Ask, Outcome
from golong_eval.rewards.registry import scorer_class
from golong_eval.schema import Prompt, RowGold, Sample, Variant
from golong_eval.tasks import ContextMode
from golong_eval.text import answer_area, is_blank

__all__ = ["LongBenchPro", "LongBenchProCoT", "LongBenchProRow"]

_SUMMARY = "rouge_l"
_PASSED_SUMMARY = 0.65
_LONGEST_AREA = 1_000_000  # characters of an answer, beyond which it is none, unless the gold is as long


class LongBenchProRow(Row):
    """A row of ``longbench_pro.json``."""

    id: Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
    """A text or a whole number in the data."""
    context: str
    language: Literal["Chinese", "English"]
    token_length: str
    primary_task: str
    secondary_task: str
    contextual_requirement: Literal["Full", "Partial"]
    question_nonthinking: str
    question_thinking: str
    answer: tuple[str, ...]
    difficulty: str

    @property
    def metric(self) -> str:
        """Name of the metric of its task."""
        return SECONDARY_TASKS[self.secondary_task]


class LongBenchPro(Benchmark[LongBenchProRow]):
    """The question that asks for the answer alone."""

    id = "longbench_pro"
    name = "LongBench Pro"
    capability = "25 tasks: retrieval, ordering, summaries, citation, clustering, checking, numbers, memory"
    source = "arXiv 2601.02872; github.com/caskcsg/longcontext"
    data = DataSource("caskcsg/LongBench-Pro", ("longbench_pro.json",), licence="Apache-2.0", megabytes=600)
    row = LongBenchProRow
    rule = "longbench_pro"
    max_tokens = 1024
    size = "1,500"
    lengths = "8k-256k tokens"
    languages = ("en", "zh")
    needs = ("chinese",)
    embeds = True
    flaws = (
        "the published rules count blank lines, bullets and numbering as part of the answer, read a short answer off "
        "its first line alone, divide ordered pairs by those of the answer (two right items of ten score 1), and score "
        "a summary with all that stands before it"
    )
    apart = ("context", "question_nonthinking", "question_thinking")
    scored_by = ("secondary_task", "answer", "language")

    def read_row(self, fields: Mapping[str, Any], place: str) -> LongBenchProRow:
        """Return a row, its task known and its gold one that the task's metric takes.

        Raises:
            DataError: A column is missing or wrong, the task is unknown, or the gold does not fit its metric.
        """
        return _checked(super().read_row(fields, place), place)

    def row_of_columns(self, fields: Mapping[str, Any], place: str) -> LongBenchProRow:
        """Return a row for scoring alone, its task known and its gold one that the task's metric takes.

        Raises:
            DataError: A column is missing or wrong, the task is unknown, or the gold does not fit its metric.
        """
        return _checked(super().row_of_columns(fields, place), place)

    def sample(self, row: LongBenchProRow, place: str) -> Sample:
        """Return the sample of a row.

        Raises:
            DataError: Its question is blank. Rows for scoring have none, so this is no matter of `read_row`.
        """
        question = self._question(row)
        if is_blank(question):
            raise DataError(f"{place}: the question of {row.id} is blank", "another revision of the data?")
        return self.make_sample(
            row,
            row.id,
            question=question,
            answers=row.answer,
            documents=[document(row.context)],
            language="zh" if row.language == "Chinese" else "en",
            difficulty=row.difficulty,
            groups={
                "primary_task": row.primary_task,
                "secondary_task": row.secondary_task,
                "contextual_requirement": row.contextual_requirement,
                "token_length": row.token_length,
            },
        )

    def _question(self, row: LongBenchProRow) -> str:
        return row.question_nonthinking

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the context, four line ends and the question; too long, the whole message loses its middle."""
        if context == "evidence":
            raise self.no_evidence()
        if context == "none":
            return Prompt(after=sample.question.strip())
        text = sample.documents[0].read().lstrip()
        after = f"\n\n\n\n{sample.question}".rstrip()  # the whole is stripped, also where one of the two is blank
        if not text or not after:
            text, after = text.rstrip(), after.lstrip()
        return Prompt(documents=text, after=after, cut="message")

    def score(self, answer: Answer, row: LongBenchProRow, variant: Variant) -> Said:
        r"""Score an answer by its task's metric; a summary's other half is a cosine, where there is an embedder.

        >>> columns = {"secondary_task": "T2.2 Local Causal Chain Sorting", "answer": list("abcd")}
        >>> row = LongBenchPro().row_of_columns({**columns, "language": "English"}, "row 1")
        >>> said = Answer("[Answer]\na\nb", "[Answer]\na\nb")
        >>> [round(LongBenchPro().score(said, row, variant).value, 3) for variant in ("official", "strict")]
        [1.0, 0.167]
        """
        shown = answer.final if variant == "official" else answer_area(answer.final)
        if is_blank(shown):
            return Outcome(0.0, status="empty", reason="the answer area is empty")
        if variant == "strict" and row.metric != _SUMMARY and len(shown) > _longest(row.answer):
            return Outcome(0.0, status="unparsed", reason=f"an answer of {len(shown)} characters is none")
        scorer = _scorer(row.metric, row.answer, variant)
        outcome: Outcome = scorer(shown, Ask(language="zh" if row.language == "Chinese" else "en"))
        if row.metric != _SUMMARY or outcome.status != "ok":
            return outcome
        texts = [_embedded(text, variant) for text in (shown, *row.answer)]
        marked = Outcome(outcome.value, {**outcome.parts, "rouge_l": outcome.value}, outcome.parsed)
        return NeedsEmbedding(marked, texts[0], tuple(texts[1:]))

    def gold_answer(self, row: LongBenchProRow) -> str:
        """Return the gold as an answer in the form that is asked for."""
        return render_gold(coerce_gold(row.metric, list(row.answer)))

    def solved(self, value: float, sample: Sample) -> bool:
        """Return whether a score is a pass: the full one, or more than 0.65 of a summary."""
        assert isinstance(sample.gold, RowGold)
        if SECONDARY_TASKS.get(str(sample.gold.row["secondary_task"])) == _SUMMARY:
            return value > _PASSED_SUMMARY
        return value >= 1


class LongBenchProCoT(LongBenchPro):
    """The question that asks for reasoning before the answer."""

    id = "longbench_pro_cot"
    name = "LongBench Pro (CoT)"
    max_tokens: ClassVar[int] = 8192

    def _question(self, row: LongBenchProRow) -> str:
        return row.question_thinking


def _checked(row: LongBenchProRow, place: str) -> LongBenchProRow:
    if row.secondary_task not in SECONDARY_TASKS:
        close = _nearest_task(row.secondary_task)
        hint = f"did you mean {close!r}?" if close else "another revision of the data?"
        raise DataError(f"{place}: secondary_task: unknown task {row.secondary_task!r}", hint)
    try:
        coerce_gold(row.metric, list(row.answer))
    except DataError as error:
        raise DataError(f"{place}: answer: {error}", error.hint) from error
    if row.metric == _SUMMARY and not all(any(map(str.isalnum, text)) for text in row.answer):
        raise DataError(f"{place}: answer: a summary has no word in it", "another revision of the data?")
    return row


def _nearest_task(name: str) -> str | None:
    """Return the task of the same number, else the one whose name is closest."""
    number = name.partition(" ")[0].casefold()
    same = [task for task in SECONDARY_TASKS if task.partition(" ")[0].casefold() == number]
    folded = {task.casefold(): task for task in SECONDARY_TASKS}
    return same[0] if same else folded.get(nearest(name, folded) or "")


def _longest(answer: tuple[str, ...]) -> int:
    return max(_LONGEST_AREA, 4 * sum(len(item) + 1 for item in answer))


@lru_cache(maxsize=4096)
def _scorer(metric: str, answer: tuple[str, ...], variant: Variant) -> Any:
    return scorer_class(metric, variant)(coerce_gold(metric, list(answer)))


def _embedded(text: str, variant: Variant) -> str:
    return " ".join(text.lower().split()) if variant == "official" else text.strip()
