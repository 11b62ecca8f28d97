"""OpenRLHF's own experience maker, with our advantages in it and all else as it was.

make test-frameworks

The class and all that it calls here are OpenRLHF's. What it imports and does not call here stands in as an empty
module: vLLM, DeepSpeed and flash-attention need a GPU.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from golong_eval.adapters import openrlhf_advantages as adapter
from golong_eval.advantages import TaskScale, tmn, tmn_reweight
from golong_eval.errors import ConfigError, DataError

from .labelled import BROKEN, T1, T3
from .test_openrlhf import PROMPT, Engine, Tokenizer

pytestmark = pytest.mark.frameworks

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("openrlhf", reason="needs OpenRLHF")

ABSENT = [
    *("vllm", "vllm.inputs", "vllm.utils", "optree", "deepspeed", "deepspeed.runtime", "deepspeed.runtime.zero"),
    *("deepspeed.runtime.zero.partition_parameters", "flash_attn", "flash_attn.bert_padding", "flash_attn.utils"),
    "flash_attn.utils.distributed",
]


def stand_in(name: str) -> Any:
    module = MagicMock()
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    return module


@pytest.fixture(scope="module")
def maker_module() -> Iterator[Any]:
    absent = [name for name in ABSENT if name not in sys.modules]
    finders = list(sys.meta_path)
    sys.modules.update({name: stand_in(name) for name in absent})
    adapter.install()
    adapter.install()  # a second call does nothing
    import openrlhf.trainer.ppo_utils.experience_maker as module

    yield module
    sys.meta_path[:] = finders
    for name in absent:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter._estimator.cache_clear()
    for name in ("ESTIMATOR", "ALPHA", "DECAY", "SCALE_FILE"):
        monkeypatch.delenv(f"GOLONG_{name}", raising=False)


VALUES = [1.0, 0.0, 0.6, 0.4, 1.0, 0.0]
LABELS = [T3] * 4 + [T1] * 2
TASKS = ["t3"] * 4 + ["t1"] * 2
PROMPTS = [0, 0, 1, 1, 2, 2]


def a_maker(module: Any, *, samples: int = 2, estimator: str = "dr_grpo", kl: float = 0.0, **reward: Any) -> Any:
    reward = {"clip_range": (-10, 10), "overlong_buffer_len": None, "stop_properly_penalty_coef": None} | reward
    args = SimpleNamespace(
        algo=SimpleNamespace(advantage=SimpleNamespace(estimator=estimator, gamma=1.0, lambd=1.0, no_std_norm=False)),
        rollout=SimpleNamespace(n_samples_per_prompt=samples, max_new_tokens=10),
        reward=SimpleNamespace(**reward),
        data=SimpleNamespace(max_len=100),
    )
    return module.RemoteExperienceMaker(
        None, None, None, None, SimpleNamespace(value=kl), SimpleNamespace(args=args), None
    )


def experiences(
    module: Any, values: list[float], labels: list[Any], order: list[int], size: int = 2, **more: Any
) -> Any:
    """Micro-batches of rows in an order, as the experience maker has them before advantages."""
    made = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        mask = torch.tensor([[0, 1, 1, 1]] * len(rows))
        made.append(
            module.Experience(
                sequences=torch.ones(len(rows), 5, dtype=torch.long),
                attention_mask=torch.ones(len(rows), 5, dtype=torch.long),
                action_mask=mask,
                kl=torch.full(mask.shape, more.get("kl", 0.0)),
                rewards=torch.tensor([values[row] for row in rows], dtype=more.get("dtype", torch.float32)),
                response_length=torch.tensor([more.get("lengths", [3] * len(values))[row] for row in rows]),
                total_length=torch.tensor([5] * len(rows)),
                truncated=torch.tensor([False] * len(rows)),
                index=rows,
                prompts=["p"] * len(rows),
                labels=[labels[row] for row in rows],
                images=[None] * len(rows),
                mm_train_inputs=[None] * len(rows),
                info={
                    "reward": torch.tensor([values[row] for row in rows]),
                    "golong_unscored": torch.tensor([more.get("unscored", [0.0] * len(values))[row] for row in rows]),
                },
            )
        )
    return made


def by_row(found: list[Any], what: str) -> dict[int, list[float]]:
    return {row: getattr(one, what)[place].tolist() for one in found for place, row in enumerate(one.index)}


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6, 7], [5, 0, 7, 2, 4, 1, 6, 3]])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_tokens_get_our_advantages_to_the_digit(maker_module: Any, order: list[int], dtype: str) -> None:
    values = [1.0, 0.0, 0.0, 0.25, 1.0, 0.0, 1.0, 1.0]
    made = experiences(maker_module, values, [T3] * 4 + [T1] * 4, order, size=3, dtype=getattr(torch, dtype))
    maker = a_maker(maker_module, samples=4)
    found = maker.compute_advantages_and_returns(made)
    expected = tmn_reweight(values, [0] * 4 + [1] * 4, ["t3"] * 4 + ["t1"] * 4)
    assert abs(sum(expected[:4])) > 0.1  # a group's mean is not 0: dr_grpo's subtraction would show
    advantages = by_row(found, "advantages")
    for row, value in enumerate(expected):
        assert advantages[row][1:] == pytest.approx([value] * 3, abs=1e-6)
    assert by_row(found, "returns") == advantages
    assert maker.strategy.args.algo.advantage.estimator == "dr_grpo"


def test_tmn_by_hand_and_the_rewards_stay(maker_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLONG_ESTIMATOR", "tmn")
    made = experiences(maker_module, VALUES, LABELS, list(range(6)))
    found = a_maker(maker_module).compute_advantages_and_returns(made)
    sigma = math.sqrt(0.26)
    expected = [0.5 / sigma, -0.5 / sigma, 0.1 / sigma, -0.1 / sigma, 0.707107, -0.707107]
    assert [row[1] for row in by_row(found, "advantages").values()] == pytest.approx(expected, abs=1e-5)
    assert [value for one in found for value in one.rewards.tolist()] == pytest.approx(VALUES)
    assert [value for one in found for value in one.info["reward"].tolist()] == pytest.approx(VALUES)


def test_length_penalties_come_before_and_kl_after(maker_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLONG_ESTIMATOR", "tmn")
    lengths = [3, 3, 10, 3, 3, 3]  # of 10 allowed, a buffer of 4: row 2 loses 1
    made = experiences(maker_module, VALUES, LABELS, list(range(6)), lengths=lengths, kl=0.25)
    maker = a_maker(maker_module, kl=0.1, overlong_buffer_len=4, overlong_penalty_factor=1.0)
    found = maker.compute_advantages_and_returns(made)
    values = [*VALUES]
    values[2] -= 1.0
    expected = tmn(values, PROMPTS, TASKS)
    for row, tokens in by_row(found, "advantages").items():
        # Each token's KL reward is -0.025, summed up to the end of the answer.
        assert tokens[1:] == pytest.approx([expected[row] - 0.025 * left for left in (3, 2, 1)], abs=1e-5)
    assert [value for one in found for value in one.info["reward"].tolist()] == pytest.approx(values)
    assert maker_module.apply_length_penalties.__module__.startswith("openrlhf")  # it is back in its place


def test_a_row_that_could_not_be_scored_is_left_out(maker_module: Any) -> None:
    values, labels = [0.0, 1.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0], [BROKEN, T3, T3, T3, T1, T1, T1, BROKEN]
    made = experiences(maker_module, values, labels, list(range(8)), unscored=[1.0, *[0.0] * 6, 1.0], size=4)
    tokens = by_row(a_maker(maker_module, samples=4).compute_advantages_and_returns(made), "advantages")
    expected = tmn_reweight(values[1:7], [0] * 3 + [1] * 3, ["t3"] * 3 + ["t1"] * 3)
    assert [tokens[row][1] for row in range(8)] == pytest.approx([0.0, *expected, 0.0], abs=1e-6)
    made = experiences(maker_module, values, labels, list(range(8)), size=4)  # a label that nobody flagged
    with pytest.raises(DataError, match="label"):
        a_maker(maker_module, samples=4).compute_advantages_and_returns(made)


def test_metrics_by_task_pass_through_the_batches_of_openrlhf(maker_module: Any) -> None:
    found = a_maker(maker_module).compute_advantages_and_returns(
        experiences(maker_module, VALUES, LABELS, list(range(6)))
    )
    from openrlhf.trainer.ppo_utils.experience import make_experience_batch, split_experience_batch

    for one in found:
        assert one.info["golong_t1_mean_reward"].tolist() == [0.5, 0.5]
        assert "golong_cv_abs_advantage" in one.info
    items = [item for one in found for item in split_experience_batch(one)]
    (value,) = {float(one) for one in make_experience_batch(items).info["golong_t3_rms_group_std"]}
    assert value == pytest.approx(math.sqrt(0.26))


def test_from_the_engine_s_answers_to_advantages_by_openrlhf_s_own_way(maker_module: Any, tmp_path: Path) -> None:
    from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    file = tmp_path / "reward.py"
    file.write_text("from golong_eval.adapters.openrlhf import reward_func\n")
    executor = SingleTurnAgentExecutor(str(file))
    settings = SimpleNamespace(max_tokens=40, logprobs=None)
    answers = ["[Answer]\nD1\nD3", "[Answer]\nD1", "[Answer]\nD9", "[Answer]\n42", "[Answer]\n41", "[Answer]\n42"]
    labels = [T3, T3, T3, T1, T1, BROKEN]
    rollouts = []
    for answer, label in zip(answers, labels, strict=True):
        turn = executor.execute(PROMPT, label, settings, 1000, Tokenizer(), Engine(answer + "<|im_end|>"))
        response = asyncio.run(turn)
        rollouts.append(SamplesGenerator._process_response_into_experience(None, response, max_len=1000))
    maker = a_maker(maker_module, samples=3)
    maker.args.train = SimpleNamespace(dynamic_batch_enable=False)
    maker.args.rollout.micro_batch_size = 4
    maker.tokenizer = SimpleNamespace(pad_token_id=0)
    batches = maker.split_rollout_samples(rollouts)
    for batch in batches:
        batch.kl = torch.zeros(batch.action_mask.shape)
    found = maker.compute_advantages_and_returns(batches)
    values = [1.0, 2 / 3, 0.0, 1.0, 0.0]
    expected = [*tmn_reweight(values, [0, 0, 0, 1, 1], ["t3"] * 3 + ["t1"] * 2), 0.0]
    for batch in found:
        for place, row in enumerate(batch.index):
            written = batch.advantages[place][batch.action_mask[place].bool()]
            assert len(written) == len(answers[row] + "<|im_end|>")
            assert written.tolist() == pytest.approx([expected[row]] * len(written), abs=1e-5)
    shares = torch.cat([batch.info["golong_unscored"].flatten() for batch in found])
    assert shares.tolist() == [0.0] * 5 + [1.0]


def test_a_running_scale_goes_on_from_step_to_step(maker_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLONG_ESTIMATOR", "tmn")
    monkeypatch.setenv("GOLONG_DECAY", "0.5")
    scale = TaskScale(0.5)
    for values in ([1.0, 0.0], [0.2, 0.0]):
        expected = tmn(values, [0, 0], ["t3", "t3"], scale=scale)
        found = a_maker(maker_module).compute_advantages_and_returns(
            experiences(maker_module, values, [T3, T3], [0, 1])
        )
        assert [row[1] for row in by_row(found, "advantages").values()] == pytest.approx(list(expected), abs=1e-6)


def test_another_estimator_and_rows_that_are_no_groups_are_refused(maker_module: Any) -> None:
    made = experiences(maker_module, VALUES, LABELS, list(range(6)))
    with pytest.raises(ConfigError, match="dr_grpo") as caught:
        a_maker(maker_module, estimator="reinforce").compute_advantages_and_returns(made)
    assert "dr_grpo" in caught.value.hint
    with pytest.raises(DataError, match="no groups"):
        a_maker(maker_module, samples=4).compute_advantages_and_returns(made)
    assert [value for one in made for value in one.rewards.tolist()] == pytest.approx(VALUES)


def test_an_openrlhf_of_another_shape_stops_the_training() -> None:
    with pytest.raises(ImportError, match=r"0\.11\.2"):
        adapter._patch(SimpleNamespace(RemoteExperienceMaker=object))  # type: ignore[arg-type]


def test_settings_are_checked_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLONG_ESTIMATOR", "tmn")
    monkeypatch.setenv("GOLONG_ALPHA", "0.5")
    with pytest.raises(ConfigError, match="does nothing"):
        adapter.main()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("GOLONG_ALHPA", "GOLONG_ALPHA"),
        ("GOLONG_REQUIRE_THINK", "RewardFunction"),
        ("GOLONG_VARIANT", "RewardFunction"),
    ],
)
def test_a_variable_that_would_do_nothing_is_refused_at_the_start_and_in_the_trainer(
    maker_module: Any, name: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    made = experiences(maker_module, VALUES, LABELS, list(range(6)))
    for use in (adapter.main, lambda: a_maker(maker_module).compute_advantages_and_returns(made)):
        with pytest.raises(ConfigError, match=name) as caught:
            use()
        assert hint in caught.value.hint


def test_the_start_gives_ray_the_hook_and_openrlhf_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="needs Ray")
    seen: dict[str, Any] = {}
    monkeypatch.setenv("GOLONG_ESTIMATOR", "tmn")
    monkeypatch.setenv("NCCL_DEBUG", "INFO")
    monkeypatch.setattr(ray, "init", lambda **options: seen.update(options))
    monkeypatch.setattr(adapter.runpy, "run_module", lambda name, **options: seen.update(module=name, **options))
    adapter.main()
    assert seen["module"] == "openrlhf.cli.train_ppo_ray"
    assert seen["run_name"] == "__main__"
    environment = seen["runtime_env"]["env_vars"]
    assert (environment["GOLONG_ESTIMATOR"], environment["NCCL_DEBUG"]) == ("tmn", "INFO")
    module, _, name = seen["runtime_env"]["worker_process_setup_hook"].rpartition(".")
    assert getattr(sys.modules[module], name) is adapter.install


PARSE = """
import importlib.machinery, sys
from pathlib import Path
from unittest.mock import MagicMock
for name in {absent!r}:
    sys.modules[name] = MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None))
import openrlhf.cli
source = (Path(openrlhf.cli.__file__).parent / "train_ppo_ray.py").read_text()
assert source.endswith("    train(args)\\n")
said = "    print('parsed:', args.algo.advantage.estimator, args.reward.remote_url)\\n"
source = source.removesuffix("    train(args)\\n") + said
sys.argv = ["train_ppo_ray", *sys.argv[3:]]
exec(compile(source, "train_ppo_ray.py", "exec"), {{"__name__": "__main__"}})
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("estimator", "theirs"), [("tmn_reweight", "dr_grpo"), ("group_norm", "group_norm")])
def test_openrlhf_s_own_parser_takes_the_options_of_the_launch_file(
    estimator: str, theirs: str, tmp_path: Path
) -> None:
    ray_parts = [f"openrlhf.trainer.ray{part}" for part in ("", ".launcher", ".ppo_actor", ".ppo_critic")]
    parser = tmp_path / "parse.py"
    parser.write_text(PARSE.format(absent=ABSENT + ray_parts))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {parser} "$@"\n')
    python.chmod(0o755)
    script = Path(__file__).parents[2] / "training" / "openrlhf" / "tmn_reweight_4b.sh"
    rows = tmp_path / "t.jsonl"
    rows.write_text("{}\n" * 8_000)
    done = subprocess.run(
        ["bash", str(script)],
        env={**os.environ, "PYTHON": str(python), "MODEL": "m", "TRAIN_FILE": str(rows), "ESTIMATOR": estimator},
        capture_output=True,
        text=True,
        check=False,
    )
    reward = script.with_name("reward.py")
    assert f"parsed: {theirs} ['{reward}']" in done.stdout, done.stderr
    assert reward.exists()


RAY = """
import sys, importlib.machinery
from unittest.mock import MagicMock

import ray

def stubs():
    for name in {absent!r}:
        module = MagicMock()
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules.setdefault(name, module)

@ray.remote
class Trainer:
    def patched(self):
        stubs()
        from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker
        return getattr(RemoteExperienceMaker.compute_advantages_and_returns, "_golong", False)

hook = "golong_eval.adapters.openrlhf_advantages.install"
ray.init(num_cpus=1, include_dashboard=False, runtime_env={{"worker_process_setup_hook": hook}}, log_to_driver=False)
print("patched:", ray.get(Trainer.remote().patched.remote()))
ray.shutdown()
"""


@pytest.mark.timeout(300)
def test_the_hook_reaches_the_trainer_s_process_in_ray() -> None:
    pytest.importorskip("ray", reason="needs Ray")
    done = subprocess.run(
        [sys.executable, "-c", RAY.format(absent=ABSENT)], capture_output=True, text=True, check=False
    )
    assert "patched: True" in done.stdout, done.stderr
