"""What a checkpoint takes in memory: its weights, and what it keeps of each token, read from its folder.

Nothing is loaded: ``config.json``, the sizes of the files with weights, and the headers of safetensors are read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from golong_eval.errors import ModelError
from golong_eval.schema import Frozen
from golong_eval.text import OPEN_THINK

__all__ = ["KvDtype", "ModelShape", "read_shape", "template_thinks"]

KvDtype = Literal["auto", "fp8", "float16", "bfloat16", "float32"]
"""Numbers that the KV cache is kept in; ``auto`` is the checkpoint's own."""

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "fp8": 1}
_STATE_BYTES = 4  # recurrent states are kept in float32

# What keeps its tokens in ways that the sums below don't know.
_OTHER_CACHES = (
    "attn_layer_indices",
    "attn_layer_period",
    "attn_type_list",
    "block_configs",
    "block_types",
    "cross_attention_layers",
    "global_head_dim",
    "hybrid_override_pattern",
    "index_head_dim",
    "is_encoder_decoder",
    "layer_group_size",
    "layers_block_type",
    "linear_attn_config",
    "mamba_d_state",
    "mamba_num_heads",
    "multi_query",
    "num_kv_shared_layers",
    "swa_num_key_value_heads",
    "use_cla",
)
_WINDOWED_IN_TURN = {"cohere2": 4, "gemma2": 2, "gemma3_text": 6}
"""Where a configuration names no layer types: every so many layers, one has full attention."""
_WEIGHTS = (
    ("model.safetensors.index.json", "model*.safetensors"),
    ("pytorch_model.bin.index.json", "pytorch_model*.bin"),
)


class ModelShape(Frozen):
    """What a checkpoint takes in memory."""

    weight_bytes: int | None
    """None where the folder has no files with weights."""
    parameters: int | None
    """None where the files don't tell: weights that are quantised, or not in safetensors."""
    layers: int
    full_layers: int
    """Layers that keep every token."""
    window_layers: int
    """Layers that keep the last `window` tokens."""
    linear_layers: int
    """Layers that keep a state of fixed size."""
    window: int | None
    heads: int
    """Attention heads: a tensor-parallel degree divides them."""
    kv_heads: int
    latent: bool
    """Multi-head latent attention: one vector a token and layer, which every GPU of a tensor-parallel group keeps."""
    values_per_layer: int
    """Numbers that a layer keeps of a token: a key and a value of each KV head, or the latent vector."""
    kv_dtype: str
    kv_bytes_per_token: int
    """Over all layers that keep every token."""
    window_bytes: int
    """Most that the layers with a window keep of a request."""
    state_bytes: int
    """What the linear layers keep of a request, however long; without their short convolutions."""

    def request_bytes(self, tokens: int, degree: int = 1) -> int:
        """Return what a request of so many tokens keeps on each of `degree` tensor-parallel GPUs.

        KV heads are dealt out to the GPUs, and copied where there are fewer heads than GPUs.
        """
        kept = self.kv_bytes_per_token * tokens
        if self.window:
            kept += self.window_bytes * min(tokens, self.window) // self.window
        heads = self.kv_heads if self.latent else math.ceil(self.kv_heads / degree)
        return math.ceil(kept * heads / self.kv_heads) + math.ceil(self.state_bytes / degree)


def read_shape(folder: Path, config: Mapping[str, Any], kv_dtype: KvDtype = "auto") -> ModelShape:
    """Return what a checkpoint takes in memory.

    Args:
        folder: The checkpoint's folder.
        config: Its ``config.json``; that of a multimodal model nests the language model in ``text_config``.
        kv_dtype: Numbers that the KV cache is kept in.

    Raises:
        ModelError: The configuration does not state what is needed, or describes a cache that is not known here.
    """
    nested = config.get("text_config")
    text: Mapping[str, Any] = nested if isinstance(nested, Mapping) else config
    other = [key for key in _OTHER_CACHES if text.get(key) or config.get(key)]
    if other:
        raise ModelError(f"{other[0]} in config.json: a cache that golong-eval can't size")
    layers, heads = _stated(text, "num_hidden_layers"), _stated(text, "num_attention_heads")
    kinds = _kinds(text, layers)
    full, windowed, linear = (kinds.count(kind) for kind in ("full", "window", "linear"))
    latent = "kv_lora_rank" in text and text["kv_lora_rank"] is not None
    if latent:
        kv_heads, values = 1, _stated(text, "kv_lora_rank") + _stated(text, "qk_rope_head_dim")
    else:
        kv_heads = heads if text.get("num_key_value_heads") is None else _stated(text, "num_key_value_heads")
        if text.get("head_dim") is None and str(text.get("model_type", "")).startswith("gemma"):
            raise ModelError("config.json states no head_dim, and that of the Gemma family is its class's own")
        width = _stated(text, "hidden_size") // heads if text.get("head_dim") is None else _stated(text, "head_dim")
        values = 2 * kv_heads * width
    dtype = kv_dtype if kv_dtype != "auto" else _dtype(text, config)
    window = _window(text) if windowed else None
    per_layer = values * _BYTES[dtype]
    return ModelShape(
        weight_bytes=_weight_bytes(folder),
        parameters=None if _quantised(text, config) else _parameters(folder),
        layers=layers,
        full_layers=full,
        window_layers=windowed,
        linear_layers=linear,
        window=window,
        heads=heads,
        kv_heads=kv_heads,
        latent=latent,
        values_per_layer=values,
        kv_dtype=dtype,
        kv_bytes_per_token=full * per_layer,
        window_bytes=windowed * per_layer * (window or 0),
        state_bytes=linear * _state(text) if linear else 0,
    )


def template_thinks(folder: Path) -> bool | None:
    """Whether the chat template in a checkpoint's folder lets the model think; None where it has no template."""
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        try:
            template = (folder / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if name.endswith(".json"):
            try:
                template = json.dumps(json.loads(template)["chat_template"])
            except (ValueError, KeyError, TypeError):
                continue
        return OPEN_THINK in template or "enable_thinking" in template
    return None


def _stated(text: Mapping[str, Any], key: str) -> int:
    value = text.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"config.json states no {key}")
    return value


def _kinds(text: Mapping[str, Any], layers: int) -> list[str]:
    """Return of each layer whether it keeps every token (full), the last ones (window) or a state (linear)."""
    known = {
        "full_attention": "full",
        "attention": "full",
        "sliding_attention": "window",
        "chunked_attention": "window",
        "linear_attention": "linear",
    }
    stated = text.get("layer_types")
    if isinstance(stated, list):
        unknown = [kind for kind in stated if kind not in known]
        if unknown:
            raise ModelError(f"layers of the type {unknown[0]} in config.json: a cache that golong-eval can't size")
        if len(stated) != layers:
            raise ModelError(f"config.json states {layers} layers and {len(stated)} layer types")
        kinds = [known[kind] for kind in stated]
        return [kind if kind != "window" or _window(text) else "full" for kind in kinds]
    if interval := text.get("full_attention_interval"):
        return ["linear" if (number + 1) % interval else "full" for number in range(layers)]
    if "linear_num_value_heads" in text:
        raise ModelError("config.json does not state which layers are linear")
    if text.get("attention_chunk_size"):
        raise ModelError("config.json does not state which layers attend in chunks")
    if not _window(text):
        return ["full"] * layers
    if "use_sliding_window" in text:  # Qwen: the first layers have full attention
        first = _stated(text, "max_window_layers")
        return ["window" if number >= first else "full" for number in range(layers)]
    pattern = text.get("sliding_window_pattern", _WINDOWED_IN_TURN.get(str(text.get("model_type"))))
    if pattern is not None and (not isinstance(pattern, int) or pattern < 1):
        raise ModelError(f"sliding_window_pattern in config.json is no number of layers ({pattern!r})")
    return ["window" if pattern is None or (number + 1) % pattern else "full" for number in range(layers)]


def _window(text: Mapping[str, Any]) -> int | None:
    if text.get("use_sliding_window") is False:
        return None
    window = text.get("sliding_window") or text.get("attention_chunk_size")
    return window if isinstance(window, int) else None


def _state(text: Mapping[str, Any]) -> int:
    """Return the bytes that a layer of gated linear attention keeps: a matrix of key by value for each head."""
    heads = _stated(text, "linear_num_value_heads")
    return heads * _stated(text, "linear_key_head_dim") * _stated(text, "linear_value_head_dim") * _STATE_BYTES


def _dtype(text: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    stated = [part.get(key) for part in (text, config) for key in ("dtype", "torch_dtype") if part.get(key)]
    dtype = str(stated[0]).removeprefix("torch.") if stated else "none"
    if dtype not in _BYTES:
        raise ModelError(f"config.json states no dtype that golong-eval knows ({dtype}); give --kv-dtype")
    return dtype


def _quantised(text: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    return bool(text.get("quantization_config") or config.get("quantization_config"))


def _weight_files(folder: Path) -> list[Path]:
    """Return the files with weights, of one format: a folder may hold them in two."""
    for index, pattern in _WEIGHTS:
        names = _index(folder / index).get("weight_map")
        files = [folder / name for name in dict.fromkeys(names.values())] if isinstance(names, dict) else []
        found = [file for file in files if file.is_file()] or sorted(folder.glob(pattern))
        if found:
            return found
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))


def _weight_bytes(folder: Path) -> int | None:
    for index, _ in _WEIGHTS:
        metadata = _index(folder / index).get("metadata")
        total = metadata.get("total_size") if isinstance(metadata, dict) else None
        if isinstance(total, int | float):
            return int(total)
    return sum(file.stat().st_size for file in _weight_files(folder)) or None


def _index(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _parameters(folder: Path) -> int | None:
    files = _weight_files(folder)
    if not files or any(file.suffix != ".safetensors" for file in files):
        return None
    total = 0
    for file in files:
        try:
            size = file.stat().st_size
            with file.open("rb") as content:
                length = int.from_bytes(content.read(8), "little")
                header = json.loads(content.read(length) if length < size else b"")
            total += sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{file.name} is no safetensors file, or not all of it") from error
    return total
