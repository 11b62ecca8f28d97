"""Longer contexts by rotary scaling (YaRN), typed: every value written out, the checkpoint's own theta kept.

What engines do with a partial override is a trap: a dictionary that lacks ``rope_theta`` replaces the whole of the
checkpoint's ``rope_parameters``, and the model falls back to its class's default without an error. So the override is
always whole, and is made here for all engines and for ``vllm serve`` alike.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, JsonValue

from golong_eval.errors import ConfigError
from golong_eval.schema import Frozen

__all__ = ["RopeScaling", "serve_command"]


class RopeScaling(Frozen):
    """YaRN (arXiv 2309.00071): positions beyond those that a checkpoint was trained on.

    It is static in every engine here: short prompts are changed by it as well, so short and long ones are only
    comparable under the same scaling.
    """

    rope_type: Literal["yarn"] = "yarn"
    factor: float = Field(gt=1, allow_inf_nan=False)
    """How many times the original length."""
    original_max_position_embeddings: int | None = Field(default=None, ge=1)
    """Length that the checkpoint was trained on; None is its configuration's ``max_position_embeddings``. Some
    configurations state more positions than were trained on: name the trained length for those."""

    def length(self, config: Mapping[str, Any]) -> int:
        """Return the tokens of prompt and answer that the scaled model takes: factor x original length.

        Args:
            config: The checkpoint's ``config.json``.

        Raises:
            ConfigError: The configuration states no length and none is given.
        """
        # 2.3 x 40960 is 94208, and a little less in binary.
        return int(round(self.factor * self._original(_text_config(config)), 6))

    def overrides(self, config: Mapping[str, Any], needed: int | None = None) -> dict[str, JsonValue]:
        """Return the whole override of a checkpoint's configuration: for vLLM's ``hf_overrides``, and for transformers.

        Args:
            config: The checkpoint's ``config.json``.
            needed: Tokens of prompt and answer that must fit.

        Raises:
            ConfigError: The scaled length is below `needed`, the checkpoint states no ``rope_theta``, has a scaling
                of its own already, or rotates in a way that one set of parameters can't describe.
        """
        text = _text_config(config)
        length = self.length(config)
        if needed is not None and length < needed:
            original = self._original(text)
            raise ConfigError(
                f"YaRN of factor {self.factor:g} over {original} positions makes {length}, and {needed} are needed",
                f"use a factor of {_least_factor(needed, original)} or more",
            )
        override: dict[str, JsonValue] = {
            "max_position_embeddings": length,
            "rope_parameters": {
                **_kept(text),
                "rope_type": self.rope_type,
                "factor": self.factor,
                "original_max_position_embeddings": self._original(text),
            },
        }
        return override if text is config else {"text_config": override}

    def _original(self, text: Mapping[str, Any]) -> int:
        original = self.original_max_position_embeddings or text.get("max_position_embeddings")
        if not isinstance(original, int):
            raise ConfigError(
                "the checkpoint's config.json states no max_position_embeddings",
                "name the length it was trained on with --rope-original",
            )
        return original


def serve_command(model: str, overrides: Mapping[str, JsonValue], max_model_len: int) -> str:
    """Return the ``vllm serve`` line that serves a checkpoint with the same override.

    >>> print(serve_command("org/model", {"max_position_embeddings": 8192}, 8192))
    vllm serve org/model --max-model-len 8192 --hf-overrides '{"max_position_embeddings": 8192}'
    """
    words = ["vllm", "serve", model, "--max-model-len", str(max_model_len), "--hf-overrides", json.dumps(overrides)]
    return shlex.join(words)


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a configuration that describes the language model: multimodal ones nest it."""
    nested = config.get("text_config")
    return nested if isinstance(nested, Mapping) else config


def _kept(text: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return the rotary parameters that a scaling leaves as they are: theta, and the rotated share if it is stated."""
    parameters, alias = text.get("rope_parameters") or {}, text.get("rope_scaling") or {}
    if not (isinstance(parameters, Mapping) and isinstance(alias, Mapping)) or (parameters and alias):
        raise ConfigError(
            "the checkpoint's config.json states its rotary parameters in a form, or twice, that is not understood",
            "mend rope_parameters and rope_scaling in it: one of them, as a JSON object",
        )
    stated = parameters or alias
    if any(isinstance(value, Mapping) for value in stated.values()) or "rope_local_base_freq" in text:
        raise ConfigError(
            "the checkpoint rotates its kinds of layers differently, which one scaling can't describe",
            "write the override for its engine by hand: --engine-arg hf_overrides='{...}'",
        )
    kind = stated.get("rope_type", stated.get("type", "default"))
    if kind != "default" or "mrope_section" in stated:
        raise ConfigError(
            f"the checkpoint has a rotary scaling of its own ({kind if kind != 'default' else 'mrope'})",
            "run it without --rope-factor, or write the override by hand: --engine-arg hf_overrides='{...}'",
        )
    theta = stated.get("rope_theta", text.get("rope_theta"))
    if not isinstance(theta, int | float):
        raise ConfigError(
            "the checkpoint's config.json states no rope_theta, and engines' defaults differ",
            "add rope_theta to its config.json, from the model's card",
        )
    kept: dict[str, JsonValue] = {"rope_theta": theta}
    partial = stated.get("partial_rotary_factor", text.get("partial_rotary_factor"))
    if isinstance(partial, int | float):
        kept["partial_rotary_factor"] = partial
    return kept


def _least_factor(needed: int, original: int) -> float:
    """Return the least factor, in tenths, that makes enough positions.

    >>> _least_factor(98_400, 32_768), _least_factor(131_072, 32_768)
    (3.1, 4.0)
    """
    return -(-10 * needed // original) / 10
