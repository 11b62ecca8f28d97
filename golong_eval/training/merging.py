"""Put fresh rollouts in the place of some rows of a generated batch, whatever their lengths."""

from __future__ import annotations

from typing import Any

__all__ = ["replace_rows"]

_LEFT = ("prompt_ids", "prompt_mask")  # padded on the left; everything else of two dimensions on the right


def replace_rows(batch: dict[str, Any], fresh: dict[str, Any], rows: Any, sources: Any, pad_token: int) -> None:
    """Copy rows of one batch into another, both as TRL's trainer generates them; in place.

    Args:
        batch: Tensors by name, first dimension rows; what is no such tensor is left alone.
        fresh: The same names.
        rows: The rows of `batch` that are replaced.
        sources: The rows of `fresh` that they get.
        pad_token: What ids are padded with; all else gets 0.
    """
    for name, old in batch.items():
        if not hasattr(old, "dim") or old.dim() == 0:
            continue
        new = fresh[name]
        if old.dim() == 2:
            width = max(old.shape[1], new.shape[1])
            fill = pad_token if name.endswith("_ids") else 0
            old, new = (_padded(part, width, fill, left=name in _LEFT) for part in (old, new))
        else:
            old = old.clone()
        old[rows] = new[sources].to(old.dtype)
        batch[name] = old


def _padded(values: Any, width: int, fill: int, *, left: bool) -> Any:
    if values.shape[1] == width:
        return values.clone()
    out = values.new_full((values.shape[0], width), fill)
    if left:
        out[:, width - values.shape[1] :] = values
    else:
        out[:, : values.shape[1]] = values
    return out
