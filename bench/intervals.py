"""What the intervals cover, how often the test cries wolf, and what power it has: by simulation.

    python bench/intervals.py                     all of it, about ten minutes on one core
    python bench/intervals.py --sets 200          a first look

Coverage is the share of simulated sets whose 95 % interval holds the true mean. Beside ours stands what is common:
Student's t and the percentile bootstrap over clusters, and an error bar that takes all scores for independent.
Prints Markdown; docs/statistics.md has the tables of a whole run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from golong_eval.statistics import cluster_values, mean_interval, minimum_detectable_effect, sign_flip_p_value

RESAMPLES = 999


@dataclass(frozen=True)
class Kind:
    """A kind of scores: of n samples in clusters, and their true mean."""

    name: str
    mean: float
    draw: Callable[[np.random.Generator, NDArray[np.int64]], NDArray[np.float64]]
    binary: bool = False


def graded(rng: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores spread around each cluster's own mean; mean 0.6."""
    means = rng.beta(3, 2, labels.max() + 1)[labels]
    return rng.beta(4 * means + 1e-3, 4 * (1 - means) + 1e-3)


def binary(rng: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """0 or 1, with a chance of its own for each cluster; mean 0.7."""
    chances = rng.beta(2.8, 1.2, labels.max() + 1)[labels]
    return (rng.random(len(labels)) < chances).astype(float)


def zero_inflated(rng: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Four of five scores 0, the others graded; mean 0.1."""
    chances = rng.beta(1, 4, labels.max() + 1)[labels]
    return (rng.random(len(labels)) < chances) * rng.beta(2, 2, len(labels))


def mostly_zero(rng: np.random.Generator, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Nine of ten scores 0, the others graded; mean 0.05."""
    chances = rng.beta(0.5, 4.5, labels.max() + 1)[labels]
    return (rng.random(len(labels)) < chances) * rng.beta(2, 2, len(labels))


KINDS = (
    # A beta around a beta mean m with the small constant shifts the mean by less than 1e-4.
    Kind("graded", 0.6, graded),
    Kind("0/1", 0.7, binary, binary=True),
    Kind("zero-inflated", 0.1, zero_inflated),
    Kind("mostly 0", 0.05, mostly_zero),
)


def labels_of(rng: np.random.Generator, clusters: int, largest: int) -> NDArray[np.int64]:
    """Clusters of 1 to `largest` samples; 0 is for sizes with a long tail, up to 50."""
    if largest == 0:
        return np.repeat(np.arange(clusters), np.minimum(50, np.ceil(rng.pareto(1.5, clusters))).astype(int))
    return np.repeat(np.arange(clusters), rng.integers(1, largest + 1, clusters))


def coverage(kind: Kind, clusters: int, largest: int, sets: int) -> dict[str, float]:
    """Return the share of sets that each interval covers, and the share of sets that ours gives one for."""
    rng = np.random.default_rng(clusters * 100 + largest)
    held: dict[str, list[bool]] = {"ours": [], "t": [], "percentile": [], "independent": []}
    for number in range(sets):
        labels = labels_of(rng, clusters, largest)
        scores = kind.draw(rng, labels)
        ours = mean_interval(scores.tolist(), labels.tolist(), binary=kind.binary, resamples=RESAMPLES, seed=number)
        if ours.low is not None and ours.high is not None:
            held["ours"].append(ours.low <= kind.mean <= ours.high)
        values = cluster_values(scores, labels.tolist())
        mean = values.mean()
        half = stats.t.ppf(0.975, clusters - 1) * values.std(ddof=1) / np.sqrt(clusters)
        held["t"].append(abs(mean - kind.mean) <= half)
        drawn = values[rng.integers(clusters, size=(RESAMPLES, clusters))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        held["percentile"].append(bool(low <= kind.mean <= high))
        half = 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))
        held["independent"].append(abs(mean - kind.mean) <= half)
    return {name: float(np.mean(found)) if found else 0.0 for name, found in held.items()} | {
        "given": len(held["ours"]) / sets
    }


def differences_of(
    kind: Kind, rng: np.random.Generator, clusters: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the differences of two runs that are alike on average; each cluster has luck of its own."""
    labels = labels_of(rng, clusters, 8)
    luck = rng.normal(0, 0.1, clusters)[labels]
    return kind.draw(rng, labels) - kind.draw(rng, labels) + luck, labels


def detectable(kind: Kind, clusters: int, sets: int) -> float:
    """Return the mean of the minimum detectable effects that the sets state."""
    rng = np.random.default_rng(clusters)
    found = []
    for number in range(sets):
        differences, labels = differences_of(kind, rng, clusters)
        effect = minimum_detectable_effect(differences.tolist(), labels.tolist(), flips=RESAMPLES, seed=number)
        found.append(effect or 0.0)
    return float(np.mean(found))


def rejections(kind: Kind, clusters: int, effect: float, sets: int) -> float:
    """Return how often the test finds p < 0.05 where the second run is better by `effect`."""
    rng = np.random.default_rng(clusters + 1_000)
    found = 0
    for number in range(sets):
        differences, labels = differences_of(kind, rng, clusters)
        p = sign_flip_p_value((differences + effect).tolist(), labels.tolist(), flips=RESAMPLES, seed=number)
        found += p is not None and p < 0.05
    return found / sets


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2_000, help="simulated sets for each row")
    sets = parser.parse_args().sets
    print(f"Coverage of 95 % intervals in {sets:,} sets, clusters of 1 to 8 samples and of 1\n")
    print(
        "| scores | samples a cluster | clusters | ours | t over clusters | percentile bootstrap | as if independent |"
    )
    print("|---|---|---|---|---|---|---|")
    for kind in KINDS:
        for largest in (8, 1, 0):
            for clusters in (5, 10, 20, 30, 50, 100, 300):
                row = coverage(kind, clusters, largest, sets)
                ours = f"{100 * row['ours']:.1f} %" if row["given"] else "none"
                if 0 < row["given"] < 1:
                    ours += f" (given for {100 * row['given']:.0f} %)"
                others = " | ".join(f"{100 * row[name]:.1f} %" for name in ("t", "percentile", "independent"))
                size = {8: "1 to 8", 1: "1", 0: "1 to 50, most few"}[largest]
                print(f"| {kind.name} | {size} | {clusters} | {ours} | {others} |", flush=True)
    print(f"\nThe permutation test at 5 %, {sets:,} sets, clusters of 1 to 8 samples\n")
    print("| scores | clusters | false positives | power at the detectable effect | mean detectable effect |")
    print("|---|---|---|---|---|")
    for kind in KINDS:
        for clusters in (10, 20, 30, 50, 100):
            effect = detectable(kind, clusters, sets)
            false, power = (rejections(kind, clusters, size, sets) for size in (0.0, effect))
            print(
                f"| {kind.name} | {clusters} | {100 * false:.1f} % | {100 * power:.0f} % | {effect:.3f} |", flush=True
            )


if __name__ == "__main__":
    main()
