"""From scores to one value a cluster, which everything else here works on.

Scores of one cluster (questions over one document, repeats of one question) are not independent; clusters are.
The mean of the cluster values is the mean of the scores, and their spread is what clusters make of its error:
Miller 2024 (arXiv 2411.00640), section 2.2.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Scores: TypeAlias = Sequence[float] | NDArray[np.floating[Any]]
    Labels: TypeAlias = Sequence[Hashable] | NDArray[Any]

__all__ = ["cluster_numbers", "cluster_values", "effective_clusters", "standard_error"]


def cluster_numbers(clusters: Labels) -> NDArray[np.int64]:
    """Return the clusters as numbers 0, 1, ... in the order of their first appearance.

    >>> cluster_numbers(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    import numpy as np

    numbers: dict[Hashable, int] = {}
    return np.fromiter((numbers.setdefault(cluster, len(numbers)) for cluster in clusters), np.int64)


def cluster_values(scores: ArrayLike, clusters: Labels, strata: Labels | None = None) -> NDArray[np.float64]:
    """Return one value for each of the G clusters: the mean, and how far the cluster pulls it.

    The mean is that over all scores, so a cluster weighs what it holds; with strata (tasks, for instance) it
    is the mean of the strata's means. The values are the jackknife's: that mean, less G - 1 times what leaving the
    cluster out changes. What a cluster pulls a stratum's mean by (its scores' distances from it, divided by the
    stratum's size) is divided by 1 - w for a cluster that makes up w of the stratum: it pulls the mean towards
    itself, and would hide a part of its distance (CR3 of MacKinnon and White 1985). Several strata of few clusters each
    lose a degree of freedom each, which is made good too.

    Args:
        scores: n finite scores, n at least 1.
        clusters: The cluster of each.
        strata: The stratum of each; a cluster may lie in several.

    Returns:
        G values, whose mean is the mean.

    Raises:
        ValueError: The lengths differ, a score is not finite, or there are none.

    >>> cluster_values([1.0, 0.0, 0.5], ["a", "a", "b"]).tolist()
    [0.5, 0.5]
    >>> cluster_values([1.0, 0.0, 0.0, 0.0], ["a", "b", "c", "d"], ["t1", "t1", "t2", "t2"]).round(3).tolist()
    [0.862, -0.362, 0.25, 0.25]
    """
    import numpy as np

    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) != len(clusters) or (strata is not None and len(strata) != len(values)):
        raise ValueError(f"{values.shape} scores for {len(clusters)} clusters")
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("scores must be finite and not empty")
    labels = cluster_numbers(clusters)
    groups = cluster_numbers(strata) if strata is not None else np.zeros(len(values), np.int64)
    sizes = np.bincount(groups)
    means = np.bincount(groups, weights=values) / sizes
    count = int(labels.max()) + 1
    pairs, pair, held = _pairs(labels, groups)
    stratum = pairs // count
    shares = held / sizes[stratum]
    clusters_in = np.bincount(stratum)[stratum]
    pulls = np.bincount(pair, weights=(values - means[groups]) / (sizes[groups] * len(sizes)))
    # A stratum of one cluster pulls nothing, and tells nothing of its own error: see `effective_clusters`.
    scale = np.sqrt((clusters_in - 1) / clusters_in * (count - 1) / count) / np.where(shares < 1, 1 - shares, 1)
    left_out = count * np.bincount(pairs % count, weights=pulls * scale)
    found: NDArray[np.float64] = means.mean() + left_out - left_out.mean()
    return found


def effective_clusters(clusters: Labels, strata: Labels | None = None) -> float:
    """Return how many clusters of one size, in one stratum, would tell as much about the error of the mean.

    1 over the sum of the clusters' squared weights; with strata no more than one and the degrees of freedom that
    Satterthwaite's formula gives for scores alike in all strata: a stratum of two clusters can't say how far off its
    mean is, however many the others have.

    >>> effective_clusters(["a", "b", "c", "d"]), round(effective_clusters(["a"] * 97 + ["b", "c", "d"]), 2)
    (4.0, 1.06)
    >>> round(effective_clusters(range(102), ["t1"] * 100 + ["t2"] * 2), 2)
    2.04
    """
    import numpy as np

    labels = cluster_numbers(clusters)
    groups = cluster_numbers(strata) if strata is not None else np.zeros(len(labels), np.int64)
    sizes = np.bincount(groups)
    weights = np.bincount(labels, weights=1 / (sizes[groups] * len(sizes)))
    worth = float(1 / (weights @ weights))
    pairs, _, held = _pairs(labels, groups)
    stratum = pairs // (int(labels.max()) + 1)
    inside = 1 / np.bincount(stratum, weights=(held / sizes[stratum]) ** 2)
    if float(inside.min()) <= 1 + 1e-9:
        return 1.0
    freedom = float((1 / inside).sum() ** 2 / (1 / inside**2 / (inside - 1)).sum())
    return min(worth, 1 + freedom)


def _pairs(
    labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each pair of stratum and cluster that has scores, which one each score is of, and how many it has."""
    import numpy as np

    codes, pair, held = np.unique(groups * (labels.max() + 1) + labels, return_inverse=True, return_counts=True)
    return codes, pair, held


def dealt(sums: NDArray[np.float64], groups: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the sums of `groups` groups of clusters drawn at random, of equal or nearly equal size.

    Clusters put together are clusters too, and of a thousand the mean is as good as normal: it bounds time.
    """
    import numpy as np

    group = generator.permutation(len(sums)) % groups
    return np.bincount(group, weights=sums).astype(np.float64)


def standard_error(values: ArrayLike) -> float | None:
    """Return the standard error of the mean of independent values; None for fewer than two.

    >>> round(standard_error([0.0, 1.0, 0.0, 1.0]), 4)
    0.2887
    """
    import numpy as np

    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return None
    return float(array.std(ddof=1) / np.sqrt(len(array)))
