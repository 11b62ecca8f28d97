"""An advantage estimator as a launch file states it, for frameworks that hand over a whole batch of rollouts.

The settings are the same everywhere, under names of the framework's own form:

    estimator   tmn_reweight (the default), tmn, task_norm, batch_norm, grpo, dr_grpo
    alpha, gamma, recenter, center, singles   the estimator's parameters; see `golong_eval.advantages`
    decay       of a running scale of the tasks, for tmn and tmn_reweight; 0 (the default) is the published method
    scale_file  a JSON file that keeps the running scale: read at the start, written after each batch

So are two settings of the reward, ``variant`` and ``require_think``, and how a switch is written.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from golong_eval.advantages import ESTIMATORS, TaskScale, check_parameters, diagnose, estimate
from golong_eval.errors import ConfigError, DataError, StorageError, UnknownNameError, nearest
from golong_eval.schema import Variant

__all__ = [
    "REWARD_SETTINGS",
    "SETTINGS",
    "BatchAdvantages",
    "check_environment",
    "check_names",
    "fill_tasks",
    "read_advantages",
    "read_reward_settings",
    "read_setting",
    "read_switch",
]

_NUMBERS = ("alpha", "gamma", "decay")
_SWITCHES = dict.fromkeys(("true", "1", "yes", "on", "y"), True)
_SWITCHES |= dict.fromkeys(("false", "0", "no", "off", "n"), False)
_ELSEWHERE = ("data", "samples", "bfcl_python", "chromium", "vllm_guard")  # GOLONG_NAME means something to other parts

SETTINGS = ("estimator", "alpha", "gamma", "recenter", "center", "singles", "decay", "scale_file")
"""Names of all settings."""

REWARD_SETTINGS = ("variant", "require_think")
"""Names of the settings of a reward."""


class BatchAdvantages:
    """Gives the advantages of batches, one after another.

    Args:
        estimator: Name in `golong_eval.advantages.ESTIMATORS`.
        decay: Of a running scale; 0 for none.
        scale_file: Keeps the running scale from one process to the next.
        **parameters: Of the estimator.

    Attributes:
        metrics: What `golong_eval.advantages.diagnose` says of the last batch, flat, under ``golong/``.

    Raises:
        UnknownNameError: There is no such estimator.
        ConfigError: A parameter is unknown or out of range, or a setting would do nothing.
        DataError: The file holds no running scale, or one of another decay.
        StorageError: The file can't be read.

    >>> give = BatchAdvantages("tmn")
    >>> give([1.0, 0.0], ["p", "p"], ["t1", "t1"]).round(3).tolist()
    [0.707, -0.707]
    """

    def __init__(
        self,
        estimator: str = "tmn_reweight",
        *,
        decay: float = 0.0,
        scale_file: Path | str | None = None,
        **parameters: Any,
    ) -> None:
        check_parameters(estimator, parameters, decay)
        if scale_file is not None and not decay:
            raise ConfigError("scale_file without decay keeps nothing", "give a decay above 0, for instance 0.9")
        self.estimator = estimator
        self.parameters = parameters
        self.metrics: dict[str, float] = {}
        self._scale = TaskScale(decay) if decay else None
        self._file = None if scale_file is None else Path(scale_file)
        if self._scale is not None and self._file is not None and self._file.exists():
            if self._file.is_dir():
                raise ConfigError(f"scale_file {self._file} is a folder", "name a file in it, for instance scale.json")
            try:
                self._scale.load_state_dict(json.loads(self._file.read_text(encoding="utf-8")))
            except ValueError as error:
                raise DataError(f"no running scale ({error})", "name another file", file=self._file) from error
            except OSError as error:
                raise StorageError(f"cannot read {self._file} ({error})", "name a file that can be read") from error

    def __call__(self, rewards: Any, prompts: Sequence[Any], tasks: Sequence[Any]) -> Any:
        """Return the advantage of each row, in the library and dtype of the rewards.

        Args:
            rewards: One a row; NaN for a row that was not scored.
            prompts: The prompt of each row.
            tasks: The task of each row.

        Raises:
            DataError: As the estimators.
            StorageError: The running scale can't be written.
        """
        scale = {} if self._scale is None else {"scale": self._scale}
        found = estimate(self.estimator, rewards, prompts, tasks, **self.parameters, **scale)
        self.metrics = diagnose(rewards, found, prompts, tasks).to_dict("golong/")
        if self._scale is not None and self._file is not None:
            self._save(self._file, json.dumps(self._scale.state_dict()))
        return found

    @staticmethod
    def _save(file: Path, state: str) -> None:
        partial = file.with_name(f".{file.name}.partial")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(state, encoding="utf-8")
            partial.replace(file)
        except OSError as error:
            raise StorageError(f"cannot write the running scale to {file} ({error})", "name another file") from error


def fill_tasks(prompts: Sequence[Hashable], tasks: Sequence[str | None]) -> list[str]:
    """Return the task of each row, with that of its prompt's other rows for a row that lost its own (its label).

    >>> fill_tasks(["p", "p", "q"], [None, "t3", None])
    ['t3', 't3', 'unknown']
    """
    of_prompt: dict[Hashable, str] = {}
    for prompt, task in zip(prompts, tasks, strict=True):
        if task is not None:
            of_prompt.setdefault(prompt, task)
    return [
        of_prompt.get(prompt, "unknown") if task is None else task for prompt, task in zip(prompts, tasks, strict=True)
    ]


def read_advantages(get: Callable[[str], Any]) -> BatchAdvantages:
    """Return the estimator that settings state.

    Args:
        get: Gives a setting of `SETTINGS` by its name, typed or as text; None where it is not set.

    Raises:
        UnknownNameError: There is no such estimator.
        ConfigError: A setting is wrong for the estimator.
        DataError: As `BatchAdvantages`.

    >>> read_advantages({"estimator": "tmn_reweight", "alpha": "0.5"}.get).parameters
    {'alpha': 0.5}
    """
    given = {name: read_setting(name, value) for name in SETTINGS if (value := get(name)) not in (None, "")}
    estimator = str(given.pop("estimator", "tmn_reweight"))
    if estimator in ESTIMATORS:
        takes = inspect.getfullargspec(ESTIMATORS[estimator]).kwonlyargs
        for name in given:
            if name not in (*takes, "decay", "scale_file"):
                raise ConfigError(f"{name} does nothing with the estimator {estimator}", f"leave {name} out")
    return BatchAdvantages(estimator, **given)


def read_reward_settings(get: Callable[[str], Any]) -> tuple[Variant | None, bool]:
    """Return the variant of a reward (None: as the rows say), and whether exactly one closed thinking is wanted.

    Args:
        get: Gives a setting of `REWARD_SETTINGS` by its name, typed or as text; None where it is not set.

    Raises:
        UnknownNameError: The variant is neither ``strict`` nor ``official``.
        ConfigError: ``require_think`` is no switch.

    >>> read_reward_settings({"require_think": "Yes"}.get)
    (None, True)
    """
    variant, gate = get("variant"), get("require_think")
    if variant not in (None, "", "strict", "official"):
        raise UnknownNameError("variant", str(variant), ("strict", "official"))
    return cast("Variant | None", variant or None), gate not in (None, "") and read_switch("require_think", gate)


def read_switch(name: str, value: Any) -> bool:
    """Return what a switch says: a bool, or true, 1, yes, on, y, false, 0, no, off, n in any case.

    Args:
        name: Its name, for the message.
        value: As it was given.

    Raises:
        ConfigError: It says something else.

    >>> read_switch("recenter", " On "), read_switch("recenter", 0)
    (True, False)
    """
    switch = value if isinstance(value, bool) else _SWITCHES.get(str(value).strip().casefold())
    if switch is None:
        raise ConfigError(f"{name} is {value!r}", "give true or false")
    return switch


def read_setting(name: str, value: Any) -> Any:
    """Return a setting of `SETTINGS` as its type, which may have been given as text.

    Raises:
        ConfigError: It can't be read.
    """
    if name == "recenter":
        return read_switch(name, value)
    if name not in _NUMBERS:
        return str(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} is {value!r}", "give a number") from None


def check_names(given: Iterable[str], known: Sequence[str], prefix: str = "") -> None:
    """Check that settings are known: one that is misspelt would do nothing, and nobody would see it.

    Args:
        given: Names, of which those count that begin with the prefix, in any case.
        known: The known ones, without it.
        prefix: What all of ours begin with.

    Raises:
        ConfigError: One is unknown; the hint names the nearest.
    """
    for name in given:
        own = str(name).casefold().removeprefix(prefix.casefold())
        if not str(name).startswith(prefix) or own in known:
            continue
        spelt = {known_one: prefix + (known_one.upper() if prefix.isupper() else known_one) for known_one in known}
        close = nearest(own, known)
        hint = f"did you mean {spelt[close]!r}?" if close else f"known: {', '.join(spelt.values())}"
        raise ConfigError(f"there is no setting {str(name)!r}", hint)


def check_environment(known: Sequence[str]) -> None:
    """Check that environment variables ``GOLONG_NAME`` are settings, or belong to another part of golong-eval.

    Args:
        known: Names of the settings, in small letters.

    Raises:
        ConfigError: One is neither; the hint names the nearest.
    """
    ours = [key for key in os.environ if key.removeprefix(_PREFIX).casefold() not in _ELSEWHERE]
    check_names(ours, known, _PREFIX)


_PREFIX = "GOLONG_"
