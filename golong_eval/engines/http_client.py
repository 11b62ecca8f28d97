"""One HTTP exchange with an OpenAI-compatible server: its address, its key, and what came back, bounded.

An exchange never raises for what a server or network does: every failure is a value that says what kind it is. Its
reason is plain and without the key; what a server says in a body goes through `plain` before any of it is told.
"""

from __future__ import annotations

import html
import io
import json
import os
import re
import time
import urllib.parse
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from golong_eval.errors import ConfigError

if TYPE_CHECKING:
    import aiohttp

__all__ = [
    "Exchange",
    "check_address",
    "exchange",
    "is_address",
    "open_session",
    "path_url",
    "plain",
    "read_key",
    "retry_seconds",
]

_LARGEST_REPLY = 64 << 20  # bytes of a reply: far more than any answer, little enough to hold
_LARGEST_REFUSAL = 1 << 20
_COPIED = 1 << 16  # bytes of a body that aiohttp writes at once; it warns of larger ones that are not a stream
_CONNECT_SECONDS = 30.0  # a host that drops packets is found out long before the time-out of an answer
_FRAGMENT = 12  # characters of a key that are told from chance
_KEEP_ALIVE_SECONDS = 4.0  # less than uvicorn's 5, so that no request goes out on a connection that is being closed

Failure = Literal["unreachable", "time-out", "cut", "too large"]


class Exchange(NamedTuple):
    """What came back for one request: a status with a body, or the failure and its reason."""

    status: int | None
    content: bytes = b""
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    failure: Failure | None = None
    reason: str = ""
    """On one line, without the key."""


def check_address(base_url: str) -> str:
    """Return an address of a server, without a slash at its end, and without the path that is asked.

    Raises:
        ConfigError: It is none, or holds a password or a query. It is not told, where it may hold a secret.
    """
    if not is_address(base_url):
        raise ConfigError(
            "a --base-url is no address of a server, or has a password or a query in it",
            "write it like --base-url http://localhost:8000/v1; the key goes into the variable of --api-key-env",
        )
    return base_url.rstrip("/").removesuffix("/chat/completions")


def is_address(base_url: str) -> bool:
    """Return whether a text is the address of a server, with no password and no query in it."""
    return re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", base_url) is not None


def path_url(base_url: str, path: str) -> str:
    """Return the address of a path, for a base with or without its version.

    >>> path_url("http://localhost:8000", "chat/completions")
    'http://localhost:8000/v1/chat/completions'
    >>> path_url("https://host/api/v3/", "models")
    'https://host/api/v3/models'
    """
    base = base_url.rstrip("/").removesuffix(f"/{path}")
    versioned = re.search("[^/]/v[0-9]", base)  # in the path, where some hosts go on after it
    return f"{base}/{path}" if versioned else f"{base}/v1/{path}"


def read_key(variable: str) -> str:
    """Return the key from an environment variable; empty where it is not set.

    Raises:
        ConfigError: It holds a line break or another character that no header can.
    """
    key = os.environ.get(variable, "").strip()
    if not key.isprintable():
        raise ConfigError(f"the key in {variable} has a line break in it", f"export {variable}=... on one line")
    return key


def open_session(key: str) -> aiohttp.ClientSession:
    """Return a session that sends the key, follows no cookies, and leaves the number of connections to its user."""
    import aiohttp

    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
    )


async def exchange(session: aiohttp.ClientSession, url: str, data: bytes | None, timeout: float) -> Exchange:
    """Post a body and return what comes back; without a body, get.

    Args:
        session: From `open_session`.
        url: Where.
        data: The body.
        timeout: Seconds for all of it.
    """
    import aiohttp

    limits = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_SECONDS)
    body = io.BytesIO(data) if data is not None and len(data) > _COPIED else data
    try:
        # A redirect could carry the prompts, and the key, to another host.
        async with session.request(
            "GET" if data is None else "POST", url, data=body, timeout=limits, allow_redirects=False
        ) as response:
            largest = _LARGEST_REPLY if response.status == 200 else _LARGEST_REFUSAL
            chunks: list[bytes] = []
            size = 0
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > largest:
                    break
            if size > largest and response.status == 200:
                reason = f"the reply is larger than {largest >> 20} MB"
                return Exchange(None, failure="too large", reason=reason)
            wait = retry_seconds(response.headers.get("Retry-After", ""))
            return Exchange(response.status, chunks[0] if len(chunks) == 1 else b"".join(chunks), wait)
    except aiohttp.ConnectionTimeoutError:
        return Exchange(None, failure="unreachable", reason=f"no connection within {_CONNECT_SECONDS:g} s")
    except TimeoutError:
        return Exchange(None, failure="time-out", reason=f"no reply within {timeout:.3g} s")
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
        return Exchange(None, failure="unreachable", reason=_reason(error, session))
    except (aiohttp.ClientError, OSError, EOFError, ValueError) as error:
        return Exchange(None, failure="cut", reason=f"the connection broke ({_reason(error, session)})")


def retry_seconds(retry_after: str) -> float | None:
    """Return the wait that a Retry-After header asks for: seconds, or a date.

    >>> retry_seconds("1.5"), retry_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), retry_seconds("soon")
    (1.5, 0.0, None)
    """
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def plain(text: str, secret: str = "", limit: int = 300) -> str:
    r"""Return the start of a server's text on one line: no secret, no part of one, no control characters.

    >>> plain("wrong key:\n  abc\x1b[31m", "abc")
    'wrong key: *** [31m'
    """
    # Before anything is cut: half a key would not be found any more.
    for form in _forms(secret):
        text = text.replace(form, "***")
    return " ".join("".join(c if c.isprintable() else " " for c in _unfragmented(text[: 64 * limit], secret)).split())[
        :limit
    ]


def _forms(secret: str) -> set[str]:
    """Return how a secret may stand in a text that quotes or encodes it."""
    quoted = json.dumps(secret)[1:-1]
    forms = {secret, quoted, quoted.replace("/", "\\/"), repr(secret)[1:-1], html.escape(secret)}
    return (forms | {urllib.parse.quote(secret, safe="")}) - {""}


def _unfragmented(text: str, secret: str) -> str:
    """Return a text without the parts of a secret: servers, proxies and HTTP libraries cut what they quote."""
    parts = {secret[start : start + _FRAGMENT] for start in range(len(secret) - _FRAGMENT + 1)}
    kept: list[str] = []
    hidden = 0  # where the last part ends
    for place, character in enumerate(text):
        if parts and text[place : place + _FRAGMENT] in parts:
            if place >= hidden:
                kept.append("***")
            hidden = place + _FRAGMENT
        if place >= hidden:
            kept.append(character)
    return "".join(kept)


def _reason(error: Exception, session: aiohttp.ClientSession) -> str:
    # An aiohttp error quotes what came over the wire, which may be what was sent.
    key = session.headers.get("Authorization", "").removeprefix("Bearer ")
    return plain(f"{type(error).__name__}: {error}", key, 200)
