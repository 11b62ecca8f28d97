"""The arguments that one engine alone knows, as a typed model: ``--engine-arg KEY=VALUE``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from golong_eval.errors import ConfigError
from golong_eval.faults import explain
from golong_eval.schema import Frozen

__all__ = ["masked", "read_arguments"]

_SECRET = re.compile(
    r"(api|access|subscription)[_-]?key|secret|passw|authorization|credential|private|cookie|^(bearer|key)$"
    r"|^x[_-]?auth|(^|access|auth|api|hf|bearer)[_-]?token$",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<=://)[^/?#\s]+@")  # of an address: user:password@

_Arguments = TypeVar("_Arguments", bound=Frozen)


def masked(value: JsonValue) -> JsonValue:
    """Return a value with whatever stands under a secret-looking key, and logins in addresses, hidden at any depth.

    >>> masked({"top_k": 20, "extra": [{"Authorization": "Bearer x", "eos_token": "</s>"}]})
    {'top_k': 20, 'extra': [{'Authorization': '***', 'eos_token': '</s>'}]}
    >>> masked({"proxy": "http://user:word@host:80/", "cookie": "a"})
    {'proxy': 'http://***@host:80/', 'cookie': '***'}
    """
    if isinstance(value, dict):
        return {key: "***" if _SECRET.search(key) else masked(inner) for key, inner in value.items()}
    if isinstance(value, str):
        return _LOGIN.sub("***@", value)
    return [masked(inner) for inner in value] if isinstance(value, list) else value


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
        raise ConfigError(
            f"engine arguments of {engine}: {'; '.join(explain(error, kind))}",
            f"it takes --engine-arg KEY=VALUE with {', '.join(kind.model_fields)}",
        ) from None
