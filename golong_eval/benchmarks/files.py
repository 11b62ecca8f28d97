"""Rows from the files that data sets are shipped as: JSON, JSONL, CSV, TSV and parquet; text also gzipped."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

from golong_eval._optional import require
from golong_eval.benchmarks.json_rows import json_rows
from golong_eval.errors import ConfigError, DataError

__all__ = ["RawRow", "data_hash", "files_of", "read_rows"]

_POINTER = b"version https://git-lfs"
_HTML = (b"<!doctype html", b"<html", b"<?xml")
_AT_ONCE = 16  # rows of a parquet file that are turned into Python's values at a time: some are megabytes large


class RawRow(NamedTuple):
    """A row as it stands in a file."""

    file: Path
    number: int
    """Its line, or in an array and a table its place, from 1."""
    fields: dict[str, Any]


def read_rows(path: Path, patterns: Sequence[str] = ()) -> Iterator[RawRow]:
    """Yield the rows of a file, or of the files of a folder.

    A JSON file is an array of objects, or an object that holds one such array (``data``, ``rows``, a split). All files
    are read by pieces: what is in memory is a few rows.

    Args:
        path: A file, read whatever its name by its suffix; or a folder.
        patterns: Which files of a folder, as globs below it; none: all that can be read.

    Raises:
        ConfigError: There is no such file, or its kind is unknown.
        DataError: A file is malformed; names the line.
        MissingExtraError: A parquet file, and pyarrow is not installed.
    """
    for file in files_of(path, patterns):
        name = file.name.removesuffix(".gz")
        reader = _READERS.get(Path(name).suffix.lower())
        if reader is None or (file.suffix == ".gz" and name.endswith(".parquet")):
            raise ConfigError(f"{file}: rows are not read from such a file", f"known: {', '.join(sorted(_READERS))}")
        count = 0
        try:
            _check_start(file)
            for number, fields in reader(file):
                count += 1
                if not isinstance(fields, dict):
                    raise DataError(
                        f"a row is an object, not {_kind(fields)}", "check the file", file=file, line=number
                    )
                yield RawRow(file, number, fields)
        except UnicodeDecodeError as error:
            hint = "convert it to UTF-8, or get it again"
            raise DataError(f"not UTF-8 ({error.reason})", hint, file=file, line=_undecodable(file)) from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"no whole gzipped file ({error})", "get it again", file=file) from error
        except OSError as error:
            raise _unreadable(file, error) from error
        if not count:
            raise DataError("holds no rows", "get the file again, or name another", file=file)


def files_of(path: Path, patterns: Sequence[str] = ()) -> list[Path]:
    """Return a file, or the files of a folder that match, sorted.

    Raises:
        ConfigError: There is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(f"there is no file or folder {path}", "check the path")
    if patterns:
        found = {file for pattern in patterns for file in path.glob(pattern) if file.is_file()}
    else:
        found = {file for file in _listed(path) if file.is_file() and file.name != "golong-data.json"}
        found = {file for file in found if Path(file.name.removesuffix(".gz")).suffix.lower() in _READERS}
    if not found:
        there = ", ".join(sorted(file.name for file in _listed(path))[:10]) or "nothing"
        wanted = ", ".join(patterns) or "a file of rows"
        raise ConfigError(f"{path} holds no {wanted}; it has {there}", "name the file itself, or another folder")
    return sorted(found)


def data_hash(files: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file, by its name; by its path where two have the same name.

    Raises:
        ConfigError: One can't be read.
    """
    names = [file.name for file in files]
    hashes: dict[str, str] = {}
    for file in files:
        try:
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(file, error) from error
        hashes[file.name if names.count(file.name) == 1 else str(file)] = digest
    return hashes


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot read {path} ({error.strerror or error})", "check that it is there, and its rights")


def _undecodable(file: Path) -> int | None:
    """Return the first line that is not UTF-8. A decoder tells where in its buffer, not where in the file."""
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return None


def _check_start(file: Path) -> None:
    """Refuse what is often saved in the place of a data file."""
    with file.open("rb") as content:
        start = content.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start:
        raise DataError("is empty", "get the file again, or name another", file=file)
    if start.startswith(_POINTER):
        raise DataError("this is a pointer of Git LFS, not the data", "git lfs pull, or golong data fetch", file=file)
    if start.startswith(_HTML):
        raise DataError("this is a web page, not the data", "download the file itself, or golong data fetch", file=file)


def _opened(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _json(file: Path) -> Iterator[tuple[int, Any]]:
    with _opened(file) as content:
        yield from json_rows(content, file)


def _jsonl(file: Path) -> Iterator[tuple[int, Any]]:
    with _opened(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:  # also for a number of thousands of digits
                deep = isinstance(error, RecursionError)
                reason = "nested too deeply" if deep else getattr(error, "msg", str(error).partition(";")[0])
                raise DataError(f"no JSON ({reason})", "each line is one row", file=file, line=number) from None


def _separated(separator: str) -> Callable[[Path], Iterator[tuple[int, Any]]]:
    def read(file: Path) -> Iterator[tuple[int, Any]]:
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        with _opened(file) as content:
            rows = csv.DictReader(content, delimiter=separator, strict=True)
            try:
                names = rows.fieldnames or ()
                if len(set(names)) < len(names):
                    raise DataError("two columns have the same name", "rename one", file=file, line=rows.line_num)
                for fields in rows:
                    if None in fields or None in fields.values():
                        raise DataError(
                            f"a row of another number of cells than the head's {len(names)}",
                            "check the separator and the quotes",
                            file=file,
                            line=rows.line_num,
                        )
                    yield rows.line_num, fields
            except csv.Error as error:
                raise DataError(str(error), "check the quotes", file=file, line=rows.line_num) from None

    return read


def _parquet(file: Path) -> Iterator[tuple[int, Any]]:
    parquet = require("pyarrow.parquet", "hub", f"reading {file.name}")
    arrow = require("pyarrow", "hub", f"reading {file.name}")
    number = 0
    try:
        with parquet.ParquetFile(file) as table:
            schema = _microseconds(table.schema_arrow)
            for batch in table.iter_batches(batch_size=_AT_ONCE):
                rows = arrow.Table.from_batches([batch])
                for fields in (rows if schema == rows.schema else rows.cast(schema, safe=False)).to_pylist():
                    number += 1
                    yield number, {name: _plain(value) for name, value in fields.items()}
    except (arrow.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's; Arrow's own have no number
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"no readable parquet file ({reason})", "get it again", file=file) from None


def _microseconds(schema: Any) -> Any:
    """Return a schema with its columns of nanoseconds in microseconds: Python's times have no finer unit.

    Without it pyarrow gives pandas' types where pandas is installed, and an error where it is not.
    """
    arrow = require("pyarrow", "hub", "reading a parquet file")
    for at, field in enumerate(schema):
        if arrow.types.is_timestamp(field.type) and field.type.unit == "ns":
            schema = schema.set(at, field.with_type(arrow.timestamp("us", field.type.tz)))
        elif arrow.types.is_duration(field.type) and field.type.unit == "ns":
            schema = schema.set(at, field.with_type(arrow.duration("us")))
        elif arrow.types.is_time64(field.type) and field.type.unit == "ns":
            schema = schema.set(at, field.with_type(arrow.time64("us")))
    return schema


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, Any]]]] = {
    ".csv": _separated(","),
    ".json": _json,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
    ".tsv": _separated("\t"),
}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: numbers, texts, lists, objects. Times become ISO 8601."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):  # a map's pairs are tuples
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _kind(value: object) -> str:
    names = {
        list: "an array",
        str: "text",
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)
