"""Scores by kind of sample: length, depth of the evidence, language and difficulty."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from golong_eval.harness.results import EffectiveLength, Estimate, GridCell, Group, Headline, Slice, SliceBy
from golong_eval.schema import Sample
from golong_eval.statistics import SHARE, effective_length, length_bucket, mean_interval

__all__ = [
    "UNKNOWN",
    "Scored",
    "depth_group",
    "effective_length_of",
    "grid_of",
    "group_rank",
    "groups_of",
    "headline_of",
    "length_group",
    "macro_slices",
    "slices_of",
]

_RESAMPLES = 1_999
_SPREAD = "spread"
UNKNOWN = "unknown"
"""Length of a prompt that nobody counted, for instance one that was too long for the model."""


@dataclass(frozen=True)
class Scored:
    """An answer wanted, with what its score is sorted and weighed by.

    Attributes:
        sample: Its sample.
        value: Its score; None where it has none.
        cluster: The cluster of the sample.
        tokens: Length of the prompt; None where nobody counted.
    """

    sample: Sample
    value: float | None
    cluster: str
    tokens: int | None


def length_group(tokens: int) -> str:
    """Return the name of a length's bucket.

    >>> length_group(5000), length_group(1_000_000)
    ('8K', '1M')
    """
    bucket = length_bucket(tokens)
    return f"{bucket >> 20}M" if bucket >= 1 << 20 else f"{bucket >> 10}K"


def depth_group(sample: Sample) -> str | None:
    """Return the fifth of the context where a sample's evidence starts, ``spread`` for several; None without any."""
    fifths = {min(4, int(place.depth * 5)) for place in sample.metadata.evidence}
    if not fifths:
        return None
    return f"{20 * min(fifths)}-{20 * min(fifths) + 20} %" if len(fifths) == 1 else _SPREAD


def group_rank(group: str) -> tuple[float, str]:
    """Return what groups are sorted by: lengths, depths and numbers by size, words after them.

    >>> sorted(["spread", "1M", "8K", "16K"], key=group_rank), sorted(["20-40 %", "hard", "0-20 %"], key=group_rank)
    (['8K', '16K', '1M', 'spread'], ['0-20 %', '20-40 %', 'hard'])
    """
    size = re.match(r"([0-9]+)([KM]?)", group)
    if size is None:
        return float("inf"), group
    return float(size[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20}[size[2]], group


_GROUPS: dict[SliceBy, Callable[[Scored], str | None]] = {
    "length": lambda row: UNKNOWN if row.tokens is None else length_group(row.tokens),
    "depth": lambda row: depth_group(row.sample),
    "language": lambda row: row.sample.metadata.language,
    "difficulty": lambda row: row.sample.metadata.difficulty,
}


def slices_of(rows: Sequence[Scored], *, binary: bool, seed: int) -> tuple[Slice, ...]:
    """Return the scores by each kind that tells samples apart; a kind with one group says nothing new but of length.

    Args:
        rows: The answers wanted of one task.
        binary: Its metric gives nothing but 0 and 1.
        seed: Seed of the bootstrap.
    """
    found = []
    for by, group_of in _GROUPS.items():
        groups: dict[str, list[Scored]] = defaultdict(list)
        for row in rows:
            group = group_of(row)
            if group is not None:
                groups[group].append(row)
        if len(groups) > 1 or (by == "length" and set(groups) - {UNKNOWN}):
            found += [_slice(by, group, groups[group], binary, seed) for group in sorted(groups, key=group_rank)]
    return tuple(found)


def macro_slices(by_task: Mapping[str, Sequence[Scored]], *, seed: int) -> tuple[Slice, ...]:
    """Return the mean of the tasks' means by length, over the tasks that have answers wanted at every length."""
    by_length: dict[str, dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    for task, rows in by_task.items():
        for row in rows:
            by_length[UNKNOWN if row.tokens is None else length_group(row.tokens)][task].append(row)
    if UNKNOWN in by_length:
        return ()
    common = set.intersection(*(set(tasks) for tasks in by_length.values())) if by_length else set()
    found = []
    for group in sorted(by_length, key=group_rank):
        tasks = [task for task in by_task if task in common]
        rows = [row for task in tasks for row in by_length[group][task]]
        strata = [task for task in tasks for _ in by_length[group][task]]
        if rows:
            found.append(_slice("length", group, rows, False, seed, strata))
    return tuple(found)


def groups_of(rows: Sequence[Scored], *, binary: bool, seed: int) -> tuple[Group, ...]:
    """Return the scores by each of a benchmark's own groups, as `SampleMetadata.groups` names them."""
    found: dict[str, dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for by, group in (row.sample.metadata.groups or {}).items():
            found[by][group].append(row)
    return tuple(
        Group(by=by, group=group, score=piece.score, scored=piece.scored)
        for by, groups in found.items()
        for group in sorted(groups, key=group_rank)
        for piece in [_slice("length", group, groups[group], binary, seed)]
    )


def headline_of(rows: Sequence[Scored], macro: str | None, *, seed: int) -> Headline | None:
    """Return the unweighted mean over the groups of one kind; None where the headline is the mean of all.

    Args:
        rows: The answers wanted of one benchmark.
        macro: The kind, a key of `SampleMetadata.groups`.
        seed: Seed of the bootstrap.
    """
    strata = [(row.sample.metadata.groups or {}).get(macro or "", "") for row in rows]
    if macro is None or not rows:
        return None
    interval = mean_interval(
        [row.value or 0.0 for row in rows], [row.cluster for row in rows], strata=strata, seed=seed
    )
    count = len(set(strata))
    return Headline(of=f"{count} {macro.replace('_', ' ')}{'s' * (count != 1)}", score=Estimate.of(interval))


def grid_of(rows: Sequence[Scored]) -> tuple[GridCell, ...]:
    """Return the mean by length and depth."""
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        depth = depth_group(row.sample)
        if row.tokens is not None and depth is not None:
            cells[length_group(row.tokens), depth].append(row.value or 0.0)
    return tuple(
        GridCell(length=length, depth=depth, mean=sum(values) / len(values), n=len(values))
        for (length, depth), values in sorted(
            cells.items(), key=lambda item: (group_rank(item[0][0]), group_rank(item[0][1]))
        )
    )


def effective_length_of(
    slices: Sequence[Slice], share: float = SHARE, chance: float | None = None
) -> EffectiveLength | None:
    """Return the effective length by the slices by length.

    None for fewer than two lengths, and where the score at the shortest is no better than a guess without reading.
    """
    lengths = [piece for piece in slices if piece.by == "length"]
    if any(piece.group == UNKNOWN for piece in lengths):
        return None  # what was too long to be counted would be missing at the long end
    means = {_tokens(piece.group): piece.score.mean or 0.0 for piece in lengths}
    if chance is not None and means and means[min(means)] <= chance:
        return None
    tokens = effective_length(means, share)
    if tokens is None:
        return None
    return EffectiveLength(tokens=tokens, share=share, shortest=min(means), longest=max(means))


def _slice(
    by: SliceBy, group: str, rows: Sequence[Scored], binary: bool, seed: int, strata: Sequence[str] | None = None
) -> Slice:
    interval = mean_interval(
        [row.value or 0.0 for row in rows],
        [row.cluster for row in rows],
        strata=strata,
        binary=binary,
        resamples=_RESAMPLES,
        seed=seed,
    )
    scored = [row.value for row in rows if row.value is not None]
    return Slice(
        by=by,
        group=group,
        score=Estimate.of(interval),
        scored=len(scored),
        mean_scored=sum(scored) / len(scored) if scored else None,
    )


def _tokens(group: str) -> int:
    return int(group[:-1]) << (20 if group.endswith("M") else 10)
