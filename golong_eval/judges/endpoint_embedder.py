"""Embeddings from any server that speaks OpenAI's ``/v1/embeddings``: vLLM, TEI, Ollama, a hosted one.

vllm serve Qwen/Qwen3-Embedding-8B --port 8001
embed = EndpointEmbedder("Qwen/Qwen3-Embedding-8B", "http://localhost:8001", api_key_env=None)
"""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from golong_eval.errors import JudgeError
from golong_eval.judges.embeddings import as_vectors, embedder_name, encodable
from golong_eval.judges.endpoint import Endpoint, check_least

__all__ = ["EndpointEmbedder"]

_MAX_CHARACTERS = 32_000  # what a name without max_characters stands for: another value would need another name


@dataclass(eq=False)
class EndpointEmbedder:
    """An embedder over an OpenAI-compatible server. Nothing is put before a text: no instruction, no prompt.

    Calls are synchronous and may come from any thread, from a coroutine (whose loop waits) and after a fork: each
    call opens its own connections, and only the settings are kept and pickled. What may pass is tried again, see
    `golong_eval.judges.endpoint.Endpoint`.

    Args:
        model: The model, as the server calls it.
        base_url: The server's address, with or without ``/v1``.
        api_key_env: The environment variable that holds the key, read at each call and sent as a bearer token; one
            that is not set sends none. None: send none.
        batch_size: Texts in a request.
        concurrency: Requests at once, for each call.
        timeout: Seconds for one attempt of one request.
        retries: Attempts after the first.
        dimensions: Length of the vectors, for models that can shorten theirs.
        max_characters: Longer texts are cut to their first so many. The default is about 8,000 tokens of English,
            and up to four times as many in other scripts: lower it for models that take less.

    Raises:
        ConfigError: A number is too low, or the address is none or holds a secret.

    >>> EndpointEmbedder("text-embedding-3-small", "https://api.openai.com/v1", dimensions=256).name
    'text-embedding-3-small;dimensions=256'
    """

    model: str
    base_url: str
    _: KW_ONLY
    api_key_env: str | None = "OPENAI_API_KEY"
    batch_size: int = 32
    concurrency: int = 4
    timeout: float = 60.0
    retries: int = 4
    dimensions: int | None = None
    max_characters: int = _MAX_CHARACTERS
    name: str = field(init=False)
    _endpoint: Endpoint = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_least(self, batch_size=1, dimensions=1, max_characters=1)
        self._endpoint = Endpoint(self.base_url, self.api_key_env, self.concurrency, self.timeout, self.retries)
        cut = None if self.max_characters == _MAX_CHARACTERS else self.max_characters
        self.name = embedder_name(self.model, dimensions=self.dimensions, max_characters=cut)

    def __call__(self, texts: Sequence[str], /) -> list[array[float]]:
        """Return one float32 vector for each text, in order; as the server gives them, not normalised.

        Raises:
            JudgeError: The server stays away, refuses, or sends something else than embeddings.
        """
        if not texts:
            return []
        sent = [encodable(text[: self.max_characters]) for text in texts]
        batches = [sent[start : start + self.batch_size] for start in range(0, len(sent), self.batch_size)]
        common: dict[str, Any] = {"model": self.model, "encoding_format": "float"}
        if self.dimensions is not None:
            common["dimensions"] = self.dimensions
        replies = self._endpoint.post("embeddings", [{**common, "input": batch} for batch in batches])
        rows = [row for reply, batch in zip(replies, batches, strict=True) for row in self._read(reply, len(batch))]
        url = self._endpoint.url("embeddings")
        vectors = as_vectors(rows, len(sent), url)
        if self.dimensions not in (None, len(vectors[0])):
            raise JudgeError(
                f"{url} gave {len(vectors[0])} dimensions, and {self.dimensions} were asked for",
                "leave dimensions out: this model can't shorten its vectors",
            )
        return vectors

    def _read(self, reply: bytes, count: int) -> list[Any]:
        """Return the embeddings of a reply, in the order of the texts."""
        url = self._endpoint.url("embeddings")
        try:
            data = json.loads(reply)["data"]
            data.sort(key=lambda item: item["index"])
            whole = [item["index"] for item in data] == list(range(count))
            rows = [_numbers(item["embedding"]) for item in data]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise JudgeError(
                f"{url} sent no embeddings ({type(error).__name__}: {error}): {self._endpoint.said(reply)}",
                "check that base_url is an OpenAI-compatible server and the model one for embeddings",
            ) from None
        if not whole:
            raise JudgeError(
                f"{url} gave {len(data)} embeddings for {count} texts, or numbered them wrongly",
                "try batch_size=1; if that fails too, use another server",
            )
        return rows


def _numbers(embedding: Any) -> Any:
    """Return an embedding as numbers: servers may send base64 of little-endian float32 whatever they are asked for."""
    return array("f", base64.b64decode(embedding, validate=True)) if isinstance(embedding, str) else embedding
