"""Answers to conversations: every message is shown, though the store holds only the last one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from golong_eval import evaluate, read_run
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.harness import StoredRun
from golong_eval.reports.html import write_report
from golong_eval.reports.html.payload import Bundles, sample_parts
from golong_eval.reports.html.payload import SampleIndex as Index
from golong_eval.reports.samples import Wanted, answer_data, prompt_text, select_answers
from golong_eval.reports.samples_text import samples_text
from golong_eval.schema import sha256_text

SAID = "The lamp goes round above the foam,\nit counts the ships and sends them home."


def answer(request: GenerationRequest) -> str:
    return request.prompt.history[-1].content


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    folder = tmp_path_factory.mktemp("runs")
    return read_run(evaluate(model=ScriptedEngine(answer), tasks="mrcr", data="mrcr=shipped", output_dir=folder).run)


def test_the_whole_prompt_is_made_again(run: StoredRun) -> None:
    selection = select_answers(run, Wanted())
    for row in selection.answers:
        whole = prompt_text(selection, row, whole=True)
        assert whole is not None
        assert row.generation is not None
        assert sha256_text(whole) == row.generation.prompt_hash
        assert whole.endswith(f"user: {row.sample.question}")
        assert prompt_text(selection, row, whole=False) == row.sample.question
    assert any(f"assistant: {SAID}\n\nuser: " in one["prompt"] for one in answer_data(selection))


def test_the_terminal_shows_every_message_where_all_is_asked_for(run: StoredRun) -> None:
    line = "assistant: The lamp goes round above the foam,"
    selection = select_answers(run, Wanted())
    assert line in samples_text(selection, full=True)
    assert line not in samples_text(selection, full=False)


def test_the_report_shows_a_conversation_as_messages(run: StoredRun, tmp_path: Path) -> None:
    """The data set holds it as JSON, with its line breaks as escapes."""
    bundles = Bundles(run)
    texts = {key: text for part in bundles.parts() for key, text in json.loads(part.text).items()}
    assert any(f"\n\nassistant: {SAID}\n\nuser: " in text for text in texts.values())
    assert not any(text.startswith("[{") for text in texts.values())
    for part in sample_parts(run, Index(), bundles):
        shared = json.loads(part.text)["shared"]
        for row in json.loads(part.text)["rows"]:
            ((_, _, _, key, characters),) = shared[row["documents"]]
            assert len(texts[key]) == characters
            assert row["after"] == row["question"]
            assert texts[key].endswith(f"user: {row['question']}")
    page = write_report(run, tmp_path / "report.html").read_text()
    assert re.search(r"assistant: The lamp goes round above the foam,\\n", page)


@pytest.mark.parametrize("text", ['[{"a": 1}]', "[{broken", '[{"role": "robot", "content": "x"}]', "[{}]", "plain"])
def test_what_is_no_conversation_is_shown_as_it_is(text: str) -> None:
    from golong_eval.reports.html.payload import _conversation

    assert _conversation(text) is None
