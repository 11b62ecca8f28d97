"""Benchmarks through the whole way: rows to samples, one call and two, both scorings, groups, resume, rescoring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golong_eval import evaluate, read_run
from golong_eval.benchmarks import benchmark_named, locate, samples_of
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.harness import RunSettings, rescore_run
from golong_eval.harness.resolve import resolve_run
from golong_eval.schema import Generation


def v2_row(number: int, **changes: str) -> dict[str, str]:
    return {
        "_id": f"r{number}",
        "domain": ["Single-Document QA", "Code Repository Understanding"][number % 2],
        "sub_domain": "Legal",
        "difficulty": ["easy", "hard"][number % 2],
        "length": "short",
        "question": f"Which one is it in text {number}?",
        **{f"choice_{letter}": f"the {letter} of {number}" for letter in "ABCD"},
        "answer": "ABCD"[number % 4],
        "context": f"Text {number} says that it is {'ABCD'[number % 4]}.",
        **changes,
    }


@pytest.fixture
def v2_file(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(v2_row(number)) + "\n" for number in range(12)))
    return file


def right(request: GenerationRequest) -> str:
    """Answer right where the text is seen or reasoned about, and think wrongly first."""
    number = int(request.sample_id.rpartition("r")[2])
    return f"<think>The correct answer is (D)?</think>The correct answer is ({'ABCD'[number % 4]})."


def test_both_scorings_stand_in_the_table_and_each_in_a_file_of_its_own(tmp_path: Path, v2_file: Path) -> None:
    results = evaluate(
        model=ScriptedEngine(right), tasks="longbench_v2", data=f"longbench_v2={v2_file}", output_dir=tmp_path / "runs"
    )
    row = results["longbench_v2"]
    assert (row.mean, row.n, row.chance) == (1.0, 12, 0.25)
    assert row.published is not None
    assert row.published.mean == 0.25  # the first statement stands in the thinking, and is right for every fourth
    assert "thinking" in row.published.flaws
    groups = {(group.by, group.group): group.score.mean for group in row.groups}
    assert groups[("domain", "Code Repository Understanding")] == 1.0
    published = {(group.by, group.group): group.score.mean for group in row.published.groups}
    assert published[("domain", "Code Repository Understanding")] == 0.5
    assert published[("domain", "Single-Document QA")] == 0.0
    run = Path(results.run)
    assert read_run(run, variant="official").results["longbench_v2"].mean == 0.25
    assert {file.name for file in (run / "scores").iterdir()} == {
        "longbench_v2.longbench_v2.strict@1.jsonl",
        "longbench_v2.longbench_v2.official@1.jsonl",
    }
    assert rescore_run(run)["longbench_v2"].published == row.published


def test_two_calls_reason_over_the_text_and_answer_without_it(tmp_path: Path, v2_file: Path) -> None:
    seen: list[tuple[str, str]] = []

    def script(request: GenerationRequest) -> str:
        seen.append((request.sample_id, request.prompt.text))
        if "omitted" in request.prompt.text:
            assert "because I read it" in request.prompt.text
            return right(request)
        return "<think>hm</think>because I read it"

    results = evaluate(
        model=ScriptedEngine(script),
        tasks="longbench_v2_cot",
        data=f"longbench_v2={v2_file}",
        output_dir=tmp_path / "runs",
        repeats=2,
        temperature=1.0,
    )
    assert results["longbench_v2_cot"].mean == 1.0
    assert len(seen) == 12 * 2 * 2
    assert sum("says that it is" in text for _, text in seen) == 24
    run = Path(results.run)
    assert len((run / "predictions" / "longbench_v2_cot.first.jsonl").read_text().splitlines()) == 24
    answers = read_run(run).answers
    assert all(
        answer.first_prompt_tokens for answer in answers.values()
    )  # the length of the text, for scores by length


def test_a_first_call_that_failed_is_told_and_asked_again_on_resume(tmp_path: Path, v2_file: Path) -> None:
    broken = True

    def script(request: GenerationRequest) -> str:
        if broken and request.sample_id.endswith("r3") and "omitted" not in request.prompt.text:
            raise RuntimeError("the server fell over")
        return right(request)

    settings: dict[str, Any] = {
        "tasks": "longbench_v2_cot",
        "data": f"longbench_v2={v2_file}",
        "output_dir": tmp_path / "runs",
    }

    def named(request: GenerationRequest) -> str:
        return script(request)

    results = evaluate(model=ScriptedEngine(named), **settings)
    row = results["longbench_v2_cot"]
    assert (row.n, row.scored) == (12, 11)
    assert "the first of two calls failed" in results.failed[0].reason
    broken = False
    resumed = evaluate(model=ScriptedEngine(named), **settings, resume=True)
    assert (resumed["longbench_v2_cot"].scored, resumed.run) == (12, results.run)


def test_a_limit_picks_rows_at_random_and_the_same_ones_each_time(v2_file: Path) -> None:
    located = locate(benchmark_named("longbench_v2"), [f"longbench_v2={v2_file}"])

    def picked(limit: int | None, seed: int) -> list[str]:
        found = samples_of(located, limit=limit, seed=seed, lengths=(1024,), tokens=lambda: len)
        return [sample.id for sample in found]

    assert len(picked(None, 0)) == 12
    assert picked(4, 0) == picked(4, 0) != picked(4, 1)
    assert len(picked(4, 0)) == 4
    assert picked(4, 0) != picked(None, 0)[:4]


def test_data_is_looked_for_where_it_is_named_and_below_folders(tmp_path: Path, v2_file: Path) -> None:
    benchmark = benchmark_named("longbench_v2_cot")  # shares its data set
    folder = tmp_path / "all" / "longbench_v2"
    folder.mkdir(parents=True)
    (folder / "data.json").write_text(json.dumps([v2_row(1)]))
    assert locate(benchmark, [str(tmp_path / "all")]).path == folder
    assert locate(benchmark, [f"longbench_v2={v2_file}"]).path == v2_file
    assert locate(benchmark, [f"longbench_v2_cot={v2_file}", "longbench_v2=elsewhere"]).path == v2_file
    assert locate(benchmark, ["longbench_v2=shipped"]).shipped
    with pytest.raises(ConfigError, match="there is no data at nowhere") as told:
        locate(benchmark, ["nowhere"])
    assert "golong data fetch longbench_v2" in told.value.hint
    with pytest.raises(ConfigError, match="can't be generated"):
        locate(benchmark, ["longbench_v2=generated"])


def test_rows_that_changed_are_another_run(tmp_path: Path, v2_file: Path) -> None:
    def script(request: GenerationRequest) -> str:
        return right(request)

    settings: dict[str, Any] = {
        "tasks": "longbench_v2",
        "data": f"longbench_v2={v2_file}",
        "output_dir": tmp_path / "runs",
    }
    evaluate(model=ScriptedEngine(script), **settings)
    v2_file.write_text(v2_file.read_text() + json.dumps(v2_row(12)) + "\n")
    with pytest.raises(ConfigError, match="benchmark_data"):
        evaluate(model=ScriptedEngine(script), **settings, resume=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda row: row.pop("context"), r"rows\.jsonl:2: needs the key 'context'"),
        (lambda row: row.update(answer="E"), r"rows\.jsonl:2: answer"),
        (lambda row: row.update(_id="r0"), r"rows\.jsonl:2: the id of 'longbench_v2/r0' stands at .*rows\.jsonl:1 too"),
    ],
)
def test_a_malformed_row_is_named_before_anything_is_asked(
    tmp_path: Path, v2_file: Path, change: Callable[[dict[str, str]], None], told: str
) -> None:
    rows = [json.loads(line) for line in v2_file.read_text().splitlines()]
    change(rows[1])
    v2_file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def nobody(request: GenerationRequest) -> str:
        raise AssertionError("asked")

    with pytest.raises(DataError, match=told):
        evaluate(
            model=ScriptedEngine(nobody),
            tasks="longbench_v2",
            data=f"longbench_v2={v2_file}",
            output_dir=tmp_path / "runs",
        )
    assert not (tmp_path / "runs").exists()


def test_every_failure_counts_in_the_denominator(tmp_path: Path, v2_file: Path) -> None:
    """The published harness divides by the answers that came."""

    def script(request: GenerationRequest) -> str:
        if request.sample_id.endswith(("r1", "r2", "r3")):
            raise RuntimeError("no answer")
        return right(request)

    results = evaluate(
        model=ScriptedEngine(script), tasks="longbench_v2", data=f"longbench_v2={v2_file}", output_dir=tmp_path / "runs"
    )
    row = results["longbench_v2"]
    assert (row.n, row.scored, row.mean, row.mean_scored) == (12, 9, 0.75, 1.0)
    assert row.published is not None
    assert row.published.mean == pytest.approx(2 / 12)  # r7 and r11: gold D, guessed in the thinking


def test_repeats_and_budgets_of_some_tasks(tmp_path: Path, v2_file: Path) -> None:
    budgets: dict[str, set[int]] = {}

    def script(request: GenerationRequest) -> str:
        budgets.setdefault(request.sample_id.partition("/")[0], set()).add(request.max_tokens)
        return right(request)

    results = evaluate(
        model=ScriptedEngine(script),
        tasks="longbench_v2,longbench_v2_cot",
        data=f"longbench_v2={v2_file}",
        limit=3,
        temperature=1.0,
        task_repeats={"longbench_v2": 4},
        task_max_tokens={"longbench_v2": 77},
        output_dir=tmp_path / "runs",
    )
    assert (results["longbench_v2"].n, results["longbench_v2_cot"].n) == (12, 3)
    assert [at.k for at in results["longbench_v2"].at_k] == [1, 2, 4]
    assert budgets == {"longbench_v2": {77}, "longbench_v2_cot": {1024, 128}}
    assert len(list(read_run(results.run).rows())) == 15


def test_a_suite_fills_what_is_not_given() -> None:
    whole = RunSettings.make(suite="longbench-pro")
    assert (whole.tasks, whole.repeats, whole.temperature, whole.max_prompt_tokens) == (
        ("longbench_pro",),
        3,
        0.7,
        120_000,
    )
    changed = RunSettings.make(suite="general", repeats=1, temperature=0.0, max_tokens=9)
    assert (changed.repeats, changed.task_repeats, changed.task_max_tokens) == (1, {}, {})
    with pytest.raises(UnknownNameError, match="unknown suite 'golong-128'"):
        RunSettings.make(suite="golong-128")


def test_data_that_is_given_takes_the_place_of_the_suites_for_that_data_set_alone() -> None:
    own = RunSettings.make(suite="smoke").data
    one = RunSettings.make(suite="smoke", data="mrcr=mine.jsonl").data
    assert one == ("mrcr=mine.jsonl", *(part for part in own if part != "mrcr=shipped"))
    shared = RunSettings.make(suite="smoke", data=["longbench_v2=mine.jsonl"]).data
    assert not {"longbench_v2=shipped", "longbench_v2_cot=shipped"} & set(shared)
    assert RunSettings.make(suite="smoke", data="folder").data == ("folder",)


def test_greedy_decoding_is_refused_for_several_answers_of_what_is_run_alone() -> None:
    RunSettings.make(tasks="mrcr", task_repeats={"longbench_pro": 3})
    RunSettings.make(tasks="mrcr", repeats=3, task_repeats={"mrcr": 1})
    with pytest.raises(ConfigError, match=r"suite longbench-pro asks for several.* or repeats 1"):
        RunSettings.make(suite="longbench-pro", temperature=0.0)
    with pytest.raises(ConfigError, match="greedy"):
        RunSettings.make(tasks="samples.jsonl", task_repeats={"t1": 2})


def test_settings_of_a_task_that_there_is_not_are_refused(tmp_path: Path, v2_file: Path) -> None:
    for key in ("task_repeats", "task_max_tokens"):
        with pytest.raises(UnknownNameError, match="unknown task 'longbench_v3'"):
            evaluate(
                model=ScriptedEngine(right),
                tasks="longbench_v2",
                data=f"longbench_v2={v2_file}",
                output_dir=tmp_path / "runs",
                temperature=1.0,
                **{key: {"longbench_v3": 2}},
            )


def test_a_bound_of_prompts_may_be_shorter_than_what_is_built() -> None:
    assert RunSettings.make(max_prompt_tokens="500", max_model_len="1k").max_prompt_tokens == 500


@pytest.mark.parametrize("own", [None, {"rope_type": "llama3", "factor": 8.0}])
def test_a_suite_stretches_a_checkpoint_that_has_no_scaling_of_its_own(
    tmp_path: Path, own: dict[str, Any] | None
) -> None:
    config = {"max_position_embeddings": 131_072, "rope_theta": 10_000.0, "rope_scaling": own}
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    run = resolve_run(
        RunSettings.make(
            suite="golong-1m",
            tasks="longbench_v2",
            data="longbench_v2=shipped",
            model=tmp_path / "model",
            engine="transformers",
        )
    )
    assert (run.settings.rope_scaling is None) == (own is not None)
    assert run.settings.max_model_len == (None if own is not None else 1_048_576)


def test_rows_that_are_not_as_they_were_fetched_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "longbench_v2"
    folder.mkdir()
    (folder / "data.json").write_text(json.dumps([v2_row(1)]))
    digest = hashlib.sha256((folder / "data.json").read_bytes()).hexdigest()
    noted = {"data.json": {"bytes": 1, "sha256": digest}}
    note = {"repo": "o/r", "revision": "main", "commit": "c" * 40, "fetched": "2026", "files": noted}
    (folder / "golong-data.json").write_text(json.dumps(note))
    benchmark = benchmark_named("longbench_v2")
    assert locate(benchmark, [str(tmp_path)]).revision == "c" * 40
    (folder / "data.json").write_text(json.dumps([v2_row(2)]))
    with pytest.raises(ConfigError, match="is not what was fetched"):
        locate(benchmark, [str(tmp_path)])
    (folder / "golong-data.json").write_text(json.dumps(note | {"files": {}}))
    assert locate(benchmark, [str(tmp_path)]).revision is None


def test_an_unknown_benchmark_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as told:
        evaluate(model="gold", engine="scripted", tasks="longbench_v3")
    assert "did you mean 'longbench_v2'?" in told.value.hint


def test_a_generation_of_two_calls_is_read_back() -> None:
    made = Generation(sample_id="a", text="b", finish_reason="stop", first_prompt_tokens=9)
    assert Generation.model_validate_json(made.model_dump_json()) == made
