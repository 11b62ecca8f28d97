"""Golds from plain data, and what is refused."""

import json

import pytest
from pydantic import ValidationError

from golong_eval.errors import ConfigError, DataError, GolongError, UnknownNameError
from golong_eval.rewards import MetricSpec, ScoreRequest, coerce_gold, render_gold, score, score_batch
from golong_eval.schema import ItemsGold, NumberGold, RankingGold, ReferencesGold, TableGold, TextGold

TABLE = {"columns": ["a"], "data": [[1]]}


@pytest.mark.parametrize(
    ("metric", "plain", "gold"),
    [
        ("exact_match", "x", TextGold(answers=("x",))),
        ("accuracy", ["x", "y"], TextGold(answers=("x", "y"))),
        ("f1", ("x", "y"), ItemsGold(items=("x", "y"))),
        ("f1", "x\n\ny\n", ItemsGold(items=("x", "y"))),
        ("ndcg", ["x"], RankingGold(items=("x",))),
        ("math_verify", 42, NumberGold(value="42")),
        ("math_verify", 0.5, NumberGold(value="0.5")),
        ("math_verify", ["42"], NumberGold(value="42")),
        ("iou", TABLE, TableGold(columns=("a",), data=((1,),))),
        ("iou", json.dumps(TABLE), TableGold(columns=("a",), data=((1,),))),
        ("iou", [json.dumps(TABLE)], TableGold(columns=("a",), data=((1,),))),
        ("rouge_l", "x", ReferencesGold(texts=("x",))),
        ("rouge_l", ["x", "y"], ReferencesGold(texts=("x", "y"))),
        ("f1", {"type": "items", "items": ["x"]}, ItemsGold(items=("x",))),
        ("f1", ItemsGold(items=("x",)), ItemsGold(items=("x",))),
    ],
)
def test_plain_forms(metric, plain, gold):
    assert coerce_gold(metric, plain) == gold


@pytest.mark.parametrize(
    ("metric", "plain"),
    [
        ("f1", []), ("f1", ""), ("f1", ["x", " "]), ("f1", ["\u200b"]), ("f1", [1]), ("f1", None), ("f1",
        {"items": ["x"], "k": 1}),
        ("f1", RankingGold(items=("x",))), ("f1", {"type": "ranking", "items": ["x"]}), ("f1", ["a [Answer] b"]),
        ("f1", ["\ud800"]),
        ("exact_match", " "), ("exact_match", "<think>"), ("rouge_l", []), ("rouge_l", "!!!"), ("math_verify", True),
        ("math_verify", float("nan")), ("math_verify", ["1", "2"]), ("iou", "not json"), ("iou", "[" * 10**5),
        ("iou", {"columns": ["a"], "data": []}), ("iou", {"columns": ["a", "a"], "data": [[1, 2]]}),
        ("iou", {"columns": ["a"], "data": [[1, 2]]}), ("iou", {"columns": ["a"], "data": [[float("nan")]]}),
        ("iou", '{"columns": ["a"], "data": [[Infinity]]}'), ("iou", {"columns": ["a"], "data": [[10**5000]]}),
        ("math_verify", [10**5000]), ("iou", ["x", "y"]),
        ("iou", {"columns": ["\u200b"], "data": [[1]]}), ("iou", '{"columns": ["a"], "data": [[' + "1" * 5000 + "]]}"),
    ],
)  # fmt: skip
def test_a_gold_that_does_not_fit_is_the_callers_error(metric, plain):
    with pytest.raises(DataError) as caught:
        score(metric, "x", plain)
    assert str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value) + caught.value.hint


def test_unknown_names_get_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown metric 'ncdg'") as caught:
        score("ncdg", "x", ["x"])
    assert "did you mean 'ndcg'?" in caught.value.hint
    with pytest.raises(UnknownNameError, match="variant"):
        score("f1", "x", ["x"], variant="strickt")
    with pytest.raises(UnknownNameError, match="language"):
        score("f1", "x", ["x"], language="fr")


def test_a_choice_has_no_strict_variant_and_never_falls_back():
    assert score("choice", "The correct answer is (B)", "B").metric == "choice[official,v1]"
    with pytest.raises(ConfigError, match="choice has no strict variant"):
        score("choice", "x", "B", variant="strict")
    with pytest.raises(ValidationError, match="official only"):
        MetricSpec(name="choice")


def test_two_variants_at_once_are_refused():
    with pytest.raises(ConfigError, match="beside the metric f1"):
        score(MetricSpec(name="f1", variant="official"), "x", ["x"], variant="strict")


def test_other_misuse():
    for call in (
        lambda: score("f1", None, ["x"]),
        lambda: score(3, "x", ["x"]),
        lambda: score(MetricSpec(name="f1", version=2), "x", ["x"]),
        lambda: score("f1[strict,v1,nonsense]", "x", ["x"]),
        lambda: score("f1[strikt,v1]", "x", ["x"]),
        lambda: score_batch([], workers=0),
        lambda: score_batch([], workers="2"),
        lambda: score_batch(ScoreRequest("f1", "x", ["x"])),
        lambda: score_batch([("f1", "x", ["x"])]),
        lambda: score("f1", "x", '["x", "y"]'),
        lambda: score("f1", "x", ["x"], candidates="4"),
        lambda: score("f1", "x", ["x"], candidates=0),
        lambda: score_batch([ScoreRequest(["f1"], "x", ["x"])]),
        lambda: score_batch([ScoreRequest("f1", "x", ["x"], variant=["strict"])]),
        lambda: score_batch([ScoreRequest("f1", "x", ["x"], language=["en"])]),
        lambda: score_batch([ScoreRequest("f1", b"x", ["x"])]),
    ):
        with pytest.raises(GolongError):
            call()


def test_the_identity_is_in_the_result():
    assert score("ndcg", "x", ["x"]).metric == "ndcg@gold[strict,v1]"
    assert score(MetricSpec(name="f1"), "x", ["x"]).metric == "f1[strict,v1]"


def test_rendering():
    assert render_gold(TextGold(answers=("a\nb", "c"))) == "[Answer]\na b"
    assert render_gold(ItemsGold(items=("a", "b"))) == "[Answer]\na\nb"
    assert render_gold(TableGold(columns=("a",), data=(("é",),))) == '[Answer]\n{"columns": ["a"], "data": [["é"]]}'
