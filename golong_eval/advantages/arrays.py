"""What NumPy and torch do under different names, and ids of any kind as numbers 0, 1, ...

The estimators are written once, in the names that both libraries share (``where``, ``sqrt``, ``exp``, operators).
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from golong_eval.errors import DataError

__all__ = ["Array", "Codes", "encode", "is_tensor", "sum_by", "to_wide"]

Array: TypeAlias = Any
"""A NumPy array or a torch tensor."""


class Codes(NamedTuple):
    """Ids as numbers."""

    numbers: Array
    """One of 0 to size - 1 a row, beside the rewards (same library, same device)."""
    size: int
    ids: Array | list[Hashable]
    """The id of each number: a list, or an array where the ids came in one."""

    def names(self) -> list[Hashable]:
        """Return the id of each number as Python has it."""
        return self.ids if isinstance(self.ids, list) else list(self.ids.tolist())


def is_tensor(values: object) -> bool:
    """Tell whether this is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def to_wide(rewards: Any) -> tuple[ModuleType, Array, Any]:
    """Return the library, the rewards in its widest float, and the dtype that the advantages get.

    Sums over a group and over a batch are made in float64: in float32, and more so in bfloat16, the spread of nearly
    equal rewards is lost. Apple's MPS has no float64 and stays with float32. Whole numbers give float64, as in NumPy.

    Raises:
        DataError: Not one dimension, no numbers, or an infinite reward.
    """
    import numpy as np

    xp: ModuleType
    if is_tensor(rewards):
        import torch

        xp, values = torch, rewards.detach()
        if values.dtype == torch.bool or values.is_complex():
            raise DataError(f"rewards of dtype {values.dtype}", "give real numbers")
        wide = torch.float32 if values.device.type == "mps" else torch.float64
        dtype = values.dtype if values.dtype.is_floating_point else wide
        values = values.to(wide)
        infinite = torch.isinf(values)
    else:
        try:
            array = (
                np.asarray([np.nan if value is None else value for value in rewards])
                if isinstance(rewards, list | tuple)
                else np.asarray(rewards)
            )
        except ValueError as error:
            raise DataError(f"rewards are not one number a row ({error})", "give one number a row") from None
        xp = np
        if array.size and array.dtype.kind not in "iuf":
            raise DataError(f"rewards of dtype {array.dtype}", "give real numbers; NaN for a row that was not scored")
        dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        values = array.astype(np.float64)
        infinite = np.isinf(values)
    if values.ndim != 1:
        raise DataError(
            f"rewards of shape {tuple(values.shape)}",
            "give one reward a response; broadcast() spreads advantages over tokens",
        )
    if bool(infinite.any()):
        row = int(infinite.nonzero()[0][0])
        raise DataError(f"the reward of row {row} is infinite", "give NaN for a response that was not scored")
    return xp, values, dtype


def sum_by(values: Array, numbers: Array, count: int) -> Array:
    """Return the sum of the values of each number: shape (count,)."""
    if is_tensor(values):
        return values.new_zeros(count).index_add_(0, numbers, values)
    import numpy as np

    return np.bincount(numbers, values, count)


def encode(ids: Any, like: Array, what: str) -> Codes:
    """Return ids as numbers beside the rewards.

    Integer tensors stay on their device and integer arrays are not looped over; any other kind costs one pass.

    Args:
        ids: One a row: a list, an array or a tensor of anything hashable.
        like: The rewards.
        what: What the ids are, for messages: ``"prompt"`` or ``"task"``.

    Raises:
        DataError: Not as many as rewards, or one is missing (None or NaN).
    """
    import numpy as np

    shape = getattr(ids, "shape", None)
    if not isinstance(ids, Sequence) and shape is None:
        ids = list(ids)
    if isinstance(ids, str | bytes) or (shape is not None and len(shape) != 1):
        raise DataError(f"{what} ids are not one a row", f"give a list of {len(like)} ids")
    if len(ids) != len(like):
        raise DataError(f"{len(ids)} {what} ids for {len(like)} rewards", f"give the {what} of every row")
    if is_tensor(ids) and not ids.dtype.is_floating_point:
        if is_tensor(like):
            import torch

            unique, numbers = torch.unique(ids.to(like.device), return_inverse=True)
            return Codes(numbers, len(unique), unique)
        ids = ids.cpu().numpy()
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iub":
        unique, numbers = _whole_numbers(ids)
    else:
        unique, numbers = _one_pass(ids.tolist() if shape is not None else ids, what)
    if is_tensor(like):
        import torch

        return Codes(torch.as_tensor(numbers, device=like.device), len(unique), unique)
    return Codes(numbers, len(unique), unique)


def _whole_numbers(ids: Any) -> tuple[Array, Array]:
    """Return the distinct integers and the place of each row's; by counting where they lie close, else by sorting."""
    import numpy as np

    if not len(ids):
        return ids, np.zeros(0, np.int64)
    low, high = int(ids.min()), int(ids.max())
    if high - low >= 4 * len(ids):
        return np.unique(ids, return_inverse=True)
    shifted = ids.astype(np.int64) - low if ids.dtype.kind != "u" else (ids - ids.min()).astype(np.int64)
    there = np.bincount(shifted) > 0
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[shifted]


def _one_pass(ids: Sequence[Hashable], what: str) -> tuple[list[Hashable], Array]:
    import numpy as np

    numbers: dict[Hashable, int] = {}
    try:
        rows = np.fromiter((numbers.setdefault(value, len(numbers)) for value in ids), np.int64, len(ids))
    except TypeError as error:
        raise DataError(f"a {what} id is not hashable ({error})", "give a text, a number or a tuple") from None
    for value, number in numbers.items():
        if is_tensor(value):
            raise DataError(f"{what} ids are a list of tensors", "give one tensor of ids, or plain numbers")
        if value is None or value != value:
            row = int(np.flatnonzero(rows == number)[0])
            raise DataError(f"row {row} has no {what} id ({value})", f"give the {what} of every row")
    return [value.item() if isinstance(value, np.generic) else value for value in numbers], rows
