"""Replicas of a model, each in a process with devices of its own: ``--engine-arg data_parallel=N``.

Requests about the same documents go to one replica, where their prefix is cached, unless it is clearly busier than
the one that would be free. What a replica that dies had in hand is asked of the others.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from golong_eval import errors
from golong_eval._optional import require
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.encoding import PromptEncoder, failed
from golong_eval.engines.surrogates import without_surrogates
from golong_eval.engines.vllm.arguments import own_arguments, plan
from golong_eval.engines.vllm.engine import load_tokenizer, unloadable
from golong_eval.errors import ConfigError, EngineError, GolongError
from golong_eval.schema import Generation, sha256_text

__all__ = ["Replica", "VLLMReplicas", "device_slices"]

WORKER = (sys.executable, "-P", "-m", "golong_eval.engines.vllm.worker")
_ROOT = str(Path(__file__).resolve().parents[2])
_END_SECONDS = 20.0  # that a replica has to end by itself
_DEATH_SECONDS = 2.0  # and that what has ended, or is killed, has until it is gone
_SENT_CHARACTERS = 64_000_000  # of prompts that a replica has in hand
_AHEAD_CHARACTERS = 64_000_000  # and that are held back for their replica
_DEATHS = 2  # of replicas that had a request in hand, after which it is asked no more
_SUSPECTS = 16  # one in so many of a replica's requests may be such that had a death

_Inbox = queue.SimpleQueue[tuple["Replica", "dict[str, Any] | None"]]


@dataclass
class _Job:
    """A request, and the repeats of it that have no answer yet."""

    number: int
    request: GenerationRequest
    key: str | None
    """Of its documents and earlier messages; None where it has none."""
    missing: set[int]
    deaths: int = 0
    """Of replicas that had it in hand."""

    @property
    def characters(self) -> int:
        """Those of its prompt."""
        return self.request.characters


@dataclass(eq=False)
class Replica:
    """One worker process.

    Args:
        command: Its command; the file descriptors to read from and to write to are added.
        environment: Variables that it has beside this process's own.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    jobs: dict[int, _Job] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    alive: bool = True
    died: str | None = None

    def start(self, number: int, model: str, settings: EngineSettings, inbox: _Inbox) -> None:
        """Start the process, hand it the settings, and put what it says into an inbox (None at its end)."""
        self.number = number
        theirs_in, to = os.pipe()
        source, theirs_out = os.pipe()
        self._to: int | None = to
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        path = dict.fromkeys([*filter(None, sys.path), _ROOT])
        try:
            self.process = subprocess.Popen(
                [*self.command, str(theirs_in), str(theirs_out)],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs_in, theirs_out),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **self.environment},
                # A Ctrl-C in the terminal is for the program, which then decides; and what a killed worker
                # leaves behind can be ended as one group.
                start_new_session=True,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        threading.Thread(target=self._read, args=(source, inbox), daemon=True).start()
        self.send({"model": model, "settings": settings.model_dump(mode="json")})

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. That it ended is learnt from its end of the pipe, so no error is raised here."""
        line = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(OSError):
            while line and self._to is not None:
                line = line[os.write(self._to, line) :]

    def load(self) -> int:
        """Return the answers that it owes."""
        return sum(len(job.missing) for job in self.jobs.values())

    def hang_up(self) -> None:
        """Tell it to end."""
        if self._to is not None:
            os.close(self._to)
            self._to = None

    def end(self, seconds: float) -> None:
        """Wait for its end, end what is left of it and its own processes, and keep its last words in `died`."""
        self.alive = False
        self.hang_up()
        deadline = time.monotonic() + seconds
        # It is not reaped before its group is ended, so that the group's number is still its own.
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                break
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        deadline = time.monotonic() + _DEATH_SECONDS
        with contextlib.suppress(ProcessLookupError, PermissionError):
            while time.monotonic() < deadline:  # what is killed holds its device's memory until it is gone
                os.killpg(self.process.pid, 0)
                time.sleep(0.02)
        with self._log as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 10_000))
            lines = log.read().decode("utf-8", "replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
        self.died = self.died or f"exit code {code}; last line: {last[-300:]}"

    def _read(self, source: int, inbox: _Inbox) -> None:
        with os.fdopen(source, encoding="utf-8", errors="replace") as lines, contextlib.suppress(ValueError):
            for line in lines:
                inbox.put((self, json.loads(line)))
        inbox.put((self, None))


class VLLMReplicas:
    """An engine over several worker processes. Make it with `open`, or from workers of one's own with `start`."""

    name = "vllm"
    native_n = True

    def __init__(self, replicas: Sequence[Replica], inbox: _Inbox, encoder: PromptEncoder) -> None:
        self.max_length: int | None = encoder.max_length
        self.thinks = all(replica.ready["thinks"] for replica in replicas)
        self._replicas = list(replicas)
        self._inbox = inbox
        self._encoder = encoder
        self._window = int(replicas[0].ready["in_flight"])
        self._numbers = itertools.count()
        self._pending: deque[_Job] = deque()
        self._homes: dict[str, list[Replica]] = defaultdict(list)
        self._closed = False

    @classmethod
    def open(cls, model: str, settings: EngineSettings) -> Self:
        """Load a checkpoint in ``data_parallel`` processes.

        Raises:
            MissingExtraError: vLLM is not installed.
            ModelError: There is no checkpoint, or vLLM can't load it.
            ConfigError: An engine argument is unknown or does not fit, or there are too few devices.
        """
        made = plan(model, settings)
        degree = 1
        for key in ("tensor_parallel_size", "pipeline_parallel_size"):
            size = made.arguments.get(key, 1)
            degree *= size if isinstance(size, int) else 1
        replicas = [Replica(WORKER, slot) for slot in device_slices(own_arguments(settings).data_parallel, degree)]
        try:
            tokenizer = load_tokenizer(model, made)
        except Exception as error:
            raise unloadable(model, error) from error
        return cls.start(replicas, model, settings, tokenizer)

    @classmethod
    def start(cls, replicas: Sequence[Replica], model: str, settings: EngineSettings, tokenizer: Any) -> Self:
        """Start replicas and wait until all are ready.

        Raises:
            GolongError: What the first of them to fail says.
        """
        inbox: _Inbox = queue.SimpleQueue()
        args = {key: value for key, value in settings.args.items() if key != "data_parallel"}
        started: list[Replica] = []
        try:
            for number, replica in enumerate(replicas):
                replica.start(number, model, settings.model_copy(update={"args": args}), inbox)
                started.append(replica)
            waiting = set(replicas)
            while waiting:
                replica, message = inbox.get()
                if message is None:
                    replica.end(_DEATH_SECONDS)
                    raise EngineError(
                        f"replica {replica.number} of vLLM did not start ({replica.died})",
                        "try it with --engine-arg data_parallel=1, which shows vLLM's own messages",
                    )
                if "failed" in message:
                    raise _error(**message["failed"])
                replica.ready = message["ready"]
                waiting.remove(replica)
        except BaseException:
            for replica in started:
                if replica.alive:
                    replica.end(0)
            raise
        return cls(replicas, inbox, PromptEncoder(tokenizer, settings, replicas[0].ready["max_length"]))

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return what the first replica says of itself, and how many there are."""
        return {**self._replicas[0].ready["describe"], "data_parallel": len(self._replicas)}

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model."""
        return self._encoder.over_length(request)

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield generations as they finish. Closing the iterator early drops what is in flight.

        Raises:
            EngineError: All replicas have died.
        """
        stream = iter(requests)
        ended = False
        try:
            while True:
                reads = not ended and self._reads_on()
                if reads:
                    request = next(stream, None)
                    if request is None:
                        ended = True
                    else:
                        self._take(request)
                self._dispatch()
                if ended and not self._pending and not any(replica.jobs for replica in self._replicas):
                    return
                # Also between two requests: to read them can take long, and an answer is stored when it is yielded.
                yield from self._news(wait=not reads)
        finally:
            self._pending.clear()
            self._homes.clear()
            for replica in self._replicas:
                if replica.jobs and replica.alive:
                    replica.send({"abort": True})
                replica.jobs.clear()

    def close(self) -> None:
        """End the processes. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        alive = [replica for replica in self._replicas if replica.alive]
        for replica in alive:
            replica.hang_up()
        for replica in alive:
            replica.end(_END_SECONDS)

    def _living(self) -> list[Replica]:
        living = [replica for replica in self._replicas if replica.alive]
        if not living:
            words = "it was closed" if self._closed else self._replicas[-1].died
            raise EngineError(
                f"all {len(self._replicas)} replicas of vLLM died ({words})",
                "go on with --resume; if memory ran out, lower --engine-arg gpu_memory_utilization or max_num_seqs",
            )
        return living

    def _reads_on(self) -> bool:
        """Whether to take further requests: enough to choose from, and not all of them."""
        if any(replica.load() < self._window for replica in self._living()) and not self._pending:
            return True
        return (
            sum(len(job.missing) for job in self._pending) < self._window * len(self._replicas)
            and sum(job.characters for job in self._pending) < _AHEAD_CHARACTERS
        )

    def _take(self, request: GenerationRequest) -> None:
        request = without_surrogates(request)
        prompt = request.prompt
        earlier = [turn.content for turn in prompt.history]
        shared = "\x00".join([*earlier, prompt.before + prompt.documents])
        key = sha256_text(shared) if prompt.documents or earlier else None
        repeats = set(range(request.repeat, request.repeat + request.n))
        self._pending.append(_Job(next(self._numbers), request, key, repeats))

    def _dispatch(self) -> None:
        """Hand out what is pending, to the least busy replica first."""
        while self._pending:
            for replica in sorted(self._living(), key=Replica.load):
                job = self._choose(replica)
                if job is not None:
                    break
            else:
                return
            self._pending.remove(job)
            if job.key is not None and replica not in self._homes[job.key]:
                self._homes[job.key].append(replica)
            replica.jobs[job.number] = job
            # Two samples of one name must not be mixed up on the way.
            named = job.request.model_copy(update={"sample_id": str(job.number)})
            replica.send({"request": named.model_dump(mode="json")})

    def _choose(self, replica: Replica) -> _Job | None:
        """Return the next job for a replica: of documents that it has, else of new ones, else of a busy replica's."""
        load = replica.load()
        if load >= self._window:
            return None
        held = sum(job.characters for job in replica.jobs.values())
        # Few at once of those that may have killed one: all of them fail if one did, and the replica dies of it.
        trusts = sum(job.deaths > 0 for job in replica.jobs.values()) < max(1, self._window // _SUSPECTS)
        new = busy = None
        for job in self._pending:
            homes = self._homes.get(job.key, []) if job.key is not None else []
            homes = [home for home in homes if home.alive]
            if (replica.jobs and held + job.characters > _SENT_CHARACTERS) or (job.deaths and not trusts):
                continue
            if replica in homes:
                return job
            if not homes:
                new = new or job
            elif min(home.load() for home in homes) >= load + max(2, self._window // 2):
                busy = busy or job
        return new or busy

    def _news(self, *, wait: bool) -> Iterator[Generation]:
        """Yield the answers that have come; with `wait`, not before something has."""
        with contextlib.suppress(queue.Empty):
            while True:
                replica, message = self._inbox.get(block=wait)
                wait = False
                yield from self._heard(replica, message)

    def _heard(self, replica: Replica, message: dict[str, Any] | None) -> list[Generation]:
        """Take in what a replica says; at its end, its jobs are pending again."""
        if message is None:
            return self._lost(replica) if replica.alive else []
        if "died" in message:
            replica.died = str(message["died"])
            return []
        generation = Generation.model_validate(message["generation"])
        job = replica.jobs.get(int(generation.sample_id))
        if job is None:
            return []  # of a run that was given up
        job.missing.discard(generation.repeat)
        if not job.missing:
            del replica.jobs[job.number]
        return [generation.model_copy(update={"sample_id": job.request.sample_id})]

    def _lost(self, replica: Replica) -> list[Generation]:
        """Make a dead replica's jobs pending again; return the failures of those that had another's death in hand.

        A prompt that kills whoever reads it would else kill all of them, and those of each resumed run.
        """
        replica.end(_DEATH_SECONDS)
        rest = [one for job in replica.jobs.values() for one in self._rest(job)]
        replica.jobs.clear()
        self._pending.extendleft(reversed([job for job in rest if job.deaths < _DEATHS]))
        reason = f"{_DEATHS} replicas of vLLM died while they had it in hand (the last: {replica.died})"
        return [one for job in rest if job.deaths >= _DEATHS for one in failed(job.request, reason)]

    def _rest(self, job: _Job) -> list[_Job]:
        """Return what is left of a job, a repeat each."""
        request = job.request
        return [
            _Job(
                next(self._numbers),
                request.model_copy(update={"repeat": repeat, "n": 1, "seed": request.seed + repeat - request.repeat}),
                job.key,
                {repeat},
                job.deaths + 1,
            )
            for repeat in sorted(job.missing)
        ]


def device_slices(replicas: int, each: int) -> list[dict[str, str]]:
    """Return the environment of each replica: the devices that are its own.

    Args:
        replicas: How many.
        each: Devices that one needs.

    Raises:
        ConfigError: There are fewer devices than that, or the environment names some that there are not.
    """
    platform = require("vllm.platforms", "vllm", "the vllm engine").current_platform
    if platform.is_cpu():
        return [{} for _ in range(replicas)]
    variable = str(getattr(platform, "device_control_env_var", "CUDA_VISIBLE_DEVICES"))
    named = [name.strip() for name in os.environ.get(variable, "").split(",")]
    # As CUDA reads it: the first that is none ends the list. It takes no list with one twice, where this does.
    named = list(itertools.takewhile(lambda name: name and not name.startswith("-"), named))
    visible = list(dict.fromkeys(named))
    if variable not in os.environ or (len(visible) == len(named) and all(map(str.isdecimal, named))):
        # Counting does not make a context on the devices. Where there is a list it counts those of it.
        there = int(require("torch", "vllm", "the vllm engine").cuda.device_count())
        if variable not in os.environ:
            visible = [str(number) for number in range(there)]
        elif there < len(visible) and variable == "CUDA_VISIBLE_DEVICES":  # other devices are not torch.cuda's
            raise ConfigError(
                f"{variable}={os.environ[variable]} names {len(visible)} devices, and {there} of them are there",
                f"name devices of this machine, or unset {variable}",
            )
    if len(visible) < replicas * each:
        raise ConfigError(
            f"{replicas} replicas of {each} device(s) need {replicas * each}, and {len(visible)} are visible",
            "lower --engine-arg data_parallel or tensor_parallel_size",
        )
    return [{variable: ",".join(visible[each * number :][:each])} for number in range(replicas)]


def _error(kind: str, message: str, hint: str) -> GolongError:
    """Return the error that a worker met, as its own kind where that takes a message and a hint."""
    found = getattr(errors, kind, GolongError)
    if kind == "UnknownNameError" or not (isinstance(found, type) and issubclass(found, GolongError)):
        found = ConfigError if kind == "UnknownNameError" else GolongError
    return found(message, hint)
