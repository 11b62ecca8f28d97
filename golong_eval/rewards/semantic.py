"""The semantic part of a summary's score: the largest cosine between embeddings of the answer and the references."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from golong_eval.errors import ConfigError
from golong_eval.rewards.outcome import Outcome
from golong_eval.rewards.spec import MetricSpec

__all__ = ["Embedder", "check_embedder", "cosine", "with_semantic"]


class Embedder(Protocol):
    """Gives texts their vectors. `golong_eval.judges` has some; any function with a `name` will do."""

    @property
    def name(self) -> str:
        """The embedding model, as it stands in the metric's identity."""
        ...

    def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        """Return one vector a text, in order."""
        ...


def check_embedder(spec: MetricSpec, embedder: Embedder | None) -> None:
    """Refuse a metric with a semantic part without the embedder that it names.

    Raises:
        ConfigError: There is none, or another one.
    """
    if spec.semantic is None:
        return
    if embedder is None:
        raise ConfigError(f"{spec} needs an embedder", "give embedder=..., for instance from golong_eval.judges")
    name = getattr(embedder, "name", None)
    if name is None:
        raise ConfigError("the embedder has no name", f"set its attribute: embedder.name = {spec.semantic.model!r}")
    if name != spec.semantic.model:
        raise ConfigError(
            f"{spec} asks for embeddings by {spec.semantic.model!r}, and the embedder is {name!r}",
            "name the embedder's model in the metric: scores by different models do not compare",
        )


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of two vectors, in [-1, 1]; 0 where one of them is 0.

    Raises:
        ValueError: Their lengths differ, or a number is not finite.

    >>> cosine([3.0, 4.0], [6.0, 8.0])
    1.0
    """
    import numpy as np

    left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(f"embeddings of shapes {left.shape} and {right.shape}")
    dot, size = float(left @ right), float(np.linalg.norm(left) * np.linalg.norm(right))
    if not math.isfinite(size) or not math.isfinite(dot):
        raise ValueError("an embedding is not finite")
    return max(-1.0, min(1.0, dot / size)) if size else 0.0


def with_semantic(
    weight: float,
    outcomes: Sequence[Outcome],
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    embedder: Embedder,
) -> list[Outcome]:
    """Return outcomes whose value is ``(1 - weight) * ROUGE-L + weight * cosine``, at least 0.

    All texts go to the embedder at once. An embedder that fails makes every outcome ``judge_error``: no score.

    Args:
        weight: Share of the semantic part.
        outcomes: The outcomes of ROUGE-L.
        answers: The answers, as they are embedded.
        references: The references of each, as they are embedded; the largest cosine counts.
        embedder: Gives the vectors.
    """
    texts = list(dict.fromkeys([*answers, *(text for group in references for text in group)]))
    try:
        given = embedder(texts)
        if len(given) != len(texts):
            raise ValueError(f"{len(given)} vectors for {len(texts)} texts")
        vectors = dict(zip(texts, given, strict=True))
        cosines = [
            max(cosine(vectors[answer], vectors[text]) for text in group)
            for answer, group in zip(answers, references, strict=True)
        ]
    except Exception as error:  # noqa: BLE001  # ours, and never a score: the status says so
        failed = Outcome(0.0, status="judge_error", reason=f"{type(error).__name__}: {error}")
        return [failed] * len(outcomes)
    return [
        Outcome(
            max(0.0, min(1.0, (1 - weight) * outcome.value + weight * similar)),
            {**outcome.parts, "rouge_l": outcome.value, "cosine": similar},
            outcome.parsed,
        )
        for outcome, similar in zip(outcomes, cosines, strict=True)
    ]
