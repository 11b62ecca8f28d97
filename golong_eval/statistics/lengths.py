"""Scores by length: the buckets, and the length up to which a model keeps its score."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SHARE", "effective_length", "length_bucket"]

SHARE = 0.85
"""Share of the short-context score below which a length no longer counts (BABILong's)."""


def length_bucket(tokens: int) -> int:
    """Return the bucket of a length: the least power of two, 1,024 or more, that holds it.

    >>> length_bucket(900), length_bucket(8192), length_bucket(8193)
    (1024, 8192, 16384)
    """
    if tokens < 1:
        raise ValueError(f"a length of {tokens} tokens")
    return max(1024, 1 << (tokens - 1).bit_length())


def effective_length(means: Mapping[int, float], share: float = SHARE) -> int | None:
    """Return the longest length up to which the mean score stays at or above a share of that at the shortest.

    A longer length that happens to be above again after one below does not count.
    RULER (arXiv 2404.06654) takes a fixed threshold instead, BABILong (arXiv 2406.10149) a share.

    Args:
        means: Length -> mean score.
        share: Share of the mean at the shortest length, in (0, 1].

    Returns:
        A key of `means`; None for fewer than two lengths, or where the shortest has a mean of 0.

    Raises:
        ValueError: The share lies outside (0, 1].

    >>> effective_length({4096: 0.9, 8192: 0.8, 16384: 0.5, 32768: 0.8})
    8192
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share {share} lies outside 0 to 1")
    lengths = sorted(means)
    if len(lengths) < 2 or means[lengths[0]] <= 0:
        return None
    longest = lengths[0]
    for length in lengths:
        if means[length] < share * means[lengths[0]] - 1e-12:
            break
        longest = length
    return longest
