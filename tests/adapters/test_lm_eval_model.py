"""Our engines behind lm-eval: what reaches its filters, what is refused, what happens to failures.

make test-lm-eval
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="needs lm-eval")

from golong_eval.adapters.lm_eval_model import ChatText, golong_lm
from golong_eval.engines import EngineSettings, GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, GolongError

pytestmark = pytest.mark.lm_eval

DOCS = [{"q": "Capital of Norway?", "a": "Oslo"}, {"q": "Capital of Peru?", "a": "Lima"}]


def task(folder: Path, **changes: Any) -> str:
    """A local task over a local file; the path of its YAML file."""
    import yaml

    (folder / "docs.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in DOCS))
    config = {
        "task": "capitals",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "docs.jsonl")}, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{q}}",
        "doc_to_target": "{{a}}",
        "description": "Answer in one word.\n",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 40},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        **changes,
    }
    (folder / "capitals.yaml").write_text(yaml.safe_dump(config))
    return str(folder / "capitals.yaml")


def evaluate(folder: Path, script: Callable[[GenerationRequest], str], task_: str, **options: Any) -> dict[str, Any]:
    import lm_eval.tasks

    results = lm_eval.simple_evaluate(
        model=golong_lm(ScriptedEngine(script), options.pop("settings", None)),
        tasks=[task_],
        task_manager=lm_eval.tasks.TaskManager(include_defaults=False),  # reading all of its own takes seconds
        bootstrap_iters=0,
        **options,
    )
    assert results is not None
    return results


def right(request: GenerationRequest) -> str:
    return "Oslo" if "Norway" in request.prompt.text else "Lima"


def score_of(results: dict[str, Any]) -> float:
    return float(results["results"]["capitals"]["exact_match,none"])


def test_a_task_runs(tmp_path: Path) -> None:
    asked: list[GenerationRequest] = []

    def script(request: GenerationRequest) -> str:
        asked.append(request)
        return right(request)

    results = evaluate(tmp_path, script, task(tmp_path))
    assert score_of(results) == 1.0
    assert [request.max_tokens for request in asked] == [40, 40]
    assert asked[0].prompt.text == "Answer in one word.\nCapital of Norway?"
    assert results["config"]["engine"] == "scripted"


def test_filters_see_neither_thinking_nor_what_follows_a_stop_string(tmp_path: Path) -> None:
    """The stop string of this task stands in the thinking, too."""
    results = evaluate(tmp_path, lambda one: f"<think>Lima?\nOslo?</think>\n\n{right(one)}\nNext", task(tmp_path))
    assert score_of(results) == 1.0


def test_a_thinking_without_an_end_is_no_answer(tmp_path: Path) -> None:
    results = evaluate(tmp_path, lambda one: f"<think>{right(one)}", task(tmp_path))
    assert [sample["resps"] for sample in results["samples"]["capitals"]] == [[[""]], [[""]]]
    assert score_of(results) == 0.0


def test_with_a_chat_template_the_engine_gets_messages(tmp_path: Path) -> None:
    asked: list[GenerationRequest] = []

    def script(request: GenerationRequest) -> str:
        asked.append(request)
        return right(request)

    path = task(tmp_path, fewshot_config={"samples": [{"q": "Capital of Chad?", "a": "N'Djamena"}]}, num_fewshot=1)
    results = evaluate(tmp_path, script, path, apply_chat_template=True, fewshot_as_multiturn=True)
    assert score_of(results) == 1.0
    assert asked[0].prompt.messages == [
        {"role": "system", "content": "Answer in one word.\n"},
        {"role": "user", "content": "Capital of Chad?"},
        {"role": "assistant", "content": "N'Djamena"},
        {"role": "user", "content": "Capital of Norway?"},
    ]


def test_repeats_are_asked_with_seeds_of_their_own(tmp_path: Path) -> None:
    asked: list[GenerationRequest] = []

    def script(request: GenerationRequest) -> str:
        asked.append(request)
        return right(request)

    path = task(tmp_path, repeats=3, generation_kwargs={"until": [], "do_sample": True, "temperature": 0.7})
    evaluate(tmp_path, script, path, settings=EngineSettings(temperature=0.7))
    assert [(one.sample_id, one.repeat) for one in asked[:4]] == [
        ("capitals/0/0", 0),
        ("capitals/0/0", 1),
        ("capitals/0/0", 2),
        ("capitals/1/0", 0),
    ]
    assert len({one.seed for one in asked}) == 6
    assert asked[0].max_tokens == 256  # lm-eval's, where a task says none


@pytest.mark.parametrize(
    ("asked", "given", "problem"),
    [
        ({"do_sample": True, "temperature": 0.6}, {}, r"temperature=0\.6, .* opened with temperature=0\.0"),
        ({"do_sample": False}, {"temperature": 0.7}, r"temperature=0\.0, .* opened with temperature=0\.7"),
        ({"do_sample": True}, {}, r"temperature=1\.0"),
        ({"top_p": 0.9}, {}, r"top_p=0\.9, .* opened with top_p=1\.0"),
        ({"repetition_penalty": 1.1}, {}, "asks for repetition_penalty"),
        ({"max_gen_toks": 0}, {}, "an answer of 0 tokens is asked for"),
    ],
)
def test_sampling_that_the_engine_was_not_opened_with_is_refused(
    asked: dict[str, Any], given: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    path = task(tmp_path, generation_kwargs={"until": [], **asked})
    with pytest.raises(ConfigError, match=problem) as told:
        evaluate(tmp_path, right, path, settings=EngineSettings(**given))
    assert told.value.hint


def test_do_sample_false_is_greedy_whatever_the_temperature_says(tmp_path: Path) -> None:
    path = task(tmp_path, generation_kwargs={"until": [], "do_sample": False, "temperature": 0.8})
    assert score_of(evaluate(tmp_path, right, path)) == 1.0


def test_a_failed_request_is_no_score_and_the_others_are_kept(tmp_path: Path) -> None:
    calls: list[str] = []

    def flaky(request: GenerationRequest) -> str:
        calls.append(request.sample_id)
        if "Norway" in request.prompt.text and len(calls) < 3:
            raise RuntimeError("no connection")
        return right(request)

    cache, path = str(tmp_path / "kept"), task(tmp_path)
    with pytest.raises(GolongError, match="1 of 2 requests failed; the first, capitals doc 0: RuntimeError") as told:
        evaluate(tmp_path, flaky, path, use_cache=cache)
    assert "--use_cache" in told.value.hint
    assert score_of(evaluate(tmp_path, flaky, path, use_cache=cache)) == 1.0
    assert calls == ["capitals/0/0", "capitals/1/0", "capitals/0/0"]


def test_likelihoods_are_refused_by_the_names_of_the_tasks(tmp_path: Path) -> None:
    path = task(tmp_path, output_type="multiple_choice", doc_to_choice=["Oslo", "Lima"], generation_kwargs=None)
    with pytest.raises(ConfigError, match="capitals: scored by the likelihood of given answers") as told:
        evaluate(tmp_path, right, path)
    assert "generate_until" in told.value.hint
    with pytest.raises(ConfigError):
        golong_lm(ScriptedEngine(right)).loglikelihood_rolling([])


def test_an_answer_that_the_task_begins_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gen_prefix"):
        evaluate(tmp_path, right, task(tmp_path, gen_prefix="It is"), apply_chat_template=True)


def test_a_named_chat_template_is_refused() -> None:
    model = golong_lm(ScriptedEngine(right), model="org/model")
    assert model.chat_template(True) == ""
    assert model.tokenizer_name == "golong_org__model"
    with pytest.raises(ConfigError, match="applies the model's own chat template"):
        model.chat_template("rag")


def test_conversations_pass_through_lm_eval_as_texts() -> None:
    messages = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    text = golong_lm(ScriptedEngine(right)).apply_chat_template([*messages, {"role": "user", "content": "three"}])
    assert isinstance(text, ChatText)
    assert text.prompt().after == "three"
    assert [turn.content for turn in text.prompt().history] == ["one", "two"]


def test_a_checkpoint_answers_through_an_engine_of_ours(tmp_path: Path) -> None:
    """The embedded one, which knows no capitals."""
    pytest.importorskip("transformers", reason="needs transformers")
    import lm_eval.tasks

    from golong_eval.engines import embedded_model, open_engine

    settings = EngineSettings()
    engine = open_engine("transformers", embedded_model(), settings)
    results = lm_eval.simple_evaluate(
        model=golong_lm(engine, settings, model="embedded"),
        tasks=[task(tmp_path, generation_kwargs={"until": [], "max_gen_toks": 4})],
        task_manager=lm_eval.tasks.TaskManager(include_defaults=False),
        bootstrap_iters=0,
    )
    engine.close()
    assert results is not None
    assert score_of(results) == 0.0
    assert results["config"]["model_name"] == "embedded"
