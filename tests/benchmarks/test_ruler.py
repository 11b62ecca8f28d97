"""RULER: records that are made and records that are read, and the two rules."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.benchmarks.base import Answer
from golong_eval.benchmarks.ruler import Ruler, RulerRow
from golong_eval.benchmarks.ruler_generator import GENERATED_TASKS
from golong_eval.errors import ConfigError, DataError

ONE = Ruler()
COUNTERS: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(text.split()),
    "characters": lambda text: len(text) // 4 + 1,
    "pieces": lambda text: len(re.findall(r"[A-Za-z]{1,3}|[0-9]{1,2}|[^\sA-Za-z0-9]", text)),
}


def values(text: str, task: str, outputs: list[str], question: str = "") -> tuple[float, float]:
    row = ONE.row_of_columns({"task": task, "outputs": outputs, "question": question}, "row")
    final = text.rpartition("</think>")[2]
    return ONE.score(Answer(text, final), row, "official").value, ONE.score(Answer(text, final), row, "strict").value


def rows(length: int, seed: int, tokens: Callable[[str], int], count: int = 1) -> list[RulerRow]:
    return list(ONE.generate(length, count, seed, tokens))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1500, 20_000), st.sampled_from(sorted(COUNTERS)))
def test_a_made_record_fills_its_length_and_never_exceeds_it_and_its_gold_is_right(
    seed: int, length: int, counter: str
) -> None:
    tokens = COUNTERS[counter]
    made = rows(length, seed, tokens)
    assert [row.task for row in made] == list(GENERATED_TASKS)
    for row in made:
        prompt = ONE.prompt(ONE.sample(row, "row")).text
        assert prompt == row.input
        assert row.length == tokens(prompt) + ONE.max_tokens
        assert 0.9 * length <= row.length <= length, row.task
        gold = ONE.gold_answer(row)
        assert [ONE.score(Answer(gold, gold), row, variant).value for variant in ("official", "strict")] == [1, 1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_every_needle_stands_in_the_text_with_its_key(seed: int) -> None:
    made = {row.task: row for row in rows(3000, seed, COUNTERS["words"])}
    for task, row in made.items():
        head = row.input.rpartition("\n")[0]
        if task.startswith("niah"):
            said = {value: key for key, value in re.findall(r"A secret \w+ of (\S+) is (\S+)\.", head)}
            assert all(said[value] in row.question for value in row.outputs), task
            wrong = set(said) - set(row.outputs)
            assert not any(value in row.outputs for value in wrong)
        if task == "vt":
            told = dict(re.findall(r"VAR ([A-Z]{5}) = (?:VAR )?(\w+)\n", head + "\n"))
            asked = re.findall(r"[0-9]{5}", row.question)[0]
            for name in row.outputs:
                value = name
                while value in told:
                    value = told[value]
                assert value == asked
        if task in ("cwe", "fwe"):
            context = head.splitlines()[-1]
            counts = Counter(re.findall(r"[a-z]+", context))
            size = len(row.outputs)
            assert {word for word, _ in counts.most_common(size)} == set(row.outputs)
            assert counts.most_common(size + 1)[-1][1] < min(counts[word] for word in row.outputs)


def test_the_same_seed_makes_the_same_records_whatever_else_is_made_and_another_seed_others() -> None:
    tokens = COUNTERS["characters"]
    one, two, other = rows(2000, 1, tokens), rows(2000, 1, tokens), rows(2000, 2, tokens)
    assert one == two
    assert all(first.outputs != second.outputs for first, second in zip(one, other, strict=True))
    both = rows(2000, 1, tokens, count=2)
    assert [row.outputs for row in both if row.index == 0] == [row.outputs for row in one]
    assert len({(row.task, row.index) for row in both}) == 22


def test_a_length_that_is_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"RULER's \w+ takes \d+ tokens"):
        rows(300, 0, COUNTERS["pieces"])


def test_a_long_record_is_counted_few_times() -> None:
    calls = []
    list(ONE.generate(131_072, 3, 0, lambda text: calls.append(len(text)) or len(text) // 4))  # type: ignore[func-returns-value]
    assert len(calls) < 11 * 3 * 8


@pytest.mark.parametrize(
    ("text", "task", "outputs", "expected"),
    [
        ("1234567", "niah_single_1", ["1234567"], (1, 1)),
        ("<think>1234567</think>I don't know", "niah_single_1", ["1234567"], (1, 0)),
        ("1234567 or 7654321", "niah_single_1", ["1234567"], (1, 2 / 3)),
        ("91234567", "niah_single_1", ["1234567"], (1, 0)),
        ("1,234,567", "niah_single_1", ["1234567"], (0, 1)),
        ("1234567,7654321", "niah_multivalue", ["1234567", "7654321"], (1, 1)),
        ("12\x0034567", "niah_single_1", ["1234567"], (0, 1)),
        ("QITOV gloLh", "vt", ["GLOLH", "QITOV"], (1, 1)),
        ("GLOLH", "vt", ["GLOLH", "QITOV"], (0.5, 2 / 3)),
        ("1. abcdef\n2. ghijkl", "fwe", ["abcdef", "ghijkl", "mnopqr"], (2 / 3, 0.8)),
        ("Paris", "qa_1", ["paris", "Lutetia"], (1, 1)),
        ("Parisian", "qa_1", ["Paris"], (1, 0)),
        ("Yes and no", "qa_2", ["no"], (1, 0)),
        ("word " * 40 + "Paris", "qa_1", ["Paris"], (1, 0)),
    ],
)
def test_what_the_rules_give(text: str, task: str, outputs: list[str], expected: tuple[float, float]) -> None:
    assert values(text, task, outputs) == pytest.approx(expected)


def test_values_of_the_question_are_not_held_against_an_answer() -> None:
    key, value = "94ffbc50-64e3-434e-841d-705ba1a6a752", "3d48e519-bfff-40c7-ab2a-377a16e48bf4"
    assert values(f"{key} has {value}", "niah_multikey_3", [value], f"What is that of {key}?") == (1, 1)
    assert values(f"{key} has {value}", "niah_multikey_3", [value])[1] == pytest.approx(2 / 3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["niah_multikey_2", "niah_multikey_3", "cwe", "fwe"]))
def test_listing_everything_wins_by_the_published_rule_alone(seed: int, task: str) -> None:
    row = next(row for row in rows(3000, seed, COUNTERS["words"]) if row.task == task)
    for listed in (row.input, "\n".join(sorted(set(row.input.split()))), ", ".join(row.input.split())):
        assert ONE.score(Answer(listed, listed), row, "official").value == 1
        assert ONE.score(Answer(listed, listed), row, "strict").value < 0.5


@given(st.text(max_size=300), st.sampled_from(["niah_single_1", "niah_single_3", "vt", "cwe", "qa_1"]))
def test_no_text_is_an_error(text: str, task: str) -> None:
    outputs = {"niah_single_1": ["1234567"], "niah_single_3": ["3d48e519-bfff-40c7-ab2a-377a16e48bf4"], "vt": ["ABCDE"]}
    assert all(0 <= value <= 1 for value in values(text, task, outputs.get(task, ["amber", "stone"])))


@pytest.mark.parametrize("text", ["1," * 500_000, "1,000" * 200_000, "a-" * 500_000, "VAR " * 250_000, "0" * 1_000_000])
def test_a_long_hostile_answer_takes_little_time(text: str) -> None:
    started = time.monotonic()
    for task, gold in (("niah_single_1", "1234567"), ("niah_single_3", "3d48e519-bfff-40c7-ab2a-377a16e48bf4")):
        assert values(text, task, [gold])[1] == 0
    for task in ("vt", "fwe", "qa_1"):
        assert values(text, task, ["GLOLH"])[1] == 0
    assert time.monotonic() - started < 20


def record(**changes: Any) -> dict[str, Any]:
    return {"index": 3, "input": "Some text.\n\nWhat is it?", "outputs": ["1234567"], "length": 900, **changes}


@pytest.mark.parametrize(
    ("file", "identifier"),
    [
        ("synthetic/4096/data/niah_single_2/validation.jsonl", "ruler/4096/niah_single_2/3"),
        ("niah_single_2/validation.jsonl", "ruler/niah_single_2/3"),
        ("niah_single_2.jsonl", "ruler/niah_single_2/3"),
    ],
)
def test_task_and_length_are_read_from_names(tmp_path: Path, file: str, identifier: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record(answer_prefix=" It is")) + "\n")
    ((place, row),) = ONE.load(tmp_path if "synthetic" not in file else tmp_path / "synthetic")
    sample = ONE.sample(row, place)
    assert sample.id.endswith(identifier.partition("/")[2])
    assert sample.id.endswith(identifier) or "/data/" not in file
    assert sample.metadata.groups == {"task": "niah_single_2"}
    assert sample.question == "What is it? It is"
    assert ONE.prompt(sample).text == "Some text.\n\nWhat is it? It is"
    assert ONE.prompt(sample, "none").text == "What is it? It is"
    with pytest.raises(DataError):
        ONE.prompt(sample, "evidence")


def test_a_column_names_the_task_and_without_any_name_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    file.write_text(json.dumps(record(task="qa_2")) + "\n")
    ((_, row),) = ONE.load(file)
    assert row.task == "qa_2"
    file.write_text(json.dumps(record()) + "\n")
    with pytest.raises(DataError, match="'task'"):
        list(ONE.load(file))
