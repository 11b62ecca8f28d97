"""What an attack is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from golong_eval.rewards.audit.material import Material

__all__ = ["KINDS", "Attack", "Form", "Kind", "attacks_of_kind", "each"]

Kind = Literal["content-free", "partial knowledge", "displaced gold", "decorated gold"]

KINDS: dict[Kind, str] = {
    "content-free": "knows nothing of the answer; may earn what chance or an honest wrong answer earns",
    "partial knowledge": "knows the gold or a part, and adds, repeats or hedges; may earn what the definition pays",
    "displaced gold": "has the gold where, or in letters in which, it must not count",
    "decorated gold": "is the gold, dressed up: an honest answer, which nothing bounds",
}
"""The kinds of attacks, and what each may earn."""


class Form(NamedTuple):
    """One way to mount an attack: its reward is the mean over its responses, the attack's the worst of its forms.

    A mean is asked for where one response would only tell of luck: of "A or B" and "B or A" one may be read as right.
    """

    responses: tuple[str, ...]
    ceiling: float | None = None
    """The most that it may earn; None for the bound of the sample (chance, or an honest wrong answer)."""


@dataclass(frozen=True)
class Attack:
    """An attack: a name, its kind, and the forms that it takes on a sample (none where it has no meaning)."""

    name: str
    kind: Kind
    description: str
    forms: Callable[[Material], Iterable[Form]]


def attacks_of_kind(kind: Kind) -> tuple[list[Attack], Callable[[Callable[[Material], Iterable[Form]]], Attack]]:
    """Return a list, and a decorator that turns a function into an attack and adds it to that list.

    The function's name is the attack's, its docstring's first line the description.
    """
    attacks: list[Attack] = []

    def attack(forms: Callable[[Material], Iterable[Form]]) -> Attack:
        name = getattr(forms, "__name__", "").replace("_", " ")
        attacks.append(Attack(name, kind, (forms.__doc__ or "").strip().partition("\n")[0], forms))
        return attacks[-1]

    return attacks, attack


def each(responses: Iterable[str], ceiling: float | None = None) -> list[Form]:
    """Return a form for each response."""
    return [Form((response,), ceiling) for response in responses]
