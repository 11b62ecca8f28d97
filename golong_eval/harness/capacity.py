"""What of a run fits on GPUs: memory, never speed.

A GPU's share is ``memory x utilization``, as vLLM takes it. Of that go the weights, divided by the tensor-parallel
degree, and a reserve for what else an engine needs; the rest holds requests.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence

from golong_eval.errors import ConfigError, UnknownNameError
from golong_eval.harness.model_shape import ModelShape
from golong_eval.schema import Frozen

__all__ = ["GPUS", "RESERVE_BYTES", "Gpu", "GpuFit", "find_gpu", "fit_gpus"]

GIB = 2**30

RESERVE_BYTES = 3 * GIB
"""Assumed of each GPU: activations of a prefill chunk, CUDA graphs, communication. vLLM measures its own when it
starts, and logs the memory that is left for the KV cache."""

DEGREES = (1, 2, 4, 8)
"""Tensor-parallel degrees that are tried: the GPUs of one machine."""

GPUS = {
    "A10": 24,
    "A10G": 24,
    "A100-40": 40,
    "A100-80": 80,
    "B200": 180,
    "B300": 288,
    "GH200": 96,
    "H100": 80,
    "H100-NVL": 94,
    "H20": 96,
    "H200": 141,
    "L4": 24,
    "L40S": 48,
    "MI250X": 128,
    "MI300X": 192,
    "MI325X": 256,
    "MI355X": 288,
    "RTX3090": 24,
    "RTX4090": 24,
    "RTX5090": 32,
    "RTXA6000": 48,
    "T4": 16,
    "V100-16": 16,
    "V100-32": 32,
}
"""Memory as vendors state it, taken as GiB; a card shows a little less (an L4 with error correction: 22.5)."""


class Gpu(Frozen):
    """A kind of GPU."""

    name: str
    gib: float


class GpuFit(Frozen):
    """Whether a run's requests fit on tensor-parallel GPUs of one machine."""

    gpu: Gpu
    utilization: float
    reserve_bytes: int
    degree: int | None
    """The fewest GPUs on which the longest request fits; None if it does on none of `tried`."""
    tried: tuple[int, ...]
    """Degrees that divide the attention heads."""
    at: int
    """The GPUs that the numbers below are for: `degree`, or the most that were tried."""
    weight_bytes: int
    """On each GPU."""
    free_bytes: int
    """On each GPU for requests; below 0 where the weights alone are too much."""
    longest_tokens: int
    """Prompt and answer budget of the longest request."""
    longest_bytes: int
    """What it keeps on each GPU."""
    concurrent_longest: int
    """Requests like the longest that fit at once, none sharing its beginning with another."""
    concurrent_mean: int
    """The same for requests that take what the run's take on average."""
    most_tokens: int
    """The longest request that fits, if the longest of the run does not; else that one."""
    too_big: int
    """Requests of the run that do not fit, alone on the GPUs."""
    whole_length_fits: bool | None
    """Whether a request of all the model's positions fits: vLLM starts only if it does. None if they are unknown."""


def find_gpu(name: str) -> Gpu:
    """Return a GPU by its name, or by its memory in GiB.

    >>> find_gpu("a100-80gb").gib, find_gpu("22.5").gib
    (80.0, 22.5)

    Raises:
        ConfigError: There is no such GPU.
    """
    if number := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(?:gi?b)?", name.strip().casefold()):
        gib = float(number[1])
        if gib == 0:
            raise ConfigError("a GPU of 0 GiB holds nothing", "give its memory in GiB, such as --gpu 80")
        return Gpu(name=f"{gib:g}-GiB GPU", gib=gib)
    plain = re.sub(r"[\s_-]+|nvidia|amd|gi?b$", "", name.casefold())
    for known, memory in GPUS.items():
        if known.casefold().replace("-", "") == plain:
            return Gpu(name=known, gib=memory)
    error = UnknownNameError("GPU", name, GPUS)
    raise ConfigError(str(error), f"{error.hint}; or give its memory in GiB, such as --gpu 80")


def _deals_out(shape: ModelShape, degree: int) -> bool:
    """Return whether KV heads can be dealt out to so many GPUs, or copied to them, evenly: engines take no other."""
    return shape.latent or shape.kv_heads % degree == 0 or degree % shape.kv_heads == 0


def fit_gpus(
    shape: ModelShape, gpu: Gpu, utilization: float, requests: Sequence[int], positions: int | None = None
) -> GpuFit | None:
    """Return the fewest GPUs that hold the weights and the longest request, and what fits there at once.

    Args:
        shape: The model.
        gpu: The kind of GPU.
        utilization: Share of its memory that the engine may take.
        requests: Tokens of prompt and answer of each request.
        positions: Tokens of prompt and answer that the model takes.

    Returns:
        None where the size of the weights is not known, or there are no requests.
    """
    if shape.weight_bytes is None or not requests:
        return None
    tried = tuple(degree for degree in DEGREES if shape.heads % degree == 0 and _deals_out(shape, degree))
    share = int(gpu.gib * GIB * utilization) - RESERVE_BYTES
    free = {degree: share - -(-shape.weight_bytes // degree) for degree in tried}
    longest = max(requests)
    fitting = [degree for degree in tried if shape.request_bytes(longest, degree) <= free[degree]]
    at = fitting[0] if fitting else tried[-1]

    def on_each(tokens: int) -> int:
        return shape.request_bytes(tokens, at)

    # The sum over all requests, not the bytes of the mean one: windows are full after some tokens.
    mean = sum(map(on_each, requests)) / len(requests)
    most = longest if fitting else max(0, bisect.bisect_right(range(longest), free[at], key=on_each) - 1)
    return GpuFit(
        gpu=gpu,
        utilization=utilization,
        reserve_bytes=RESERVE_BYTES,
        degree=at if fitting else None,
        tried=tried,
        at=at,
        weight_bytes=-(-shape.weight_bytes // at),
        free_bytes=free[at],
        longest_tokens=longest,
        longest_bytes=on_each(longest),
        concurrent_longest=max(0, free[at]) // max(1, on_each(longest)),
        concurrent_mean=int(max(0, free[at]) // max(1, mean)),
        most_tokens=most,
        too_big=sum(tokens > most for tokens in requests),
        whole_length_fits=None if positions is None else on_each(positions) <= free[at],
    )
