"""What can be guessed without reading earns no more than the chance level that is stated, over hundreds of samples."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from golong_eval import score
from golong_eval.rewards import chance_level
from golong_eval.schema import Sample
from golong_eval.tasks.builders import build_samples
from golong_eval.tasks.spec import TaskSpec

pytestmark = pytest.mark.slow

PER_TASK = 150
SEEDS = (11, 12)
STANDARD_ERRORS = 3

Guess = Callable[[Sample], str]


@pytest.fixture(scope="module")
def build(tokenizer, specs) -> Callable[[str, int], list[Sample]]:
    made: dict[tuple[str, int], list[Sample]] = {}

    def built(task: str, seed: int = SEEDS[0]) -> list[Sample]:
        if (task, seed) not in made:
            made[task, seed] = list(
                build_samples(
                    "pydoc",
                    tasks=[task],
                    length=4096,
                    per_task=PER_TASK,
                    seed=seed,
                    tokenizer=tokenizer,
                    specs=specs,
                )
            )
        assert len(made[task, seed]) == PER_TASK
        return made[task, seed]

    return built


def earned(spec: TaskSpec, sample: Sample, guess: Guess) -> float:
    value = score(spec.metric, guess(sample), sample.gold, language="en", question=sample.question).value
    assert value is not None
    return value


def chance(spec: TaskSpec, sample: Sample) -> float:
    level = chance_level(spec.metric.name, sample.gold, sample.metadata.candidates)
    assert level is not None
    return level


def assert_no_better_than_chance(spec: TaskSpec, samples: Sequence[Sample], guesses: dict[str, Guess]) -> None:
    """Compare sample by sample: the chance level differs between them."""
    found = {}
    for name, guess in guesses.items():
        over = [earned(spec, sample, guess) - chance(spec, sample) for sample in samples]
        error = statistics.stdev(over) / len(over) ** 0.5
        found[name] = f"{statistics.fmean(over):+.3f} +- {error:.3f}"
        assert statistics.fmean(over) <= STANDARD_ERRORS * error + 1e-9, (name, found)


def ranked(sample: Sample, key: Callable[[dict[str, str], str], float], rank: int) -> str:
    statements = dict(re.findall(r"^([A-D])\. (.+)$", sample.question, re.MULTILINE))
    return sorted(statements, key=lambda letter: key(statements, letter))[rank]


def length(statements: dict[str, str], letter: str) -> float:
    return len(statements[letter])


def likeness(statements: dict[str, str], letter: str) -> float:
    """Return the overlap in words with the other statements."""
    words = {name: set(re.findall(r"\w+", text.lower())) for name, text in statements.items()}
    mine = words.pop(letter)
    return sum(len(mine & other) / len(mine | other) for other in words.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_t2_by_letter_length_and_likeness(seed, build, specs):
    guesses: dict[str, Guess] = {letter: lambda _, letter=letter: letter for letter in "ABCD"}
    for name, key in (("length", length), ("likeness", likeness)):
        for rank in range(4):
            guesses[f"{name} {rank}"] = lambda sample, key=key, rank=rank: ranked(sample, key, rank)
    assert_no_better_than_chance(specs["t2"], build("t2", seed), guesses)


def test_t3_naming_every_document_earns_what_is_stated(build, specs):
    for sample in build("t3"):
        everything = earned(specs["t3"], sample, lambda sample: "\n".join(doc.id for doc in sample.documents))
        assert everything == pytest.approx(chance(specs["t3"], sample))


def test_t4_by_the_number_that_is_right_most_often(build, specs):
    """Learnt from other samples: the number that happens to be most frequent in a sample is more so than it should."""
    learnt = Counter(sample.gold.value for sample in build("t4", SEEDS[1]))
    guesses = {number: lambda _, number=number: number for number, _ in learnt.most_common(5)}
    assert_no_better_than_chance(specs["t4"], build("t4"), guesses)


def table(**columns: Sequence[object]) -> str:
    return json.dumps({"columns": list(columns), "data": list(zip(*columns.values(), strict=True))})


def test_t5_by_labels_and_common_counts(build, specs):
    """No chance level is stated: two thirds of a row can't be guessed, so a guess must stay far below 1/3."""
    samples = build("t5")
    learnt = Counter(row[2] for sample in build("t5", SEEDS[1]) for row in sample.gold.data)
    common = [count for count, _ in learnt.most_common(3)]
    guesses: dict[str, Guess] = {
        "labels in the question": lambda sample: table(
            document=re.findall(r"D\d+", sample.question), count=[common[0]] * len(re.findall(r"D\d+", sample.question))
        ),
        "every label": lambda sample: table(document=[doc.id for doc in sample.documents]),
        "one count": lambda _: table(count=common[:1] * 4),
        "common counts": lambda _: table(count=[common[0], *common]),
        "every label with a count": lambda sample: table(
            document=[doc.id for doc in sample.documents], count=common[:1] * len(sample.documents)
        ),
    }
    for name, guess in guesses.items():
        assert statistics.fmean(earned(specs["t5"], sample, guess) for sample in samples) < 0.2, name
    counts = [row[2] for sample in samples for row in sample.gold.data]
    assert counts.count(0) < 0.25 * len(counts)


def test_t6_by_one_label_for_all(build, specs):
    def all_in(label: str) -> Guess:
        return lambda sample: "\n".join(f"{item.split()[0]} {label}" for item in sample.gold.items)

    samples = [*build("t6"), *build("t6", SEEDS[1])]
    assert_no_better_than_chance(specs["t6"], samples, {f"D{n}": all_in(f"D{n}") for n in range(1, 6)})


@pytest.mark.parametrize("seed", SEEDS)
def test_t7_by_order_of_listing_length_and_label(seed, build, specs):
    def by(key: Callable[[Sample, str], float]) -> Guess:
        return lambda sample: "\n".join(
            sorted(re.findall(r"D\d+", sample.question), key=lambda label: key(sample, label))
        )

    def size(sample: Sample, label: str) -> float:
        return next(len(doc.text or "") for doc in sample.documents if doc.id == label)

    guesses = {
        "as listed": by(lambda sample, label: 0),
        "longest first": by(lambda sample, label: -size(sample, label)),
        "shortest first": by(size),
        "by label": by(lambda sample, label: int(label[1:])),
    }
    assert_no_better_than_chance(specs["t7"], build("t7", seed), guesses)


def test_t8_by_order_of_listing(build, specs):
    guesses: dict[str, Guess] = {
        "as listed": lambda sample: "\n".join(sorted(sample.gold.items)),
        "backwards": lambda sample: "\n".join(sorted(sample.gold.items, reverse=True)),
    }
    assert_no_better_than_chance(specs["t8"], build("t8"), guesses)
