"""Write the report of a run: fill the template, and put samples and documents into it or beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from golong_eval import __version__
from golong_eval.errors import StorageError
from golong_eval.harness import StoredRun
from golong_eval.reports.html import figures
from golong_eval.reports.html.payload import (
    Part,
    SampleIndex,
    document_part,
    documents_of,
    encode,
    sample_parts,
)
from golong_eval.reports.notes import results_notes
from golong_eval.reports.results_tables import failures_table, repeats_table, slice_tables, tasks_table
from golong_eval.schema import Document

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
        out: The file; None is ``report.html`` in the run's folder. Large runs get ``NAME.samples/`` beside it, and one
            that an earlier report left there is removed.
        embedded: Bytes of samples and documents beyond which they stand there.

    Returns:
        The file.

    Raises:
        StorageError: A file can't be written, or the folder beside it holds what is of no report.
        DocumentError: A document can't be read, or has changed.
    """
    out = run.path / "report.html" if out is None else Path(out)
    beside = out.with_suffix(".samples")
    temporary = beside.with_name(beside.name + ".part")
    _check_ours(beside, out)
    documents = documents_of(run)
    index = SampleIndex()
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        # What the documents will take at least: large ones need not be read to know that they do not fit.
        least = sum(_size_of(Path(one.path)) if one.path else 0 for one in documents.values())
        parts: list[Part] = []
        held = {True: 0, False: 0}
        for part in _all_parts(run, index, documents):
            parts.append(part)
            held[part.is_document] += part.size
            if temporary.exists() or held[False] + max(least, held[True]) > embedded:
                temporary.mkdir(exist_ok=True)
                for one in parts:
                    _write_part(temporary, one)
                parts = []
        outside = temporary.exists()
        page = _page(run, index, parts, beside.name if outside else "")
        _replace(out, page)
        shutil.rmtree(beside, ignore_errors=True)
        if outside:
            temporary.replace(beside)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise StorageError(
            f"cannot write {error.filename or out} ({error.strerror or error})",
            "free some space, or give another --out; the run's results are safe",
        ) from error
    return out


def _check_ours(beside: Path, out: Path) -> None:
    """Raise where the folder that a report takes for its own holds anything else: it will be removed."""
    if beside.is_symlink() or (beside.exists() and not beside.is_dir()):
        raise StorageError(f"{beside} is no folder of a report", f"give another --out than {out}, or move it")
    for file in beside.iterdir() if beside.is_dir() else ():
        if not re.fullmatch(r"[sd]-[0-9a-f]+\.js", file.name):
            raise StorageError(
                f"{beside} holds {file.name}, which is of no report", f"give another --out than {out}, or move it"
            )


def _all_parts(run: StoredRun, index: SampleIndex, documents: Mapping[str, Document]) -> Iterator[Part]:
    yield from sample_parts(run, index)
    for digest, document in documents.items():
        yield document_part(digest, document)


def _size_of(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _write_part(folder: Path, part: Part) -> None:
    text = f'golongPart("{part.name}",{part.text});\n'
    (folder / f"{part.name}.js").write_bytes(text.encode("utf-8"))


def _replace(file: Path, page: str) -> None:
    temporary = file.with_name(file.name + ".part")
    with temporary.open("wb") as handle:
        handle.write(page.encode("utf-8", "replace"))
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(file)


def _page(run: StoredRun, index: SampleIndex, parts: Iterable[Part], beside: str) -> str:
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
    data = {"columns": columns, "starts": index.starts, "beside": beside}
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
        headline=tasks_table(results),
        methods=[row.interval for row in results.tasks],
        repeats=repeats_table(results, every=True),
        slices=list(slice_tables(results)),
        failures=failures_table(results),
        notes=[*results_notes(results), *_SCRIPTED * (results.engine == "scripted")],
        effective=results.effective_length,
        bars=Markup(figures.bar_figure(results)),
        lengths=[Markup(one) for one in figures.length_figures(results)],
        grid=None if grid is None else Markup(grid),
        histograms=[Markup(one) for one in drawn if one is not None],
        facts=_facts(run),
        settings=json.dumps(run.config, indent=2, ensure_ascii=False),
        environment_text=json.dumps(run.environment, indent=2, ensure_ascii=False),
        style=Markup((folder / "report.css").read_text("utf-8")),
        script=Markup(script),
        digest=digest,
        payload=Markup(encode(data)),
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
    if settings.get("documents"):
        facts.append(("documents", str(settings["documents"])))
    return facts
