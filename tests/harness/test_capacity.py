"""Memory of published models by hand, what fits on GPUs, and what a measured run tells of time."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.engines import embedded_model
from golong_eval.errors import ConfigError, ModelError
from golong_eval.harness.capacity import GIB, GPUS, RESERVE_BYTES, Gpu, GpuFit, find_gpu, fit_gpus
from golong_eval.harness.model_shape import ModelShape, read_shape, template_thinks
from golong_eval.harness.throughput import Measured, estimate_measured, estimate_stated, read_measured
from golong_eval.schema import Generation

QWEN3_4B = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 2560,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 36,
    "torch_dtype": "bfloat16",
}
DEEPSEEK_V3 = {
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "hidden_size": 7168,
    "torch_dtype": "bfloat16",
}
QWEN3_NEXT = {
    "num_hidden_layers": 48,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "hidden_size": 2048,
    "full_attention_interval": 4,
    "linear_num_value_heads": 32,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "dtype": "bfloat16",
}
GEMMA_2_9B = {
    "model_type": "gemma2",
    "num_hidden_layers": 42,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "hidden_size": 3584,
    "sliding_window": 4096,
    "torch_dtype": "float32",
}
MISTRAL_7B = {
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "sliding_window": 4096,
    "torch_dtype": "bfloat16",
}
GPT_OSS_120B = {
    "num_hidden_layers": 36,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "hidden_size": 2880,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
    "quantization_config": {"quant_method": "mxfp4"},
    "torch_dtype": "bfloat16",
}


def shape(config: dict[str, Any], weights: int | None = None, **values: Any) -> ModelShape:
    return read_shape(Path("/nowhere"), config, **values).model_copy(update={"weight_bytes": weights})


@pytest.mark.parametrize(
    ("config", "layers", "a_token", "in_windows", "state"),
    [
        # 36 layers x 2 x 8 heads x 128 x 2 bytes; the window that is stated is switched off.
        (QWEN3_4B, (36, 0, 0), 147_456, 0, 0),
        # 61 layers x (512 + 64) x 2 bytes
        (DEEPSEEK_V3, (61, 0, 0), 70_272, 0, 0),
        # 12 layers x 2 x 2 heads x 256 x 2 bytes; 36 states of 32 heads x 128 x 128 x 4 bytes
        (QWEN3_NEXT, (12, 0, 36), 24_576, 0, 75_497_472),
        # every other layer: 21 x 2 x 8 heads x 256 x 4 bytes, and as much of each of the last 4,096 tokens
        (GEMMA_2_9B, (21, 21, 0), 344_064, 344_064 * 4096, 0),
        # all layers, 32 x 2 x 8 heads x (4096 / 32) x 2 bytes, keep 4,096 tokens
        (MISTRAL_7B, (0, 32, 0), 0, 131_072 * 4096, 0),
        # 18 layers x 2 x 8 heads x 64 x 2 bytes
        (GPT_OSS_120B, (18, 18, 0), 36_864, 36_864 * 128, 0),
        # Gemma 3 27B: every sixth layer, 10 of 62, is full
        (
            GEMMA_2_9B | {"model_type": "gemma3_text", "num_hidden_layers": 62, "sliding_window_pattern": 6},
            (10, 52, 0),
            10 * 16_384,
            52 * 16_384 * 4096,
            0,
        ),
        # Qwen2.5 with its window on: layers from max_window_layers have it
        (QWEN3_4B | {"use_sliding_window": True, "max_window_layers": 30}, (30, 6, 0), 122_880, 24_576 * 4096, 0),
        # heads and width from what is stated: 36 layers x 2 x 32 heads x 80 x 2 bytes
        (QWEN3_4B | {"num_key_value_heads": None, "head_dim": None}, (36, 0, 0), 368_640, 0, 0),
    ],
)
def test_what_a_token_keeps_by_hand(
    config: dict[str, Any], layers: tuple[int, int, int], a_token: int, in_windows: int, state: int
) -> None:
    for whole in (config, {"text_config": config, "vision_config": {"num_hidden_layers": 99}}):
        read = shape(whole)
        assert (read.full_layers, read.window_layers, read.linear_layers) == layers
        assert (read.kv_bytes_per_token, read.window_bytes, read.state_bytes) == (a_token, in_windows, state)


def test_fp8_halves_what_sixteen_bits_keep_and_leaves_states_alone() -> None:
    assert shape(QWEN3_4B, kv_dtype="fp8").kv_bytes_per_token == 73_728
    assert shape(QWEN3_NEXT, kv_dtype="fp8").kv_bytes_per_token == 12_288
    assert shape(QWEN3_NEXT, kv_dtype="fp8").state_bytes == 75_497_472


def test_a_window_bounds_what_a_request_keeps() -> None:
    read = shape(MISTRAL_7B)
    assert read.request_bytes(1_000) == 131_072 * 1_000
    assert read.request_bytes(4_096) == read.request_bytes(1_000_000) == 131_072 * 4_096


def test_heads_are_dealt_out_and_copied_where_there_are_too_few_but_a_latent_vector_stays_whole() -> None:
    assert [shape(QWEN3_4B).request_bytes(1, degree) for degree in (1, 8)] == [147_456, 18_432]
    few = shape(QWEN3_4B | {"num_key_value_heads": 2})  # 36,864 a token
    assert [few.request_bytes(1, degree) for degree in (1, 2, 4, 8)] == [36_864, 18_432, 18_432, 18_432]
    assert [shape(DEEPSEEK_V3).request_bytes(1, degree) for degree in (1, 8)] == [70_272, 70_272]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_attention_heads": None}, "states no num_attention_heads"),
        ({"num_hidden_layers": "36"}, "states no num_hidden_layers"),
        ({"layer_types": ["full_attention"] * 35}, "36 layers and 35 layer types"),
        ({"layer_types": ["mamba"] * 36}, "layers of the type mamba"),
        ({"index_head_dim": 128}, "index_head_dim"),
        ({"hybrid_override_pattern": "M-M*"}, "hybrid_override_pattern"),
        ({"linear_num_value_heads": 32}, "which layers are linear"),
        ({"torch_dtype": "int3"}, "no dtype that golong-eval knows (int3)"),
        ({"torch_dtype": None}, "no dtype"),
    ],
)
def test_a_size_that_is_not_known_is_not_guessed(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        shape(QWEN3_4B | change)
    assert message in str(caught.value)


def test_the_embedded_checkpoint_has_the_parameters_that_it_loads_with() -> None:
    """836,704 is what torch counts: see the card of the checkpoint."""
    folder = Path(embedded_model())
    read = read_shape(folder, json.loads((folder / "config.json").read_text()))
    assert read.parameters == 836_704
    assert read.weight_bytes == (folder / "model.safetensors").stat().st_size
    assert read.kv_bytes_per_token == 4 * 2 * 2 * 32 * 4


def write_tensors(file: Path, *shape: int) -> None:
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "BF16", "shape": shape, "data_offsets": [0, 6]}}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 6)


def test_weights_are_counted_once_where_a_folder_has_them_in_two_formats(tmp_path: Path) -> None:
    for name in ("model-1.safetensors", "model-2.safetensors", "consolidated.safetensors"):
        write_tensors(tmp_path / name, 3)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\0" * 1000)
    size = (tmp_path / "model-1.safetensors").stat().st_size
    read = read_shape(tmp_path, QWEN3_4B)
    assert (read.weight_bytes, read.parameters) == (2 * size, 6)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_shape(tmp_path, QWEN3_4B).weight_bytes == size
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 12}} | index))
    assert read_shape(tmp_path, QWEN3_4B).weight_bytes == 12
    assert read_shape(tmp_path, QWEN3_4B | {"quantization_config": {"bits": 4}}).parameters is None


def test_torch_files_have_a_size_and_no_weights_have_none(tmp_path: Path) -> None:
    assert read_shape(tmp_path, QWEN3_4B).weight_bytes is None
    (tmp_path / "pytorch_model.bin").write_bytes(b"\0" * 1000)
    read = read_shape(tmp_path, QWEN3_4B)
    assert (read.weight_bytes, read.parameters) == (1000, None)


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1\n", struct.pack("<Q", 4) + b"[1] "]
)
def test_a_file_that_is_no_safetensors_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors is no safetensors file"):
        read_shape(tmp_path, QWEN3_4B)


def test_a_chat_template_tells_whether_a_model_thinks(tmp_path: Path) -> None:
    assert template_thinks(tmp_path) is None
    assert template_thinks(Path(embedded_model())) is False
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ '<think>' }}"}))
    assert template_thinks(tmp_path) is True
    (tmp_path / "chat_template.jinja").write_text("plain")
    assert template_thinks(tmp_path) is False


H100 = find_gpu("H100")


def fit(read: ModelShape, gpu: Gpu, *requests: int, positions: int | None = None) -> GpuFit:
    found = fit_gpus(read, gpu, 0.92, requests, positions)
    assert found is not None
    return found


def test_a_4b_model_on_an_h100_by_hand() -> None:
    """131,072 tokens keep 18 GiB; 80 x 0.92 - 3 - 7.5 leave 63.1 GiB; half the requests keep 9 GiB."""
    found = fit(shape(QWEN3_4B, int(7.5 * GIB)), H100, 131_072, 65_536, positions=262_144 * 2)
    assert (found.degree, found.longest_bytes, found.weight_bytes) == (1, 18 * GIB, int(7.5 * GIB))
    assert found.free_bytes == int(73.6 * GIB) - 3 * GIB - int(7.5 * GIB)
    assert (found.concurrent_longest, found.concurrent_mean) == (3, 4)  # 63.1 / 18 and 63.1 / 13.5
    assert (found.most_tokens, found.too_big) == (131_072, 0)
    assert found.whole_length_fits is False  # 524,288 tokens keep 72 GiB


def test_weights_and_requests_are_divided_until_they_fit() -> None:
    """140 GiB of weights: 2 GPUs leave 0.6 GiB each, too little for 9; 4 leave 35.6 and need 4.5."""
    found = fit(shape(QWEN3_4B, 140 * GIB), H100, 131_072)
    assert (found.degree, found.weight_bytes, found.longest_bytes) == (4, 35 * GIB, 18 * GIB // 4)
    assert found.concurrent_longest == 7


def test_only_degrees_that_divide_the_heads_are_tried() -> None:
    found = fit(shape(QWEN3_4B | {"num_attention_heads": 14, "num_key_value_heads": 2}, 500 * GIB), H100, 100)
    assert (found.tried, found.degree, found.at, found.most_tokens, found.too_big) == ((1, 2), None, 2, 0, 1)


def test_what_does_not_fit_on_eight_is_said_with_what_would() -> None:
    """An eighth of 147,456 bytes a token is 18,432: 24 x 0.92 - 3 - 1 GiB = 18.08 GiB hold 1,053,236 of them."""
    found = fit(shape(QWEN3_4B, 8 * GIB), find_gpu("L4"), 1_053_236, 1_053_237, 2_000_000, 5)
    assert (found.degree, found.at) == (None, 8)
    assert found.free_bytes == int(24 * 0.92 * GIB) - 4 * GIB
    assert (found.most_tokens, found.too_big) == (found.free_bytes // 18_432, 2)
    assert found.most_tokens == 1_053_236


@given(
    st.integers(1, 400), st.integers(1, 3_000_000), st.sampled_from([QWEN3_4B, DEEPSEEK_V3, QWEN3_NEXT, GPT_OSS_120B])
)
def test_the_fewest_gpus_hold_the_longest_request_and_half_as_many_do_not(
    weights: int, longest: int, config: dict[str, Any]
) -> None:
    read = shape(config, weights * GIB)
    found = fit(read, H100, longest, 1)

    def fits(tokens: int, degree: int) -> bool:
        return weights * GIB / degree + read.request_bytes(tokens, degree) + RESERVE_BYTES <= 80 * GIB * 0.92

    if found.degree is None:
        assert not any(fits(longest, degree) for degree in found.tried)
        assert found.most_tokens == 0 or fits(found.most_tokens, found.at)
        assert not fits(found.most_tokens + 1, found.at)
    else:
        assert fits(longest, found.degree)
        assert not any(fits(longest, degree) for degree in found.tried if degree < found.degree)
        assert found.concurrent_mean >= found.concurrent_longest >= 1


def test_without_a_size_of_the_weights_nothing_is_claimed() -> None:
    assert fit_gpus(shape(QWEN3_4B), H100, 0.92, [100]) is None


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("H100", 80),
        ("h100", 80),
        ("NVIDIA H200", 141),
        ("a100-80GB", 80),
        ("A100_40", 40),
        ("80", 80),
        ("22.5GiB", 22.5),
    ],
)
def test_a_gpu_is_found_as_people_write_it(name: str, gib: float) -> None:
    assert find_gpu(name).gib == gib


def test_every_gpu_is_found_by_its_name_and_others_are_refused() -> None:
    assert all(find_gpu(name) == Gpu(name=name, gib=gib) for name, gib in GPUS.items())
    for name in ("A100", "H1000", "", "0", "-80", "80 40"):
        with pytest.raises(ConfigError) as caught:
            find_gpu(name)
        assert "--gpu 80" in caught.value.hint


def test_time_at_a_stated_throughput() -> None:
    assert estimate_stated(1000, 50, prompt_tokens=20_000, answer_tokens=500).bound == (30, 30)


def measured(seconds: float | None, *, prompt: int, computed: int, completion: int, tells: bool = True) -> Measured:
    return Measured(
        run="r",
        seconds=seconds,
        prompt_tokens=prompt,
        computed_prompt_tokens=computed,
        completion_tokens=completion,
        answer_tokens={},
        mean_answer_tokens=10,
        tells_cached=tells,
    )


positive = st.integers(1, 10**9)


@given(positive, positive, positive, positive, st.floats(0, 1), st.floats(0.001, 1))
def test_a_time_in_proportion_lies_in_the_interval_whatever_prompts_and_answers_cost(
    computed: int, completion: int, unique: int, answers: int, a_prompt_token: float, an_answer_token: float
) -> None:
    seconds = computed * a_prompt_token + completion * an_answer_token
    run = measured(seconds, prompt=2 * computed, computed=computed, completion=completion)
    time = estimate_measured(run, prompt_tokens=5, computed_tokens=unique, budget=answers, expected=answers)
    assert time is not None
    low, high = time.bound
    truth = unique * a_prompt_token + answers * an_answer_token
    assert low * (1 - 1e-9) <= truth <= high * (1 + 1e-9)
    assert time.expected == time.bound


def test_where_the_engine_told_nothing_of_its_cache_whole_prompts_are_compared() -> None:
    """100 s for 1,000 prompt and 10 answer tokens: four times the prompts, twice the answers."""
    run = measured(100, prompt=1_000, computed=1_000, completion=10, tells=False)
    time = estimate_measured(run, prompt_tokens=4_000, computed_tokens=7, budget=20, expected=5)
    assert time is not None
    assert (time.bound, time.expected) == ((200, 400), (50, 400))


def write_run(folder: Path, sessions: object, *answers: Generation) -> Path:
    (folder / "predictions").mkdir(parents=True)
    (folder / "predictions" / "t1.jsonl").write_text("".join(answer.model_dump_json() + "\n" for answer in answers))
    (folder / "env.json").write_text(json.dumps({"sessions": sessions}))
    return folder


def answer(number: int, tokens: int, **values: Any) -> Generation:
    return Generation(sample_id=f"t1-{number}", text="A", finish_reason="stop", completion_tokens=tokens, **values)


def test_a_measured_run_is_the_sum_of_its_sessions_and_the_mean_of_its_answers(tmp_path: Path) -> None:
    session = {"generate_seconds": 2.5, "prompt_tokens": 90, "computed_prompt_tokens": 40, "completion_tokens": 30}
    failed = Generation(sample_id="t1-9", text=None, finish_reason="error", error="no reply", completion_tokens=99)
    folder = write_run(
        tmp_path / "run", [session, {"python": "3.11"}, session], answer(1, 10, cached_tokens=4), answer(2, 30), failed
    )
    run = read_measured(folder)
    assert (run.seconds, run.prompt_tokens, run.computed_prompt_tokens, run.completion_tokens) == (5.0, 180, 80, 60)
    assert (run.expected("t1"), run.expected("t5"), run.tells_cached, run.note) == (20, 20, True, "")


@pytest.mark.parametrize("sessions", [[], [{"python": "3.11"}], None, [{"generate_seconds": 3.0}]])
def test_a_run_that_recorded_no_time_says_so_and_still_tells_its_answers(tmp_path: Path, sessions: object) -> None:
    run = read_measured(write_run(tmp_path / "run", sessions, answer(1, 10)))
    assert run.seconds is None
    assert "env.json" in run.note
    assert run.mean_answer_tokens == 10
    assert estimate_measured(run, prompt_tokens=1, computed_tokens=1, budget=1, expected=1) is None


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no answers of a run"):
        read_measured(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        QWEN3_4B | {"attention_chunk_size": 8192, "no_rope_layers": [1, 1, 1, 0]},
        QWEN3_4B | {"linear_attn_config": {"kda_layers": [1]}},
        QWEN3_4B | {"block_types": ["recurrent", "attention"]},
        QWEN3_4B | {"use_sliding_window": None, "sliding_window_pattern": "LLLG", "model_type": "x"},
        {key: value for key, value in GEMMA_2_9B.items() if key != "head_dim"},
    ],
)
def test_a_cache_that_the_configuration_does_not_tell_is_not_guessed(config: dict[str, Any]) -> None:
    config = {key: value for key, value in config.items() if key != "use_sliding_window" or value is not None}
    with pytest.raises(ModelError):
        shape(config)


def test_kv_heads_must_be_dealt_out_evenly() -> None:
    """40 heads and 10 KV heads can go to 2 GPUs, not to 4 or 8."""
    made = shape(QWEN3_4B | {"num_attention_heads": 40, "num_key_value_heads": 10, "hidden_size": 5120}, 8 * GIB)
    fit = fit_gpus(made, Gpu(name="x", gib=24), 0.92, [1000])
    assert fit is not None
    assert fit.tried == (1, 2)
