"""Protocols with two calls: the model reasons over the documents, then answers from its own reasoning."""

from __future__ import annotations

from typing import Any

from golong_eval.harness.task_book import Task
from golong_eval.schema import Generation, Prompt, Sample
from golong_eval.tasks import TaskSpec
from golong_eval.text import remove_thinking

__all__ = ["FIRST", "failed_first", "first_facts", "has_two_calls", "second_prompt", "second_tokens"]

FIRST = ".first"
"""Stands behind a task's name in the name of the file with the answers to its first calls."""


def has_two_calls(spec: Task) -> bool:
    """Return whether a task's protocol has two calls."""
    return not isinstance(spec, TaskSpec) and spec.second_max_tokens > 0


def second_tokens(spec: Task) -> int:
    """Return the answer budget of the second call; 0 where there is none."""
    return 0 if isinstance(spec, TaskSpec) else spec.second_max_tokens


def second_prompt(spec: Task, sample: Sample, first: Generation | None) -> Prompt | None:
    """Return the prompt of the second call; None where the call is no second one."""
    if first is None or first.text is None or isinstance(spec, TaskSpec):
        return None
    said = remove_thinking(first.text, unfinished=first.thinking_unfinished, closed=True).text
    return spec.second_prompt(sample, said or "")


def first_facts(first: Generation | None) -> dict[str, Any]:
    """Return what an answer to a second call keeps of the first one: how long its prompt was, and what was cut."""
    if first is None:
        return {}
    return {
        "first_prompt_tokens": first.prompt_tokens,
        "context_cut": first.context_cut,
        "cut_tokens": first.cut_tokens,
    }


def failed_first(first: Generation) -> Generation:
    """Return the failure of a sample whose first call failed."""
    return first.model_copy(update={"error": f"the first of two calls failed: {first.error}"})
