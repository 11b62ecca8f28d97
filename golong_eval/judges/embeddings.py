"""What all embedders share: how a model is named, what text reaches it, and what counts as its vectors."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence

from golong_eval.errors import JudgeError

__all__ = ["as_vectors", "embedder_name", "encodable"]

_NOT_IN_NAMES = re.compile(r"[\s,\[\]*]+")  # the punctuation of a metric's identity


def embedder_name(model: str, **settings: object) -> str:
    """Return the name of a model under settings that change its vectors; None is the model's own.

    >>> embedder_name("text-embedding-3-small", dimensions=256, dtype=None)
    'text-embedding-3-small;dimensions=256'
    """
    given = (f"{key}={value}" for key, value in settings.items() if value is not None)
    return _NOT_IN_NAMES.sub("-", ";".join([model, *given]))


def encodable(text: str) -> str:
    """Return a text with "?" for lone surrogates, which a model may write and neither JSON nor a tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


def as_vectors(rows: Sequence[Sequence[float]], count: int, source: str) -> list[array[float]]:
    """Return vectors as float32 arrays.

    Args:
        rows: What an embedder gave, one vector a text.
        count: How many texts it was given.
        source: The embedder, for messages.

    Raises:
        JudgeError: There are fewer or more vectors than texts, or one is empty, holds something that is no finite
            float32, or has another length than the first.

    >>> as_vectors([[0.5, -1]], 1, "a model")
    [array('f', [0.5, -1.0])]
    """
    hint = "check that the model is one for embeddings, and its server's log"
    if len(rows) != count:
        raise JudgeError(f"{source} gave {len(rows)} vectors for {count} texts", hint)
    vectors: list[array[float]] = []
    for row in rows:
        try:
            vector = array("f", row)
        except (TypeError, OverflowError) as error:
            raise JudgeError(f"{source} gave a vector that is no list of numbers ({error})", hint) from None
        if not vector or not all(map(math.isfinite, vector)):
            raise JudgeError(f"{source} gave a vector that is empty or holds NaN or infinity", hint)
        if len(vector) != len(vectors[0] if vectors else vector):
            raise JudgeError(f"{source} gave vectors of {len(vectors[0])} and of {len(vector)} dimensions", hint)
        vectors.append(vector)
    return vectors
