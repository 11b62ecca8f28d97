"""LongBench Pro: rows that are checked, prompts, and its rules in both variants against hand numbers."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.benchmarks import AnswerToScore, benchmark_named, score_answers
from golong_eval.benchmarks.base import Answer, NeedsEmbedding
from golong_eval.benchmarks.longbench_pro import LongBenchPro
from golong_eval.errors import DataError
from golong_eval.rewards import SECONDARY_TASKS, Semantic
from golong_eval.schema import RewardResult, Variant

PRO, COT = benchmark_named("longbench_pro"), benchmark_named("longbench_pro_cot")
ROWS: list[dict[str, Any]] = json.loads(
    (Path(benchmark_named.__code__.co_filename).parent / "rows" / "longbench_pro.json").read_text()
)
RANK, PAIRS, FACT, SUMMARY, CITE, CLUSTER = (
    "T1.1 Global Cohesive Retrieval",
    "T2.1 Global Timeline Reconstruction",
    "T3.2 Single-Hop Fact QA",
    "T4.1 Global-Coverage Constrained Summary",
    "T5.1 Full-Sentence Citation Alignment",
    "T6.1 Large-Scale Document Clustering",
)
TEN = list("abcdefghij")


def results(task: str, gold: list[str], said: str, language: str = "English") -> tuple[RewardResult, RewardResult]:
    """The published result and the strict one."""
    row = PRO.row_of_columns({"secondary_task": task, "answer": gold, "language": language}, "row")
    official, strict = (
        score_answers(PRO.scored_as(variant), [AnswerToScore(said, row)])[0] for variant in ("official", "strict")
    )
    return official, strict


def values(task: str, gold: list[str], said: str, language: str = "English") -> tuple[float | None, float | None]:
    official, strict = results(task, gold, said, language)
    return official.value, strict.value


# ---------------------------------------------------------------------------------------------------------
# What the published rules get wrong


@pytest.mark.parametrize(
    ("said", "official", "strict"),
    [
        (["a", "b"], 1.0, 1 / 45),  # one ordered pair of the one answered; of 45 in the gold
        ([*TEN, "k"], 45 / 55, 45 / 55),  # 0.818
        ("\n\n".join(TEN).split("\n"), 45 / 171, 1.0),  # 0.263: nineteen lines, nine of them blank
        (TEN[::-1], 0.0, 0.0),
        (["a"], 0.0, 0.0),
        ([f"{place}. **{letter}**" for place, letter in enumerate(TEN, 1)], 0.0, 1.0),
        ([f"- {letter}" for letter in TEN], 0.0, 1.0),
    ],
)
def test_the_published_pairs_are_those_of_the_answer(said: list[str], official: float, strict: float) -> None:
    assert values(PAIRS, TEN, "[Answer]\n" + "\n".join(said)) == pytest.approx((official, strict))


def test_repeated_gold_items_are_published_as_a_failure_above_1() -> None:
    gold = ["x", "y", "y", "y"]  # said once each, the published code counts six pairs of one
    assert values(PAIRS, gold, "[Answer]\nx\ny") == (0.0, 1.0)


@pytest.mark.parametrize("gold", [["x"], ["x", "x"]])
def test_a_gold_without_pairs_can_not_be_reached_as_published(gold: list[str]) -> None:
    assert values(PAIRS, gold, "[Answer]\nx") == (0.0, 1.0)
    assert values(PAIRS, gold, "[Answer]\ny") == (0.0, 0.0)


def test_blank_lines_bullets_numbers_and_full_width_forms_are_published_as_wrong() -> None:
    assert values(CITE, ["x", "y"], "[Answer]\nx\n\ny") == pytest.approx((0.8, 1.0))  # P 2/3, R 1
    assert values(CITE, ["x", "y"], "[Answer]\n- x\n- y") == (0.0, 1.0)
    assert values(CITE, ["a (1)"], "[Answer]\na （１）") == (0.0, 1.0)
    assert values(CLUSTER, ["sea: M1", "air: M2"], "[Answer]\nsea：M1\n* air: M2") == (0.0, 1.0)
    assert values(FACT, ["Lund"], "[Answer]\n1. Lund") == (0.0, 1.0)


def test_accuracy_is_published_of_the_first_line_alone() -> None:
    assert values(FACT, ["Lund"], "[Answer]\nThe answer is:\nLund") == (0.0, 1.0)
    assert values(FACT, ["Lund"], "[Answer]\nLund\nor Bruck, or Orr") == (1.0, 0.0)  # a guess with a way out


def test_lines_of_junk_are_published_as_free_in_sub_em_and_after_the_cut_of_ndcg() -> None:
    junk = [f"junk {place}" for place in range(6)]
    assert values(CLUSTER, ["x", "y"], "[Answer]\n" + "\n".join([*junk, "x", "y"])) == (1.0, 0.25)
    assert values(RANK, ["x", "y"], "[Answer]\n" + "\n".join(["x", "y", *junk])) == pytest.approx((1.0, 0.25))


def test_a_repeated_line_is_published_to_move_down() -> None:
    """Gains 4, 3, 2, 1; a, said again at the end, is cut off behind b, c and d."""
    ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate((4, 3, 2, 1), 1))
    moved = sum(gain / math.log2(rank + 1) for rank, gain in enumerate((3, 2, 1, 4), 1))
    assert values(RANK, list("abcd"), "[Answer]\na\nb\nc\nd\na") == pytest.approx((moved / ideal, 1.0))


def test_a_summary_is_published_with_all_before_it() -> None:
    gold = "The cat sat on the mat."
    # Published, by hand: the marks make "[answer]" one of six distinct words: P 5/6, R 1.
    assert values(SUMMARY, [gold], f"[Answer]\n{gold}") == pytest.approx((2 * (5 / 6) / (11 / 6), 1.0))
    # Ten more distinct words before it: P 5/16.
    preamble = "I shall first think of dogs and birds in trees"
    assert values(SUMMARY, [gold], f"{preamble}\n[Answer]\n{gold}") == pytest.approx((2 * (5 / 16) / (21 / 16), 1.0))


@pytest.mark.parametrize("language", ["English", "Chinese"])
def test_a_long_summary_has_the_value_of_the_formula_and_does_not_fail(language: str) -> None:
    """The published code fails on sentences of some 600 words by Python's limit of recursion, and gives 0."""
    sentence = "春天来了河水上涨渡口的船夫换了新的缆绳" if language == "Chinese" else "river stone amber quiet lantern "
    text = sentence * 200
    assert values(SUMMARY, [text], text, language) == pytest.approx((1.0, 1.0), abs=1e-6)


def test_the_largest_value_over_the_references_counts() -> None:
    for found in values(SUMMARY, ["a red boat", "the cat sat"], "the cat sat"):
        assert found == pytest.approx(1.0, abs=1e-6)


# ---------------------------------------------------------------------------------------------------------
# Where an answer stands


@pytest.mark.parametrize("task", [RANK, FACT, CITE, CLUSTER])
def test_the_last_mark_counts_and_thinking_does_not(task: str) -> None:
    said = "<think>[Answer]\nOslo</think>I thought of [Answer]\nBruck\n[Answer]\nLund"
    assert values(task, ["Lund"], said) == (1.0, 1.0)
    assert values(task, ["Lund"], "[答案]\nLund") == (1.0, 1.0)
    assert values(task, ["Lund"], "Lund") == (1.0, 1.0)
    assert values(task, ["Lund"], "I say Lund, but in words.") == (0.0, 0.0)


def test_the_english_mark_is_published_to_win_over_a_later_chinese_one() -> None:
    assert values(FACT, ["Lund"], "[Answer] Oslo\n[答案] Lund") == (0.0, 1.0)


@pytest.mark.parametrize("task", [RANK, PAIRS, FACT, CITE, CLUSTER])
def test_an_empty_answer_area_is_empty(task: str) -> None:
    official, strict = results(task, ["x", "y"], "x\ny\n[Answer]\n \n")
    assert (official.value, strict.value, strict.status) == (0.0, 0.0, "empty")


def test_an_empty_area_of_a_summary_is_published_as_its_preamble() -> None:
    official, strict = results(SUMMARY, ["the cat sat"], "the cat sat [Answer]")
    assert official.value == pytest.approx(2 * 0.75 / 1.75)
    assert strict.status == "empty"


def test_an_answer_without_end_is_none_unless_the_gold_is_as_long() -> None:
    official, strict = results(CITE, ["x"], "x\n" * 600_000)
    assert (official.value, strict.value, strict.status) == (1.0, 0.0, "unparsed")
    gold = [f"{place} " + "word " * 200 for place in range(1_100)]
    assert values(CITE, gold, "[Answer]\n" + "\n".join(gold)) == (1.0, 1.0)


@pytest.mark.parametrize("task", [RANK, PAIRS, FACT, SUMMARY, CITE, CLUSTER])
@pytest.mark.parametrize(
    "said",
    [
        "[Answer]" * 100_000,
        "\n" * 999_000 + "x",
        "x\n" * 400_000,
        "- " * 400_000,
        "(" * 900_000,
        "\ud83d[Answer]\udc00",
    ],
    ids=["marks", "breaks", "lines", "bullets", "brackets", "surrogates"],
)
def test_hostile_answers_have_a_score_in_time(task: str, said: str) -> None:
    started = time.monotonic()
    for result in results(task, ["the cat", "the mat"], said):
        assert result.status in ("ok", "empty", "unparsed")
        assert result.value == 0.0
    assert time.monotonic() - started < 20


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(SECONDARY_TASKS)), st.lists(st.from_regex(r"[a-z]{1,6}( [a-z0-9]{1,6})?", fullmatch=True))
)
def test_every_gold_is_right_as_strict_reads_it_and_no_value_leaves_0_to_1(task: str, gold: list[str]) -> None:
    if not gold:
        return
    row = PRO.row_of_columns({"secondary_task": task, "answer": gold, "language": "English"}, "row")
    official, strict = values(task, gold, str(PRO.gold_answer(row)))
    assert strict == pytest.approx(1.0)
    assert official is not None
    assert 0 <= official <= 1


# ---------------------------------------------------------------------------------------------------------
# The half of embeddings


class Toy:
    """Embeds a text by whether it has a cat in it, and notes what it is shown."""

    name = "toy"

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, texts: Any, /) -> list[list[float]]:
        self.shown += texts
        return [[1.0, 0.0] if "cat" in text else [0.0, 1.0] for text in texts]


def test_the_embedding_half_is_there_with_an_embedder_and_marked_without() -> None:
    row = PRO.row_of_columns({"secondary_task": SUMMARY, "answer": ["the cat sat"], "language": "English"}, "row")
    answer = AnswerToScore("a cat ran", row)
    (alone,) = score_answers(PRO, [answer])
    (both,) = score_answers(PRO.scored_as(semantic=Semantic(model="toy")), [answer], embedder=Toy())
    assert alone.metric == "longbench_pro[strict,v1]"
    assert both.metric == "longbench_pro[strict,v1,semantic=0.5*toy]"
    assert both.value == pytest.approx(0.5 * (alone.value or 0) + 0.5)
    assert (alone.parts["rouge_l"], both.parts["cosine"]) == (alone.value, 1.0)


@pytest.mark.parametrize(
    ("variant", "shown"),
    [("official", "i think. [answer] the cat sat"), ("strict", "The  Cat\nsat")],
)
def test_texts_are_embedded_as_the_variant_reads_them(variant: Variant, shown: str) -> None:
    row = PRO.row_of_columns(
        {"secondary_task": SUMMARY, "answer": ["The  cat ", "a dog"], "language": "English"}, "row"
    )
    text = "I think.\n[Answer]\nThe  Cat\nsat\n"
    said = PRO.score(Answer(text, text), row, variant)
    assert isinstance(said, NeedsEmbedding)
    assert (said.text, said.weight) == (shown, 0.5)
    assert said.references == (("the cat", "a dog") if variant == "official" else ("The  cat", "a dog"))
    assert said.outcome.parts["rouge_l"] == said.outcome.value


def test_other_tasks_have_no_such_half() -> None:
    row = PRO.row_of_columns({"secondary_task": FACT, "answer": ["cat"], "language": "English"}, "row")
    toy = Toy()
    (result,) = score_answers(PRO.scored_as(semantic=Semantic(model="toy")), [AnswerToScore("cat", row)], embedder=toy)
    assert (result.value, toy.shown) == (1.0, [])


def test_passes_are_full_scores_and_more_than_065_of_a_summary() -> None:
    by_task = {row["secondary_task"]: PRO.sample(PRO.read_row(row, "row"), "") for row in ROWS}
    for task, sample in by_task.items():
        passed = [PRO.solved(value, sample) for value in (0.65, 0.651, 0.99, 1.0)]
        assert passed == ([False, True, True, True] if task.startswith("T4.") else [False, False, False, True])


# ---------------------------------------------------------------------------------------------------------
# Rows and prompts


def test_the_shipped_rows_show_all_tasks_groups_and_languages() -> None:
    assert [row["secondary_task"] for row in ROWS] == sorted(SECONDARY_TASKS, key=task_number)
    for column, count in (("token_length", 6), ("difficulty", 4), ("contextual_requirement", 2), ("language", 2)):
        assert len({row[column] for row in ROWS}) == count
    for row in ROWS:
        assert row["secondary_task"].split(".")[0] == row["primary_task"].split(".")[0]
        assert 200 <= len(row["context"]) <= 800
        for question in (row["question_nonthinking"], row["question_thinking"]):
            assert ("[答案]" if row["language"] == "Chinese" else "[Answer]") in question


def task_number(task: str) -> tuple[int, int]:
    primary, secondary = task[1:].split(" ")[0].split(".")
    return int(primary), int(secondary)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("T1.1 Global Cohesive Retrival", "T1.1 Global Cohesive Retrieval"),
        ("t3.2 fact qa", "T3.2 Single-Hop Fact QA"),
        ("single-hop fact QA", "T3.2 Single-Hop Fact QA"),
        ("T11.1", "T11.1 Long-Range Entity & Commitment Tracking"),
        ("T12.9 Sweep", None),
    ],
)
def test_an_unknown_task_is_an_error_that_names_the_nearest(name: str, near: str | None) -> None:
    columns = {"secondary_task": name, "answer": ["a"], "language": "English"}
    for read, fields in ((PRO.read_row, {**ROWS[0], "secondary_task": name}), (PRO.row_of_columns, columns)):
        with pytest.raises(DataError, match="row 7: secondary_task: unknown task") as told:
            read(fields, "row 7")
        assert told.value.hint == (f"did you mean {near!r}?" if near else "another revision of the data?")


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (CITE, []),
        (CITE, ["", "a"]),
        (RANK, ["\u200b"]),
        (PAIRS, ["[Answer] a", "b"]),
        (FACT, ["</think>"]),
        (SUMMARY, ["-", "a"]),
        (SUMMARY, [1]),
        (CITE, None),
    ],
)
def test_a_gold_that_no_answer_could_match_is_an_error_of_its_row_and_column(task: str, answer: Any) -> None:
    with pytest.raises(DataError, match=r"row 7: answer\b"):
        PRO.read_row({**ROWS[0], "secondary_task": task, "answer": answer}, "row 7")
    with pytest.raises(DataError, match=r"row 7: answer\b"):
        PRO.row_of_columns({"secondary_task": task, "answer": answer, "language": "English"}, "row 7")


def test_an_id_is_a_text_or_a_whole_number() -> None:
    assert [PRO.read_row({**ROWS[0], "id": value}, "row").id for value in ("a1", 17)] == ["a1", "17"]
    for value in (None, 1.5, True, ["a"]):
        with pytest.raises(DataError, match="row: id"):
            PRO.read_row({**ROWS[0], "id": value}, "row")
    with pytest.raises(DataError, match="language"):
        PRO.read_row({**ROWS[0], "language": "French"}, "row")


@pytest.mark.parametrize("benchmark", [PRO, COT], ids=["plain", "cot"])
def test_a_sample_has_the_groups_of_the_leaderboard(benchmark: LongBenchPro) -> None:
    for fields in ROWS:
        sample = benchmark.sample(benchmark.read_row(fields, "row"), "row")
        assert sample.id == f"{benchmark.id}/{fields['id']}"
        assert sample.metadata.groups == {
            kind: fields[kind] for kind in ("primary_task", "secondary_task", "contextual_requirement", "token_length")
        }
        assert sample.metadata.difficulty == fields["difficulty"]
        assert sample.metadata.language == {"Chinese": "zh", "English": "en"}[fields["language"]]


_TEXT = st.text(alphabet="ab \n\u3000甲", max_size=12)


@settings(max_examples=100, deadline=None)
@given(_TEXT, _TEXT)
def test_a_prompt_is_the_context_four_line_ends_and_the_question_all_stripped(context: str, question: str) -> None:
    fields = {**ROWS[0], "context": context, "question_nonthinking": question, "question_thinking": f"{question}?"}
    for benchmark, asked in ((PRO, question), (COT, f"{question}?")):
        try:
            sample = benchmark.sample(benchmark.read_row(fields, "row"), "row")
        except DataError:
            assert not question.strip()
            continue
        prompt = benchmark.prompt(sample)
        assert prompt.text == f"{context}\n\n\n\n{asked}".strip()
        assert prompt.cut == "message"
        assert benchmark.prompt(sample, "none").text == asked.strip()


def test_it_has_no_evidence_to_show_alone() -> None:
    sample = PRO.sample(PRO.read_row(ROWS[0], "row"), "row")
    with pytest.raises(DataError):
        PRO.prompt(sample, "evidence")


def test_the_two_questions_have_their_budgets() -> None:
    assert (PRO.max_tokens, COT.max_tokens) == (1024, 8192)
    assert PRO.metric == COT.metric
    assert PRO.data_name() == COT.data_name() == "longbench_pro"
