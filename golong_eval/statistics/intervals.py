"""95 % intervals of a mean score: a bootstrap-t over clusters, and Wilson's for plain 0/1 scores.

What they cover, by simulation, stands in docs/statistics.md; `bench/intervals.py` makes that table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from golong_eval.statistics.clusters import cluster_values, dealt, effective_clusters, standard_error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from golong_eval.statistics.clusters import Labels, Scores

__all__ = ["Interval", "bootstrap_t_interval", "mean_interval", "wilson_interval"]

RESAMPLES = 4_999
FEWEST_SCORES, FEWEST_CLUSTERS = 10, 5
_GROUPS = 1_000  # clusters beyond this many are dealt into as many groups
_CELLS = 1_000_000  # of the resampling matrix held at once
_FLOOR = 0.55  # a resample's standard error is taken to be at least this share of the data's
_EQUAL = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean with its interval.

    Attributes:
        mean: The mean; None without scores.
        low: Lower end, None where the data can't tell.
        high: Upper end, None where the data can't tell.
        stderr: Standard error of the mean, over clusters; None with fewer than two.
        level: Nominal coverage.
        method: ``bootstrap-t``, ``wilson``, ``wilson over clusters``, or why there is none: ``no scores``,
            ``fewer than 10 scores``, ``fewer than 5 clusters``, ``few clusters hold most``, ``one cluster``,
            ``all equal``.
        n: Number of scores.
        clusters: Number of clusters.
    """

    mean: float | None
    low: float | None
    high: float | None
    stderr: float | None
    level: float
    method: str
    n: int
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


def bootstrap_t_interval(
    values: ArrayLike,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the bootstrap-t interval of the mean of independent values, such as `cluster_values`.

    Each resample draws as many values as there are, with replacement, and yields
    t = (its mean - the mean) / its standard error; the quantiles of t take the place of Student's.
    Few skewed values make resamples that are nearly constant, whose t has no bound, so a resample's error
    counts as at least 0.55 of the data's: without that floor the interval of 20 clusters that are mostly 0 is
    [0, 1]. A lower floor makes such intervals too wide, a higher one too narrow. More than 1,000 values are dealt
    at random into 1,000 groups and summed: of so many the mean is as good as normal, and time stays bounded.

    Source: Efron & Tibshirani 1993, section 12.5; the floor is ours.

    Args:
        values: Two or more finite values that are not all equal.
        bounds: What the mean can't leave; the ends are cut there.
        level: Nominal coverage in (0, 1).
        resamples: Number of resamples.
        seed: Seed of the generator: same input, same interval.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: There are fewer than two values, all are equal, or one is not finite.
    """
    import numpy as np

    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2 or not np.isfinite(array).all() or np.ptp(array) < _EQUAL:
        raise ValueError("a bootstrap needs two values or more, finite and not all equal")
    generator = np.random.default_rng(seed)
    mean = float(array.mean())
    centred = array - mean
    exact = float(centred.std(ddof=1) / math.sqrt(len(centred)))
    centred.sort()  # so that the order of the samples changes nothing
    if len(array) > _GROUPS:
        centred = dealt(centred, _GROUPS, generator) * (_GROUPS / len(array))
    count = len(centred)
    error = float(centred.std(ddof=1) / math.sqrt(count))
    ts = np.empty(resamples)
    step = max(1, _CELLS // count)
    for start in range(0, resamples, step):
        drawn = centred[generator.integers(count, size=(min(step, resamples - start), count))]
        errors = drawn.std(axis=1, ddof=1) / math.sqrt(count)
        ts[start : start + len(drawn)] = drawn.mean(axis=1) / np.maximum(errors, _FLOOR * error)
    low, high = np.quantile(ts, [(1 - level) / 2, (1 + level) / 2])
    return max(bounds[0], mean - float(high) * exact), min(bounds[1], mean - float(low) * exact)


def mean_interval(
    scores: Scores,
    clusters: Labels,
    *,
    strata: Labels | None = None,
    binary: bool = False,
    bounds: tuple[float, float] = (0.0, 1.0),
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a mean with its interval, by the form that its scores allow.

    - Fewer than 10 scores, or than 5 clusters: the mean alone. So few don't tell how they spread. The same where
      clusters are worth fewer than 5 (`effective_clusters`), or fewer than 10 and half of their number.
    - Wilson where the metric is 0 or 1 by nature, there are no strata, and no cluster has two scores.
      The metric decides, not the values: the method must not change with what was drawn.
    - All scores 0, or all 1, in any other case without strata: Wilson's over clusters. A cluster counts as one trial,
      in which a score other than these could have turned up; there are as many as clusters are worth.
    - All cluster means equal elsewhere: the mean alone.
    - Else the bootstrap-t over clusters; where they are worth fewer than half of their number, no end is nearer to the
      mean than Student's.

    Args:
        scores: n finite scores, may be empty.
        clusters: The cluster of each score.
        strata: The stratum of each score: the mean is that of the strata's means, as of tasks.
        binary: The metric gives nothing but 0 and 1.
        bounds: What a score can't leave.
        level: Nominal coverage.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: The lengths differ, or a score is not finite or out of bounds.

    >>> interval = mean_interval([0, 1, 1, 1, 0, 1, 1, 1, 1, 1], range(10), binary=True)
    >>> interval.mean, round(interval.low, 3), round(interval.high, 3), interval.method
    (0.8, 0.49, 0.943, 'wilson')
    """
    count = len(scores)
    if not count:
        if len(clusters):
            raise ValueError(f"0 scores for {len(clusters)} clusters")
        return Interval(None, None, None, None, level, "no scores", 0, 0)
    values = cluster_values(scores, clusters, strata)
    if min(scores) < bounds[0] - _EQUAL or max(scores) > bounds[1] + _EQUAL:
        raise ValueError(f"a score lies outside {bounds[0]} to {bounds[1]}")
    groups = len(values)
    worth = effective_clusters(clusters, strata)
    # A stratum of one cluster tells nothing of its own error, nor then of that of the mean.
    error = standard_error(values) if worth > 1 else None

    def found(method: str, ends: tuple[float | None, float | None] = (None, None)) -> Interval:
        return Interval(mean, ends[0], ends[1], error, level, method, count, groups)

    exact = math.fsum(scores) / count if strata is None else float(values.mean())
    mean = min(bounds[1], max(bounds[0], exact))
    if count < FEWEST_SCORES:
        return found(f"fewer than {FEWEST_SCORES} scores")
    if groups == 1:
        return found("one cluster")
    if groups < FEWEST_CLUSTERS:
        return found(f"fewer than {FEWEST_CLUSTERS} clusters")
    if worth < FEWEST_CLUSTERS or worth < min(2 * FEWEST_CLUSTERS, groups / 2):
        return found("few clusters hold most")
    alone = binary and strata is None and groups == count
    if alone and all(score in (0, 1) for score in scores):
        return found("wilson", wilson_interval(round(sum(scores)), count, level))
    at_an_end = max(scores) < _EQUAL or min(scores) > 1 - _EQUAL
    if at_an_end and bounds == (0.0, 1.0) and strata is None:
        trials = int(worth + _EQUAL)
        return found("wilson over clusters", wilson_interval(trials if mean > 0.5 else 0, trials, level))
    if float(values.max() - values.min()) < _EQUAL:
        return found("all equal")
    low, high = bootstrap_t_interval(values, bounds=bounds, level=level, resamples=resamples, seed=seed)
    if worth < groups / 2:
        # Resamples hold too few of the large clusters to tell how skewed their error is: no end may be nearer than
        # Student's with as many clusters as these are worth (its quantile by the first term of Cornish and Fisher).
        z = NormalDist().inv_cdf((1 + level) / 2)
        half = z * (1 + (z * z + 1) / (4 * (worth - 1))) * (error or 0.0)
        low, high = max(bounds[0], min(low, mean - half)), min(bounds[1], max(high, mean + half))
    return found("bootstrap-t", (low, high))
