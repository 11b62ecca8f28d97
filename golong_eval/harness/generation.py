"""Ask the engine for every answer that is still missing, and put each on disk as it comes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from golong_eval.engines import Engine, GenerationRequest
from golong_eval.errors import EngineError, ModelError
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.records import Key, StoredPrompt, read_predictions
from golong_eval.harness.resolve import ResolvedRun
from golong_eval.harness.response_cache import ResponseCache
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.harness.schedule import Work, schedule
from golong_eval.harness.settings import RunSettings
from golong_eval.harness.two_calls import FIRST, failed_first, first_facts, has_two_calls, second_prompt, second_tokens
from golong_eval.schema import Generation, Sample, sha256_text

__all__ = ["SessionCounts", "Stage", "generate_answers", "stages_of"]

_SYNC_SECONDS = 2.0
_TOKENS_PER_CHARACTER = 0.25  # a guess, until the first prompt's tokens are known


@dataclass
class SessionCounts:
    """What one session of a run asked and got; goes to ``env.json``.

    Attributes:
        answers: Answers that came, failures among them.
        failed: Failures.
        from_cache: Answers that the response cache had.
        prompt_tokens: Of the prompts sent, one that several repeats shared counted once.
        computed_prompt_tokens: Those that no prefix cache had, as far as the engine tells.
        completion_tokens: Of the answers.
        generate_seconds: From the first request to the last answer.
        stopped: Why no more was asked, where a limit was reached.
    """

    answers: int = 0
    failed: int = 0
    from_cache: int = 0
    prompt_tokens: int = 0
    computed_prompt_tokens: int = 0
    completion_tokens: int = 0
    generate_seconds: float = 0.0
    stopped: str | None = None

    def join(self, other: SessionCounts) -> None:
        """Add what a later round asked and got."""
        for part in dataclasses.fields(self):
            if part.name != "stopped":
                setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))
        self.stopped = other.stopped

    def add(self, answer: Generation) -> None:
        """Count an answer."""
        self.answers += 1
        self.failed += answer.error is not None
        self.from_cache += answer.from_cache
        if answer.from_cache:
            return
        self.completion_tokens += answer.completion_tokens
        if not answer.prompt_shared:
            self.prompt_tokens += answer.prompt_tokens
            self.computed_prompt_tokens += answer.prompt_tokens - (answer.cached_tokens or 0)


@dataclass(frozen=True)
class Stage:
    """The calls of one round: all of them in most runs; where a protocol has two, the first ones, then the second.

    Attributes:
        suffix: What stands behind a task's name in the name of its file of answers.
        firsts: What the first calls brought, for a round of second ones; None for any other.
    """

    suffix: str = ""
    firsts: dict[Key, Generation] | None = None

    def first(self, sample_id: str, repeat: int) -> Generation | None:
        """Return what the first call of an answer brought; None where there was none."""
        return None if self.firsts is None else self.firsts.get((sample_id, repeat))


def stages_of(
    run: ResolvedRun, folder: RunFolder, samples: Sequence[Sample]
) -> Iterator[tuple[Stage, Sequence[Sample]]]:
    """Yield the rounds of a run, each with the samples that it is for; what is before it has to be done by then."""
    two = [sample for sample in samples if has_two_calls(run.specs[sample.task])]
    if two:
        yield Stage(FIRST), two
        tasks = dict.fromkeys(sample.task for sample in two)
        yield Stage("", read_predictions(folder.predictions, [f"{task}{FIRST}" for task in tasks])), samples
    else:
        yield Stage(), samples


def generate_answers(
    run: ResolvedRun,
    folder: RunFolder,
    engine: Engine,
    samples: Sequence[Sample],
    cache: ResponseCache | None,
    on_progress: OnProgress,
    stage: Stage | None = None,
) -> SessionCounts:
    """Ask for what is missing; every answer is on disk before the next is waited for.

    Args:
        run: The run.
        folder: Its folder.
        engine: The engine.
        samples: What to ask.
        cache: Answers of other runs.
        on_progress: Told of each answer.
        stage: Which round of calls; None is the only one.

    Raises:
        ModelError: A prompt does not fit the model and the context policy is to refuse; nothing was generated.
        EngineError: The engine died; what it finished is kept.
        StorageError: An answer can't be written; those before it are kept.
    """
    stage = stage or Stage()
    stored = read_predictions(folder.predictions, (sample.task + stage.suffix for sample in samples))
    finished = {key for key, answer in stored.items() if answer.error is None}
    if stage.firsts is not None:
        finished |= _without_first(folder, run, samples, stage)
    work = [
        one
        for item in schedule(samples, run.settings.repeats_of, finished)
        for one in (item.each() if stage.first(item.sample.id, item.repeat) else (item,))  # their prompts differ
    ]
    wanted = sum(run.settings.repeats_of(sample.task) for sample in samples)
    counts = SessionCounts()
    on_progress(Progress("generate", wanted - sum(item.n for item in work), wanted))
    if not work:
        return counts
    bounded = engine.max_length is not None or run.settings.max_prompt_tokens is not None
    if run.settings.context_policy == "refuse" and bounded:
        _refuse_what_does_not_fit(run, engine, work, stage)
    spending = _Spending(run.settings, [*stored.values(), *(stage.firsts or {}).values()])
    started = time.monotonic()
    with _Answers(run, folder, engine, cache, work, counts, spending, stage) as answers:
        try:
            with contextlib.closing(_generator(engine.generate(answers.requests()))) as generations:
                for generation in generations:
                    answers.take(generation)
                    on_progress(Progress("generate", wanted - answers.missing, wanted))
        except EngineError as error:
            if not error.hint:
                raise EngineError(str(error), "what was finished is kept: --resume goes on with it") from error
            raise
        finally:
            counts.generate_seconds = round(time.monotonic() - started, 3)
    if counts.from_cache == counts.answers:  # the engine had nothing to say
        on_progress(Progress("generate", wanted - answers.missing, wanted))
    return counts


def _without_first(folder: RunFolder, run: ResolvedRun, samples: Sequence[Sample], stage: Stage) -> set[Key]:
    """Store the failures of samples whose first call failed, and return what can't be asked a second time."""
    lost: set[Key] = set()
    failures: dict[str, list[Generation]] = {}
    for sample in samples:
        if not has_two_calls(run.specs[sample.task]):
            continue
        for repeat in range(run.settings.repeats_of(sample.task)):
            first = stage.first(sample.id, repeat)
            if first is None or first.text is None:
                lost.add((sample.id, repeat))
                if first is not None:
                    failures.setdefault(sample.task, []).append(failed_first(first))
    for task, failed in failures.items():
        with contextlib.closing(AppendLog(folder.predictions / f"{task}.jsonl")) as log:
            for failure in failed:
                log.append(failure.model_dump_json())
    return lost


def _generator(answers: Iterator[Generation]) -> Generator[Generation, None, None]:
    """Return a generator that closes the one behind it, whatever kind of iterator an engine returns."""
    try:
        yield from answers
    finally:
        close = getattr(answers, "close", None)
        if close is not None:
            close()


def _refuse_what_does_not_fit(run: ResolvedRun, engine: Engine, work: Sequence[Work], stage: Stage) -> None:
    """Raise if a prompt does not fit, before anything is paid for."""
    asked = dict.fromkeys(item.sample.id for item in work)
    reasons: dict[str, str] = {}
    for item in work:
        if item.sample.id in asked and item.sample.id not in reasons:
            reason = engine.over_length(_request(run, engine, item, stage))
            if reason is not None:
                reasons[item.sample.id] = reason
    if reasons:
        first, reason = next(iter(reasons.items()))
        raise ModelError(
            f"{len(reasons)} of {len(asked)} prompts do not fit the model; for instance {first}: {reason}",
            "use --context-policy truncate (cuts their documents) or skip (gives them no answer), or a longer model",
        )


def _request(run: ResolvedRun, engine: Engine, item: Work, stage: Stage) -> GenerationRequest:
    spec = run.specs[item.sample.task]
    prompt = second_prompt(spec, item.sample, stage.first(item.sample.id, item.repeat))
    tokens = None if prompt is None else second_tokens(spec)
    return GenerationRequest(
        sample_id=item.sample.id,
        repeat=item.repeat,
        n=item.n,
        prompt=prompt or spec.prompt(item.sample, run.settings.context),
        max_tokens=run.budget(spec, thinks=engine.thinks, tokens=tokens),
        seed=_seed(run.settings.seed, item.sample.id) + item.repeat,
    )


def _seed(seed: int, sample_id: str) -> int:
    """Return the seed of a sample's first repeat: it depends on nothing else, so order and resume don't matter.

    30 bits, because some servers take no more than 31 and further repeats count up from it.
    """
    digest = hashlib.sha256(f"{seed}\x00{sample_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4]) >> 2


@dataclass
class _Open:
    """A request that was handed out and has answers to come."""

    request: GenerationRequest
    prompt_hash: str
    keys: dict[int, bytes]


class _Spending:
    """Tokens spent by the whole run, and whether its limits allow another request.

    What is in flight counts with what it will likely take: prompts by their characters, at the rate seen so far, and
    answers by their mean so far; before the first answer, by their whole budgets.
    """

    def __init__(self, settings: RunSettings, stored: Iterable[Generation]) -> None:
        self._settings = settings
        self._prompt = self._completion = self._answers = 0
        self._seen_tokens = self._seen_characters = 0
        self._open_characters = 0.0
        self._open_answers = self._open_budget = 0
        for answer in stored:
            self._add(answer)

    def refuses(self, request: GenerationRequest) -> str | None:
        """Return None if a request may be asked, else why not."""
        settings = self._settings
        rate = self._seen_tokens / self._seen_characters if self._seen_characters else _TOKENS_PER_CHARACTER
        if self._answers:
            answers = (self._open_answers + request.n) * self._completion / self._answers
        else:
            answers = self._open_budget + request.n * request.max_tokens
        prompt = self._prompt + rate * (self._open_characters + len(request.prompt.text))
        completion = self._completion + answers
        if settings.token_limit is not None and prompt + completion > settings.token_limit:
            return f"the limit of {settings.token_limit:,} tokens is reached"
        if settings.cost_limit is not None and settings.price is not None:
            cost = (prompt * settings.price[0] + completion * settings.price[1]) / 1e6
            if cost > settings.cost_limit * (1 + 1e-9):
                return f"the limit of {settings.cost_limit:g} in cost is reached"
        return None

    def asked(self, request: GenerationRequest) -> None:
        """Count a request as in flight."""
        self._open_characters += len(request.prompt.text)
        self._open_answers += request.n
        self._open_budget += request.n * request.max_tokens

    def came(self, request: GenerationRequest, answer: Generation) -> None:
        """Count an answer as spent."""
        self._open_characters -= len(request.prompt.text) / request.n
        self._open_answers -= 1
        self._open_budget -= request.max_tokens
        if answer.prompt_tokens and not answer.prompt_shared:
            self._seen_tokens += answer.prompt_tokens
            self._seen_characters += len(request.prompt.text)
        self._add(answer)

    def _add(self, answer: Generation) -> None:
        if answer.from_cache:
            return
        self._prompt += 0 if answer.prompt_shared else answer.prompt_tokens
        self._completion += answer.completion_tokens
        self._answers += answer.error is None


class _Answers:
    """Hands requests to the engine and takes its answers to disk."""

    def __init__(
        self,
        run: ResolvedRun,
        folder: RunFolder,
        engine: Engine,
        cache: ResponseCache | None,
        work: Sequence[Work],
        counts: SessionCounts,
        spending: _Spending,
        stage: Stage,
    ) -> None:
        self._stage = stage
        self.missing = sum(item.n for item in work)
        self._run = run
        self._engine = engine
        self._cache = cache
        self._work = work
        self._counts = counts
        self._spending = spending
        self._predictions = folder.predictions
        self._tasks = {item.sample.id: item.sample.task for item in work}
        self._open: dict[Key, _Open] = {}
        self._logs: dict[str, AppendLog] = {}
        self._synced = time.monotonic()
        self._prompts = AppendLog(folder.path / "prompts.jsonl")
        self._prompts_stored = {line.hash for line in AppendLog.read(self._prompts.file, StoredPrompt)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for log in self._logs.values():
            with contextlib.suppress(Exception) if kind is not None else contextlib.nullcontext():
                log.sync()
            log.close()
        self._prompts.close()

    def requests(self) -> Iterator[GenerationRequest]:
        """Yield what to ask, leaving out what the cache has, until all is asked or a limit is reached."""
        for item in self._work:
            whole = _request(self._run, self._engine, item, self._stage)
            prompt_hash = self._store_prompt(whole)
            for request, keys in self._not_cached(whole, prompt_hash):
                self._counts.stopped = self._spending.refuses(request)
                if self._counts.stopped is not None:
                    return
                entry = _Open(request, prompt_hash, keys)
                for repeat in range(request.repeat, request.repeat + request.n):
                    self._open[request.sample_id, repeat] = entry
                self._spending.asked(request)
                yield request

    def take(self, generation: Generation) -> None:
        """Put an answer on disk."""
        key = (generation.sample_id, generation.repeat)
        entry = self._open.pop(key, None)
        if entry is None:
            raise EngineError(
                f"the engine {self._engine.name} answered {key}, which nobody asked or it had answered before",
                "this is a defect of the engine: please report it",
            )
        answer = generation.model_copy(update={"prompt_hash": entry.prompt_hash} | first_facts(self._stage.first(*key)))
        self._spending.came(entry.request, answer)
        if self._cache is not None:
            self._cache.put(entry.keys[generation.repeat], answer)
        self._store(answer)

    def _store(self, answer: Generation) -> None:
        self._prompts.flush()  # a prompt is on disk before its answer is
        task = self._tasks[answer.sample_id]
        if task not in self._logs:
            self._logs[task] = AppendLog(self._predictions / f"{task}{self._stage.suffix}.jsonl")
        self._logs[task].append(answer.model_dump_json())
        self._counts.add(answer)
        self.missing -= 1
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            for log in self._logs.values():
                log.sync()
            self._synced = time.monotonic()

    def _store_prompt(self, request: GenerationRequest) -> str:
        prompt = request.prompt
        digest = sha256_text(prompt.text)
        if digest not in self._prompts_stored:
            self._prompts_stored.add(digest)
            line = StoredPrompt(
                hash=digest,
                sample_id=request.sample_id,
                context=self._run.settings.context,
                before=prompt.before,
                after=prompt.after,
            )
            self._prompts.append(line.model_dump_json(), flush=False)
        return digest

    def _not_cached(
        self, whole: GenerationRequest, prompt_hash: str
    ) -> Iterator[tuple[GenerationRequest, dict[int, bytes]]]:
        """Yield the stretches of repeats that must be asked, with their cache keys; store the others."""
        stretch: list[int] = []
        keys: dict[int, bytes] = {}
        # An engine that takes one repeat at a time gets stretches of one.
        longest = whole.n if self._engine.native_n else 1
        for repeat in range(whole.repeat, whole.repeat + whole.n):
            kept = None
            if self._cache is not None:
                keys[repeat] = self._cache.key(
                    whole.prompt,
                    prompt_hash,
                    max_tokens=whole.max_tokens,
                    seed=whole.seed + repeat - whole.repeat,
                    repeat=repeat,
                )
                kept = self._cache.get(keys[repeat], whole.sample_id, repeat)
            if kept is not None:
                self._store(kept.model_copy(update={"prompt_hash": prompt_hash, "prompt_shared": False}))
            else:
                stretch.append(repeat)
            if stretch and (kept is not None or len(stretch) == longest):
                yield _stretch(whole, stretch), keys
                stretch = []
        if stretch:
            yield _stretch(whole, stretch), keys


def _stretch(whole: GenerationRequest, repeats: Sequence[int]) -> GenerationRequest:
    if len(repeats) == whole.n:
        return whole
    first = repeats[0]
    return whole.model_copy(update={"repeat": first, "n": len(repeats), "seed": whole.seed + first - whole.repeat})
