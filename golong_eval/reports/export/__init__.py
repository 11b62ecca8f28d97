"""Results of a run in the forms of others: Markdown, CSV, and the files that lm-eval writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from golong_eval.errors import UnknownNameError
from golong_eval.harness import StoredRun
from golong_eval.reports.export.lm_eval import write_lm_eval
from golong_eval.reports.export.longbench_pro import write_longbench_pro
from golong_eval.reports.export.markdown import results_markdown, write_markdown
from golong_eval.reports.export.tables_csv import write_csv

__all__ = ["EXPORTS", "check_exports", "export_run", "results_markdown", "write_csv", "write_lm_eval", "write_markdown"]

EXPORTS: dict[str, Callable[[StoredRun, Path], list[Path]]] = {
    "markdown": write_markdown,
    "csv": write_csv,
    "lm-eval": write_lm_eval,
    "longbench-pro": write_longbench_pro,
}
"""Writers by name: each writes files below a folder and returns the paths of those to tell of."""


def check_exports(names: Iterable[str]) -> None:
    """Check names of exports, before anything is done.

    Raises:
        UnknownNameError: There is no such export.
    """
    for name in names:
        if name not in EXPORTS:
            raise UnknownNameError("export", name, EXPORTS)


def export_run(run: StoredRun, name: str, folder: Path) -> list[Path]:
    """Write one export of a run, the same bytes for the same run, and return its files.

    Args:
        run: The run.
        name: A key of `EXPORTS`.
        folder: Where; made if it does not exist.

    Raises:
        UnknownNameError: There is no such export.
        DocumentError: The export holds whole prompts and a document can't be read.
        StorageError: A file can't be written.
    """
    check_exports([name])
    return EXPORTS[name](run, folder)
