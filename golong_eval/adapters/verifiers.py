"""verifiers 0.4: the nine tasks as a taskset, one task class that scores each row by its own metric.

verifiers finds a taskset by the name of a top-level module that exports it, so give it one, three lines long:

    # golong_tasks.py
    from golong_eval.adapters.verifiers import GolongTaskset

    __all__ = ["GolongTaskset"]

    vf-eval golong-tasks --env.taskset.samples samples.jsonl --env.agent.harness.id null ...

A taskset of your own whose data has a field ``label`` (see `golong_eval.adapters.rows`) takes the reward alone:
``--env.taskset.task.rewards.golong.fn golong_eval.adapters.verifiers:reward``.

A response without a score (a failure of ours) raises, which verifiers records as the rollout's error: it is no score.
Where verifiers is not installed, the module offers `reward` and `reply_of`.

Source: verifiers 0.4.0.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from golong_eval.adapters.rows import decode_label, score_labels, training_rows
from golong_eval.errors import ConfigError, DataError, MissingExtraError
from golong_eval.rewards import coerce_gold, render_gold
from golong_eval.schema import RewardResult, Variant
from golong_eval.tasks import read_samples
from golong_eval.text import CLOSE_THINK, OPEN_THINK, is_blank

__all__ = ["Reply", "reply_of", "reward"]

_CLASSES = ("GolongData", "GolongTask", "GolongTaskConfig", "GolongTaskset", "GolongTasksetConfig")


class Reply(NamedTuple):
    """What a model wrote."""

    text: str
    """The last answer, with its thinking in tags where the server sent it apart."""
    unfinished: bool
    """The tokens ran out before the thinking ended."""


def reply_of(trace: Any) -> Reply:
    """Return the last answer of a trace."""
    text = trace.last_reply
    messages = trace.assistant_messages
    if not messages:
        return Reply(text, unfinished=False)
    thinking = messages[-1].reasoning_content or ""
    if not thinking or (messages[-1].content or "").strip() != text:  # the answer of another branch
        return Reply(text, unfinished=False)
    unfinished = is_blank(text) and trace.is_truncated
    return Reply(f"{OPEN_THINK}{thinking}{CLOSE_THINK}{text}", unfinished=unfinished)


async def reward(task: Any, trace: Any) -> float:
    """Return the reward of a trace, by the label of its task's data, for ``task.rewards.NAME.fn`` of a configuration.

    Scoring is done in a thread, and mathematics in processes: the event loop goes on. ``trace.info["golong"]`` gets
    status, metric and parts.

    Args:
        task: The task's data; has a field ``label``.
        trace: The trace.

    Raises:
        DataError: The label can't be read, or the answer could not be scored: there is no reward.
    """
    return await _reward(task.label, trace)


async def _reward(label: str, trace: Any, variant: Variant | None = None, require_think: bool = False) -> float:
    text, unfinished = reply_of(trace)
    result = await asyncio.to_thread(_result, label, text, variant, require_think, unfinished)
    assert result.value is not None
    trace.info["golong"] = {"status": result.status, "metric": result.metric, "parts": dict(result.parts)}
    task = decode_label(label).task
    trace.record_metrics(
        {
            f"reward_{task}": result.value,
            "unparsed": float(result.status == "unparsed"),
            "empty": float(result.status == "empty"),
        }
    )
    return result.value


def _result(label: str, text: str, variant: Variant | None, require_think: bool, unfinished: bool) -> RewardResult:
    (scored,) = score_labels(
        [label], [text], variant=variant, require_think=require_think, unfinished=[unfinished], workers=1
    )
    if scored.result is None or scored.value is None:
        raise DataError(f"no score ({scored.status}): {scored.error}", "the rollout has no reward")
    return scored.result


vf: Any = None
_why = ""
try:
    vf = importlib.import_module("verifiers.v1")
except ImportError as error:  # not installed, or older than its v1
    _why = str(error)

if vf is not None:
    __all__ += list(_CLASSES)

    class GolongData(vf.TaskData):  # type: ignore[misc]
        """The data of one row: beside the prompt its label and the id of our task."""

        label: str
        golong_task: str

    class GolongTaskConfig(vf.TaskConfig):  # type: ignore[misc]
        """How answers are scored: ``--env.taskset.task.*``."""

        require_think: bool = False
        """The training gate: exactly one closed thinking, else 0."""

    class GolongTask(vf.Task[GolongData, vf.State, GolongTaskConfig]):  # type: ignore[misc]
        """A row of any of our tasks: its label says by which metric it is scored."""

        @property
        def key(self) -> str:
            """The task and the id of the sample, whatever its place in the file."""
            return f"{self.data.golong_task}/{self.data.id}"

        @vf.reward  # type: ignore[untyped-decorator]
        async def golong(self, trace: Any) -> float:
            """The metric's value, in [0, 1]."""
            return await _reward(self.data.label, trace, require_think=self.config.require_think)

        async def validate(self, runtime: Any) -> bool | None:
            """Whether the gold, written as a model would answer it, earns 1.0; None for official metrics."""
            del runtime
            label = decode_label(self.data.label)
            if label.spec.variant == "official":
                return None
            answer = render_gold(coerce_gold(label.spec.name, label.gold), label.spec)
            result = await asyncio.to_thread(_result, self.data.label, answer, None, False, False)
            return result.value == 1.0

    class GolongTasksetConfig(vf.TasksetConfig):  # type: ignore[misc]
        """Which rows there are: ``--env.taskset.*``."""

        samples: list[Path] = Field(default_factory=list)
        """Files of samples, as ``golong tasks build`` makes them."""
        variant: Variant | None = None
        """Score by this variant; None: the tasks' own, ``strict`` for the nine."""
        include: list[Path] = Field(default_factory=list)
        """Folders of tasks of your own."""
        task: GolongTaskConfig = GolongTaskConfig()

    class GolongTaskset(vf.Taskset[GolongTask, GolongTasksetConfig]):  # type: ignore[misc]
        """The samples of files as tasks."""

        def load(self) -> Iterator[GolongTask]:
            """Yield the samples in the order of the files.

            Raises:
                ConfigError: No file is named, or one is missing or empty.
                DataError: A sample is malformed, or an id stands twice.
                DocumentError: A document can't be read.
            """
            if not self.config.samples:
                raise ConfigError("nothing says where the samples are", "--env.taskset.samples FILE.jsonl")
            seen: set[str] = set()
            for file in self.config.samples:
                for row in training_rows(read_samples(file), variant=self.config.variant, include=self.config.include):
                    prompt = row.task.prompt(row.sample)
                    data = GolongData(
                        id=row.sample.id,
                        name=row.task.name,
                        prompt=prompt.messages if prompt.history else prompt.message,
                        label=row.label,
                        golong_task=row.task.id,
                    )
                    task = GolongTask(data, self.config.task)
                    if task.key in seen:
                        raise DataError(f"the sample {task.key} stands twice", "give every sample an id", file=file)
                    seen.add(task.key)
                    yield task

else:

    def __getattr__(name: str) -> Any:
        if name in _CLASSES:
            raise MissingExtraError(
                f"the taskset needs the package 'verifiers' ({_why})", "pip install verifiers==0.4.0"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
