"""Two runs on the same samples: the difference, its interval, a test by clusters, and what could have been seen.

Pairing takes the samples' own difficulty out of the comparison; flipping signs by cluster keeps what belongs
together together. Miller 2024 (arXiv 2411.00640), sections 4 and 5; Dror et al. 2018 for the test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from golong_eval.statistics.clusters import cluster_numbers, cluster_values, dealt, standard_error
from golong_eval.statistics.intervals import mean_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from golong_eval.statistics.clusters import Labels, Scores

__all__ = ["PairedTest", "holm", "minimum_detectable_effect", "paired_test", "sign_flip_p_value"]

FLIPS = 9_999
_EXACT = 13  # clusters up to which all 2^G flips are tried
_CELLS = 1_000_000
_EQUAL = 1e-12
_ENOUGH = 8  # clusters of one sign that make a difference significant in four of five cases
_DIFFERING = 10  # clusters that differ, below which their interval says little
_MOST = 2_000  # clusters beyond which they are dealt into groups
_GROUPS = 1_000


@dataclass(frozen=True)
class PairedTest:
    """What two runs on the same samples say of their difference.

    Attributes:
        difference: Mean of second minus first, in [-1, 1]; None without samples.
        low: Lower end of its interval, None where the data can't tell.
        high: Upper end.
        stderr: Standard error of the difference, over clusters.
        method: How the interval was made, or why there is none: see `mean_interval`; here also ``fewer than 10
            clusters differ``.
        p_value: Of the permutation test, two-sided; None for fewer than two clusters.
        minimum_detectable: The least true difference that this comparison finds significant with the stated
            power; None where fewer than six clusters differ.
        n: Pairs.
        clusters: Clusters.
        wins: Pairs in which the second is higher.
        losses: Pairs in which the first is.
    """

    difference: float | None
    low: float | None
    high: float | None
    stderr: float | None
    method: str
    p_value: float | None
    minimum_detectable: float | None
    n: int
    clusters: int
    wins: int
    losses: int


def paired_test(
    first: Scores,
    second: Scores,
    clusters: Labels,
    *,
    strata: Labels | None = None,
    level: float = 0.95,
    power: float = 0.8,
    seed: int = 0,
) -> PairedTest:
    """Compare two runs on the same samples.

    Args:
        first: n scores in [0, 1].
        second: The scores of the same samples in the other run.
        clusters: The cluster of each sample.
        strata: The stratum of each: the difference is that of the means over the strata's means.
        level: Nominal coverage of the interval; the test's level is 1 minus it.
        power: For the minimum detectable effect.
        seed: Seed of the generators.

    Raises:
        ValueError: The lengths differ, or a score is not finite or outside 0 to 1.

    >>> result = paired_test([0.0] * 12, [1.0] * 9 + [0.0] * 3, range(12))
    >>> result.difference, result.wins, result.losses, round(result.p_value, 4)
    (0.75, 9, 0, 0.0039)
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} scores beside {len(second)}")
    for score in (*first, *second):
        if not 0 <= score <= 1:  # also NaN
            raise ValueError(f"{score} is no score: scores lie in 0 to 1")
    differences = [b - a for a, b in zip(first, second, strict=True)]
    found = mean_interval(differences, clusters, strata=strata, bounds=(-1.0, 1.0), level=level, seed=seed)
    low, high, method = found.low, found.high, found.method
    differing = int((abs(_weighted_sums(differences, clusters, strata)) > _EQUAL).sum()) if differences else 0
    if low is not None and differing < _DIFFERING:
        # Three wins in a hundred give a bootstrap that excludes 0, with a p of 0.25.
        low, high, method = None, None, f"fewer than {_DIFFERING} clusters differ"
    return PairedTest(
        difference=found.mean,
        low=low,
        high=high,
        stderr=found.stderr,
        method=method,
        p_value=sign_flip_p_value(differences, clusters, strata=strata, seed=seed),
        minimum_detectable=minimum_detectable_effect(
            differences, clusters, strata=strata, alpha=1 - level, power=power, seed=seed
        ),
        n=found.n,
        clusters=found.clusters,
        wins=sum(difference > _EQUAL for difference in differences),
        losses=sum(difference < -_EQUAL for difference in differences),
    )


def sign_flip_p_value(
    differences: Scores,
    clusters: Labels,
    *,
    strata: Labels | None = None,
    flips: int = FLIPS,
    seed: int = 0,
) -> float | None:
    """Return the two-sided p-value of a permutation test that flips the sign of whole clusters.

    If the two runs are alike, a cluster's differences are as likely as their negatives. The statistic is the
    mean difference (with strata: the mean of the strata's means). Up to 13 clusters all flips are tried and p is exact;
    beyond, p is (1 + flips at least as extreme) / (1 + flips), which is never 0.

    Args:
        differences: n finite differences.
        clusters: The cluster of each.
        strata: The stratum of each.
        flips: Number of random flips beyond 13 clusters.
        seed: Seed of the generator.

    Returns:
        p in (0, 1]; None for fewer than two clusters.

    Raises:
        ValueError: The lengths differ, or a difference is not finite.

    >>> sign_flip_p_value([1.0, 1.0, 1.0], ["a", "b", "c"])
    0.25
    """
    if not len(differences):
        return None
    cluster_values(differences, clusters, strata)  # raises what it raises
    sums = _weighted_sums(differences, clusters, strata)
    if len(sums) < 2:
        return None
    extreme = abs(float(sums.sum())) - _EQUAL
    found = _flipped(_few(sums, seed), flips, seed)
    reached = int((abs(found) >= extreme).sum())
    return reached / len(found) if len(sums) <= _EXACT else (1 + reached) / (1 + len(found))


def minimum_detectable_effect(
    differences: Scores,
    clusters: Labels,
    *,
    strata: Labels | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    flips: int = FLIPS,
    seed: int = 0,
) -> float | None:
    """Return the least true mean difference that `sign_flip_p_value` finds below ``alpha`` with the stated power.

    The test rejects where the mean m exceeds c times the root of the clusters' sum of squares, and that sum holds the
    effect itself: with u for what clusters pull and w for their weights, m^2 > c^2 (sum u^2 + m^2 sum w^2). Solved
    for m this is the critical value, c coming from flips of u; to it comes the normal quantile of ``power`` times the
    standard error. Miller 2024, section 5, with this test's critical value in place of the normal one.

    Args:
        differences: n finite differences.
        clusters: The cluster of each.
        strata: The stratum of each.
        alpha: Level of the test.
        power: Chance to find the effect, in (0, 1).
        flips: Number of random flips beyond 13 clusters.
        seed: Seed of the generator.

    Returns:
        The effect, positive; above 1 where the data are so few that nothing could be seen.
        None where too few clusters differ (or one of them is too large) for any p below ``alpha``.

    Raises:
        ValueError: The lengths differ, or a difference is not finite.
    """
    import numpy as np

    if not len(differences):
        return None
    values = cluster_values(differences, clusters, strata)
    sums = abs(_weighted_sums(differences, clusters, strata))
    differing = sums[sums > _EQUAL]
    if 2 ** (1 - len(differing)) >= alpha or float(np.ptp(values)) < _EQUAL:
        return None
    weights = _few(_weighted_sums([1.0] * len(differences), clusters, strata), seed)
    pulls = _few((values - values.mean()) / len(values), seed)
    root = float(np.linalg.norm(pulls))
    critical = float(np.quantile(abs(_flipped(pulls, flips, seed)), 1 - alpha)) / root
    room = 1 - critical**2 * float(weights @ weights)
    if room <= 0:
        return None
    smooth = critical * root / math.sqrt(room) + NormalDist().inv_cdf(power) * (standard_error(values) or 0.0)
    return max(smooth, _ENOUGH * float(differing.mean()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down method.

    Source: Holm 1979. An adjusted value below alpha is significant, and the chance that any of them is so falsely stays
    below alpha, whatever depends on what.

    Raises:
        ValueError: A value lies outside 0 to 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("p-values lie in 0 to 1")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _weighted_sums(differences: Scores, clusters: Labels, strata: Labels | None) -> NDArray[np.float64]:
    """Return what each cluster adds to the mean."""
    import numpy as np

    groups = cluster_numbers(strata) if strata is not None else np.zeros(len(differences), np.int64)
    sizes = np.bincount(groups)
    weights = np.asarray(differences, dtype=np.float64) / (sizes[groups] * len(sizes))
    return np.bincount(cluster_numbers(clusters), weights=weights).astype(np.float64)


def _few(sums: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the clusters' sums, dealt into groups where flipping them all would take minutes."""
    import numpy as np

    return dealt(sums, _GROUPS, np.random.default_rng(seed)) if len(sums) > _MOST else sums


def _flipped(sums: NDArray[np.float64], flips: int, seed: int) -> NDArray[np.float64]:
    """Return the total under each flip of signs: all of them where they are few."""
    import numpy as np

    count = len(sums)
    if count <= _EXACT:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return np.asarray((1 - 2 * bits) @ sums, dtype=np.float64)
    generator = np.random.default_rng(seed)
    totals = np.empty(flips)
    step = max(1, _CELLS // count)
    for start in range(0, flips, step):
        signs = generator.integers(2, size=(min(step, flips - start), count), dtype=np.int8)
        totals[start : start + len(signs)] = sums.sum() - 2 * (signs @ sums)
    return totals
