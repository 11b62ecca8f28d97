"""OpenRLHF's reward is the metric's, in the form that it takes, and a row without a score is flagged.

make test-frameworks runs the tests that need OpenRLHF
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import pickle
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from golong_eval.adapters.openrlhf import FLAGS, TASKS, RewardFunction, reward_func, write_openrlhf_rows
from golong_eval.adapters.rows import decode_label
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Document
from golong_eval.tasks import load_catalogue

from .labelled import BROKEN, NINE, T1, T3, labelled, samples

PROMPT = "<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\n"
RIGHT = "[Answer]\nD1\nD3"


def one(response: str, label: Any = T3, prompt: str = PROMPT, **options: Any) -> dict[str, Any]:
    return RewardFunction(**options)([prompt + response], [prompt], [label])


def test_each_task_is_rewarded_as_its_sample_is_scored() -> None:
    material = labelled()
    queries = [PROMPT + item.response + "<|im_end|>" for item in material]
    found = reward_func(queries, [PROMPT] * len(material), [item.label for item in material])
    assert found["rewards"] == found["scores"] == [item.value for item in material]
    for item in material[::9]:
        alone = reward_func([PROMPT + item.response + "<|im_end|>"], [PROMPT], [item.label])
        assert (alone["rewards"], alone["scores"]) == (item.value, item.value)
        assert isinstance(alone["rewards"], float)


def test_the_logs_have_the_same_names_for_every_row_and_give_the_mean_of_each_task() -> None:
    material = labelled()
    found = reward_func(
        [PROMPT + item.response for item in material], [PROMPT] * len(material), [m.label for m in material]
    )
    for task in NINE:
        values = [item.value for item in material if item.sample.task == task]
        rows, rewards = found["extra_logs"][f"golong_{task}_rows"], found["extra_logs"][f"golong_{task}_reward"]
        assert sum(rows) == len(values)
        assert sum(rewards) / sum(rows) == pytest.approx(sum(values) / len(values))
    names = set(one(RIGHT)["extra_logs"])
    assert names == {f"golong_{flag}" for flag in FLAGS} | {
        f"golong_{task}_{what}" for task in TASKS for what in ("rows", "reward")
    }
    for other in (one("", T1), one(RIGHT, BROKEN), one(RIGHT, T3.replace('"t3"', '"mine"'))):
        assert set(other["extra_logs"]) == names
        assert all(type(value) is float for value in other["extra_logs"].values())
    assert one(RIGHT, T3.replace('"t3"', '"mine"'))["extra_logs"]["golong_other_rows"] == 1.0


@pytest.mark.parametrize(
    ("query", "prompt", "label"),
    [
        (PROMPT + RIGHT, PROMPT, BROKEN),
        (PROMPT + RIGHT, PROMPT, None),
        (PROMPT + RIGHT, PROMPT, ""),
        (RIGHT, PROMPT, T3),  # the prompt is not in the query: nobody knows what the response is
    ],
)
def test_a_row_without_a_score_is_flagged_and_logged(
    query: str, prompt: str, label: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("golong_eval.adapters.rows._SAID", set())
    with caplog.at_level(logging.ERROR):
        found = reward_func([query], [prompt], [label])
    assert (found["rewards"], found["extra_logs"]["golong_unscored"]) == (0.0, 1.0)
    assert sum(found["extra_logs"][f"golong_{task}_rows"] for task in TASKS) == 0.0
    assert len(caplog.records) == 1


def test_what_the_model_did_wrong_is_scored() -> None:
    assert one("", T3)["extra_logs"]["golong_empty"] == 1.0
    assert one("<|im_end|>", T3)["extra_logs"]["golong_empty"] == 1.0
    thinking = one("D1\nD3", T3, PROMPT + "<think>\n")
    assert (thinking["rewards"], thinking["extra_logs"]["golong_unparsed"]) == (0.0, 1.0)
    assert thinking["extra_logs"]["golong_unscored"] == 0.0
    assert one("hm</think>" + RIGHT, T3, PROMPT + "<think>\n")["rewards"] == 1.0


def test_options_of_a_file_of_ones_own() -> None:
    assert one("D1\n\nD3", variant="official")["rewards"] == 0.8
    assert one(RIGHT, require_think=True)["extra_logs"]["golong_unparsed"] == 1.0
    assert one("<think>hm</think>" + RIGHT, require_think=True)["rewards"] == 1.0


@pytest.mark.parametrize("function", [reward_func, RewardFunction("official", require_think=True)])
def test_the_functions_can_be_pickled(function: Any) -> None:
    copy = pickle.loads(pickle.dumps(function))
    assert copy([PROMPT + RIGHT], [PROMPT], [T3]) == function([PROMPT + RIGHT], [PROMPT], [T3])


def test_rows_hold_prompt_label_and_source(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert write_openrlhf_rows(samples(), file) == len(samples())
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    catalogue = load_catalogue()
    for row, sample in zip(rows, samples(), strict=True):
        assert set(row) == {"prompt", "label", "datasource"}
        assert row["prompt"] == catalogue.get(sample.task).prompt(sample).messages
        assert decode_label(row["label"]).task == sample.task
        assert row["datasource"] == f"golong_{sample.task}"
    write_openrlhf_rows(samples(), file, variant="official")
    assert (
        decode_label(json.loads(file.read_text(encoding="utf-8").splitlines()[0])["label"]).spec.variant == "official"
    )


def test_a_text_that_openrlhf_would_read_as_a_picture_is_refused(tmp_path: Path) -> None:
    pictured = samples()[0].model_copy(update={"documents": (Document(id="D1", text="see <image> here"),)})
    with pytest.raises(DataError, match="<image>"):
        write_openrlhf_rows([pictured], tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()


class Words:
    """A tokenizer whose tokens are words, and whose template adds two."""

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        assert not tokenize
        assert add_generation_prompt
        return " ".join(["<|user|>", *(message["content"] for message in messages), "<|assistant|>"])

    def __call__(self, text: str, *, add_special_tokens: bool) -> Any:
        assert not add_special_tokens
        return {"input_ids": text.split()}


def test_prompts_that_openrlhf_would_cut_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = load_catalogue()
    lengths = [len(catalogue.get(one.task).prompt(one).message.split()) + 2 for one in samples()]
    most = sorted(lengths)[len(lengths) // 2]
    file = tmp_path / "rows.jsonl"
    kept = sum(length <= most for length in lengths)
    assert 0 < kept < len(lengths)
    assert write_openrlhf_rows(samples(), file, tokenizer=Words(), max_tokens=most) == kept
    assert len(file.read_text(encoding="utf-8").splitlines()) == kept
    assert f"{len(lengths) - kept} of {len(lengths)} samples are left out" in caplog.text
    with pytest.raises(ConfigError, match=f"all {len(lengths)} prompts"):
        write_openrlhf_rows(samples(), tmp_path / "none.jsonl", tokenizer=Words(), max_tokens=min(lengths) - 1)
    assert not (tmp_path / "none.jsonl").exists()
    for half in ({"tokenizer": Words()}, {"max_tokens": 5}):
        with pytest.raises(ConfigError, match="belong together"):
            write_openrlhf_rows(samples(), file, **half)  # type: ignore[arg-type]


LAUNCH = Path(__file__).parents[2] / "training" / "openrlhf" / "tmn_reweight_4b.sh"

# GoLongRL's published settings of the 4B run.
PUBLISHED = {
    "--algo.kl.init_coef": ["0"],
    "--algo.dynamic_filtering_range": ["0", "1"],
    "--data.max_len": [str(163_840 + 16_384)],
    "--rollout.max_new_tokens": ["16384"],
    "--rollout.batch_size": ["128"],
    "--rollout.n_samples_per_prompt": ["16"],
    "--rollout.temperature": ["1.0"],
    "--rollout.top_p": ["1.0"],
    "--train.batch_size": ["2048"],
    "--train.num_episodes": ["10"],
    "--actor.eps_clip_low_high": ["0.2", "0.28"],
    "--actor.dual_clip": ["3.0"],
    "--actor.loss_agg_mode": ["token-mean"],
    "--actor.adam.lr": ["2e-6"],
    "--actor.adam.weight_decay": ["0.1"],
    "--actor.lr_scheduler": ["constant_with_warmup"],
    "--actor.max_norm": ["1.0"],
    "--ckpt.save_steps": ["5"],
}


def launched(folder: Path, rows: int, **environment: str) -> dict[str, list[str]]:
    """What the launch file starts, option by option."""
    file = folder / "rows.jsonl"
    file.write_text("{}\n" * rows)
    done = subprocess.run(
        ["bash", str(LAUNCH)],
        env={"PATH": os.environ["PATH"], "PYTHON": "echo", "MODEL": "m", "TRAIN_FILE": str(file)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    options: dict[str, list[str]] = {}
    for word in done.stdout.split():
        if word.startswith("-"):
            name = word
            options[name] = []
        else:
            options[name].append(word)
    return options


@pytest.mark.parametrize("estimator", ["tmn_reweight", "group_norm"])
def test_the_launch_file_sets_what_was_published(estimator: str, tmp_path: Path) -> None:
    options = launched(tmp_path, 8_000, ESTIMATOR=estimator)
    assert {name: options.get(name) for name in PUBLISHED} == PUBLISHED
    assert options["--algo.dynamic_filtering_enable"] == []
    said = LAUNCH.read_text(encoding="utf-8").split("set -euo")[0]
    for difference in ("Equal groups", "512", "cuts a prompt", "Warm-up", "16"):
        assert difference in said


@pytest.mark.parametrize("rows", [200, 8_000, 8_127, 23_000, 1_000_000])
def test_the_launch_file_warms_up_for_five_steps(rows: int, tmp_path: Path) -> None:
    steps = rows * 16 // 2048 * 10  # as OpenRLHF counts them
    by_file = float(launched(tmp_path, rows if rows < 100_000 else 1, ROWS=str(rows))["--actor.lr_warmup_ratio"][0])
    assert math.ceil(steps * by_file) == 5  # and so it rounds
    if rows < 100_000:
        assert launched(tmp_path, rows)["--actor.lr_warmup_ratio"] == [f"{by_file:.6f}"]


# With OpenRLHF.

FILE = "from golong_eval.adapters.openrlhf import reward_func\n"


class Tokenizer:
    """Text as its code points: decoding gives exactly what was generated."""

    def __call__(self, text: str, **_kwargs: Any) -> Any:
        torch = pytest.importorskip("torch")
        return {"input_ids": torch.tensor([[ord(character) for character in text]])}

    def decode(self, tokens: list[int], **_kwargs: Any) -> str:
        return "".join(map(chr, tokens))


class Engine:
    """Answers as it is told to."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    async def generate(self, tokens: list[int], *_args: Any, **_kwargs: Any) -> Any:
        output = SimpleNamespace(token_ids=[ord(c) for c in self.answer], finish_reason="stop", logprobs=None)
        return SimpleNamespace(outputs=[output])


@pytest.fixture
def executor(tmp_path: Path) -> Any:
    pytest.importorskip("openrlhf", reason="needs OpenRLHF")
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    file = tmp_path / "reward.py"
    file.write_text(FILE)
    return SingleTurnAgentExecutor(str(file))


@pytest.mark.frameworks
def test_the_executor_of_openrlhf_calls_the_function_off_the_main_thread(executor: Any) -> None:
    material = labelled()[::3]
    seen: set[str] = set()
    function = executor.reward_func

    def watched(*args: Any) -> Any:
        seen.add(threading.current_thread().name)
        return function(*args)

    executor.reward_func = watched
    queries = [PROMPT + item.response + "<|im_end|>" for item in material]
    found = asyncio.run(
        executor._fetch_rewards_via_func(queries, [PROMPT] * len(material), [item.label for item in material])
    )
    assert [row["rewards"] for row in found] == [item.value for item in material]
    assert threading.main_thread().name not in seen


@pytest.mark.frameworks
@pytest.mark.parametrize("limit", [100_000, 60])
def test_a_whole_turn_of_openrlhf_ends_with_the_reward(executor: Any, limit: int) -> None:
    pytest.importorskip("torch")
    prompt = "<|im_start|>user\n" + "A long document. " * 10 + "Which?<|im_end|>\n<|im_start|>assistant\n"
    settings = SimpleNamespace(max_tokens=20, logprobs=None)

    def turn(answer: str, label: Any) -> Any:
        return asyncio.run(executor.execute(prompt, label, settings, limit, Tokenizer(), Engine(answer + "<|im_end|>")))

    output = turn(RIGHT, T3)
    assert (output["reward"], output["scores"], output["extra_logs"]["golong_t3_reward"]) == (1.0, 1.0, 1.0)
    unscored = turn(RIGHT, BROKEN)
    assert (unscored["reward"], unscored["extra_logs"]["golong_unscored"]) == (0.0, 1.0)
    assert turn("[Answer]\nD1", T3)["reward"] == pytest.approx(2 / 3)


@pytest.mark.frameworks
def test_openrlhf_reads_our_rows(tmp_path: Path) -> None:
    pytest.importorskip("openrlhf", reason="needs OpenRLHF")
    pytest.importorskip("torch")
    from openrlhf.datasets.prompts_dataset import PromptDataset

    file = tmp_path / "rows.jsonl"
    write_openrlhf_rows(samples(), file)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    tokenizer = SimpleNamespace(
        apply_chat_template=lambda chat, **_: "".join(m["content"] for m in chat) + "<|assistant|>"
    )
    data = SimpleNamespace(input_key="prompt", label_key="label", apply_chat_template=True)
    strategy = SimpleNamespace(args=SimpleNamespace(data=data), is_rank_0=lambda: False)
    dataset = PromptDataset(rows, tokenizer, strategy)
    catalogue = load_catalogue()
    for (source, prompt, label, _images), sample in zip(dataset, samples(), strict=False):
        assert source == f"golong_{sample.task}"
        assert prompt == catalogue.get(sample.task).prompt(sample).message + "<|assistant|>"
        assert decode_label(label).task == sample.task
