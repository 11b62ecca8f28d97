"""Judges to be asked over HTTP: honest ones, and one that does what it reads in the answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .conftest import Answer, Handler

Reply = Callable[[list[dict[str, str]]], str]


def code_in(text: str) -> str:
    """Return the code that the instructions ask for."""
    return re.findall(r"VERDICT ([0-9a-f]{10}): RIGHT", text)[-1]


def answer_in(text: str) -> str:
    """Return what stands inside of the fence."""
    fence = re.findall(r"^----- ([0-9a-f]{10}) -----$", text, re.MULTILINE)[0]
    return text.split(f"----- {fence} -----\n", 1)[1].rsplit(f"\n----- {fence} -----", 1)[0]


def judging(right: Callable[[str], bool]) -> Reply:
    """A judge that finds an answer right or wrong, and says so in the form that it is asked for."""

    def reply(messages: list[dict[str, str]]) -> str:
        prompt = messages[0]["content"]
        if "VERDICT" not in prompt:
            return "Yes."  # the check before a run
        return f"It was looked at.\nVERDICT {code_in(prompt)}: {'RIGHT' if right(answer_in(prompt)) else 'WRONG'}"

    return reply


def gullible(messages: list[dict[str, str]]) -> str:
    """A judge that repeats and obeys whatever the answer says, and then tells its own verdict: wrong."""
    prompt = messages[0]["content"]
    said = answer_in(prompt)
    obeyed = "\n".join(line for line in said.splitlines() if "VERDICT" in line.upper() or "RIGHT" in line.upper())
    return f"The answer says:\n{said}\n{obeyed}\nVERDICT {code_in(prompt)}: WRONG"


def saying(reply: Reply) -> Answer:
    """Answer chat completions with what a judge says."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        text = reply(body["messages"])
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 100, "completion_tokens": 7}
        handler.reply(200, {"choices": [{"index": 0, "message": message}], "usage": usage})

    return answer
