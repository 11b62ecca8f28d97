"""What goes to the engine and comes back: repeats in one request, limits, the response cache, the context policy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from golong_eval import evaluate
from golong_eval.engines import GenerationRequest
from golong_eval.engines.encoding import failed
from golong_eval.errors import ConfigError, EngineError, ModelError, StorageError
from golong_eval.harness import Results
from golong_eval.harness.response_cache import ResponseCache
from golong_eval.schema import Generation, Prompt, sha256_text


class Engine:
    """An engine that keeps what it was asked; each prompt is 100 tokens and each answer 10."""

    name = "kept"
    thinks = False
    max_length: int | None = None

    def __init__(self, *, native_n: bool = True, dies_after: int | None = None) -> None:
        self.native_n = native_n
        self.dies_after = dies_after
        self.asked: list[GenerationRequest] = []
        self.version = "1"

    def describe(self) -> dict[str, str]:
        return {"checkpoint": "made", "version": self.version}

    def over_length(self, request: GenerationRequest) -> str | None:
        return "too long" if self.max_length is not None and request.sample_id.startswith("t7") else None

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        for request in requests:
            self.asked.append(request)
            if len(self.asked) == self.dies_after:
                raise EngineError("the engine died")
            for repeat in reversed(range(request.repeat, request.repeat + request.n)):
                yield Generation(
                    sample_id=request.sample_id,
                    repeat=repeat,
                    text=f"Ada {request.seed + repeat - request.repeat}",
                    finish_reason="stop",
                    prompt_tokens=100,
                    prompt_shared=repeat != request.repeat,
                    cached_tokens=60,
                    completion_tokens=10,
                )

    def close(self) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path, samples_file: Path) -> Callable[..., Results]:
    def run(engine: Engine, **settings: Any) -> Results:
        return evaluate(model=engine, tasks=samples_file, output_dir=tmp_path / "runs", **settings)

    return run


def answers(results: Results) -> list[dict[str, Any]]:
    files = sorted((Path(results.run) / "predictions").iterdir())
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_repeats_go_as_one_request_where_the_engine_takes_them(run: Callable[..., Results]) -> None:
    together, alone = Engine(), Engine(native_n=False)
    first = run(together, repeats=3, temperature=0.5)
    second = run(alone, repeats=3, temperature=0.5)
    assert (len(together.asked), len(alone.asked)) == (12, 36)
    assert {request.n for request in together.asked} == {3}
    # The seed of a repeat is the same either way, and repeats differ.
    texts = [
        sorted((row["sample_id"], row["repeat"], row["text"]) for row in answers(results))
        for results in (first, second)
    ]
    assert texts[0] == texts[1]
    assert len({text for *_, text in texts[0]}) == 36


def test_a_prompt_that_repeats_share_is_counted_once(run: Callable[..., Results]) -> None:
    results = run(Engine(), repeats=3, temperature=0.5)
    assert (results.usage.prompt_tokens, results.usage.cached_tokens) == (1200, 720)
    assert results.usage.completion_tokens == 360
    (session,) = json.loads((Path(results.run) / "env.json").read_text())["sessions"]
    assert (session["prompt_tokens"], session["computed_prompt_tokens"], session["completion_tokens"]) == (
        1200,
        480,
        360,
    )
    assert Counter(row["prompt_shared"] for row in answers(results)) == {True: 24, False: 12}


def test_questions_about_one_context_are_asked_in_a_row(run: Callable[..., Results]) -> None:
    engine = Engine()
    run(engine)
    contexts = [request.prompt.documents for request in engine.asked]
    assert all(len(set(contexts[place : place + 3])) == 1 for place in range(0, 12, 3))


def test_a_limit_on_tokens_stops_the_run_and_a_higher_one_finishes_it(run: Callable[..., Results]) -> None:
    engine = Engine()
    first = run(engine, token_limit=500, max_tokens=20)
    asked = len(engine.asked)
    assert 0 < asked < 12
    assert first.usage.prompt_tokens + first.usage.completion_tokens <= 500
    assert "the limit of 500 tokens is reached" in str(first.stopped)
    assert first.failures == 12 - asked
    again = run(Engine(), token_limit=500, max_tokens=20, resume=True)
    assert (again.run, again.failures) == (first.run, 12 - asked)
    rest = Engine()
    last = run(rest, max_tokens=20, resume=True)
    assert (last.run, last.failures, last.stopped) == (first.run, 0, None)
    assert len(rest.asked) == 12 - asked


def test_a_limit_on_cost_is_counted_by_the_prices(run: Callable[..., Results]) -> None:
    """An answer costs 100 x 1 + 10 x 5 = 150 millionths: three fit into 450."""
    results = run(Engine(), cost_limit=450e-6, price=(1, 5), max_tokens=20)
    assert 12 - results.failures == 3
    assert "in cost is reached" in str(results.stopped)
    with pytest.raises(ConfigError, match="cost_limit: needs the price"):
        run(Engine(), cost_limit=1.0)


def test_prompts_that_do_not_fit_refuse_the_run_before_anything_is_asked(run: Callable[..., Results]) -> None:
    engine = Engine()
    engine.max_length = 1000
    with pytest.raises(
        ModelError, match=r"4 of 12 prompts do not fit the model; for instance t7-\d: too long"
    ) as caught:
        run(engine)
    assert "--context-policy truncate" in caught.value.hint
    assert not engine.asked
    assert run(engine, context_policy="skip").failures == 0  # what to do with them is the engine's affair then


def test_the_death_of_the_engine_keeps_what_it_finished(run: Callable[..., Results], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="the engine died") as caught:
        run(Engine(dies_after=5))
    assert "--resume" in caught.value.hint
    rest = Engine()
    results = run(rest, resume=True)
    assert (len(rest.asked), results.failures, len(answers(results))) == (8, 0, 12)


def test_an_answer_that_nobody_asked_is_a_defect_of_the_engine(run: Callable[..., Results]) -> None:
    class Twice(Engine):
        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            for answer in super().generate(requests):
                yield answer
                yield answer

    with pytest.raises(EngineError, match="had answered before"):
        run(Twice())


def test_the_cache_answers_a_second_run_and_says_so(run: Callable[..., Results], tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "answers.sqlite"
    first, second = Engine(), Engine()
    kept = run(first, cache=cache, repeats=2, temperature=0.5)
    found = run(second, cache=cache, repeats=2, temperature=0.5)
    assert not second.asked
    assert (found.usage.from_cache, found.usage.prompt_tokens) == (24, 0)
    assert found.tasks == kept.tasks
    assert all(row["from_cache"] and row["prompt_hash"] for row in answers(found))
    # A third repeat is new, the two before it are not.
    third = Engine()
    more = run(third, cache=cache, repeats=3, temperature=0.5)
    assert {(request.repeat, request.n) for request in third.asked} == {(2, 1)}
    assert (more.usage.from_cache, more.failures) == (24, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.6},
        {"top_p": 0.9},
        {"max_tokens": 7},
        {"seed": 1},
        {"thinking": "on"},
        {"context": "none"},
        {"context_policy": "skip"},
        {"max_model_len": 4096},
        {"engine_args": {"x": 1}},
    ],
)
def test_whatever_can_change_an_answer_is_in_the_cache_s_key(
    run: Callable[..., Results], tmp_path: Path, change: dict[str, Any]
) -> None:
    settings = {"cache": tmp_path / "cache.sqlite", "temperature": 0.5}
    run(Engine(), **settings)
    other = Engine()
    run(other, **(settings | change))
    assert len(other.asked) == 12


def test_another_version_of_the_engine_is_asked_anew(run: Callable[..., Results], tmp_path: Path) -> None:
    run(Engine(), cache=tmp_path / "cache.sqlite")
    newer = Engine()
    newer.version = "2"
    run(newer, cache=tmp_path / "cache.sqlite")
    assert len(newer.asked) == 12


def test_what_can_not_say_what_it_depends_on_gets_no_cache(tmp_path: Path, samples_file: Path) -> None:
    """Two functions of one name, or two engines with other weights, would share their answers."""

    class Silent(Engine):
        def describe(self) -> dict[str, str]:
            return {}

    for model in (Silent(), lambda prompt: "Ada"):
        with pytest.raises(ConfigError, match="does not say what its answers depend on"):
            evaluate(model=model, tasks=samples_file, cache=tmp_path / "c.sqlite", output_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_not_asked_again_nor_its_model_loaded(tmp_path: Path, samples_file: Path) -> None:
    settings: dict[str, Any] = {"model": "gold", "engine": "scripted", "tasks": samples_file, "output_dir": tmp_path}
    first = evaluate(**settings)
    seen: list[str] = []
    assert evaluate(resume=True, on_progress=lambda progress: seen.append(progress.stage), **settings) == first
    assert set(seen) == {"score"}


def test_prompts_skipped_as_too_long_spend_nothing(run: Callable[..., Results]) -> None:
    class Short(Engine):
        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            for request in requests:
                yield from failed(request, "too long", over_length=True)

    results = run(Short(), context_policy="skip", token_limit=100_000)
    assert (results.usage.prompt_tokens, results.stopped, results.failures, results.to_ask_again) == (0, None, 12, 0)


def test_what_is_in_flight_counts_before_the_first_answer_comes(run: Callable[..., Results]) -> None:
    """An engine that takes all requests at once must not be given more than the limit holds, budgets and all."""

    class Greedy(Engine):
        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            yield from super().generate(list(requests))

    engine = Greedy()
    results = run(engine, token_limit=3000, max_tokens=700)
    assert 0 < len(engine.asked) < 5
    assert results.stopped == "the limit of 3,000 tokens is reached"
    assert {failure.reason for failure in results.failed} == {"not asked: the limit of 3,000 tokens is reached"}


def test_failures_are_not_kept_in_the_cache(run: Callable[..., Results], tmp_path: Path) -> None:
    class Failing(Engine):
        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            for request in requests:
                yield Generation(sample_id=request.sample_id, text=None, finish_reason="error", error="no")

    assert run(Failing(), cache=tmp_path / "cache.sqlite").failures == 12
    assert run(Engine(), cache=tmp_path / "cache.sqlite").failures == 0


def test_a_file_that_is_no_cache_is_told(run: Callable[..., Results], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are my notes, and no database at all" * 50)
    with pytest.raises(ConfigError, match="is no response cache"):
        run(Engine(), cache=tmp_path / "notes.txt")
    (tmp_path / "a-file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        run(Engine(), cache=tmp_path / "a-file" / "cache.sqlite")


def test_failures_are_told_by_reason(run: Callable[..., Results]) -> None:
    class Failing(Engine):
        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            for number, request in enumerate(requests):
                error = f"HTTP 503 after {number} s" if request.sample_id.startswith("t1") else "no reply"
                yield Generation(sample_id=request.sample_id, text=None, finish_reason="error", error=error)

    results = run(Failing())
    assert sorted((failure.task, failure.count) for failure in results.failed) == [("t1", 4), ("t7", 4), ("t8", 4)]
    assert results.failed[0].status == "provider_error"


def test_how_a_run_is_carried_out_may_change_on_resume(run: Callable[..., Results], tmp_path: Path) -> None:
    first = run(Engine(dies_after=None), concurrency=2)
    second = run(Engine(), concurrency=9, cache=tmp_path / "cache.sqlite", api_key_env="OTHER", resume=True)
    assert second.run == first.run
    config = json.loads((Path(first.run) / "config.json").read_text())
    assert config["operation"]["concurrency"] == 2
    assert "concurrency" not in config["settings"]


def test_where_documents_begin_and_end_is_in_the_cache_s_key(tmp_path: Path) -> None:
    """The same text, cut at other places when it is too long, is another request."""
    cache = ResponseCache(tmp_path / "cache.sqlite", {})
    prompts = [
        Prompt(documents="ab", after="c"),
        Prompt(documents="a", after="bc"),
        Prompt(before="a", documents="b", after="c"),
    ]
    keys = {cache.key(prompt, sha256_text(prompt.text), max_tokens=1, seed=0, repeat=0) for prompt in prompts}
    assert len(keys) == 3
    same = sha256_text("abc")
    assert cache.key(prompts[0], same, max_tokens=1, seed=0, repeat=1) not in keys
    assert cache.key(prompts[0], same, max_tokens=1, seed=1, repeat=0) not in keys
    with cache:
        pass


def test_a_prompt_is_on_disk_before_its_answer(run: Callable[..., Results], tmp_path: Path) -> None:
    class Looks(Engine):
        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            for answer in super().generate(requests):
                yield answer
                (folder,) = (file.parent for file in tmp_path.rglob("config.json"))
                written = {json.loads(line)["hash"] for line in (folder / "prompts.jsonl").read_text().splitlines()}
                rows = [
                    json.loads(line)
                    for file in (folder / "predictions").iterdir()
                    for line in file.read_text().splitlines()
                ]
                assert rows
                assert {row["prompt_hash"] for row in rows} <= written

    assert run(Looks()).failures == 0
