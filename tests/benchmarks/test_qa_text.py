"""Shared rules of short answers: normalisation, words in common, whole-word cover, first and last lines."""

from __future__ import annotations

import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks.qa_text import (
    covers,
    first_line,
    last_line,
    normalized,
    normalized_zh,
    reads_alike,
    token_f1,
)

WORDS = st.lists(st.sampled_from(["The", "a", "an", "red", "Fox,", "fox", "U.S.", "3.5%", "-", "é"]), max_size=12)
TEXTS = st.one_of(st.text(max_size=60), WORDS.map(" ".join))


def by_definition(text: str) -> str:
    """Lower case, ASCII punctuation off, articles off, white space collapsed: one letter, then one word at a time."""
    kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


@given(TEXTS)
def test_normalisation_is_that_of_the_definition_and_changes_nothing_twice(text: str) -> None:
    assert normalized(text) == by_definition(text)
    assert normalized(normalized(text)) == normalized(text)
    assert normalized_zh(normalized_zh(text)) == normalized_zh(text)


@given(TEXTS, TEXTS)
def test_f1_is_symmetric_and_1_for_the_same_bag_of_words_alone(one: str, other: str) -> None:
    value = token_f1(one, other)
    assert 0 <= value <= 1
    assert value == pytest.approx(token_f1(other, one))
    bags = sorted(by_definition(one).split()), sorted(by_definition(other).split())
    assert (value == pytest.approx(1)) == (bags[0] == bags[1] != [])
    assert (value > 0) == bool(set(bags[0]) & set(bags[1]))


@given(TEXTS, TEXTS, TEXTS)
def test_a_text_covers_every_part_of_it_that_ends_at_words_and_nothing_covers_an_empty_answer(
    before: str, answer: str, after: str
) -> None:
    assert covers(f"{before} {answer} {after}", answer) == bool(normalized(answer))
    assert not covers(f"{before}{answer}", "The. A!")


@given(TEXTS)
def test_a_text_reads_like_itself(text: str) -> None:
    assert reads_alike(text, text)


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("The red fox", "a fox", 2 / 3),  # red fox, fox: precision 1/2, recall 1
        ("fox fox", "fox", 2 / 3),  # a word counts as often as it stands
        ("fox, Fox", "FOX fox!", 1.0),
        ("theory", "the", 0.0),
        ("the", "the", 0.0),  # nothing is left
        ("U.S.", "us", 1.0),
        ("3.5", "35", 1.0),  # punctuation goes without a space in its place
        ("“fox”", "fox", 0.0),  # ASCII punctuation alone
    ],
)
def test_f1_by_hand(answer: str, gold: str, expected: float) -> None:
    assert token_f1(answer, gold) == pytest.approx(expected)


def test_chinese_is_cut_into_words_before_its_punctuation_goes() -> None:
    pytest.importorskip("jieba", reason="needs the zh extra")
    assert token_f1("邮差。", "“邮差”", "zh") == 1.0
    assert token_f1("邮差", "南镇的邮差", "zh") == pytest.approx(0.5)  # 南镇, 的, 邮差: precision 1, recall 1/3
    assert token_f1("。！", "。", "zh") == 0.0
    assert token_f1("邮差", "南镇的邮差", "en") == 0.0


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("It was Paris, of course", "paris", True),
        ("Parisian", "Paris", False),
        ("1,000 men", "1000", True),
        ("New York City", "york city", True),
        ("12", "2", False),
        ("anything", "the", False),
    ],
)
def test_cover_is_by_whole_words(text: str, answer: str, expected: bool) -> None:
    assert covers(text, answer) is expected


def test_alike_is_normalised_unless_nothing_is_left() -> None:
    assert reads_alike("the U.S.", "US")
    assert reads_alike("A", "a")
    assert not reads_alike("a", "the")
    assert not reads_alike("$", "€!")


def test_lines() -> None:
    assert first_line("\n\nyes\nno") == "yes"
    assert first_line(" \nno") == " "  # only line ends go
    assert last_line("a\n b \n\t\n") == "b"
    assert (first_line(""), last_line("\n")) == ("", "")


@pytest.mark.parametrize("text", ["the a an " * 110_000, "x. " * 330_000, "a" * 1_000_000, "\n" * 1_000_000])
def test_a_megabyte_takes_no_time(text: str) -> None:
    started = time.monotonic()
    for function in (normalized, last_line, first_line):
        function(text)
    token_f1(text, "the red fox")
    covers(text, "red fox")
    assert time.monotonic() - started < 10


def test_a_megabyte_of_unknown_chinese_is_cut_to_its_start() -> None:
    pytest.importorskip("jieba", reason="needs the zh extra")
    text = "".join(chr(0x4E00 + 7919 * place % 20_000) for place in range(1_000_000))
    started = time.monotonic()
    assert token_f1("邮差" + text, "邮差", "zh") < 0.001
    assert time.monotonic() - started < 60
