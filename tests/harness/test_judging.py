"""The judge's phase of a run: what is asked, what is kept, what a failure leaves, another judge, a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from golong_eval import evaluate, read_run
from golong_eval.benchmarks import AnswerToScore, benchmark_named, score_answers
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, JudgeError
from golong_eval.harness import (
    EmbedderSettings,
    JudgeSettings,
    Results,
    judge_run,
    merge_runs,
    rescore_run,
    score_predictions,
)
from golong_eval.harness.agreement import agreement_of_run

from ..judges.conftest import Server, says, server  # noqa: F401  # a fixture
from ..judges.judge_server import judging, saying

GOLDS = {"frames/0": "1852", "frames/1": "14 years", "frames/2": "Harn"}
SAID = {"frames/0": "1852", "frames/1": "fourteen years", "frames/2": "Weil"}


def script(request: GenerationRequest) -> str:
    return f"<think>hm</think>Therefore, the answer is {SAID[request.sample_id]}."


def run(tmp_path: Path, judge: dict[str, Any] | None, **settings: Any) -> Results:
    return evaluate(
        model=ScriptedEngine(script),
        tasks="frames",
        data="frames=shipped",
        judge=judge,
        output_dir=tmp_path / "runs",
        **settings,
    )


@pytest.fixture
def honest(server: Server) -> Server:  # noqa: F811
    server.default = saying(judging(lambda answer: "fourteen years" in answer))
    return server


def of(server: Server, *models: str, **settings: Any) -> dict[str, Any]:  # noqa: F811
    return {"models": models or ("judge",), "base_url": server.url, **settings}


def questions(server: Server) -> list[str]:  # noqa: F811
    """What the judge was asked, the check before the run left out."""
    texts = [body["messages"][0]["content"] for _, _, _, body in server.requests]
    return [text for text in texts if text != "Say yes." and "VERDICT" in text]


def test_rules_go_first_and_the_judge_decides_the_rest(tmp_path: Path, honest: Server) -> None:
    results = run(tmp_path, of(honest))
    row = results["frames"]
    assert (row.mean, row.scored) == (pytest.approx(2 / 3), 3)
    asked = questions(honest)
    assert {text.split("-----")[2].strip(" .\n") for text in asked} == {"fourteen years", "Weil"}
    assert not any("1852" in text for text in asked)
    assert "judge=judge@" in row.metric
    assert results.judge is not None
    assert (results.judge.questions, results.judge.errors) == (len(asked), 0)
    assert results.judge.prompt_tokens == 100 * len(asked)
    scores = {answer.sample.id: answer.result for answer in read_run(results.run).rows()}
    assert scores["frames/1"].value == 1.0
    assert scores["frames/2"].value == 0.0


def test_without_a_judge_the_run_does_not_start_and_none_leaves_them_undecided(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FRAMES needs a judge") as told:
        run(tmp_path, None)
    assert "--judge none" in told.value.hint
    assert not (tmp_path / "runs").exists()
    row = run(tmp_path, {"models": ["none"]})["frames"]
    assert (row.scored, row.statuses["judge_error"]) == (1, 2)
    assert "judge=" not in row.metric


def test_a_judge_that_is_down_is_found_before_anything_is_asked(tmp_path: Path, honest: Server) -> None:
    def nobody(request: GenerationRequest) -> str:
        raise AssertionError("asked")

    with pytest.raises(JudgeError, match="gave no answer"):
        evaluate(
            model=ScriptedEngine(nobody),
            tasks="frames",
            data="frames=shipped",
            judge={"models": ["judge"], "base_url": "http://127.0.0.1:9"},
            output_dir=tmp_path / "runs",
        )
    assert not (tmp_path / "runs").exists()


def test_a_judge_that_goes_away_loses_nothing_and_is_asked_again(tmp_path: Path, honest: Server) -> None:
    good = honest.default
    honest.script = [good]  # the check
    honest.default = lambda handler, body: handler.reply(400, b"gone")
    row = run(tmp_path, of(honest))["frames"]
    assert (row.scored, row.statuses["judge_error"]) == (1, 2)
    assert row.mean == pytest.approx(1 / 3)  # never wrong: they count as failures beside it
    assert row.mean_scored == 1.0
    honest.default = good
    judged = judge_run(next((tmp_path / "runs").glob("*/*")), JudgeSettings(models=("judge",), base_url=honest.url))
    assert (judged["frames"].scored, judged["frames"].mean) == (3, pytest.approx(2 / 3))


def test_a_run_can_be_judged_later_once_and_by_another(tmp_path: Path, honest: Server) -> None:
    path = Path(run(tmp_path, {"models": ["none"]}).run)
    first = judge_run(path, JudgeSettings(models=("judge",), base_url=honest.url))
    assert first["frames"].mean == pytest.approx(2 / 3)
    asked = len(questions(honest))
    again = judge_run(path, JudgeSettings(models=("judge",), base_url=honest.url))
    assert len(questions(honest)) == asked
    assert again["frames"] == first["frames"]
    assert rescore_run(path)["frames"] == first["frames"]  # verdicts are stored: scoring needs no judge
    honest.default = saying(judging(lambda answer: True))
    lenient = judge_run(path, JudgeSettings(models=("lenient",), base_url=honest.url))
    assert lenient["frames"].mean == 1.0
    assert lenient["frames"].metric != first["frames"].metric
    (found,) = agreement_of_run(path)
    assert found.n == asked
    assert found.share is not None
    assert found.share < 1


def test_a_person_is_a_rater(tmp_path: Path, honest: Server) -> None:
    path = Path(run(tmp_path, of(honest)).run)
    keys = {}
    for file in (path / "verdicts").iterdir():
        for line in file.read_text().splitlines():
            verdict = json.loads(line)
            keys[verdict["key"]] = verdict["outcome"]
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps({"key": key, "label": label}) + "\n" for key, label in keys.items()))
    (found,) = agreement_of_run(path, labels)
    assert (found.n, found.share, found.alpha) == (len(keys), 1.0, 1.0)
    with pytest.raises(ConfigError, match="agreement takes two"):
        agreement_of_run(path)


def test_none_takes_the_judge_away_again(tmp_path: Path, honest: Server) -> None:
    path = Path(run(tmp_path, of(honest)).run)
    assert rescore_run(path)["frames"].scored == 3
    again = run(tmp_path, {"models": ["none"]}, resume=True)
    assert (again["frames"].scored, again.judge, again.run) == (1, None, str(path))


def test_parts_of_a_run_keep_their_verdicts_when_they_are_put_together(tmp_path: Path, honest: Server) -> None:
    whole = run(tmp_path / "whole", of(honest))
    parts = [run(tmp_path / part.replace("/", "-"), of(honest), shard=part).run for part in ("1/2", "2/2")]
    asked = len(questions(honest))
    merged = merge_runs(parts, tmp_path / "merged")
    assert merged["frames"].model_dump(exclude={"published"}) == whole["frames"].model_dump(exclude={"published"})
    assert merged.judge is not None
    assert whole.judge is not None
    assert merged.judge.questions == whole.judge.questions
    assert len(questions(honest)) == asked


def test_a_column_that_needs_a_judge_is_empty_without_one(tmp_path: Path, honest: Server) -> None:
    from golong_eval.harness.suite_table import suite_line

    for judge, empty in (({"models": ["none"]}, True), (of(honest), False)):
        results = run(tmp_path / str(empty), judge)
        line = suite_line("golong-128k", results.tasks, judged=results.judge is not None)
        assert line is not None
        (cell,) = [cell for cell in line.cells if cell.name == "frames"]
        assert ((cell.score is None), (cell.published is None)) == (empty, empty)


def test_thinking_that_a_server_sends_apart_is_no_part_of_what_published_rules_read() -> None:
    benchmark = benchmark_named("longbench_v2").scored_as("official")
    row = benchmark.row_of_columns({"answer": "B"}, "row")
    text = "<think>The correct answer is (A).</think>The correct answer is (B)."
    together, apart = (AnswerToScore(text, row, thinking_apart=flag) for flag in (False, True))
    assert [result.value for result in score_answers(benchmark, [together, apart])] == [0.0, 1.0]


def test_an_embedder_of_a_run_stays_its_own_until_another_is_named(tmp_path: Path, server: Server) -> None:  # noqa: F811
    settings: dict[str, Any] = {
        "tasks": "longbench_pro",
        "data": "longbench_pro=shipped",
        "output_dir": tmp_path / "runs",
        "limit": 25,
    }
    embedder = {"model": "vectors", "base_url": server.url}
    results = evaluate(model="gold", engine="scripted", embedder=embedder, **settings)
    metric = results["longbench_pro"].metric
    assert "semantic=0.5*vectors" in metric
    assert rescore_run(results.run)["longbench_pro"].metric == metric
    without = rescore_run(results.run, embedder=EmbedderSettings(model="none"))["longbench_pro"]
    assert without.metric == "longbench_pro[strict,v1]"
    rescore_run(results.run, embedder=EmbedderSettings(**embedder))
    server.default = says(500)
    with pytest.raises(JudgeError, match="summaries are scored with the embedder vectors, which does not answer"):
        rescore_run(results.run)
    assert read_run(results.run).results["longbench_pro"].metric == metric  # nothing was overwritten


def test_what_needs_no_judge_is_not_judged(tmp_path: Path, honest: Server) -> None:
    results = evaluate(
        model="gold", engine="scripted", tasks="longbench_v2", data="longbench_v2=shipped", output_dir=tmp_path
    )
    with pytest.raises(ConfigError, match="nothing in this run needs a judge"):
        judge_run(results.run, JudgeSettings(models=("judge",), base_url=honest.url))


def test_stored_predictions_are_judged_too(tmp_path: Path, honest: Server) -> None:
    file = tmp_path / "predictions.jsonl"
    rows = [
        {"Prompt": "When?", "Answer": "14 years", "pred": f"Therefore, the answer is {said}"}
        for said in ("14 years", "fourteen years", "15 years")
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"question": "Prompt", "answer": "Answer"}
    out = tmp_path / "scores.jsonl"
    judge = JudgeSettings(models=("judge",), base_url=honest.url)
    results = score_predictions("frames", file, columns=columns, judge=judge, out=out)
    assert results["frames"].mean == pytest.approx(2 / 3)
    assert [json.loads(line)["result"]["value"] for line in out.read_text().splitlines()] == [1.0, 1.0, 0.0]
    alone = score_predictions("frames", file, columns=columns)
    assert (
        score_predictions("frames", file, columns=columns, judge=JudgeSettings(models=("none",)))["frames"]
        == alone["frames"]
    )
    assert (alone["frames"].scored, alone["frames"].n) == (1, 3)
