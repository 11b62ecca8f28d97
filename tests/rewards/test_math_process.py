"""The child process works wherever Python does: stdin, threads, forks, daemons, no main guard."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from golong_eval.rewards.math_process import MathProcess

ROOT = str(Path(__file__).parents[2])
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
DAEMON_THREAD_AT_EXIT = """
import threading, time
from golong_eval.rewards import score
threading.Thread(target=score, args=("math_verify", "9^{9^{9^9}}", "7"), daemon=True).start()
time.sleep(1)
print("scored")
"""
FORK_WHILE_LOCKED = """
import os, threading, time
from golong_eval.rewards import math_process, score
math_process._SHARED.seconds = 3
assert score("math_verify", "3+4", "7").value == 1.0
threading.Thread(target=score, args=("math_verify", "9^{9^{9^9}}", "7"), daemon=True).start()
time.sleep(0.5)
child = os.fork()
if child == 0:
    os._exit(0 if score("math_verify", "3+4", "7").value == 1.0 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert score("math_verify", "3+4", "7").value == 1.0
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
    "script", [FORK, THREADS, DAEMON_THREAD_AT_EXIT, FORK_WHILE_LOCKED], ids=["fork", "threads", "exit", "locked"]
)
def test_from_a_script_without_a_main_guard(script, tmp_path):
    (tmp_path / "script.py").write_text(script)
    python(str(tmp_path / "script.py"))


def test_a_folder_with_misleading_names_does_no_harm(tmp_path):
    for name in ("sympy", "json", "golong_eval"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('wrong module')")
    python("-P", "-c", SHADOWED, cwd=tmp_path)


@pytest.fixture
def process():
    process = MathProcess(seconds=5)
    yield process
    process.close()


def test_a_killed_child_is_replaced(process):
    assert process.compare("7", "3+4").outcome == "equal"
    os.kill(process._child.pid, signal.SIGKILL)
    process._child.wait()
    assert process.compare("7", "3+4").outcome == "equal"


def test_a_child_that_dies_of_an_item_costs_only_that_item(process):
    assert process.compare("7", "3+4").outcome == "equal"
    pid = process._child.pid
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    assert process.compare("7", "9^{9^{9^9}}").outcome == "failed"
    assert process.compare("7", "3+4").outcome == "equal"


def test_the_child_ends_with_its_parent():
    script = (
        "import os, signal\nfrom golong_eval.rewards import math_process\nmath_process.compare('7', '3+4')\n"
        "print(math_process._SHARED._child.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
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


def test_memory_is_limited(process):
    assert process.compare("7", "3+4").outcome == "equal"
    process.seconds = 1
    # A number of 10^9 digits and more: refused by the limit of the child, or stopped.
    assert process.compare("7", "(10^{9})! + 10^{10^{10}}").outcome in ("failed", "answer_unread", "different")
