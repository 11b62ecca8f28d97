"""Rows whose prompt is a conversation, kept as JSON."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from golong_eval.errors import DataError
from golong_eval.schema import Turn

__all__ = ["turns_of"]

_TURNS = TypeAdapter(list[Turn])


def turns_of(prompt: str, place: str) -> list[Turn]:
    """Return the messages of a conversation, the last of which is the user's.

    Args:
        prompt: The messages as JSON.
        place: Where it stands, for messages.

    Raises:
        DataError: It is no list of messages, or ends otherwise.
    """
    try:
        turns = _TURNS.validate_json(prompt)
    except ValidationError as error:
        told = f"{place}: prompt: no list of messages ({error.errors()[0]['msg']})"
        raise DataError(told, "check the file") from None
    if not turns or turns[-1].role != "user":
        raise DataError(f"{place}: prompt: the last message is not the user's", "check the file")
    return turns
