"""Sends requests to servers, again where that may help, and loses none.

    with dispatcher.thread as thread:
        thread.call(dispatcher.accept, jobs)
        generations = thread.take(wait=True)    # and so on

Jobs wait in a queue; the balancer takes from it; each attempt ends in an answer, another attempt or a failure. What was
accepted comes back once for each repeat, or ``take`` raises.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golong_eval.engines.base import GenerationRequest
from golong_eval.engines.http_client import Exchange, exchange, open_session
from golong_eval.engines.openai.chat_completions import (
    WITHOUT_N,
    ChatFormat,
    Reply,
    read_error,
    read_reply,
    remedy,
)
from golong_eval.engines.openai.loop_thread import LoopThread
from golong_eval.engines.openai.servers import Balancer, Server, Trouble, backoff
from golong_eval.errors import EngineError
from golong_eval.schema import Generation

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Dispatcher", "Job", "Limits"]

_ACCEPTED_SECONDS = 5.0  # a request that is not refused for so long has found room
_DEAD_AFTER = 20  # requests in a row that were given up, with no answer to any between them
_REFUSALS = 5  # texts in a row that a server refuses as it would any, and is then taken to refuse all
_SHORT_REPLIES = 2  # replies in a row with fewer answers than were asked for, and no more than one is asked for
_KEPT_OUT = 2  # turn-aways in a row after which it is the request that a server does not want
_RESUME = "then go on with --resume: what was finished is kept"


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
        timeout: Seconds for one attempt.
        deadline: Seconds for all attempts at a request, the waits between them included.
        retries: Attempts after the first.
        concurrency: Requests in flight at once, over all servers.
    """

    timeout: float
    deadline: float
    retries: int
    concurrency: int


@dataclass(eq=False, slots=True)
class Ticket:
    """A request, shared by the jobs that it is split into."""

    request: GenerationRequest
    left: int
    """Repeats that have no outcome yet."""
    started: float = math.nan
    """When the first of its jobs was sent: the deadline is that of the request."""


@dataclass(eq=False, slots=True)
class Job:
    """`n` of a request's repeats, from its `index`-th on, to be asked for at once."""

    ticket: Ticket
    index: int
    n: int
    context: int
    cut_tokens: int
    trying: frozenset[str] = frozenset()
    """Changes of the body that the server seemed to ask for; known to help once an answer comes."""
    attempts: int = 0
    turned_away: int = 0
    """Times in a row that a server which answers others had no room for it."""
    failed_at: float = math.nan
    avoid: Server | None = None
    refused_by: list[Server] = field(default_factory=list)

    @property
    def key(self) -> int:
        """A number of its request's own: what is kept of it outlives it, and must not hold its text."""
        return hash((self.ticket.request.sample_id, self.ticket.request.repeat))

    @classmethod
    def whole(cls, request: GenerationRequest, cut_tokens: int) -> Job:
        """Return the job of a request as it comes."""
        earlier = tuple(turn.content for turn in request.prompt.history)
        documents = hash(request.prompt.documents)  # 0 where there are none: no server is better than another then
        context = hash((earlier, documents)) if earlier else documents
        return cls(Ticket(request, request.n), 0, request.n, context, cut_tokens)

    def one(self, index: int, trying: frozenset[str]) -> Job:
        """Return the job of one of its repeats alone."""
        return Job(self.ticket, index, 1, self.context, self.cut_tokens, trying)


@dataclass(eq=False, slots=True)
class _Attempt:
    job: Job
    server: Server
    started: float
    changes: frozenset[str]


class Dispatcher:
    """Sends jobs to servers, and hands each repeat's generation to the thread that it works in.

    Args:
        servers: The servers; changed as they answer.
        chat: Makes the bodies.
        key: Sent as a bearer token; kept out of every message.
        limits: What a request may take.
        changes: Changes of the body that the servers need; those found out are added.
        opened_thinking: See `golong_eval.engines.openai.chat_completions.read_reply`.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        chat: ChatFormat,
        key: str,
        limits: Limits,
        changes: set[str],
        *,
        opened_thinking: bool = False,
    ) -> None:
        self.thread: LoopThread[Generation] = LoopThread(self._main)
        """Where it works; leaving it cancels what is in flight. `take` raises an EngineError where all is lost."""
        self.finished = 0
        """Requests that have all their outcomes. Read by the caller's thread."""
        self.finished_characters = 0
        self._loop = self.thread.loop
        self._servers = servers
        self._chat = chat
        self._key = key
        self._limits = limits
        self._changes = changes
        self._opened_thinking = opened_thinking
        self._balancer = Balancer(servers)
        self._ready: deque[Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._unreached = 0
        self._unanswered = 0
        self._short_replies = 0
        self._error: EngineError | None = None

    @property
    def window(self) -> int:
        """Requests that may be in flight now."""
        return min(self._limits.concurrency, sum(int(server.window) for server in self._servers))

    async def _main(self, stopped: asyncio.Future[None]) -> None:
        """Serve until told to stop; then cancel what is in flight and close the connections."""
        async with open_session(self._key) as session:
            self._session = session
            for server in self._servers:  # one may rest since it was last asked
                self._loop.call_at(server.rest_until, self.thread.guarded, self._dispatch)
            try:
                await stopped
            finally:
                self._session = None
                for task in self._tasks:
                    task.cancel()
                # First, so that TLS connections are aborted: a server that stalls never ends their shutdown.
                await session.close()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def accept(self, jobs: Sequence[Job]) -> None:
        """Take jobs over."""
        self._ready.extend(jobs)
        self._dispatch()

    def _again(self, job: Job) -> None:
        if self._error is None:
            self._ready.appendleft(job)
            self._dispatch()

    def _dispatch(self) -> None:
        """Start what can be started."""
        if self._session is None:
            return
        if self._error is not None:
            self._ready.clear()
            if not self._tasks:
                self.thread.fail(self._error)
            return
        now = self._loop.time()
        while self._ready and len(self._tasks) < self._limits.concurrency:
            taken = self._balancer.take(self._ready, now)
            if taken is None:
                return  # the end of a request, or of a server's rest, dispatches again
            job, server = taken
            if job.n > 1 and WITHOUT_N in self._changes:
                self._ready.extendleft(job.one(job.index + i, job.trying) for i in reversed(range(job.n)))
                continue
            if math.isnan(job.ticket.started):
                job.ticket.started = now
            if math.isnan(job.failed_at):
                job.failed_at = now
            if now - job.ticket.started >= self._limits.deadline:
                self._give_up(job, f"no answer within the deadline of {self._limits.deadline:g} s")
                continue
            server.in_flight += 1
            task = self._loop.create_task(self._attempt(_Attempt(job, server, now, job.trying | self._changes)))
            self._tasks.add(task)
            if server.growing and server.window < server.ceiling:
                self._loop.call_later(_ACCEPTED_SECONDS, self.thread.guarded, self._accepted, task, server)

    def _accepted(self, task: asyncio.Task[None], server: Server) -> None:
        if task in self._tasks and server.growing:
            server.grow()
            self._dispatch()

    async def _attempt(self, attempt: _Attempt) -> None:
        job, server = attempt.job, attempt.server
        assert self._session is not None
        try:
            left = job.ticket.started + self._limits.deadline - attempt.started
            body = self._chat.body(job.ticket.request, job.index, job.n, attempt.changes)
            reply = await exchange(self._session, server.url, body, min(self._limits.timeout, left))
            self._settle(attempt, reply, self._loop.time())
        except Exception as error:  # noqa: BLE001 - raised again by take(), in the caller's thread
            self.thread.fail(error)
        finally:
            server.in_flight -= 1
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)
        self.thread.guarded(self._dispatch)

    def _settle(self, attempt: _Attempt, reply: Exchange, now: float) -> None:
        """Decide what an attempt's end means: an answer, another attempt, a failure, or the end of everything."""
        job, status = attempt.job, reply.status
        if status is not None:
            self._unreached = 0
        if status is None:
            if reply.failure == "too large":
                self._fail(job, reply.reason)
                return
            troubles: dict[str | None, Trouble] = {"unreachable": "unreachable", "time-out": "overloaded"}
            self._trouble(attempt, now, troubles.get(reply.failure, "broken"), reply.reason)
        elif status == 200:
            read = read_reply(reply.content, job.n, secret=self._key, opened_thinking=self._opened_thinking)
            if isinstance(read, str):
                self._trouble(attempt, now, "broken", read)
                return
            self._unanswered = 0
            attempt.server.answered(now)
            self._changes |= job.trying
            for number, place in enumerate(sorted(read.answers)):
                self._answer(job, place, read, now, prompt_shared=number > 0)
            if job.n > 1:
                self._short_replies = self._short_replies + 1 if read.choices < job.n else 0
                # One choice may be lost by chance; a server that does not know n gives one.
                if read.choices < job.n and (read.choices == 1 or self._short_replies >= _SHORT_REPLIES):
                    self._changes.add(WITHOUT_N)
            if self._error is None:
                missing = [place for place in range(job.n) if place not in read.answers]
                self._ready.extendleft(job.one(job.index + place, frozenset()) for place in reversed(missing))
        else:
            self._refused(attempt, reply, status, now)

    def _refused(self, attempt: _Attempt, reply: Exchange, status: int, now: float) -> None:
        job = attempt.job
        error = read_error(reply.content, self._key)
        said = f"HTTP {status}: {error.message}"
        if status == 429 and "insufficient_quota" in error.words:
            self._lose(attempt, said, "top the account up, " + _RESUME)
        elif status in (429, 503, 504, 529, 408):
            # What a server turns away while it serves others has only to wait for its turn.
            turned_away = status in (429, 503, 529) and attempt.server.answered_at > job.failed_at
            self._trouble(attempt, now, "overloaded", said, reply.retry_after, counts=not turned_away)
        elif status in (409, 425) or status >= 500 or 200 < status < 300:
            self._trouble(attempt, now, "broken", said, reply.retry_after)
        elif status in (400, 413, 422) and error.too_long:
            self._fail(job, said, over_length=True)
        elif status in (400, 422) and (change := remedy(error, job.n, attempt.changes)) is not None:
            trying = job.trying | {change}
            if change == WITHOUT_N:
                self._ready.extendleft(job.one(job.index + i, trying) for i in reversed(range(job.n)))
            else:
                job.trying = trying
                self._ready.appendleft(job)
        elif status in (401, 402, 403) and "moderation" not in error.words:
            self._turned_down(attempt, said, f"export the right key in the variable of --api-key-env, {_RESUME}")
        elif 300 <= status < 400:
            self._turned_down(attempt, said, f"give the address that it redirects to as --base-url, {_RESUME}")
        elif status == 404:
            models = f"curl {attempt.server.base_url}/models"
            self._turned_down(attempt, said, f"check --model and --base-url: {models}, {_RESUME}")
        else:
            self._fail(job, said)

    def _trouble(
        self,
        attempt: _Attempt,
        now: float,
        trouble: Trouble,
        reason: str,
        wait: float | None = None,
        *,
        counts: bool = True,
    ) -> None:
        """Try a job again, or give it up.

        Args:
            attempt: What failed.
            now: When.
            trouble: How.
            reason: What is told of it.
            wait: Seconds that the server asked for.
            counts: Whether the attempt is one of those that ``retries`` allows.
        """
        job, server, limits = attempt.job, attempt.server, self._limits
        wait = wait or None
        working = [other for other in self._servers if other.lost is None]
        alone = all(other is server or other.rest_until > now for other in working)
        job.attempts += counts
        job.turned_away = 0 if counts else job.turned_away + 1
        # Some requests are refused for good in the words of an overload, for instance where they have more tokens than
        # the host allows a minute: that is no reason to ask less of it, or to let the others wait.
        kept_out = job.turned_away > _KEPT_OUT
        if kept_out:
            server.unwanted(job.key)
        else:
            if trouble == "overloaded":
                server.crowded.add(job.key)
            # A wait beyond the deadline fails this request, and is no reason to let the next one wait in the queue.
            rest = wait if wait is not None and wait <= limits.deadline else None
            server.struck(now, attempt.started, trouble, rest, alone=alone)
            if server.rest_until > now:
                self._loop.call_at(server.rest_until, self.thread.guarded, self._dispatch)
        job.failed_at = now
        job.avoid = server
        asked = f"; asks to wait {wait:.0f} s" if wait else ""
        if job.attempts > limits.retries:
            told = f"no answer in {job.attempts} attempts ({reason}{asked})"
            self._give_up(job, told, unreached=trouble == "unreachable")
            return
        # Where the server itself rests for as long, the request may go to another one at once.
        pause = 0.0 if trouble == "unreachable" or wait is not None else backoff(max(job.attempts, 1))
        if job.turned_away and (wait is None or kept_out):
            pause = max(wait or 0.0, backoff(job.turned_away, patience=2.0))
        resting = [now + wait if other is server and wait is not None else other.rest_until for other in working]
        if max(now + pause, min(resting, default=now)) >= job.ticket.started + limits.deadline:
            self._give_up(job, f"no answer within the deadline of {limits.deadline:g} s ({reason}{asked})")
        elif self._error is None:
            if pause:
                self._loop.call_later(pause, self.thread.guarded, self._again, job)
            else:
                self._ready.appendleft(job)

    def _turned_down(self, attempt: _Attempt, said: str, hint: str) -> None:
        """Settle a refusal of the kind that every request would get, or that one whose text a firewall dislikes.

        A server that has answered before is believed to mean the request, until it has refused several in a row.
        """
        job, server = attempt.job, attempt.server
        server.refused[job.key] = job.context or job.key
        # Neighbours share their documents, of which one may be what a firewall dislikes.
        several = len(set(server.refused.values())) >= _REFUSALS or len(server.refused) >= _DEAD_AFTER
        if server.answered_at == -math.inf or several:
            self._lose(attempt, said, hint)
            return
        known = server in job.refused_by
        job.refused_by.append(server)
        if not known and any(other.lost is None and other not in job.refused_by for other in self._servers):
            job.avoid = server
            self._ready.appendleft(job)
        else:
            self._fail(job, said)

    def _lose(self, attempt: _Attempt, said: str, hint: str) -> None:
        """Ask no more of a server that would refuse every request; end where there is no other."""
        attempt.server.lost = said
        attempt.job.avoid = attempt.server
        self._ready.appendleft(attempt.job)
        if all(server.lost is not None for server in self._servers):
            self._end(EngineError(f"{attempt.server.url} refuses every request ({said})", hint))

    def _end(self, error: EngineError) -> None:
        """Start nothing more; what is in flight may still end well."""
        if self._error is None:
            self._error = error

    def _answer(self, job: Job, place: int, reply: Reply, now: float, *, prompt_shared: bool) -> None:
        request, answer = job.ticket.request, reply.answers[place]
        failed = answer.error is not None
        self._emit(
            job,
            Generation(
                sample_id=request.sample_id,
                repeat=request.repeat + job.index + place,
                text=answer.text,
                finish_reason="error" if failed else "length" if answer.capped else "stop",
                error=answer.error,
                thinking_unfinished=answer.thinking_unfinished,
                thinking_apart=answer.thinking_apart,
                prompt_tokens=reply.prompt_tokens,
                prompt_shared=prompt_shared,
                completion_tokens=answer.completion_tokens,
                reasoning_tokens=answer.reasoning_tokens,
                cached_tokens=reply.cached_tokens,
                context_cut=job.cut_tokens > 0,
                cut_tokens=job.cut_tokens,
                seconds=round(now - job.ticket.started, 3),
            ),
        )

    def _fail(self, job: Job, reason: str, *, over_length: bool = False) -> None:
        request = job.ticket.request
        for repeat in range(request.repeat + job.index, request.repeat + job.index + job.n):
            self._emit(
                job,
                Generation(
                    sample_id=request.sample_id,
                    repeat=repeat,
                    text=None,
                    finish_reason="error",
                    error=reason,
                    over_length=over_length,
                    context_cut=job.cut_tokens > 0,
                    cut_tokens=job.cut_tokens,
                    seconds=round(self._loop.time() - job.ticket.started, 3),
                ),
            )

    def _give_up(self, job: Job, reason: str, *, unreached: bool = False) -> None:
        """Fail a job that was tried in vain, and end the run where nothing is answered any more: it may have days left.

        Args:
            job: The job.
            reason: Why.
            unreached: No server could be reached at the last attempt.
        """
        self._fail(job, reason)
        self._unanswered += 1
        self._unreached += unreached
        urls = ", ".join(server.base_url for server in self._servers)
        if self._unreached >= min(_DEAD_AFTER, max(4, self._limits.concurrency)):
            self._end(EngineError(f"no server answers at {urls} ({reason})", f"start it again, {_RESUME}"))
        elif self._unanswered >= _DEAD_AFTER:
            self._end(
                EngineError(
                    f"{self._unanswered} requests in a row got no answer from {urls} (the last: {reason})",
                    f"look at the server's log and mend it, {_RESUME}",
                )
            )

    def _emit(self, job: Job, generation: Generation) -> None:
        self.thread.hand_over(generation)
        ticket = job.ticket
        ticket.left -= 1
        if not ticket.left:
            self.finished += 1
            self.finished_characters += ticket.request.characters
