"""The cache of verdicts: transparent, errors leave nothing, files of others stay as they are, processes share one."""

from __future__ import annotations

import multiprocessing
import pickle
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.errors import JudgeError, StorageError
from golong_eval.judges import CachedEmbedder, CachedJudge, JudgeQuestion, Panel, Rubric, Verdict
from golong_eval.judges.cost import spent

RUBRIC = Rubric(id="same", text="The answer means the same as the right one.")


def asked(answer: str) -> JudgeQuestion:
    return JudgeQuestion(rubric=RUBRIC, question="Which?", golds=("x",), answer=answer)


class Model:
    """Decides by the answer's first letter: a right, b error, else wrong. Counts what it is asked."""

    def __init__(self, name: str = "judge") -> None:
        self.identity = f"{name}@00000000"
        self.asked: list[str] = []

    def check(self) -> None:
        pass

    def __call__(self, questions: Sequence[JudgeQuestion], /) -> list[Verdict]:
        self.asked += [question.answer for question in questions]
        return [self.verdict(question) for question in questions]

    def verdict(self, question: JudgeQuestion) -> Verdict:
        first: Any = {"a": "right", "b": "error"}.get(question.answer[:1], "wrong")
        return Verdict(key=question.key, judge=self.identity, outcome=first, reason="r", prompt_tokens=10)


class Gone(Model):
    def __call__(self, questions: Sequence[JudgeQuestion], /) -> list[Verdict]:
        raise JudgeError("gone")


@given(calls=st.lists(st.lists(st.sampled_from(["a", "b", "c", "ab", "\ud800", ""]), max_size=5), max_size=5))
@settings(max_examples=25, deadline=None)
def test_a_cache_changes_no_verdict_and_asks_once(tmp_path_factory: Any, calls: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("cache") / "v.db"
    model, plain = Model(), Model()
    for answers in calls:
        questions = [asked(answer) for answer in answers]
        CachedJudge(Model("other"), path)(questions)
        given = CachedJudge(model, path)(questions)
        assert [one.model_copy(update={"cached": False}) for one in given] == plain(questions)
    decided = [answer for answer in model.asked if not answer.startswith("b")]
    assert len(decided) == len(set(decided))


def test_a_judge_that_goes_away_leaves_what_is_cached(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    CachedJudge(Model(), path)([asked("a")])
    gone = CachedJudge(Gone(), path)
    assert gone([asked("a")])[0].cached
    with pytest.raises(JudgeError, match="gone"):
        gone([asked("a"), asked("c")])
    assert CachedJudge(Model(), path)([asked("c")])[0].cached is False


def write_text(path: Path) -> None:
    path.write_text("these are my notes, not a database, and they are longer than a header of SQLite is " * 20)


def write_foreign(path: Path) -> None:
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE verdicts (judge TEXT, key TEXT, verdict TEXT)")
    file.commit()
    file.close()


def write_vectors(path: Path) -> None:
    class Embedder:
        name = "e"

        def __call__(self, texts: Sequence[str], /) -> list[list[float]]:
            return [[1.0] for _ in texts]

    CachedEmbedder(Embedder(), path)(["a"])


@pytest.mark.parametrize("write", [write_text, write_foreign, write_vectors, Path.touch])
def test_a_file_of_another_kind_is_named_and_left_alone(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "mine.db"
    write(path)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"mine\.db is .*no cache of verdicts") as told:
        CachedJudge(Model(), path)
    assert "another path" in told.value.hint
    assert path.read_bytes() == before


def test_a_cache_of_verdicts_is_none_of_embeddings(tmp_path: Path) -> None:
    CachedJudge(Model(), tmp_path / "v.db")
    with pytest.raises(StorageError, match="no cache of embeddings"):
        write_vectors(tmp_path / "v.db")


@pytest.mark.parametrize(
    "change",
    [
        "x''",
        "'text'",
        "NULL",
        "5",
        "CAST(replace(CAST(verdict AS TEXT), 'wrong', 'right') AS BLOB)",
        "(SELECT verdict FROM verdicts WHERE CAST(verdict AS TEXT) LIKE '%right%')",
    ],
)
def test_a_changed_verdict_is_corrupt(tmp_path: Path, change: str) -> None:
    path = tmp_path / "v.db"
    CachedJudge(Model(), path)([asked("a"), asked("c")])
    file = sqlite3.connect(path)
    file.execute(f"UPDATE verdicts SET verdict = {change} WHERE key = ?", (asked("c").key,))
    file.commit()
    file.close()
    with pytest.raises(StorageError, match=r"v\.db is corrupt"):
        CachedJudge(Model(), path)([asked("c")])


def judged(job: tuple[Path, int]) -> list[str]:
    path, number = job
    questions = [asked(f"{'ac'[step % 2]}{(number * 3 + step) % 50}") for step in range(10)]
    return [one.outcome for one in CachedJudge(Model(), path)(questions)]


def test_processes_share_a_file_from_its_first_moment(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as pool:
        found = list(pool.map(judged, [(tmp_path / "v.db", number) for number in range(12)]))
    assert found == [["right", "wrong"] * 5] * 12


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_in_the_middle_of_other_threads_can_use_the_cache(tmp_path: Path) -> None:
    cached = CachedJudge(Model(), tmp_path / "v.db")
    stop = threading.Event()

    def keep_asking() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            cached([asked(f"c{number}")])

    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        context = multiprocessing.get_context("fork")
        for number in range(5):
            child = context.Process(target=judged, args=((tmp_path / "v.db", number),))
            child.start()
            child.join(30)
            assert child.exitcode == 0
    finally:
        stop.set()
        thread.join()


def test_a_cache_pickles_to_its_settings(tmp_path: Path) -> None:
    cached = CachedJudge(Model(), tmp_path / "v.db")
    cached([asked("a")])
    copied = pickle.loads(pickle.dumps(cached))
    assert copied([asked("a")])[0].cached
    assert "v.db" in repr(copied)


def test_what_came_from_the_cache_took_nothing(tmp_path: Path) -> None:
    cached = CachedJudge(Model("one"), tmp_path / "v.db")
    cached([asked("a")])
    (verdict,) = Panel([cached, Model("two")])([asked("a")])
    assert (verdict.cached, verdict.prompt_tokens) == (False, 10)
    (verdict,) = Panel([cached, CachedJudge(Model("three"), tmp_path / "v.db")])([asked("a")])
    (again,) = Panel([cached, CachedJudge(Model("three"), tmp_path / "v.db")])([asked("a")])
    assert (verdict.cached, verdict.prompt_tokens, again.cached, again.prompt_tokens) == (False, 10, True, 20)
    found = spent([verdict, again], price=(1e6, 0.0))
    assert (found.questions, found.cached, found.prompt_tokens, found.cost) == (2, 1, 10, 10.0)


def test_closing_reaches_the_judge(tmp_path: Path) -> None:
    closed: list[str] = []

    class Closes(Model):
        def close(self) -> None:
            closed.append(self.identity)

    Panel([CachedJudge(Closes("one"), tmp_path / "v.db"), CachedJudge(Model("two"), tmp_path / "v.db")]).close()
    assert closed == ["one@00000000"]
