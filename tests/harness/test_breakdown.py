"""What a run says beside its means: repeats, lengths, depths, failures; and a run read back from its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import DataError
from golong_eval.harness import Results, evaluate, read_run, rescore_run
from golong_eval.harness.aggregate import aggregate_task
from golong_eval.harness.breakdown import Scored, depth_group, effective_length_of, macro_slices, slices_of
from golong_eval.schema import Document, Evidence, Generation, RewardResult, Sample, SampleMetadata, TextGold
from golong_eval.tasks import load_catalogue

T1 = load_catalogue().get("t1")


def sample(number: int, *, length: int | None = None, depths: tuple[float, ...] = (), **metadata: str) -> Sample:
    return Sample(
        id=f"s{number}",
        task="t1",
        documents=(Document(id="D1", text=f"Text {number}"),),
        question="Who?",
        gold=TextGold(answers=("Ada",)),
        metadata=SampleMetadata(
            length=length,
            evidence=tuple(Evidence(document="D1", start=0, end=1, depth=depth) for depth in depths),
            **metadata,  # type: ignore[arg-type]
        ),
    )


def result(value: float | None, parsed: str | None = None) -> RewardResult:
    status = "provider_error" if value is None else "ok"
    return RewardResult(value=value, status=status, metric=str(T1.metric), parsed=parsed)


def answer(identifier: str, repeat: int = 0, *, capped: bool = False) -> Generation:
    return Generation(sample_id=identifier, repeat=repeat, text="x", finish_reason="length" if capped else "stop")


def scored(number: int, value: float | None, task: str = "t1", **metadata: object) -> Scored:
    one = sample(number, **metadata)  # type: ignore[arg-type]
    return Scored(sample=one, value=value, cluster=one.id, tokens=one.metadata.length)


def test_repeats_by_hand() -> None:
    """Two samples with four answers each: (1, 0, 0, failed) and (1, 1, 0, 0)."""
    samples = [sample(0), sample(1)]
    values = {"s0": (1.0, 0.0, 0.0, None), "s1": (1.0, 1.0, 0.0, 0.0)}
    parsed = {"s0": ("Ada", "Bob", "Bob", None), "s1": ("Ada", "Ada", "Bob", None)}
    scores = {
        (name, repeat): result(values[name][repeat], parsed[name][repeat]) for name in values for repeat in range(4)
    }
    answers = {key: answer(*key) for key, score in scores.items() if score.value is not None}
    row = aggregate_task(T1, samples, 4, answers, scores)
    assert (row.mean, row.mean_scored, row.n, row.scored, row.repeats) == (3 / 8, 3 / 7, 8, 7, 4)
    found = {at.k: (at.pass_at_k.mean, at.best_of_k.mean) for at in row.at_k}
    # k = 2: 1 - C(3,2)/C(4,2) = 1/2 and 1 - C(2,2)/C(4,2) = 5/6.
    assert found == {1: (3 / 8, 3 / 8), 2: (pytest.approx(2 / 3), pytest.approx(2 / 3)), 4: (1.0, 1.0)}
    assert row.majority is not None
    assert row.majority.mean == 0.5  # Bob, twice; Ada, twice


def test_a_failure_counts_as_zero_and_is_left_out_and_each_has_its_interval() -> None:
    samples = [sample(number) for number in range(20)]
    scores = {(f"s{number}", 0): result(None if number < 5 else float(number % 2)) for number in range(20)}
    answers = {key: answer(key[0]) for key, score in scores.items() if score.value is not None}
    row = aggregate_task(T1, samples, 1, answers, scores)
    assert (row.mean, row.mean_scored) == (8 / 20, 8 / 15)
    assert row.low is not None
    assert row.scored_low is not None
    assert row.low < 8 / 20 < row.scored_low + 0.3
    assert row.scored_low > row.low


def test_all_failures_have_a_defined_result() -> None:
    samples = [sample(number) for number in range(12)]
    row = aggregate_task(T1, samples, 1, {}, {(one.id, 0): result(None) for one in samples})
    assert (row.mean, row.mean_scored, row.mean_finished, row.coverage) == (0.0, None, None, 0.0)
    assert row.statuses == {"provider_error": 12}
    json.dumps(row.model_dump(mode="json"), allow_nan=False)


def test_score_given_finished_leaves_out_what_hit_its_cap() -> None:
    samples = [sample(number) for number in range(4)]
    scores = {(f"s{number}", 0): result(float(number < 2)) for number in range(4)}
    answers = {(f"s{number}", 0): answer(f"s{number}", capped=number == 3) for number in range(4)}
    row = aggregate_task(T1, samples, 1, answers, scores)
    assert (row.mean, row.mean_finished, row.cap_hit_rate) == (0.5, pytest.approx(2 / 3), 0.25)


def test_slices_sort_by_size_and_leave_out_what_says_nothing() -> None:
    rows = [
        scored(number, float(number % 2), length=length, depths=depths, difficulty=level)
        for number, (length, depths, level) in enumerate(
            [(9000, (0.05,), "hard"), (900, (0.95,), "easy"), (900, (0.1, 0.9), "easy"), (130_000, (), "hard")]
        )
    ]
    found = [(piece.by, piece.group, piece.score.n, piece.score.mean) for piece in slices_of(rows, binary=True, seed=0)]
    assert found == [
        ("length", "1K", 2, 0.5),
        ("length", "16K", 1, 0.0),
        ("length", "128K", 1, 1.0),
        ("depth", "0-20 %", 1, 0.0),
        ("depth", "80-100 %", 1, 1.0),
        ("depth", "spread", 1, 0.0),
        ("difficulty", "easy", 2, 0.5),
        ("difficulty", "hard", 2, 0.5),
    ]  # all are English: no slice by language


def test_evidence_at_the_very_end_is_in_the_last_fifth() -> None:
    assert depth_group(sample(0, depths=(1.0,))) == "80-100 %"
    assert depth_group(sample(0, depths=(0.81, 0.99))) == "80-100 %"
    assert depth_group(sample(0)) is None


def test_the_curve_over_tasks_takes_tasks_that_have_every_length() -> None:
    rows = {
        "t1": [scored(0, 1.0, length=900), scored(1, 0.0, length=2000)],
        "t2": [scored(2, 0.5, length=900), scored(3, 0.5, length=2000)],
        "t3": [scored(4, 0.0, length=900)],
    }
    assert [(piece.group, piece.score.mean) for piece in macro_slices(rows, seed=0)] == [("1K", 0.75), ("2K", 0.25)]


def test_right_answers_in_other_words_are_one_vote() -> None:
    """Three of five are right, in three ways; two are wrong in one."""
    said = ["Ada", "ada", "Ada Lovelace", "Bob", "bob"]
    scores = {("s0", number): result(float(number < 3), text) for number, text in enumerate(said)}
    row = aggregate_task(T1, [sample(0)], 5, {key: answer(*key) for key in scores}, scores)
    assert row.majority is not None
    assert row.majority.mean == 1.0


def test_what_was_too_long_to_count_does_not_vanish_from_the_long_end() -> None:
    rows = [scored(number, 1.0, length=4000) for number in range(10)]
    rows += [scored(number, 1.0, length=32_000) for number in range(10, 12)]
    rows += [scored(number, None) for number in range(12, 30)]
    found = {piece.group: (piece.score.n, piece.score.mean) for piece in slices_of(rows, binary=True, seed=0)}
    assert found == {"4K": (10, 1.0), "32K": (2, 1.0), "unknown": (18, 0.0)}
    assert effective_length_of(slices_of(rows, binary=True, seed=0)) is None
    assert macro_slices({"t1": rows}, seed=0) == ()


def test_effective_length_of_a_run() -> None:
    samples = [sample(number, length=1000 << (number // 10)) for number in range(30)]
    right = {0: 10, 1: 9, 2: 5}
    scores = {(f"s{number}", 0): result(float(number % 10 < right[number // 10])) for number in range(30)}
    row = aggregate_task(T1, samples, 1, {key: answer(key[0]) for key in scores}, scores)
    assert row.effective_length is not None
    assert (row.effective_length.tokens, row.effective_length.shortest, row.effective_length.longest) == (
        2048,
        1024,
        4096,
    )


# ── a run read back ──


@pytest.fixture
def run(tmp_path: Path, write_samples: Callable[[int], Path]) -> Results:
    def script(request: GenerationRequest) -> str:
        if request.sample_id == "t1-0":
            raise RuntimeError("down")
        return "[Answer]\nD1\nD2\nAda"

    return evaluate(
        model=ScriptedEngine(script), tasks=write_samples(2), repeats=2, temperature=0.7, output_dir=tmp_path / "runs"
    )


def test_a_run_is_read_back_whole(run: Results) -> None:
    stored = read_run(run.run)
    assert stored.results == run
    rows = list(stored.rows())
    assert len(rows) == 12
    assert [(row.sample.id, row.repeat) for row in rows[:2]] == [("t1-0", 0), ("t1-0", 1)]
    assert rows[0].result.status == "provider_error"
    assert rows[0].generation is not None
    assert rows[0].generation.text is None
    assert rows[0].sample.documents[0].read().startswith("Run 0")
    assert rows[4].generation is not None
    prompt = stored.prompts()[rows[4].generation.prompt_hash or ""]
    assert prompt.after.count("Who opened the valve?") == 1
    assert stored.settings["repeats"] == 2


def test_a_run_by_another_variant_has_its_own_table(run: Results) -> None:
    with pytest.raises(DataError) as caught:
        read_run(run.run, variant="official")
    assert caught.value.hint == f"score it first: golong score {run.run} --variant official"
    rescore_run(run.run, variant="official")
    stored = read_run(run.run, variant="official")
    assert {row.metric for row in stored.results.tasks} == {
        "exact_match[official,v1]",
        "ndcg@gold[official,v1]",
        "pairwise_accuracy[official,v1]",
    }
    assert {result.metric for scores in stored.scores.values() for result in scores.values()} == {
        row.metric for row in stored.results.tasks
    }


def test_reading_takes_no_lock_and_writes_nothing(run: Results) -> None:
    from golong_eval.harness import RunFolder

    before = sorted((file, file.stat().st_mtime_ns) for file in Path(run.run).rglob("*"))
    with RunFolder(Path(run.run)):
        read_run(run.run)
    assert sorted((file, file.stat().st_mtime_ns) for file in Path(run.run).rglob("*")) == before


def test_what_is_no_run_is_said_so(run: Results, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no config\.json"):
        read_run(tmp_path)
    folder = Path(run.run)
    (next((folder / "scores").glob("t7*"))).unlink()
    with pytest.raises(DataError, match="scores behind the table are missing"):
        read_run(folder)
    (folder / "results.json").write_text('{"tasks": 3}')
    with pytest.raises(DataError) as caught:
        read_run(folder)
    assert "no results of this version" in str(caught.value)
    (folder / "results.json").unlink()
    with pytest.raises(DataError, match=r"the run has no results\.json"):
        read_run(folder)
