"""What holds of every benchmark: golden rows, shipped rows, prompts, hostile answers, stored rows, documentation."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.benchmarks import (
    BENCHMARKS,
    AnswerToScore,
    Benchmark,
    benchmark_named,
    locate,
    samples_of,
    score_answers,
)
from golong_eval.benchmarks.base import NeedsJudge
from golong_eval.benchmarks.scoring import judge_questions
from golong_eval.benchmarks.suites import SUITES
from golong_eval.benchmarks.validation import validate_rows
from golong_eval.benchmarks.verification import golden_rows, golden_score, verify
from golong_eval.rewards import BENCHMARK_METRICS, MetricSpec
from golong_eval.schema import RowGold, Sample

OWN = [name for name in BENCHMARKS if "lm_eval" not in benchmark_named(name).needs]
GOLDEN = Path(benchmark_named.__code__.co_filename).parent / "golden"
DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"
HOSTILE = [
    "",
    " \n\t",
    "\x00\x1b[J\u202e",
    "\ud83d\udc00"[0] + "x",
    "<think>",
    "</think>" * 1_000,
    "The answer is: " * 5_000,
    "Therefore, the answer is (" * 5_000,
    "The correct answer is (",
    "[Answer]\n" * 5_000,
    "9" * 100_000,
    "1e999999999",
    "10**10**10",
    "__import__('os').system('false')",
    "-inf nan Infinity",
    "(" * 50_000,
    "[" * 50_000 + "]" * 50_000,
    "a " * 250_000,
    "字" * 100_000,
    "1,2,3," * 50_000,
    "\n" * 200_000,
]


def shipped(benchmark: Benchmark[Any], limit: int | None = None) -> list[Sample]:
    located = locate(benchmark, [f"{benchmark.id}=shipped"])
    return list(samples_of(located, limit=limit, seed=0, lengths=(1024,), tokens=lambda: len))


@pytest.mark.parametrize("name", sorted(file.stem for file in GOLDEN.glob("*.jsonl")))
def test_golden_rows_are_scored_as_by_hand(name: str) -> None:
    benchmark = benchmark_named(name)
    if name not in OWN:
        pytest.importorskip("lm_eval", reason="needs lm-eval")
    rows = list(golden_rows(name))
    assert len(rows) >= 5
    for place, row in rows:
        for variant, expected in (("official", row.official), ("strict", row.strict)):
            value = golden_score(benchmark, row, variant, place)  # type: ignore[arg-type]
            assert value == pytest.approx(expected, abs=1e-6), f"{place} {variant}: {row.why}"
    if benchmark.flaws:
        assert any(row.official != row.strict for _, row in rows), "no row shows the flaw"


def test_each_rule_has_golden_rows() -> None:
    with_rows = {benchmark_named(file.stem).rule for file in GOLDEN.glob("*.jsonl")}
    assert with_rows == {benchmark_named(name).rule for name in BENCHMARKS}
    assert with_rows <= set(BENCHMARK_METRICS)


def test_verify_checks_all_and_finds_a_wrong_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = verify("mrcr")
    assert [check.cases for check in checks] == [16, 300]
    assert not any(check.faults for check in checks)
    (tmp_path / "mrcr.jsonl").write_text((GOLDEN / "mrcr.jsonl").read_text().replace('"strict": 1,', '"strict": 0.5,'))
    monkeypatch.setattr("golong_eval.benchmarks.verification._GOLDEN", tmp_path)
    assert any("by hand 0.5" in fault for fault in verify("mrcr")[0].faults)


@pytest.mark.parametrize("name", OWN)
def test_shipped_rows_are_sound(name: str) -> None:
    located = locate(benchmark_named(name), [f"{name}=shipped"])
    if name in ("mrcr_512k", "mrcr_1m"):
        assert validate_rows(located) == (0, [])  # the shipped ones are short
        return
    count, faults = validate_rows(located)
    assert (count > 1, faults) == (True, [])


@pytest.mark.parametrize("name", [name for name in OWN if name not in ("mrcr_512k", "mrcr_1m")])
def test_prompts_hold_the_text_and_the_question_and_without_documents_no_text(name: str) -> None:
    benchmark = benchmark_named(name)
    for sample in shipped(benchmark, 4):
        prompt = benchmark.prompt(sample)
        assert prompt.text == benchmark.prompt(sample).text
        bare = benchmark.prompt(sample, "none")
        assert len(bare.message) <= len(prompt.message) or bare.history != prompt.history
        assert sample.question.strip()[:40] in prompt.text or sample.question == "-" or name == "ruler"
        assert isinstance(sample.gold, RowGold)
        assert sample.gold.answers or name.startswith("longmemeval")
        stored = Sample.model_validate_json(sample.model_dump_json())
        assert benchmark.row_of(stored.gold) == benchmark.row_of(sample.gold)  # type: ignore[arg-type]
        assert len(json.dumps(sample.gold.row)) < len(prompt.text) + 3_000


@pytest.mark.parametrize("name", [name for name in OWN if name not in ("mrcr_512k", "mrcr_1m")])
def test_hostile_answers_get_0_or_go_to_the_judge_and_take_no_time(name: str) -> None:
    benchmark = benchmark_named(name)
    sample = shipped(benchmark, 1)[0]
    for variant in ("strict", "official"):
        started = time.monotonic()
        answers = [AnswerToScore(text, sample.gold, sample.metadata.language) for text in HOSTILE]
        results = score_answers(benchmark.scored_as(variant), answers)  # type: ignore[arg-type]
        assert time.monotonic() - started < 30
        for text, result in zip(HOSTILE, results, strict=True):
            assert result.status in ("ok", "empty", "unparsed", "judge_error"), (text[:40], result)
            limit = 1.0 if variant == "official" else 0.6  # a summary may share a word; frames has no such shield
            assert (result.value or 0.0) <= limit, (variant, text[:40], result)


@pytest.mark.parametrize("name", [name for name in OWN if name not in ("mrcr_512k", "mrcr_1m")])
@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=120))
def test_any_text_has_a_score_between_0_and_1_or_a_question_to_the_judge(name: str, text: str) -> None:
    benchmark = benchmark_named(name)
    sample = _SAMPLES.setdefault(name, shipped(benchmark, 1)[0])
    answer = AnswerToScore(text, sample.gold, sample.metadata.language)
    for variant in ("strict", "official"):
        (result,) = score_answers(benchmark.scored_as(variant), [answer])  # type: ignore[arg-type]
        if result.value is None:
            assert result.status == "judge_error"
            assert judge_questions(benchmark, [answer], (variant,))  # type: ignore[arg-type]
        assert MetricSpec.model_validate(result.metric).name == benchmark.rule


_SAMPLES: dict[str, Sample] = {}


@pytest.mark.parametrize("name", OWN)
def test_a_rule_that_may_ask_a_judge_says_so(name: str) -> None:
    benchmark = benchmark_named(name)
    asked = set()
    for sample in [] if name in ("mrcr_512k", "mrcr_1m") else shipped(benchmark, 4):
        row = benchmark.row_of(sample.gold)  # type: ignore[arg-type]
        from golong_eval.benchmarks.base import Answer

        for text in ("something else altogether", "Therefore, the answer is a thing", "The answer is: a thing"):
            for variant in ("strict", "official"):
                asked.add(isinstance(benchmark.score(Answer(text, text), row, variant), NeedsJudge))  # type: ignore[arg-type]
    assert (True in asked) == ("judge" in benchmark.needs and bool(asked))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_whole(name: str) -> None:
    benchmark = benchmark_named(name)
    assert benchmark.id == name
    assert benchmark.max_tokens > 0
    assert benchmark.size
    assert benchmark.lengths
    assert benchmark.capability
    assert set(benchmark.scored_by) <= set(benchmark.row.model_fields)
    assert set(benchmark.apart) <= set(benchmark.row.model_fields)
    assert str(MetricSpec.model_validate(str(benchmark.metric))) == str(benchmark.metric)
    assert pickle.loads(pickle.dumps(benchmark)).metric == benchmark.metric
    page = DOCS / ("general.md" if name not in OWN else f"{benchmark.data_name()}.md")
    assert page.is_file(), f"{name} has no page"
    assert name in page.read_text()


def test_suites_name_benchmarks_and_settings_that_exist() -> None:
    from golong_eval.harness import RunSettings

    for suite in SUITES.values():
        assert set(suite.tasks) <= set(BENCHMARKS)
        assert {column.task for column in suite.columns} <= set(suite.tasks)
        assert RunSettings.make(suite=suite.id).suite == suite.id
