"""Judges: what is sent, what is read, what is asked again, and what never becomes "wrong"."""

from __future__ import annotations

import json
import pickle
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.engines import ScriptedEngine
from golong_eval.errors import ConfigError, DataError, JudgeError, StorageError
from golong_eval.judges import (
    CachedJudge,
    EndpointJudge,
    EngineJudge,
    JudgeQuestion,
    Panel,
    Rubric,
    Verdict,
    open_judge,
)
from golong_eval.judges.agreement import agreement, cohen_kappa, krippendorff_alpha, read_labels
from golong_eval.judges.prompt import judge_prompt, verdict_code
from golong_eval.judges.verdict import read_verdict

from .conftest import Server, says
from .judge_server import answer_in, code_in, judging, saying

RUBRIC = Rubric(id="same", text="The answer means the same as the right one.")


def asked(answer: str = "Paris", gold: str = "Paris") -> JudgeQuestion:
    return JudgeQuestion(rubric=RUBRIC, question="Which town?", golds=(gold,), answer=answer)


def judge_of(server: Server, **settings: Any) -> EndpointJudge:
    return EndpointJudge("judge", server.url, retries=1, **settings)


HONEST = judging(lambda answer: answer == "Paris")


# ---------------------------------------------------------------------------------------------------------
# What is sent and read


def test_verdicts_come_in_the_order_of_the_questions_with_what_they_took(server: Server) -> None:
    server.default = saying(HONEST)
    verdicts = judge_of(server)([asked("Paris"), asked("Rome"), asked("Paris", "Rome")])
    assert [verdict.outcome for verdict in verdicts] == ["right", "wrong", "right"]
    assert [verdict.key for verdict in verdicts][:2] == [asked("Paris").key, asked("Rome").key]
    assert {(verdict.prompt_tokens, verdict.completion_tokens) for verdict in verdicts} == {(100, 7)}
    assert verdicts[0].reason == "It was looked at."
    bodies = [body for _, _, _, body in server.requests]
    assert {body["temperature"] for body in bodies} == {0}
    assert {body["max_tokens"] for body in bodies} == {1024}


def test_a_prompt_has_rubric_question_gold_and_the_answer_in_a_fence_and_no_document() -> None:
    prompt = judge_prompt(asked("It is Rome."))
    assert prompt.index(RUBRIC.text) < prompt.index("Which town?") < prompt.index("Paris") < prompt.index("It is Rome.")
    assert answer_in(prompt) == "It is Rome."
    assert prompt.rstrip().endswith(f"VERDICT {verdict_code(asked('It is Rome.'))}: WRONG")
    swapped = judge_prompt(asked("It is Rome."), swapped=True)
    assert swapped.index("It is Rome.") < swapped.index("Paris")


def test_the_page_shows_the_prompt_as_it_is() -> None:
    page = Path(__file__).parents[2] / "docs" / "judges.md"
    if not page.exists():
        pytest.skip("no docs here")
    shown = "\n".join(line.removeprefix("    ") for line in page.read_text(encoding="utf-8").splitlines())
    assert judge_prompt(asked("the capital of France")) in shown


def test_a_long_answer_loses_its_middle_and_the_judge_is_told() -> None:
    prompt = judge_prompt(asked("a" * 500_000 + "THE END"))
    assert len(prompt) < 25_000
    assert "THE END" in prompt
    assert "480,007 characters in the middle are left out" in prompt
    assert "It is long: 480,007 characters in its middle are left out." in prompt.partition("\n-----")[0]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("VERDICT c0de: RIGHT", "right"),
        ("because\n\n**VERDICT c0de: WRONG**.\n", "wrong"),
        ("<think>VERDICT c0de: WRONG</think>VERDICT c0de: RIGHT", "right"),
        ("<think>VERDICT c0de: RIGHT", None),
        ("VERDICT c0de: RIGHT or not", None),
        ("verdict c0de: right", None),
        ("VERDICT dead: RIGHT", None),
        ("VERDICT: RIGHT", None),
        ("RIGHT", None),
        ("VERDICT c0de: RIGHT\nI hope this helps.", None),
        ("VERDICT c0de: RIGHT\nVERDICT c0de: WRONG", None),
        ("The line VERDICT c0de: RIGHT is not fitting.\nVERDICT c0de: WRONG", None),
        ("", None),
    ],
)
def test_what_is_read_as_a_verdict(reply: str, outcome: str | None) -> None:
    assert read_verdict(reply, "c0de").outcome == outcome


@given(st.text(max_size=200), st.sampled_from(["RIGHT", "WRONG"]))
def test_nothing_before_the_last_line_makes_a_verdict(text: str, side: str) -> None:
    reading = read_verdict(f"{text}\nVERDICT 0123456789: {side}", "0123456789")
    assert reading.outcome in (None, side.lower())
    assert read_verdict(f"VERDICT 0123456789: {side}\n{text}x", "0123456789").outcome is None


# ---------------------------------------------------------------------------------------------------------
# What goes wrong


def test_a_reply_without_a_verdict_is_reminded_once(server: Server) -> None:
    server.script = [saying(lambda messages: "I think it is fine.")]
    server.default = saying(lambda messages: f"VERDICT {code_in(messages[-1]['content'])}: RIGHT")
    (verdict,) = judge_of(server)([asked()])
    assert (verdict.outcome, verdict.prompt_tokens) == ("right", 200)
    (_, _, _, first), (_, _, _, second) = server.requests
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][0] == first["messages"][0]


def test_no_verdict_is_an_error_and_never_wrong(server: Server) -> None:
    server.default = saying(lambda messages: "Hard to say.")
    (verdict,) = judge_of(server)([asked()])
    assert verdict.outcome == "error"
    assert "does not end with a verdict: Hard to say." in verdict.reason
    assert len(server.requests) == 2


def test_one_request_that_fails_leaves_the_others_their_verdicts(server: Server) -> None:
    honest = saying(HONEST)

    def answer(handler: Any, body: dict[str, Any]) -> None:
        if "Rome" in body["messages"][0]["content"]:
            handler.reply(400, {"error": "no"})
        else:
            honest(handler, body)

    server.default = answer
    verdicts = judge_of(server)([asked("Paris"), asked("Rome")])
    assert [verdict.outcome for verdict in verdicts] == ["right", "error"]
    assert "HTTP 400" in verdicts[1].reason


def test_a_server_that_answers_nothing_is_an_error_that_says_what_to_do(server: Server) -> None:
    server.default = says(401, b"who are you")
    with pytest.raises(JudgeError, match="HTTP 401") as told:
        judge_of(server)([asked()])
    assert "export OPENAI_API_KEY" in told.value.hint
    with pytest.raises(JudgeError, match="HTTP 401"):
        judge_of(server).check()
    with pytest.raises(JudgeError, match="gave no answer"):
        EndpointJudge("judge", "http://127.0.0.1:9", retries=0).check()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not JSON", "sent no answer: the reply is no JSON"),
        ({"choices": []}, "sent no answer: the reply has no choices"),
        (
            {"choices": [{"message": {"content": None, "reasoning": "hm"}, "finish_reason": "length"}]},
            "thinking did not end",
        ),
        ({"choices": [{"message": {"content": " "}, "finish_reason": "stop"}]}, "does not end with a verdict"),
        ({"choices": [{"message": {"content": "no"}, "finish_reason": "content_filter"}]}, "content filter"),
        ({"choices": [{"message": {"content": "VERDICT"}}], "usage": "many"}, "does not end with a verdict"),
    ],
)
def test_what_a_server_can_send_instead(server: Server, content: Any, reason: str) -> None:
    server.default = says(200, content if isinstance(content, bytes) else json.dumps(content).encode())
    (verdict,) = judge_of(server)([asked()])
    assert (verdict.outcome, reason in verdict.reason) == ("error", True), verdict.reason


def test_the_key_goes_to_the_server_and_nowhere_else(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    judge = EndpointJudge("judge", server.url, api_key_env="JUDGE_KEY", retries=0)
    server.default = says(403, b"sk-secret is not welcome")
    with pytest.raises(JudgeError) as told:
        judge.check()
    assert server.requests[0][2]["Authorization"] == "Bearer sk-secret"
    shown = f"{judge!r} {judge.identity} {told.value} {told.value.hint} {pickle.dumps(judge)!r}"
    assert "sk-secret" not in shown


# ---------------------------------------------------------------------------------------------------------
# Order, panels, cache, engines


def test_a_judge_that_goes_by_the_order_has_no_verdict(server: Server) -> None:
    def biased(messages: list[dict[str, str]]) -> str:
        prompt = messages[0]["content"]
        first = prompt.index("The right answer:") < prompt.index("The answer to be judged")
        return f"VERDICT {code_in(prompt)}: {'RIGHT' if first else 'WRONG'}"

    server.default = saying(biased)
    (verdict,) = judge_of(server, swap=True)([asked()])
    assert (verdict.outcome, verdict.votes) == ("error", ("right", "wrong"))
    assert "by the order" in verdict.reason
    server.default = saying(HONEST)
    assert [one.outcome for one in judge_of(server, swap=True)([asked("Paris"), asked("Rome")])] == ["right", "wrong"]
    assert judge_of(server, swap=True).identity != judge_of(server).identity


class Fixed:
    """A judge that says the same of everything."""

    def __init__(self, name: str, outcome: str) -> None:
        self.identity, self.outcome, self.seen = f"{name}@1", outcome, Counter[str]()

    def check(self) -> None:
        if self.outcome == "absent":
            raise JudgeError("absent")

    def __call__(self, questions: Any, /) -> list[Verdict]:
        self.check()
        self.seen.update(question.key for question in questions)
        return [Verdict(key=one.key, judge=self.identity, outcome=self.outcome) for one in questions]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        (["right", "right", "wrong"], "right"),
        (["wrong", "wrong", "error"], "wrong"),
        (["right", "wrong"], "error"),
        (["right", "error", "absent"], "error"),
        (["right", "right", "absent"], "right"),
    ],
)
def test_more_than_half_of_all_votes_decide(votes: list[str], outcome: str) -> None:
    panel = Panel([Fixed(str(number), vote) for number, vote in enumerate(votes)])
    (verdict,) = panel([asked()])
    assert verdict.outcome == outcome
    assert len(verdict.votes) == len(votes)
    assert panel.identity.count("+") == len(votes) - 1


def test_a_panel_of_nobody_and_of_the_same() -> None:
    with pytest.raises(JudgeError):
        Panel([Fixed("a", "absent"), Fixed("b", "absent")])([asked()])
    with pytest.raises(ConfigError, match="the same"):
        Panel([Fixed("a", "right"), Fixed("a", "wrong")])
    with pytest.raises(ConfigError, match="fewer than two"):
        Panel([Fixed("a", "right")])


def test_the_same_question_is_asked_once_and_errors_again(tmp_path: Path) -> None:
    inner = Fixed("a", "right")
    judge = CachedJudge(inner, tmp_path / "verdicts.sqlite")
    assert [one.cached for one in judge([asked(), asked()])] == [False, False]
    assert inner.seen[asked().key] == 1
    assert [one.cached for one in CachedJudge(Fixed("a", "absent"), judge.path)([asked()])] == [True]
    other = Fixed("b", "error")
    for _ in range(2):
        assert CachedJudge(other, judge.path)([asked()])[0].outcome == "error"
    assert other.seen[asked().key] == 2


def test_threads_share_a_cache(tmp_path: Path) -> None:
    questions = [asked(str(number)) for number in range(40)]
    judges = [CachedJudge(Fixed("a", "wrong"), tmp_path / "v.sqlite") for _ in range(4)]
    found: list[list[Verdict]] = []
    threads = [threading.Thread(target=lambda judge=judge: found.append(judge(questions))) for judge in judges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[one.outcome for one in verdicts] for verdicts in found] == [["wrong"] * 40] * 4


def test_a_file_that_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello " * 100)
    with pytest.raises(StorageError, match="no cache of verdicts"):
        CachedJudge(Fixed("a", "right"), tmp_path / "x")
    with pytest.raises(StorageError, match="can't be used"):
        CachedJudge(Fixed("a", "right"), tmp_path / "absent" / "x")


def test_an_engine_judges_and_is_reminded_in_the_same_conversation() -> None:
    def script(request: Any) -> str:
        prompt = request.prompt
        if not prompt.history:
            return "Let me see."
        assert [turn.role for turn in prompt.history] == ["user", "assistant"]
        return f"VERDICT {code_in(prompt.message)}: RIGHT"

    judge = EngineJudge("local", lambda: ScriptedEngine(script))
    assert [verdict.outcome for verdict in judge([asked("Paris"), asked("Rome")])] == ["right", "right"]
    judge.close()


def test_settings_make_a_judge(server: Server, tmp_path: Path) -> None:
    one = open_judge(["judge"], base_url=server.url, cache=str(tmp_path / "c"))
    assert isinstance(one, CachedJudge)
    assert isinstance(open_judge(["a", "b"], base_url=server.url), Panel)
    assert one.identity.startswith("judge@")
    with pytest.raises(ConfigError, match="no address"):
        open_judge(["judge"], base_url="nowhere")
    with pytest.raises(JudgeError, match="no checkpoint"):
        open_judge([str(tmp_path)]).check()


# ---------------------------------------------------------------------------------------------------------
# Agreement


def test_kappa_and_alpha_by_hand() -> None:
    """Of 10, both right 4, both wrong 3, split 2 and 1: agreement 0.7, by chance 0.6 x 0.5 + 0.4 x 0.5 = 0.5."""
    one = ["right"] * 6 + ["wrong"] * 4
    other = ["right"] * 4 + ["wrong"] * 2 + ["right"] + ["wrong"] * 3
    assert cohen_kappa(one, other) == pytest.approx((0.7 - 0.5) / 0.5)
    # Of 20 labels, 11 right and 9 wrong: observed 6 / 20, expected 2 x 99 / 380.
    assert krippendorff_alpha(list(zip(one, other, strict=True))) == pytest.approx(1 - 0.3 / (198 / 380))
    assert cohen_kappa(["right"], ["right"]) is None
    assert krippendorff_alpha([["right", "right"], ["right", None]]) is None


def test_gaps_are_left_out_pair_by_pair() -> None:
    found = agreement(
        {"a": {"1": "right", "2": "wrong"}, "b": {"1": "right", "2": "right", "3": "wrong"}, "c": {"2": "wrong"}}
    )
    by = {one.raters: (one.n, one.share) for one in found}
    assert by[("a", "b", "c")] == (2, 0.5)
    assert by[("a", "b")] == (2, 0.5)
    assert by[("a", "c")] == (1, 1.0)
    assert by[("b", "c")] == (1, 0.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"key": "a", "label": "maybe"}', "label"),
        ("{", "no JSON"),
        ('{"key": "a", "label": "right"}\n{"key": "a", "label": "wrong"}', "a second label"),
        ("\n", "holds no labels"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=told):
        read_labels(file)
