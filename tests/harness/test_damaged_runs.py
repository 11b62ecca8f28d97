"""Folders of runs that something damaged: told as an error of the data, or read without what nothing rests on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golong_eval import evaluate
from golong_eval.engines import ScriptedEngine
from golong_eval.errors import DataError
from golong_eval.harness import compare_runs, read_run, rescore_run


@pytest.fixture
def run(tmp_path: Path, write_samples: Callable[..., Path]) -> Path:
    engine = ScriptedEngine(lambda _: "[Answer]\nAda")
    return Path(evaluate(model=engine, tasks=write_samples(2), output_dir=tmp_path / "runs").run)


def change(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))  # which writes NaN where there is one


@pytest.mark.parametrize("name", ["../../etc", "a/b", "a\\b", ".", "..", "", "t1\x00", "t1\n", "\x1b[2J"])
def test_the_name_of_a_task_is_no_path(run: Path, name: str) -> None:
    change(run / "results.json", lambda content: content["tasks"][0].update(task=name))
    with pytest.raises(DataError, match=r"results\.json: .* is no name of a task"):
        read_run(run)


@pytest.mark.parametrize(
    "changes",
    [{"metric": "nope[strict,v1]"}, {"metric": ""}, {"mean": float("nan")}, {"low": float("inf")}, {"n": "many"}],
)
def test_results_that_can_not_be_are_named(run: Path, changes: dict[str, Any]) -> None:
    change(run / "results.json", lambda content: content["tasks"][0].update(changes))
    with pytest.raises(DataError, match=r"results\.json: these are no results of this version"):
        read_run(run)


def test_settings_that_lack_get_their_defaults(run: Path) -> None:
    change(run / "config.json", lambda content: [content["settings"].pop(key) for key in ("repeats", "temperature")])
    assert len(list(read_run(run).rows())) == 6


@pytest.mark.parametrize("changes", [{"repeats": "2"}, {"repeats": 0}, {"repeats": True}, {"temperature": "hot"}])
def test_settings_that_can_not_be_are_named(run: Path, changes: dict[str, Any]) -> None:
    change(run / "config.json", lambda content: content["settings"].update(changes))
    with pytest.raises(DataError, match=rf"config\.json: {next(iter(changes))} must be"):
        read_run(run)


def test_scoring_again_names_settings_that_lack(run: Path) -> None:
    change(run / "config.json", lambda content: [content["settings"].pop(key) for key in ("repeats", "seed")])
    with pytest.raises(DataError, match=r"config\.json: the settings lack repeats, seed"):
        rescore_run(run)


@pytest.mark.parametrize("file", ["predictions/t1.jsonl", "scores/t1.*"])
def test_a_number_that_is_none_is_told_with_its_line(run: Path, file: str) -> None:
    (damaged,) = run.glob(file)
    line, *others = [json.loads(line) for line in damaged.read_text().splitlines()]
    if "result" in line:
        line["result"]["parts"] = {"precision": float("inf")}
    else:
        line["seconds"] = float("nan")
    damaged.write_text("".join(json.dumps(one) + "\n" for one in [line, *others]))
    with pytest.raises(DataError, match=r":1: damaged line \(Input should be a finite number"):
        read_run(run)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[1]", "[" * 100_000, '{"sessions": 3}', '{"sessions": [3]}', '{"sessions": [{"packages": "x"}]}'),
        *('{"sessions": [{"engine": 1}]}', '{"sessions": [{"generate_seconds": NaN}]}'),
    ],
)
def test_a_damaged_note_of_the_environment_stops_nothing(run: Path, text: str, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    (run / "env.json").write_text(text)
    assert read_run(run).environment == {}
    assert compare_runs([run, other]).comparisons[0].tasks
