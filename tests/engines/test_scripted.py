"""The scripted engine: answers from functions and files, and the faults it can play."""

from __future__ import annotations

from pathlib import Path

import pytest

from golong_eval.engines import EngineSettings, GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Generation, Prompt


def ask(engine: ScriptedEngine, *identifiers: str) -> list[Generation]:
    requests = [GenerationRequest(sample_id=name, prompt=Prompt(after="?"), max_tokens=9) for name in identifiers]
    return list(engine.generate(requests))


def test_a_function_answers() -> None:
    engine = ScriptedEngine(lambda request: f"{request.sample_id}{request.prompt.text}")
    assert [generation.text for generation in ask(engine, "a", "b")] == ["a?", "b?"]


def test_a_failing_function_fails_its_request_alone() -> None:
    def script(request: GenerationRequest) -> str:
        if request.sample_id == "b":
            raise ValueError("no answer to b")
        return "yes"

    first, second, third = ask(ScriptedEngine(script), "a", "b", "c")
    assert (first.text, third.text) == ("yes", "yes")
    assert second.text is None
    assert second.error == "ValueError: no answer to b"


def test_truncation_is_a_cap_hit() -> None:
    short, long = ask(ScriptedEngine(lambda request: request.sample_id, truncate=2), "ab", "abc")
    assert (short.text, short.hit_cap) == ("ab", False)
    assert (long.text, long.hit_cap) == ("ab", True)


def test_failures_are_drawn_anew() -> None:
    engine = ScriptedEngine(lambda request: "yes", fail=0.5)
    failed = [generation.error for generation in ask(engine, *[str(number) for number in range(200)])]
    assert 50 < sum(error == "scripted failure" for error in failed) < 150


def test_lone_surrogates_can_be_stored() -> None:
    (generation,) = ask(ScriptedEngine(lambda request: "a\ud800b"), "a")
    assert Generation.model_validate_json(generation.model_dump_json()) == generation


def test_a_file_of_answers(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"id": "a", "response": "one"}\n\n{"id": "a", "repeat": 1, "response": "two"}\n')
    engine = ScriptedEngine.open(str(file), EngineSettings())
    (first,) = ask(engine, "a")
    assert first.text == "one"
    (missing,) = ask(engine, "b")
    assert "has no answer for sample 'b'" in (missing.error or "")


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1, "response": "x"}', '{"id": "a"}'])
def test_a_malformed_file_names_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"id": "a", "response": "one"}\n' + line + "\n")
    with pytest.raises(DataError, match=r"answers\.jsonl:2: not an answer"):
        ScriptedEngine.open(str(file), EngineSettings())


def test_what_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="no script or file 'golld'"):
        ScriptedEngine.open("golld", EngineSettings())
    with pytest.raises(ConfigError, match="unknown key 'delays': did you mean 'delay'"):
        ScriptedEngine.open("empty", EngineSettings(args={"delays": 1}))
    with pytest.raises(ConfigError, match=r"delay: must be a number, not .soon"):
        ScriptedEngine.open("empty", EngineSettings(args={"delay": "soon"}))
