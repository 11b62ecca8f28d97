"""The run folder loses nothing: torn lines, full disks, two writers, half-written files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.errors import ConfigError, DataError, StorageError
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.schema import Generation


def line(number: int) -> str:
    return Generation(sample_id=f"s{number}", text="a" * number, finish_reason="stop").model_dump_json()


def read(file: Path) -> list[str]:
    return [generation.sample_id for generation in AppendLog.read(file, Generation)]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400))
def test_a_file_cut_anywhere_reads_as_its_whole_lines_and_can_be_appended_to(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    file = tmp_path_factory.mktemp("log") / "log.jsonl"
    log = AppendLog(file)
    for number in range(3):
        log.append(line(number))
    log.close()
    content = file.read_bytes()[:cut]
    file.write_bytes(content)
    whole = [f"s{number}" for number in range(content.count(b"\n"))]
    assert read(file) == whole
    log = AppendLog(file)
    log.append(line(9))
    log.close()
    assert read(file) == [*whole, "s9"]


def test_a_torn_line_longer_than_a_block_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(line(1).encode() + b"\n" + b"x" * 200_000)
    AppendLog(file).close()
    assert file.read_bytes() == line(1).encode() + b"\n"


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(f"{line(1)}\nnot json\n{line(2)}\n")
    with pytest.raises(DataError, match=r"log\.jsonl:2: damaged line"):
        read(file)


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run"), pytest.raises(ConfigError, match="another process is writing"):
        RunFolder(tmp_path / "run")
    with RunFolder(tmp_path / "run"):
        pass


def test_a_whole_file_is_never_half_there(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.write_json("results.json", {"a": 1})
        with pytest.raises(ValueError, match="not JSON compliant"):
            folder.write_json("results.json", {"a": float("nan")})

        def broken() -> object:
            yield "first"
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError):
            folder.write_lines("results.json", broken())  # type: ignore[arg-type]
        assert folder.read_json("results.json") == {"a": 1}


def test_a_full_disk_is_told_and_keeps_what_was_written(tmp_path: Path) -> None:
    """A real limit of the operating system on file size, met in mid-line."""
    file = tmp_path / "log.jsonl"
    code = f"""
import resource, signal
from pathlib import Path
from golong_eval.harness.run_folder import AppendLog
from golong_eval.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
log = AppendLog(Path({str(file)!r}))
try:
    for number in range(100):
        log.append({line(5)!r})
except StorageError as error:
    log.close()
    print(error, '|', error.hint)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot write" in out.stdout
    assert "--resume" in out.stdout
    assert len(read(file)) == 1000 // (len(line(5)) + 1)


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        RunFolder(tmp_path / "file" / "run")


def test_damaged_json_is_named(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        (tmp_path / "config.json").write_text("{")
        with pytest.raises(DataError, match=r"config\.json: not JSON"):
            folder.read_json("config.json")
        (tmp_path / "config.json").write_text(json.dumps([1]))
        with pytest.raises(DataError, match="not a JSON object"):
            folder.read_json("config.json")


def test_a_temporary_file_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with RunFolder(tmp_path / "run") as folder:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            folder.write_lines("results.json", ["{}"])
        with pytest.raises(AttributeError):
            folder.write_lines("results.json", [None])  # type: ignore[list-item]
    assert not list((tmp_path / "run").rglob("*.part"))
