"""Build samples straight into a file, with the report of the build beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from golong_eval.errors import DocumentError, StorageError
from golong_eval.tasks.builders import BUILDERS, BuildReport, build_samples, load_tokenizer, parse_length
from golong_eval.tasks.catalogue import load_catalogue
from golong_eval.tasks.samples import SampleWriter

__all__ = ["build_to_file"]


def build_to_file(
    out: Path,
    *,
    documents: str | Path = "pydoc",
    tasks: Sequence[str] = ("all",),
    length: str = "4k",
    per_task: int = 20,
    seed: int = 0,
    tokenizer: str = "embedded",
    overwrite: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> BuildReport:
    """Build samples into ``out`` (JSONL), their texts into a folder beside it, and the report into ``out.report.json``.

    Args:
        out: The file to write.
        documents: A folder, a file, or ``pydoc``.
        tasks: Ids of tasks with builders, or ``all``.
        length: Tokens of a prompt, such as ``4k``.
        per_task: Samples of each task.
        seed: Same seed, same bytes.
        tokenizer: Counts the tokens.
        overwrite: Replace an existing file.
        on_progress: Told in words how far the build is.

    Returns:
        The report: what was made, dropped and skipped.

    Raises:
        ConfigError: An argument is wrong, or the file exists.
        DocumentError: The documents can't be used, or nothing could be made from them.
        StorageError: Something can't be written.
    """
    specs = load_catalogue().specs
    names = [name.strip() for name in tasks if name.strip()]
    run = build_samples(
        documents,
        tasks=list(BUILDERS) if "all" in names else names,
        length=parse_length(length),
        per_task=per_task,
        seed=seed,
        tokenizer=load_tokenizer(tokenizer),
        specs=specs,
        on_progress=on_progress,
    )
    with SampleWriter(out, overwrite=overwrite) as writer:
        for sample in run:
            writer.write(sample)
        if not writer.count:
            reasons = "; ".join(f"{task}: {reason}" for task, reason in run.report.shortfalls().items())
            raise DocumentError(f"no sample could be made ({reasons})", "give more documents, or a larger --length")
    report_file = out.with_name(out.name + ".report.json")
    try:
        report_file.write_text(run.report.model_dump_json(indent=2), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write {report_file} ({error.strerror})", "free some space and build again"
        ) from error
    return run.report
