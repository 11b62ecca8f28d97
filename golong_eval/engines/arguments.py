"""The arguments that one engine alone knows, as a typed model: ``--engine-arg KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from golong_eval.errors import ConfigError
from golong_eval.faults import explain
from golong_eval.schema import Frozen

__all__ = ["read_arguments"]

_Arguments = TypeVar("_Arguments", bound=Frozen)


def read_arguments(kind: type[_Arguments], engine: str, args: Mapping[str, JsonValue]) -> _Arguments:
    """Return an engine's arguments, checked.

    Args:
        kind: The model of the arguments; the field of each says what it means.
        engine: Name of the engine, for messages.
        args: As given.

    Raises:
        ConfigError: A key is unknown (names the nearest) or a value does not fit.
    """
    try:
        return kind.model_validate(args)
    except ValidationError as error:
        known = ", ".join(kind.model_fields)
        raise ConfigError(
            f"engine arguments of {engine}: {'; '.join(explain(error, kind))}", f"use --engine-arg with: {known}"
        ) from None
