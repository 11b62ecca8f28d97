"""What is known of the rows of one batch in verl beside their rewards: task, whether they have a score, which count.

Source: verl 0.9.1.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from golong_eval.adapters.released_rows import task_of
from golong_eval.adapters.verl import FLAGS

__all__ = ["Step", "step_of", "step_of_columns", "step_of_queue", "warn_once"]

_log = logging.getLogger(__name__)
_said: set[str] = set()


@dataclass
class Step:
    """What is known of the rows of one batch beside their rewards.

    Attributes:
        tasks: The task of each row, or None where it is unknown.
        unscored: Which rows have no score.
        counted: Places of the rows that count, one a rollout, no padding.
        source: For each row the place in `counted` that its advantage comes from; -1: none, it is 0.
        flags: Flags of `compute_score`, one a row, where rows have them.
        metrics: What the estimator found, for the log.
    """

    tasks: list[str | None]
    unscored: list[bool]
    counted: list[int]
    source: list[int]
    flags: list[Mapping[str, Any]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


def step_of(
    data_sources: Sequence[Any],
    extra_infos: Sequence[Any],
    flags: Sequence[Any] = (),
    keys: Sequence[str] = (),
    padding: Sequence[bool] = (),
) -> Step:
    """Return what is known of rows.

    Args:
        data_sources: The column ``data_source``.
        extra_infos: The column ``extra_info``.
        flags: What `compute_score` returned for each row.
        keys: Their keys in the queue, ``uid_session_output``: of the outputs of one session, the last counts for all.
        padding: Which rows verl made up to fill its ranks.

    >>> step = step_of(["golong_t1"] * 3, [{"task": "t1"}] * 3, keys=["a_0_0", "a_0_1", "a_1_0"])
    >>> step.counted, step.source
    ([1, 2], [0, 0, 1])
    """
    many = len(data_sources)
    tasks = [task_of(source, extra) for source, extra in zip(data_sources, extra_infos, strict=True)]
    told = [flag if isinstance(flag, Mapping) else {} for flag in flags] or [{}] * many
    unscored = [bool(flag.get("unscored")) for flag in told]
    real = [row for row in range(many) if not (padding and padding[row])]
    parted = [_session_output(key) for key in keys] or [(str(row), 0) for row in range(many)]
    last: dict[str, int] = {}  # of each session, the row of its last output
    for row in real:
        session, output = parted[row]
        if session not in last or parted[last[session]][1] < output:
            last[session] = row
    counted = sorted(last.values())
    place = {parted[row][0]: number for number, row in enumerate(counted)}
    source = [-1] * many
    for row in real:
        source[row] = place[parted[row][0]]
    return Step(tasks, unscored, counted, source, [told[row] for row in counted])


def _session_output(key: str) -> tuple[str, int]:
    """Return session and number of output of a key; one of another form is a session of its own."""
    session, _, output = key.rpartition("_")
    return (session, int(output)) if output.isdecimal() and session else (key, 0)


def step_of_queue(queue: Any, batch: Any) -> Step:
    """Return what verl's TransferQueue holds of the rows of a batch."""
    columns = {}
    for name in ("data_source", "extra_info", "extra_fields"):
        # One by one: a row without one of them must not cost the others.
        try:
            data = queue.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=[name])
            columns[name] = _plain(data[name], len(batch.keys))
        except (KeyError, ValueError, RuntimeError) as error:
            warn_once(f"the queue gives no column {name!r} ({error})")
            columns[name] = [None] * len(batch.keys)
    flags = [(fields or {}).get("reward_extra_info") for fields in columns["extra_fields"]]
    padding = [bool(tag.get("is_padding")) for tag in batch.tags or []]
    return step_of(columns["data_source"], columns["extra_info"], flags, batch.keys, padding)


def step_of_columns(columns: Mapping[str, Any], many: int) -> Step:
    """Return what the columns of a batch say of its rows."""
    nothing = [None] * many
    flags = (
        [dict(zip(FLAGS, values, strict=True)) for values in zip(*(columns[f] for f in FLAGS), strict=True)]
        if all(flag in columns for flag in FLAGS)
        else []
    )
    return step_of(
        _plain(columns.get("data_source", nothing), many), _plain(columns.get("extra_info", nothing), many), flags
    )


def _plain(values: Any, many: int) -> list[Any]:
    """Return a column of any of verl's containers as a list."""
    column = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(column, Mapping | str) or not isinstance(column, Iterable):
        column = [column] * many  # one value for all rows
    # Tensordict wraps values in NonTensorData. Texts of NumPy have a `data` too, which is their bytes.
    return [value if isinstance(value, str | Mapping) else getattr(value, "data", value) for value in column]


def warn_once(message: str) -> None:
    """Log a warning, the first time."""
    if message not in _said:
        _said.add(message)
        _log.warning("%s (process %d; said once)", message, os.getpid())
