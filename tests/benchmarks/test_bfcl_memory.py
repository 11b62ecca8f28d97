"""BFCL v4 Memory: the published rule to the letter, what strict mends, and who may ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import AnswerToScore, benchmark_named, score_answers
from golong_eval.benchmarks.base import Answer
from golong_eval.benchmarks.bfcl_memory import MOST_ALTERNATIVES, BfclMemoryRow
from golong_eval.errors import ConfigError
from golong_eval.harness import evaluate

BFCL = benchmark_named("bfcl_memory")
WORDS = st.lists(st.sampled_from(["river", "Stone", "amber", "lantern", "meadow"]), min_size=1, max_size=3)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(["ab", "1", "8", "20", ".", "-", "/", "(", "'", '"', " ", "_", "é", "$", "\n"])).map(
        "".join
    ),
)


def row(*golds: str) -> BfclMemoryRow:
    return BfclMemoryRow(
        id="memory_kv_0-customer-0", backend="kv", scenario="customer", question="?", ground_truth=list(golds)
    )


def scores(text: str, *golds: str) -> tuple[float | None, float | None]:
    answer = [AnswerToScore(text, row(*golds))]
    return tuple(score_answers(BFCL.scored_as(variant), answer)[0].value for variant in ("official", "strict"))  # type: ignore[return-value,arg-type]


def asked_for(answer: str, context: str = "It was said.") -> str:
    return f"{{'answer': '{answer}', 'context': '{context}'}}"


def published(response: str, golds: list[str]) -> bool:
    """agentic_checker, written out again."""

    def standardize(text: str) -> str:
        for mark in ",./-_*^()":
            text = text.replace(mark, "")
        return text.lower().replace("'", '"')

    said = standardize(response)
    return any(re.search(r"\b" + re.escape(standardize(gold)) + r"\b", said) is not None for gold in golds)


@given(response=TEXTS, golds=st.lists(TEXTS, min_size=1, max_size=3), before=TEXTS, after=TEXTS)
def test_official_is_the_published_checker(response: str, golds: list[str], before: str, after: str) -> None:
    for text in (response, f"{before}{golds[0]}{after}", f"{before} {golds[-1]} {after}"):
        outcome = BFCL.score(Answer(text, text), row(*golds), "official")
        assert outcome.value == float(published(text, golds))  # type: ignore[union-attr]


@given(gold=WORDS.map(" ".join), other=WORDS.map(" ".join), context=WORDS.map(" ".join))
def test_strict_does_not_depend_on_the_explanation(gold: str, other: str, context: str) -> None:
    assert scores(asked_for(other, context), gold)[1] == scores(asked_for(other, "none"), gold)[1]
    assert scores(asked_for(gold, context), gold) == (1, 1)


@given(gold=st.integers(0, 999), before=st.integers(1, 99), mark=st.sampled_from([".", "-", "/", " - ", ""]))
def test_a_part_of_a_number_is_not_the_number(gold: int, before: int, mark: str) -> None:
    assert scores(asked_for(f"{before}{mark}{gold}"), str(gold))[1] == 0


@given(count=st.integers(1, 12))
def test_credit_ends_where_an_answer_lists_more_than_a_few_things(count: int) -> None:
    listed = ["amber", *(f"colour{letter}" for letter in "abcdefghijkl"[: count - 1])]
    for joint in (", ", "; ", " or ", " and ", "/", "\n", " | "):
        official, strict = scores(asked_for(joint.join(listed)), "amber")
        assert strict == float(count <= 1 + MOST_ALTERNATIVES)
        assert official == float(joint != "/" or count == 1)


@pytest.mark.parametrize(
    ("text", "golds", "official", "strict"),
    [
        ('{"answer": "Seattle", "context": "He lives in Seattle."}', ["Seattle"], 1, 1),
        ("You live in Seattle.", ["Seattle"], 1, 1),
        ("{'answer': 35, 'context': 'He is 35.'}", ["35", "thirty five"], 1, 1),
        ("{'answer': 'It's Seattle', 'context': 'That's where he lives.'}", ["Seattle"], 1, 1),  # no sound quoting
        ("{'context': 'Said in May.', 'answer': 'Seattle'}", ["Seattle"], 1, 1),
        ("{'context': 'Seattle or Portland?', 'answer': 'Portland'}", ["Seattle"], 1, 0),
        (asked_for("Portland") + asked_for("Seattle"), ["Seattle"], 1, 1),  # the last one
        (asked_for("Seattle") + asked_for("Portland"), ["Seattle"], 1, 0),
        (asked_for("I do not know", "perhaps Seattle"), ["Seattle"], 1, 0),
        (asked_for(""), ["answer"], 1, 0),  # the form itself holds the word
        (asked_for("cross-functional"), ["Cross functional"], 0, 1),
        (asked_for("e-sports"), ["e-sports"], 1, 1),
        (asked_for("esports"), ["e-sports"], 1, 1),
        (asked_for("coffee_creations_1237"), ["coffee_creations_1237"], 1, 1),
        (asked_for("13885"), ["138/85"], 1, 0),
        (asked_for("138/85 mmHg"), ["138/85"], 1, 1),
        (asked_for("7:30"), ["7"], 1, 0),
        (asked_for("1,8"), ["18"], 1, 0),
        (asked_for("2,631"), ["2631"], 1, 1),
        (asked_for("10 AM – 12 PM"), ["10 AM - 12 PM"], 0, 1),
        (asked_for("10 AM - 12 PM"), ["10 AM - 12 PM"], 1, 1),
        (asked_for("Adaptability, Discipline, Relationships"), ["Adaptability, Discipline, Relationships"], 1, 1),
        (asked_for("one two three four five six"), ["Six", "6"], 1, 0),
        (asked_for("six of the twelve"), ["Six", "6"], 1, 1),
        (
            "As you said on Monday, when we spoke of it, you live, as far as I know, in Seattle, by the sea",
            ["Seattle"],
            1,
            1,
        ),
        ("<think>Seattle?</think>Portland", ["Seattle"], 1, 0),
        ("<think>Seattle?", ["Seattle"], 1, 0),
        ("", ["Seattle"], 0, 0),
    ],
)
def test_scores_by_hand(text: str, golds: list[str], official: float, strict: float) -> None:
    assert scores(text, *golds) == (official, strict)


def test_what_is_read_as_the_answer_is_told() -> None:
    (result,) = score_answers(BFCL, [AnswerToScore(asked_for("Seattle"), row("Seattle"))])
    assert result.parsed == "Seattle"


def test_one_question_over_several_memories_is_one_cluster_and_a_sample_of_each() -> None:
    samples = [
        BFCL.sample(row("x").model_copy(update={"id": f"memory_{backend}_7-customer-7", "backend": backend}), "here")
        for backend in ("kv", "vector", "rec_sum")
    ]
    assert {sample.metadata.cluster for sample in samples} == {"7-customer-7"}
    assert len({sample.id for sample in samples}) == 3
    assert [(sample.metadata.groups or {})["backend"] for sample in samples] == ["kv", "vector", "rec_sum"]


def test_no_other_engine_may_ask(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(row("x").model_dump_json() + "\n")
    for data in ((), (f"bfcl_memory={rows}",)):
        with pytest.raises(ConfigError, match="memory that bfcl-eval fills") as caught:
            evaluate(model=lambda prompt: "x", tasks="bfcl_memory", data=data, output_dir=tmp_path / "runs")
        assert "golong bfcl" in caught.value.hint
    assert not (tmp_path / "runs").exists()
