"""The losses of the supervised start: answers, what questions quote, and what states in the middle should know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import drills
import torch
from contexts import Passage
from prefix import continue_all, read_prefixes
from torch.nn.functional import cross_entropy

ASKED_WEIGHT = 0.1
"""Of a token that a question quotes; one of an answer weighs 1."""
MIDDLE_WEIGHT = 0.5
"""Of what states in the middle should tell; see `batch_loss`."""
LOOKING = 4
"""The layer whose first heads are shown where to look."""


def batch_loss(
    model: Any, batch: list[Passage], drilled: drills.Drills | None = None, parts: torch.nn.ModuleList | None = None
) -> tuple[torch.Tensor, list[tuple[str, float]]]:
    """Return the loss, and for each question whether its answer is right in every token.

    With ``parts``, layers that are thrown away afterwards, the loss has more terms, on states in the middle: after the
    second layer a token should tell which part of the text (document, statement, fragment) it stands in, after the
    third which document it was copied from, and what a blank stands for.
    """
    group = max(len(passage.questions) for passage in batch)
    longest = max(len(question.tokens) for passage in batch for question in passage.questions)
    tokens = torch.zeros(len(batch), group, longest, dtype=torch.long)
    weight = torch.zeros(len(batch), group, longest)
    for row, passage in enumerate(batch):
        for place, question in enumerate(passage.questions):
            size = len(question.tokens)
            tokens[row, place, :size] = torch.tensor(question.tokens)
            first, last = question.asked
            # The first words of a quote can't be known.
            weight[row, place, first + 3 : last - 1] = ASKED_WEIGHT
            weight[row, place, question.answer - 1 : size - 1] = 1.0
    middle: list[torch.Tensor] | None = None if parts is None else []
    prefixes = read_prefixes(model, [passage.tokens for passage in batch], middle=parts is not None)
    looks: list[torch.Tensor] | None = None if parts is None else []
    states, _ = continue_all(model, prefixes, tokens, middle=middle, looks=looks)
    wanted = tokens.roll(-1, 2)
    chosen = weight > 0
    logits = model.lm_head(states[chosen])
    losses = cross_entropy(logits, wanted[chosen], reduction="none")
    loss = (losses * weight[chosen]).sum() / weight.sum()
    correct = torch.ones_like(chosen)
    correct[chosen] = logits.argmax(-1) == wanted[chosen]
    right = []
    if parts is not None and drilled is not None and middle is not None and prefixes.middle is not None:
        for name, extra, known in middle_losses(model, batch, drilled, parts, prefixes.middle, middle, states):
            loss = loss + MIDDLE_WEIGHT * extra
            right.append((name, known))
        assert looks is not None
        told = looks_loss(batch, drilled, looks[LOOKING - 1])
        if told is not None:
            loss = loss + MIDDLE_WEIGHT * told[0]
            right.append(("looks", told[1]))
    for row, passage in enumerate(batch):
        for place, question in enumerate(passage.questions):
            hits = correct[row, place, question.answer - 1 : len(question.tokens) - 1]
            # What is said at once can't be right in all tokens: where a stretch begins is not to be known.
            share = hits.float().mean() if question.task in drills.AT_ONCE else hits.all()
            right.append((question.task, float(share)))
    return loss, right


def middle_losses(
    model: Any,
    batch: list[Passage],
    drilled: drills.Drills,
    parts: torch.nn.ModuleList,
    of_prefixes: torch.Tensor,
    of_questions: list[torch.Tensor],
    last: torch.Tensor,
) -> Iterator[tuple[str, torch.Tensor, float]]:
    """Yield name, loss, and the share that is told rightly, of what states in the middle should tell."""
    stand, stand_wanted, found, found_wanted, blanks, blanks_wanted = [], [], [], [], [], []
    fetched, said, said_wanted = [], [], []
    second, third, fourth = of_questions[1], of_questions[2], of_questions[3]
    for row, passage in enumerate(batch):
        stand.append(of_prefixes[row, -len(passage.tokens) :])
        stand_wanted += drilled.parts(passage.tokens)
        for place, question in enumerate(passage.questions):
            stand.append(second[row, place, : len(question.tokens)])
            stand_wanted += drilled.parts(question.tokens)
            for at, number in question.hints:
                found.append(third[row, place, at])
                found_wanted.append(number)
            for at, token in question.blanks:
                blanks.append(third[row, place, at])
                blanks_wanted.append(token)
            for at, start, _ in drilled.looks(question) if question.blanks else ():
                if start in dict(question.blanks):
                    fetched.append(fourth[row, place, at])
                    said.append(last[row, place, at])
                    said_wanted.append(dict(question.blanks)[start])
    target = torch.tensor(stand_wanted)
    yield _told("parts", parts[0](torch.cat(stand)[target > 0]), target[target > 0])
    if found:
        yield _told("found", parts[1](torch.stack(found)), torch.tensor(found_wanted))
    if blanks:
        yield _told("blanks", model.lm_head(model.model.norm(torch.stack(blanks))), torch.tensor(blanks_wanted))
    if said:
        # Few tokens among many: without a term of their own these would hardly count.
        yield _told("fetched", model.lm_head(model.model.norm(torch.stack(fetched))), torch.tensor(said_wanted))
        yield _told("said", model.lm_head(torch.stack(said)), torch.tensor(said_wanted))


def looks_loss(
    batch: list[Passage], drilled: drills.Drills, weights: torch.Tensor
) -> tuple[torch.Tensor, float] | None:
    """Return the loss of looking where the answer is, for the heads of a layer; and the mean weight there."""
    found = []
    for row, passage in enumerate(batch):
        for place, question in enumerate(passage.questions):
            for at, start, end in drilled.looks(question):
                # A word takes more room than a label: to fetch what a blank stands for, all heads look there.
                heads = slice(None) if question.tokens[start] == drilled.blank else slice(1)
                found.append(weights[row, heads, place, :, at, start:end].sum(-1).flatten())
    if not found:
        return None
    weight = torch.cat(found)
    return -(weight + 1e-4).log().mean(), float(weight.detach().mean())


def _told(name: str, logits: torch.Tensor, wanted: torch.Tensor) -> tuple[str, torch.Tensor, float]:
    return name, cross_entropy(logits, wanted), float((logits.argmax(-1) == wanted).float().mean())
