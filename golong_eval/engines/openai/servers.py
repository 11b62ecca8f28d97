"""How many requests each server is given at once, when it rests, and which one gets the next request.

The number at once is found as TCP finds it (additive increase, multiplicative decrease): it doubles with every round of
answers until the server first shows that it is overloaded, is then halved, and grows by one a round from there.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

__all__ = ["Balancer", "Server", "Trouble", "backoff"]

_BACKOFF = 0.5  # seconds before the first retry; doubled for each further one
_LONGEST_BACKOFF = 30.0
_START = 8  # requests at once that a new server is given
_TOLERATED = 2  # failures in a row that are not yet the server's own, where another one could serve
_LOOK_AHEAD = 64  # requests among which to look for one whose documents a server has
_REMEMBERED = 4096  # contexts whose server is known
_SLACK = 4  # requests by which a server may be busier than another and still get what its cache holds
_RANDOM = random.SystemRandom()  # no draws from the generator that the caller seeded

Trouble = Literal["unreachable", "overloaded", "broken"]
"""No connection; refused for now or too slow (429, 503, a time-out); a reply that is none, or an error of its own."""


def backoff(failures: int, *, patience: float = 1.0) -> float:
    """Return the seconds to wait after so many failures in a row; up to half as much again by chance.

    Args:
        failures: How many.
        patience: By what the longest wait is multiplied.
    """
    return min(_BACKOFF * 2.0 ** min(failures - 1, 30), _LONGEST_BACKOFF * patience) * _RANDOM.uniform(1, 1.5)


@dataclass
class Server:
    """One server as its answers show it. Times are those of ``time.monotonic``, which are an event loop's."""

    base_url: str
    url: str
    """Where chat completions are asked for."""
    ceiling: int
    """Most requests at once."""
    window: float = 0.0
    """Requests that it is given at once now."""
    growing: bool = True
    """It has shown no sign of overload yet."""
    in_flight: int = 0
    strikes: int = 0
    """Failures in a row, those of one round counted once."""
    struck_at: float = -math.inf
    rest_until: float = -math.inf
    answered_at: float = -math.inf
    refused: dict[int, int] = field(default_factory=dict)
    """The requests that it has refused in a row as it would every request, and the hash of their documents."""
    crowded: set[int] = field(default_factory=set)
    """The requests that it turned away, less those that it does not want at all."""
    lost: str | None = None
    """Why nothing more is asked of it."""

    def __post_init__(self) -> None:
        self.window = self.window or self._start

    @property
    def _start(self) -> float:
        return float(min(_START, self.ceiling))

    def again(self) -> Server:
        """Return it as it is for another run: what was learned is kept."""
        return dataclasses.replace(self, in_flight=0, refused={}, crowded=set(), lost=None)

    def has_room(self, now: float) -> bool:
        """Whether it may be given a request."""
        return self.in_flight < int(self.window) and self.works(now)

    def works(self, now: float) -> bool:
        """Whether it neither rests nor is lost."""
        return self.rest_until <= now and self.lost is None

    def grow(self) -> None:
        """Give it more at once, if it was given all that it may have."""
        if self.in_flight * 2 >= self.window:
            self.window = min(self.window + (1.0 if self.growing else 1.0 / self.window), float(self.ceiling))

    def answered(self, now: float) -> None:
        """Take note of an answer."""
        self.answered_at = now
        self.strikes = 0
        self.refused.clear()
        self.grow()

    def unwanted(self, job: int) -> None:
        """Take note that a request which it turned away is one that it never takes: that was no overload."""
        self.crowded.discard(job)
        if not self.crowded:
            self.growing = True

    def struck(self, now: float, started: float, trouble: Trouble, wait: float | None, *, alone: bool) -> None:
        """Take note of a failure: give it less at once, or a rest.

        Args:
            now: When the failure was seen.
            started: When the request was sent. What was on its way when the server last failed tells nothing new.
            trouble: What kind of failure.
            wait: Seconds that the server asked for.
            alone: No other server works now.
        """
        if wait is not None:
            self.rest_until = max(self.rest_until, now + wait)
        if started < self.struck_at:
            return
        self.struck_at = now
        self.strikes += 1
        if trouble == "overloaded":
            self.window = max(1.0, self.window / 2)
            self.growing = False
        # A server that fails at once would draw all requests to itself. Alone, each request waits for itself.
        failures = self.strikes if trouble != "broken" else 0 if alone else self.strikes - _TOLERATED
        if failures > 0 and trouble != "overloaded":  # one tries whether it is back, where others do the work
            self.window, self.growing = max(self.window, self._start) if alone else 1.0, True
        if failures > 0 and wait is None:
            self.rest_until = max(self.rest_until, now + backoff(failures))


class _Asking(Protocol):
    """What the balancer needs of a request."""

    @property
    def context(self) -> int:
        """Hash of its documents; 0 where it has none."""

    @property
    def avoid(self) -> Server | None:
        """The server that failed it last."""


_Job = TypeVar("_Job", bound=_Asking)


class Balancer:
    """Chooses the server of the next request: one whose prefix cache has its documents, if that one is not busier.

    Args:
        servers: All servers.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._last: OrderedDict[int, Server] = OrderedDict()

    def take(self, ready: deque[_Job], now: float) -> tuple[_Job, Server] | None:
        """Take a request off the queue with the server for it; None where no server has room.

        The first request goes first, but where its own server is full for the moment, one further on that suits the
        free server may pass it. A request does not go back to a server that failed it while another works.
        """
        if len(self._servers) == 1:
            only = self._servers[0]
            return (ready.popleft(), only) if only.has_room(now) else None
        free = [server for server in self._servers if server.has_room(now)]
        if not free:
            return None
        several = sum(server.works(now) for server in self._servers) > 1
        least = min(free, key=lambda server: server.in_flight)
        chosen: Server | None = None
        place = fallback = None
        for place in range(min(len(ready), _LOOK_AHEAD)):
            job = ready[place]
            chosen = self._failed_over(job, free) if several and job.avoid is not None else self._home(job, least, now)
            if chosen is not None:
                break
            if fallback is None and not (several and job.avoid is least):
                fallback = place
        if chosen is None:
            place, chosen = fallback, least
        if place is None:
            return None
        job = ready[place]
        del ready[place]
        if job.context:
            self._last[job.context] = chosen
            self._last.move_to_end(job.context)
            if len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)
        return job, chosen

    def _failed_over(self, job: _Asking, free: Sequence[Server]) -> Server | None:
        """Return the free server for a request that another has failed; None where only that one is free."""
        others = [server for server in free if server is not job.avoid]
        return min(others, key=lambda server: server.in_flight, default=None)

    def _home(self, job: _Asking, least: Server, now: float) -> Server | None:
        """Return the server for a request whose documents one may have; None where that one is full for the moment."""
        own = self._last.get(job.context) if job.context else None
        if own is None or own is least or not own.works(now) or _clearly_busier(own, least):
            return least
        return own if own.has_room(now) else None


def _clearly_busier(server: Server, than: Server) -> bool:
    return server.in_flight > than.in_flight + max(_SLACK, than.in_flight // 2)
