"""Small worlds for BABILong's tasks qa1 to qa5: people move, pick things up, put them down, give them away.

The sentences are our own, in the simple manner of bAbI's; names, places and things are those of its vocabulary, since
the scoring knows answers by them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

__all__ = ["GENERATED_TASKS", "OBJECTS", "PLACES", "Story", "story"]

PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
OBJECTS = ("apple", "football", "milk")
_PEOPLE = ("Daniel", "John", "Mary", "Sandra")
_GIVERS = ("Bill", "Fred", "Jeff", "Mary")
_GO = ("walked to", "went over to", "strolled to", "hurried to", "headed for")
_TAKE = ("picked up", "took", "lifted")
_DROP = ("put down", "left", "let go of")
_GIVE = ("gave", "handed", "passed")
_SIDES = (("north", "south"), ("east", "west"))


class Story(NamedTuple):
    """Facts in order, a question, and its answer."""

    facts: tuple[str, ...]
    question: str
    target: str


class _World:
    """Where people and things are, and what has been told of it."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.facts: list[str] = []
        self.at: dict[str, str] = {}
        self.held: dict[str, str] = {}
        self.trail: dict[str, list[str]] = {thing: [] for thing in OBJECTS}

    def note(self, thing: str, place: str) -> None:
        """Add a place to those where a thing was."""
        if self.trail[thing][-1:] != [place]:
            self.trail[thing].append(place)

    def move(self, person: str) -> None:
        """Let a person go to another place, with all that they carry."""
        place = self.draw.choice([one for one in PLACES if one != self.at.get(person)])
        self.at[person] = place
        self.facts.append(f"{person} {self.draw.choice(_GO)} the {place}.")
        for thing in [thing for thing, holder in self.held.items() if holder == person]:
            self.note(thing, place)

    def handle(self, person: str) -> None:
        """Let a person put down what they hold, or pick up what lies about or was not told of yet."""
        place = self.at[person]
        mine = [thing for thing, holder in self.held.items() if holder == person]
        near = [one for one in OBJECTS if one not in self.held and self.trail[one][-1:] in ([], [place])]
        if mine and self.draw.random() < 0.3:
            thing = self.draw.choice(mine)
            del self.held[thing]
            self.facts.append(f"{person} {self.draw.choice(_DROP)} the {thing}.")
        elif near:
            thing = self.draw.choice(near)
            self.held[thing] = person
            self.note(thing, place)
            self.facts.append(f"{person} {self.draw.choice(_TAKE)} the {thing}.")

    def step(self) -> None:
        """Let something happen."""
        person = self.draw.choice(_PEOPLE)
        if person in self.at and self.draw.random() < 0.4:
            self.handle(person)
        else:
            self.move(person)


def _where_is_who(draw: random.Random) -> Story:
    world = _World(draw)
    for _ in range(draw.randint(4, 10)):
        world.move(draw.choice(_PEOPLE))
    person = draw.choice(sorted(world.at))
    return Story(tuple(world.facts), f"Where is {person}?", world.at[person])


def _where_is_what(draw: random.Random) -> Story:
    world = _World(draw)
    for _ in range(draw.randint(8, 16)):
        world.step()
    while not any(len(places) > 1 for places in world.trail.values()):
        world.step()
    thing = draw.choice([one for one in OBJECTS if len(world.trail[one]) > 1])
    return Story(tuple(world.facts), f"Where is the {thing}?", world.trail[thing][-1])


def _where_was_what(draw: random.Random) -> Story:
    world = _World(draw)
    asked: list[tuple[str, str, str]] = []
    least = draw.randint(14, 30)
    while len(world.facts) < least or not asked:
        world.step()
        asked = [
            (thing, before, place)
            for thing, places in world.trail.items()
            for before, place in pairwise(places)
            if places.count(place) == 1
        ]
    thing, before, place = draw.choice(asked)
    return Story(tuple(world.facts), f"Where was the {thing} before the {place}?", before)


def _which_way(draw: random.Random) -> Story:
    first, middle, last = draw.sample(PLACES, 3)
    side, other = draw.choice(_SIDES)
    if draw.random() < 0.5:
        side, other = other, side
    facts = [f"The {first} is {side} of the {middle}.", f"The {last} is {other} of the {middle}."]
    draw.shuffle(facts)
    question = f"What is {side} of the {middle}?" if draw.random() < 0.5 else f"What is the {middle} {other} of?"
    return Story(tuple(facts), question, first)


def _who_gave(draw: random.Random) -> Story:
    facts: list[str] = []
    things = list(OBJECTS)
    draw.shuffle(things)
    asked: list[tuple[str, str]] = []
    pairs = draw.sample([(one, two) for one in _GIVERS for two in _GIVERS if one != two], 3)
    for thing, (giver, taker) in zip(things, pairs, strict=True):
        facts.append(f"{giver} {draw.choice(_TAKE)} the {thing}.")
        facts += [_walk(draw) for _ in range(draw.randint(0, 2))]
        facts.append(f"{giver} {draw.choice(_GIVE)} the {thing} to {taker}.")
        facts += [_walk(draw) for _ in range(draw.randint(0, 2))]
        asked += [
            (f"Who gave the {thing} to {taker}?", giver),
            (f"Who did {giver} give the {thing} to?", taker),
            (f"What did {giver} give to {taker}?", thing),
            (f"Who gave the {thing}?", giver),
            (f"Who received the {thing}?", taker),
        ]
    question, target = draw.choice(asked)
    return Story(tuple(facts), question, target)


def _walk(draw: random.Random) -> str:
    return f"{draw.choice(_GIVERS)} {draw.choice(_GO)} the {draw.choice(PLACES)}."


GENERATED_TASKS: dict[str, Callable[[random.Random], Story]] = {
    "qa1": _where_is_who,
    "qa2": _where_is_what,
    "qa3": _where_was_what,
    "qa4": _which_way,
    "qa5": _who_gave,
}


def story(task: str, draw: random.Random) -> Story:
    """Return a story of a task; the same state of `draw` gives the same.

    >>> made = story("qa4", random.Random(0))
    >>> len(made.facts), made.target in PLACES
    (2, True)
    """
    return GENERATED_TASKS[task](draw)
