"""A rollout of verifiers has the metric's value as its reward, or an error: never a score that nobody gave.

make test-frameworks runs the tests that need verifiers
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from golong_eval.adapters import verifiers as adapter
from golong_eval.adapters.verifiers import reply_of, reward
from golong_eval.errors import ConfigError, DataError, MissingExtraError
from golong_eval.tasks import load_catalogue

from ..engines.chat_server import ChatServer, completion
from .labelled import BROKEN, NINE, T3, labelled, samples

RIGHT = "[Answer]\nD1\nD3"
_CATALOGUE = load_catalogue()
MODULE = Path(__file__).parents[2] / "training" / "verifiers" / "golong_tasks.py"


class Trace:
    """What the reward needs of a trace."""

    def __init__(self, content: str | None, reasoning: str | None = None, *, cut: bool = False) -> None:
        self.assistant_messages = [SimpleNamespace(content=content, reasoning_content=reasoning)]
        self.last_reply = (content or "").strip()
        self.is_truncated = cut
        self.info: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}

    def record_metrics(self, values: dict[str, float]) -> None:
        self.metrics |= values


def rewarded(label: str, trace: Trace) -> float:
    return asyncio.run(reward(SimpleNamespace(label=label), trace))


def test_each_task_is_rewarded_as_its_sample_is_scored_and_says_which_it_was() -> None:
    for one in labelled()[::2]:
        trace = Trace(one.response)
        assert rewarded(one.label, trace) == one.value
        assert trace.metrics[f"reward_{one.sample.task}"] == one.value
        assert trace.info["golong"]["metric"] == str(_CATALOGUE.get(one.sample.task).metric)


def test_a_thinking_that_the_server_sent_apart_is_no_answer() -> None:
    assert reply_of(Trace(RIGHT, "D9?")).text == f"<think>D9?</think>{RIGHT}"
    assert rewarded(T3, Trace(RIGHT, "[Answer]\nD9")) == 1.0
    trace = Trace("", RIGHT, cut=True)
    assert (rewarded(T3, trace), trace.metrics["unparsed"]) == (0.0, 1.0)
    trace = Trace(None)
    assert (rewarded(T3, trace), trace.metrics["empty"]) == (0.0, 1.0)
    empty = SimpleNamespace(last_reply="", assistant_messages=[], is_truncated=False)
    assert reply_of(empty) == ("", False)


def test_the_answer_of_another_branch_keeps_its_own_thinking_only() -> None:
    trace = Trace(RIGHT, "thoughts of another")
    trace.last_reply = "[Answer]\nD1"
    assert reply_of(trace).text == "[Answer]\nD1"


@pytest.mark.parametrize(
    "label", [BROKEN, "", '{"golong": 1, "task": "t9", "metric": "rouge_l[strict,v1,semantic=0.5*m]", "gold": ["a"]}']
)
def test_without_a_score_there_is_an_error_and_no_reward(label: str) -> None:
    trace = Trace(RIGHT)
    with pytest.raises(DataError):
        rewarded(label, trace)
    assert trace.metrics == {}


def test_the_event_loop_goes_on_while_an_answer_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    real = adapter.score_labels

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.3)
        return real(*args, **kwargs)

    monkeypatch.setattr(adapter, "score_labels", slow)

    async def three() -> tuple[list[float], int]:
        beats = 0

        async def heart() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(heart())
        found = await asyncio.gather(*(reward(SimpleNamespace(label=T3), Trace(RIGHT)) for _ in range(3)))
        beating.cancel()
        return found, beats

    found, beats = asyncio.run(three())
    assert found == [1.0] * 3
    assert beats >= 5


def test_the_reward_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(reward)) is reward


@pytest.mark.skipif(importlib.util.find_spec("verifiers") is not None, reason="verifiers is installed")
def test_without_verifiers_the_taskset_names_what_installs_it() -> None:
    with pytest.raises(MissingExtraError) as caught:
        _ = adapter.GolongTaskset
    assert caught.value.hint == "pip install verifiers==0.4.0"
    assert "GolongTaskset" not in adapter.__all__
    with pytest.raises(AttributeError):
        _ = adapter.Nonsense


# With verifiers.

# Asks the model once, in its own process: what a test needs, without a sandbox.
HARNESS = """
import aiohttp
import verifiers.v1 as vf

__all__ = ["DirectHarness", "DirectHarnessConfig"]


class DirectHarnessConfig(vf.HarnessConfig):
    pass


class DirectHarness(vf.Harness[DirectHarnessConfig]):
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data, tool_interception_url=None):
        body = {"model": ctx.model, "messages": [{"role": "user", "content": data.prompt}]}
        headers = {"Authorization": f"Bearer {secret}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{endpoint}/chat/completions", json=body) as reply,
        ):
            said = await reply.text()
            return vf.ProgramResult(0 if reply.status == 200 else 1, said, "")
"""


@pytest.fixture
def vf() -> Any:
    return pytest.importorskip("verifiers.v1", reason="needs verifiers")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(sample.model_dump_json(exclude_none=True) + "\n" for sample in samples()), encoding="utf-8")
    return path


def taskset(*files: Path, **options: Any) -> Any:
    return adapter.GolongTaskset(adapter.GolongTasksetConfig(samples=list(files), **options))


@pytest.mark.frameworks
def test_the_taskset_gives_a_task_for_each_sample_with_its_prompt(vf: Any, file: Path) -> None:
    tasks = list(taskset(file))
    assert [task.data.id for task in tasks] == [sample.id for sample in samples()]
    for task, sample in zip(tasks, samples(), strict=True):
        assert task.data.prompt == _CATALOGUE.get(sample.task).prompt(sample).message
        assert task.key == f"{sample.task}/{sample.id}"
        assert isinstance(task, vf.Task)
    assert len({task.key for task in tasks}) == len(tasks)
    assert {task.data.golong_task for task in tasks} == set(NINE)
    copy = pickle.loads(pickle.dumps(tasks[0]))
    assert copy.data == tasks[0].data


@pytest.mark.frameworks
def test_the_real_scoring_gives_our_scores_in_each_task(vf: Any, file: Path) -> None:
    tasks = {task.data.id: task for task in taskset(file)}

    async def scored() -> None:
        for one in labelled():
            task = tasks[one.sample.id]
            trace = made(vf, task, one.response)
            await task.score(trace)
            assert trace.reward == one.value
            assert trace.rewards["golong"].score == one.value
            assert trace.metrics[f"reward_{one.sample.task}"] == one.value

    asyncio.run(scored())


def made(vf: Any, task: Any, text: str, reasoning: str | None = None) -> Any:
    """A real trace with one answer."""
    message = vf.AssistantMessage(content=text, reasoning_content=reasoning)
    info = vf.AgentInfo(config=vf.AgentConfig(), model="m")
    trace = vf.Trace[adapter.GolongData, vf.State, vf.AgentConfig](
        task=vf.TraceTask(type="GolongTask", data=task.data, hash=task.hash, key=task.key), agent=info
    )
    trace.nodes.append(vf.MessageNode(message=message, sampled=True))
    return trace


@pytest.mark.frameworks
def test_a_label_that_cannot_be_read_is_a_task_error_and_no_reward(vf: Any, file: Path) -> None:
    task = next(iter(taskset(file))).with_data(label=BROKEN)
    trace = made(vf, task, RIGHT)
    with pytest.raises(vf.TaskError):
        asyncio.run(task.score(trace))
    assert trace.rewards == {"golong": None}


@pytest.mark.frameworks
def test_the_gate_and_the_variant_are_settings(vf: Any, file: Path) -> None:
    gated = taskset(file, task=adapter.GolongTaskConfig(require_think=True))
    task = next(iter(gated.include(ids=[one.sample.id for one in labelled() if one.sample.task == "t3"][:1])))
    right = next(one.response for one in labelled() if one.sample.id == task.data.id and one.value == 1.0)

    async def value(text: str, reasoning: str | None = None) -> float:
        trace = made(vf, task, text, reasoning)
        await task.score(trace)
        return float(trace.reward)

    assert asyncio.run(value(right)) == 0.0
    assert asyncio.run(value(right, "I thought.")) == 1.0
    assert asyncio.run(value(f"<think>I thought.</think>{right}")) == 1.0
    official = next(iter(taskset(file, variant="official")))
    assert "[official" in json.loads(official.data.label)["metric"]


@pytest.mark.frameworks
def test_golds_are_validated_before_any_model_is_asked(vf: Any, file: Path) -> None:
    del vf
    assert {asyncio.run(task.validate(None)) for task in taskset(file)} == {True}
    assert {asyncio.run(task.validate(None)) for task in taskset(file, variant="official")} == {None}


@pytest.mark.frameworks
def test_files_that_are_not_named_or_say_an_id_twice_are_refused(vf: Any, file: Path) -> None:
    del vf
    with pytest.raises(ConfigError, match="where the samples are"):
        list(taskset())
    with pytest.raises(DataError, match="twice"):
        list(taskset(file, file))


@pytest.mark.frameworks
@pytest.mark.timeout(300)
@pytest.mark.parametrize("answering", ["right", "wrong"])
def test_vf_eval_runs_the_taskset_against_a_server(vf: Any, file: Path, tmp_path: Path, answering: str) -> None:
    del vf
    by_prompt = {
        _CATALOGUE.get(one.sample.task).prompt(one.sample).message: one
        for one in labelled()
        if (one.value == 1.0) == (answering == "right")
    }

    def answer(handler: Any, body: dict[str, Any]) -> None:
        text = by_prompt[body["messages"][0]["content"]].response
        reply = completion(body, {"content": text}, total_tokens=2, prompt_tokens=1, completion_tokens=1)
        handler.reply(200, reply | {"id": "c", "created": 1})

    (tmp_path / "direct_harness.py").write_text(HARNESS)
    with ChatServer() as server:
        server.default = answer
        options = {
            "--env.taskset.samples": json.dumps([str(file)]),
            "--env.agent.harness.id": "direct-harness",
            "--env.agent.runtime.type": "subprocess",
            "--model": "m",
            "--client.base-url": server.url,
            "--output-dir": str(tmp_path / "out"),
        }
        words = [word for pair in options.items() for word in pair]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("vf-eval")), "golong-tasks", *words, "--no-rich", "--no-push"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(MODULE.parent), str(tmp_path)])},
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr
    (stored,) = (tmp_path / "out").rglob("traces.jsonl")
    lines = stored.read_text(encoding="utf-8").splitlines()
    traces = [trace for line in lines for trace in json.loads(line)["traces"]]
    assert len(traces) == len(samples())
    for trace in traces:
        one = by_prompt[trace["task"]["data"]["prompt"]]
        assert trace["ok"], trace["errors"]
        assert trace["rewards"]["golong"]["score"] == pytest.approx(one.value)
        assert trace["metrics"][f"reward_{one.sample.task}"] == pytest.approx(one.value)


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *options = words
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *options],
        env={**os.environ, "PYTHONPATH": str(MODULE.parent)},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_vf_validate_finds_every_gold_right(vf: Any, file: Path, tmp_path: Path) -> None:
    del vf
    done = run(
        *("vf-validate", "golong-tasks", "--taskset.samples", json.dumps([str(file)])),
        *("--runtime.type", "subprocess", "-o", str(tmp_path / "out")),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f'"valid": {len(samples())}' in done.stdout
    assert '"valid_rate": 1.0' in done.stdout


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_verifiers_takes_the_options_that_the_page_names(vf: Any, file: Path, tmp_path: Path) -> None:
    del vf
    page = (MODULE.parents[2] / "docs" / "verifiers.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    PYTHONPATH=\S+ (vf-eval (?:.*\\\n)*.*)$", page, re.MULTILINE)
    words = shlex.split(command.replace("\\\n", " ").replace("samples.jsonl", str(file)))
    more = ["--env.taskset.variant", "official", "--env.taskset.task.require-think", "true"]
    more += ["--env.taskset.task.rewards.mine.fn", "golong_eval.adapters.verifiers:reward"]
    for option in more[::2]:
        assert option in page or option.replace("mine", "golong") in page
    done = run(*words, *more, "--dry-run", "--output-dir", str(tmp_path / "out"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (stored,) = (tmp_path / "out").rglob("eval.json")
    taskset = json.loads(stored.read_text(encoding="utf-8"))["env"]["taskset"]
    assert (taskset["variant"], taskset["task"]["require_think"]) == ("official", True)
