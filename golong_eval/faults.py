"""Say in words what Pydantic found wrong in a file: which key, what is wrong with it, which key was meant.

>>> from pydantic import ValidationError
>>> from golong_eval.schema import Document
>>> try:
...     Document.model_validate({"id": "D1", "txt": "one"})
... except ValidationError as error:
...     explain(error, Document)
["unknown key 'txt': did you mean 'text'?"]
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from golong_eval.errors import nearest

__all__ = ["Fault", "Problem", "explain", "path_text", "problems"]

_NOUNS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
}


class Fault(NamedTuple):
    """Something wrong in a file of the user's. Prints as ``file:line: message``."""

    file: str
    line: int | None
    """1-based; None when the fault is the file's as a whole."""
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class Problem(NamedTuple):
    """One thing wrong in a value: the keys and list positions that lead to it, and what is wrong."""

    path: tuple[str | int, ...]
    message: str
    key: str | None = None
    """The key that is not known in the object at `path`, where that is the problem."""

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.message}" if self.path else self.message


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return what is wrong, one short line a problem, each beginning with the key it is about.

    Args:
        error: What validating raised.
        model: The model that was validated against.
    """
    return [str(problem) for problem in problems(error, model)]


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return what is wrong as paths and messages; `explain` gives the same as text.

    A path follows the data as written: Pydantic's labels of union members are left out, and the
    complaints of all members about one value are one problem. An unknown or missing key is a problem
    of the object that has or lacks it.
    """
    if error.title != model.__name__:
        raise ValueError(f"the error is of {error.title}, not of {model.__name__}")
    found: list[Problem] = []
    wanted: dict[tuple[str | int, ...], list[str]] = {}
    details = error.errors(include_url=False)
    places = [detail["loc"] for detail in details]
    unknown = _unknown_keys(details)
    for detail in details:
        place, kind = detail["loc"], detail["type"]
        path, owner = _follow(model, place)
        value = _shown(detail["input"])
        if kind == "extra_forbidden":
            key = str(place[-1])
            found.append(Problem(path[:-1], f"unknown key {key!r}: {_meant(key, owner)}", key))
        elif kind == "missing":
            key = str(place[-1])
            if not any(nearest(other, _keys(owner)) == key for other in unknown.get(place[:-1], ())):
                found.append(Problem(path[:-1], f"needs the key {key!r}"))
            # else the unknown key beside it is this one, misspelt: one problem, said once
        elif kind == "too_short" and any(other != place and other[: len(place)] == place for other in places):
            continue  # Pydantic counts only valid items; the invalid ones are reported themselves
        elif (noun := _NOUNS.get(kind.removesuffix("_type").removesuffix("_parsing"))) is not None:
            nouns = wanted.setdefault(path, [])
            nouns.append(noun)
            if len(nouns) > 1:
                found.pop()  # the complaint of the union's member before this one
            found.append(Problem(path, f"must be {_either(nouns)}, not {value}"))
        else:
            found.append(Problem(path, _message(kind, str(detail["msg"]), detail.get("ctx", {}), value)))
    return list(dict.fromkeys(found))


def path_text(path: tuple[str | int, ...]) -> str:
    """Return a path as written in code: ``documents[0].title``. Positions count from 0."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _shown(value: object) -> str:
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 60
    brief.maxlist = brief.maxtuple = brief.maxdict = 3
    brief.maxlevel = 2
    return brief.repr(value)


def _message(kind: str, text: str, context: Mapping[str, Any], value: str) -> str:
    match kind:
        case "json_invalid":
            # One object a line: Pydantic's line is always 1, the caller knows the file's.
            return f"not JSON: {str(context['error']).replace(' at line 1 column', ' at column')}"
        case "value_error" | "assertion_error":
            return text.partition(", ")[2] or text
        case "string_pattern_mismatch":
            return (
                "must not be blank" if context["pattern"] == r"\S" else f"{value} does not match {context['pattern']}"
            )
        case "too_short":
            return f"needs at least {context['min_length']} entries, has {context['actual_length']}".replace(
                "least 1 entries", "least 1 entry"
            )
        case "union_tag_not_found":
            return f"needs the key {context['discriminator']}"
        case "union_tag_invalid":
            known = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
            close = nearest(str(context["tag"]), known)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(known)}"
            return f"unknown {context['discriminator']} {context['tag']!r}: {hint}"
        case _:
            return f"{text.replace('Input should be', 'must be')}, not {value}"


def _meant(key: str, owner: object) -> str:
    keys = _keys(owner)
    close = nearest(key, keys)
    return f"did you mean {close!r}?" if close else f"known: {', '.join(keys)}"


def _keys(owner: object) -> list[str]:
    return list(owner.model_fields) if isinstance(owner, type) and issubclass(owner, BaseModel) else []


def _unknown_keys(details: list[Any]) -> dict[tuple[str | int, ...], list[str]]:
    unknown: dict[tuple[str | int, ...], list[str]] = {}
    for detail in details:
        if detail["type"] == "extra_forbidden":
            unknown.setdefault(detail["loc"][:-1], []).append(str(detail["loc"][-1]))
    return unknown


def _either(nouns: list[str]) -> str:
    different = list(dict.fromkeys(nouns))
    return different[0] if len(different) == 1 else f"{', '.join(different[:-1])} or {different[-1]}"


def _follow(model: type[BaseModel], place: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], object]:
    """Return the path in the data that a Pydantic location names, and the type that holds its last step."""
    path: list[str | int] = []
    here: object = model
    owner: object = model
    for step in place:
        members = _members(here)
        if len(members) > 1:
            # A union: this step is not in the data, it names the member that was tried.
            here = next((member for member in members if _is_labelled(member, step)), Any)
            continue
        owner = here = members[0] if members else Any
        path.append(step)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(step))
            here = field.annotation if field else Any
        else:
            arguments = [argument for argument in get_args(here) if argument is not Ellipsis]
            here = arguments[-1] if arguments else Any
    return tuple(path), owner


def _members(annotation: object) -> list[object]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) if part is not NoneType for member in _members(part)]
    return [annotation]


def _is_labelled(member: object, label: str | int) -> bool:
    if not (isinstance(member, type) and issubclass(member, BaseModel)):
        return getattr(member, "__name__", None) == label
    tags = (get_args(field.annotation) for field in member.model_fields.values() if _is_literal(field.annotation))
    return member.__name__ == label or any(label in tag for tag in tags)


def _is_literal(annotation: object) -> bool:
    return get_origin(annotation) is Literal
