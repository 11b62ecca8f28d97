"""Our tasks in inspect: our prompts, budgets and numbers, with the status of each score.

make test-lm-eval
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs inspect_ai")

from golong_eval.adapters.answered import task_for
from golong_eval.adapters.inspect_tasks import OFFERED, inspect_task
from golong_eval.errors import ConfigError

from . import material

pytestmark = pytest.mark.inspect


def run(task: Any, outputs: list[Any], folder: Path, **options: Any) -> Any:
    from inspect_ai import eval as inspect_eval
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    made = [ModelOutput.from_content("mockllm", one) if isinstance(one, str) else one for one in outputs]
    for one in made:
        one.usage = ModelUsage()  # else inspect counts tokens, with a tokenizer that it downloads
    model = get_model("mockllm/model", custom_outputs=made)
    (log,) = inspect_eval(
        task, model=model, log_dir=str(folder), display="none", max_samples=1, max_connections=1, **options
    )
    assert log.status == "success", log.error
    return log


def scores_of(log: Any) -> list[Any]:
    return [next(iter(sample.scores.values())) for sample in log.samples]


def agrees(name: str, asked: Any, folder: Path) -> None:
    task = task_for(name)
    made = inspect_task(name, asked.place)
    assert made.config.max_tokens == task.max_tokens
    assert made.config.temperature == 0.0
    log = run(made, [asked.answers[sample.id] for sample in asked.samples], folder)
    logged = {sample.id: sample for sample in log.samples}
    ours = asked.scores(name)
    for sample, value in zip(asked.samples, ours, strict=True):
        one = logged[sample.id]
        assert "\n\n".join(message.text for message in one.input) == "\n\n".join(
            turn["content"] for turn in task.prompt(sample).messages
        )
        (score,) = one.scores.values()
        assert math.isnan(score.value) if value is None else score.value == value
        assert score.metadata["metric"] == str(task.metric)
        assert score.metadata["status"] in ("ok", "unparsed", "empty", "judge_error")
    known = [value for value in ours if value is not None]
    (results,) = log.results.scores
    if known:
        assert results.metrics["mean"].value == pytest.approx(sum(known) / len(known))
    assert results.name.endswith("golong")


@pytest.mark.parametrize("name", material.NINE)
def test_the_nine_score_as_ours(name: str, tmp_path: Path) -> None:
    agrees(name, material.of_task(name, tmp_path), tmp_path)


@pytest.mark.parametrize("name", material.BRIDGED)
def test_benchmarks_score_as_ours(name: str, tmp_path: Path) -> None:
    asked = material.of_benchmark(name)
    if asked is None:
        pytest.skip(f"no rows of {name} are shipped")
    agrees(name, asked, tmp_path)


def test_tasks_are_registered_under_the_name_of_the_package() -> None:
    from inspect_ai._util.registry import registry_lookup

    for name in OFFERED:
        assert registry_lookup("task", f"golong_eval/golong_{name}") is not None


def test_a_registered_task_runs_by_its_name(tmp_path: Path) -> None:
    asked = material.of_task("t1", tmp_path)
    outputs = [asked.answers[sample.id] for sample in asked.samples]
    log = run("golong_eval/golong_t1", outputs, tmp_path, task_args={"samples": asked.place})
    assert [score.value for score in scores_of(log)] == asked.scores("t1")
    assert log.eval.task == "golong_eval/golong_t1"


def test_thinking_that_the_provider_keeps_apart_is_thinking(tmp_path: Path) -> None:
    """The official variant sees it in its tags; an answer that never came is none."""
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ContentReasoning, ContentText, ModelOutput

    def output(thought: str, text: str, stop: str) -> Any:
        message = ChatMessageAssistant(content=[ContentReasoning(reasoning=thought), ContentText(text=text)])
        return ModelOutput(model="mockllm", choices=[ChatCompletionChoice(message=message, stop_reason=stop)])

    file = material.longbench_v2_file(tmp_path)
    outputs = [
        output("The correct answer is (A).", "The correct answer is (B).", "stop"),
        output("The correct answer is (C).", "", "max_tokens"),
    ]
    for variant, values in (("strict", [1.0, 0.0]), ("official", [0.0, 0.0])):
        log = run(inspect_task("longbench_v2", str(file), variant), list(outputs), tmp_path)
        assert [score.value for score in scores_of(log)] == values
        assert scores_of(log)[1].metadata["status"] == "unparsed"
        assert scores_of(log)[1].explanation == "the engine says that the thinking was unfinished"


def test_an_answer_that_never_came_has_no_score(tmp_path: Path) -> None:
    from inspect_ai.model import ModelOutput

    file = material.longbench_v2_file(tmp_path)
    outputs = [
        ModelOutput.from_content("mockllm", "", error="gone"),
        ModelOutput.from_content("mockllm", "The correct answer is (B)"),
    ]
    log = run(inspect_task("longbench_v2", str(file)), outputs, tmp_path)
    first, second = scores_of(log)
    assert math.isnan(first.value)
    assert first.explanation == "gone"
    assert second.value in {0.0, 1.0}


def test_without_samples_a_line_says_how_to_name_them() -> None:
    from inspect_ai._util.registry import registry_lookup

    task: Any = registry_lookup("task", "golong_eval/golong_t1")
    with pytest.raises(ConfigError, match="golong_t1: nothing says where its samples are"):
        task()
    with pytest.raises(ConfigError, match="unknown variant"):
        inspect_task("t1", "x", "lenient")  # type: ignore[arg-type]
