"""Tables for a terminal: the same text on a terminal, in a file and in a pipe."""

from __future__ import annotations

from typing import Any

from golong_eval.errors import UnknownNameError
from golong_eval.reports.numbers import percent
from golong_eval.reports.table import table
from golong_eval.schema import Language
from golong_eval.tasks import BUILDERS, BuildReport, Catalogue, Example, TaskSpec

__all__ = [
    "build_text",
    "catalogue_data",
    "catalogue_text",
    "task_data",
    "task_text",
]

_SHOWN = 10  # lines of a long list


def catalogue_text(catalogue: Catalogue) -> str:
    """Return the list of tasks."""
    header = ("task", "", "capability", "metric", "samples come from")
    rows = [
        (
            spec.id,
            spec.name,
            spec.capability,
            str(spec.metric),
            "documents" if spec.id in BUILDERS else "its examples, or a file",
        )
        for spec in catalogue.specs.values()
    ]
    return "\n".join(table(header, rows, right=range(0)))


def catalogue_data(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return the list of tasks as plain data."""
    return [_task_data(spec) for spec in catalogue.specs.values()]


def _task_data(spec: TaskSpec) -> dict[str, Any]:
    return {
        "id": spec.id,
        "name": spec.name,
        "capability": spec.capability,
        "metric": str(spec.metric),
        "version": spec.version,
        "prompt_hash": spec.prompt_hash,
        "max_tokens": spec.max_tokens,
        "built_from_documents": spec.id in BUILDERS,
    }


def task_text(catalogue: Catalogue, name: str, language: str = "en") -> str:
    """Return a task in full: its prompt and one worked sample.

    Raises:
        UnknownNameError: The task or the language is unknown.
    """
    spec, chosen, examples = _found(catalogue, name, language)
    lines = [
        f"{spec.id}  {spec.name}",
        f"capability     {spec.capability}",
        f"metric         {spec.metric}",
        f"version        {spec.version}, prompt {spec.prompt_hash}",
        f"answer budget  {spec.max_tokens} tokens",
    ]
    if not examples:
        return "\n".join(
            [*lines, "", f"no worked sample in {language}; the prompt:", "", spec.prompt_template.get(chosen)]
        )
    example = examples[0]
    lines += ["", "── prompt ──", spec.prompt(example.sample).text]
    lines += ["", "── gold ──", example.sample.gold.model_dump_json()]
    lines += ["", "── a right answer ──", example.right[0], "", "── a wrong answer ──", example.wrong[0]]
    return "\n".join(lines)


def task_data(catalogue: Catalogue, name: str, language: str = "en") -> dict[str, Any]:
    """Return a task in full as plain data, its worked samples with their prompts.

    Raises:
        UnknownNameError: The task or the language is unknown.
    """
    spec, chosen, examples = _found(catalogue, name, language)
    return _task_data(spec) | {
        "language": chosen,
        "prompt_template": spec.prompt_template.get(chosen),
        "answer_contract": spec.answer_contract.get(chosen),
        "examples": [
            {
                "id": example.sample.id,
                "prompt": spec.prompt(example.sample).text,
                "gold": example.sample.gold,
                "right": example.right,
                "wrong": example.wrong,
            }
            for example in examples
        ],
    }


def _found(catalogue: Catalogue, name: str, language: str) -> tuple[TaskSpec, Language, list[Example]]:
    spec = catalogue.get(name)
    if language not in ("en", "zh"):
        raise UnknownNameError("language", language, ("en", "zh"))
    chosen: Language = "zh" if language == "zh" else "en"
    return spec, chosen, [one for one in catalogue.examples(name) if one.sample.metadata.language == chosen]


def build_text(report: BuildReport, out: str) -> str:
    """Return what a build made, dropped and skipped."""
    header = ("task", "made", "wanted", "fill", "candidates dropped")
    rows = [
        (
            task.task,
            str(task.made),
            str(task.wanted),
            percent(task.fill),
            "; ".join([f"{count} {reason}" for reason, count in list(task.dropped.items())[:3]]) or "none",
        )
        for task in report.tasks
    ]
    lines = [
        *table(header, rows, right=range(1, 4)),
        "",
        f"{report.documents}: {report.documents_read:,} documents read, {report.contexts} contexts of at most "
        f"{report.length:,} tokens by {report.tokenizer}; {report.prompt_tokens:,} prompt tokens in all",
    ]
    lines += [f"{task}: only {reason}" for task, reason in report.shortfalls().items()]
    if report.skipped:
        lines.append(f"{len(report.skipped)} files skipped:")
        lines += [f"  {name}: {reason}" for name, reason in list(report.skipped.items())[:_SHOWN]]
        if len(report.skipped) > _SHOWN:
            lines.append(f"  and {len(report.skipped) - _SHOWN} more, all in {out}.report.json")
    if report.other_suffixes:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in list(report.other_suffixes.items())[:_SHOWN])
        lines.append(f"left alone, by suffix: {kinds}")
    return "\n".join([*lines, f"wrote {out}"])
