"""One advantage a response, spread over its tokens."""

from __future__ import annotations

from golong_eval.advantages.arrays import Array, is_tensor
from golong_eval.errors import DataError

__all__ = ["broadcast"]


def broadcast(advantages: Array, response_mask: Array) -> Array:
    """Return the advantage of each response at its tokens, 0 elsewhere.

    Args:
        advantages: (rows,), an array or a tensor.
        response_mask: (rows, tokens), 1 or True at the tokens that the policy wrote; same library and device.

    Returns:
        (rows, tokens) in the dtype of the advantages.

    Raises:
        DataError: The shapes do not fit.

    >>> import numpy as np
    >>> broadcast(np.array([0.5, -2.0]), np.array([[1, 1, 0], [1, 0, 0]])).tolist()
    [[0.5, 0.5, 0.0], [-2.0, -0.0, -0.0]]
    """
    if advantages.ndim != 1 or response_mask.ndim != 2 or len(advantages) != len(response_mask):
        raise DataError(
            f"advantages of shape {tuple(advantages.shape)} and a mask of shape {tuple(response_mask.shape)}",
            "give (rows,) and (rows, tokens)",
        )
    if is_tensor(advantages):
        import torch

        out = torch.empty(response_mask.shape, dtype=advantages.dtype, device=advantages.device)
        return torch.mul(advantages[:, None], response_mask, out=out)
    import numpy as np

    return np.multiply(advantages[:, None], response_mask, dtype=advantages.dtype, casting="unsafe")
