"""RULER's eleven tasks that need no download: needles, chains of variables, common and frequent words.

The prompts are in our own words, with the parts, the counts and the kinds of needle of RULER's thirteen tasks. Where
RULER hides needles in essays, these are hidden in the help topics of Python.
"""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from golong_eval.benchmarks.haystack import fit, hide, prose

__all__ = ["GENERATED_TASKS", "Draft", "drafts"]

_FIRST_PARTS = """
amber brisk calm dusty early faint gentle hollow icy jolly keen lively mellow narrow olden pale quiet rapid silver tidy
upper vivid warm young zesty ashen bold coarse damp eager fierce golden humble inner jagged kindly lofty modest noble
oblong plain quaint rustic solid tender useful velvet wooden yellow azure bitter clever distant empty famous grand
"""
_SECOND_PARTS = """
anchor bridge candle dagger engine feather garlic harbour island jacket kettle ladder market needle orchard
paddle quarry ribbon saddle tunnel umbrella valley window yardarm zipper apron basket copper drawer ember forest glacier
hammer insect jigsaw kernel lantern meadow nectar oyster pebble quiver river shovel thimble urchin violin walnut yarn
almond button cradle dolphin emblem fiddle goblet hazel
"""
_THIRD_PARTS = """
bay cliff dale edge field grove hill isle keep lane marsh nook park quay ridge shore tower vale wharf yard arch
barn cove dock
"""
_FIRST, _SECOND, _THIRD = _FIRST_PARTS.split(), _SECOND_PARTS.split(), _THIRD_PARTS.split()
_NOISE = ("The lake is still.", "The moon is up.", "The road goes on.", "We leave now.", "Down, up, and down again.")
_UUID, _NUMBER = "uuid", "number"


class Draft(NamedTuple):
    """A prompt in its parts, and the answers."""

    opening: str
    context: str
    question: str
    """One line, which ends in the start of the answer."""
    outputs: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole prompt."""
        return f"{self.opening}\n{self.context}\n{self.question}"


Builder = Callable[[random.Random, int, int], Draft]
"""Makes a draft from a generator of random numbers, an amount of filler, and the length that is wanted."""


def _compounds(draw: random.Random, count: int, joint: str = "") -> list[str]:
    """Return different words of two parts, and of three or more where there are too few of two."""
    made = []
    for number in draw.sample(range(max(len(_FIRST) * len(_SECOND), 2 * count)), count):
        rest, first = divmod(number, len(_FIRST))
        rest, second = divmod(rest, len(_SECOND))
        parts = [_FIRST[first], _SECOND[second]]
        while rest:
            rest, third = divmod(rest - 1, len(_THIRD))
            parts.append(_THIRD[third])
        made.append(joint.join(parts))
    return made


def _uuids(draw: random.Random, count: int) -> list[str]:
    return [str(uuid.UUID(int=draw.getrandbits(128), version=4)) for _ in range(count)]


def _numbers(draw: random.Random, count: int) -> list[str]:
    return [str(number) for number in draw.sample(range(1_000_000, 10_000_000), count)]


def _noise(count: int) -> list[str]:
    return [_NOISE[place % len(_NOISE)] for place in range(count)]


def _niah(
    filler: str, *, keys: int = 1, values: int = 1, asked: int = 1, key: str = "word", value: str = _NUMBER
) -> Builder:
    """Return a builder of needles in a haystack.

    Args:
        filler: ``noise``, ``prose``, or ``needles``: the haystack is made of others like it.
        keys: How many different needles.
        values: How many values each has.
        asked: How many keys are asked for.
        key: Kind of keys: ``word`` or ``uuid``.
        value: Kind of values: ``number`` or ``uuid``.
    """

    def build(draw: random.Random, amount: int, _length: int) -> Draft:
        total = keys + (amount if filler == "needles" else 0)
        names = _compounds(draw, total, "-") if key == "word" else _uuids(draw, total)
        kept = (_numbers if value == _NUMBER else _uuids)(draw, total * values)
        pairs = [(names[place // values], kept[place]) for place in range(len(kept))]
        said = [f"A secret {value} of {name} is {one}." for name, one in pairs]
        wanted = names[:asked]
        draw.shuffle(said)
        around = {"noise": _noise, "prose": prose}.get(filler)
        lines = said if around is None else hide(said, around(amount), draw)
        listed = wanted[0] if asked == 1 else f"{', '.join(wanted[:-1])} and {wanted[-1]}"
        one = asked * values == 1
        what = f"What is the secret {value}" if one else f"What are all the secret {value}s"
        start = f"The secret {value} of {listed} is" if one else f"The secret {value}s of {listed} are"
        opening = (
            f"Secret {value}s are hidden in the text below. Remember them: you will be asked for "
            f"{'one' if one else 'some'} of them at the end."
        )
        outputs = tuple(one for name, one in pairs if name in wanted)
        return Draft(opening, "\n".join(lines), f"{what} of {listed} that the text above gives? {start}", outputs)

    return build


def _chain(draw: random.Random, names: list[str]) -> tuple[str, list[str]]:
    value = str(draw.randint(10_000, 99_999))
    return value, [f"VAR {names[0]} = {value}"] + [f"VAR {after} = VAR {before}" for before, after in pairwise(names)]


def _variables(draw: random.Random, amount: int, _length: int) -> Draft:
    """One chain of five variables in noise, with a worked example before it."""
    names: list[str] = []
    while len(names) < 10:
        name = "".join(draw.choices(string.ascii_uppercase, k=5))
        names += [name] * (name not in names)
    asked, chain = _chain(draw, names[:5])
    shown, example = _chain(draw, names[5:])
    opening = (
        "Chains of assignments are hidden in the text below. Follow them: a variable that is set to another has its "
        f"value.\n\nExample: {'. '.join(example)}. Five variables have the value {shown}: {' '.join(names[5:])}\n"
    )
    question = (
        f"Question: which variables of the text above have the value {asked}, by the chain of assignments? "
        "Five variables have it, and they are:"
    )
    return Draft(opening, "\n".join(hide(chain, _noise(amount), draw)), question, tuple(names[:5]))


def _common(draw: random.Random, amount: int, length: int) -> Draft:
    """Ten words thirty times among others three times (six and one below 4,096 tokens), with a worked example."""
    often, seldom = (30, 3) if length >= 4096 else (6, 1)
    words = _compounds(draw, amount + 14)
    example = [*words[-4:-2] * 3, *words[-2:]]
    context = [*words[:10] * often, *words[10:-4] * seldom]
    draw.shuffle(example)
    draw.shuffle(context)
    opening = (
        "Below is a numbered list of words, some of which come more often than the others. Remember which.\n\n"
        f"Example: {_numbered(example)}. The two most common words are: {' '.join(words[-4:-2])}\n"
    )
    question = "Question: which ten words are the most common in the list above? The ten most common words are:"
    return Draft(opening, _numbered(context), question, tuple(words[:10]))


def _numbered(words: list[str]) -> str:
    return " ".join(f"{place}. {word}" for place, word in enumerate(words, 1))


def _frequent(draw: random.Random, amount: int, _length: int) -> Draft:
    """Coded words whose counts fall with the square of the rank (Zipf, alpha 2); the first is made of dots."""
    total = amount + 60
    scale = total * 6 / 3.141592653589793**2
    counts = [int(scale / rank**2) for rank in range(1, int(scale**0.5) + 1)]
    counts += [1] * (total - sum(counts))
    coded: dict[str, None] = {}
    while len(coded) < len(counts):
        coded["".join(draw.choices(string.ascii_lowercase, k=6))] = None
    words = ["...", *list(coded)[1 : len(counts)]]
    said = [word for word, count in zip(words, counts, strict=True) for _ in range(count)]
    draw.shuffle(said)
    opening = "The text below is in code. Keep count of how often each coded word comes; the dots are no word."
    question = (
        "Question: which three coded words come most often in the text above? Leave out the dots, and explain nothing. "
        "The three most frequent words are:"
    )
    return Draft(opening, " ".join(said), question, tuple(words[1:4]))


GENERATED_TASKS: dict[str, Builder] = {
    "niah_single_1": _niah("noise"),
    "niah_single_2": _niah("prose"),
    "niah_single_3": _niah("prose", value=_UUID),
    "niah_multikey_1": _niah("prose", keys=4),
    "niah_multikey_2": _niah("needles"),
    "niah_multikey_3": _niah("needles", key=_UUID, value=_UUID),
    "niah_multivalue": _niah("prose", values=4),
    "niah_multiquery": _niah("prose", keys=4, asked=4),
    "vt": _variables,
    "cwe": _common,
    "fwe": _frequent,
}


def drafts(
    length: int, budget: int, count: int, seed: int, tokens: Callable[[str], int]
) -> Iterator[tuple[str, int, Draft, int]]:
    """Yield task, number, draft and its tokens, `count` of each task.

    Args:
        length: Tokens that prompt and answer may have together; most drafts use 97 % of it or more, none more.
        budget: Tokens of the answer.
        count: Drafts of each task.
        seed: The same seed gives the same drafts.
        tokens: Counts the tokens of a text.

    Raises:
        ConfigError: A task does not fit into the length.
    """
    for task, builder in GENERATED_TASKS.items():
        guess = max(1, (length - budget) // 20)
        for index in range(count):

            def build(amount: int, task: str = task, index: int = index, builder: Builder = builder) -> Draft:
                return builder(random.Random(f"{seed}/{task}/{length}/{index}"), amount, length)

            def size(made: Draft) -> int:
                return tokens(made.text)

            draft, guess = fit(build, size, length - budget, guess, f"RULER's {task}")
            yield task, index, draft, size(draft)
