"""What holds for every metric, whatever the gold and whatever the model writes."""

import json
import pickle
import random
import threading

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from golong_eval.errors import DataError
from golong_eval.rewards import METRIC_NAMES, ScoreRequest, coerce_gold, gold_type, render_gold, score, score_batch
from golong_eval.rewards.outcome import Ask
from golong_eval.rewards.registry import scorer_class
from golong_eval.rewards.spec import OFFICIAL_ONLY
from golong_eval.schema import RewardResult

PLAIN = {
    "exact_match": "e0",
    "accuracy": "B",
    "f1": ["D1", "D3", "D7"],
    "math_verify": "42",
    "iou": {"columns": ["name", "year"], "data": [["a", 1], ["b", 2]]},
    "sub_em": ["F1: D7", "F2: D3"],
    "ndcg": ["D2", "D1", "D9"],
    "pairwise_accuracy": ["A2", "A1", "A3"],
    "rouge_l": "The cat sat on the mat.",
    "choice": "B",
}
LISTS = ("f1", "sub_em", "ndcg", "pairwise_accuracy")
BOTH = [*((m, "strict") for m in METRIC_NAMES), *((m, "official") for m in (*METRIC_NAMES, *OFFICIAL_ONLY))]

_NASTY = st.sampled_from(
    ["-", "- a", "* a", "1.", "2.", "1. a", "2. b", "```", "none", '""', '"a"', "a", "A", "**a**", "a.", "...", "①",
    "10³",
     "103", "the answer is a", "Answer: B", "B", "(B)", "yes", "不是", "=", "x=5", "42", "-42", "12%", "$5",
     "\\boxed{1}",
     "{", '{"data": []}', "true", "D\u200b1", "D1", "Ｄ１", "42 and 43", "\ud800x", "是", "I", "a\nb", "\\", "5 km"]
)  # fmt: skip
_TEXT = st.one_of(_NASTY, st.text(min_size=1, max_size=12))
_CELL = st.one_of(_TEXT, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))


@st.composite
def tables(draw):
    columns = draw(st.lists(_TEXT, min_size=1, max_size=3, unique=True))
    rows = draw(st.lists(st.tuples(*[_CELL] * len(columns)), min_size=1, max_size=4))
    return {"columns": columns, "data": rows}


def plain_golds(metric):
    if metric == "iou":
        return tables()
    if metric == "math_verify":
        # Anything that is a bare expression goes to a process: the gold itself never has to.
        return _TEXT
    return st.lists(_TEXT, min_size=1, max_size=5)


def golds(metric):
    def build(plain):
        try:
            gold = coerce_gold(metric, plain)
            scorer_class(metric, "strict")(gold)
        except DataError:
            assume(False)
        return gold

    return plain_golds(metric).map(build)


@pytest.mark.parametrize("metric", METRIC_NAMES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_every_valid_gold_earns_one(metric, data):
    gold = data.draw(golds(metric))
    result = score(metric, render_gold(gold), gold)
    assert (result.value, result.status) == (1.0, "ok"), (gold, result)


_PIECES = st.sampled_from(
    ["[Answer]", "[答案]", "\n", " ", "D1", "D3", "B", "(A)", "\\boxed{", "}", "{", '"columns"', '"data"', "[", "]",
    ",", ":",
     "the answer is ", "not ", "42", "%", "1. ", "- ", "**", "`", "```", "<answer>", "</answer>", "yes", "否",
     "\u200b", "\ud800",
     "=", "^", "\\frac", "1e99", "NaN", "km", "$", "a", "的"]
)  # fmt: skip
RESPONSES = st.one_of(st.lists(_PIECES, max_size=14).map("".join), st.text(max_size=60))


@pytest.mark.parametrize(("metric", "variant"), BOTH)
@settings(max_examples=50, deadline=None)
@given(response=RESPONSES)
def test_any_response_has_a_value_in_range_and_the_same_twice(metric, variant, response):
    result = score(metric, response, PLAIN[metric], variant=variant)
    assert result.status in ("ok", "empty", "unparsed")
    assert result.value is not None
    assert 0 <= result.value <= 1
    assert result == score(metric, response, PLAIN[metric], variant=variant)
    assert RewardResult.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("metric", METRIC_NAMES)
@pytest.mark.parametrize("response", ["[Answer]", "a [Answer]\n\n", "<answer></answer>"])
def test_a_marker_earns_nothing(metric, response):
    result = score(metric, response, PLAIN[metric])
    assert (result.value, result.status) == (0.0, "empty")


@pytest.mark.parametrize(("metric", "variant"), BOTH)
@pytest.mark.parametrize("response", ["", " \n\t", "\u200b\ufeff", "<think>x</think>", "<think>x</think> \n"])
def test_nothing_earns_nothing(metric, variant, response):
    result = score(metric, response, PLAIN[metric], variant=variant)
    assert (result.value, result.status) == (0.0, "empty")


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_a_fence_alone_is_no_answer(metric):
    assert score(metric, "[Answer]\n```\n```", PLAIN[metric]).status == "unparsed"


def gold_answer(metric):
    return render_gold(coerce_gold(metric, PLAIN[metric]))


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_thinking_is_never_read(metric):
    good = gold_answer(metric)
    assert score(metric, f"<think>wrong</think>{good}", PLAIN[metric]).value == 1.0
    assert score(metric, f"<think>{good}</think>", PLAIN[metric]).status == "empty"
    assert score(metric, f"<think>{good}</think>[Answer]\nqqq zzz", PLAIN[metric]).value == 0.0
    assert score(metric, f"<think>{good}", PLAIN[metric]).status == "unparsed"
    assert score(metric, f"<think>{good}</think>qqq zzz", PLAIN[metric]).value == 0.0
    assert score(metric, good, PLAIN[metric], thinking_unfinished=True).status == "unparsed"


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_the_training_gate(metric):
    good = gold_answer(metric)
    assert score(metric, f"<think>x</think>{good}", PLAIN[metric], require_think=True).value == 1.0
    for bad in (good, f"<think>x</think></think>{good}", f"<think><think>x</think>{good}"):
        result = score(metric, bad, PLAIN[metric], require_think=True)
        assert (result.value, result.status) == (0.0, "unparsed")


@pytest.mark.parametrize("metric", METRIC_NAMES)
@pytest.mark.parametrize(
    "wrap", ["{}\n", "\n\n{}\n\n", "I think so.\n{}", "\u200b{}\u200b", "[Answer]\nwrong\n{}", "<think>a</think>{}"]
)
def test_natural_formats_earn_one(metric, wrap):
    assert score(metric, wrap.format(gold_answer(metric)), PLAIN[metric]).value == 1.0


@pytest.mark.parametrize("metric", [m for m in METRIC_NAMES if m != "rouge_l"])
def test_a_code_fence_around_the_answer_is_neutral(metric):
    body = gold_answer(metric).removeprefix("[Answer]\n")
    assert score(metric, f"[Answer]\n```\n{body}\n```", PLAIN[metric]).value == 1.0


@pytest.mark.parametrize("metric", LISTS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_form_blank_lines_and_duplicates_are_neutral(metric, data):
    gold = PLAIN[metric]
    lines = data.draw(st.lists(st.sampled_from([*gold, "junk", "D4"]), min_size=1, max_size=8))
    distinct = list(dict.fromkeys(lines))
    value = score(metric, "\n".join(distinct), gold).value
    assert score(metric, "\n".join(lines), gold).value == value
    assert score(metric, "\n \n".join(distinct) + "\n\n", gold).value == value
    for form in ("- {1}", "* **{1}**", "`{1}`.", "{0}. {1}", "（{0}）{1}", "{0}) **{1}**."):
        formed = [form.format(i, line) for i, line in enumerate(lines, 1)]
        assert score(metric, "\n".join(formed), gold).value == value, formed


@pytest.mark.parametrize("metric", ["f1", "sub_em"])
@given(data=st.data())
def test_set_metrics_do_not_see_the_order(metric, data):
    lines = data.draw(st.lists(st.sampled_from([*PLAIN[metric], "junk", "other"]), min_size=1, unique=True))
    shuffled = data.draw(st.permutations(lines))
    assert (
        score(metric, "\n".join(lines), PLAIN[metric]).value == score(metric, "\n".join(shuffled), PLAIN[metric]).value
    )


def _requests():
    answers = ["", "D1\nD3", "B", "42", "yes", "the cat", "A1\nA2", '{"columns": ["name"], "data": [["a"]]}']
    requests = [
        ScoreRequest(metric, answer, PLAIN[metric], variant)
        for metric, variant in BOTH
        for answer in [
            *answers,
            "The correct answer is (B)",
            gold_answer(metric),
            f"<think>x</think>{gold_answer(metric)}",
        ]
    ]
    return requests + requests[::3]


def test_a_batch_is_its_requests_in_any_order():
    requests = _requests()
    single = [score(r.metric, r.response, r.gold, variant=r.variant) for r in requests]
    assert score_batch(requests) == single
    order = list(range(len(requests)))
    random.Random(0).shuffle(order)
    assert score_batch([requests[i] for i in order]) == [single[i] for i in order]
    assert score_batch([]) == []


def test_a_batch_tells_equal_python_values_apart():
    one, true = ({"columns": ["a"], "data": [[cell]]} for cell in (1, True))
    answer = json.dumps(one)
    assert [r.value for r in score_batch([ScoreRequest("iou", answer, one), ScoreRequest("iou", answer, true)])] == [
        1.0,
        0.0,
    ]


def test_a_malformed_gold_in_a_batch_names_its_place():
    with pytest.raises(DataError, match="request 1: f1: the gold is empty"):
        score_batch([ScoreRequest("f1", "a", ["a"]), ScoreRequest("f1", "a", [])])


def test_the_same_in_threads():
    requests = _requests()
    expected = score_batch(requests)
    found = {}
    threads = [threading.Thread(target=lambda i=i: found.setdefault(i, score_batch(requests))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [expected] * 4


@pytest.mark.parametrize(("metric", "variant"), BOTH)
def test_everything_pickles(metric, variant):
    scorer = scorer_class(metric, variant)(coerce_gold(metric, PLAIN[metric]))
    again = pickle.loads(pickle.dumps(scorer))
    assert again == scorer
    answer = gold_answer(metric)
    assert again(answer, Ask()) == scorer(answer, Ask())
    result = score(metric, answer, PLAIN[metric], variant=variant)
    assert pickle.loads(pickle.dumps(result)) == result
    request = ScoreRequest(metric, "x", PLAIN[metric], variant)
    assert pickle.loads(pickle.dumps(request)) == request
    assert pickle.loads(pickle.dumps((score, score_batch))) == (score, score_batch)


def test_what_was_read_is_kept_short():
    assert len(score("rouge_l", "cat " * 5000, "The cat").parsed) == 2000
    assert sum(map(len, score("f1", "\n".join(f"item {i}" for i in range(5000)), ["a"]).parsed)) <= 2000


def test_a_broken_scorer_gives_no_score(monkeypatch):
    def broken(_gold):
        def scorer(_area, _ask):
            raise ZeroDivisionError("oops")

        return scorer

    monkeypatch.setattr("golong_eval.rewards.scoring.scorer_class", lambda *_: broken)
    result = score("f1", "a", ["a gold of this test"])  # rules of golds that were seen are kept
    assert (result.value, result.status, result.reason) == (None, "scorer_error", "ZeroDivisionError: oops")


def test_the_gold_types_are_the_schemas():
    assert {gold_type(m).__name__ for m in METRIC_NAMES} == {
        "TextGold", "ItemsGold", "RankingGold", "OrderGold", "TableGold", "NumberGold", "ReferencesGold"
    }  # fmt: skip
