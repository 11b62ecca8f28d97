"""Many continuations of few prefixes: a prefix is read once, and all that follow attend to its keys and values.

Used with gradients by the supervised start (questions about a context) and the policy update (answers to a prompt), and
without by sampling. The numbers are those of the plain forward pass over prefix and continuation (tests compare them,
with their gradients); the difference is that nothing is read twice, and that a prefix's keys are never copied for its
group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers.models.qwen3.modeling_qwen3 import apply_rotary_pos_emb

PAD = 0
MIDDLE = 2
"""After this layer a token should know which part of the text it stands in."""
_NEVER = -1e9


class Prefixes(NamedTuple):
    """Prefixes that were read, padded on the left."""

    layers: list[tuple[torch.Tensor, torch.Tensor]]
    """Keys and values of each layer, (prefixes, key heads, longest, head size)."""
    bias: torch.Tensor
    """0 where there is a token and a very negative number where there is none, (prefixes, longest)."""
    lengths: torch.Tensor
    last: torch.Tensor
    """The state at each last token, (prefixes, width)."""
    middle: torch.Tensor | None = None
    """The states after layer `MIDDLE`, where they were asked for, (prefixes, longest, width)."""


Own = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of continuations so far, of each layer, (prefixes, key heads, group, tokens, head size)."""


def read_prefixes(model: Any, prefixes: Sequence[Sequence[int]], *, middle: bool = False) -> Prefixes:
    """Read prefixes in one pass; ``middle``: keep the states after layer `MIDDLE` too."""
    longest = max(map(len, prefixes))
    tokens = torch.full((len(prefixes), longest), PAD)
    mask = torch.zeros(len(prefixes), longest, dtype=torch.long)
    for row, prefix in enumerate(prefixes):
        tokens[row, longest - len(prefix) :] = torch.tensor(prefix)
        mask[row, longest - len(prefix) :] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    read = model.model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        use_cache=True,
        output_hidden_states=middle,
    )
    layers = [(layer.keys, layer.values) for layer in read.past_key_values.layers]
    return Prefixes(
        layers,
        (1 - mask) * _NEVER,
        mask.sum(1),
        read.last_hidden_state[:, -1],
        read.hidden_states[MIDDLE] if middle else None,
    )


def continue_all(
    model: Any,
    prefixes: Prefixes,
    tokens: torch.Tensor,
    own: Own | None = None,
    middle: list[torch.Tensor] | None = None,
    looks: list[torch.Tensor] | None = None,
) -> tuple[torch.Tensor, Own]:
    """Read tokens that follow the prefixes, a group of continuations each.

    Args:
        model: A Qwen3 model of transformers.
        prefixes: What was read.
        tokens: (prefixes, group, tokens), padded on the right.
        own: What was returned for the tokens before these.
        middle: Takes the states after each layer.
        looks: Takes where each layer's heads look among the continuation's own tokens, (prefixes, key heads, group,
            heads of a key head, tokens, tokens).

    Returns:
        The last hidden states (prefixes, group, tokens, width), and the keys and values so far.
    """
    count, group, length = tokens.shape
    config = model.config
    heads, key_heads, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    shared = heads // key_heads
    before = own[0][0].shape[3] if own is not None else 0
    states = model.model.embed_tokens(tokens)
    positions = prefixes.lengths[:, None, None] + before + torch.arange(length)
    positions = positions.expand(count, group, length).reshape(count * group, length)
    cosine, sine = model.model.rotary_emb(states.view(count * group, length, -1), positions)
    later = torch.full((length, before + length), _NEVER).triu(before + 1)
    bias = prefixes.bias[:, None, None, :].float()
    kept: Own = []
    for number, layer in enumerate(model.model.layers):
        attention = layer.self_attn
        normed = layer.input_layernorm(states).view(count * group, length, -1)
        query = attention.q_norm(attention.q_proj(normed).view(count * group, length, heads, size)).transpose(1, 2)
        key = attention.k_norm(attention.k_proj(normed).view(count * group, length, key_heads, size)).transpose(1, 2)
        value = attention.v_proj(normed).view(count, group, length, key_heads, size).permute(0, 3, 1, 2, 4)
        query, key = apply_rotary_pos_emb(query, key, cosine, sine)
        query = query.view(count, group, key_heads, shared, length, size).permute(0, 2, 1, 3, 4, 5) * size**-0.5
        key = key.view(count, group, key_heads, length, size).transpose(1, 2)
        if own is not None:
            key, value = torch.cat([own[number][0], key], 3), torch.cat([own[number][1], value], 3)
        kept.append((key, value))
        prefix_key, prefix_value = prefixes.layers[number]
        longest = prefix_key.shape[2]
        flat = query.reshape(count, key_heads, group * shared * length, size)
        to_prefix = (flat @ prefix_key.transpose(2, 3) + bias).view(count, key_heads, group, shared, length, longest)
        to_own = query @ key.transpose(3, 4).unsqueeze(3) + later
        weights = torch.cat([to_prefix, to_own], -1).softmax(-1)
        on_prefix, on_own = weights.split([longest, before + length], -1)
        if looks is not None:
            looks.append(on_own)
        seen = (on_prefix.reshape(count, key_heads, group * shared * length, longest) @ prefix_value).view_as(query)
        seen = seen + on_own @ value.unsqueeze(3)
        seen = seen.permute(0, 2, 4, 1, 3, 5).reshape(count, group, length, heads * size)
        states = states + attention.o_proj(seen)
        states = states + layer.mlp(layer.post_attention_layernorm(states))
        if middle is not None:
            middle.append(states)
    return model.model.norm(states), kept
