"""What servers say of themselves before the first request: whether they are up, which models they have, how long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from golong_eval.engines.http_client import Exchange, exchange, open_session, path_url, plain
from golong_eval.engines.openai.chat_completions import read_error, read_json
from golong_eval.errors import ConfigError, ModelError, nearest

__all__ = ["Served", "ask_servers"]

_SECONDS = 15.0  # for the list of models
_NAMED = 20  # models that a message names
_STARTING = (502, 503, 504)  # what stands before the server is up, the server is not
_LONGEST = 1 << 40


@dataclass(frozen=True)
class Served:
    """What one server says.

    Attributes:
        down: Why it can't be reached; None where it can.
        max_length: Tokens of prompt and answer that it states for the model.
        kind: ``vllm`` or ``sglang``, where it says so.
        version: Its version, where it says so.
    """

    down: str | None = None
    max_length: int | None = None
    kind: str | None = None
    version: str | None = None


def ask_servers(urls: Sequence[str], model: str, key: str, variable: str) -> list[Served]:
    """Ask each server for its models. Works in any thread, also in one whose event loop runs.

    Args:
        urls: Their addresses.
        model: The model that must be among them, where a server tells.
        key: Sent as a bearer token.
        variable: Where the key is from, for messages.

    Raises:
        ConfigError: A server refuses the key or redirects, or none can be reached.
        ModelError: A server does not have the model.
    """
    with ThreadPoolExecutor(1) as pool:  # a running loop can't run a second one
        replies = pool.submit(_run, urls, key).result()
    served = [_read(url, model, key, variable, *reply) for url, reply in zip(urls, replies, strict=True)]
    if all(one.down is not None for one in served):
        raise ConfigError(
            f"no server answers at {', '.join(urls)} ({served[0].down})",
            f"start it (vllm serve {model}), or correct --base-url",
        )
    return served


def _run(urls: Sequence[str], key: str) -> list[tuple[Exchange, Exchange | None]]:
    # Unlike asyncio.run, a runner with a factory leaves the thread's current loop as it is.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_ask_all(urls, key))


async def _ask_all(urls: Sequence[str], key: str) -> list[tuple[Exchange, Exchange | None]]:
    async with open_session(key) as session:

        async def ask(url: str) -> tuple[Exchange, Exchange | None]:
            models = await exchange(session, path_url(url, "models"), None, _SECONDS)
            if models.status != 200 or b'"vllm"' not in models.content:
                return models, None
            return models, await exchange(session, re.sub(r"/v[0-9]+$", "", url) + "/version", None, _SECONDS)

        return await asyncio.gather(*map(ask, urls))


def _read(url: str, model: str, key: str, variable: str, reply: Exchange, version: Exchange | None) -> Served:
    status = reply.status
    if status is None or status in _STARTING:
        return Served(down=reply.reason or f"HTTP {status}")
    if status in (401, 403):
        said = read_error(reply.content, key).message
        raise ConfigError(f"{url} refuses the key (HTTP {status}: {said})", f"export {variable}=...")
    if 300 <= status < 400:
        raise ConfigError(f"{url} redirects (HTTP {status})", "give the address that it redirects to as --base-url")
    entries = _entries(reply.content) if status == 200 else []
    if not entries:
        return Served()  # many hosts have no list; the first request will tell
    entry = next((entry for entry in entries if entry["id"] == model), None)
    if entry is None:
        names = sorted({plain(entry["id"], key, 100) for entry in entries})
        close = nearest(model, names)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise ModelError(
            f"{url} has no model {model!r}",
            (f"did you mean {close!r}? " if close else "") + f"--model is one of: {', '.join(names[:_NAMED])}{more}",
        )
    length, owner = entry.get("max_model_len"), entry.get("owned_by")
    return Served(
        max_length=length if type(length) is int and 0 < length < _LONGEST else None,
        kind=owner if owner in ("vllm", "sglang") else None,
        version=_version(version, key),
    )


def _entries(content: bytes) -> list[dict[str, Any]]:
    """Return the models of a list that is whole; empty where it is none."""
    try:
        value = read_json(content)
    except ValueError:
        return []
    data = value.get("data") if isinstance(value, dict) and not value.get("has_more") else None
    if not isinstance(data, list):
        return []
    entries = [entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    return entries if len(entries) == len(data) else []


def _version(reply: Exchange | None, key: str) -> str | None:
    if reply is None or reply.status != 200:
        return None
    try:
        value = read_json(reply.content)
    except ValueError:
        return None
    version = value.get("version") if isinstance(value, dict) else None
    return plain(version, key, 60) if isinstance(version, str) else None
