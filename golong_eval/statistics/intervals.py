"""95 % intervals of a mean score: a percentile bootstrap over clusters, and Wilson's for plain 0/1 scores.

Scores of one cluster (questions over one document, repeats of one question) are not independent, so
clusters are resampled, not scores: Miller 2024 (arXiv 2411.00640), section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Interval", "bootstrap_interval", "mean_interval", "wilson_interval"]

RESAMPLES = 9_999
_CHUNK = 1_000_000  # cells of the resampling matrix held at once


@dataclass(frozen=True)
class Interval:
    """An interval of a mean.

    Attributes:
        low: Lower end, None where the data can't tell.
        high: Upper end, None where the data can't tell.
        level: Nominal coverage.
        method: ``bootstrap``, ``wilson``, or why there is none: ``no scores``, ``one cluster``,
            ``all equal``.
        clusters: Number of clusters.
    """

    low: float | None
    high: float | None
    level: float
    method: str
    clusters: int


def wilson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Args:
        successes: Number of ones, 0 to ``n``.
        n: Number of trials, 1 or more.
        level: Nominal coverage in (0, 1).

    Returns:
        Lower and upper end, in [0, 1].

    Raises:
        ValueError: ``n`` is not positive, or ``successes`` lies outside 0 to ``n``.

    >>> [round(x, 3) for x in wilson_interval(50, 50)]
    [0.929, 1.0]
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes in {n} trials")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def bootstrap_interval(
    scores: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean score, resampling whole clusters.

    Each resample draws as many clusters as there are, with replacement, and takes the mean over
    all scores in them (a ratio of sums, so clusters of unequal size keep their weight).

    Args:
        scores: n finite scores.
        clusters: The cluster of each score.
        level: Nominal coverage in (0, 1).
        resamples: Number of resamples.
        seed: Seed of the generator: same input, same interval.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: The lengths differ, a score is not finite, or there are no scores.
    """
    import numpy as np

    sums, sizes = _cluster_sums(scores, clusters)
    count = len(sums)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _CHUNK // count)
    for start in range(0, resamples, step):
        drawn = generator.integers(count, size=(min(step, resamples - start), count))
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_interval(
    scores: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    binary: bool,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the interval of a mean by the form that its scores allow.

    Wilson where the metric is 0 or 1 by nature and no cluster has two scores; else the bootstrap over clusters.
    The metric decides, not the values: the method must not change with what was drawn.
    A bootstrap of one cluster, or of clusters that all have the same mean, would have no width and
    claim certainty: there the ends are None and ``method`` says why.

    Args:
        scores: n finite scores, may be empty.
        clusters: The cluster of each score.
        binary: The metric gives nothing but 0 and 1.
        level: Nominal coverage.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: The lengths differ or a score is not finite.
    """
    if not scores:
        return Interval(None, None, level, "no scores", 0)
    sums, sizes = _cluster_sums(scores, clusters)
    count = len(sums)
    if binary and count == len(scores) and all(score in (0, 1) for score in scores):
        low, high = wilson_interval(int(sum(scores)), count, level)
        return Interval(low, high, level, "wilson", count)
    if count == 1:
        return Interval(None, None, level, "one cluster", 1)
    means = sums / sizes
    if float(means.max() - means.min()) < 1e-12:
        return Interval(None, None, level, "all equal", count)
    low, high = bootstrap_interval(scores, clusters, level=level, resamples=resamples, seed=seed)
    return Interval(low, high, level, "bootstrap", count)


def _cluster_sums(
    scores: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    if len(scores) != len(clusters):
        raise ValueError(f"{len(scores)} scores for {len(clusters)} clusters")
    values = np.asarray(scores, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("scores must be finite and not empty")
    numbers: dict[Hashable, int] = {}
    labels = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    sums: NDArray[np.float64] = np.bincount(labels, weights=values).astype(np.float64)
    sizes: NDArray[np.float64] = np.bincount(labels).astype(np.float64)
    return sums, sizes
