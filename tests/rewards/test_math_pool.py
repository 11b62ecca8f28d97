"""The math processes work wherever Python does: stdin, threads, forks, daemons, asyncio, no main guard."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from golong_eval.rewards import ScoreRequest, score, score_batch
from golong_eval.rewards.math_child import ChildGoneError, MathChild
from golong_eval.rewards.math_pool import MathPool, shared_pool
from golong_eval.rewards.outcome import Comparison, Verdict

ROOT = str(Path(__file__).parents[2])
EQUAL = Comparison("7", "3+4")
BOMB = Comparison("7", "9^{9^{9^9}}")
ANSWERS = [r"\boxed{3+4}", r"\frac{14}{2}", "3+5", r"\sqrt{49}", r"7^{9^{9}}", "I do not know", "7 km"]

ONE = 'from golong_eval.rewards import score\nassert score("math_verify", "3+4", "7").value == 1.0\nprint("scored")\n'
FORK = """
import multiprocessing, os
from golong_eval.rewards import score

def work(queue):
    queue.put([score("math_verify", a, "7").value for a in ("3+4", "3+5", "2+5")])

if __name__ == "__main__" or True:
    assert score("math_verify", "3+4", "7").value == 1.0  # the parent has its child already
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    children = [context.Process(target=work, args=(queue,), daemon=True) for _ in range(3)]
    for child in children: child.start()
    answers = [queue.get() for _ in children]
    for child in children: child.join()
    assert answers == [[1.0, 0.0, 1.0]] * 3, answers
    assert score("math_verify", "3+5", "7").value == 0.0
    print("scored")
"""
THREADS = """
import threading
from golong_eval.rewards import score
found = []
def work(i):
    found.append(score("math_verify", f"{i}+4", "7").value == float(i == 3))
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
assert found == [True] * 8
print("scored")
"""
DAEMON_BATCH_AT_EXIT = """
import threading, time
from golong_eval.rewards import ScoreRequest, score_batch
requests = [ScoreRequest("math_verify", f"{i}^{{9^9}}", "7") for i in range(3, 60)]
threading.Thread(target=score_batch, args=(requests,), daemon=True).start()
time.sleep(2)
print("scored")
"""
FORK_WHILE_JIEBA_LOADS = """
import os, threading, time
from golong_eval.rewards import score
def chinese():
    return score("rouge_l", "委员会在三月开会", "委员会在三月开会").value
threading.Thread(target=chinese).start()
for pause in (0.05, 0.3, 0.3):
    time.sleep(pause)
    child = os.fork()
    if child == 0:
        os._exit(0 if chinese() == 1.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("scored")
"""
DAEMON_THREAD_AT_EXIT = """
import threading, time
from golong_eval.rewards import score
threading.Thread(target=score, args=("math_verify", "7^{9^9}", "7"), daemon=True).start()
time.sleep(1.5)
print("scored")
"""
FORK_WHILE_LOCKED = """
import os, threading, time
from golong_eval.rewards import score
from golong_eval.rewards.math_pool import shared_pool
shared_pool().seconds = 3
assert score("math_verify", "3+4", "7").value == 1.0
threading.Thread(target=score, args=("math_verify", "7^{9^9}", "7"), daemon=True).start()
time.sleep(0.5)
child = os.fork()
if child == 0:
    os._exit(0 if score("math_verify", "4+3", "7").value == 1.0 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert score("math_verify", "2+5", "7").value == 1.0
print("scored")
"""
SPAWN = """
import concurrent.futures, multiprocessing, sys
from golong_eval.rewards import ScoreRequest, score_batch

if __name__ == "__main__":
    requests = [ScoreRequest("math_verify", f"{i}+4", "7") for i in range(4)]
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context(sys.argv[1])) as pool:
        found = [[r.value for r in f.result()] for f in [pool.submit(score_batch, requests) for _ in range(3)]]
    assert found == [[0.0, 0.0, 0.0, 1.0]] * 3, found
    print("scored")
"""
SHADOWED = "import golong_eval\n" + ONE


def python(*arguments, stdin=None, cwd=None):
    environment = {**os.environ, "PYTHONPATH": ROOT, "PYTHONWARNINGS": "error::ResourceWarning"}
    done = subprocess.run(
        [sys.executable, *arguments], input=stdin, capture_output=True, text=True, cwd=cwd, env=environment, timeout=100
    )
    assert (done.stdout, done.returncode) == ("scored\n", 0), done.stderr
    assert "Traceback" not in done.stderr


def test_from_a_script_on_stdin():
    python("-", stdin=ONE)


@pytest.mark.parametrize(
    "script",
    [FORK, THREADS, DAEMON_THREAD_AT_EXIT, DAEMON_BATCH_AT_EXIT, FORK_WHILE_LOCKED, FORK_WHILE_JIEBA_LOADS],
    ids=["fork", "threads", "exit", "batch at exit", "locked", "jieba"],
)
def test_from_a_script_without_a_main_guard(script, tmp_path):
    (tmp_path / "script.py").write_text(script)
    started = time.monotonic()
    python(str(tmp_path / "script.py"))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_from_a_pool_of_processes(method, tmp_path):
    (tmp_path / "script.py").write_text(SPAWN)
    python(str(tmp_path / "script.py"), method)


def test_a_folder_with_misleading_names_does_no_harm(tmp_path):
    for name in ("sympy", "json", "golong_eval"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('wrong module')")
    python("-P", "-c", SHADOWED, cwd=tmp_path)


@pytest.fixture(scope="module")
def expected():
    return [score("math_verify", answer, "7") for answer in ANSWERS]


def test_the_expected_answers_are_the_right_ones(expected):
    assert [result.value for result in expected] == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0]


def test_the_same_in_worker_threads_and_asyncio(expected):
    def one(answer):
        return score("math_verify", answer, "7")

    async def gathered():
        directly = [one(answer) for answer in ANSWERS]
        return directly, list(await asyncio.gather(*(asyncio.to_thread(one, answer) for answer in ANSWERS)))

    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(one, ANSWERS)) == expected
    assert asyncio.run(gathered()) == (expected, expected)


def test_the_same_in_a_batch_of_any_size_and_any_number_of_workers(expected):
    requests = [ScoreRequest("math_verify", answer, "7") for answer in ANSWERS]
    for workers in (None, 1, 2):
        shared_pool()._cache.clear()
        assert score_batch(requests, workers=workers) == expected
        assert score_batch(requests * 20, workers=workers) == expected * 20


@pytest.fixture
def pool():
    pool = MathPool(size=1, seconds=5)
    yield pool
    pool.close()


def only_process(pool):
    (child,) = pool._processes
    return child.process


def test_a_killed_process_is_replaced(pool):
    assert pool.compare(EQUAL).outcome == "equal"
    only_process(pool).kill()
    only_process(pool).wait()
    assert pool.compare(Comparison("7", "2+5")).outcome == "equal"


def test_a_process_that_was_killed_from_outside_costs_no_item(pool):
    assert pool.compare(EQUAL).outcome == "equal"
    pool.seconds = 2
    threading.Timer(0.5, os.kill, (only_process(pool).pid, signal.SIGKILL)).start()
    assert pool.compare(BOMB) == Verdict(
        "failed", "stopped after 2 seconds of CPU time"
    )  # tried again: it is the bomb's own fault
    assert pool.compare(Comparison("7", "2+5")).outcome == "equal"


def test_an_item_that_kills_its_process_twice_has_failed(pool, monkeypatch):
    real = MathChild.answers

    def dies(self, comparisons, seconds):
        if comparisons[0] == BOMB:
            self.process.kill()
        yield from real(self, comparisons, seconds)

    monkeypatch.setattr(MathChild, "answers", dies)
    with pool.comparing([Comparison("7", "1+6"), BOMB, Comparison("7", "2+5")]) as made:
        # Sent ahead of the bomb, the first is answered; the others go to a new process.
        assert [verdict.outcome for verdict in made()] == ["equal", "failed", "equal"]


def test_a_bomb_among_others_costs_the_others_nothing(pool):
    pool.seconds = 1
    items = [Comparison("7", f"{i}+{7 - i}") for i in range(20)]
    items[3] = BOMB
    with pool.comparing(items) as made:
        assert [verdict.outcome for verdict in made()] == ["equal"] * 3 + ["failed"] + ["equal"] * 16


def test_a_failure_that_was_not_the_items_is_not_kept(pool, monkeypatch):
    real = MathChild.answers

    def dies(self, comparisons, seconds):
        self.process.kill()
        self.process.wait()
        yield from real(self, comparisons, seconds)

    monkeypatch.setattr(MathChild, "answers", dies)
    assert pool.compare(EQUAL).outcome == "failed"
    monkeypatch.undo()
    assert pool.compare(EQUAL).outcome == "equal"


def test_a_process_that_is_killed_while_it_starts_is_started_again(pool, monkeypatch):
    real, starts = MathChild.__init__, []

    def init(self):
        starts.append(1)
        if len(starts) < 3:
            raise ChildGoneError("it ended")
        real(self)

    monkeypatch.setattr(MathChild, "__init__", init)
    assert pool.compare(EQUAL).outcome == "equal"
    assert len(starts) == 3


def test_there_are_never_more_processes_than_the_pool_has_room_for(pool):
    def work(i):
        return pool.compare(Comparison("7", f"{i}+{7 - i}")).outcome, len(pool._processes)

    with ThreadPoolExecutor(6) as executor:
        assert set(executor.map(work, range(20))) == {("equal", 1)}


def test_a_process_is_limited_and_its_output_is_its_own(pool):
    pool.compare(EQUAL)
    pid = only_process(pool).pid
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert f"Max address space         {2 << 30}" in limits
    assert Path(f"/proc/{pid}/fd/1").readlink() == Path(os.devnull)  # what a library prints is no reply
    assert os.getsid(pid) == pid  # a Ctrl-C in the terminal is not for it


def test_the_same_item_gives_the_same_verdict_in_any_process(monkeypatch):
    items = [
        Comparison("42", text) for text in ("|\\infty|", "x^2-x^2+42", "\\sin(x)^2+\\cos(x)^2+41", "\\max(1,\\infty)")
    ]
    found = []
    for _ in range(3):
        pool = MathPool(size=1)
        found.append([pool.compare(item).outcome for item in items])
        pool.close()
    assert found[0] == found[1] == found[2]
    assert found[0][0] == found[0][3] == "different"


def test_closing_ends_a_batch_without_a_score(pool):
    items = [Comparison("7", f"{i}^{{9^9}}") for i in range(3, 40)]
    with pool.comparing(items) as made:
        time.sleep(1.5)
        pool.close()
        assert made()[-1].outcome == "down"


def test_verdicts_are_kept(pool):
    pool.seconds = 1
    assert pool.compare(BOMB).outcome == "failed"
    started = time.monotonic()
    assert pool.compare(BOMB).outcome == "failed"
    assert time.monotonic() - started < 0.5


def test_what_is_too_long_is_not_sent(pool):
    with pool.comparing([EQUAL, Comparison("7", "1+" * 10**6 + "1"), Comparison("7", "2+5")]) as made:
        assert [verdict.outcome for verdict in made()] == ["equal", "failed", "equal"]


def test_a_process_retires(pool, monkeypatch):
    monkeypatch.setattr("golong_eval.rewards.math_pool._RETIRE", 2)
    pids = []
    for i in range(4):
        pool.compare(Comparison("7", f"{i}+{7 - i}"))
        pids.append(pool._idle[0].process.pid if pool._idle else None)
    assert pids[0] is not None
    assert pids[1] is None
    assert pids[2] not in (None, pids[0])


def test_closing_ends_the_processes_and_the_pool_goes_on(pool):
    assert pool.compare(EQUAL).outcome == "equal"
    process = only_process(pool)
    pool.close()
    assert process.poll() is not None
    assert pool.compare(Comparison("7", "2+5")).outcome == "equal"


def test_the_process_ends_with_its_parent():
    script = (
        "import os, signal\nfrom golong_eval.rewards.math_pool import shared_pool\n"
        "from golong_eval.rewards.outcome import Comparison\npool = shared_pool()\n"
        "pool.compare(Comparison('7', '3+4'))\n"
        "print(next(iter(pool._processes)).process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    child = int(done.stdout)
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child outlived its parent")


def test_a_process_out_of_memory_is_replaced(pool, monkeypatch):
    real, replies = MathChild._receive, []

    def receive(self, seconds):
        reply = real(self, seconds)
        replies.append(reply)
        return {"error": "out of memory", "memory": True} if len(replies) == 2 else reply  # the first says ready

    monkeypatch.setattr(MathChild, "_receive", receive)
    with pool.comparing([BOMB._replace(answer="8"), EQUAL, Comparison("7", "2+5")]) as made:
        assert [verdict.outcome for verdict in made()] == ["failed", "equal", "equal"]
    assert sum("ready" in reply for reply in replies) == 2
