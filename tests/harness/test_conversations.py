"""Conversations and bounded prompts through a run: told apart in the cache, not stored twice, planned, refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from golong_eval import evaluate, read_run
from golong_eval.engines import GenerationRequest, ScriptedEngine, embedded_model
from golong_eval.errors import ConfigError, ModelError
from golong_eval.harness import Assumptions, RunSettings, plan_run
from golong_eval.harness.response_cache import ResponseCache
from golong_eval.reports.plan_text import plan_text
from golong_eval.schema import Prompt, Turn, sha256_text


def turns(*contents: str) -> tuple[Turn, ...]:
    roles: tuple[Literal["user", "assistant"], ...] = ("user", "assistant")
    return tuple(Turn(role=roles[place % 2], content=content) for place, content in enumerate(contents))


def test_prompts_of_one_text_have_keys_of_their_own(tmp_path: Path) -> None:
    """What is a message of its own, what is document and what is cut decide what the model reads."""
    with ResponseCache(tmp_path / "cache", {}) as cache:
        prompts = [
            Prompt(history=turns("a", "b"), after="c"),
            Prompt(after="user: a\n\nassistant: b\n\nuser: c"),
            Prompt(after="user: a\n\nassistant: b\n\nuser: c", cut="message"),
            Prompt(history=turns("a\n\nassistant: b\n\nuser: x", "y"), after="c"),
            Prompt(history=turns("a", "b\n\nuser: x\n\nassistant: y"), after="c"),
            Prompt(history=turns("a", "b", "x", "y"), after="c"),
            Prompt(history=turns("a", "b"), documents="c", after=""),
            Prompt(history=turns("a", "b"), after="c", cut="message"),
        ]
        keys = [cache.key(prompt, sha256_text(prompt.text), max_tokens=9, seed=0, repeat=0).hex() for prompt in prompts]
    assert prompts[0].text == prompts[1].text
    assert prompts[3].text == prompts[4].text == prompts[5].text
    assert len(set(keys)) == len(keys)


def last_message(request: GenerationRequest) -> str:
    return request.prompt.message


def test_a_long_conversation_is_not_stored_twice(tmp_path: Path) -> None:
    """It stands in the sample's documents."""
    results = evaluate(
        model=ScriptedEngine(last_message), tasks="mrcr", data="mrcr=shipped", output_dir=tmp_path / "runs"
    )
    run = read_run(results.run)
    prompts = run.prompts()
    assert len(prompts) == len(run.samples) > 0
    for sample in run.samples.values():
        (answer,) = (row.generation for row in run.rows() if row.sample.id == sample.id)
        assert answer is not None
        stored = prompts[answer.prompt_hash or ""]
        assert stored.before == ""
        assert stored.after == answer.text == sample.question
    assert "I am ready." not in (Path(results.run) / "prompts.jsonl").read_text()


def test_the_bound_is_part_of_what_a_run_is(tmp_path: Path) -> None:
    def named(request: GenerationRequest) -> str:
        return request.prompt.message

    settings: dict[str, Any] = {"tasks": "mrcr", "data": "mrcr=shipped", "output_dir": tmp_path / "runs"}
    first = evaluate(model=ScriptedEngine(named), **settings, max_prompt_tokens="120k")
    assert read_run(first.run).settings["max_prompt_tokens"] == 120 * 1024
    with pytest.raises(ConfigError, match="max_prompt_tokens"):
        evaluate(model=ScriptedEngine(named), **settings, max_prompt_tokens=1000, resume=True)
    with pytest.raises(ConfigError, match="max_prompt_tokens"):
        RunSettings.make(max_prompt_tokens=0)


@pytest.fixture
def run_model(tmp_path: Path) -> Callable[..., Any]:
    pytest.importorskip("torch", reason="needs the extra [hf]")

    def run(**settings: Any) -> Any:
        return evaluate(
            model=embedded_model(),
            engine="transformers",
            tasks="mrcr",
            data="mrcr=shipped",
            max_tokens=4,
            output_dir=tmp_path / "runs",
            **settings,
        )

    return run


def test_a_bound_refuses_before_anything_is_generated(run_model: Callable[..., Any]) -> None:
    with pytest.raises(ModelError, match=r"do not fit the model; for instance .* of --max-prompt-tokens"):
        run_model(max_prompt_tokens=100)


def test_conversations_have_no_documents_to_cut(run_model: Callable[..., Any]) -> None:
    results = run_model(max_prompt_tokens=100, context_policy="truncate")
    assert results["mrcr"].n > 0
    assert {status for status in results["mrcr"].statuses} == {"over_length"}  # noqa: C416
    reasons = [row.result.reason or row.generation.error for row in read_run(results.run).rows()]
    assert all("earlier messages are never cut" in str(reason) for reason in reasons)


def test_the_cache_knows_the_bound(run_model: Callable[..., Any], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run_model(cache=cache)
    assert run_model(cache=cache, concurrency=3).usage.from_cache == first["mrcr"].n
    assert run_model(cache=cache, max_prompt_tokens=9_000).usage.from_cache == 0
    assert run_model(cache=cache, max_prompt_tokens=9_000, concurrency=2).usage.from_cache == first["mrcr"].n


def lengths_of(plan: Any) -> Sequence[int]:
    return plan.length.limit, plan.length.longest, plan.length.too_long


@pytest.mark.parametrize("policy", ["refuse", "truncate", "skip"])
def test_a_plan_counts_earlier_messages_and_keeps_to_the_bound(policy: str) -> None:
    values: dict[str, Any] = {
        "model": embedded_model(),
        "tasks": "mrcr",
        "data": "mrcr=shipped",
        "max_tokens": 10,
        "context_policy": policy,
    }
    free = plan_run(RunSettings.make(**values))
    (task,) = free.tasks
    assert task.longest > 200  # far more than the last message has
    assert lengths_of(free) == (32_768, task.longest + 64 + 10, 0)
    exact = plan_run(RunSettings.make(**values, max_prompt_tokens=task.longest + 64))
    assert exact.length.too_long == 0
    bounded = plan_run(
        RunSettings.make(**values, max_prompt_tokens=task.longest + 63), assumptions=Assumptions(gpu="80")
    )
    assert lengths_of(bounded) == (32_768, task.longest + 64 + 10, 1)
    assert len(bounded.obstacles) == (policy == "refuse")
    if policy == "refuse":
        assert "or the " in bounded.obstacles[0]
        assert f"{task.longest + 63:,} of --max-prompt-tokens" in bounded.obstacles[0]
    else:
        assert "prompts that do not fit: 1" in plan_text(bounded)
    if bounded.gpus is not None:
        sent = {"refuse": task.longest + 74, "truncate": task.longest + 73}
        assert bounded.gpus.longest_tokens <= sent.get(policy, task.longest + 73)
    both = plan_run(RunSettings.make(**values, max_prompt_tokens=task.longest + 63, max_model_len=task.longest + 73))
    assert both.length.too_long == 1  # one prompt, though it is beyond both
