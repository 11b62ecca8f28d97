"""BABILong: worlds that are made, rows that are read, and the two rules."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.benchmarks.babilong import BABILong
from golong_eval.benchmarks.babilong_generator import GENERATED_TASKS, OBJECTS, Story, story
from golong_eval.benchmarks.babilong_labels import LABELS
from golong_eval.benchmarks.base import Answer
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import RowGold

ONE = BABILong()
COUNTERS: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(text.split()),
    "characters": lambda text: len(text) // 4 + 1,
}
WHERE, WAY, TO, IS = (
    "Where is Mary? ",
    "What is north of the garden?",
    "Who did Fred give the apple to?",
    "Is John here?",
)


def values(text: str, task: str, question: str, target: str) -> tuple[float, float]:
    row = ONE.row_of_columns({"task": task, "question": question, "target": target}, "row")
    final = text.rpartition("</think>")[2]
    return ONE.score(Answer(text, final), row, "official").value, ONE.score(Answer(text, final), row, "strict").value


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1200, 20_000), st.sampled_from(sorted(COUNTERS)))
def test_a_made_row_fills_its_length_and_never_exceeds_it_and_its_gold_is_right(
    seed: int, length: int, counter: str
) -> None:
    tokens = COUNTERS[counter]
    made = list(ONE.generate(length, 2, seed, tokens))
    assert [row.task for row in made] == [task for task in GENERATED_TASKS for _ in range(2)]
    for row in made:
        used = tokens(ONE.prompt(ONE.sample(row, "row")).text) + ONE.max_tokens
        assert 0.9 * length <= used <= length
        gold = ONE.gold_answer(row)
        assert [ONE.score(Answer(gold, gold), row, variant).value for variant in ("official", "strict")] == [1, 1]


def test_the_same_seed_makes_the_same_rows_and_the_facts_keep_their_order() -> None:
    tokens = COUNTERS["words"]
    one, two = (list(ONE.generate(3000, 2, 5, tokens)) for _ in range(2))
    assert one == two
    for row in one:
        told = story(row.task, random.Random(f"5/{row.task}/3000/{row.number}"))
        assert told.question == row.question
        start = 0
        for fact in told.facts:
            start = row.input.index(fact, start) + len(fact)


def answer_of(told: Story) -> str:
    """Answer a question from its sentences alone, by another way than the generator's."""
    at: dict[str, str] = {}
    holder: dict[str, str | None] = {}
    trail: dict[str, list[str]] = {thing: [] for thing in OBJECTS}
    given_to: list[tuple[str, str, str]] = []
    sides: list[tuple[str, str, str]] = []
    for fact in told.facts:
        words = fact.rstrip(".").split()
        thing = next((word for word in words if word in OBJECTS), None)
        if " of the " in fact and words[2] == "is":
            sides.append((words[1], words[3], words[6]))
        elif thing is None:
            at[words[0]] = words[-1]
            for carried, who in holder.items():
                if who == words[0]:
                    trail[carried].append(words[-1])
        elif words[-2] == "to":
            given_to.append((words[0], thing, words[-1]))
        elif re.search(r"picked up|took|lifted", fact):
            holder[thing] = words[0]
            trail[thing].append(at.get(words[0], ""))
        else:
            holder[thing] = None
    asked = told.question.rstrip("?").split()
    if sides:
        opposite = {"north": "south", "south": "north", "east": "west", "west": "east"}
        whole = sides + [(two, opposite[side], one) for one, side, two in sides]
        if asked[2] == "the":
            return next(two for one, side, two in whole if (one, side) == (asked[3], asked[4]))
        return next(one for one, side, two in whole if (side, two) == (asked[2], asked[5]))
    if "before" in asked:
        places = trail[asked[3]]
        return [place for place in places[: places.index(asked[-1])] if place != asked[-1]][-1]
    if asked[0] == "Where":
        return trail[asked[3]][-1] if asked[-1] in OBJECTS else at[asked[-1]]
    thing = next((word for word in asked if word in OBJECTS), None)
    fitting = [
        (giver, item, taker)
        for giver, item, taker in given_to
        if thing in (None, item) and set(asked) & set(LABELS["qa5"]) <= {giver.lower(), item, taker.lower()}
    ]
    giver, item, taker = next(
        one
        for one in fitting
        if all(name in (one[0], one[2]) for name in asked if name in ("Bill", "Fred", "Jeff", "Mary"))
        and (asked[0] != "What" or (one[0], one[2]) == (asked[2], asked[-1]))
    )
    if asked[0] == "What":
        return item
    return taker if asked[1] == "received" or asked[-1] == "to" else giver


@given(st.sampled_from(sorted(GENERATED_TASKS)), st.integers(0, 10**9))
def test_the_answer_follows_from_the_facts(task: str, seed: int) -> None:
    told = story(task, random.Random(seed))
    assert answer_of(told) == told.target
    assert told.target.lower() in LABELS[task]
    assert told.target.lower() not in re.findall(r"\w+", told.question.lower())


@pytest.mark.parametrize(
    ("text", "task", "question", "target", "expected"),
    [
        ("The most recent location of Mary is office.", "qa1", WHERE, "office", (1, 1)),
        ("OFFICE", "qa1", WHERE, "office", (1, 1)),
        ("Let me see. Mary is in the office.", "qa1", WHERE, "office", (0, 1)),
        ("<think>kitchen. no</think>office", "qa1", WHERE, "office", (0, 1)),
        ("<think>office. yes</think>kitchen", "qa1", WHERE, "office", (1, 0)),
        ("officer", "qa1", WHERE, "office", (1, 0)),
        ("office or kitchen", "qa1", WHERE, "office", (0, 0)),
        ("Mary isn't in the office", "qa1", WHERE, "office", (1, 0)),
        ("She was in the kitchen. Then she went to the garden. The answer is: office.", "qa1", WHERE, "office", (0, 1)),
        ("office\n\nQuestion: Where is John? kitchen", "qa1", WHERE, "office", (0, 1)),
        ("**Answer:** office", "qa1", WHERE, "office", (1, 1)),
        ("[Answer] office", "qa1", WHERE, "office", (1, 1)),
        ("The office is north of the garden.", "qa4", WAY, "office", (1, 1)),
        ("garden and office", "qa4", WAY, "office", (1, 0)),
        ("garden, office", "qa4", WAY, "office", (1, 0)),
        (
            "Before the kitchen the milk was in the office.",
            "qa3",
            "Where was the milk before the kitchen?",
            "office",
            (1, 1),
        ),
        ("Fred gave the apple to Jeff.", "qa5", TO, "Jeff", (1, 1)),
        ("Fred", "qa5", TO, "Jeff", (0, 0)),
        ("no", "qa6", IS, "no", (1, 1)),
        ("I know: yes", "qa6", IS, "yes", (0, 1)),
        ("No, John is not here.", "qa6", IS, "no", (1, 1)),
        ("milk,apple", "qa8", "What is Mary carrying?", "apple,milk", (1, 1)),
        ("apple and milk", "qa8", "What is Mary carrying?", "apple,milk", (1, 1)),
        ("apple\nmilk", "qa8", "What is Mary carrying?", "apple,milk", (1, 1)),
        ("apple, football and milk", "qa8", "What is Mary carrying?", "apple,milk", (0, 0)),
        ("nothing", "qa8", "What is Mary carrying?", "nothing", (1, 1)),
        ("none", "qa7", "How many objects?", "none", (0, 1)),
    ],
)
def test_what_the_rules_give(text: str, task: str, question: str, target: str, expected: tuple[float, float]) -> None:
    assert values(text, task, question, target) == expected


@given(st.text(max_size=300), st.sampled_from(sorted(LABELS)))
def test_no_text_is_an_error_and_one_without_the_target_is_wrong(text: str, task: str) -> None:
    target = LABELS[task][0]
    official, strict = values(text, task, "What?", target)
    assert {official, strict} <= {0.0, 1.0}
    if target not in text.lower():
        assert (official, strict) == (0, 0) or not text.isascii()


@pytest.mark.parametrize(
    "text", ["office or " * 100_000, "." * 1_000_000, "question:" * 100_000, "a. office " * 100_000]
)
def test_a_long_hostile_answer_takes_no_time(text: str) -> None:
    assert set(values(text, "qa1", WHERE, "kitchen")) == {0.0}


def test_a_prompt_has_instruction_examples_form_context_and_question() -> None:
    row = ONE.read_row({"input": "Mary ran.", "question": WHERE, "target": "office", "task": "qa1"}, "row")
    sample = ONE.sample(row, "folder/file.json:7")
    assert sample.id == "babilong/qa1/file.json:7"
    text = ONE.prompt(sample).text
    assert text.count("<example>") == 2
    assert text.endswith("<context>\nMary ran.\n</context>\nQuestion: Where is Mary?")
    assert "Mary ran." not in ONE.prompt(sample, "none").text
    assert isinstance(sample.gold, RowGold)
    assert "input" not in sample.gold.row
    with pytest.raises(DataError):
        ONE.prompt(sample, "evidence")


def test_an_example_names_no_label_that_could_be_taken_over() -> None:
    for task in ("qa1", "qa2", "qa3", "qa4", "qa5"):
        row = ONE.read_row({"input": "", "question": "?", "target": "office", "task": task}, "row")
        assert set(re.findall(r"\w+", ONE.prompt(ONE.sample(row, "1")).before.lower())).isdisjoint(LABELS[task])


@pytest.mark.parametrize("file", ["data/qa2/16k.json", "16k/qa2-00000-of-00001.json", "16k/qa2.json"])
def test_task_and_length_are_read_from_the_path(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"input": "x", "question": "Where is the milk?", "target": "office"}]))
    ((place, row),) = ONE.load(tmp_path if file.startswith("data") else path)
    assert (row.task, row.length_config) == ("qa2", "16k")
    assert ONE.sample(row, place).metadata.groups == {"task": "qa2", "length_config": "16k"}


def test_lengths_above_128k_are_not_fetched() -> None:
    import fnmatch

    wanted = {f"{size}k" for size in (0, 1, 2, 4, 8, 16, 32, 64, 128)}
    for size in (*wanted, "256k", "512k", "1M", "10M"):
        fits = any(fnmatch.fnmatchcase(f"data/qa1/{size}.json", pattern) for pattern in ONE.data.files)
        assert fits == (size in wanted)


def test_a_length_that_is_too_short_and_a_task_without_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match="BABILong's qa1"):
        list(ONE.generate(100, 1, 0, COUNTERS["words"]))
    with pytest.raises(DataError, match="task"):
        ONE.read_row({"input": "", "question": "?", "target": "x", "task": "qa11"}, "row")
