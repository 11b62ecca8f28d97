"""The report of a run on disk: which scores it is of, ``report.html``, and the exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from golong_eval.errors import ConfigError, GolongError, StorageError
from golong_eval.harness import RESULT_VARIANTS, Results, RunFolder, StoredRun, read_run
from golong_eval.harness.run_table import label_of
from golong_eval.reports.export import check_exports, export_run

__all__ = ["ReportedRun", "load_run", "load_runs", "report_line", "write_reports"]


@dataclass(frozen=True)
class ReportedRun:
    """A run, with the name of its scores.

    Attributes:
        run: The run.
        label: ``official``, ``strict`` or ``custom``; None for the scores of the tasks' own metrics.
    """

    run: StoredRun
    label: str | None

    @property
    def results(self) -> Results:
        """Its results; they name the folder where it is now, which may have been moved since they were written."""
        return self.run.results.model_copy(update={"run": str(self.run.path)})


def load_run(path: Path, variant: str | None = None) -> StoredRun:
    """Return a run with the scores of one variant.

    Raises:
        UnknownNameError: There is no such variant.
        DataError: The folder holds no run, or no such scores; the hint says how to get them.
    """
    return _load(path, variant).run


def load_runs(paths: Sequence[Path], variant: str | None = None) -> list[ReportedRun]:
    """Return several runs, like `load_run`."""
    return [_load(path, variant) for path in paths]


def write_reports(
    runs: Sequence[ReportedRun], *, html: bool = True, exports: Sequence[str] = (), out: Path | None = None
) -> list[str]:
    """Write the HTML report and the exports of runs, and return a line about each of them.

    Args:
        runs: The runs.
        html: Whether to write ``report.html``, or ``report.VARIANT.html``.
        exports: Names of exports.
        out: A folder for all of it, with one folder a run where there are several; None is each run's own folder, and
            ``export/`` in it.

    Raises:
        UnknownNameError: There is no such export.
        StorageError: A file can't be written.
    """
    check_exports(exports)
    lines = []
    for place, reported in zip(_places(runs, out), runs, strict=True):
        if html:
            lines.append(f"report: {_write_html(reported, place)}")
        folder = (reported.run.path / "export" if place is None else place) / (reported.label or "")
        for name in dict.fromkeys(exports):
            first, *others = export_run(reported.run, name, folder)
            lines.append(f"{name}: {first}" + (f" and {len(others)} more beside it" if others else ""))
    return lines


def report_line(results: Results) -> str:
    """Write the HTML report of results that were just stored in a run's folder, and return a line about it.

    The results stand on disk already: that no report of them can be made is told, and is no error.
    """
    path = Path(results.run)
    try:
        label = _label_of(path, results)
        return f"report: {_write_html(ReportedRun(read_run(path, variant=label), label), None)}"
    except (GolongError, OSError) as error:
        return f"no report was written ({' '.join(str(error).split())}); later: golong report {path}"


def _load(path: Path, variant: str | None) -> ReportedRun:
    return ReportedRun(read_run(path, variant=variant), label_of(path, variant))


def _label_of(path: Path, results: Results) -> str | None:
    """Return the name under which results were just stored."""
    stored = results.model_dump(mode="json")
    names = [label for label in RESULT_VARIANTS if RunFolder.json_at(path / f"results.{label}.json") == stored]
    return None if RunFolder.json_at(path / "results.json") == stored or not names else names[0]


def _write_html(reported: ReportedRun, folder: Path | None) -> Path:
    from golong_eval.reports.html import write_report  # templates are loaded where they are needed

    name = "report.html" if reported.label is None else f"report.{reported.label}.html"
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {folder} ({error.strerror})", "give another --out") from error
    return write_report(reported.run, (folder or reported.run.path) / name)


def _places(runs: Sequence[ReportedRun], out: Path | None) -> list[Path | None]:
    if out is None or len(runs) == 1:
        return [out] * len(runs)
    resolved = [reported.run.path.resolve() for reported in runs]
    places: list[Path | None] = [out / f"{path.parent.name}-{path.name}" for path in resolved]
    if len(set(places)) < len(places):
        raise ConfigError("two of the runs have the same name, so their files would collide", "leave out --out")
    return places
