"""Rotary scaling: the override is whole, keeps the checkpoint's theta, and makes enough positions, or is refused."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from golong_eval.engines import RopeScaling
from golong_eval.engines.rope import serve_command
from golong_eval.errors import ConfigError

QWEN3 = {"max_position_embeddings": 40_960, "rope_theta": 1_000_000, "rope_scaling": None}


@pytest.mark.parametrize(
    ("stated", "theta"),
    [
        ({"rope_theta": 5_000_000}, 5_000_000),
        ({"rope_theta": 5_000_000, "rope_scaling": None}, 5_000_000),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e7}}, 1e7),
        ({"rope_scaling": {"type": "default", "rope_theta": 250_000}}, 250_000),
        # Where both are stated, the newer place is the one that engines read.
        ({"rope_theta": 10_000, "rope_parameters": {"rope_type": "default", "rope_theta": 1e7}}, 1e7),
    ],
)
def test_theta_is_always_written_wherever_the_checkpoint_states_it(stated: dict[str, Any], theta: float) -> None:
    override = RopeScaling(factor=4).overrides({"max_position_embeddings": 32_768} | stated)
    assert override == {
        "max_position_embeddings": 131_072,
        "rope_parameters": {
            "rope_theta": theta,
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32_768,
        },
    }


def test_the_trained_length_that_is_named_goes_before_the_stated_one() -> None:
    """Qwen3-4B states 40,960 positions and was trained on 32,768."""
    scaling = RopeScaling(factor=4, original_max_position_embeddings=32_768)
    override = scaling.overrides(QWEN3, needed=131_072)
    assert override["max_position_embeddings"] == scaling.length(QWEN3) == 131_072
    assert override["rope_parameters"]["original_max_position_embeddings"] == 32_768  # type: ignore[index, call-overload]


def test_a_nested_language_model_is_overridden_where_it_stands() -> None:
    inner = RopeScaling(factor=2).overrides(QWEN3)
    assert RopeScaling(factor=2).overrides({"text_config": QWEN3, "vision_config": {}}) == {"text_config": inner}
    assert RopeScaling(factor=2).overrides({"text_config": None, **QWEN3}) == inner


def test_the_rotated_share_is_kept() -> None:
    for config in (
        {"rope_theta": 1e4, "partial_rotary_factor": 0.25},
        {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.25}},
    ):
        override = RopeScaling(factor=2).overrides({"max_position_embeddings": 4096} | config)
        assert override["rope_parameters"]["partial_rotary_factor"] == 0.25  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}}, "of its own (mrope)"),
        ({"rope_parameters": {"rope_type": "default", "mrope_section": [11, 11, 10]}}, "of its own (mrope)"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 40}}, "of its own (yarn)"),
        ({"rope_scaling": {"type": "linear", "factor": 8}}, "of its own (linear)"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5}}, "of its own (llama3)"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {}}}, "kinds of layers"),
        ({"rope_local_base_freq": 1e4}, "kinds of layers"),
    ],
)
def test_what_one_scaling_cannot_describe_is_refused(stated: dict[str, Any], message: str) -> None:
    config = {"max_position_embeddings": 32_768, "rope_theta": 1e6} | stated
    for whole in (config, {"text_config": config}):
        with pytest.raises(ConfigError, match=re.escape(message)) as caught:
            RopeScaling(factor=4).overrides(whole)
        assert caught.value.hint


def test_no_theta_or_length_is_guessed() -> None:
    with pytest.raises(ConfigError, match="no rope_theta"):
        RopeScaling(factor=4).overrides({"max_position_embeddings": 32_768})
    with pytest.raises(ConfigError, match="no max_position_embeddings"):
        RopeScaling(factor=4).overrides({"rope_theta": 1e4})
    for factor in (1, 0.5, float("inf"), float("nan")):
        with pytest.raises(ValidationError):
            RopeScaling(factor=factor)


@given(st.integers(1, 2**20), st.integers(1, 2**24))
def test_the_factor_of_the_hint_is_enough_and_a_tenth_less_is_not(original: int, needed: int) -> None:
    config = {"max_position_embeddings": original, "rope_theta": 1e6}
    scaling = RopeScaling(factor=1.0001)
    if scaling.length(config) >= needed:
        assert scaling.overrides(config, needed)["max_position_embeddings"] == scaling.length(config)
        return
    with pytest.raises(ConfigError, match="are needed") as caught:
        scaling.overrides(config, needed)
    least = float(re.findall(r"[0-9.]+", caught.value.hint)[0])
    assert RopeScaling(factor=least).length(config) >= needed
    assert (least - 0.1) * original < needed + 1e-6


@pytest.mark.parametrize(("factor", "length"), [(2.3, 94_208), (1.1, 45_056), (4.0, 163_840), (3.00001, 122_880)])
def test_a_length_is_not_one_short_because_of_binary_fractions(factor: float, length: int) -> None:
    assert RopeScaling(factor=factor).length(QWEN3) == length


@pytest.mark.parametrize("model", ["org/model", "/models/with space/it's", "a;b"])
def test_the_serve_line_says_the_same_after_the_shell_has_read_it(model: str) -> None:
    override = RopeScaling(factor=4).overrides({"text_config": QWEN3})
    words = shlex.split(serve_command(model, override, 163_840))
    assert words[:5] == ["vllm", "serve", model, "--max-model-len", "163840"]
    assert json.loads(words[words.index("--hf-overrides") + 1]) == override


@pytest.mark.parametrize(
    "stated",
    [
        {"rope_scaling": [1, 2]},
        {"rope_parameters": "yarn"},
        {"rope_parameters": {"rope_theta": 5e6}, "rope_scaling": {"rope_theta": 1e6}},
    ],
)
def test_rotary_parameters_that_are_not_understood_are_refused(stated: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="not understood"):
        RopeScaling(factor=2).overrides({"max_position_embeddings": 4096, **stated})
