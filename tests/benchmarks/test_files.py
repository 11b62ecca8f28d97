"""Rows from files of every kind: all of them, in order, with their places; and what is told of files that are none."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import json_rows as json_module
from golong_eval.benchmarks.files import data_hash, files_of, read_rows
from golong_eval.benchmarks.json_rows import json_rows
from golong_eval.errors import ConfigError, DataError, GolongError, MissingExtraError

ROWS: list[dict[str, Any]] = [{"id": "a", "text": 'one, "two"\nthree'}, {"id": "é", "text": "日本 😀\ttab"}]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(separator: str) -> bytes:
    cells = [["id", "text"], *([row["id"], row["text"]] for row in ROWS)]
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in cells]
    return "\r\n".join(separator.join(row) for row in quoted).encode()


def parquet(table: Any) -> bytes:
    written = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(table, written)
    return written.getvalue()


WHOLE = json.dumps(ROWS, indent=1, ensure_ascii=False).encode()
KINDS: dict[str, Callable[[], bytes]] = {
    "rows.jsonl": lambda: lines(ROWS),
    "blank lines.jsonl": lambda: lines(ROWS).replace(b"\n", b"\n\n"),
    "rows.JSON": lambda: WHOLE,
    "mark.json": lambda: b"\xef\xbb\xbf \n" + WHOLE + b"\n ",
    "data.json": lambda: b'{"version": "1.0", "tags": ["x"], "data": ' + WHOLE + b', "n": 2}',
    "split.json": lambda: b'{"train": ' + WHOLE + b"}",
    "other.json": lambda: b'{"columns": ["id", "text"], "examples": ' + WHOLE + b"}",
    "rows.csv": lambda: table(","),
    "rows.tsv": lambda: table("\t"),
    "rows.jsonl.gz": lambda: gzip.compress(lines(ROWS)),
    "rows.csv.gz": lambda: gzip.compress(table(",")),
    "rows.json.gz": lambda: gzip.compress(WHOLE),
    "rows.parquet": lambda: parquet(pytest.importorskip("pyarrow").Table.from_pylist(ROWS)),
}


def put(folder: Path, name: str, data: bytes) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    file = put(tmp_path, name, KINDS[name]())
    rows = list(read_rows(file))
    assert [row.fields for row in rows] == ROWS
    assert {row.file for row in rows} == {file}


def test_a_row_is_numbered_by_its_line_or_its_place(tmp_path: Path) -> None:
    assert [row.number for row in read_rows(put(tmp_path, "a.jsonl", b'\n{"a": 1}\n\n{"a": 2}'))] == [2, 4]
    assert [row.number for row in read_rows(put(tmp_path, "a.json", b'[\n\n{"a": 1}, {"a": 2}]'))] == [1, 2]
    assert [row.number for row in read_rows(put(tmp_path, "a.csv", b"a\n1\n2\n"))] == [2, 3]


def test_a_folder_gives_the_files_that_match_sorted(tmp_path: Path) -> None:
    for name in ("2needle/b.jsonl", "2needle/a.jsonl", "4needle/a.jsonl", "2needle/notes.txt"):
        put(tmp_path, name, lines([{"id": name}]))
    assert [row.fields["id"] for row in read_rows(tmp_path, ["2needle/*.jsonl"])] == [
        "2needle/a.jsonl",
        "2needle/b.jsonl",
    ]
    assert len(files_of(tmp_path, ["*/a.jsonl", "2needle/a.jsonl"])) == 2  # each once
    put(tmp_path, "golong-data.json", b"{}")
    put(tmp_path, "rows.csv", b"a\n1\n")
    assert [file.name for file in files_of(tmp_path)] == ["rows.csv"]


def test_a_named_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    assert len(list(read_rows(put(tmp_path, "mine.jsonl", lines(ROWS)), ["2needle/*.parquet"]))) == 2


def test_a_folder_without_the_files_says_which_and_what_is_there(tmp_path: Path) -> None:
    put(tmp_path, "README.md", b"#")
    put(tmp_path, "4needle/a.jsonl", b"{}")
    with pytest.raises(ConfigError) as told:
        list(read_rows(tmp_path, ["2needle/*.parquet", "data.json"]))
    assert "holds no 2needle/*.parquet, data.json; it has 4needle, README.md" in str(told.value)
    two_lines(told.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="it has nothing"):
        files_of(tmp_path / "empty", ["*.json"])


def two_lines(error: GolongError) -> None:
    assert error.hint
    assert "\n" not in str(error)
    assert "\n" not in error.hint


FAULTY: dict[str, tuple[str, bytes, str]] = {
    "an empty file": ("a.jsonl", b"", ": is empty"),
    "an empty array": ("a.json", b"[]", ": holds no rows"),
    "a head alone": ("a.csv", b"a,b\n", ": holds no rows"),
    "a pointer": ("a.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer"),
    "a page": ("a.json", b"\n <!DOCTYPE html><html></html>", "a web page"),
    "a page with a mark": ("a.csv", b"\xef\xbb\xbf<html>", "a web page"),
    "a bad line": ("a.jsonl", b'{"a": 1}\n{"a": \n{"a": 3}\n', ":2: no JSON"),
    "a cut line": ("a.jsonl", b'{"a": 1}\n{"a": "x', ":2: no JSON"),
    "no object in a line": ("a.jsonl", b'{"a": 1}\n[1]\n', ":2: a row is an object, not an array"),
    "no object in an array": ("a.json", b'[{"a": 1}, "x"]', ":2: a row is an object, not text"),
    "a number too large": ("a.jsonl", b'{"a": ' + b"1" * 5000 + b"}\n", ":1: no JSON (Exceeds the limit"),
    "such a number in an array": ("a.json", b'[\n{"a": ' + b"1" * 5000 + b"}]", ":2: no JSON (Exceeds the limit"),
    "nesting": ("a.jsonl", b"[" * 200_000, ":1: no JSON (nested too deeply)"),
    "nesting in an array": ("a.json", b"[" * 200_000, ":1: no JSON (nested too deeply)"),
    "a bad row": ("a.json", b'[\n{"a": 1},\n{"a": x},\n{"a": 2}]', ":3: no JSON (Expecting value)"),
    "a cut array": ("a.json", b'[\n{"a": 1},\n{"a": 2}', ":3: no JSON (it ends too early)"),
    "a cut row": ("a.json", b'[\n{"a": 1},\n{"a": "x', ":3: no JSON (Unterminated string"),
    "a comma too many": ("a.json", b'[{"a": 1},]', "no JSON (Expecting value)"),
    "no comma": ("a.json", b'[{"a": 1} {"a": 2}]', "no JSON (',' is missing)"),
    "more behind it": ("a.json", b'[{"a": 1}]\n[{"a": 1}]', ":2: no JSON (something follows its end)"),
    "lines in a .json": ("a.json", b'{"a": 1}\n{"a": 2}\n', "no array of rows"),
    "two splits": ("a.json", b'{"train": [{"a": 1}], "test": [{"a": 1}]}', "two arrays of rows, 'train' and 'test'"),
    "two other arrays": ("a.json", b'{"x": [{"a": 1}], "y": [{"a": 1}]}', "several arrays of rows (x, y)"),
    "a text": ("a.json", b'"rows"', "neither an array of rows nor an object"),
    "no JSON at all": ("a.json", b"rows", ":1: no JSON (Expecting value)"),
    "a name that is none": ("a.json", b'{1: [{"a": 1}]}', "a name of an object is no text"),
    "not UTF-8": ("a.jsonl", b'{"a": 1}\n' * 3000 + b'{"a": "\xff"}\n', ":3001: not UTF-8"),
    "not UTF-8 in an array": ("a.json", b'[\n{"a": "\xe9"}]', ":2: not UTF-8"),
    "UTF-16": ("a.csv", "a,b\n1,2\n".encode("utf-16"), ":1: not UTF-8"),
    "too few cells": ("a.csv", b"a,b\n1,2\n3\n", ":3: a row of another number of cells than the head's 2"),
    "too many cells": ("a.tsv", b"a\tb\n1\t2\t3\n", ":2: a row of another number of cells"),
    "two columns of a name": ("a.csv", b"a,a\n1,2\n", ":1: two columns have the same name"),
    "an open quote": ("a.csv", b'a\n1\n"2\n', "unexpected end of data"),
    "no gzip": ("a.jsonl.gz", b"plain", "no whole gzipped file"),
    "half a gzip": ("a.jsonl.gz", gzip.compress(lines(ROWS * 999))[:90], "no whole gzipped file"),
    "a broken gzip": ("a.jsonl.gz", gzip.compress(b"x" * 99)[:10] + b"\xff" * 20, "no whole gzipped file"),
    "no parquet": ("a.parquet", b"PAR1" + b"x" * 40 + b"PAR1", "no readable parquet file"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_faulty_file_is_told_in_two_lines(tmp_path: Path, case: str) -> None:
    name, data, said = FAULTY[case]
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    file = put(tmp_path, name, data)
    with pytest.raises(DataError) as told:
        list(read_rows(file))
    assert str(told.value).startswith(str(file))
    assert said in str(told.value)
    two_lines(told.value)


def test_rows_before_a_fault_are_given(tmp_path: Path) -> None:
    rows = read_rows(put(tmp_path, "a.json", b'[{"a": 1}, {"a": 2}, oops]'))
    assert [next(rows).fields, next(rows).fields] == [{"a": 1}, {"a": 2}]
    with pytest.raises(DataError):
        next(rows)


@pytest.mark.parametrize("name", ["a.txt", "a.json.zip", "a", "a.parquet.gz"])
def test_an_unknown_kind_is_told_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="rows are not read from such a file") as told:
        list(read_rows(put(tmp_path, name, b"x")))
    assert ".jsonl, .parquet" in told.value.hint


def test_what_is_not_there_or_not_readable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="there is no file or folder"):
        list(read_rows(tmp_path / "none.json"))
    file = put(tmp_path, "a.jsonl", lines(ROWS))

    def refused(*args: object, **rest: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    for read in (lambda: list(read_rows(file)), lambda: data_hash([file])):
        with pytest.raises(ConfigError, match=r"cannot read .*a\.jsonl \(Permission denied\)") as told:
            read()
        two_lines(told.value)
    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(ConfigError, match="cannot read"):
        files_of(tmp_path)


def test_long_cells_are_read_whole(tmp_path: Path) -> None:
    """The csv module stops at 131,072 characters unless told not to."""
    (row,) = read_rows(put(tmp_path, "a.csv", b"a\n" + b"x" * 500_000 + b"\n"))
    assert len(row.fields["a"]) == 500_000


def test_parquet_values_are_plain(tmp_path: Path) -> None:
    """Rows are stored as JSON, which has no dates, decimals, tuples or numpy numbers."""
    arrow = pytest.importorskip("pyarrow")
    columns = {
        "when": arrow.array([1], arrow.timestamp("ns", "UTC")),
        "day": [datetime(2025, 12, 5, tzinfo=UTC).date()],
        "half": [Decimal("1.50")],
        "whole": arrow.array([Decimal(7)], arrow.decimal128(9, 0)),
        "raw": [b"caf\xc3\xa9"],
        "map": arrow.array([[("k", 1)]], arrow.map_(arrow.string(), arrow.int64())),
        "turns": [[{"role": "user", "content": "hi"}]],
        "kind": arrow.array(["x"]).dictionary_encode(),
        "none": arrow.array([None], arrow.float32()),
        "big": arrow.array([2**62], arrow.uint64()),
    }
    (row,) = read_rows(put(tmp_path, "a.parquet", parquet(arrow.table(columns))))
    assert json.loads(json.dumps(row.fields)) == row.fields
    assert row.fields.pop("when").startswith("1970-01-01T00:00:00")
    assert row.fields == {
        "day": "2025-12-05",
        "half": 1.5,
        "whole": 7,
        "raw": "café",
        "map": [["k", 1]],
        "turns": [{"role": "user", "content": "hi"}],
        "kind": "x",
        "none": None,
        "big": 2**62,
    }


def test_nanoseconds_need_no_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times finer than Python's are cut to microseconds, whether pandas is there or not."""
    arrow = pytest.importorskip("pyarrow")
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = arrow.table(
        {
            "when": arrow.array([1_500_000_001], arrow.timestamp("ns", "UTC")),
            "long": arrow.array([2_000_001], arrow.duration("ns")),
            "at": arrow.array([3_600_000_000_001], arrow.time64("ns")),
        }
    )
    (row,) = read_rows(put(tmp_path, "a.parquet", parquet(table)))
    assert row.fields == {"when": "1970-01-01T00:00:01.500000+00:00", "long": "0:00:00.002000", "at": "01:00:00"}


def test_parquet_is_read_by_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a table of long texts only some rows become Python's values before the first one is given."""
    arrow = pytest.importorskip("pyarrow")
    file = put(tmp_path, "a.parquet", parquet(arrow.table({"a": ["x" * 100_000] * 500})))
    tracemalloc.start()
    rows = read_rows(file)
    next(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert sum(1 for _ in rows) == 499


def test_without_pyarrow_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match="pyarrow") as told:
        list(read_rows(put(tmp_path, "a.parquet", b"PAR1")))
    assert "golong-eval[hub]" in told.value.hint


@pytest.mark.parametrize("mark", ["", "😀"])
def test_an_array_takes_no_more_memory_than_its_rows(tmp_path: Path, mark: str) -> None:
    """One character beyond the basic plane makes a whole text of four bytes each, were it held whole."""
    with (tmp_path / "a.json").open("w", encoding="utf-8") as file:
        file.write("[")
        for number in range(60):
            file.write("," * bool(number) + json.dumps({"a": "text " * 60_000 + mark}, ensure_ascii=False))
        file.write("]")
    size = (tmp_path / "a.json").stat().st_size
    assert size > 15_000_000
    tracemalloc.start()
    count = sum(1 for _ in read_rows(tmp_path / "a.json"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60
    assert peak < size


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    rows=st.lists(VALUES, max_size=5),
    indent=st.none() | st.integers(0, 3),
    ascii_only=st.booleans(),
    piece=st.integers(1, 40),
    wrapped=st.booleans(),
)
def test_pieces_of_any_size_give_what_the_whole_gives(
    rows: list[Any], indent: int | None, ascii_only: bool, piece: int, wrapped: bool
) -> None:
    whole = json.dumps({"n": 1, "data": rows, "z": [1]} if wrapped else rows, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_module, "_PIECE", piece)
        assert list(json_rows(io.StringIO(whole), Path("f"))) == list(enumerate(rows, 1))


@given(text=st.text(alphabet='[]{}",:\\ \n1-e.truenlsfa0u', max_size=40), piece=st.integers(1, 8))
def test_what_is_no_json_is_an_error_of_the_data_and_nothing_else(text: str, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_module, "_PIECE", piece)
        try:
            rows = list(json_rows(io.StringIO(text), Path("f")))
        except DataError:
            return
    assert isinstance(json.loads(text), list | dict)
    assert all(number for number, _ in rows)


def test_hashes_tell_files_apart(tmp_path: Path) -> None:
    one, two = put(tmp_path, "a/x.json", b"1"), put(tmp_path, "b/x.json", b"2")
    three = put(tmp_path, "y.json", b"3")
    assert data_hash([three]) == {"y.json": hashlib.sha256(b"3").hexdigest()}
    assert list(data_hash([one, two, three])) == [str(one), str(two), "y.json"]
