"""A plan counts what the run will do: prompts, shared beginnings, lengths, budgets, and what keeps it from running."""

from __future__ import annotations

import json
import shutil
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from golong_eval import evaluate
from golong_eval.engines import embedded_model
from golong_eval.errors import ConfigError, ModelError
from golong_eval.harness import Plan, RunSettings
from golong_eval.harness.plan import Assumptions, plan_run
from golong_eval.harness.prefixes import BLOCK, UniquePrefixes
from golong_eval.reports import plan_text
from golong_eval.schema import Document, Sample, TextGold
from golong_eval.tasks import SampleWriter, load_catalogue, load_tokenizer, read_samples

SPECS = load_catalogue().specs

# Tokens of few kinds, so that prompts do share beginnings, of lengths on both sides of blocks.
prompts = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5), st.integers(0, 1)).map(
        lambda shape: [0] * BLOCK * shape[0] + [1] * BLOCK * shape[1] + [2] * shape[2] * 5 + [3] * shape[3]
    ),
    max_size=12,
)


def unique(lists: list[list[int]]) -> int:
    prefixes = UniquePrefixes()
    for tokens in lists:
        prefixes.add(array("I", tokens))
    return prefixes.tokens


def brute_force(lists: list[list[int]]) -> tuple[int, int]:
    """Nodes of a trie over whole blocks, in tokens and with what is left over; nodes of a trie over tokens."""
    by_block = {tuple(tokens[:end]) for tokens in lists for end in range(BLOCK, len(tokens) + 1, BLOCK)}
    by_token = {tuple(tokens[:end]) for tokens in lists for end in range(1, len(tokens) + 1)}
    return BLOCK * len(by_block) + sum(len(tokens) % BLOCK for tokens in lists), len(by_token)


@hypothesis_settings(deadline=None)
@given(prompts, st.randoms(use_true_random=False))
def test_what_is_left_to_compute_is_a_trie_of_blocks_in_any_order(lists: list[list[int]], random: Any) -> None:
    by_block, by_token = brute_force(lists)
    assert unique(lists) == by_block
    assert by_token <= by_block <= sum(map(len, lists))
    assert by_block - by_token < BLOCK * max(1, len(lists))
    random.shuffle(lists)
    assert unique(lists) == by_block


def test_the_same_block_after_another_beginning_is_another_block() -> None:
    a, b = [1] * BLOCK, [2] * BLOCK
    assert unique([a + b, b]) == 3 * BLOCK
    assert unique([a + b, a, a + b + [3]]) == 2 * BLOCK + 1
    assert unique([]) == unique([[]]) == 0


def test_many_blocks_are_counted_as_few() -> None:
    """Over the size at which what came is merged: a million blocks, half of them twice."""
    prefixes = UniquePrefixes()
    for first in (1, 2, 1):
        prefixes.add(array("I", [first]) + array("I", bytes(4 * (BLOCK * 600_000 - 1))))
    assert prefixes.tokens == 2 * 600_000 * BLOCK


@pytest.mark.parametrize("scale", [1, 700])
def test_tokens_of_a_long_text_are_those_of_the_whole(scale: int) -> None:
    """In pieces or not: words, lines, no spaces, Chinese and emoji."""
    tokenizer = load_tokenizer("embedded")
    text = ("The pump stopped at dawn.\n" + "é漢字🎉" * 40 + "x = 1;\t\t\n\n" + "word " * 60) * scale
    whole = tokenizer._backend.encode(text, add_special_tokens=False).ids
    for _ in range(2):  # the second time from what was remembered
        assert list(tokenizer.ids(text)) == whole
    assert tokenizer.count(text) == len(whole)
    assert list(tokenizer.ids("")) == []


def settings(**values: Any) -> RunSettings:
    return RunSettings.make(**({"model": "gold", "engine": "scripted"} | values))


def test_prompts_answers_and_budgets_by_hand(samples_file: Path) -> None:
    """Four contexts of three questions; 3 repeats ask for 36 answers and compute no prompt again."""
    once = plan_run(settings(tasks=samples_file))
    plan = plan_run(settings(tasks=samples_file, repeats=3, temperature=0.5))
    count = load_tokenizer("embedded").count
    texts = [SPECS[sample.task].prompt(sample).text for sample in read_samples(samples_file)]
    budgets = [SPECS[task].max_tokens for task in ("t1", "t7", "t8")]
    assert [(row.task, row.samples, row.answers, row.budget) for row in plan.tasks] == [
        (task, 4, 12, budget) for task, budget in zip(("t1", "t7", "t8"), budgets, strict=True)
    ]
    assert plan.prompt_tokens == once.prompt_tokens == sum(map(count, texts))
    assert plan.unique_prefix_tokens == once.unique_prefix_tokens < plan.prompt_tokens
    assert plan.answer_tokens == 3 * once.answer_tokens == 12 * sum(budgets)
    assert plan.length.longest == max(row.longest + 64 + row.budget for row in plan.tasks)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def write_lengths(file: Path, *words: int) -> Path:
    with SampleWriter(file) as writer:
        for number, count in enumerate(words):
            document = Document(id="D1", text=f"{number} " + "pump " * count)
            gold = TextGold(answers=("Ada",))
            writer.write(Sample(id=f"s{number}", task="t1", documents=(document,), question="Who?", gold=gold))
    return file


def test_lengths_are_counted_in_powers_of_two(tmp_path: Path) -> None:
    count = load_tokenizer("embedded").count
    file = write_lengths(tmp_path / "s.jsonl", 1, 2, 900, 4_000, 40_000)
    sizes = [count(SPECS["t1"].prompt(sample).text) for sample in read_samples(file)]
    row = plan_run(settings(tasks=file)).tasks[0]
    assert list(row.lengths) == sorted(row.lengths, key=lambda label: int(label[:-1]))
    assert sum(row.lengths.values()) == 5
    for label, prompts in row.lengths.items():
        bound = int(label.removesuffix("k")) * 1024
        assert prompts == sum((bound // 2 if bound > 1024 else 0) < size <= bound for size in sizes)
    assert (row.longest, row.prompt_tokens) == (max(sizes), sum(sizes))


def model_of(folder: Path, **config: Any) -> Path:
    """The embedded checkpoint with another configuration and no weights: a plan loads none."""
    folder.mkdir()
    source = Path(embedded_model())
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(source / name, folder / name)
    (folder / "config.json").write_text(json.dumps(json.loads((source / "config.json").read_text()) | config))
    (folder / "model.safetensors.index.json").write_text('{"metadata": {"total_size": 8044936192}}')
    return folder


QWEN3_4B = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 2560,
    "layer_types": None,
    "dtype": "bfloat16",
}


@pytest.mark.parametrize(
    ("policy", "obstacles", "told"),
    [
        ("refuse", 1, "would refuse to start"),
        ("truncate", 0, "do not fit: 2; their documents would be cut"),
        ("skip", 0, "do not fit: 2; they would get no answer"),
    ],
)
def test_prompts_that_do_not_fit_are_counted_and_the_policy_is_told(
    tmp_path: Path, policy: str, obstacles: int, told: str
) -> None:
    file = write_lengths(tmp_path / "s.jsonl", 10, 3_000, 5_000)
    plan = plan_run(
        RunSettings.make(tasks=file, max_model_len=2_048, context_policy=policy, model=model_of(tmp_path / "m"))
    )
    assert (plan.length.limit, plan.length.too_long, len(plan.obstacles)) == (2_048, 2, obstacles)
    assert told in plan_text(plan)


def test_what_is_cut_or_skipped_takes_no_more_than_the_model_has(tmp_path: Path) -> None:
    file = write_lengths(tmp_path / "s.jsonl", 10, 5_000)
    values = {"tasks": file, "model": model_of(tmp_path / "m", **QWEN3_4B), "max_model_len": 2_048}
    gpus = {
        policy: plan_run(RunSettings.make(context_policy=policy, **values), assumptions=Assumptions(gpu="H100")).gpus
        for policy in ("refuse", "truncate", "skip")
    }
    longest = {policy: fit.longest_tokens for policy, fit in gpus.items() if fit is not None}
    assert longest["refuse"] > 5_000
    assert longest["truncate"] == 2_048
    assert longest["skip"] < 1_024


def test_a_built_length_that_does_not_fit_is_refused_as_by_the_run() -> None:
    with pytest.raises(ModelError, match="do not fit the model's 32,768 positions"):
        plan_run(RunSettings.make(length="64k", tasks="t1"))


def test_a_scaled_model_is_planned_at_its_scaled_length(tmp_path: Path) -> None:
    model = model_of(tmp_path / "m", **QWEN3_4B)
    file = write_lengths(tmp_path / "s.jsonl", 40_000)
    values = {"tasks": file, "model": model}
    assert plan_run(RunSettings.make(**values)).length.too_long == 1
    plan = plan_run(RunSettings.make(rope_scaling={"factor": 4}, **values), assumptions=Assumptions(gpu="H100"))
    assert (plan.length.limit, plan.length.too_long) == (131_072, 0)
    assert plan.length.overrides == {
        "max_position_embeddings": 131_072,
        "rope_parameters": {
            "rope_theta": 10_000.0,
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32_768,
        },
    }
    assert plan.length.serve is not None
    assert plan.length.serve in plan_text(plan)
    assert plan.gpus is not None
    assert plan.gpus.degree == 1


def test_the_positions_that_vllm_wants_room_for_are_told(tmp_path: Path) -> None:
    model = model_of(tmp_path / "m", max_position_embeddings=1_048_576, **QWEN3_4B)
    plan = plan_run(
        RunSettings.make(tasks=write_lengths(tmp_path / "s.jsonl", 10), model=model),
        assumptions=Assumptions(gpu="H100"),
    )
    assert plan.gpus is not None
    assert f"--max-model-len {plan.gpus.longest_tokens}" in plan_text(plan)
    assert not plan.obstacles


def test_what_fits_on_no_gpus_is_an_obstacle(tmp_path: Path) -> None:
    model = model_of(tmp_path / "m", **QWEN3_4B)
    values = {"tasks": write_lengths(tmp_path / "s.jsonl", 10, 12_000), "model": model}
    plan = plan_run(RunSettings.make(**values), assumptions=Assumptions(gpu="4.6"))
    assert plan.gpus is not None
    assert (plan.gpus.degree, plan.gpus.too_big) == (None, 1)
    assert plan.obstacles == (
        "1 request does not fit on 8 x 4.6-GiB GPU: use larger GPUs, --kv-dtype fp8 or a smaller --length",
    )
    weights = plan_run(RunSettings.make(**values), assumptions=Assumptions(gpu="2"))
    assert weights.obstacles[0].startswith("the weights do not fit on 8 x 2-GiB GPU")
    assert "in the way" in plan_text(weights)


def test_what_is_not_known_is_said_and_not_guessed(samples_file: Path, tmp_path: Path) -> None:
    text = plan_text(plan_run(settings(tasks=samples_file), assumptions=Assumptions(gpu="H100")))
    assert "memory is not known: not a local folder" in text
    assert "the model's are not known" in text
    assert "not known: give --prefill-tps and --decode-tps, or --measured RUN_FOLDER" in text
    hub = plan_run(RunSettings.make(tasks=samples_file, model="org/model", tokenizer="embedded"))
    assert (hub.thinks, hub.shape, hub.length.limit) == (None, None, None)
    assert "whether the model thinks unasked is not known" in plan_text(hub)
    hybrid = model_of(tmp_path / "m", mamba_d_state=16)
    assert "mamba_d_state" in plan_run(RunSettings.make(tasks=samples_file, model=hybrid)).shape_note


def test_a_model_that_thinks_unasked_gets_the_budget_that_the_run_gives_it(samples_file: Path, tmp_path: Path) -> None:
    model = model_of(tmp_path / "m")
    (model / "chat_template.jinja").write_text("{% if enable_thinking %}{% endif %}")
    budgets = {
        thinking: plan_run(RunSettings.make(tasks=samples_file, model=model, thinking=thinking)).tasks[0].budget
        for thinking in ("auto", "on", "off")
    }
    own = SPECS["t1"].max_tokens
    assert budgets == {"auto": own + 4096, "on": own + 4096, "off": own}


def test_the_cost_is_bounded_by_whole_prompts_and_budgets(samples_file: Path) -> None:
    values = {"tasks": samples_file, "repeats": 2, "temperature": 1, "max_tokens": 1_000, "cost_limit": 0.5}
    plan = plan_run(settings(price=(2.0, 10.0), token_limit=10_000, **values))
    assert plan.cost == pytest.approx((2 * (plan.prompt_tokens + 12 * 64) * 2 + 24_000 * 10) / 1e6)
    text = plan_text(plan)
    assert "stops at 0.50, by --cost-limit" in text
    assert "stops at 10,000 tokens" in text


def test_the_parts_of_a_run_are_planned_as_they_are_run(tmp_path: Path, samples_file: Path) -> None:
    whole = plan_run(settings(tasks=samples_file))
    parts = [plan_run(settings(tasks=samples_file, shard=f"{part}/3")) for part in (1, 2, 3)]
    for field in ("prompt_tokens", "answer_tokens"):
        assert sum(getattr(part, field) for part in parts) == getattr(whole, field)
    # Each part computes for itself what opens every prompt.
    assert sum(part.unique_prefix_tokens for part in parts) >= whole.unique_prefix_tokens
    results = evaluate(model="gold", engine="scripted", tasks=samples_file, shard="1/3", output_dir=tmp_path / "runs")
    assert [(row.task, row.n) for row in results.tasks] == [(row.task, row.answers) for row in parts[0].tasks]


def test_a_measured_run_gives_time_and_the_length_of_answers(tmp_path: Path, samples_file: Path) -> None:
    """Planned again, a run takes as long as it took: nothing is extrapolated."""
    first = evaluate(model=lambda prompt: "Ada", tasks=samples_file, output_dir=tmp_path / "runs")
    env = Path(first.run) / "env.json"
    plan = plan_run(settings(tasks=samples_file))
    session = {"generate_seconds": 50.0, "prompt_tokens": plan.prompt_tokens}
    session |= {"computed_prompt_tokens": plan.prompt_tokens, "completion_tokens": 60}
    env.write_text(json.dumps({"sessions": [session]}))
    for file in (Path(first.run) / "predictions").iterdir():
        rows = [json.loads(line) | {"completion_tokens": 5} for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = plan_run(settings(tasks=samples_file), assumptions=Assumptions(measured=first.run))
    assert plan.expected_answer_tokens == 60
    assert plan.time is not None
    assert plan.time.expected == (50.0, 50.0)
    assert plan.time.bound == (50.0, pytest.approx(50 * plan.answer_tokens / 60))
    assert "50 s as in" in plan_text(plan)
    env.write_text('{"sessions": [{}]}')
    without = plan_run(settings(tasks=samples_file), assumptions=Assumptions(measured=first.run))
    assert (without.time, without.expected_answer_tokens) == (None, 60)
    assert "records no generate_seconds" in plan_text(without)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prefill_tps": 100}, "both"),
        ({"decode_tps": 100}, "both"),
        ({"prefill_tps": 1, "decode_tps": 1, "measured": "runs"}, "not both"),
        ({"gpu_memory_utilization": 1.2}, "gpu_memory_utilization"),
        ({"kv_dtype": "fp4"}, "kv_dtype"),
        ({"gpus": "H100"}, "did you mean 'gpu'"),
    ],
)
def test_assumptions_are_checked(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Assumptions.make(**values)
    assert caught.value.hint


def test_a_wrong_assumption_is_told_before_any_sample_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golong_eval.harness.plan.resolve_run", lambda *_: pytest.fail("the run was resolved"))
    for assumed in (Assumptions(gpu="H1000"), Assumptions(measured="nowhere")):
        with pytest.raises(ConfigError):
            plan_run(RunSettings.make(), assumptions=assumed)


def test_time_reckons_with_what_the_engine_shares(samples_file: Path) -> None:
    """At a token a second: an engine with a prefix cache, one that takes a prompt once for its repeats, and neither."""
    values = {"tasks": str(samples_file), "repeats": 3, "temperature": 1, "max_tokens": 10}
    speed = Assumptions.make(prefill_tps=1, decode_tps=1e9)
    plans = {
        engine: plan_run(RunSettings.make(engine=engine, **more, **values), assumptions=speed)
        for engine, more in (
            ("transformers", {}),
            ("openai", {"base_url": "http://localhost/v1", "model": "m"}),
        )
    }
    for plan in plans.values():
        assert plan.unique_prefix_tokens < plan.prompt_tokens
    seconds = {engine: plan.time.bound[0] for engine, plan in plans.items() if plan.time is not None}
    assert seconds["openai"] == pytest.approx(plans["openai"].unique_prefix_tokens, abs=1)
    assert seconds["transformers"] == pytest.approx(3 * plans["transformers"].prompt_tokens, abs=1)
