"""Samples as rows of verl's data set: one parquet file."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from golong_eval._optional import require
from golong_eval.adapters.rows import Row, decode_label, training_rows
from golong_eval.errors import ConfigError, StorageError
from golong_eval.schema import Sample, Variant

__all__ = ["write_verl_rows"]

_TEXTS = ("split", "task", "sample", "metric", "language", "cluster")
_ROWS_AT_ONCE = 64  # a row holds its whole context, up to a megabyte


def write_verl_rows(
    samples: Iterable[Sample],
    path: Path | str,
    *,
    split: str = "train",
    variant: Variant | None = None,
    include: Sequence[Path | str] = (),
) -> int:
    """Write samples as the rows of a parquet file for verl's ``data.train_files`` or ``data.val_files``.

    The prompt is the task's own, in full. Each row carries its metric and gold (see
    `golong_eval.adapters.rows`), and its reward is what `golong_eval.rewards.score` gives of the sample.

    Args:
        samples: As `golong_eval.tasks.read_samples` gives them.
        path: The file; written whole or not at all.
        split: Name of the split, for ``extra_info``.
        variant: Score by this variant; None: the task's own, ``strict`` for the nine.
        include: Folders of tasks of your own.

    Returns:
        The number of rows.

    Raises:
        ConfigError: There are no samples.
        UnknownNameError: A sample is of an unknown task.
        DataError: A gold does not fit, or is the row of a benchmark.
        DocumentError: A document can't be read.
        StorageError: The file can't be written.
        MissingExtraError: pyarrow is not installed.
    """
    arrow: Any = require("pyarrow", "hub", "writing parquet")
    parquet: Any = require("pyarrow.parquet", "hub", "writing parquet")
    path = Path(path)
    text, whole = arrow.string(), arrow.int64()
    schema = arrow.schema(
        [
            ("data_source", text),
            ("prompt", arrow.list_(arrow.struct([("role", text), ("content", text)]))),
            ("ability", text),
            ("reward_model", arrow.struct([("style", text), ("ground_truth", text)])),
            (
                "extra_info",
                arrow.struct([("index", whole), *((name, text) for name in _TEXTS)]),
            ),
        ]
    )
    rows = (_verl_row(row, i, split) for i, row in enumerate(training_rows(samples, variant=variant, include=include)))
    first = next(rows, None)
    if first is None:
        raise ConfigError(f"no samples to write to {path}", "make some: golong tasks build")
    written = 0
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with parquet.ParquetWriter(partial, schema) as writer:
            for chunk in _chunks(itertools.chain([first], rows)):
                writer.write_table(arrow.Table.from_pylist(chunk, schema=schema))
                written += len(chunk)
        partial.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path} ({error})", "name a file in a folder that can be written") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return written


def _verl_row(row: Row, index: int, split: str) -> dict[str, Any]:
    meta = row.sample.metadata
    return {
        "data_source": f"golong_{row.task.id}",
        "prompt": row.task.prompt(row.sample).messages,
        "ability": row.task.capability,
        "reward_model": {"style": "rule", "ground_truth": row.label},
        "extra_info": {
            "index": index,
            "split": split,
            "task": row.task.id,
            "sample": row.sample.id,
            "metric": decode_label(row.label).metric,
            "language": meta.language,
            "cluster": meta.cluster,
        },
    }


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    stream = iter(rows)
    while chunk := list(itertools.islice(stream, _ROWS_AT_ONCE)):
        yield chunk
