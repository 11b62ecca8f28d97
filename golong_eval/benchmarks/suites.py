"""Suites: benchmarks with the settings that they are published with, and the columns of the published table."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue

from golong_eval.benchmarks.registry import benchmark_named
from golong_eval.errors import UnknownNameError
from golong_eval.schema import Frozen

__all__ = ["SUITES", "Column", "Suite", "suite_named"]


class Column(Frozen):
    """A column of a suite's table."""

    name: str
    """As in published tables."""
    task: str
    by: str | None = None
    """The kind of group (`SampleMetadata.groups`) that the column is of; None: all samples."""
    groups: tuple[str, ...] = ()
    """The groups, put together by their numbers of answers."""


class Suite(Frozen):
    """Benchmarks that are run together."""

    id: str
    about: str
    tasks: tuple[str, ...]
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Fields of `golong_eval.harness.RunSettings`; what the user gives goes before."""
    context_tokens: int | None = None
    """Tokens of prompt and answer that the suite is about; a checkpoint here that was made for fewer gets YaRN."""
    columns: tuple[Column, ...] = ()
    """The headline; their unweighted mean is the suite's average. Empty: there is no published table."""
    source: str = ""
    optional: bool = False
    """Whether benchmarks are left out, and named, whose package is not installed."""

    def fill(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return settings completed by the suite's: what is given stays.

        Data sets are taken one by one: the suite's place is kept for those that are not named. A folder names all.
        """
        filled = {"tasks": self.tasks, **self.settings} | given
        own, data = self.settings.get("data"), given.get("data")
        parts = data.split(",") if isinstance(data, str) else [str(part) for part in data or ()]
        if isinstance(own, list) and parts and all("=" in part for part in parts):
            named = {part.partition("=")[0].strip() for part in parts}
            kept = [part for part in map(str, own) if not _names_of(part.partition("=")[0]) & named]
            filled["data"] = [*parts, *kept]
        for key in ("task_repeats", "task_max_tokens"):
            # One number for all tasks, given by the user, goes before the suite's for some of them.
            if given.get(key.removeprefix("task_")) is not None and key not in given:
                filled.pop(key, None)
        return filled


def _names_of(benchmark: str) -> set[str]:
    """Return what the rows of a benchmark can be named by: its own id, and the data set that several share."""
    return {benchmark, benchmark_named(benchmark).data_name()}


_PUBLISHED: dict[str, JsonValue] = {"temperature": 0.7, "top_p": 0.95, "context_policy": "truncate"}
_GOLONG = "GoLongRL (arXiv 2605.19577), evaluation suite"
_GENERAL = ("mmlu_pro", "gpqa_diamond", "aime24", "aime25", "gsm8k", "ifeval")


_SMOKE = (
    "longbench_pro",
    "mrcr",
    "corpusqa_128k",
    "frames",
    "docmath",
    "longbench_v1",
    "longbench_v1_qa",
    "longbench_v2",
    "longbench_v2_cot",
    "longmemeval_s",
    "ruler",
    "babilong",
    *_GENERAL,
)


def _columns(*tasks: str) -> tuple[Column, ...]:
    return tuple(Column(name=task, task=task) for task in tasks)


SUITES: dict[str, Suite] = {
    suite.id: suite
    for suite in (
        Suite(
            id="golong-128k",
            about="the six columns of GoLongRL's table, prompts up to 128K",
            tasks=("docmath", "longbench_v2", "frames", "mrcr_128k", "corpusqa_128k", "longbench_v1_qa"),
            settings=_PUBLISHED | {"max_prompt_tokens": 131_072, "max_tokens": 51_200},
            columns=_columns("docmath", "longbench_v2", "frames", "mrcr_128k", "corpusqa_128k", "longbench_v1_qa"),
            source=_GOLONG,
        ),
        Suite(
            id="golong-1m",
            about="MRCR and CorpusQA from 128K to 1M",
            tasks=("mrcr_512k", "mrcr_1m", "corpusqa_1m"),
            settings=_PUBLISHED | {"max_prompt_tokens": 1_048_576 - 51_200, "max_tokens": 51_200},
            context_tokens=1_048_576,
            columns=(
                Column(name="mrcr_128k_512k", task="mrcr_512k"),
                Column(name="mrcr_512k_1m", task="mrcr_1m"),
                Column(name="corpusqa_1m", task="corpusqa_1m"),
            ),
            source=_GOLONG,
        ),
        Suite(
            id="longbench-pro",
            about="LongBench Pro as its leaderboard runs models of 128K: three answers to each question",
            tasks=("longbench_pro",),
            settings=_PUBLISHED | {"top_p": 1.0, "max_prompt_tokens": 120_000, "max_tokens": 8_192, "repeats": 3},
            columns=_columns("longbench_pro"),
            source="LongBench Pro (arXiv 2601.02872)",
        ),
        Suite(
            id="memory",
            about="dialogue memory: LongMemEval-S (golong bfcl runs the memory part of BFCL v4)",
            tasks=("longmemeval_s",),
            settings=_PUBLISHED | {"max_prompt_tokens": 131_072, "max_tokens": 51_200},
            columns=(Column(name="longmemeval", task="longmemeval_s"),),
            source=_GOLONG,
        ),
        Suite(
            id="general",
            about="what long-context training must not spoil: knowledge, mathematics, instructions",
            tasks=_GENERAL,
            settings=_PUBLISHED
            | {
                "max_tokens": 32_768,
                "task_max_tokens": {"gpqa_diamond": 51_200, "aime24": 51_200, "aime25": 51_200},
                "task_repeats": {"gpqa_diamond": 4, "aime24": 32, "aime25": 32},
            },
            columns=_columns("mmlu_pro", "aime24", "aime25", "gpqa_diamond"),
            source=_GOLONG,
        ),
        Suite(
            id="smoke",
            about="a few rows of everything that golong-eval ships: shows that all works, measures nothing",
            tasks=_SMOKE,
            settings={
                "data": [f"{name}=shipped" for name in _SMOKE],
                "length": "1k",
                "limit": 3,
                "max_tokens": 32,
                "context_policy": "truncate",
                "judge": {"models": ["none"]},
            },
            optional=True,
        ),
    )
}
"""All suites by id."""


def suite_named(name: str) -> Suite:
    """Return a suite.

    Raises:
        UnknownNameError: There is none of this name; the hint gives the nearest.

    >>> suite_named("golong-128k").tasks[0]
    'docmath'
    """
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[name]
