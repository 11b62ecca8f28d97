"""Our tasks for inspect: our prompts, budgets and scorers; its models, its logs.

    inspect eval golong_eval/golong_t1 -T samples=samples.jsonl --model openai/gpt-4o
    inspect eval golong_eval/golong_mrcr -T data=path/to/mrcr --model vllm/org/model

inspect finds this module by the entry point ``golong_eval`` in the group ``inspect_ai``. Where it is not installed, the
module offers `inspect_task` and `inspect_scorer`, which say so.

Source: inspect_ai 0.3.285.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

from golong_eval._optional import require
from golong_eval.adapters.answered import bare_sample, sample_of, samples_for, score_text, target_of, task_for
from golong_eval.errors import ConfigError
from golong_eval.harness.aggregate import cluster_of
from golong_eval.harness.task_book import Task
from golong_eval.schema import Sample, Variant
from golong_eval.text import is_blank

__all__ = ["OFFERED", "inspect_scorer", "inspect_task"]

OFFERED = (
    *(f"t{number}" for number in range(1, 10)),
    *("longbench_pro", "longbench_v2"),
    *("mrcr", "mrcr_128k", "mrcr_512k", "mrcr_1m"),
    *("corpusqa_128k", "corpusqa_1m"),
)
"""What is registered, each as ``golong_eval/golong_NAME``."""


def inspect_task(name: str, place: str | list[str], variant: Variant = "strict", max_tokens: int | None = None) -> Any:
    """Return a task of ours as one of inspect.

    Args:
        name: Task or benchmark.
        place: Files of samples, or the data of a benchmark; see `golong_eval.adapters.answered.samples_for`.
        variant: ``strict`` or ``official``.
        max_tokens: Budget of an answer; None is the task's own, which leaves no room for thinking.

    Raises:
        MissingExtraError: inspect is not installed.
        ConfigError: There is no such task, or there are no samples.
    """
    inspect: Any = require("inspect_ai", "inspect", "a task of inspect")
    dataset: Any = require("inspect_ai.dataset", "inspect", "a task of inspect")
    model: Any = require("inspect_ai.model", "inspect", "a task of inspect")
    task = task_for(name, variant)
    samples = [_sample(task, sample) for sample in samples_for(task, place)]
    return inspect.Task(
        dataset=dataset.MemoryDataset(samples, name=name),
        scorer=inspect_scorer(name, variant),
        config=model.GenerateConfig(max_tokens=max_tokens or task.max_tokens, temperature=0.0),
        version=task.version,
        metadata={"metric": str(task.metric), "prompt_hash": task.prompt_hash},
    )


def inspect_scorer(name: str, variant: Variant = "strict") -> Any:
    """Return the scorer of a task as one of inspect: mean and clustered standard error.

    An answer without a score (only a judge could decide) is inspect's "unscored": it is kept, and no metric counts it.
    """
    return _scorer_factory()(name, variant)


@cache
def _scorer_factory() -> Callable[..., Any]:
    scorers: Any = require("inspect_ai.scorer", "inspect", "a scorer of inspect")

    def golong(name: str, variant: Variant = "strict") -> Any:
        task = task_for(name, variant)

        async def score(state: Any, target: Any) -> Any:
            del target  # the whole gold stands in the metadata
            if state.output.empty or (state.output.error and is_blank(state.output.completion)):
                return scorers.Score.unscored(reason="provider_error", explanation=state.output.error or "no answer")
            text, unfinished = _written(state.output)
            result = score_text(task, sample_of(state.metadata["sample"]), text, unfinished=unfinished)
            parsed = result.parsed if isinstance(result.parsed, str | None) else "\n".join(result.parsed)
            metadata = {"status": result.status, "parts": dict(result.parts), "metric": result.metric}
            if result.value is None:
                return scorers.Score.unscored(
                    reason=result.status, answer=parsed, explanation=result.reason, metadata=metadata
                )
            return scorers.Score(value=result.value, answer=parsed, explanation=result.reason, metadata=metadata)

        return score

    metrics = [scorers.mean(), scorers.stderr(cluster="cluster")]
    made: Callable[..., Any] = scorers.scorer(metrics=metrics, name="golong")(golong)
    return made


def _written(output: Any) -> tuple[str, bool]:
    """Return all that the model wrote, thinking in its tags, and whether it was still thinking at its cap."""
    content = output.message.content
    parts = [] if isinstance(content, str) else [part.text for part in content if part.type == "reasoning"]
    return "".join(parts) + output.completion, bool(parts) and is_blank(output.completion) and _capped(output)


def _capped(output: Any) -> bool:
    return output.stop_reason in ("max_tokens", "model_length")


def _sample(task: Task, sample: Sample) -> Any:
    dataset: Any = require("inspect_ai.dataset", "inspect", "a task of inspect")
    model: Any = require("inspect_ai.model", "inspect", "a task of inspect")
    kinds = {
        "system": model.ChatMessageSystem,
        "user": model.ChatMessageUser,
        "assistant": model.ChatMessageAssistant,
    }
    return dataset.Sample(
        id=sample.id,
        input=[kinds[turn["role"]](content=turn["content"]) for turn in task.prompt(sample).messages],
        target=target_of(sample, task),
        metadata={"sample": bare_sample(sample), "cluster": cluster_of(sample), **(sample.metadata.groups or {})},
    )


def _register() -> None:
    """Register all tasks and the scorer with inspect, under their names."""
    task: Any = require("inspect_ai", "inspect", "a task of inspect").task
    _scorer_factory()
    for name in OFFERED:
        task(name=f"golong_{name}")(_of_samples(name) if name[1:].isdigit() else _of_data(name))


def _of_samples(name: str) -> Callable[..., Any]:
    def golong(samples: str | None = None, variant: Variant = "strict", max_tokens: int | None = None) -> Any:
        if samples is None:
            raise ConfigError(f"golong_{name}: nothing says where its samples are", "-T samples=FILE.jsonl")
        return inspect_task(name, samples, variant, max_tokens)

    return golong


def _of_data(name: str) -> Callable[..., Any]:
    def golong(data: str | None = None, variant: Variant = "strict", max_tokens: int | None = None) -> Any:
        if data is None:
            raise ConfigError(f"golong_{name}: nothing says where its data is", "-T data=PATH")
        return inspect_task(name, data, variant, max_tokens)

    return golong


if importlib.util.find_spec("inspect_ai") is not None:
    _register()
