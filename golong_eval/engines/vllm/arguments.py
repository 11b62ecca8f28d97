"""From the engine's settings to the keyword arguments of ``vllm.LLM``.

Everything that vLLM's ``EngineArgs`` knows passes through, but for what golong-eval decides itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, JsonValue

from golong_eval._optional import require
from golong_eval.engines.arguments import read_arguments
from golong_eval.engines.base import EngineSettings
from golong_eval.errors import ConfigError, ModelError, nearest
from golong_eval.schema import Frozen
from golong_eval.text import CLOSE_THINK, OPEN_THINK

__all__ = ["OwnArguments", "Plan", "own_arguments", "plan"]

_DECIDED = {
    "model": "use --model",
    "served_model_name": "the offline engine serves nothing; leave it out",
    "max_model_len": "use --max-model-len",
    "trust_remote_code": "use --trust-remote-code",
    "generation_config": "sampling is what the run's settings say; leave it out",
    "override_generation_config": "sampling is what the run's settings say; leave it out",
    "tokenizer": "prompts are written with the checkpoint's own tokenizer; leave it out",
    "tokenizer_mode": "prompts are written with the checkpoint's own tokenizer; leave it out",
    "tokenizer_revision": "use revision, which holds for the tokenizer as well",
    "skip_tokenizer_init": "leave it out",
    "data_parallel_size": "use data_parallel, the number of replicas",
    "enable_lora": "use lora, the adapter's folder",
}
"""Arguments of vLLM that are settled elsewhere, and where."""

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # those that vLLM takes


class OwnArguments(Frozen):
    """The engine's own arguments, beside vLLM's."""

    data_parallel: int = Field(default=1, ge=1)
    """Replicas of the model, each in a process with devices of its own."""
    lora: str | None = None
    """Folder of a LoRA adapter, used for every request."""
    reasoning_parser: str | None = None
    """vLLM's parser for a model whose thinking stands between other tags than ``<think>``."""
    in_flight: int | None = Field(default=None, ge=1)
    """Most answers that vLLM is asked for at once; None is twice what it runs at once."""


class Plan(NamedTuple):
    """How to make the engine."""

    own: OwnArguments
    arguments: dict[str, Any]
    """Keyword arguments of ``vllm.LLM``."""
    revision: str | None
    hf_overrides: Mapping[str, JsonValue] | None
    """What is changed of the checkpoint's configuration."""
    trust_remote_code: bool


def own_arguments(settings: EngineSettings) -> OwnArguments:
    """Return the engine's own arguments, checked.

    Raises:
        ConfigError: A value does not fit.
    """
    own = {key: value for key, value in settings.args.items() if key in OwnArguments.model_fields}
    return read_arguments(OwnArguments, "vllm", own)


def plan(model: str, settings: EngineSettings) -> Plan:
    """Return how to make the engine.

    Args:
        model: Folder or hub name.
        settings: How to generate; `args` may hold any field of ``vllm.EngineArgs``.

    Raises:
        ConfigError: An argument is unknown (names the nearest), settled elsewhere, or at odds with another.
        ModelError: The folder holds no checkpoint, or no adapter.
        MissingExtraError: vLLM is not installed.
    """
    own = own_arguments(settings)
    known = _fields()
    given = {key: value for key, value in settings.args.items() if key not in OwnArguments.model_fields}
    for key in given:
        if key in _DECIDED:
            raise ConfigError(f"engine arguments of vllm: {key} is not taken", _DECIDED[key])
        if key not in known:
            close = nearest(key, [*OwnArguments.model_fields, *known])
            meant = f"did you mean {close!r}? " if close else ""
            raise ConfigError(
                f"engine arguments of vllm: unknown key {key!r}",
                f"{meant}it takes {', '.join(OwnArguments.model_fields)}, and the fields of vllm.EngineArgs",
            )
    if settings.rope_scaling is not None and "hf_overrides" in given:
        raise ConfigError("a rotary scaling and hf_overrides are two overrides of one configuration", "give one")
    if settings.rope_scaling is None and isinstance(given.get("hf_overrides", {}), str):
        raise ConfigError("engine arguments of vllm: hf_overrides is a JSON object", "hf_overrides='{\"key\": 1}'")
    length, overrides = _length(model, settings, given)
    arguments: dict[str, Any] = {
        # Only defaults: the user's own come after.
        **{key: value for key, value in {"use_tqdm_on_load": False}.items() if key in known},
        **_lora(own.lora),
        **_thinking(own, settings, known),
        **given,
        "model": model,
        "trust_remote_code": settings.trust_remote_code,
        # A checkpoint's own sampling (a repetition penalty, a top_k) would be recorded nowhere.
        "generation_config": "vllm",
    }
    if length is not None:
        arguments["max_model_len"] = length
    if overrides is not None:
        arguments["hf_overrides"] = dict(overrides)
    revision = given.get("revision")
    return Plan(own, arguments, revision if isinstance(revision, str) else None, overrides, settings.trust_remote_code)


def _fields() -> list[str]:
    engine_args = require("vllm.engine.arg_utils", "vllm", "the vllm engine").EngineArgs
    return [field.name for field in dataclasses.fields(engine_args)]


def _length(
    model: str, settings: EngineSettings, given: Mapping[str, JsonValue]
) -> tuple[int | None, Mapping[str, JsonValue] | None]:
    """Return the length to ask vLLM for (None: its own choice), and the override of the configuration."""
    config = _read_config(model, settings, given)
    scaling, wanted = settings.rope_scaling, settings.max_model_len
    if scaling is not None:
        return wanted or scaling.length(config), scaling.overrides(config, wanted)
    overrides = given.get("hf_overrides")
    if isinstance(overrides, dict):
        return wanted, overrides  # whether they fit each other is vLLM's to say
    positions = (config.get("text_config") or config).get("max_position_embeddings")
    # vLLM refuses more than the model has, where transformers takes what there is.
    return (min(wanted, positions) if wanted is not None and isinstance(positions, int) else wanted), None


def _read_config(model: str, settings: EngineSettings, given: Mapping[str, JsonValue]) -> Mapping[str, Any]:
    """Return a checkpoint's ``config.json``; of a hub name only where it is needed."""
    path = Path(model) / "config.json"
    if not Path(model).is_dir():
        if settings.rope_scaling is None and settings.max_model_len is None:
            return {}
        transformers = require("transformers", "vllm", "the vllm engine")
        try:
            loaded = transformers.AutoConfig.from_pretrained(
                model, trust_remote_code=settings.trust_remote_code, revision=given.get("revision")
            )
        except Exception as error:
            raise _unreadable(model, error) from error
        config: Mapping[str, Any] = loaded.to_dict()
        return config
    if not path.is_file():
        raise ModelError(
            f"{model} holds no config.json", "give the folder of a checkpoint, as save_pretrained writes it"
        )
    try:
        config = json.loads(path.read_bytes())
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError) as error:
        raise _unreadable(model, error) from error
    return config


def _unreadable(model: str, error: Exception) -> ModelError:
    return ModelError(
        f"cannot read the configuration of {model} ({' '.join(str(error).split())[:300]})",
        "check that the folder holds a whole config.json; a hub name needs a network",
    )


def _lora(folder: str | None) -> dict[str, Any]:
    if folder is None:
        return {}
    try:
        adapter = json.loads((Path(folder) / "adapter_config.json").read_bytes())
        rank = max([int(adapter["r"]), *map(int, (adapter.get("rank_pattern") or {}).values())])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"no LoRA adapter in {folder} ({type(error).__name__}: {error})",
            "give the folder that holds adapter_config.json and adapter_model.safetensors",
        ) from error
    if rank > _LORA_RANKS[-1]:
        raise ModelError(
            f"the adapter's rank {rank} is above vLLM's largest, {_LORA_RANKS[-1]}", "merge it into the checkpoint"
        )
    return {"enable_lora": True, "max_lora_rank": next(size for size in _LORA_RANKS if size >= rank)}


def _thinking(own: OwnArguments, settings: EngineSettings, known: list[str]) -> dict[str, Any]:
    """Return what vLLM must be told to hold a budget of thinking: where it starts and how it ends."""
    if settings.thinking_budget is None:
        return {}
    if own.reasoning_parser is not None:
        return {"reasoning_parser": own.reasoning_parser} if "reasoning_parser" in known else {}
    tags = {"reasoning_start_str": OPEN_THINK, "reasoning_end_str": CLOSE_THINK}
    return {"reasoning_config": tags} if "reasoning_config" in known else {}
