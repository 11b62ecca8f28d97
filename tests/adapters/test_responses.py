"""The response is what the model wrote: no special token, no part of the prompt, and the thinking that it was given."""

from __future__ import annotations

import time
import unicodedata

import pytest

from golong_eval.adapters.responses import response_of, with_opened_thinking, without_end_tokens
from golong_eval.rewards import score


@pytest.mark.parametrize("answer", ["42", "a <b> c", "[PADDED]", "x|y|>", "行く。", "2 < 3 and 4 > 3"])
@pytest.mark.parametrize(
    "end",
    [
        "",
        "<|im_end|>",
        "<|im_end|>\n<|endoftext|><|endoftext|>",
        "</s>",
        "<pad>" * 2000,
        "<｜end▁of▁sentence｜>",
        " \n",
    ],
)
def test_special_tokens_at_the_end_are_cut_and_nothing_else(answer: str, end: str) -> None:
    assert without_end_tokens(answer + end) == answer


def test_the_thinking_that_a_prompt_opened_is_opened_in_the_response() -> None:
    assert with_opened_thinking("...<think>\n", "hm</think>42") == "<think>hm</think>42"
    assert with_opened_thinking("...<think>\n", "<think>hm</think>42") == "<think>hm</think>42"
    assert with_opened_thinking("...<think>\n\n</think>\n\n", "42") == "42"
    assert with_opened_thinking([{"role": "user", "content": "<think>"}], "42") == "42"
    # The tokens ran out: without the tag these thoughts would be the answer.
    assert score("f1", with_opened_thinking("<think>", "D1"), ["D1"]).status == "unparsed"


PROMPT = "<|im_start|>user\nDocument D1: a  b\n\nWhich one?<|im_end|>\n<|im_start|>assistant\n"
ANSWER = "I think.\n\n[Answer]\nD1\nD3"


@pytest.mark.parametrize(
    "query",
    [
        PROMPT + ANSWER,
        PROMPT + ANSWER + "<|im_end|>\n<|endoftext|>",
        "<s>" + PROMPT + ANSWER + "</s>",
        PROMPT[20:] + ANSWER,  # cut on its left
        PROMPT.replace("\n", " ") + ANSWER,
        PROMPT.replace("a  b", "a b") + ANSWER,
        PROMPT.replace("user", "us\u00ebr") + ANSWER,  # a character that came out otherwise
    ],
)
def test_the_response_is_found_however_the_prompt_came_back(query: str) -> None:
    assert response_of(query, PROMPT) == ANSWER


def test_a_response_that_quotes_the_end_of_the_prompt_is_not_cut_there() -> None:
    quote = "You asked: Which one?<|im_end|>\n<|im_start|>assistant\n and I say D1"
    assert response_of(PROMPT + quote, PROMPT) == quote
    assert response_of("<s>" + PROMPT + quote, PROMPT) == quote
    assert response_of(PROMPT[15:] + quote, PROMPT) == quote


def test_of_two_places_alike_it_is_the_first() -> None:
    end = PROMPT[-40:]  # all that is left of a prompt that was cut, and the response says it again
    assert response_of(f"{end}D1 {end}D2", PROMPT) == f"D1 {end}D2"


def test_an_earlier_turn_that_ends_alike_is_part_of_the_prompt() -> None:
    turns = PROMPT + "D9<|im_end|>\n" + PROMPT
    assert response_of("<s>" + turns + ANSWER, turns) == ANSWER


def test_where_the_prompt_is_nowhere_there_is_no_response() -> None:
    assert response_of("something else", PROMPT) is None
    assert response_of("", PROMPT) is None
    assert response_of("all of it", "") == "all of it"


def test_an_opened_thinking_is_kept() -> None:
    assert response_of(PROMPT + "<think>\nhm</think>D1</s>", PROMPT + "<think>\n") == "<think>hm</think>D1"


def test_a_long_prompt_takes_no_time() -> None:
    prompt = "the same words again and again " * 40_000 + PROMPT
    started = time.process_time()
    assert response_of("<s>" + prompt[100_000:] + ANSWER, prompt) == ANSWER
    assert response_of(prompt + "assistant" * 10_000, prompt) == "assistant" * 10_000
    assert time.process_time() - started < 5


ACCENTED = PROMPT.replace("a  b", "a cafe\u0301 b")
OPENED = ACCENTED + "<think>\n"


@pytest.mark.parametrize(
    "came_back",
    [
        unicodedata.normalize("NFC", OPENED),
        OPENED.replace("e\u0301", "\ufffd"),
        OPENED.replace("e\u0301", "\ufffd" * 13),  # 11 characters more
        "<s>" + OPENED.replace("e\u0301", "e"),
        OPENED.replace("user", "u" * 19),  # too far off, so that 24 characters less would be just near enough
        OPENED.replace("Document D1: a cafe\u0301", ""),
    ],
)
@pytest.mark.parametrize("filler", ["", "x" * 4, "d[Answer]D1"])
def test_a_response_that_writes_the_prompt_again_is_never_cut_there(came_back: str, filler: str) -> None:
    for many in (24, 30, len(OPENED)):
        replay = OPENED.rstrip()[-many:] + "\n"
        answer = f"a</think>b</think>c<think>{filler}{replay}x</think>[Answer]\nD1"
        found = response_of(came_back + answer, OPENED)
        assert found in (None, "<think>" + answer)
        if found is not None:
            assert score("f1", found, ["D1"], require_think=True).value == 0
    if came_back.startswith(("<s>", unicodedata.normalize("NFC", OPENED), OPENED[:20] + "D1: a caf\ufffd")):
        assert response_of(came_back + ANSWER, OPENED) == "<think>" + ANSWER


def test_a_prompt_in_a_normal_form_is_found_however_much_that_changed() -> None:
    prompt = "cafe\u0301 " * 200 + PROMPT
    assert response_of(unicodedata.normalize("NFC", prompt) + ANSWER, prompt) == ANSWER
    assert response_of("<s>" + unicodedata.normalize("NFC", prompt[102:]) + ANSWER, prompt) == ANSWER


def test_an_end_far_from_the_prompt_s_length_is_not_the_prompt_s() -> None:
    changed = PROMPT.replace("Document", "?" * 40)
    assert response_of(changed + ANSWER, PROMPT) is None
    assert response_of(changed + ANSWER + PROMPT + "D9", PROMPT) is None


def test_by_a_short_end_nothing_is_found() -> None:
    # An end of 24 characters tells a prompt; what these have in common is shorter.
    assert response_of("<|im_start|>assistant\nD1", PROMPT) is None
    assert response_of("assistant\nD1", PROMPT) is None


@pytest.mark.parametrize(
    ("query", "prompt"),
    [
        ("=" * 216_000, "=" * 300_000),
        ("=" * 200_000 + "<|assistant|>" + "=" * 16_000, "=" * 300_000 + "<|assistant|>"),
        ("y" + "=" * 316_000, "x" + "=" * 300_000),
        ("=" * 100_000 + "y" + "=" * 116_000, "=" * 300_000 + "x" + "=" * 300),
        ("z" + "ab" * 200_000, "ab" * 100_000 + "q" + "ab" * 100_000),
        ("ab" * 30_000 + "c" + "abab" * 90_000, "ab" * 200_000 + "c" * 9 + "ba" * 30),
    ],
)
def test_a_text_that_repeats_itself_takes_no_time(query: str, prompt: str) -> None:
    started = time.process_time()
    response_of(query, prompt)
    assert time.process_time() - started < 2
