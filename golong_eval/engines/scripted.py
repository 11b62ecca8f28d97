"""Answers from a file or a function instead of a model: for tests, and for trying the harness.

    golong run --engine scripted --model gold              # every answer right
    golong run --engine scripted --model answers.jsonl     # {"id": ..., "response": ..., "repeat": 0}

Engine arguments: ``delay`` (seconds an answer takes), ``fail`` (share of requests that fail, drawn
anew at every attempt), ``truncate`` (characters after which an answer is cut as if at its cap).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import Field

from golong_eval.engines.arguments import read_arguments
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Frozen, Generation

__all__ = ["SCRIPTS", "ScriptedEngine"]

SCRIPTS = ("gold", "empty", "wrong")
"""Scripts that need no file. ``gold`` is handed in by the harness, which knows the golds."""

Script = Callable[[GenerationRequest], str]


class _Arguments(Frozen):
    delay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    fail: float = Field(default=0.0, ge=0, le=1)
    truncate: int | None = Field(default=None, ge=1)


class ScriptedEngine:
    """An engine that calls a function for each request.

    Args:
        script: Returns the answer to a request. What it raises becomes that request's error.
        name: Recorded as the model.
        delay: Seconds that an answer takes.
        fail: Share of requests that fail, in [0, 1]; drawn anew at every attempt, like a flaky provider.
        truncate: Cut answers after this many characters, as if at their cap.
    """

    name = "scripted"
    max_length: int | None = None
    thinks = False
    native_n = False

    def __init__(
        self,
        script: Script,
        *,
        name: str = "function",
        delay: float = 0.0,
        fail: float = 0.0,
        truncate: int | None = None,
    ) -> None:
        self._script = script
        self._label = name
        self._delay = delay
        self._fail = fail
        self._truncate = truncate

    @classmethod
    def open(cls, model: str, settings: EngineSettings, gold: Script | None = None) -> ScriptedEngine:
        """Make the engine for a built-in script or a file of answers.

        Args:
            model: One of `SCRIPTS`, or a JSONL file.
            settings: Its ``args`` may hold ``delay``, ``fail`` and ``truncate``.
            gold: The script behind ``gold``.

        Raises:
            ConfigError: The script or an argument is unknown.
            DataError: The file is malformed.
        """
        options = read_arguments(_Arguments, cls.name, settings.args)
        return cls(_script(model, gold), name=model, delay=options.delay, fail=options.fail, truncate=options.truncate)

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return the script's name and options."""
        return {"script": self._label, "delay": self._delay, "fail": self._fail, "truncate": self._truncate}

    def over_length(self, request: GenerationRequest) -> str | None:  # noqa: ARG002 - the protocol's
        """Return None: a script takes any prompt."""
        return None

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield the scripted answers in order. Token counts are counts of characters."""
        flaky = random.Random()
        for request in requests:
            if self._delay:
                time.sleep(self._delay)
            where = {"sample_id": request.sample_id, "repeat": request.repeat}
            if self._fail and flaky.random() < self._fail:
                yield Generation(**where, text=None, finish_reason="error", error="scripted failure")
                continue
            try:
                text = self._script(request)
                if not isinstance(text, str):
                    raise TypeError(f"the answer is no text but {type(text).__name__}")
            except Exception as error:  # noqa: BLE001 - the user's function: its failure is the request's, as with any provider
                yield Generation(
                    **where, text=None, finish_reason="error", error=f"{type(error).__name__}: {error}"[:500]
                )
                continue
            cut = self._truncate is not None and len(text) > self._truncate
            yield Generation(
                **where,
                text=text[: self._truncate] if cut else text,
                finish_reason="length" if cut else "stop",
                prompt_tokens=len(request.prompt.text),
                completion_tokens=min(len(text), self._truncate or len(text)),
            )

    def close(self) -> None:
        """Do nothing: there is no model."""


def _script(model: str, gold: Script | None) -> Script:
    if model == "gold":
        if gold is None:
            raise ConfigError("the script 'gold' needs the samples' golds", "use it through golong run or evaluate()")
        return gold
    if model == "empty":
        return lambda _: ""
    if model == "wrong":
        return lambda _: "[Answer]\nqwzx"
    path = Path(model)
    if not path.is_file():
        raise ConfigError(
            f"the scripted engine knows no script or file {model!r}",
            f"use {', '.join(SCRIPTS)}, or a JSONL file of answers",
        )
    answers = _read_answers(path)

    def from_file(request: GenerationRequest) -> str:
        key = (request.sample_id, request.repeat)
        if key not in answers:
            raise KeyError(f"{path} has no answer for sample {request.sample_id!r}, repeat {request.repeat}")
        return answers[key]

    return from_file


def _read_answers(path: Path) -> dict[tuple[str, int], str]:
    answers: dict[tuple[str, int], str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the answers in {path} ({error.strerror})", "give a readable file") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            identifier, response, repeat = row["id"], row["response"], row.get("repeat", 0)
            if not (isinstance(identifier, str) and isinstance(response, str) and isinstance(repeat, int)):
                raise TypeError("id and response are texts, repeat a whole number")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"not an answer ({error})", 'each line is {"id": "...", "response": "..."}', file=path, line=number
            ) from error
        answers[identifier, repeat] = response
    return answers
