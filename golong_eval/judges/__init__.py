"""Scorers that are models themselves: the embedders behind a summary's semantic score.

An embedder is a callable that turns texts into vectors and has a ``name``, which stands in the metric's identity.
"""

from golong_eval.judges.cached_embedder import CachedEmbedder
from golong_eval.judges.endpoint_embedder import EndpointEmbedder
from golong_eval.judges.local_embedder import LocalEmbedder

__all__ = ["CachedEmbedder", "EndpointEmbedder", "LocalEmbedder"]
