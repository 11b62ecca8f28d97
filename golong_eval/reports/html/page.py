"""Write the report of a run: fill the template, and put samples and documents into it or beside it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from golong_eval import __version__
from golong_eval.engines.arguments import masked
from golong_eval.errors import StorageError
from golong_eval.harness import StoredRun
from golong_eval.reports.benchmark_tables import benchmarks_table, groups_tables, suite_table
from golong_eval.reports.html import figures
from golong_eval.reports.html.payload import Bundles, Part, SampleIndex, encode, question_parts, sample_parts
from golong_eval.reports.html.storage import ReportFiles
from golong_eval.reports.html.tables import FEW, headline_table, sliced_tables
from golong_eval.reports.notes import results_notes
from golong_eval.reports.results_tables import failures_table, repeats_table
from golong_eval.tasks import BUILDERS

__all__ = ["EMBEDDED", "write_report"]

EMBEDDED = 20_000_000
"""Bytes of samples and documents that a page holds; beyond, they stand in files beside it."""


_SCRIPTED = ("a script has no tokenizer: what is shown as tokens of prompt and answer are characters",)


def write_report(run: StoredRun, out: Path | None = None, *, embedded: int = EMBEDDED) -> Path:
    """Write the report of a run as one HTML file, and what it can't hold into a folder beside it.

    The same run gives the same bytes. Nothing in the page reaches for a network, and nothing of the model's is
    markup in it.

    Args:
        run: The run.
        out: The file; None is ``report.html`` in the run's folder. Large runs get ``report.samples/`` beside it;
            one that an earlier report left there is replaced.
        embedded: Bytes of samples and documents beyond which they stand there.

    Returns:
        The file.

    Raises:
        StorageError: A file can't be written, or the folder beside it holds what is of no report.
    """
    out = run.path / "report.html" if out is None else Path(out)
    try:
        with ReportFiles(out, embedded) as files:
            bundles, index = Bundles(run), SampleIndex()
            # Documents first: answers tell how long each of theirs is.
            for part in itertools.chain(bundles.parts(), sample_parts(run, index, bundles)):
                files.add(part)
            questions = 0
            for part in question_parts(run):
                files.add(part)
                questions += 1
            data = {
                "columns": index.columns,
                "starts": index.starts,
                "questions": questions,
                "repeats": run.settings.get("repeats", 1),
                "beside": files.beside.name,
            }
            payload = encode(data)
            if not files.fits(len(payload.encode())):
                files.move_out()
            files.finish(_page(run, index, payload, files.inside))
    except OSError as error:
        raise StorageError(
            f"cannot write {error.filename or out} ({error.strerror or error})",
            "free some space, or give another place; the run's results are safe",
        ) from error
    return out


def _page(run: StoredRun, index: SampleIndex, payload: str, parts: Sequence[Part]) -> str:
    import jinja2
    from markupsafe import Markup

    folder = Path(__file__).parent
    script = (folder / "report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(folder),
    )
    results = run.results
    columns = index.columns
    histograms = (
        ("Prompt", "tokens", columns["prompt"]),
        ("Answer", "tokens", columns["answer"]),
        ("Time to answer", "s", columns["seconds"]),
    )
    drawn = [
        figures.histogram_figure(name, unit, [value for value in values if value is not None])
        for name, unit, values in histograms
    ]
    grid = figures.grid_figure(row.grid for row in results.tasks)
    return environment.get_template("report.html.j2").render(
        version=__version__,
        results=results,
        headline=headline_table(results),
        few=FEW,
        benchmarks=benchmarks_table(results),
        suite=suite_table(results),
        groups=list(groups_tables(results)),
        repeats=repeats_table(results, every=True),
        slices=list(sliced_tables(results)),
        failures=failures_table(results),
        notes=[*results_notes(results), *_SCRIPTED * (results.engine == "scripted")],
        effective=results.effective_length,
        bars=Markup(figures.bar_figure(results)),
        lengths=[Markup(one) for one in figures.length_figures(results)],
        grid=None if grid is None else Markup(grid),
        histograms=[Markup(one) for one in drawn if one is not None],
        facts=_facts(run),
        settings=json.dumps(masked(run.config), indent=2, ensure_ascii=False),
        environment_text=json.dumps(masked(run.environment), indent=2, ensure_ascii=False),
        style=Markup((folder / "report.css").read_text("utf-8")),
        script=Markup(script),
        digest=digest,
        payload=Markup(payload),
        parts=[(part.name, Markup(part.text)) for part in parts],
    )


def _facts(run: StoredRun) -> list[tuple[str, str]]:
    """Return what stands in the page's head: name and value."""
    results, settings = run.results, run.settings
    facts = [
        ("engine", results.engine),
        ("context", results.context),
        ("started", results.started.replace("T", " ").replace("+00:00", " UTC")),
        ("samples", f"{sum(row.samples for row in results.tasks):,}"),
        ("answers", f"{sum(row.n for row in results.tasks):,}"),
    ]
    if settings.get("repeats", 1) > 1:
        facts.append(("repeats", str(settings["repeats"])))
    if any(row.task in BUILDERS for row in results.tasks):
        facts += [(name, str(settings[name])) for name in ("length", "documents") if settings.get(name)]
    if settings.get("seed") is not None:
        facts.append(("seed", str(settings["seed"])))
    return [*facts, ("golong-eval", results.golong_eval)]
