"""What a run would do, without doing it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from golong_eval.harness.progress import Progress
from golong_eval.harness.resolve import positions_of, resolve_run
from golong_eval.harness.settings import RunSettings
from golong_eval.schema import Frozen
from golong_eval.tasks import load_tokenizer

__all__ = ["Plan", "TaskPlan", "plan_run"]


class TaskPlan(Frozen):
    """What one task would take. Tokens are counted before any chat template."""

    task: str
    metric: str
    samples: int
    answers: int
    prompt_tokens: int
    """Of all prompts together, each counted once."""
    longest: int
    budget: int
    """Tokens that an answer may take; a model that thinks without being told gets more."""


class Plan(Frozen):
    """What a run would do."""

    model: str
    engine: str
    engine_reason: str
    context: str
    tokenizer: str
    tasks: tuple[TaskPlan, ...]
    dropped: dict[str, str]


def plan_run(settings: RunSettings, on_progress: Callable[[Progress], None] = lambda _: None) -> Plan:
    """Make the samples and count their prompts; load no model and write nothing.

    Raises:
        GolongError: Whatever the run itself would meet before its model is loaded.
    """
    run = resolve_run(settings)
    run.check_length(positions_of(run.model))
    tokenizer = load_tokenizer(run.tokenizer)
    tokens: dict[str, list[int]] = defaultdict(list)
    made = run.sources.samples(
        settings, run.catalogue, run.tokenizer, lambda message: on_progress(Progress("build", message=message))
    )
    for sample in made:
        prompt = run.catalogue.specs[sample.task].prompt(sample, settings.context)
        tokens[sample.task].append(tokenizer.count(prompt.text))
    return Plan(
        model=run.model_name,
        engine=run.engine,
        engine_reason=run.engine_reason,
        context=settings.context,
        tokenizer=run.tokenizer,
        tasks=tuple(
            TaskPlan(
                task=task,
                metric=str(run.catalogue.specs[task].metric),
                samples=len(counts),
                answers=len(counts) * settings.repeats,
                prompt_tokens=sum(counts),
                longest=max(counts),
                budget=run.budget(run.catalogue.specs[task]),
            )
            for task, counts in tokens.items()
        ),
        dropped=dict(run.sources.dropped),
    )
