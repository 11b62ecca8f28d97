"""A judge that runs here: what can't be loaded is told before, what dies is the judge's failure, weights are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from golong_eval.engines import GenerationRequest, ScriptedEngine, embedded_model
from golong_eval.errors import EngineError, JudgeError, MissingExtraError, ModelError
from golong_eval.judges import EngineJudge, JudgeQuestion, Rubric, open_judge
from golong_eval.schema import Generation

from .judge_server import answer_in, code_in


def asked(answer: str) -> JudgeQuestion:
    rubric = Rubric(id="same", text="The answer means the same as the right one.")
    return JudgeQuestion(rubric=rubric, question="Which town?", golds=("Paris",), answer=answer)


def honest(request: GenerationRequest) -> str:
    prompt = request.prompt.message
    return f"VERDICT {code_in(prompt)}: {'RIGHT' if answer_in(prompt) == 'Paris' else 'WRONG'}"


class Engine(ScriptedEngine):
    """Counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class Dies(Engine):
    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        raise EngineError("out of memory", "give it more")


def test_an_engine_that_the_caller_opened_stays_open() -> None:
    engine = Engine(honest)
    judge = EngineJudge("mine", engine)
    judge.check()
    assert [one.outcome for one in judge([asked("Paris"), asked("Rome")])] == ["right", "wrong"]
    judge.close()
    assert engine.closed == 0
    assert judge([]) == []


def test_an_engine_that_was_opened_for_it_is_closed_and_opened_again() -> None:
    opened: list[Engine] = []

    def opens() -> Engine:
        opened.append(Engine(honest))
        return opened[-1]

    judge = EngineJudge("mine", opens)
    judge.close()
    assert not opened
    for _ in range(2):
        judge([asked("Paris")])
        judge([asked("Rome")])
        judge.close()
    assert [engine.closed for engine in opened] == [1, 1]


def test_an_engine_that_dies_or_does_not_load_is_the_judges_failure() -> None:
    with pytest.raises(JudgeError, match="the judge mine died: out of memory") as told:
        EngineJudge("mine", Dies(honest))([asked("Paris")])
    assert told.value.hint == "give it more"
    for error in (ModelError("corrupt", "get it again"), MissingExtraError("needs torch", "pip install")):

        def fails(error: Exception = error) -> Engine:
            raise error

        with pytest.raises(JudgeError, match="the judge mine can't be loaded: ") as told:
            EngineJudge("mine", fails)([asked("Paris")])
        assert told.value.hint == error.hint


def test_a_request_that_fails_is_one_questions_error() -> None:
    def script(request: GenerationRequest) -> str:
        if "Rome" in request.prompt.message:
            raise ValueError("too long")
        return honest(request)

    verdicts = EngineJudge("mine", Engine(script))([asked("Paris"), asked("Rome")])
    assert [one.outcome for one in verdicts] == ["right", "error"]
    assert "too long" in verdicts[1].reason


def test_a_reply_that_its_budget_cut_is_no_verdict() -> None:
    class Cut(Engine):
        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            for one in super().generate(requests):
                yield one.model_copy(update={"finish_reason": "length"})

    (verdict,) = EngineJudge("mine", Cut(honest))([asked("Paris")])
    assert (verdict.outcome, "give it a larger one" in verdict.reason) == ("error", True)


@pytest.mark.parametrize("name", ["no/such/folder", "./judge", "/nowhere"])
def test_a_folder_that_is_not_there_is_told_before_anything_rests_on_it(name: str) -> None:
    with pytest.raises(JudgeError, match="no checkpoint folder at") as told:
        open_judge(name).check()
    assert "--judge-url" in told.value.hint


def test_a_missing_package_is_told_before_anything_rests_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr("golong_eval.judges.engine_judge.resolve_engine", lambda *_: ("absent_engine", ""))
    with pytest.raises(JudgeError, match="needs absent_engine") as told:
        EngineJudge(str(tmp_path)).check()
    assert "pip install" in told.value.hint


def test_checkpoints_of_one_name_are_told_apart_by_their_content(tmp_path: Path) -> None:
    def checkpoint(run: str, weights: bytes) -> str:
        folder = tmp_path / run / "final"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(weights)
        return str(folder)

    weights = bytes(6 << 20)  # more than is read whole
    one = EngineJudge(checkpoint("a", weights))
    same = EngineJudge(checkpoint("b", weights))
    other = EngineJudge(checkpoint("c", weights[:-1] + b"x"))
    assert one.identity == same.identity != other.identity
    assert one.identity.startswith("final@")
    (tmp_path / "a" / "final" / "runs").mkdir()
    assert EngineJudge(str(tmp_path / "a" / "final") + "/").identity == one.identity
    assert str(tmp_path) not in one.identity


def test_a_real_checkpoint_is_asked() -> None:
    """The embedded one has learned other things than judging: it has no verdict, and that is an error."""
    pytest.importorskip("transformers")
    judge = EngineJudge(embedded_model(), max_tokens=16)
    judge.check()
    (verdict,) = judge([asked("Paris")])
    judge.close()
    assert verdict.outcome == "error"
    assert verdict.completion_tokens > 0 or verdict.reason
