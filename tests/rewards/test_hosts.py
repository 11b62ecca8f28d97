"""The same scores inside a Ray actor's threads and in a notebook, where rewards are called from in practice."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from golong_eval.rewards import score

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = str(Path(__file__).parents[2])
ANSWERS = [r"\boxed{3+4}", r"\frac{14}{2}", "3+5", r"7^{9^{9}}", "I do not know", "7 km", "\\sqrt{49}"]
SCORES = [("math_verify", answer, "7") for answer in ANSWERS] + [("f1", "D1\n\nD2", ["D1", "D2"])]


@pytest.fixture(scope="module")
def expected():
    found = [score(*arguments).value for arguments in SCORES]
    assert found == [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    return found


def test_the_same_in_the_threads_and_the_event_loop_of_ray_actors(expected, tmp_path):
    script = tmp_path / "in_ray.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, json, sys
            from concurrent.futures import ThreadPoolExecutor
            import ray
            from golong_eval.rewards import ScoreRequest, score, score_batch

            def value(arguments):
                return score(*arguments).value

            @ray.remote(num_cpus=0, max_concurrency=4)
            class Threaded:
                def one(self, arguments):
                    return value(arguments)

                def pooled(self, scores):
                    with ThreadPoolExecutor(4) as pool:
                        return list(pool.map(value, scores))

                def batch(self, scores):
                    return [result.value for result in score_batch([ScoreRequest(*s) for s in scores])]

            @ray.remote(num_cpus=0)
            class Async:
                async def all(self, scores):
                    return list(await asyncio.gather(*(asyncio.to_thread(value, s) for s in scores)))

            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
            scores = json.loads(sys.argv[1])
            threaded, in_loop = Threaded.remote(), Async.remote()
            found = [
                ray.get([threaded.one.remote(s) for s in scores]),
                ray.get(threaded.pooled.remote(scores)),
                ray.get(threaded.batch.remote(scores)),
                ray.get(in_loop.all.remote(scores)),
            ]
            ray.shutdown()
            print(json.dumps(found))
            """
        )
    )
    found = run(str(script), json.dumps(SCORES))
    assert json.loads(found.splitlines()[-1]) == [expected] * 4


def test_the_same_in_a_notebook(expected):
    import nbformat
    from nbclient import NotebookClient

    code = textwrap.dedent(
        f"""
        import json, sys
        sys.path.insert(0, {ROOT!r})
        from golong_eval.rewards import score
        print(json.dumps([score(*arguments).value for arguments in json.loads({json.dumps(json.dumps(SCORES))})]))
        """
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert json.loads(output.text) == expected


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": ROOT, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
