"""The cache: transparent, one question a text, failures leave nothing, threads and processes share a file."""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
import pickle
import sqlite3
import tempfile
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.errors import ConfigError, JudgeError, StorageError
from golong_eval.judges import CachedEmbedder, EndpointEmbedder

from .conftest import Server, says, vector


class Model:
    """Counts what it is asked. Its vectors are float32, so that a cache must give exactly them."""

    def __init__(self, name: str = "model") -> None:
        self.name = name
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str], /) -> list[list[float]]:
        self.asked.append(list(texts))
        return [list(vector(f"{self.name}{text!r}")) for text in texts]


class Broken(Model):
    def __init__(self, rows: Any) -> None:
        super().__init__()
        self.rows = rows

    def __call__(self, texts: Sequence[str], /) -> Any:
        self.asked.append(list(texts))
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows


def count(path: Path) -> int:
    file = sqlite3.connect(path)
    (number,) = file.execute("SELECT count(*) FROM vectors").fetchone()
    file.close()
    return int(number)


def vectors_of(embed: CachedEmbedder, texts: list[str]) -> list[list[float]]:
    return [list(row) for row in embed(texts)]


# Transparent


@pytest.mark.parametrize("kept", ["memory", "file", "file shared with another model"])
@given(
    calls=st.lists(
        st.lists(st.text(alphabet=st.characters(exclude_categories=()), max_size=3), max_size=6), max_size=6
    ),
    max_entries=st.integers(1, 5),
)
@settings(max_examples=25, deadline=None)
def test_a_cache_changes_no_vector(kept: str, calls: list[list[str]], max_entries: int) -> None:
    """Whatever is asked, in any order and with any limit; lone surrogates and repeats among it."""
    with tempfile.TemporaryDirectory() as folder:
        path = None if kept == "memory" else Path(folder) / "cache.db"
        plain, model = Model(), Model()
        cached = CachedEmbedder(model, path, max_entries)
        other = CachedEmbedder(Model("other"), path, max_entries)
        for texts in calls:
            if "another" in kept:
                other(texts)
            assert [list(row) for row in cached(texts)] == plain(texts)
            assert len(cached._memory) <= max_entries
            if path is not None:
                assert count(path) <= max_entries
        for texts in model.asked:
            assert len(texts) == len(set(texts)) > 0


def test_each_text_is_embedded_once(tmp_path: Path) -> None:
    model = Model()
    cached = CachedEmbedder(model, tmp_path / "cache.db")
    cached(["a", "b", "a"])
    cached(["c", "b", "c"])
    assert model.asked == [["a", "b"], ["c"]]
    assert cached([]) == []
    again = Model()
    CachedEmbedder(again, tmp_path / "cache.db")(["c", "a", "d"])
    assert again.asked == [["d"]]


def test_the_name_is_the_embedders_and_parts_what_is_cached(tmp_path: Path) -> None:
    first, second = (CachedEmbedder(Model(name), tmp_path / "cache.db") for name in ("one", "two"))
    assert (first.name, second.name) == ("one", "two")
    assert first(["a"]) != second(["a"])
    assert count(tmp_path / "cache.db") == 2


def test_vectors_become_float32() -> None:
    cached = CachedEmbedder(Broken([[0.1]]))
    assert [list(row) for row in cached(["a"])] == [list(row) for row in cached(["a"])] == [[array("f", [0.1])[0]]]


def test_changing_a_returned_vector_changes_no_other() -> None:
    cached = CachedEmbedder(Model())
    first, twin = cached(["a", "a"])
    first[0] = 7.0
    assert 7.0 not in (twin[0], cached(["a"])[0][0])


def test_the_least_recently_used_goes_first() -> None:
    model = Model()
    cached = CachedEmbedder(model, max_entries=2)
    for text in "abacab":
        cached([text])
    assert model.asked == [["a"], ["b"], ["c"], ["b"]]


def test_the_file_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    CachedEmbedder(Model(), path, max_entries=3)(list("abcde"))
    assert count(path) == 3
    model = Model()
    CachedEmbedder(model, path)(list("abcde"))
    assert model.asked == [["a", "b"]]


# Failures


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (RuntimeError("down"), RuntimeError),
        (JudgeError("down", "start it"), JudgeError),
        ([[1.0]], JudgeError),
        ([[1.0], [2.0], [3.0]], JudgeError),
        ([[1.0], [math.nan]], JudgeError),
        ([[1.0], [1.0, 2.0]], JudgeError),
        ([[1.0], []], JudgeError),
    ],
)
def test_a_failed_call_caches_nothing(tmp_path: Path, rows: Any, error: type[Exception]) -> None:
    path = tmp_path / "cache.db"
    cached = CachedEmbedder(Broken(rows), path)
    with pytest.raises(error):
        cached(["a", "b"])
    assert cached._memory == {}
    assert count(path) == 0


def test_a_failure_keeps_what_was_cached_before(server: Server) -> None:
    cached = CachedEmbedder(EndpointEmbedder("tiny", server.url, retries=0))
    cached(["a"])
    server.default = says(500)
    with pytest.raises(JudgeError):
        cached(["a", "b"])
    assert cached(["a"]) == [vector("a")]
    assert len(server.requests) == 2


def test_a_model_that_changed_under_its_name_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    CachedEmbedder(Broken([[1.0, 2.0]]), path)(["a"])
    with pytest.raises(JudgeError, match=r"another length than it gives now: \[1, 2\]") as caught:
        CachedEmbedder(Broken([[1.0]]), path)(["a", "b"])
    assert str(path) in caught.value.hint
    assert count(path) == 1


def write_text(path: Path) -> None:
    path.write_text("these are my notes, not a database, and they are longer than a header of SQLite is " * 20)


def write_foreign(path: Path) -> None:
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE vectors (key BLOB, vector BLOB)")
    file.commit()
    file.close()


def write_nothing(path: Path) -> None:
    path.touch()


def write_newer_format(path: Path) -> None:
    file = sqlite3.connect(path)
    file.execute("PRAGMA application_id = 7")
    file.close()


@pytest.mark.parametrize("write", [write_text, write_foreign, write_nothing, write_newer_format])
def test_a_file_of_another_kind_is_named_and_left_alone(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "mine.db"
    write(path)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"mine\.db is .*no cache of embeddings") as caught:
        CachedEmbedder(Model(), path)
    assert "another path" in caught.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize("where", ["header", "pages"])
def test_a_corrupt_file_is_named(tmp_path: Path, where: str) -> None:
    path = tmp_path / "cache.db"
    texts = [str(number) for number in range(2000)]
    CachedEmbedder(Model(), path)(texts)
    data = bytearray(path.read_bytes())
    start = 0 if where == "header" else 4096
    data[start : start + 30_000] = os.urandom(30_000)
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"cache\.db is corrupt") as caught:
        CachedEmbedder(Model(), path)(texts)
    assert "delete it" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    ["x''", "x'0000'", "'text'", "5", "NULL", "substr(vector, 5)", "zeroblob(28)", "(SELECT max(vector) FROM vectors)"],
)
def test_a_changed_entry_is_corrupt(tmp_path: Path, change: str) -> None:
    path = tmp_path / "cache.db"
    CachedEmbedder(Model(), path)(["a", "b", "c"])
    file = sqlite3.connect(path)
    file.execute(f"UPDATE vectors SET vector = {change} WHERE vector < (SELECT max(vector) FROM vectors)")
    file.commit()
    file.close()
    with pytest.raises(StorageError, match=r"cache\.db is corrupt"):
        CachedEmbedder(Model(), path)(["a", "b", "c"])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere.cache\.db can't be used"):
        CachedEmbedder(Model(), tmp_path / "nowhere" / "cache.db")
    with pytest.raises(StorageError, match="can't be used"):
        CachedEmbedder(Model(), tmp_path)


def test_max_entries_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_entries=0"):
        CachedEmbedder(Model(), max_entries=0)


# Threads and processes


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cached = CachedEmbedder(Model(), tmp_path / "cache.db", max_entries=20)
    calls = [[str((start + step) % 30) for step in range(8)] for start in range(200)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(cached, calls))
    plain = Model()
    assert [[list(row) for row in rows] for rows in results] == [plain(texts) for texts in calls]


def score(job: tuple[Path, int]) -> bool:
    path, number = job
    cached = CachedEmbedder(Model(), path)
    texts = [str((number * 3 + step) % 50) for step in range(10)]
    return vectors_of(cached, texts) == Model()(texts)


def test_processes_share_a_file_from_its_first_moment(tmp_path: Path) -> None:
    """Each file is made by several processes at once."""
    jobs = [(tmp_path / f"cache{number // 16}.db", number) for number in range(160)]
    with ProcessPoolExecutor(8, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert all(pool.map(score, jobs))
    assert all(
        count(path) == len({str((n * 3 + s) % 50) for p, n in jobs if p == path for s in range(10)}) for path, _ in jobs
    )


def test_a_pickled_cache_goes_on_with_its_file(tmp_path: Path) -> None:
    cached = CachedEmbedder(EndpointEmbedder("tiny", "http://host"), tmp_path / "cache.db", 7)
    for twin in (pickle.loads(pickle.dumps(cached)), copy.deepcopy(cached)):
        assert repr(twin) == repr(cached)
        assert (twin.name, twin.path, twin.max_entries) == ("tiny", tmp_path / "cache.db", 7)


def fork_and_check(cached: CachedEmbedder, out: Any, texts: list[str]) -> None:
    out.send(vectors_of(cached, texts))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of what is tested here
def test_a_forked_child_goes_on_while_the_parents_threads_are_busy(tmp_path: Path) -> None:
    """A lock that a thread of the parent held at the fork must not stop the child."""
    cached = CachedEmbedder(Model(), tmp_path / "cache.db")
    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(cached, [str(number), str(number + 1)]) for number in range(400)]
        for number in range(6):
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=fork_and_check, args=(cached, sender, [str(number), "new"]))
            child.start()
            assert receiver.poll(60)
            assert receiver.recv() == Model()([str(number), "new"])
            child.join(60)
            receiver.close()
            sender.close()
        for future in busy:
            future.result()


def test_a_relative_path_outlives_a_change_of_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cached = CachedEmbedder(Model(), "cache.db")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    cached(["a"])
    assert count(tmp_path / "cache.db") == 1
