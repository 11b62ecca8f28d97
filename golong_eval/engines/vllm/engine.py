"""Any causal language model that vLLM serves, offline and in this process: a folder or a hub name.

    golong run --model path/to/checkpoint --engine vllm --engine-arg tensor_parallel_size=2

Engine arguments: those of `golong_eval.engines.vllm.arguments.OwnArguments` (``data_parallel``, ``lora``,
``reasoning_parser``, ``in_flight``), and any field of ``vllm.EngineArgs``. See docs/vllm.md.

Prompts are tokenised and answers decoded as in the transformers engine, so that both see the same tokens.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

from golong_eval._optional import require
from golong_eval.engines.base import Engine, EngineSettings, GenerationRequest
from golong_eval.engines.encoding import Encoded, PromptEncoder, failed
from golong_eval.engines.vllm.arguments import Plan, own_arguments, plan
from golong_eval.engines.vllm.guard import Guard
from golong_eval.engines.vllm.thinking import ThinkingSplit
from golong_eval.errors import EngineError, ModelError
from golong_eval.schema import Generation

__all__ = ["FILL_SECONDS", "VLLMEngine", "load_tokenizer", "unloadable"]

FILL_SECONDS = 0.5
"""Of tokenising, after which finished answers are looked for."""

_HELD_TOKENS = 16_000_000  # of prompts that vLLM has in hand: some gigabytes, here and in its own process


@dataclass(frozen=True)
class _Flight:
    """One answer that vLLM works on."""

    item: Encoded
    repeat: int
    started: float


class VLLMEngine:
    """An engine over ``vllm.LLM``. Make it with `open`.

    Requests are handed over in their order, as many as keep vLLM busy. It serves first come, first served, and takes
    a prefix for cached as soon as the first prompt that has it is under way; so a prefix that neighbours share is
    computed once, even where the cache holds two of them (``bench/prefix.py``). To hold back prompts that the cache
    has no room for was tried, and changed nothing.

    The answers to one prompt are handed over as requests of their own, one after the other, which is what vLLM makes
    of ``n`` itself (with the seeds ``seed``, ``seed + 1``, ...); so each comes when it is finished, and with its own
    count of cached tokens.
    """

    name = "vllm"
    native_n = True

    def __init__(
        self,
        llm: Any,
        tokenizer: Any,
        settings: EngineSettings,
        made: Plan,
        split: ThinkingSplit | None,
        guard: Guard,
    ) -> None:
        vllm = require("vllm", "vllm", "the vllm engine")
        self._vllm = vllm
        self._llm = llm
        self._engine = llm.llm_engine
        self._settings = settings
        self._plan = made
        config = self._engine.vllm_config
        self.max_length: int | None = config.model_config.max_model_len
        self._encoder = PromptEncoder(tokenizer, settings, self.max_length)
        self._thinking = split
        self.thinks = self._encoder.thinks or self._thinking is not None
        self._eos = ends_of_turn(config.model_config.model, tokenizer, made)
        self._seeded = not _platform().is_cpu()  # the CPU's sampler fails on a request's own seed
        self._budget = settings.thinking_budget if _holds_budget(vllm, config) else None
        self.in_flight = made.own.in_flight or settings.concurrency or 2 * int(config.scheduler_config.max_num_seqs)
        self._held = 0
        self._numbers = itertools.count()
        self._flights: dict[str, _Flight] = {}
        self._waiting: deque[Encoded] = deque()
        self._adapter = _adapter(made.own.lora)
        self._refusals = _refusals()
        self._dead = False
        self._closed = threading.Event()
        processes = _core_processes(self._engine.engine_core)
        _watch(self._engine.engine_core, processes, self._closed)
        self._guard = guard
        guard.add([process.pid for process in processes])

    @classmethod
    def open(cls, model: str, settings: EngineSettings) -> Engine:
        """Load a checkpoint; with ``data_parallel`` above 1, once a replica.

        Args:
            model: Folder or hub name.
            settings: How to generate.

        Raises:
            MissingExtraError: vLLM is not installed.
            ModelError: There is no checkpoint, or vLLM can't load it.
            ConfigError: An engine argument is unknown or does not fit.
        """
        # vLLM reads these when it is imported. Its INFO lines would drown the run's, on the stream of its results.
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        vllm = require("vllm", "vllm", "the vllm engine")
        if own_arguments(settings).data_parallel > 1:
            from golong_eval.engines.vllm.replicas import VLLMReplicas

            return VLLMReplicas.open(model, settings)
        made = plan(model, settings)
        try:
            tokenizer = load_tokenizer(model, made)
        except Exception as error:
            raise unloadable(model, error) from error
        # Before the model is loaded, so that a wrong name costs no minutes.
        split = ThinkingSplit.make(made.own.reasoning_parser, tokenizer, settings.thinking)
        guard = Guard()  # before vLLM starts its processes: they may load for minutes
        try:
            try:
                with _no_main_module(), guard.marking():
                    llm = vllm.LLM(**made.arguments)
            except Exception as error:
                raise unloadable(model, error) from error
            return cls(llm, tokenizer, settings, made, split, guard)
        except BaseException:
            guard.end()
            raise

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return versions, dtype, device, parallelism, and the switches of vLLM that can change an answer."""
        config = self._engine.vllm_config
        model, overrides = config.model_config, self._plan.hf_overrides
        return {
            "vllm": self._vllm.__version__,
            "torch": require("torch", "vllm", "the vllm engine").__version__,
            "transformers": require("transformers", "vllm", "the vllm engine").__version__,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": _device_name(),
            "max_length": self.max_length,
            "tensor_parallel": config.parallel_config.tensor_parallel_size,
            "data_parallel": 1,
            "quantization": None if model.quantization is None else str(model.quantization),
            "kv_cache_dtype": str(config.cache_config.cache_dtype),
            "prefix_caching": bool(config.cache_config.enable_prefix_caching),
            "seeded": self._seeded,
            "batch_invariant": os.environ.get("VLLM_BATCH_INVARIANT", "0") == "1",
            "multiprocessing": os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING", "1") == "1",
            "lora": self._plan.own.lora,
            "reasoning_parser": self._plan.own.reasoning_parser,
            "thinking_budget_held": None if self._settings.thinking_budget is None else self._budget is not None,
            "chat_template": bool(self._encoder.tokenizer.chat_template),
            "revision": self._plan.revision or getattr(model.hf_config, "_commit_hash", None),
            "hf_overrides": None if overrides is None else json.dumps(overrides, sort_keys=True),
        }

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model."""
        return self._encoder.over_length(request)

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield generations as they finish. Closing the iterator early aborts what is in flight.

        Raises:
            EngineError: A process of vLLM died.
        """
        stream = iter(requests)
        ended = False
        try:
            while True:
                until = time.monotonic() + FILL_SECONDS
                while not ended and not self.full and time.monotonic() < until:
                    request = next(stream, None)
                    if request is None:
                        ended = True
                    else:
                        yield from self.offer(request)
                if ended and self.idle:
                    return
                yield from self.advance()
        finally:
            self.abandon()

    @property
    def full(self) -> bool:
        """Whether a request that was offered still waits for room."""
        return bool(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight and nothing waits."""
        return not self._flights and not self._waiting

    def offer(self, request: GenerationRequest) -> list[Generation]:
        """Take a request, and return the generations it gets at once: its failures.

        Raises:
            EngineError: The engine has died.
        """
        outcome = self._encoder.encode(request)
        if isinstance(outcome, list):
            return outcome
        self._waiting.append(outcome)
        return self._admit()

    def advance(self) -> list[Generation]:
        """Let vLLM go on until it has news, and return the generations that are finished.

        Raises:
            EngineError: The engine has died.
        """
        done = self._admit()
        if not self._flights:
            return done
        try:
            outputs = self._engine.step()
        except Exception as error:
            raise self._died(error) from error
        for output in outputs:
            flight = self._flights.get(output.request_id)
            if flight is None or not output.finished:
                continue
            del self._flights[output.request_id]
            self._held -= len(flight.item.ids)
            done.append(self._generation(flight, output))
        return done

    def abandon(self) -> None:
        """Drop what waits and abort what is in flight."""
        self._waiting.clear()
        flights = list(self._flights)
        self._flights.clear()
        self._held = 0
        if flights and not self._dead and not self._closed.is_set():
            with contextlib.suppress(Exception):  # it died meanwhile: there is nothing to abort
                self._engine.abort_request(flights)

    def close(self) -> None:
        """End vLLM's processes and free their memory. Does nothing the second time."""
        if self._closed.is_set():
            return
        self.abandon()
        self._closed.set()
        for part in (getattr(self._engine, "renderer", None), self._engine.engine_core):
            shutdown = getattr(part, "shutdown", None)
            if shutdown is not None:
                with contextlib.suppress(Exception):  # what is dead already
                    shutdown()
        self._guard.release()
        self._llm = self._engine = None
        gc.collect()
        torch = require("torch", "vllm", "the vllm engine")
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def reset_prefix_cache(self) -> bool:
        """Forget all cached prefixes, and say whether that was possible. For measurements."""
        return bool(self._engine.reset_prefix_cache())

    def _admit(self) -> list[Generation]:
        """Hand over what there is room for, and return the failures of what vLLM refuses."""
        if self._dead or self._engine is None:
            raise self._died(None)
        refused: list[Generation] = []
        while self._waiting:
            item = self._waiting[0]
            answers = item.request.n
            room = (
                len(self._flights) + answers <= self.in_flight and self._held + answers * len(item.ids) <= _HELD_TOKENS
            )
            if self._flights and not room:
                break
            self._waiting.popleft()
            refused += self._hand_over(item)
        return refused

    def _hand_over(self, item: Encoded) -> list[Generation]:
        refused: list[Generation] = []
        request = item.request
        for index in range(request.n):
            name = f"golong-{next(self._numbers)}"
            flight = _Flight(item, request.repeat + index, time.monotonic())
            prompt = {"type": "token", "prompt_token_ids": item.ids}
            extra = {"lora_request": self._adapter} if self._adapter is not None else {}
            try:
                self._engine.add_request(name, prompt, self._sampling(request, request.seed + index), **extra)
            except self._refusals as error:
                one = request.model_copy(update={"repeat": flight.repeat, "n": 1})
                reason = f"vLLM refuses it: {' '.join(str(error).split())}"[:500]
                refused += failed(one, reason, prompt_tokens=len(item.ids))
            except Exception as error:
                raise self._died(error) from error
            else:
                self._flights[name] = flight
                self._held += len(item.ids)
        return refused

    def _sampling(self, request: GenerationRequest, seed: int) -> Any:
        extra: dict[str, Any] = {} if self._budget is None else {"thinking_token_budget": self._budget}
        return self._vllm.SamplingParams(
            n=1,
            temperature=self._settings.temperature,
            top_p=self._settings.top_p,
            max_tokens=request.max_tokens,
            seed=seed if self._seeded and self._settings.temperature > 0 else None,
            stop_token_ids=sorted(self._eos),
            detokenize=False,
            output_kind=self._vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
            **extra,
        )

    def _generation(self, flight: _Flight, output: Any) -> Generation:
        item, completion = flight.item, output.outputs[0]
        if completion.finish_reason not in ("stop", "length"):
            one = item.request.model_copy(update={"repeat": flight.repeat, "n": 1})
            (failure,) = failed(one, f"vLLM ended it: {completion.finish_reason}", prompt_tokens=len(item.ids))
            return failure
        ended = not self._eos.isdisjoint(completion.token_ids)
        return self._encoder.generation(
            item,
            completion.token_ids,
            self._eos,
            repeat=flight.repeat,
            cached_tokens=output.num_cached_tokens,
            seconds=time.monotonic() - flight.started,
            read=None if self._thinking is None else functools.partial(self._thinking.read, ended=ended),
        )

    def _died(self, error: Exception | None) -> EngineError:
        self._dead = True
        what = "it was closed" if self._closed.is_set() else "a process of it ended"
        if error is not None:
            what = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return EngineError(
            f"vLLM died ({what})",
            "go on with --resume; if memory ran out, lower --engine-arg gpu_memory_utilization or max_num_seqs",
        )


def load_tokenizer(model: str, made: Plan) -> Any:
    """Return a checkpoint's tokenizer, as transformers loads it."""
    transformers = require("transformers", "vllm", "the vllm engine")
    return transformers.AutoTokenizer.from_pretrained(
        model, trust_remote_code=made.trust_remote_code, revision=made.revision
    )


def unloadable(model: str, error: Exception) -> ModelError:
    """Return the error for a checkpoint that can't be loaded."""
    reason = " ".join(str(error).split())[:300]
    return ModelError(
        f"vLLM cannot load the model {model} ({type(error).__name__}: {reason})",
        "vLLM's own messages above say more; where the KV cache is too small, give a smaller --max-model-len",
    )


def _platform() -> Any:
    return require("vllm.platforms", "vllm", "the vllm engine").current_platform


def _device_name() -> str | None:
    """Return the device's name, without touching the device: a CUDA context would take memory from vLLM."""
    platform = _platform()
    if platform.is_cpu():
        return "cpu"
    try:
        return str(platform.get_device_name())
    except Exception:  # noqa: BLE001 - not every platform can tell, and nothing depends on it
        return str(platform.device_type)


def ends_of_turn(model: str, tokenizer: Any, made: Plan) -> frozenset[int]:
    """Return the tokens that end an answer: the generation config's and the tokenizer's, as in transformers."""
    transformers = require("transformers", "vllm", "the vllm engine")
    options = {"trust_remote_code": made.trust_remote_code, "revision": made.revision}
    try:
        stated = transformers.GenerationConfig.from_pretrained(model, **options).eos_token_id
    except OSError:  # it has none: then it is what the configuration says
        config = transformers.AutoConfig.from_pretrained(model, **options)
        stated = getattr(config.get_text_config(), "eos_token_id", None)
    ids = [stated] if isinstance(stated, int) else stated or []
    return frozenset(token for token in (*ids, tokenizer.eos_token_id) if token is not None)


def _holds_budget(vllm: ModuleType, config: Any) -> bool:
    """Whether this vLLM ends a thinking at its budget: it must know the parameter, and the tags."""
    reasoning = getattr(config, "reasoning_config", None)
    return "thinking_token_budget" in vllm.SamplingParams.__struct_fields__ and bool(
        getattr(reasoning, "enabled", reasoning is not None)
    )


def _refusals() -> tuple[type[Exception], ...]:
    """Return what vLLM raises when it finds a request at fault."""
    exceptions = require("vllm", "vllm", "the vllm engine")
    with contextlib.suppress(ImportError):  # older versions have no module for them, and raise ValueError
        exceptions = require("vllm.exceptions", "vllm", "the vllm engine")
    own = getattr(exceptions, "VLLMClientError", ValueError)
    return (ValueError, own)


def _adapter(folder: str | None) -> Any:
    if folder is None:
        return None
    return require("vllm.lora.request", "vllm", "the vllm engine").LoRARequest("adapter", 1, folder)


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Hide the program's main module while vLLM starts its processes.

    They are spawned (a fork of a process with threads can hang), and a spawned process runs the main module again:
    a script without a main guard would start all over in it. vLLM's processes need nothing of it.
    """
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _core_processes(core: Any) -> list[Any]:
    """Return the processes in which vLLM's core runs; none where it runs in this one."""
    manager = getattr(getattr(core, "resources", None), "engine_manager", None)
    return list(getattr(manager, "processes", None) or [])


def _watch(core: Any, processes: Sequence[Any], closed: threading.Event) -> None:
    """Wake whoever waits for the core's output when one of its processes ends.

    vLLM notices a killed process itself, but leaves ``step`` waiting for output that never comes.
    """
    outputs = getattr(core, "outputs_queue", None)
    if not processes or outputs is None:
        return
    sentinels = [process.sentinel for process in processes]

    def watch() -> None:
        wait(sentinels)
        if not closed.is_set():
            outputs.put_nowait(RuntimeError("its core process ended"))

    threading.Thread(target=watch, daemon=True, name="golong-vllm-watch").start()
