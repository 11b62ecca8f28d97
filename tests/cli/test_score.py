"""``golong score`` and ``golong merge``, several models in one command, and the options that all runs share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golong_eval.cli.options import engine_arguments
from golong_eval.errors import ConfigError

SCRIPTED = ["run", "--engine", "scripted", "--length", "1k", "--limit", "2", "--tasks", "t1,t7"]


def runs(model: str = "gold") -> list[Path]:
    return sorted(file.parent for file in Path("runs", model).glob("*/config.json"))


def test_a_run_is_scored_again_by_the_published_rewards(golong) -> None:
    assert golong(*SCRIPTED, "--model", "gold").code == 0
    (run,) = runs()
    outcome = golong("score", run, "--variant", "official")
    assert outcome.code == 0, outcome.err
    assert "ndcg@gold[official,v1]" in outcome.out
    assert (run / "results.official.json").is_file()
    one = golong("score", run, "--metric", "t7=ndcg@gold[strict,v1,chance_corrected]", "--json")
    assert json.loads(one.out)["tasks"][1]["metric"] == "ndcg@gold[strict,v1,chance_corrected]"


def test_responses_from_a_file(golong) -> None:
    Path("mine.jsonl").write_text('{"metric": "f1", "gold": ["D1", "D2"], "response": "[Answer]\\nD1"}\n')
    outcome = golong("score", "mine.jsonl", "--out", "scores.jsonl")
    assert outcome.code == 0, outcome.err
    assert "0.667" in outcome.out
    assert json.loads(Path("scores.jsonl").read_text())["result"]["value"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "nowhere.jsonl"], "cannot read nowhere.jsonl"),
        (["score", "."], "no config.json here"),
        (["score", ".", "--out", "x"], "--samples and --out are for files"),
        (["score", "x.jsonl", "--metric", "t7"], "is not TASK=METRIC"),
        (["score", "x.jsonl", "--judge", "m"], "only --benchmark has --judge"),
        (["score", ".", "--judge-url", "http://x"], "golong judge . judges a run"),
        (["score", "x.jsonl", "--embedder", "m"], "only a run has --embedder"),
        (["score", ".", "--embedder-url", "http://x"], "--embedder-url is given, and no embedder"),
        (["score", ".", "--embedder", " "], "embedder.model"),
        (["score", ".", "--column", "a=b"], "only --benchmark has --column"),
        (
            ["score", "--benchmark", "frames", "x.jsonl", "--variant", "strict"],
            "rules, without --variant",
        ),
        (["score", "--benchmark", "frames", "x.jsonl", "--embedder", "m"], "without --embedder"),
        (
            ["score", "--benchmark", "frames", "x.jsonl", "--judge-url", "http://x"],
            "--judge-url is given",
        ),
        (["judge", ".", "--judge", "none"], "--judge none asks nobody"),
        (["judge", ".", "--judge", "none,m"], "none is no judge beside others"),
        (["judge", ".", "--judge", "m", "--judge-price", "nan,1"], "two numbers of 0 or more"),
        (["judge", ".", "--judge", "m", "--judge-price", "1"], "is not two prices"),
        (["merge", "."], "no config.json here"),
        (["merge"], "Missing argument"),
    ],
)
def test_mistakes_are_told_in_two_lines(golong, arguments: list[str], message: str) -> None:
    outcome = golong(*arguments)
    assert outcome.code == 1
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 2


def test_parts_are_merged(golong) -> None:
    for part in ("1/2", "2/2"):
        outcome = golong(*SCRIPTED, "--model", "gold", "--shard", part)
        assert outcome.code == 0, outcome.err
        assert f"part {part} of a run: golong merge" in outcome.out
    merged = golong("merge", *runs(), "--json")
    assert merged.code == 0, merged.err
    assert [row["n"] for row in json.loads(merged.out)["tasks"]] == [2, 2]


def test_several_models_make_one_table(golong) -> None:
    outcome = golong(*SCRIPTED, "--model", "gold", "--model", "empty")
    assert outcome.code == 0, outcome.err
    header = outcome.out.splitlines()[0].split()
    assert header == ["task", "metric", "gold", "empty"]
    assert "1.000" in outcome.out
    assert "0.000" in outcome.out
    assert (len(runs("gold")), len(runs("empty"))) == (1, 1)
    as_json = golong(*SCRIPTED, "--model", "gold", "--model", "empty", "--json")
    assert [one["model"] for one in json.loads(as_json.out)] == ["gold", "empty"]


def test_a_model_that_fails_is_told_beside_those_that_do_not(golong) -> None:
    Path("broken").mkdir()
    (Path("broken") / "config.json").write_text("{}")
    outcome = golong("run", "--tasks", "t1", "--length", "1k", "--limit", "1", "--tokenizer", "embedded",
                     "--max-tokens", "2", "--model", "broken", "--model", _embedded())  # fmt: skip
    assert outcome.code == 2
    assert "golong: broken: cannot load the model" in outcome.err
    assert "checkpoint" in outcome.out


def _embedded() -> str:
    from golong_eval.engines import embedded_model

    return embedded_model()


def test_the_models_of_one_command_answer_the_same_samples(golong) -> None:
    outcome = golong(*SCRIPTED, "--model", "gold", "--model", "wrong", "--json")
    first, second = json.loads(outcome.out)
    assert [row["data_revision"] for row in first["tasks"]] == [row["data_revision"] for row in second["tasks"]]


def test_engine_arguments_are_read_as_json_where_they_are() -> None:
    pairs = ["n=3", "f=0.5", "t=true", "T=True", 'd={"a": [1]}', "s=auto", "v=1.2.3", "none=null", "a-b=x"]
    assert engine_arguments(pairs) == {
        "n": 3,
        "f": 0.5,
        "t": True,
        "T": True,
        "d": {"a": [1]},
        "s": "auto",
        "v": "1.2.3",
        "none": None,
        "a_b": "x",
    }
    for pair in ("x", "=x"):
        with pytest.raises(ConfigError, match="is not KEY=VALUE"):
            engine_arguments([pair])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rope-original", "4096"], "--rope-original is given without --rope-factor"),
        (["--rope-factor", "0.5"], "rope_scaling"),
        (["--max-model-len", "much"], "max_model_len"),
        (["--price", "1"], "price"),
        (["--price", "nan,1"], "two numbers of 0 or more"),
        (["--price", "a,b", "--cost-limit", "1"], "price"),
        (["--cost-limit", "1"], "needs the price"),
        (["--context-policy", "cut"], "context_policy"),
        (["--shard", "3/2"], "'3/2' names no part: write it like 1/2"),
        (["--thinking", "off", "--thinking-budget", "5"], "thinking_budget"),
        (["--every", "2"], "--every"),
        (["--concurrency", "0"], "concurrency"),
    ],
)
def test_options_that_do_not_fit_are_named(golong, arguments: list[str], message: str) -> None:
    outcome = golong(*SCRIPTED, *arguments)
    assert outcome.code == 1
    assert message in outcome.err
    assert not Path("runs").exists()
