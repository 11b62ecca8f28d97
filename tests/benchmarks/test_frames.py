"""FRAMES: articles as documents, the refusal of rows without them, and the two rules."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import benchmark_named
from golong_eval.benchmarks.base import Answer, NeedsJudge
from golong_eval.errors import DataError
from golong_eval.rewards.outcome import Outcome

ONE = benchmark_named("frames")
STATED = "Therefore, the answer is "


def fields(**other: Any) -> dict[str, Any]:
    article = {"link": "https://example.org", "frames_prompt_id": [0], "original_link": "https://example.org"}
    items = [{**article, "title": "Harn", "text": "A town."}, {**article, "title": "Weil", "text": "A village."}]
    whole = {"Unnamed: 0": 3, "Prompt": "Which one?", "Answer": "Harn", "wiki_items": items}
    return {**whole, "reasoning_types": "Tabular reasoning", **other}


def sample(**other: Any) -> Any:
    return ONE.sample(ONE.read_row(fields(**other), "test.jsonl:1"), "test.jsonl:1")


def outcome(text: str, gold: str, variant: str) -> float | None:
    """Return the value, None where a judge has to decide."""
    row = ONE.row_of_columns({"answer": gold, "question": "Which one?"}, "row")
    result = ONE.score(Answer(text, text.rpartition("</think>")[2]), row, variant)  # type: ignore[arg-type]
    assert isinstance(result, Outcome | NeedsJudge)
    return result.value if isinstance(result, Outcome) else None


def test_each_article_is_a_document_with_its_title() -> None:
    one = sample()
    assert [(document.id, document.title, document.text) for document in one.documents] == [
        ("D1", "Harn", "A town."),
        ("D2", "Weil", "A village."),
    ]
    assert set(one.gold.row) == {"question", "answer", "reasoning_types", "number"}
    assert one.id == "frames/3"


def test_a_prompt_has_the_articles_in_tags_then_the_question_and_the_form() -> None:
    prompt = ONE.prompt(sample())
    assert "<text>\nHarn\nA town.\nWeil\nA village.\n</text>\n\nWhich one?\n\n" in prompt.text
    assert prompt.text.endswith('"Therefore, the answer is (insert answer here)".')
    assert prompt.cut == "message"
    bare = ONE.prompt(sample(), "none").text
    assert "A town." not in bare
    assert "Which one?" in bare


@pytest.mark.parametrize(
    ("kinds", "group"),
    [
        ("Tabular reasoning", "Tabular reasoning"),
        ("Numerical reasoning | Temporal reasoning", "several"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_kind_of_reasoning_is_a_group_and_several_are_one_group(kinds: str | None, group: str) -> None:
    assert sample(reasoning_types=kinds).metadata.groups == {"reasoning_type": group, "articles": "2"}


def test_the_file_without_articles_is_refused_in_two_lines(tmp_path: Path) -> None:
    file = tmp_path / "test.tsv"
    file.write_text("\tPrompt\tAnswer\twikipedia_link_1\treasoning_types\n0\tWhich?\tHarn\thttps://x\tTabular\n")
    with pytest.raises(DataError, match="links alone") as caught:
        next(iter(ONE.load(file)))
    assert "golong data fetch frames" in (caught.value.hint or "")
    with pytest.raises(DataError, match="no article"):
        sample(wiki_items=[])


@pytest.mark.parametrize(
    ("text", "gold", "official", "strict"),
    [
        (STATED + "Harn.", "Harn", 1.0, 1.0),
        (STATED + "the Harn", "Harn", 1.0, 1.0),
        (STATED + "(**Harn**).", "Harn", 1.0, 1.0),
        (STATED + "Harn or Weil", "Harn", 1.0, None),
        (STATED + "town", "The old town of Harn", 1.0, None),
        (STATED + "2014", "14", 1.0, None),
        (STATED + "e", "Harn is the one", 1.0, None),
        (STATED + "the", "Harn", 1.0, None),
        (STATED + "?!", "Harn", 1.0, None),
        (STATED + "B", "A", 1.0, None),
        (STATED + "A", "A", 1.0, 1.0),
        (STATED + "fourteen years", "14 years", None, None),
        (STATED, "Harn", 0.0, None),  # strict: the last line, as it is
        ("Harn", "Harn", 0.0, 1.0),
        ("Therefore, The Answer is Harn", "Harn", 0.0, 1.0),
        (f"{STATED}Weil? No. {STATED}Harn", "Harn", 1.0, 1.0),
        (f"{STATED}Harn? No. {STATED}Weil", "Harn", None, None),
        (f"<think>{STATED}Harn</think>{STATED}Weil", "Harn", None, None),
        (f"{STATED}Harn\nIt could be another.", "Harn", 1.0, 1.0),
        (f"{STATED}one\nof two: Harn", "Harn", 1.0, None),
    ],
)
def test_what_the_rules_say(text: str, gold: str, official: float | None, strict: float | None) -> None:
    assert (outcome(text, gold, "official"), outcome(text, gold, "strict")) == (official, strict)


@given(st.text(max_size=80).filter(lambda text: bool(text.strip())))
def test_every_gold_that_can_be_read_is_right_by_the_strict_rule(gold: str) -> None:
    from golong_eval.benchmarks.statements import undressed

    row = ONE.row_of_columns({"answer": gold, "question": "?"}, "row")
    answer = ONE.gold_answer(row)
    assert answer is not None
    if undressed(" ".join(gold.split())) and "the answer is" not in gold.lower() and "<think>" not in gold:
        assert outcome(answer, gold, "strict") == 1.0


@given(st.text(max_size=80))
def test_the_strict_rule_never_finds_another_text_right(text: str) -> None:
    assert outcome(STATED + text + " Weil", "Harn", "strict") is None


def test_the_judge_reads_all_that_is_stated() -> None:
    row = ONE.row_of_columns({"answer": "Harn and Weil", "question": "Which?"}, "row")
    text = f"{STATED}these:\n- Weil\n- Harn"
    for variant in ("official", "strict"):
        asked = ONE.score(Answer(text, text), row, variant)  # type: ignore[arg-type]
        assert isinstance(asked, NeedsJudge)
        assert asked.question.answer == "these:\n- Weil\n- Harn"


@pytest.mark.parametrize("text", [STATED * 40_000, STATED + "a the " * 150_000, STATED + "(" * 900_000, "\n" * 900_000])
def test_a_long_hostile_answer_takes_no_time(text: str) -> None:
    started = time.monotonic()
    assert outcome(text + "\nx", "Harn", "strict") is None
    outcome(text, "Harn", "official")
    assert time.monotonic() - started < 20
