"""OpenAI MRCR: difflib to the last digit, the random string, both revisions and GoLongRL's file, real rollouts."""

from __future__ import annotations

import datetime
import json
import random
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.benchmarks import AnswerToScore, benchmark_named, score_answers
from golong_eval.benchmarks.similarity import difflib_ratio
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Variant

MRCR = benchmark_named("mrcr")
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "mrcr_rollouts_sample.jsonl"
PREFIX = "aB3dE6gH9j"
TURNS = [
    {"role": "user", "content": "write a poem about tides"},
    {"role": "assistant", "content": "The tide comes in."},
    {"role": "user", "content": "write a poem about tides"},
    {"role": "assistant", "content": "The tide goes out."},
    {"role": "user", "content": f"Prepend {PREFIX} to the 2nd (1 indexed) poem about tides."},
]
PROSE = (
    "the river ran past old mills and quiet meadows where children kept lanterns for winter evenings because nobody "
    "could say when ferries would come back with news of brothers who had gone to look for copper in far hills"
)


def hub_row(**changes: Any) -> dict[str, Any]:
    return {
        "prompt": json.dumps(TURNS),
        "answer": f"{PREFIX}The tide goes out.",
        "random_string_to_prepend": PREFIX,
        "n_needles": 2,
        "desired_msg_index": 3,
        "total_messages": 5,
        "n_chars": 140,
    } | changes


def golongrl_row(**changes: Any) -> dict[str, Any]:
    return {
        "id": 17,
        "prompt": TURNS,
        "answer": f"{PREFIX}The tide goes out.",
        "random_string_to_prepend": PREFIX,
        "needle_count": 2,
        "n_tokens_qwen": 5_000,
        "bin": [4096, 8192],
    } | changes


def value(response: str, gold: str, variant: Variant = "official", prefix: str = PREFIX) -> float | None:
    columns = {"answer": prefix + gold, "random_string_to_prepend": prefix}
    row = MRCR.row_of_columns(columns, "row")
    return score_answers(MRCR.scored_as(variant), [AnswerToScore(response, row)])[0].value


def prose(draw: random.Random, length: int) -> str:
    return " ".join(draw.choices(PROSE.split(), k=length // 5))[:length]


# ---- the ratio


@given(st.text("abc \n", max_size=60), st.text("abc \n", max_size=60))
def test_the_ratio_is_difflibs_on_any_short_texts(said: str, gold: str) -> None:
    assert difflib_ratio(said, gold) == SequenceMatcher(None, said, gold).ratio()


def test_the_ratio_is_difflibs_on_thousands_of_pairs_around_the_bound_of_its_heuristic() -> None:
    draw = random.Random(1)
    for _ in range(1_500):
        gold = prose(draw, draw.randint(1, 420))  # from 200 characters on, frequent letters begin no match
        said = "".join(letter for letter in gold if draw.random() > 0.1) + prose(draw, draw.randint(0, 120))
        assert difflib_ratio(said, gold) == SequenceMatcher(None, said, gold).ratio()
        assert value(PREFIX + said, gold) == SequenceMatcher(None, said, gold).ratio()


def test_order_and_heuristic_are_part_of_the_definition() -> None:
    draw = random.Random(2)
    one, other = prose(draw, 1_600), prose(draw, 1_600)
    mutated = "".join(letter for letter in one if draw.random() > 0.05)
    ratio = value(PREFIX + one, other)
    assert ratio == SequenceMatcher(None, one, other).ratio()
    assert ratio != SequenceMatcher(None, other, one).ratio()
    assert ratio != SequenceMatcher(None, one, other, autojunk=False).ratio()
    near = value(PREFIX + mutated, one)
    assert near is not None
    assert near < SequenceMatcher(None, mutated, one, autojunk=False).ratio()


def test_an_honest_long_answer_is_compared_exactly() -> None:
    draw = random.Random(3)
    gold, said = prose(draw, 5_000), prose(draw, 60_000)
    assert value(PREFIX + said, gold) == SequenceMatcher(None, said, gold).ratio()


def test_an_answer_that_would_take_hours_is_given_up_in_seconds() -> None:
    draw = random.Random(4)
    gold = "".join(draw.choices([chr(0x100 + number) for number in range(150)], k=15_000))  # no letter over 1 %
    said = "".join(draw.choices(sorted(set(gold)), k=1_000_000))
    started = time.monotonic()
    row = MRCR.row_of_columns({"answer": PREFIX + gold, "random_string_to_prepend": PREFIX}, "row")
    (result,) = score_answers(MRCR, [AnswerToScore(PREFIX + said, row)])
    assert (result.value, result.status) == (0.0, "unparsed")
    assert "too long" in (result.reason or "")
    assert time.monotonic() - started < 60


# ---- the two rules


@pytest.mark.parametrize(
    ("response", "official", "strict"),
    [
        (f"{PREFIX}abcd efgh", 1.0, 1.0),
        ("abcd efgh", 0.0, 0.0),
        (f"{PREFIX.lower()}abcd efgh", 0.0, 0.0),
        (f"\n{PREFIX}abcd efgh", 0.0, 1.0),
        (f"{PREFIX}abcd efgh\n", 18 / 19, 1.0),
        (f"<think>{PREFIX}</think>{PREFIX}abcd efgh", 1.0, 1.0),
        (f"Sure: {PREFIX}abcd efgh", 0.0, 0.0),
        (f"{PREFIX} abcd efgh", 18 / 19, 18 / 19),  # a space behind the random string is not in the gold
        (f"{PREFIX}{PREFIX}abcd efgh", 18 / 28, 18 / 28),  # the random string is taken off once
        (PREFIX, 0.0, 0.0),
    ],
)
def test_what_the_rules_read(response: str, official: float, strict: float) -> None:
    assert value(response, "abcd efgh") == pytest.approx(official)
    assert value(response, "abcd efgh", "strict") == pytest.approx(strict)


@pytest.mark.skipif(not SHARED.is_file(), reason="no sample of real rollouts beside the repository")
def test_real_rollouts_get_the_rewards_that_were_recorded_where_both_ends_are_stripped() -> None:
    rows = [json.loads(line) for line in SHARED.read_text().splitlines()]
    assert len(rows) == 5
    for fields in rows:
        prefix = fields["random_string_to_prepend"]
        gold = fields["expected_answer"].removeprefix(prefix)
        response = fields["response"]["output_text"]
        assert value(response, gold, "strict", prefix) == fields["reward"]
        assert value(response, gold, "official", prefix) == 0.0  # all begin with a line end


# ---- rows


def test_the_conversation_is_sent_as_it_is_and_stored_once() -> None:
    sample = MRCR.sample(MRCR.read_row(hub_row(), "row"), "row")
    assert MRCR.prompt(sample).messages == TURNS
    assert MRCR.prompt(sample, "none").messages == TURNS[-1:]
    assert "prompt" not in sample.gold.model_dump()["row"]
    with pytest.raises(DataError, match="marks no evidence"):
        MRCR.prompt(sample, "evidence")


def test_both_schemas_are_one_row(tmp_path: Path) -> None:
    (tmp_path / "mrcr_0_128K.jsonl").write_text(json.dumps(golongrl_row()) + "\n" + json.dumps(golongrl_row(id="b")))
    first, second = (row for _, row in MRCR.load(tmp_path / "mrcr_0_128K.jsonl"))
    sample = MRCR.sample(first, "row")
    assert sample.id == "mrcr/17"
    assert sample.metadata.groups == {"needles": "2", "bin": "[4096, 8192]", "revision": "GoLongRL"}
    assert MRCR.prompt(sample) == MRCR.prompt(MRCR.sample(MRCR.read_row(hub_row(), "row"), "row"))
    assert second.id == "b"
    as_text = MRCR.read_row(golongrl_row(prompt=json.dumps(TURNS)), "row")
    assert MRCR.prompt(MRCR.sample(as_text, "row")).messages == TURNS


@pytest.mark.parametrize(
    ("name", "changes", "revision"),
    [
        ("2needle/2needle_0.parquet", {}, "2025-12-05 or later"),
        ("8needle.parquet", {}, "before 2025-12-05"),
        ("my_copy.parquet", {}, None),
        ("copy.parquet", {}, None),
        ("copy.parquet", {"date_added": datetime.date(2025, 12, 5)}, "2025-12-05 or later"),
        ("copy.parquet", {"date_added": None}, None),
    ],
)
def test_the_revision_is_told_by_a_known_file_name_or_a_column(
    tmp_path: Path, name: str, changes: dict[str, Any], revision: str | None
) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs the hub extra")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the hub extra")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist([hub_row(**changes)]), file)
    ((_, row),) = MRCR.load(file)
    groups = MRCR.sample(row, "row").metadata.groups or {}
    assert groups.get("revision") == revision
    assert groups["needles"] == "2"


def test_a_folder_with_both_revisions_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "2needle").mkdir()
    for name in ("2needle/2needle_0.parquet", "2needle.parquet"):
        (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match="both revisions") as caught:
        MRCR.load(tmp_path)
    assert "folder of their own" in (caught.value.hint or "")


def test_each_row_is_in_one_length_class_by_its_tokens_or_a_fifth_of_its_characters(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    characters = [15_459, 655_360, 655_361, 2_621_440, 2_621_441, 5_244_934]
    file.write_text("\n".join(json.dumps(hub_row(n_chars=n)) for n in characters))
    counts = {name: len(list(benchmark_named(name).load(file))) for name in ("mrcr_128k", "mrcr_512k", "mrcr_1m")}
    assert counts == {"mrcr_128k": 2, "mrcr_512k": 2, "mrcr_1m": 2}
    file.write_text(json.dumps(golongrl_row(n_tokens_qwen=131_073, n_chars=10)))
    assert [len(list(benchmark_named(name).load(file))) for name in ("mrcr_128k", "mrcr_512k")] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": "The tide goes out."}, "does not begin with random_string_to_prepend"),
        ({"random_string_to_prepend": ""}, "does not begin with random_string_to_prepend"),
        ({"prompt": "write a poem"}, "no list of messages"),
        ({"prompt": "[]"}, "the last message is not the user's"),
        ({"prompt": json.dumps(TURNS[:2])}, "the last message is not the user's"),
        ({"prompt": None}, "prompt"),
        ({"n_chars": "many"}, "n_chars"),
    ],
)
def test_malformed_rows_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(hub_row(**changes)))
    with pytest.raises(DataError, match=message):
        [MRCR.sample(row, place) for place, row in MRCR.load(file)]


def test_a_row_without_its_prompt_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    fields = hub_row()
    del fields["prompt"], fields["n_chars"]
    (tmp_path / "rows.jsonl").write_text(json.dumps(fields))
    with pytest.raises(DataError, match="prompt"):
        list(MRCR.load(tmp_path / "rows.jsonl"))
