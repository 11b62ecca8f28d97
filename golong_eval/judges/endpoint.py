"""Requests to an OpenAI-compatible server from synchronous code: retries, time-outs, a key that no message tells."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golong_eval.engines.http_client import exchange, is_address, open_session, path_url, plain
from golong_eval.errors import ConfigError, JudgeError

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Endpoint", "check_least"]

_BACKOFF = 0.5  # seconds before the first retry; doubled for each further one
_LONGEST_WAIT = 300.0  # seconds; a server that asks for more gets no retry
_RANDOM = random.SystemRandom()  # no draws from the generator that the caller seeded


class _TransientError(Exception):
    """A request failed in a way that may pass. `wait`: the seconds that the server asked for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Endpoint:
    """A server's address, and how to ask it. Holds settings alone: no socket, and not the key.

    What may pass (HTTP 408, 429, 5xx, a time-out, a cut connection) is tried again after a pause of 0.5 s, doubled
    each time, or after what ``Retry-After`` asks for, if that is more than nothing; up to half as much again is
    added by chance. A pause is up to 300 s; a server that asks for more gets no retry.

    Args:
        base_url: The server's address, with or without ``/v1``.
        api_key_env: The environment variable that holds the key, read at each call and sent as a bearer token; one
            that is not set sends none. None: send none.
        concurrency: Requests at once, for each call.
        timeout: Seconds for one attempt of one request.
        retries: Attempts after the first.

    Raises:
        ConfigError: A number is too low, or the address is none or holds a secret.
    """

    base_url: str
    api_key_env: str | None
    concurrency: int
    timeout: float
    retries: int

    def __post_init__(self) -> None:
        # The address is printed, pickled and told in errors; it is not told here, where it may hold a password.
        if not is_address(self.base_url):
            raise ConfigError(
                "base_url is no address of a server, or has a password or a query in it",
                "write it like http://localhost:8000/v1; a key goes into the variable that api_key_env names",
            )
        check_least(self, concurrency=1, timeout=0.001, retries=0)

    def url(self, path: str) -> str:
        """Return the address of a path, for instance ``"embeddings"``."""
        return path_url(self.base_url, path)

    def post(self, path: str, bodies: Sequence[dict[str, Any]]) -> list[bytes]:
        """Post JSON bodies to a path, and return the bodies of the replies in the same order.

        Works in any thread, also in one whose event loop runs (which then waits), and after a fork.

        Raises:
            JudgeError: The server stays away, or refuses.
        """
        replies = self.post_each(path, bodies, stop=True)
        return [reply for reply in replies if isinstance(reply, bytes)]

    def post_each(self, path: str, bodies: Sequence[dict[str, Any]], *, stop: bool = False) -> list[bytes | JudgeError]:
        """Post JSON bodies to a path, and return the body of each reply, or why there is none, in the same order.

        Args:
            path: The path.
            bodies: What to post.
            stop: Raise the first failure instead, and leave the rest.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._run(path, bodies, stop)
        with ThreadPoolExecutor(1) as pool:  # this thread's loop can't run a second one
            return pool.submit(self._run, path, bodies, stop).result()

    def said(self, content: bytes) -> str:
        """Return the start of what a server said, on one line and without the key."""
        return plain(content.decode(errors="replace"), self._key())

    def _key(self) -> str:
        key = os.environ.get(self.api_key_env, "").strip() if self.api_key_env else ""
        if not key.isprintable():
            raise JudgeError(f"the key in {self.api_key_env} has a line break in it", f"export {self.api_key_env}=...")
        return key

    def _run(self, path: str, bodies: Sequence[dict[str, Any]], stop: bool) -> list[bytes | JudgeError]:
        # Unlike asyncio.run, a runner with a factory leaves the thread's current loop as it is.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(self._post_all(self.url(path), bodies, stop))

    async def _post_all(self, url: str, bodies: Sequence[dict[str, Any]], stop: bool) -> list[bytes | JudgeError]:
        gate = asyncio.Semaphore(self.concurrency)
        async with open_session(self._key()) as session:

            async def post(body: dict[str, Any]) -> bytes | JudgeError:
                try:
                    return await self._post(session, gate, url, body)
                except JudgeError as error:
                    if stop:
                        raise
                    return error

            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(post(body)) for body in bodies]
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _post(
        self, session: aiohttp.ClientSession, gate: asyncio.Semaphore, url: str, body: dict[str, Any]
    ) -> bytes:
        """Post one body, and again where that may help."""
        attempt = 0
        async with gate:  # also while waiting: a server in need of a rest gets no more requests meanwhile
            while True:
                try:
                    return await self._attempt(session, url, body)
                except _TransientError as failure:
                    # Some servers send 0 while they are overloaded: all attempts would be over in no time.
                    wait = failure.wait or min(_BACKOFF * 2**attempt, _LONGEST_WAIT)
                    attempt += 1
                    if attempt > self.retries or wait > _LONGEST_WAIT:
                        raise JudgeError(
                            f"{url} gave no answer in {attempt} attempts ({failure})",
                            "check base_url and that the server is up, or raise retries or timeout; then run again",
                        ) from None
                await asyncio.sleep(wait * _RANDOM.uniform(1, 1.5))

    async def _attempt(self, session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> bytes:
        reply = await exchange(session, url, json.dumps(body).encode(), self.timeout)
        status, wait = reply.status, reply.retry_after
        if status is None:
            if reply.failure == "too large":
                raise JudgeError(f"{url} refused ({reply.reason})", "lower batch_size, or check base_url and the model")
            raise _TransientError(reply.reason)
        if status == 200:
            return reply.content
        said = f"HTTP {status}: {self.said(reply.content)}" + (f"; asks to wait {wait:.0f} s" if wait else "")
        if status in (408, 429) or status >= 500:
            raise _TransientError(said, wait)
        raise JudgeError(f"{url} refused ({said})", self._hint(status))

    def _hint(self, status: int) -> str:
        if status in (401, 403):
            variable = self.api_key_env
            return f"export {variable}=..." if variable else "pass api_key_env, the variable that holds the key"
        if status == 404:
            return f"check the model and base_url: curl {self.url('models')} lists the models"
        if 300 <= status < 400:
            return "give base_url as the address that it redirects to"
        return "check the model; if a text is longer than it takes, lower max_characters"


def check_least(settings: object, **least: float) -> None:
    """Raise a ConfigError if an attribute is below its least value; one that is None is not given.

    >>> check_least(Endpoint("http://localhost", None, concurrency=1, timeout=9.0, retries=0), retries=1)
    Traceback (most recent call last):
        ...
    golong_eval.errors.ConfigError: retries=0 is below 1
    hint: leave retries out, or give a larger one
    """
    for key, low in least.items():
        value = getattr(settings, key)
        if value is not None and value < low:
            raise ConfigError(f"{key}={value} is below {low}", f"leave {key} out, or give a larger one")
