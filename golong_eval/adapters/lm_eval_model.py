"""Any of our engines as a model of lm-eval: its generative tasks, on our engines.

    from golong_eval.adapters.lm_eval_model import golong_lm
    lm_eval.simple_evaluate(model=golong_lm(engine), tasks=["gsm8k_cot"], apply_chat_template=True)

Source: `lm_eval.api.model.LM` of lm-eval 0.4.13.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from golong_eval._optional import require
from golong_eval.engines import Engine, EngineSettings, GenerationRequest
from golong_eval.errors import ConfigError, GolongError
from golong_eval.schema import Generation, Prompt, Turn
from golong_eval.text import remove_thinking

__all__ = ["LM_EVAL_TASKS", "ChatText", "golong_lm"]

LM_EVAL_TASKS = Path(__file__).with_name("lm_eval_tasks")
"""The folder that lm-eval's ``--include_path`` takes for our own tasks."""

_BUDGET_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")  # in lm-eval's order
_KNOWN = {*_BUDGET_NAMES, "until", "do_sample", "temperature", "top_p"}


class ChatText(str):
    """A conversation as lm-eval keeps prompts: a text. It is the JSON of the messages."""

    __slots__ = ()

    def prompt(self) -> Prompt:
        """Return the conversation as our engines take it.

        Raises:
            ConfigError: The last message is not the user's: the task begins the model's answer.
        """
        messages = json.loads(self)
        if not messages or messages[-1]["role"] != "user":
            raise ConfigError(
                "this task begins the model's answer itself (gen_prefix), which chat engines can't go on with",
                "leave --apply_chat_template out, or choose another variant of the task",
            )
        return Prompt(history=tuple(Turn(**turn) for turn in messages[:-1]), after=messages[-1]["content"])


def golong_lm(
    engine: Engine,
    settings: EngineSettings | None = None,
    *,
    model: str = "",
    max_gen_toks: int = 256,
    seed: int = 0,
) -> Any:
    """Return an lm-eval model that asks an engine.

    Engines apply the chat template of their model themselves. Without lm-eval's ``apply_chat_template`` a prompt with
    its examples is one user message; with it, description and examples are messages of their own.

    Answers reach lm-eval without their thinking. Stop strings cut the answer, never the thinking; engines go on to the
    end of the answer or the budget, since none of ours stops at strings.

    Args:
        engine: The engine, opened.
        settings: What it was opened with; a task that asks for another temperature or top_p is refused.
        model: Name of the model, for lm-eval's records.
        max_gen_toks: Budget of an answer with its thinking, for tasks that name none; 256 is lm-eval's own.
        seed: Seed of the first answer of each request; repeats count up from it.

    Raises:
        MissingExtraError: lm-eval is not installed.
    """
    return _lm_class()(engine, settings or EngineSettings(), model, max_gen_toks, seed)


@cache
def _lm_class() -> type[Any]:
    base: Any = require("lm_eval.api.model", "lm-eval", "an lm-eval model").LM

    class GolongLM(base):  # type: ignore[misc]  # lm-eval has no types
        """The engine behind lm-eval's protocol."""

        def __init__(self, engine: Engine, settings: EngineSettings, model: str, budget: int, seed: int) -> None:
            super().__init__()
            self._engine = engine
            self._settings = settings
            self._model = model
            self._budget = budget
            self._seed = seed

        @property
        def tokenizer_name(self) -> str:
            """What tells prompts of two models apart in lm-eval's cache of requests."""
            tokenizer = self._engine.describe().get("tokenizer") or self._model or self._engine.name
            return f"golong_{tokenizer}".replace("/", "__")

        def chat_template(self, chat_template: bool | str = False) -> str:
            """Return nothing: the engine applies the model's own.

            Raises:
                ConfigError: Another one is asked for by its name.
            """
            if isinstance(chat_template, str):
                raise ConfigError(
                    f"the engine applies the model's own chat template, not {chat_template!r}",
                    "use --apply_chat_template without a name",
                )
            return ""

        def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            """Return a conversation, to be rendered by the engine."""
            del add_generation_prompt  # `ChatText.prompt` refuses what the model should go on with
            return ChatText(json.dumps(chat_history, ensure_ascii=False))

        def get_model_info(self) -> dict[str, Any]:
            """Return what is recorded of the engine."""
            return {"model_name": self._model or self._engine.name, "engine": self._engine.name} | {
                f"engine_{name}": value for name, value in self._engine.describe().items()
            }

        def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[str]:
            """Return the answers in the order of the requests.

            Raises:
                ConfigError: A task asks for sampling that the engine was not opened with.
                GolongError: Requests failed; all others were finished, and are in lm-eval's cache if there is one.
            """
            del disable_tqdm
            asked = _numbered(requests)
            wanted: dict[tuple[str, int], GenerationRequest] = {}
            for (name, repeat), request in asked:
                context, arguments = request.args[:2]
                _check_sampling(request.task_name, arguments, self._settings)
                wanted[name, repeat] = GenerationRequest(
                    sample_id=name,
                    repeat=repeat,
                    prompt=context.prompt() if isinstance(context, ChatText) else Prompt(after=context),
                    max_tokens=_budget(arguments, self._budget),
                    seed=_seed_of(self._seed, name) + repeat,
                )
            came = {(one.sample_id, one.repeat): one for one in self._engine.generate(iter(wanted.values()))}
            failed: list[tuple[Any, str]] = []
            answers = []
            for key, request in asked:
                generation = came.get(key)
                if generation is None or generation.text is None:
                    failed.append((request, (generation and generation.error) or "the engine gave no answer"))
                    continue
                answers.append(_answer(generation, request.args[1].get("until")))
                self.cache_hook.add_partial("generate_until", request.args, answers[-1])
            if failed:
                request, reason = failed[0]
                raise GolongError(
                    f"{len(failed)} of {len(requests)} requests failed; the first, {request.task_name} doc "
                    f"{request.doc_id}: {reason}",
                    "run it again: with --use_cache FILE the answers that came are kept",
                )
            return answers

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            """Refuse.

            Raises:
                ConfigError: Our engines generate, and give no likelihoods.
            """
            raise _no_likelihoods(requests)

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            """Refuse.

            Raises:
                ConfigError: Our engines generate, and give no likelihoods.
            """
            raise _no_likelihoods(requests)

    return GolongLM


def _numbered(requests: Sequence[Any]) -> list[tuple[tuple[str, int], Any]]:
    """Return the requests with a name and a number of repeat each: lm-eval repeats one by listing it again."""
    seen: Counter[str] = Counter()
    found = []
    for request in requests:
        name = f"{request.task_name}/{request.doc_id}/{request.idx}"
        found.append(((name, seen[name]), request))
        seen[name] += 1
    return found


def _check_sampling(task: str, arguments: Mapping[str, Any], settings: EngineSettings) -> None:
    unknown = sorted(set(arguments) - _KNOWN)
    if unknown:
        raise ConfigError(
            f"{task} asks for {', '.join(unknown)}, which engines take when they are opened",
            f"take it out of the task's generation_kwargs; known: {', '.join(sorted(_KNOWN))}",
        )
    given = settings.temperature
    temperature = arguments.get("temperature")
    if arguments.get("do_sample") is False:
        temperature = 0.0  # as lm-eval has it, whatever the temperature says
    elif arguments.get("do_sample") and temperature is None:
        temperature = given if given > 0 else 1.0
    for name, wanted, opened in (
        ("temperature", 0.0 if temperature is None else temperature, given),
        ("top_p", arguments.get("top_p", settings.top_p), settings.top_p),
    ):
        if float(wanted) != opened:
            raise ConfigError(
                f"{task} asks for {name}={wanted}, and the engine was opened with {name}={opened}",
                f"open it with {name}={wanted}, or set the task's: --gen_kwargs do_sample={given > 0},{name}={opened}",
            )


def _budget(arguments: Mapping[str, Any], default: int) -> int:
    budget = int(next((arguments[name] for name in _BUDGET_NAMES if arguments.get(name) is not None), default))
    if budget < 1:
        raise ConfigError(f"an answer of {budget} tokens is asked for", "give a max_gen_toks of 1 or more")
    return budget


def _seed_of(seed: int, name: str) -> int:
    """Return the seed of a request's first answer, of 30 bits: it depends on the request alone, not on the order."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x00{name}".encode()).digest()[:4]) >> 2


def _answer(generation: Generation, until: str | Sequence[str] | None) -> str:
    """Return what lm-eval's filters may see: no thinking, and nothing from the first stop string on."""
    assert generation.text is not None
    text = remove_thinking(generation.text, unfinished=generation.thinking_unfinished).text or ""
    if text != generation.text:
        text = text.lstrip()  # as lm-eval does after a thinking
    for stop in _stops(until):
        text = text.split(stop)[0]
    return text


def _stops(until: str | Sequence[str] | None) -> Iterator[str]:
    yield from filter(None, [until] if isinstance(until, str) else until or [])


def _no_likelihoods(requests: Sequence[Any]) -> ConfigError:
    tasks = sorted({str(request.task_name) for request in requests})
    return ConfigError(
        f"{', '.join(tasks)}: scored by the likelihood of given answers, and golong-eval's engines only generate",
        "choose a generative variant (output_type: generate_until), or lm-eval's own hf or vllm model",
    )
