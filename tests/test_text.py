"""The text rules that all rewards share."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.text import (
    GoldItems,
    answer_area,
    bare,
    boxes,
    clean,
    content_lines,
    detect_language,
    drop_lead_in,
    fold,
    is_blank,
    remove_thinking,
)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("D1", "D1"),
        ("<think>a</think>D1", "D1"),
        ("a</think>D1", "D1"),
        ("<think>a</think>b<think>c</think>D1", "D1"),
        ("<think>a</think>", ""),
        ("<think>a", None),
        ("<think>a</think>D1<think>", None),
    ],
)
def test_thinking_is_cut_at_the_last_closing_tag(response, text):
    assert remove_thinking(response).text == text


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("<think>a</think>D1", "D1"),
        ("a</think>D1", "D1"),  # the opening tag stood in the prompt
        ("D1", None),
        ("<think>a</think>b</think>D1", None),
        ("<think><think>a</think>D1", None),
        ("", ""),
    ],
)
def test_the_training_gate_demands_one_closed_thinking(response, text):
    assert remove_thinking(response, require_think=True).text == text


def test_special_tokens_at_the_end_are_no_part_of_the_answer():
    for end in ("<|im_end|>", "</s>", "<|im_end|>\n<|endoftext|>\n", "<end_of_turn> ", "</answer><|im_end|>"):
        assert answer_area(f"[Answer]\nD1\nD2{end}").split() == ["D1", "D2"]
    assert answer_area("[Answer]\n<|doc_1|> is it") == "\n<|doc_1|> is it"


def test_unfinished_thinking_has_no_text():
    assert remove_thinking("D1", unfinished=True).text is None


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("no marker", "no marker"),
        ("a [Answer] b", "b"),
        ("[Answer] a [答案] b", "b"),
        ("[答案] a [Answer] b", "b"),
        ("[Answer]", ""),
        ("<answer>D1</answer> bye", "D1"),
        ("<answer>D1", "D1"),
        ("<answer>a</answer> [Answer] b", "b"),
        ("<answer>\n[Answer]\nD1\n</answer> bye", "\nD1\n"),
        ("**[Answer]**\nD1", "\nD1"),
        ("**[Answer]:** D1", "D1"),
        ("**[Answer] D1**", "D1"),
        ("[Answer]: **D1**", "**D1**"),
        ("[Answer]\n:)", "\n:)"),
        ("[Answer]\nD1</answer>", "\nD1"),
        ("[Answer]\nD1\n[/Answer]\nbye", "\nD1\n"),
        ("[答案]D1[/答案]", "D1"),
        ("D1</answer>\n", "D1"),
    ],
)
def test_the_answer_area_follows_the_last_marker(text, area):
    assert answer_area(text) == area


def test_superscripts_survive_and_width_does_not():
    assert clean("10³") == "10³" != clean("103")
    assert clean("H₂Ｏ") == "H₂O"
    assert clean("ﬁ ①") == "fi 1"


def test_invisible_characters_are_nothing():
    assert fold("D\u200b3\ufeff\u00ad") == "d3"
    assert is_blank(" \u200b\u2060\x00\u3164\n")


def test_homoglyphs_are_other_letters():
    assert fold("А") != fold("A")  # Cyrillic, Latin
    assert fold("Ο") != fold("O")  # Greek, Latin


@pytest.mark.parametrize(
    "line", ["- D3", "* D3", "• D3", "**D3**", "`D3`", '"D3"', "“D3”", "「D3」", "D3.", "D3。", "- **`D3`**."]
)
def test_decoration_is_dropped(line):
    assert bare(clean(line)) == "D3"


@pytest.mark.parametrize("line", ["-5", "x*y", "2**3**4", "snake_case", "a.b", "5-"])
def test_what_is_no_decoration_stays(line):
    assert bare(clean(line)) == line


@pytest.mark.parametrize(
    "form",
    [
        "{n}. {x}",
        "{n}) {x}",
        "({n}) {x}",
        "{n}、{x}",
        "{c}{x}",
        "({a}) {x}",
        "{h}、{x}",
        "（{h}）{x}",
        "**{n}.** {x}",
        "- {n}. {x}",
    ],
)
def test_numbering_in_sequence_is_dropped(form):
    gold = GoldItems(["D3", "D1", "D7"])
    lines = [form.format(n=i + 1, c="①②③"[i], a="abc"[i], h="一二三"[i], x=x) for i, x in enumerate(gold.items)]
    assert [item.gold for item in gold.read("\n".join(lines))] == [0, 1, 2]


def test_numbers_out_of_sequence_belong_to_the_item():
    gold = GoldItems(["D3", "D1"])
    assert [item.gold for item in gold.read("3. D3\n7. D1")] == [None, None]
    assert GoldItems(["3. Method"]).find("Method") is None
    assert GoldItems(["3.5 million"]).find("5 million") is None


def test_two_digit_numbering():
    items = [f"x{i}y" for i in range(1, 26)]
    gold = GoldItems(items)
    han = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"]
    han += ["十" + h for h in han[:9]] + ["二十"] + ["二十" + h for h in han[:5]]
    for marks in ([f"{i}. " for i in range(1, 26)], [f"{h}、" for h in han], [chr(0x2460 + i) for i in range(20)]):
        read = gold.read("\n".join(mark + item for mark, item in zip(marks, items, strict=False)))
        assert [item.gold for item in read] == list(range(len(marks)))


def test_golds_are_never_merged():
    nasty = ["D1", "d1", "- D1", "**D1**", "1. D1", "-", "1.", "2.", "```", "none", '"', "''", "*", "10³", "103", "①"]
    gold = GoldItems(nasty)
    assert [item.gold for item in gold.read("\n".join(nasty))] == list(range(len(nasty)))


def test_a_line_is_its_closest_gold():
    gold = GoldItems(["D1", "d1"])
    assert gold.find("**D1**.") == 0
    assert gold.find("**d1**.") == 1
    assert gold.find("1. D1") == 0


@given(st.lists(st.text(min_size=1).filter(lambda s: not is_blank(s)), min_size=1, max_size=8))
def test_gold_against_itself_is_complete_and_in_order(items):
    gold = GoldItems(items)
    assert [item.gold for item in gold.read("\n".join(gold.items))] == list(range(len(gold)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\n\n \n"])
def test_every_line_break_parts_items(end):
    assert content_lines(f"D1{end}D2{end}D1") == ["D1", "D2", "D1"]


def test_fences_and_rules_are_no_items():
    assert GoldItems(["x"]).read("```json\nD1\n---\n```") == GoldItems(["x"]).read("D1")


@pytest.mark.parametrize(
    "text",
    ["the answer is e0", "Answer: e0", "So, the final answer is: e0", "答案是e0", "正确答案：e0", "因此，答案为 e0"],
)
def test_lead_ins_are_dropped(text):
    assert drop_lead_in(bare(clean(text))) == "e0"


def test_boxes():
    assert [box.content for box in boxes(r"\boxed{a} \fbox{b} \boxed {c} \boxed{d")] == ["a", "b", "c"]
    assert [box.content for box in boxes(r"\boxed{\boxed{42}}")] == ["42"]
    assert [box.content for box in boxes(r"\boxed{\{1\}}")] == [r"\{1\}"]
    assert boxes("}}{\\boxed{") == []


def test_language():
    assert detect_language("The answer") == "en"
    assert detect_language("答案是 D3") == "zh"
    assert detect_language("") == "en"


_LONG = [
    "(",
    "1",
    " ",
    '"',
    "\\boxed{",
    "[Answer]",
    ".",
    "*",
    "**a ",
    "`a",
    "\n",
    "<answer>",
    "<think>",
    "- ",
    "1. ",
    "： ",
    "²a",
    "“",
]


@pytest.mark.parametrize("piece", _LONG)
def test_long_text_takes_linear_time(piece):
    text = piece * (200_000 // len(piece))
    started = time.perf_counter()
    remove_thinking(text, require_think=True)
    area = answer_area(text)
    GoldItems(["D1"]).read(area)
    boxes(text)
    drop_lead_in(fold(text))
    assert time.perf_counter() - started < 5  # a second or so; anything quadratic takes hours
