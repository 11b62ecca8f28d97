"""Several answers to each sample: pass@k, best of k and the majority, without bias."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["best_of_k", "majority", "pass_at_k"]


def pass_at_k(scores: ArrayLike, k: int, threshold: float = 1.0) -> NDArray[np.float64]:
    """Return for each sample the chance that one of k answers passes.

    1 - C(n - c, k) / C(n, k) for c passes among n answers: the mean over all ways to draw k of the n.
    Source: Chen et al. 2021 (arXiv 2107.03374), section 2.1.

    Args:
        scores: S samples x n answers, finite.
        k: Answers drawn, 1 to n.
        threshold: The score from which an answer passes.

    Raises:
        ValueError: The scores are no matrix or not finite, or k lies outside 1 to n.

    >>> pass_at_k([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]], k=2).round(4).tolist()
    [0.5, 0.8333]
    """
    import numpy as np

    matrix = _matrix(scores, k)
    n = matrix.shape[1]
    failed = (matrix < threshold - 1e-9).sum(axis=1)
    chances = np.array([1 - math.comb(count, k) / math.comb(n, k) for count in range(n + 1)])
    return np.asarray(chances[failed], dtype=np.float64)


def best_of_k(scores: ArrayLike, k: int) -> NDArray[np.float64]:
    """Return for each sample the expected highest score among k of its n answers.

    The mean over all ways to draw k of the n: the j-th lowest is the highest of C(j - 1, k - 1) draws.
    Published tables often take the first k answers instead; the expectation is the same and this varies less.

    Args:
        scores: S samples x n answers, finite.
        k: Answers drawn, 1 to n.

    Raises:
        ValueError: The scores are no matrix or not finite, or k lies outside 1 to n.

    >>> best_of_k([[0.2, 0.8, 0.5]], k=2).round(4).tolist()
    [0.7]
    """
    import numpy as np

    matrix = _matrix(scores, k)
    n = matrix.shape[1]
    weights = np.array([math.comb(j, k - 1) / math.comb(n, k) for j in range(n)])
    ordered = np.sort(matrix, axis=1)
    top = ordered[:, -1]
    best: NDArray[np.float64] = top - (top[:, None] - ordered) @ weights  # exact where all are alike
    return best


def majority(answers: Sequence[Hashable | None], scores: Sequence[float]) -> float:
    """Return the score of one sample's most frequent answer.

    Args:
        answers: What was read as each answer; None has no vote.
        scores: Their scores. Answers that are the same have the same score, else their mean counts.

    Returns:
        The mean over the most frequent answers, where several are: what a random choice among them earns.
        0 where there is no vote.

    Raises:
        ValueError: The lengths differ.

    >>> majority(["a", "b", "b", None], [1.0, 0.0, 0.0, 0.0]), majority(["a", "b"], [1.0, 0.0])
    (0.0, 0.5)
    """
    if len(answers) != len(scores):
        raise ValueError(f"{len(answers)} answers for {len(scores)} scores")
    votes: dict[Hashable, list[float]] = defaultdict(list)
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            votes[answer].append(score)
    if not votes:
        return 0.0
    most = max(map(len, votes.values()))
    leading = [sum(found) / len(found) for found in votes.values() if len(found) == most]
    return sum(leading) / len(leading)


def _matrix(scores: ArrayLike, k: int) -> NDArray[np.float64]:
    import numpy as np

    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise ValueError("scores are a finite matrix: samples x answers")
    if not 1 <= k <= matrix.shape[1]:
        raise ValueError(f"k is {k}; it lies in 1 to the {matrix.shape[1]} answers of each sample")
    return matrix
