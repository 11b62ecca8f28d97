"""Our tasks in lm-eval: our prompts, budgets and numbers.

make test-lm-eval
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="needs lm-eval")

from golong_eval.adapters.answered import task_for
from golong_eval.adapters.lm_eval_model import LM_EVAL_TASKS, golong_lm
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError

from . import material

pytestmark = pytest.mark.lm_eval


def evaluate(name: str, metadata: dict[str, Any], script: Any, **options: Any) -> dict[str, Any]:
    import lm_eval.tasks

    results = lm_eval.simple_evaluate(
        model=golong_lm(ScriptedEngine(script)),
        tasks=[f"golong_{name}"],
        task_manager=lm_eval.tasks.TaskManager(include_path=LM_EVAL_TASKS, include_defaults=False, metadata=metadata),
        bootstrap_iters=0,
        **options,
    )
    assert results is not None
    return results


def by_prompt(asked: Any, name: str, seen: list[GenerationRequest]) -> Any:
    """A model that answers prompts in their order."""
    order = iter(asked.samples)

    def script(request: GenerationRequest) -> str:
        seen.append(request)
        answer: str = asked.answers[next(order).id]
        return answer

    return script


def agrees(asked: Any, name: str, metadata: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Run a task in lm-eval, and check that what it was asked and what it scored is ours."""
    variant = metadata.get("variant", "strict")
    task, seen = task_for(name, variant), []
    results = evaluate(name, metadata, by_prompt(asked, name, seen), **options)
    assert [request.prompt.text for request in seen] == [task.prompt(sample).text for sample in asked.samples]
    assert {request.max_tokens for request in seen} == {task.max_tokens}
    ours = asked.scores(name, variant)
    logged = sorted(results["samples"][f"golong_{name}"], key=lambda sample: sample["doc_id"])
    assert [sample["score"] for sample in logged] == [value or 0.0 for value in ours]
    assert [sample["coverage"] for sample in logged] == [float(value is not None) for value in ours]
    mean = results["results"][f"golong_{name}"]["score,none"]
    assert mean == pytest.approx(sum(value or 0.0 for value in ours) / len(ours))
    assert results["versions"][f"golong_{name}"] == task.version
    return results


@pytest.mark.parametrize("name", material.NINE)
def test_the_nine_score_as_ours(name: str, tmp_path: Path) -> None:
    asked = material.of_task(name, tmp_path)
    scores = asked.scores(name)
    assert scores[::2] == [1.0] * len(scores[::2])
    assert all(score < 1.0 for score in scores[1::2])
    agrees(asked, name, {"samples": asked.place})


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("name", material.BRIDGED)
def test_benchmarks_score_as_ours(name: str, chat: bool) -> None:
    asked = material.of_benchmark(name)
    if asked is None:
        pytest.skip(f"no rows of {name} are shipped")
    agrees(asked, name, {"data": asked.place}, apply_chat_template=chat)


def test_the_variant_is_a_matter_of_metadata(tmp_path: Path) -> None:
    asked = material.of_task("t3", tmp_path)
    results = agrees(asked, "t3", {"samples": asked.place, "variant": "official"})
    assert "official" in results["configs"]["golong_t3"]["metadata"]["metric"]
    with pytest.raises(ConfigError, match="unknown variant 'lenient'"):
        evaluate("t3", {"samples": asked.place, "variant": "lenient"}, lambda _: "")


def test_a_file_names_the_rows_of_a_benchmark(tmp_path: Path) -> None:
    file = material.longbench_v2_file(tmp_path)
    results = evaluate("longbench_v2", {"data": str(file)}, lambda _: "The correct answer is (B).")
    assert results["results"]["golong_longbench_v2"]["score,none"] == 0.5


def test_the_environment_names_samples_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = material.of_task("t1", tmp_path)
    monkeypatch.setenv("GOLONG_SAMPLES", asked.place)
    agrees(asked, "t1", {})


def test_without_samples_two_lines_say_how_to_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOLONG_SAMPLES", raising=False)
    with pytest.raises(ConfigError, match="golong_t1: nothing says where its samples are") as told:
        evaluate("t1", {}, lambda _: "")
    assert "GOLONG_SAMPLES" in told.value.hint


def test_samples_of_other_tasks_are_left_out_and_none_is_an_error(tmp_path: Path) -> None:
    asked = material.of_task("t1", tmp_path)
    with pytest.raises(ConfigError, match="no samples of t2"):
        evaluate("t2", {"samples": asked.place}, lambda _: "")


def test_no_examples_are_shown_whatever_num_fewshot_says(tmp_path: Path) -> None:
    """lm-eval leaves tasks that show none at that."""
    asked = material.of_task("t1", tmp_path)
    agrees(asked, "t1", {"samples": asked.place}, num_fewshot=3)


def test_a_system_instruction_stands_before_the_prompt(tmp_path: Path) -> None:
    asked = material.of_task("t1", tmp_path)
    for chat in (False, True):
        seen: list[GenerationRequest] = []
        script = by_prompt(asked, "t1", seen)
        evaluate("t1", {"samples": asked.place}, script, system_instruction="Be brief.", apply_chat_template=chat)
        if chat:
            assert seen[0].prompt.messages[0] == {"role": "system", "content": "Be brief."}
        else:
            assert seen[0].prompt.text.startswith("Be brief.\n\n")


def test_every_file_of_the_folder_names_a_task_that_is_meant_to_be_there() -> None:
    names = {path.stem.removeprefix("golong_") for path in LM_EVAL_TASKS.glob("*.yaml")}
    assert names == {*material.NINE, *material.BRIDGED, *material.LONG}


def test_a_benchmark_that_asks_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="longbench_v2_cot asks a model twice"):
        task_for("longbench_v2_cot")


def test_the_budget_can_be_set(tmp_path: Path) -> None:
    seen: list[GenerationRequest] = []
    asked = material.of_task("t1", tmp_path)
    evaluate("t1", {"samples": asked.place, "max_gen_toks": 9000}, by_prompt(asked, "t1", seen))
    assert {request.max_tokens for request in seen} == {9000}


def test_the_tag_is_the_nine() -> None:
    import lm_eval.tasks

    manager = lm_eval.tasks.TaskManager(include_path=LM_EVAL_TASKS, include_defaults=False)
    assert manager.task_index["golong"].tags == {f"golong_{name}" for name in material.NINE}
