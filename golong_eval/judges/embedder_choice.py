"""From plain settings to an embedder."""

from __future__ import annotations

from golong_eval.judges.cached_embedder import CachedEmbedder
from golong_eval.judges.endpoint_embedder import EndpointEmbedder
from golong_eval.judges.local_embedder import LocalEmbedder
from golong_eval.rewards import Embedder

__all__ = ["open_embedder"]


def open_embedder(
    model: str, *, base_url: str | None = None, api_key_env: str | None = None, cache: str | None = None
) -> Embedder:
    """Return an embedder that asks for each text once.

    Args:
        model: A model of the server; without one, a folder or hub name for sentence-transformers.
        base_url: Address of an OpenAI-compatible server.
        api_key_env: The environment variable that holds its key.
        cache: File that keeps vectors across runs.

    Raises:
        ConfigError: An address that is none.
        MissingExtraError: A local model, and no sentence-transformers.
    """
    if base_url is None:
        return CachedEmbedder(LocalEmbedder(model), cache)
    return CachedEmbedder(EndpointEmbedder(model, base_url, api_key_env=api_key_env), cache)
