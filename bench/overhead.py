"""What the harness itself costs: a whole run against a server that answers at once, beside lm-eval on the same samples.

    pip install -e '.[lm-eval]' && python bench/overhead.py
    python bench/overhead.py --samples 400 --rounds 1

Both commands read the same samples from disk, send the same prompts to the same server at the same concurrency, store
every answer, score it and print their table; each runs as a process of its own, start-up included. The server
is a third process. Printed: medians of wall clock and of own CPU time (user and system), and the ratios. Targets of
this project: at least 4 times faster by wall clock, and under 1 ms of own CPU a sample.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from golong_eval.schema import Document, ItemsGold, Sample, TextGold
from golong_eval.tasks import SampleWriter, load_catalogue

CONCURRENCY = 64
QUESTIONS = 8  # about one context
WORDS = ["alpha", "beta", "gamma", "delta", "pump", "valve", "shift", "crew", "log", "dawn", "harbour", "engine"]

SERVER = """
import asyncio, json, sys
from aiohttp import web

ANSWER = json.dumps({
    "id": "x", "object": "chat.completion", "created": 0, "model": "null",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "[Answer]\\nD1"}}],
    "usage": {"prompt_tokens": 200, "completion_tokens": 4, "total_tokens": 204},
}).encode()

async def chat(request):
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")

async def models(request):
    return web.json_response({"object": "list", "data": [{"id": "null", "object": "model", "max_model_len": 32768}]})

async def main():
    app = web.Application(client_max_size=2**28)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

TASK = """
task: overhead
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: []
  do_sample: false
  max_gen_toks: 512
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


def write_samples(folder: Path, count: int) -> tuple[Path, Path]:
    """Write the samples in the form of each harness: the same prompts and golds."""
    rng = random.Random(0)
    specs = load_catalogue().specs
    ours, theirs = folder / "samples.jsonl", folder / "lm_eval.jsonl"
    with SampleWriter(ours) as writer, theirs.open("w") as out:
        for number in range(count):
            if number % QUESTIONS == 0:
                text = f"Report {number}. " + " ".join(rng.choice(WORDS) for _ in range(120))
            sample = Sample(
                id=f"s{number}",
                task="t1" if number % 2 else "t3",
                documents=(Document(id="D1", title="Report", text=text),),
                question=f"Question {number}: where is the {rng.choice(WORDS)}?",
                gold=TextGold(answers=("D1",)) if number % 2 else ItemsGold(items=("D1",)),
            )
            writer.write(sample)
            row = {"prompt": specs[sample.task].prompt(sample).text, "answer": "[Answer]\nD1"}
            out.write(json.dumps(row) + "\n")
    return ours, theirs


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Return the seconds of wall clock and of CPU that a command takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OPENAI_API_KEY": "none", "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    environment |= {"HF_HOME": str(folder / "hf"), "TOKENIZERS_PARALLELISM": "false"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run both, one after the other, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    peer = f"lm-eval {version('lm-eval')}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs = write_samples(folder, options.samples)
        (folder / "task").mkdir()
        (folder / "task" / "overhead.yaml").write_text(TASK.format(file=theirs))
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            golong = [sys.executable, "-m", "golong_eval", "run", "--base-url", url, "--model", "null"]
            golong += ["--tasks", str(ours), "--concurrency", str(CONCURRENCY), "--output-dir", "runs"]
            lm_eval = [sys.executable, "-m", "lm_eval", "--model", "local-chat-completions", "--model_args"]
            lm_eval += [f"model=null,base_url={url}/chat/completions,num_concurrent={CONCURRENCY},max_retries=3"]
            lm_eval += ["--tasks", "overhead", "--include_path", "task", "--apply_chat_template", "--log_samples"]
            lm_eval += ["--output_path", "lm_eval_out"]
            times: dict[str, list[tuple[float, float]]] = {"golong-eval": [], peer: []}
            for _ in range(options.rounds):
                times["golong-eval"].append(measure(golong, folder))
                times[peer].append(measure(lm_eval, folder))
        finally:
            server.kill()
    print(
        f"{options.samples} samples, concurrency {CONCURRENCY}, {options.rounds} rounds, medians; "
        f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}"
    )
    wall = {who: statistics.median(wall for wall, _ in found) for who, found in times.items()}
    cpu = {who: statistics.median(cpu for _, cpu in found) * 1000 / options.samples for who, found in times.items()}
    for who in times:
        print(f"{who:14} {wall[who]:7.2f} s wall   {cpu[who]:6.3f} ms of own CPU a sample")
    ratio = wall[peer] / wall["golong-eval"]
    print(f"{ratio:.1f} x faster by wall clock (target 4): {'PASS' if ratio >= 4 else 'FAIL'}")
    print(f"own CPU a sample under 1 ms: {'PASS' if cpu['golong-eval'] < 1 else 'FAIL'}")


if __name__ == "__main__":
    main()
