"""What a run would do, without doing it: prompts and their lengths, what prefix caching saves, memory, time, cost."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from golong_eval.engines import CACHES_PREFIXES, SHARES_PROMPTS, ContextPolicy, serve_command
from golong_eval.errors import ConfigError, ModelError
from golong_eval.faults import explain
from golong_eval.harness.capacity import GpuFit, find_gpu, fit_gpus
from golong_eval.harness.model_shape import KvDtype, ModelShape, read_shape, template_thinks
from golong_eval.harness.prefixes import UniquePrefixes
from golong_eval.harness.progress import Progress
from golong_eval.harness.resolve import TEMPLATE_TOKENS, ResolvedRun, read_config, resolve_run
from golong_eval.harness.schedule import with_parts
from golong_eval.harness.settings import RunSettings
from golong_eval.harness.task_book import Task
from golong_eval.harness.throughput import (
    Measured,
    TimeEstimate,
    estimate_measured,
    estimate_stated,
    read_measured,
)
from golong_eval.harness.two_calls import has_two_calls, second_tokens
from golong_eval.schema import Frozen, Sample
from golong_eval.tasks import load_tokenizer

__all__ = ["Assumptions", "LengthPlan", "Plan", "TaskPlan", "plan_run"]


class Assumptions(Frozen):
    """What a plan can't find out: the GPUs that will be used, and how fast they are."""

    gpu: str | None = None
    """A name in `golong_eval.harness.capacity.GPUS`, or memory in GiB."""
    gpu_memory_utilization: float = Field(default=0.92, gt=0, le=1)
    """Share of a GPU's memory that the engine takes."""
    kv_dtype: KvDtype = "auto"
    prefill_tps: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Prompt tokens that the whole deployment computes in a second."""
    decode_tps: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Answer tokens that it writes in a second."""
    measured: str | None = None
    """Folder of a finished run over the same deployment."""

    @model_validator(mode="after")
    def _one_source_of_speed(self) -> Self:
        if (self.prefill_tps is None) != (self.decode_tps is None):
            raise ValueError("prefill_tps: a time needs both prefill_tps and decode_tps")
        if self.measured is not None and self.prefill_tps is not None:
            raise ValueError("measured: give a measured run or a throughput, not both")
        return self

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Make assumptions from keyword arguments.

        Raises:
            ConfigError: A key is unknown or a value is out of its range.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigError("; ".join(explain(error, cls)), "see: golong plan --help") from None


class TaskPlan(Frozen):
    """What one task would take. Tokens are counted before any chat template."""

    task: str
    metric: str
    samples: int
    answers: int
    prompt_tokens: int
    """Of all prompts together, each counted once."""
    longest: int
    lengths: dict[str, int]
    """Prompts by length: how many have at most so many tokens, and more than half of it (or are in the first)."""
    budget: int
    """Tokens that an answer may take."""


class LengthPlan(Frozen):
    """Whether prompts and answers fit the model's positions, and prompts the most tokens that are asked for."""

    limit: int | None
    """Tokens of prompt and answer that the model takes; None where that is not known before it is loaded."""
    longest: int
    """Prompt, chat template (64 tokens are assumed) and answer budget of the longest request."""
    too_long: int
    """Prompts that don't fit."""
    policy: ContextPolicy
    overrides: dict[str, JsonValue] | None = None
    """With rotary scaling: the whole override of the checkpoint's configuration."""
    serve: str | None = None
    """With rotary scaling: the command that serves the checkpoint so."""


class Plan(Frozen):
    """What a run would do."""

    model: str
    engine: str
    engine_reason: str
    context: str
    tokenizer: str
    thinks: bool | None
    """Whether the model thinks unless told not to; None where its chat template is not at hand."""
    tasks: tuple[TaskPlan, ...]
    prompt_tokens: int
    unique_prefix_tokens: int
    """Prompt tokens that are left to compute when every shared beginning is computed once, in blocks of 16."""
    answer_tokens: int
    """If every answer takes its whole budget."""
    expected_answer_tokens: int | None
    """If answers are as long as the measured run's."""
    length: LengthPlan
    shape: ModelShape | None
    shape_note: str
    """Why `shape` is None."""
    gpus: GpuFit | None
    time: TimeEstimate | None
    time_note: str
    """Why there is no time for a measured run."""
    cost: float | None
    """Most that the run costs by the settings' price: no prompt token cached or shared, every budget used up, and 64
    tokens of chat template around each prompt."""
    token_limit: int | None
    cost_limit: float | None
    obstacles: tuple[str, ...]
    """What keeps the run from being done as asked."""
    dropped: dict[str, str]


class _Asked(NamedTuple):
    """Tokens of a request: its prompt with a chat template, and its answer's budget."""

    prompt: int
    budget: int

    @property
    def whole(self) -> int:
        return self.prompt + self.budget

    def fits(self, limit: int | None, most: int | None) -> bool:
        """Return whether it is within the model's positions and the most tokens of a prompt."""
        return self.whole <= (limit or sys.maxsize) and self.prompt <= (most or sys.maxsize)


@dataclass
class _Task:
    spec: Task
    budget: int
    answer_tokens: int
    """`budget`, and that of the second call where there is one."""
    repeats: int
    tokens: list[int] = field(default_factory=list)


def plan_run(
    settings: RunSettings,
    on_progress: Callable[[Progress], None] = lambda _: None,
    assumptions: Assumptions | None = None,
) -> Plan:
    """Make the samples and count their prompts; load no model and write nothing.

    Args:
        settings: The run's settings.
        on_progress: Called as samples are made.
        assumptions: GPUs and speed.

    Raises:
        GolongError: Whatever the run itself would meet before its model is loaded, or an assumption is wrong.
    """
    assumed = assumptions or Assumptions()
    gpu = find_gpu(assumed.gpu) if assumed.gpu is not None else None
    measured = read_measured(assumed.measured) if assumed.measured is not None else None
    run = resolve_run(settings)
    thinks = template_thinks(Path(run.model)) if run.engine != "scripted" else False
    limit = run.stated_length()
    run.check_length(limit, thinks=bool(thinks))
    tasks, prefixes = _count(run, bool(thinks), on_progress)
    requests = [(tokens, task.budget) for task in tasks.values() for tokens in task.tokens]
    prompt_tokens = sum(tokens for tokens, _ in requests)
    answer_tokens = sum(task.repeats * len(task.tokens) * task.answer_tokens for task in tasks.values())
    sent = sum(task.repeats * sum(task.tokens) for task in tasks.values())
    asked = [_Asked(tokens + TEMPLATE_TOKENS, budget) for tokens, budget in requests]
    length = _length(run, limit, asked)
    passed = prompt_tokens if run.engine in SHARES_PROMPTS else sent
    computed = prefixes.tokens if run.engine in CACHES_PREFIXES else passed
    shape, shape_note = _shape(run, assumed)
    gpus = None
    if shape is not None and gpu is not None:
        sizes = _as_sent(asked, length, settings.max_prompt_tokens)
        gpus = fit_gpus(shape, gpu, assumed.gpu_memory_utilization, sizes, limit)
    expected = (
        None
        if measured is None
        else sum(
            task.repeats * len(task.tokens) * min(measured.expected(name), task.budget) for name, task in tasks.items()
        )
    )
    return Plan(
        model=run.model_name,
        engine=run.engine,
        engine_reason=run.engine_reason,
        context=settings.context,
        tokenizer=run.tokenizer,
        thinks=thinks,
        tasks=tuple(map(_task_plan, tasks.values())),
        prompt_tokens=prompt_tokens,
        unique_prefix_tokens=prefixes.tokens,
        answer_tokens=answer_tokens,
        expected_answer_tokens=None if expected is None else round(expected),
        length=length,
        shape=shape,
        shape_note=shape_note,
        gpus=gpus,
        time=_time(assumed, measured, passed, computed, answer_tokens, expected),
        time_note="" if measured is None else measured.note,
        cost=_cost(
            settings,
            sent + TEMPLATE_TOKENS * sum(task.repeats * len(task.tokens) for task in tasks.values()),
            answer_tokens,
        ),
        token_limit=settings.token_limit,
        cost_limit=settings.cost_limit,
        obstacles=tuple(_obstacles(length, settings.max_prompt_tokens, gpus)),
        dropped=dict(run.sources.dropped),
    )


def _count(
    run: ResolvedRun, thinks: bool, on_progress: Callable[[Progress], None]
) -> tuple[dict[str, _Task], UniquePrefixes]:
    tokenizer = load_tokenizer(run.tokenizer)
    tasks: dict[str, _Task] = {}
    prefixes = UniquePrefixes()
    for sample in _samples(run, on_progress):
        spec = run.specs[sample.task]
        ids = tokenizer.ids(spec.prompt(sample, run.settings.context).text)
        if spec.id not in tasks:
            budget = run.budget(spec, thinks=thinks)
            second = run.budget(spec, thinks=thinks, tokens=second_tokens(spec)) if has_two_calls(spec) else 0
            tasks[spec.id] = _Task(spec, budget, budget + second, run.settings.repeats_of(spec.id))
        tasks[spec.id].tokens.append(len(ids))
        prefixes.add(ids)
    if not tasks:
        raise ConfigError(
            "there is nothing to run: no sample could be made", "use a greater --length, more documents, or fewer parts"
        )
    return tasks, prefixes


def _samples(run: ResolvedRun, on_progress: Callable[[Progress], None]) -> Iterator[Sample]:
    """Yield the samples of the run, or of its part."""
    part, parts = run.settings.shard_of
    made = run.sources.samples(
        run.settings, run.catalogue, run.tokenizer, lambda message: on_progress(Progress("build", message=message))
    )
    return (sample for sample, place in with_parts(made, parts) if place == part)


def _task_plan(task: _Task) -> TaskPlan:
    buckets = Counter(max(1, -(-tokens // 1024)) for tokens in task.tokens)
    lengths: Counter[int] = Counter()
    for thousands, prompts in buckets.items():
        lengths[1 << (thousands - 1).bit_length()] += prompts
    return TaskPlan(
        task=task.spec.id,
        metric=str(task.spec.metric),
        samples=len(task.tokens),
        answers=len(task.tokens) * task.repeats,
        prompt_tokens=sum(task.tokens),
        longest=max(task.tokens),
        lengths={f"{bound}k" if bound < 1024 else f"{bound // 1024}M": lengths[bound] for bound in sorted(lengths)},
        budget=task.budget,
    )


def _length(run: ResolvedRun, limit: int | None, asked: Sequence[_Asked]) -> LengthPlan:
    config, scaling = read_config(run.model), run.settings.rope_scaling
    overrides = scaling.overrides(config) if scaling is not None and config is not None else None
    return LengthPlan(
        limit=limit,
        longest=max((one.whole for one in asked), default=0),
        too_long=sum(not one.fits(limit, run.settings.max_prompt_tokens) for one in asked),
        policy=run.settings.context_policy,
        overrides=overrides,
        serve=None if overrides is None or limit is None else serve_command(run.model, overrides, limit),
    )


def _as_sent(asked: Sequence[_Asked], length: LengthPlan, most: int | None) -> list[int]:
    """Return the lengths of requests after the context policy."""
    if length.policy == "refuse":
        return [one.whole for one in asked]
    if length.policy == "skip":
        return [one.whole for one in asked if one.fits(length.limit, most)]
    cut = [min(one.prompt, most or sys.maxsize) + one.budget for one in asked]
    return [min(tokens, length.limit or sys.maxsize) for tokens in cut]


def _shape(run: ResolvedRun, assumed: Assumptions) -> tuple[ModelShape | None, str]:
    config = read_config(run.model)
    if config is None:
        return None, "not a local folder with a config.json"
    try:
        return read_shape(Path(run.model), config, assumed.kv_dtype), ""
    except ModelError as error:
        return None, str(error)


def _time(
    assumed: Assumptions,
    measured: Measured | None,
    prompt_tokens: int,
    computed: int,
    answer_tokens: int,
    expected: float | None,
) -> TimeEstimate | None:
    if assumed.prefill_tps is not None and assumed.decode_tps is not None:
        return estimate_stated(assumed.prefill_tps, assumed.decode_tps, computed, answer_tokens)
    if measured is None or expected is None:
        return None
    return estimate_measured(
        measured, prompt_tokens=prompt_tokens, computed_tokens=computed, budget=answer_tokens, expected=expected
    )


def _cost(settings: RunSettings, prompt_tokens: int, answer_tokens: int) -> float | None:
    if settings.price is None:
        return None
    return (prompt_tokens * settings.price[0] + answer_tokens * settings.price[1]) / 1e6


def _obstacles(length: LengthPlan, most: int | None, gpus: GpuFit | None) -> Iterator[str]:
    if length.too_long and length.policy == "refuse":
        positions = "" if length.limit is None else f"the model's {length.limit:,} positions with their answers"
        tokens = "" if most is None else f"the {most:,} of --max-prompt-tokens"
        yield (
            f"{_do_not(length.too_long, 'prompt')} fit {' or '.join(filter(None, (positions, tokens)))}, so the run "
            "would refuse to start: use --context-policy truncate or skip"
            + (", --rope-factor, or a longer model" if positions else "")
        )
    if gpus is not None and gpus.degree is None:
        what = _do_not(gpus.too_big, "request") if gpus.free_bytes > 0 else "the weights do not"
        yield f"{what} fit on {gpus.at} x {gpus.gpu.name}: use larger GPUs, --kv-dtype fp8 or a smaller --length"


def _do_not(count: int, noun: str) -> str:
    return f"1 {noun} does not" if count == 1 else f"{count:,} {noun}s do not"
