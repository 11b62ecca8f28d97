"""What a run is: every setting, checked when it is made, written to ``config.json``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from golong_eval.engines import Thinking
from golong_eval.errors import ConfigError
from golong_eval.faults import explain
from golong_eval.schema import Frozen
from golong_eval.tasks import ContextMode

__all__ = ["RunSettings"]

_SECRET = re.compile(r"key|token$|secret|password|authorization", re.IGNORECASE)


class RunSettings(Frozen):
    """The settings of one run. `golong run` has a flag for each; `evaluate` takes each as an argument."""

    model: str | None = None
    """A checkpoint folder, a hub name, or a script of the scripted engine; None is the embedded checkpoint."""
    tasks: tuple[str, ...] = ("all",)
    """Task ids, ``all`` (the nine), or JSONL files of samples."""
    documents: str | None = None
    """Folder of documents to build the tasks from; None is ``pydoc``, CPython's own documentation."""
    length: str = "4k"
    """Tokens of a built prompt."""
    tokenizer: str | None = None
    """Tokenizer that counts them; None is the model's own."""
    context: ContextMode = "full"
    engine: str = "auto"
    engine_args: dict[str, str | int | float | bool] = Field(default_factory=dict)
    limit: int | None = Field(default=None, ge=1)
    """Samples of each task; None is 20 for built tasks and all for files."""
    repeats: int = Field(default=1, ge=1)
    """Answers to each sample."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    thinking: Thinking = "auto"
    temperature: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """Budget of an answer; None is the task's own."""
    trust_remote_code: bool = False
    include: tuple[str, ...] = ()
    """Folders with tasks of the user's own."""
    output_dir: str = "runs"
    resume: bool = False

    @field_validator("tasks", "include", mode="before")
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
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("model", "documents", "tokenizer", "output_dir", mode="before")
    @classmethod
    def _path_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, Path) else value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.tasks:
            raise ValueError("tasks: name at least one")
        if self.repeats > 1 and self.temperature == 0:
            raise ValueError("repeats: greedy decoding gives the same answer each time; set a temperature, such as 0.7")
        return self

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Make settings from keyword arguments.

        Raises:
            ConfigError: A key is unknown (names the nearest) or a value is out of its range.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigError("; ".join(explain(error, cls)), "see: golong run --help") from None

    def identity(self) -> dict[str, Any]:
        """Return what two runs must share to be one run: all settings but where and how often it is started."""
        return self.model_dump(mode="json", exclude={"output_dir", "resume"})

    def masked(self) -> dict[str, Any]:
        """Return all settings for ``config.json``, with the values of secret-looking arguments hidden."""
        values = self.identity()
        values["engine_args"] = {
            key: "***" if _SECRET.search(key) else value for key, value in self.engine_args.items()
        }
        return values
