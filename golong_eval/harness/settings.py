"""What a run is: every setting, checked when it is made, written to ``config.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from golong_eval.benchmarks import BENCHMARKS
from golong_eval.benchmarks.suites import suite_named
from golong_eval.engines import OPERATIONAL, ContextPolicy, RopeScaling, Thinking, masked
from golong_eval.errors import ConfigError
from golong_eval.faults import explain
from golong_eval.schema import Frozen
from golong_eval.tasks import ContextMode, parse_length

__all__ = ["EmbedderSettings", "JudgeSettings", "RunSettings", "is_operational", "repeats_of"]

_HOW_NOT_WHAT = frozenset(
    {"base_url", "api_key_env", "concurrency", "token_limit", "cost_limit", "price", "cache", "judge", "embedder"}
)


NOBODY = "none"
"""The judge or the embedder that is none: what no rule can decide has no score; summaries have no semantic half."""


def _price_as_pair(value: object) -> object:
    """Take ``"0.15,0.6"`` for ``(0.15, 0.6)``."""
    if not isinstance(value, str):
        return value
    parts = tuple(value.split(","))
    if len(parts) != 2:
        raise ValueError(f"{value!r} is not two prices, of a million prompt and answer tokens, such as 0.15,0.6")
    return parts


def _check_price(value: tuple[float, float]) -> tuple[float, float]:
    if not all(0 <= part < float("inf") for part in value):
        raise ValueError("two numbers of 0 or more")
    return value


Price = Annotated[tuple[float, float], BeforeValidator(_price_as_pair), AfterValidator(_check_price)]
"""Price of a million prompt tokens, and of a million answer tokens."""


class EmbedderSettings(Frozen):
    """The embedder of a semantic score; see `golong_eval.judges`."""

    model: str = Field(pattern=r"\S")
    """A folder or hub name for sentence-transformers, or the model of a server."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server; None loads the model here."""
    api_key_env: str | None = "OPENAI_API_KEY"
    cache: str | None = None
    """File that keeps vectors."""


class JudgeSettings(Frozen):
    """The judge, or several; see `golong_eval.judges`."""

    models: tuple[str, ...] = Field(min_length=1)
    """Models of the server, or folders of checkpoints; the majority of several decides."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server; None loads a checkpoint here, after the model under test was closed."""
    api_key_env: str | None = "OPENAI_API_KEY"
    max_tokens: int = Field(default=1024, ge=16)
    """Budget of a reply; a judge that thinks needs more."""
    concurrency: int = Field(default=16, ge=1)
    swap: bool = False
    """Ask twice, gold and answer in both orders; where the two differ there is no verdict."""
    cache: str | None = None
    """File that keeps verdicts across runs."""
    price: Price | None = None
    """Price of a million prompt tokens, and of a million reply tokens."""

    @field_validator("models")
    @classmethod
    def _none_stands_alone(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = [name.strip() for one in value for name in one.split(",")]
        if NOBODY in names and len(names) > 1:
            raise ValueError("none is no judge beside others: name judges, or none alone")
        return value


class RunSettings(Frozen):
    """The settings of one run. `golong run` has a flag for each; `evaluate` takes each as an argument."""

    model: str | None = None
    """A checkpoint folder, a hub name, or a script of the scripted engine; None is the embedded checkpoint."""
    tasks: tuple[str, ...] = ("all",)
    """Task ids, ``all`` (the nine), benchmarks, or JSONL files of samples."""
    suite: str | None = None
    """A set of benchmarks with the settings that they are published with; what is given beside it goes before it."""
    data: tuple[str, ...] = ()
    """Where benchmarks find their rows: ``NAME=PATH``, or a folder that holds a folder for each. ``NAME=generated`` for
    one that can be made, ``NAME=shipped`` for the few rows that golong-eval brings along. None: ``data/NAME``."""
    documents: str | None = None
    """Folder of documents to build the tasks from; None is ``pydoc``, CPython's own documentation."""
    length: str = "4k"
    """Tokens of a built prompt; several, such as ``2k,8k``, for a curve: `limit` samples of each task at each."""
    tokenizer: str | None = None
    """Tokenizer that counts them; None is the model's own."""
    context: ContextMode = "full"
    context_policy: ContextPolicy = "refuse"
    """What to do with prompts that do not fit the model."""
    max_model_len: int | None = Field(default=None, ge=1)
    """Tokens of prompt and answer together; None is what the checkpoint or the server says."""
    max_prompt_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of a prompt, however long the model is; `context_policy` says what to do with a longer one."""
    rope_scaling: RopeScaling | None = None
    engine: str = "auto"
    engine_args: dict[str, JsonValue] = Field(default_factory=dict)
    base_url: tuple[str, ...] = ()
    """Addresses of OpenAI-compatible servers."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds their key."""
    concurrency: int | None = Field(default=None, ge=1)
    """Most requests at once; None is the engine's own choice."""
    limit: int | None = Field(default=None, ge=1)
    """Samples of each task; None is 20 for built tasks and all for files."""
    repeats: int = Field(default=1, ge=1)
    """Answers to each sample."""
    task_repeats: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """The same for some tasks."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    thinking: Thinking = "auto"
    thinking_budget: int | None = Field(default=None, ge=1)
    """Tokens for thinking, added to a task's own budget; engines that can end the thinking there."""
    temperature: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """Budget of an answer with its thinking; None is the task's own, and what is added for thinking."""
    task_max_tokens: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """The same for some tasks."""
    token_limit: int | None = Field(default=None, ge=1)
    """Tokens, of prompts and answers, after which no more is asked; a run that stops there can be resumed."""
    cost_limit: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The same in money, by `price`."""
    price: Price | None = None
    """Price of a million prompt tokens, and of a million answer tokens."""
    cache: str | None = None
    """File of the response cache; None is no cache."""
    judge: JudgeSettings | None = None
    """The model that decides what a benchmark's rule can't."""
    embedder: EmbedderSettings | None = None
    """The model whose embeddings a benchmark's score has a part of."""
    shard: str | None = None
    """``i/n``: only the i-th of n parts; see `golong_eval.harness.merge_runs`."""
    trust_remote_code: bool = False
    include: tuple[str, ...] = ()
    """Folders with tasks of the user's own."""
    output_dir: str = "runs"
    resume: bool = False

    @field_validator("tasks", "include", "base_url", "data", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Take ``"t1,t3"`` for ``("t1", "t3")``."""
        if isinstance(value, Path):
            value = str(value)
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        return tuple(str(part) for part in value) if isinstance(value, list | tuple) else value

    @field_validator("length", mode="before")
    @classmethod
    def _length_as_text(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return ",".join(str(part) for part in value)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("max_model_len", "max_prompt_tokens", mode="before")
    @classmethod
    def _length_as_number(cls, value: object) -> object:
        """Take ``"128k"`` for 131072."""
        if isinstance(value, str) and not value.strip().isdecimal():  # a built prompt's least length is not theirs
            try:
                return parse_length(value)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("model", "documents", "tokenizer", "output_dir", "cache", mode="before")
    @classmethod
    def _path_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, Path) else value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.tasks:
            raise ValueError("tasks: name at least one")
        if self.temperature == 0 and self._most_repeats() > 1:
            asked = f" (suite {self.suite} asks for several)" if self.suite is not None else ""
            raise ValueError(
                f"repeats: greedy decoding gives the same answer each time{asked}; set a temperature, such as 0.7, "
                "or repeats 1"
            )
        if self.cost_limit is not None and self.price is None:
            raise ValueError(
                "cost_limit: needs the price of a million prompt and answer tokens, such as price 0.15,0.6"
            )
        if self.thinking_budget is not None and self.thinking == "off":
            raise ValueError("thinking_budget: there is none to give with thinking off")
        if None not in (self.thinking_budget, self.max_tokens) and self.thinking_budget >= self.max_tokens:  # type: ignore[operator]
            raise ValueError(f"thinking_budget: leaves no token of max_tokens {self.max_tokens} for the answer")
        if self.shard is not None:
            numbers = re.fullmatch("([1-9][0-9]*)/([1-9][0-9]*)", self.shard)
            if numbers is None or int(numbers[1]) > int(numbers[2]):
                raise ValueError(f"shard: {self.shard!r} names no part: write it like 1/2; the parts are 1/n to n/n")
        return self

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of built prompts, the shortest first.

        Raises:
            ConfigError: One is no length.
        """
        return tuple(sorted({parse_length(part) for part in self.length.split(",")}))

    def _most_repeats(self) -> int:
        """Return the most answers of a sample, over the tasks that are run or that a file may hold."""
        of_files = (repeats for task, repeats in self.task_repeats.items() if task not in BENCHMARKS)
        return max([*map(self.repeats_of, self.tasks), *of_files])

    def repeats_of(self, task: str) -> int:
        """Return how many answers each sample of a task gets."""
        return self.task_repeats.get(task, self.repeats)

    @property
    def shard_of(self) -> tuple[int, int]:
        """The part that is run, counted from 0, and the number of parts."""
        if self.shard is None:
            return 0, 1
        part, _, parts = self.shard.partition("/")
        return int(part) - 1, int(parts)

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Make settings from keyword arguments.

        Raises:
            ConfigError: A key is unknown (names the nearest), a value is out of its range, or there is no such suite.
        """
        if values.get("suite") is not None:
            values = suite_named(str(values["suite"])).fill(values)
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigError("; ".join(explain(error, cls)), "see: golong run --help") from None

    def masked(self) -> dict[str, Any]:
        """Return all settings for ``config.json``, with the values of secret-looking arguments hidden."""
        values = self.model_dump(mode="json", exclude={"output_dir", "resume"})
        values["engine_args"] = masked(values["engine_args"])
        return values


def is_operational(key: str, engine: str) -> bool:
    """Whether a setting says how a run is carried out and not what it asks: a resumed run may change it.

    Args:
        key: A field of `RunSettings`, or ``engine_args.KEY``.
        engine: The engine of the run.
    """
    return key in _HOW_NOT_WHAT or key.removeprefix("engine_args.") in OPERATIONAL.get(engine, ())


def repeats_of(settings: Mapping[str, Any], task: str) -> int:
    """Return how many answers each sample of a task was to get, by the settings in a run's ``config.json``."""
    of_task: int = (settings.get("task_repeats") or {}).get(task, settings["repeats"])
    return of_task
