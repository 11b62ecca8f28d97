"""A judge behind a server: one failure is one question's, a gone server is everybody's, half a reply is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from golong_eval.errors import ConfigError, JudgeError
from golong_eval.judges import EndpointJudge, JudgeQuestion, Rubric, open_judge
from golong_eval.judges.judge import identity_of

from .conftest import Answer, Handler, Server, says
from .judge_server import code_in, judging, saying

HONEST = judging(lambda answer: "Paris" in answer)


def asked(answer: str) -> JudgeQuestion:
    rubric = Rubric(id="same", text="The answer means the same as the right one.")
    return JudgeQuestion(rubric=rubric, question="Which town?", golds=("Paris",), answer=answer)


def judge_of(server: Server, **settings: Any) -> EndpointJudge:
    return EndpointJudge("judge", server.url, retries=0, **settings)


def refusing(when: Callable[[list[dict[str, str]]], bool], status: int = 400) -> Answer:
    """Refuse some conversations, and judge the others."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        if when(body["messages"]):
            handler.reply(status, {"error": {"message": "blocked"}})
        else:
            saying(HONEST)(handler, body)

    return answer


def sending(text: str, **choice: Any) -> Answer:
    """Answer with a text in which CODE stands for the code of verdicts."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        said = text.replace("CODE", code_in(body["messages"][-1]["content"]))
        handler.reply(200, {"choices": [{"message": {"content": said}, **choice}]})

    return answer


# One failure is one question's


def test_a_failed_reminder_leaves_the_other_questions_their_verdicts(server: Server) -> None:
    honest = saying(HONEST)

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        if len(body["messages"]) > 1:
            handler.reply(400, {"error": "a conversation is too much"})
        elif "Rome" in body["messages"][0]["content"]:
            saying(lambda _: "Hm.")(handler, body)
        else:
            honest(handler, body)

    server.default = answer
    verdicts = judge_of(server)([asked("Paris"), asked("Rome")])
    assert [verdict.outcome for verdict in verdicts] == ["right", "error"]
    assert "does not end with a verdict: Hm." in verdicts[1].reason


def test_questions_that_are_all_refused_are_errors_where_the_server_answers_something_else(server: Server) -> None:
    server.default = refusing(lambda messages: "Rome" in messages[0]["content"])
    (verdict,) = judge_of(server)([asked("Rome")])
    assert (verdict.outcome, "HTTP 400" in verdict.reason) == ("error", True)


def test_a_server_that_goes_away_between_the_two_orders_leaves_errors(server: Server) -> None:
    server.script = [saying(HONEST)]
    server.default = says(500)
    (verdict,) = judge_of(server, swap=True)([asked("Paris")])
    assert (verdict.outcome, verdict.votes) == ("error", ("right", "error"))
    assert "HTTP 500" in verdict.reason
    assert verdict.prompt_tokens == 100


def test_a_fault_in_a_reply_is_asked_about_once_more(server: Server) -> None:
    server.script = [says(200, {"error": {"message": "overloaded"}}), saying(HONEST)]
    (verdict,) = judge_of(server)([asked("Paris")])
    assert verdict.outcome == "right"
    first, second = (body["messages"] for _, _, _, body in server.requests)
    assert first == second


def test_a_server_that_is_down_is_an_error_for_all(server: Server) -> None:
    server.default = says(503, b"later")
    with pytest.raises(JudgeError, match=r"the judge judge does not answer: .*HTTP 503") as told:
        judge_of(server)([asked("Paris"), asked("Rome")])
    assert told.value.hint == "check --judge and --judge-url, and that the server is up"
    assert judge_of(server)([]) == []


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (says(404, b"no model judge"), "HTTP 404", "lists the models"),
        (says(400, b"no model judge"), "HTTP 400", "check --judge and --judge-url"),
        (says(401, b"who are you"), "HTTP 401", "export OPENAI_API_KEY"),
        (says(200, b"<html>sign in</html>"), "sends no chat completion", "check --judge and --judge-url"),
        (says(200, {"object": "list", "data": []}), "sends no chat completion", "check --judge and --judge-url"),
    ],
)
def test_the_check_says_what_is_wrong(server: Server, answer: Answer, message: str, hint: str) -> None:
    server.default = answer
    with pytest.raises(JudgeError, match=message) as told:
        judge_of(server).check()
    assert hint in told.value.hint


def test_the_check_is_one_small_request(server: Server) -> None:
    server.default = saying(lambda _: "Yes.")
    judge_of(server, max_tokens=9000).check()
    ((_, path, _, body),) = server.requests
    assert (path, body["max_tokens"]) == ("/v1/chat/completions", 16)


# What is read


def test_a_reply_that_its_budget_cut_is_no_verdict(server: Server) -> None:
    server.script = [sending("It might be, so I could write\nVERDICT CODE: RIGHT", finish_reason="length")]
    server.default = sending("VERDICT CODE: WRONG", finish_reason="stop")
    (verdict,) = judge_of(server)([asked("Rome")])
    assert verdict.outcome == "wrong"
    server.default = sending("VERDICT CODE: RIGHT", finish_reason="length")
    (verdict,) = judge_of(server)([asked("Rome")])
    assert (verdict.outcome, "give it a larger one" in verdict.reason) == ("error", True)


def test_thinking_is_no_verdict_wherever_the_server_puts_it(server: Server) -> None:
    def answer(handler: Handler, body: dict[str, Any]) -> None:
        code = code_in(body["messages"][0]["content"])
        message = {"content": f"VERDICT {code}: WRONG", "reasoning_content": f"VERDICT {code}: RIGHT"}
        handler.reply(200, {"choices": [{"message": message, "finish_reason": "stop"}]})

    server.default = answer
    assert judge_of(server)([asked("Rome")])[0].outcome == "wrong"
    server.default = sending("VERDICT CODE: RIGHT\n</think>\nVERDICT CODE: WRONG")
    assert judge_of(server)([asked("Rome")])[0].outcome == "wrong"


def test_content_may_come_in_parts(server: Server) -> None:
    def answer(handler: Handler, body: dict[str, Any]) -> None:
        parts = [{"type": "text", "text": f"VERDICT {code_in(body['messages'][0]['content'])}: RIGHT"}]
        handler.reply(200, {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]})

    server.default = answer
    assert judge_of(server)([asked("Paris")])[0].outcome == "right"


def test_whatever_a_judge_says_can_be_stored(server: Server) -> None:
    server.default = sending("half of a pair: \ud83d\nVERDICT CODE: RIGHT")
    (verdict,) = judge_of(server)([asked("Paris")])
    assert json.loads(verdict.model_dump_json())["reason"] == "half of a pair: ?"
    server.default = sending("\ud83d")
    (verdict,) = judge_of(server)([asked("Paris")])
    assert verdict.outcome == "error"
    verdict.model_dump_json()


def test_a_reply_of_a_megabyte_is_read_at_once(server: Server) -> None:
    server.default = sending("." * 1_000_000 + "x" + "*" * 1_000_000)
    (verdict,) = judge_of(server)([asked("Paris")])
    assert verdict.outcome == "error"
    assert max(len(body["messages"][1]["content"]) for _, _, _, body in server.requests[1:]) <= 8_000


def test_a_key_that_the_server_repeats_is_told_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    server.default = sending("You sent sk-secret-0123456789.\nVERDICT CODE: RIGHT")
    (verdict,) = judge_of(server)([asked("Paris")])
    assert (verdict.outcome, verdict.reason) == ("right", "You sent ***.")
    monkeypatch.setenv("OPENAI_API_KEY", "RIGHT")  # as local servers take any word
    assert judge_of(server)([asked("Paris")])[0].outcome == "right"


# Settings


def test_the_identity_tells_models_prompts_and_settings_apart(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = judge_of(server).identity
    assert plain == EndpointJudge("judge", "http://elsewhere", concurrency=2, timeout=5.0).identity
    assert len({plain, judge_of(server, max_tokens=99).identity, judge_of(server, swap=True).identity}) == 3
    assert identity_of("a b") != identity_of("a-b")
    assert "+" not in identity_of("org/judge-r+")
    monkeypatch.setattr("golong_eval.judges.judge.FORMAT", "another text")
    assert judge_of(server).identity != plain


@pytest.mark.parametrize(
    ("models", "settings", "told"),
    [
        ([], {}, "no judge is named"),
        (" , ", {}, "no judge is named"),
        ("a,a", {}, "two judges of the panel are the same"),
        ("a", {"max_tokens": 5}, "max_tokens=5 of the judge is below 16"),
        ("a", {"concurrency": 0}, "concurrency=0 is below 1"),
        ("a", {"timeout": 0.0}, "timeout=0.0 is below"),
        ("a", {"base_url": "http://me:secret@host"}, "no address of a server"),
    ],
)
def test_wrong_settings_are_told_in_two_lines(models: Any, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        open_judge(models, **{"base_url": "http://localhost:8000"} | settings)
    assert error.value.hint
    assert "\n" not in str(error.value) + error.value.hint
    assert "secret" not in str(error.value) + error.value.hint


def test_a_comma_parts_the_members_of_a_panel() -> None:
    names = open_judge("a, b,c", base_url="http://localhost:8000").identity.split("+")
    assert [name.partition("@")[0] for name in names] == ["a", "b", "c"]
    assert open_judge(["a", "b,c"], base_url="http://localhost:8000").identity.split("+") == names
