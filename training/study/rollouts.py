"""Answers of a group to each prompt: the prompt is read once, then all of its group are written side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from prefix import PAD, continue_all, read_prefixes

BATCH = 18
"""Prompts that are written at once."""


class Rollout(NamedTuple):
    """One answer."""

    tokens: list[int]
    """With the end-of-turn token, unless the budget ended it."""
    log_probs: list[float]
    """Of each token, at the temperature it was drawn with."""


@torch.no_grad()
def write(
    model: Any,
    prompts: Sequence[Sequence[int]],
    budgets: Sequence[int],
    group: int,
    *,
    end: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[list[Rollout]]:
    """Write a group of answers to each prompt.

    Args:
        model: A Qwen3 model of transformers.
        prompts: Tokens.
        budgets: Most tokens of an answer, for each prompt.
        group: Answers to each prompt.
        end: The token that ends an answer.
        temperature: 0 is greedy.
        generator: Draws.
    """
    found: list[list[Rollout]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda place: (budgets[place], len(prompts[place])))
    for at in range(0, len(order), BATCH):
        places = order[at : at + BATCH]
        written = _write(
            model,
            [prompts[place] for place in places],
            [budgets[place] for place in places],
            group,
            end,
            temperature,
            generator,
        )
        for place, rollouts in zip(places, written, strict=True):
            found[place] = rollouts
    return found


def _write(
    model: Any,
    prompts: list[Sequence[int]],
    budgets: list[int],
    group: int,
    end: int,
    temperature: float,
    generator: torch.Generator | None,
) -> list[list[Rollout]]:
    prefixes = read_prefixes(model, prompts)
    states = prefixes.last[:, None].expand(-1, group, -1)
    budget = torch.tensor(budgets)[:, None].expand(-1, group)
    done = torch.zeros(len(prompts), group, dtype=torch.bool)
    own = None
    tokens, log_probs, alive = [], [], []
    for number in range(max(budgets)):
        scores = model.lm_head(states).float().log_softmax(-1)
        if temperature > 0:
            scores = (scores / temperature).log_softmax(-1)
            token = torch.multinomial(scores.exp().view(-1, scores.shape[-1]), 1, generator=generator)
            token = token.view(len(prompts), group)
        else:
            token = scores.argmax(-1)
        alive.append(~done)
        token = token.masked_fill(done, PAD)
        tokens.append(token)
        log_probs.append(scores.gather(-1, token[..., None])[..., 0])
        done = done | (token == end) | (number + 1 >= budget)
        if bool(done.all()):
            break
        read, own = continue_all(model, prefixes, token[..., None], own)
        states = read[:, :, -1]
    all_tokens, all_probs = torch.stack(tokens, -1), torch.stack(log_probs, -1)
    sizes = torch.stack(alive, -1).sum(-1)
    return [
        [
            Rollout(all_tokens[row, place, :size].tolist(), all_probs[row, place, :size].tolist())
            for place, size in enumerate(sizes[row].tolist())
        ]
        for row in range(len(prompts))
    ]


def token_log_probs(
    model: Any, prompts: Sequence[Sequence[int]], groups: Sequence[Sequence[Sequence[int]]], temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the log-probability of every answer token, with gradients, and which places hold a token.

    Args:
        model: A Qwen3 model of transformers.
        prompts: Tokens.
        groups: For each prompt its answers' tokens; groups of one size.
        temperature: As the answers were drawn.

    Returns:
        Two tensors (prompts, group, longest answer).
    """
    longest = max(len(answer) for group in groups for answer in group)
    tokens = torch.full((len(prompts), len(groups[0]), longest), PAD)
    mask = torch.zeros(tokens.shape)
    for row, group in enumerate(groups):
        for place, answer in enumerate(group):
            tokens[row, place, : len(answer)] = torch.tensor(answer)
            mask[row, place, : len(answer)] = 1
    prefixes = read_prefixes(model, prompts)
    first = prefixes.last[:, None, None].expand(-1, tokens.shape[1], 1, -1)
    rest, _ = continue_all(model, prefixes, tokens[:, :, :-1]) if longest > 1 else (first[:, :, :0], None)
    states = torch.cat([first, rest], 2)
    places = mask > 0
    logits = model.lm_head(states[places]).float() / temperature
    found = torch.zeros(tokens.shape)
    found[places] = logits.log_softmax(-1).gather(-1, tokens[places][:, None])[:, 0]
    return found, mask
