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

__all__ = ["cluster_numbers", "cluster_values", "standard_error"]


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
    is the mean of the strata's means. A cluster's value is that mean plus G times the sum of its scores'
    distances from their stratum's mean, each divided by the stratum's size: the linearised ratio of sums.

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
    >>> cluster_values([1.0, 0.0, 0.0, 0.0], ["a", "b", "c", "d"], ["t1", "t1", "t2", "t2"]).tolist()
    [0.75, -0.25, 0.25, 0.25]
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
    pulls = (values - means[groups]) / (sizes[groups] * len(sizes))
    found: NDArray[np.float64] = means.mean() + (labels.max() + 1) * np.bincount(labels, weights=pulls)
    return found


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
