"""A user's own reward function, called in a process of its own, so that a hang or a crash is told and survived.

The function is ``f(response: str, gold, **kwargs)``. It returns a reward in [0, 1], a mapping whose ``score`` is one,
or None where it does not apply. Of the keyword arguments ``question`` (str), ``documents`` (list of str), ``metric``
and ``language`` (``en`` or ``zh``) it gets those that it takes. The gold is plain data:

- a text, a number or references: a string, or a list of strings where there are several aliases or references;
- items, a ranking or an order: a list of strings;
- a table: ``{"columns": [...], "data": [[...], ...]}``.
"""

from __future__ import annotations

import importlib
import inspect
import multiprocessing
import numbers
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from golong_eval.errors import ConfigError, GolongError, UnknownNameError
from golong_eval.rewards.audit.case import AuditCase
from golong_eval.schema import Gold, NumberGold, ReferencesGold, RowGold, TableGold, TextGold

__all__ = ["FunctionReward", "Reading", "plain_gold"]

_START = 120.0  # seconds to import the module, which may be a large one
_STOPS = 3  # hangs and crashes after which the function is not called again
_KEYWORDS = ("question", "documents", "metric", "language")


class Reading(NamedTuple):
    """What a reward gave for a response: a value, None where it does not apply, or a problem."""

    value: float | None
    problem: str | None = None


class FunctionReward:
    """A reward function in a child process. A context manager.

    Args:
        place: ``module:function``; the module is also looked for in the current directory.
        time_limit: Seconds that one call may take.

    Raises:
        ConfigError: There is no such module or function, or it can't be called with a response and a gold.
    """

    def __init__(self, place: str, time_limit: float = 10.0) -> None:
        module, colon, name = place.partition(":")
        if not module or not colon or not name:
            raise ConfigError(f"{place!r} names no function", "write module:function, for instance my_rewards:score")
        self.place = place
        self.time_limit = time_limit
        self._stops = 0
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def __call__(self, response: str, case: AuditCase) -> Reading:
        """Return what the function gives for a response; never raises for what the function does."""
        if self._stops >= _STOPS:
            return Reading(None, f"was not called: it hung or crashed {_STOPS} times before")
        try:
            if self._process is None:
                self._start()
        except ConfigError as error:  # it could be loaded before
            self._stops = _STOPS
            return Reading(None, f"can't be loaded again: {error}")
        assert self._connection is not None
        known = {
            "question": case.question,
            "documents": list(case.documents),
            "metric": case.metric,
            "language": case.language,
        }
        try:
            self._connection.send((response, plain_gold(case.gold), known))
            if self._connection.poll(self.time_limit):
                return Reading(*self._connection.recv())
            problem = f"takes more than {self.time_limit:g} s"
        except (OSError, EOFError):
            problem = f"ends its process (exit code {self._exit_code()})"
        self._stop()
        self._stops += 1
        return Reading(None, problem)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.place, str(Path.cwd())))
        self._process.start()
        theirs.close()
        problem = hint = ""
        try:
            if self._connection.poll(_START):
                problem, hint = self._connection.recv()
            else:
                problem, hint = f"{self.place}: importing it takes more than {_START:g} s", "make its import lighter"
        except (OSError, EOFError):
            problem = f"{self.place}: importing it ended the process (exit code {self._exit_code()})"
            hint = f"try: python -c 'import {self.place.partition(':')[0]}'"
        if problem:
            self._stop()
            raise ConfigError(problem, hint)

    def _exit_code(self) -> int | None:
        assert self._process is not None
        self._process.join(5)
        return self._process.exitcode

    def _stop(self) -> None:
        if self._process is None or self._connection is None:
            return
        self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()
        self._process = self._connection = None


def plain_gold(gold: Gold) -> str | list[str] | dict[str, Any]:
    """Return a gold as plain data; see the head of this file."""
    match gold:
        case TextGold(answers=strings) | ReferencesGold(texts=strings):
            return strings[0] if len(strings) == 1 else list(strings)
        case NumberGold(value=value):
            return value
        case TableGold(columns=columns, data=rows):
            return {"columns": list(columns), "data": [list(row) for row in rows]}
        case RowGold(answers=answers):
            return list(answers)
        case _:
            return list(gold.items)


# ---------------------------------------------------------------------------------------------------------
# In the child


def _serve(connection: Connection, place: str, folder: str) -> None:
    """Load the function, say whether that went well, and answer calls until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    sys.stdout = sys.stderr  # what the function prints is no part of the report
    sys.path.insert(0, folder)
    try:
        call, wanted = _load(place)
    except GolongError as error:
        connection.send((_line(error), error.hint))
        return
    connection.send(("", ""))
    while True:
        try:
            response, gold, known = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(_read(call, response, gold, {name: known[name] for name in wanted}))


def _load(place: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    name, _, attribute = place.partition(":")
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the user's code: whatever it raises is told
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{name}.".startswith(f"{missing}."):
            raise ConfigError(
                f"no module {name!r} to import", f"start golong in the folder that holds {name}.py, or install it"
            ) from None
        raise ConfigError(
            f"importing {name} fails: {type(error).__name__}: {_line(error)}", f"try: python -c 'import {name}'"
        ) from None
    known = [other for other, value in vars(module).items() if callable(value) and not other.startswith("_")]
    if not hasattr(module, attribute):
        raise UnknownNameError(f"function of {name}", attribute, known)
    call = getattr(module, attribute)
    if not callable(call):
        raise ConfigError(
            f"{place} is {type(call).__name__}, and can't be called", "name a function: f(response, gold)"
        )
    return call, _keywords(call, place)


def _keywords(call: Callable[..., Any], place: str) -> tuple[str, ...]:
    """Return which of the keyword arguments a function takes."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # some functions written in C tell nothing
        return ()
    parameters = signature.parameters.values()
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = {parameter.name for parameter in [*parameters][2:] if parameter.kind is not parameter.POSITIONAL_ONLY}
    wanted = tuple(name for name in _KEYWORDS if anything or name in named)
    try:
        signature.bind("", "", **dict.fromkeys(wanted))
    except TypeError as error:
        raise ConfigError(
            f"{place}{signature} can't be called as f(response, gold): {error}",
            f"it may also take {', '.join(_KEYWORDS)}, or **kwargs",
        ) from None
    return wanted


def _read(call: Callable[..., Any], response: str, gold: Any, known: dict[str, Any]) -> Reading:
    try:
        value = call(response, gold, **known)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a finding, and never a score
        return Reading(None, f"raises {type(error).__name__}: {_line(error)}".removesuffix(": "))
    if isinstance(value, Mapping):
        if "score" not in value:
            return Reading(None, "returns a mapping without 'score'")
        value = value["score"]
    if value is None:
        return Reading(None)
    if not isinstance(value, numbers.Real):
        return Reading(None, f"returns {type(value).__name__}, not a number")
    number = float(value)
    if not 0 <= number <= 1:
        return Reading(None, f"returns {number:g}, which is not in [0, 1]")
    return Reading(number)


def _line(error: BaseException) -> str:
    """Return an error's text on one short line."""
    try:
        text = " ".join(str(error).split())
    except Exception as other:  # noqa: BLE001  # the user's error class may be broken too
        return f"(its text can't be made: {type(other).__name__})"
    return text[:300].encode("utf-8", "replace").decode()
