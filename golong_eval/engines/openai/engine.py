"""Any server that speaks OpenAI's chat completions: ``vllm serve``, SGLang, hosted models. One, or several at once.

    golong run --engine openai --base-url http://localhost:8000/v1 --model org/model
    golong run --engine openai --base-url https://host/v1 --api-key-env HOST_KEY --model name --concurrency 16

Engine arguments: ``timeout`` (seconds for one attempt, 600), ``deadline`` (seconds for a request with all its attempts,
3600), ``retries`` (attempts after the first, 6), ``body`` (a JSON object merged into every request; a key with null is
left out), ``server`` (``vllm``, ``sglang`` or ``other``; ``auto`` asks it). docs/endpoints.md is the guide.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from golong_eval._optional import require
from golong_eval.engines.arguments import masked, read_arguments
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.encoding import PromptEncoder, failed
from golong_eval.engines.http_client import check_address, path_url, read_key
from golong_eval.engines.openai.chat_completions import OWN_KEYS, WITHOUT_SEED, ChatFormat
from golong_eval.engines.openai.dispatcher import Dispatcher, Job, Limits
from golong_eval.engines.openai.served_models import Served, ask_servers
from golong_eval.engines.openai.servers import Server, backoff
from golong_eval.engines.registry import embedded_model
from golong_eval.engines.surrogates import without_surrogates
from golong_eval.errors import ConfigError, ModelError
from golong_eval.schema import Frozen, Generation, Prompt
from golong_eval.text import CLOSE_THINK, OPEN_THINK

__all__ = ["OpenAIEngine"]

_CONCURRENCY = 64  # requests at once of one server
_PULL_SECONDS = 0.05  # for which requests are taken before those taken are sent, and answers handed out
_HELD_CHARACTERS = 32_000_000  # of prompts, beyond which no request is taken ahead of its turn
_MARGIN = 16  # tokens that a cut text may take more than its tokens did


class _Arguments(Frozen):
    timeout: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    deadline: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    retries: int = Field(default=6, ge=0)
    body: dict[str, JsonValue] = Field(default_factory=dict)
    server: Literal["auto", "vllm", "sglang", "other"] = "auto"


class OpenAIEngine:
    """An engine that asks servers. Make it with `open`.

    It holds settings and what it learned of the servers, but no connection and not the key: each `generate` opens its
    own connections and closes them.

    `thinks` is whether the model thinks unless told not to, which a server does not tell: it is true where
    ``--thinking on`` asks for it, or where the chat template of ``--tokenizer`` is known to. For another thinking model
    the budget must be given (``--max-tokens``), or too short a one ends answers in their thinking, which the table
    shows as answers at their cap. Guessing from the model's name would be wrong in silence.
    """

    name = "openai"
    native_n = True

    def __init__(
        self, model: str, settings: EngineSettings, servers: list[Server], served: list[Served], max_length: int | None
    ) -> None:
        self._arguments = read_arguments(_Arguments, self.name, settings.args)
        self._settings = settings
        self._model = model
        self._servers = servers
        self._changes: set[str] = set()
        self.max_length = max_length
        kinds = {one.kind or "other" for one in served if one.down is None}
        stated = kinds.pop() if len(kinds) == 1 else "mixed"
        self._kind = stated if self._arguments.server == "auto" else self._arguments.server
        self._version = ", ".join(sorted({one.version for one in served if one.version})) or None
        self._chat = ChatFormat(
            model=model,
            settings=settings,
            thinking_budget=settings.thinking_budget if self._kind == "vllm" else None,
            extra=self._arguments.body,
        )
        self._encoder: PromptEncoder | None = None
        if settings.tokenizer is not None:
            self._encoder = PromptEncoder(_load_tokenizer(settings), settings, max_length)
        self.thinks = settings.thinking == "on" or (self._encoder is not None and self._encoder.thinks)
        # Where thinking is asked for, an answer that the server did not take apart starts inside of it.
        self._opened_thinking = settings.thinking == "on" or (
            self._encoder is not None and _opens_thinking(self._encoder)
        )

    @classmethod
    def open(cls, model: str, settings: EngineSettings) -> Self:
        """Look whether the servers are there and have the model.

        A server that can't be reached is no error while another one can: it is tried again later. One without a list
        of models is taken at its word.

        Args:
            model: The name that the servers know it by.
            settings: How to generate. `EngineSettings.base_urls` names the servers.

        Raises:
            ConfigError: There is no address, or none that answers; a server refuses the key; a setting or engine
                argument does not fit.
            ModelError: A server does not have the model, or the tokenizer can't be loaded.
            MissingExtraError: A tokenizer is named and transformers is not installed.
        """
        arguments = read_arguments(_Arguments, cls.name, settings.args)
        if not settings.base_urls:
            raise ConfigError(
                "the openai engine needs the address of a server", "give it: --base-url http://localhost:8000/v1"
            )
        if settings.rope_scaling is not None:
            raise ConfigError(
                "a server scales its model itself: the openai engine can't",
                "start the server with the scaling (golong plan prints the line) and leave --rope-factor out",
            )
        _check_body(arguments.body)
        default = EngineSettings.model_fields["api_key_env"].default
        if settings.api_key_env != default and not read_key(settings.api_key_env):
            raise ConfigError(
                f"--api-key-env names {settings.api_key_env}, which is not set",
                f"export {settings.api_key_env}=..., or leave --api-key-env out",
            )
        urls = list(dict.fromkeys(map(check_address, settings.base_urls)))
        served = ask_servers(urls, model, read_key(settings.api_key_env), settings.api_key_env)
        lengths = [length for length in (settings.max_model_len, *(one.max_length for one in served)) if length]
        max_length = min(lengths, default=None)
        bounded = max_length is not None or settings.max_prompt_tokens is not None
        if settings.max_prompt_tokens is not None and settings.tokenizer is None:
            raise ConfigError(
                "--max-prompt-tokens needs --tokenizer with the openai engine: tokens are counted here",
                "give --tokenizer as the folder of a checkpoint or as a hub name",
            )
        if settings.context_policy == "truncate" and (settings.tokenizer is None or not bounded):
            missing = "--tokenizer" if settings.tokenizer is None else "--max-model-len"
            reason = "tokens are counted here" if settings.tokenizer is None else "no server states a length"
            raise ConfigError(
                f"--context-policy truncate needs {missing} with the openai engine: {reason}",
                f"give {missing}, or use --context-policy skip",
            )
        servers = [Server(url, path_url(url, "chat/completions"), settings.concurrency or _CONCURRENCY) for url in urls]
        for server, one in zip(servers, served, strict=True):
            if one.down is not None:
                server.strikes, server.rest_until = 1, time.monotonic() + backoff(1)
        return cls(model, settings, servers, served, max_length)

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return what the servers are, and whether they take seeds as far as is known by now."""
        import aiohttp

        return {
            "server": self._kind,
            "server_version": self._version,
            "base_urls": " ".join(server.base_url for server in self._servers),
            "served_model": self._model,
            "max_length": self.max_length,
            "seeded": self._seeded(),
            "thinking_budget": self._chat.thinking_budget,
            "tokenizer": self._settings.tokenizer,
            "body": json.dumps(masked(self._arguments.body), sort_keys=True) if self._arguments.body else None,
            "client": f"aiohttp {aiohttp.__version__}",
        }

    def _seeded(self) -> bool | None:
        """Return whether seeds decide the draws; None for servers of which only their silence is known."""
        if WITHOUT_SEED in self._changes or self._arguments.body.get("seed", 0) is None:
            return False
        return True if self._kind == "vllm" else None

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model; None also where its tokenizer or length is not known."""
        return None if self._encoder is None else self._encoder.over_length(request)

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield generations as they finish.

        Requests are taken in the caller's thread, about twice as many as the servers answer at once. Closing the
        iterator cancels what is in flight.

        Raises:
            EngineError: No server can be reached or answers any more, or all refuse the key or the model. What was
                finished before has been yielded.
        """
        stream = iter(requests)
        servers = [server.again() for server in self._servers]
        self._servers = servers
        dispatcher = self._dispatcher(servers)
        with dispatcher.thread as thread:
            pulled = characters = due = 0
            ended = False
            while True:
                jobs: list[Job] = []
                done: list[Generation] = []
                until = time.monotonic() + _PULL_SECONDS
                hungry = False
                while not ended:
                    ahead = pulled - dispatcher.finished
                    held = characters - dispatcher.finished_characters
                    window = dispatcher.window
                    hungry = ahead < (2 * window if held < _HELD_CHARACTERS else window)
                    if not hungry or time.monotonic() > until:
                        break
                    request = next(stream, None)
                    if request is None:
                        ended, hungry = True, False
                        break
                    prepared = self._prepare(request)
                    if isinstance(prepared, Job):
                        jobs.append(prepared)
                        pulled += 1
                        characters += prepared.ticket.request.characters
                        due += request.n
                    else:
                        done += prepared
                if jobs:
                    thread.call(dispatcher.accept, jobs)
                yield from done
                if ended and not due:
                    break
                if due:
                    for generation in thread.take(wait=not hungry and not done):
                        due -= 1
                        yield generation

    def close(self) -> None:
        """Do nothing: between calls of `generate` no connection is open."""

    def _dispatcher(self, servers: list[Server]) -> Dispatcher:
        arguments = self._arguments
        return Dispatcher(
            servers,
            self._chat,
            read_key(self._settings.api_key_env),
            Limits(
                timeout=arguments.timeout,
                deadline=arguments.deadline,
                retries=arguments.retries,
                concurrency=self._settings.concurrency or _CONCURRENCY * len(servers),
            ),
            self._changes,
            opened_thinking=self._opened_thinking,
        )

    def _prepare(self, request: GenerationRequest) -> Job | list[Generation]:
        """Return the job of a request, cut if need be; or its failures, where it is known not to fit."""
        policy = self._settings.context_policy
        if self._encoder is None or policy == "refuse":  # refused before anything was generated, or by the server
            return Job.whole(request, 0)
        if policy == "truncate":
            return _cut(self._encoder, without_surrogates(request))
        reason = self._encoder.over_length(request)
        return Job.whole(request, 0) if reason is None else failed(request, reason, over_length=True)


def _check_body(body: dict[str, JsonValue]) -> None:
    """Raise if a body sets what has a setting of its own, which is recorded and compared."""
    taken = sorted(OWN_KEYS & {key for key, value in body.items() if value is not None or key != "seed"})
    sampling = sorted(key for key in ("temperature", "top_p") if body.get(key) is not None)
    template = body.get("chat_template_kwargs", {})
    if not isinstance(template, dict):  # null would take the switch of the thinking out
        taken.append("chat_template_kwargs")
    elif "enable_thinking" in template:
        taken.append("chat_template_kwargs.enable_thinking")
    if taken or sampling:
        raise ConfigError(
            f"the engine argument body sets {', '.join(taken + sampling)}, which golong-eval sets itself",
            "use --model, --repeats, --seed, --max-tokens, --temperature, --top-p, --thinking and --thinking-budget",
        )


def _load_tokenizer(settings: EngineSettings) -> Any:
    transformers = require("transformers", "hf", "counting tokens for the openai engine")
    transformers.utils.logging.set_verbosity_error()
    name = embedded_model() if settings.tokenizer == "embedded" else settings.tokenizer
    try:
        return transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=settings.trust_remote_code)
    except Exception as error:
        raise ModelError(
            f"cannot load the tokenizer {name} ({type(error).__name__}: {' '.join(str(error).split())[:300]})",
            "give --tokenizer as the folder of a checkpoint or as a hub name; a hub name needs a network",
        ) from error


def _opens_thinking(encoder: PromptEncoder) -> bool:
    closing = encoder.rendered(GenerationRequest(sample_id="", prompt=Prompt(after="?"), max_tokens=1)).closing
    return closing.rfind(OPEN_THINK) > closing.rfind(CLOSE_THINK)


def _cut(encoder: PromptEncoder, request: GenerationRequest) -> Job | list[Generation]:
    """Return the job of a request with its documents cut in the middle so that it fits; its failures where it can't.

    The server gets a text and makes tokens of it again, which may be a few more: so the text is counted once more.
    """
    if encoder.over_length(request) is None:
        return Job.whole(request, 0)
    encoded = encoder.encode(request)
    if isinstance(encoded, list):
        return encoded
    context = Job.whole(request, 0).context  # of what is cut each request may keep another part
    if request.prompt.cut != "documents":
        request = request.model_copy(update={"prompt": request.prompt.as_cut()})
    documents = request.prompt.documents
    tokens = _Tokens(encoder.tokenizer, documents)
    fits = tokens.count - encoded.cut_tokens
    margin = _MARGIN
    while margin < fits:
        kept = fits - margin
        prompt = request.prompt.model_copy(update={"documents": tokens.ends(kept)})
        shorter = request.model_copy(update={"prompt": prompt})
        if encoder.over_length(shorter) is None:
            return replace(Job.whole(shorter, tokens.count - kept), context=context)
        margin *= 2
    reason = "without documents nothing is left of the prompt that fits the model"
    return failed(request, reason, prompt_tokens=len(encoded.ids), over_length=True)


class _Tokens:
    """The tokens of a text, and the text of those at its ends."""

    def __init__(self, tokenizer: Any, text: str) -> None:
        self._tokenizer, self._text = tokenizer, text
        self._spans: list[tuple[int, int]] | None = None
        fast = bool(getattr(tokenizer, "is_fast", False))
        encoding = tokenizer(text, add_special_tokens=False, **({"return_offsets_mapping": True} if fast else {}))
        self._ids: list[int] = encoding["input_ids"]
        if fast:
            self._spans = encoding["offset_mapping"]
        self.count = len(self._ids)

    def ends(self, kept: int) -> str:
        """Return the text of the first and last tokens, `kept` in all, without what lies between."""
        left, right = (kept + 1) // 2, kept // 2
        if self._spans is not None:  # the text as it was written, to the character
            head = self._text[: self._spans[left - 1][1]]
            return head + (self._text[self._spans[-right][0] :] if right else "")
        # Half a character at the cut decodes to a replacement character.
        head, tail = self._decoded(self._ids[:left]), self._decoded(self._ids[-right:] if right else [])
        return head.rstrip("\ufffd") + tail.lstrip("\ufffd")

    def _decoded(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text
