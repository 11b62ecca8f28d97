"""Downloads from a hub that is a real HTTP server in this process: what is noted, what goes on, what is told."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from golong_eval.benchmarks.base import DataSource
from golong_eval.benchmarks.hub import describe, fetch, manifest_of
from golong_eval.errors import ConfigError, DataError, GolongError, MissingExtraError, StorageError

huggingface_hub = pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")

COMMIT, OLDER = "c" * 40, "d" * 40
ROWS = b'{"a": 1}\n' * 2000
FILES = {"2needle/a.jsonl": ROWS, "2needle/b.jsonl": b'{"b": 1}\n', "README.md": b"# card", "4needle/c.jsonl": b"{}"}
SOURCE = DataSource(hub="org/rows", files=("2needle/*.jsonl",), revision="main")


class Hub(ThreadingHTTPServer):
    """As much of the hub as a download asks; `fault` answers in its place where it returns True."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.heads = {"main": COMMIT, COMMIT: COMMIT, "old": OLDER, OLDER: OLDER}
        self.asked: list[tuple[str, str, str | None]] = []
        self.fault: Callable[[Handler, str], bool] = lambda handler, path: False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def downloads(self) -> list[str]:
        return [path.rpartition("/")[2] for method, path, _ in self.asked if method == "GET" and "/resolve/" in path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.headers.get("Range")))
        if self.server.fault(self, path):
            return
        parts = path.strip("/").split("/")
        if parts[:4] == ["api", "datasets", "org", "rows"]:
            self._info(parts[-1])
        elif parts[:4] == ["datasets", "org", "rows", "resolve"]:
            self._file("/".join(parts[5:]), parts[4])
        else:
            self.refuse(401, "RepoNotFound")

    def _info(self, revision: str) -> None:
        if revision not in self.server.heads:
            self.refuse(404, "RevisionNotFound")
            return
        siblings: list[dict[str, Any]] = [
            {"rfilename": name, "size": len(data), "blobId": "x"} for name, data in self.server.files.items()
        ]
        for entry in siblings:  # of small files the hub says no SHA-256
            data = self.server.files[entry["rfilename"]]
            if len(data) > 1000:
                entry["lfs"] = {"sha256": digest(data), "size": len(data), "pointerSize": 1}
        commit = self.server.heads[revision]
        body = {"id": "org/rows", "sha": commit, "siblings": siblings, "tags": [], "private": False}
        self.send(200, json.dumps(body).encode(), Content_Type="application/json")

    def _file(self, name: str, commit: str) -> None:
        if name not in self.server.files:
            self.refuse(404, "EntryNotFound")
            return
        data = self.server.files[name]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"ETag": f'"{digest(data)}"', "X_Repo_Commit": commit}
        if "Range" in self.headers:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send(206 if "Range" in self.headers else 200, data[start:], None, **headers)

    def send(self, status: int, data: bytes = b"", most: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:most])
            self.close_connection = most is not None

    def refuse(self, status: int, code: str = "", message: str = "no") -> bool:
        self.send(status, b"", X_Error_Code=code, X_Error_Message=message)
        return True

    def log_message(self, *args: Any) -> None:
        pass


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def points_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what HF_ENDPOINT does, which is read when the package is loaded."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
    with Hub() as server:
        points_at(server.url, monkeypatch)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def two_lines(error: GolongError) -> None:
    assert error.hint
    assert "\n" not in str(error)
    assert "\n" not in error.hint


def test_what_would_be_fetched_is_told_before(hub: Hub) -> None:
    found = describe(SOURCE)
    assert (found.repo, found.commit) == ("org/rows", COMMIT)
    assert found.files == {"2needle/a.jsonl": len(ROWS), "2needle/b.jsonl": 9}
    assert found.bytes == len(ROWS) + 9
    assert hub.downloads() == []
    assert describe(SOURCE, "old").commit == OLDER


def test_a_download_is_noted_beside_the_files(hub: Hub, tmp_path: Path) -> None:
    told: list[str] = []
    made = fetch(SOURCE, tmp_path / "rows", on_progress=told.append)
    assert (tmp_path / "rows/2needle/a.jsonl").read_bytes() == ROWS
    assert not (tmp_path / "rows/4needle").exists()
    assert (made.repo, made.revision, made.commit) == ("org/rows", "main", COMMIT)
    assert {name: (file.bytes, file.sha256) for name, file in made.files.items()} == {
        "2needle/a.jsonl": (len(ROWS), digest(ROWS)),
        "2needle/b.jsonl": (9, digest(FILES["2needle/b.jsonl"])),
    }
    assert manifest_of(tmp_path / "rows") == made
    assert json.loads((tmp_path / "rows/golong-data.json").read_text())["commit"] == COMMIT
    assert [line.partition(" (")[0] for line in told] == ["2needle/a.jsonl", "2needle/b.jsonl"]


def test_files_come_from_the_commit_that_the_branch_stood_at(hub: Hub, tmp_path: Path) -> None:
    """A branch that moves between two files would mix two revisions."""
    fetch(SOURCE, tmp_path / "rows")
    assert all(f"/resolve/{COMMIT}/" in path for _, path, _ in hub.asked if "/resolve/" in path)


def test_a_download_that_was_cut_off_goes_on(hub: Hub, tmp_path: Path) -> None:
    def stop(message: str) -> None:
        if message.startswith("2needle/b"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(SOURCE, tmp_path / "rows", on_progress=stop)
    assert manifest_of(tmp_path / "rows") is None
    fetch(SOURCE, tmp_path / "rows")
    assert hub.downloads() == ["a.jsonl", "b.jsonl"]
    fetch(SOURCE, tmp_path / "rows")
    assert len(hub.downloads()) == 2


def test_a_file_that_was_changed_since_is_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(SOURCE, tmp_path / "rows")
    file = tmp_path / "rows/2needle/a.jsonl"
    file.write_bytes(ROWS[:-2] + b"x\n")  # as long as it was
    fetch(SOURCE, tmp_path / "rows")
    assert file.read_bytes() == ROWS


def test_a_connection_that_breaks_in_a_file_is_taken_up_where_it_broke(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    broken: list[str] = []

    def half(handler: Handler, path: str) -> bool:
        if handler.command != "GET" or not path.endswith("a.jsonl") or broken:
            return False
        broken.append(path)
        handler.send(200, ROWS, most=len(ROWS) // 2, ETag=f'"{digest(ROWS)}"', X_Repo_Commit=COMMIT)
        return True

    hub.fault = half
    fetch(SOURCE, tmp_path / "rows")
    assert (tmp_path / "rows/2needle/a.jsonl").read_bytes() == ROWS
    assert [part for method, path, part in hub.asked if method == "GET" and path.endswith("a.jsonl")] == [
        None,
        f"bytes={len(ROWS) // 2}-",
    ]


@pytest.mark.parametrize("damaged", [ROWS[:-1], ROWS.replace(b"1", b"2")])
def test_a_damaged_file_is_fetched_again(hub: Hub, tmp_path: Path, damaged: bytes) -> None:
    fetch(SOURCE, tmp_path / "rows")
    file = tmp_path / "rows/2needle/a.jsonl"
    before = file.stat()
    file.write_bytes(damaged)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # nothing but its content tells
    fetch(SOURCE, tmp_path / "rows")
    assert file.read_bytes() == ROWS


def test_another_commit_is_not_written_over(hub: Hub, tmp_path: Path) -> None:
    fetch(SOURCE, tmp_path / "rows")
    with pytest.raises(ConfigError, match=r"at c{12}, and this is org/rows at d{12}") as told:
        fetch(SOURCE, tmp_path / "rows", revision="old")
    assert "--overwrite" in told.value.hint
    hub.files["2needle/b.jsonl"] = b'{"b": 22}\n'
    made = fetch(SOURCE, tmp_path / "rows", revision="old", overwrite=True)
    assert (made.revision, made.commit) == ("old", OLDER)
    assert (tmp_path / "rows/2needle/b.jsonl").read_bytes() == b'{"b": 22}\n'


def test_a_file_of_another_hash_than_the_known_one_is_told(hub: Hub, tmp_path: Path) -> None:
    known = dataclasses.replace(SOURCE, sha256={"a.jsonl": digest(ROWS), "b.jsonl": "0" * 64})
    with pytest.raises(DataError, match=r"b\.jsonl: its hash is .*, and 0000000000000000\.\.\. is known") as told:
        fetch(known, tmp_path / "rows")
    two_lines(told.value)
    assert manifest_of(tmp_path / "rows") is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_data_set_says_how_to_get_in(hub: Hub, tmp_path: Path, status: int) -> None:
    """The hub lists the files of a gated data set to all, and refuses the files."""
    hub.fault = lambda handler, path: "/resolve/" in path and handler.refuse(status, "GatedRepo")
    assert describe(SOURCE).bytes
    with pytest.raises(ConfigError, match="org/rows is gated") as told:
        fetch(SOURCE, tmp_path / "rows")
    two_lines(told.value)
    assert f"{hub.url}/datasets/org/rows" in told.value.hint
    assert "hf auth login" in told.value.hint


@pytest.mark.parametrize("where", ["/api/", "/resolve/"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_told(hub: Hub, tmp_path: Path, where: str, status: int) -> None:
    hub.fault = lambda handler, path: (
        where in path and handler.refuse(status, message="Invalid credentials in Authorization header")
    )
    with pytest.raises(ConfigError, match=f"does not let you read org/rows .HTTP {status}") as told:
        fetch(SOURCE, tmp_path / "rows")
    assert "hf auth login" in told.value.hint


@pytest.mark.parametrize(
    ("source", "revision", "said"),
    [
        (dataclasses.replace(SOURCE, hub="org/none"), None, "the hub has no public data set org/none"),
        (dataclasses.replace(SOURCE, hub="no name"), None, "the hub has no public data set no name"),
        (SOURCE, "v9", "org/rows has no revision 'v9'"),
        (
            dataclasses.replace(SOURCE, files=("8needle/*.jsonl",)),
            None,
            "org/rows at main has no 8needle/*.jsonl; it has",
        ),
        (dataclasses.replace(SOURCE, files=("*.jsonl",)), None, "org/rows at main has no *.jsonl"),
        (DataSource(hub=None), None, "these rows are made, not downloaded"),
    ],
)
def test_what_is_not_there_is_told(hub: Hub, source: DataSource, revision: str | None, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        describe(source, revision)
    two_lines(told.value)
    assert str(told.value).startswith(said)


def test_a_file_that_goes_between_listing_and_download_is_told(hub: Hub, tmp_path: Path) -> None:
    hub.fault = lambda handler, path: path.endswith("b.jsonl") and handler.refuse(404, "EntryNotFound")
    with pytest.raises(ConfigError, match="a file of org/rows is gone") as told:
        fetch(SOURCE, tmp_path / "rows")
    two_lines(told.value)


@pytest.mark.parametrize("reply", [(500, b""), (200, b"<html>log in to this network</html>"), (200, b"{}")])
def test_a_hub_that_is_out_of_order_is_told(hub: Hub, reply: tuple[int, bytes]) -> None:
    def odd(handler: Handler, path: str) -> bool:
        handler.send(*reply)
        return True

    hub.fault = odd
    with pytest.raises(ConfigError) as told:
        describe(SOURCE)
    two_lines(told.value)


def test_no_network_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        points_at(f"http://127.0.0.1:{probe.getsockname()[1]}", monkeypatch)
    started = time.monotonic()
    with pytest.raises(ConfigError, match="the hub does not answer for org/rows") as told:
        fetch(SOURCE, tmp_path / "rows")
    two_lines(told.value)
    assert time.monotonic() - started < 5
    assert not (tmp_path / "rows").exists()


def test_a_network_that_swallows_all_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golong_eval.benchmarks.hub._SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        points_at(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        started = time.monotonic()
        with pytest.raises(ConfigError, match="the hub does not answer for org/rows"):
            describe(SOURCE)
        assert time.monotonic() - started < 5


def test_offline_mode_is_named(hub: Hub, tmp_path: Path) -> None:
    """In a process of its own, because the variables are read when the package is loaded."""
    code = (
        "import sys; from pathlib import Path\n"
        "from golong_eval.benchmarks.base import DataSource\nfrom golong_eval.benchmarks.hub import fetch\n"
        "fetch(DataSource(hub='org/rows', files=('2needle/*.jsonl',)), Path(sys.argv[1]))"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code]
    offline = subprocess.run(
        [*command, str(tmp_path / "one")],
        env={**environment, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ConfigError: HF_HUB_OFFLINE is set" in offline.stderr
    subprocess.run([*command, str(tmp_path / "two")], env=environment, capture_output=True, check=True)
    assert manifest_of(tmp_path / "two") is not None


def test_a_full_disk_is_told_before_the_download(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(StorageError, match=r"org/rows takes 0 MB, and the disk of .* has 0 MB free") as told:
        fetch(SOURCE, tmp_path / "rows")
    two_lines(told.value)
    assert hub.downloads() == []


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError(28, "No space left on device"), "free some space"),
        (PermissionError(13, "Permission denied"), "rights"),
        (RuntimeError("Data processing error: No space left on device (os error 28)"), "free some space"),
    ],
)
def test_a_disk_that_fills_up_is_told(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, hint: str
) -> None:
    def fails(*args: object, **rest: object) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fails)
    with pytest.raises(StorageError, match=r"cannot write .*a\.jsonl") as told:
        fetch(SOURCE, tmp_path / "rows")
    assert hint in told.value.hint


def test_a_folder_that_is_a_file_is_told(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        fetch(SOURCE, tmp_path / "rows")


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="huggingface_hub") as told:
        fetch(SOURCE, tmp_path / "rows")
    assert "golong-eval[hub]" in told.value.hint


def test_a_note_that_is_none_says_nothing(tmp_path: Path) -> None:
    assert manifest_of(tmp_path) is None
    (tmp_path / "golong-data.json").write_text('{"repo": ')
    assert manifest_of(tmp_path) is None
