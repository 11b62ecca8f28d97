"""The official variants: numbers by hand for every quirk, and the libraries that the published code calls."""

import itertools
import json
import math
import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from golong_eval.rewards import (
    METRIC_NAMES,
    SECONDARY_TASKS,
    ScoreRequest,
    coerce_gold,
    render_gold,
    score,
    score_batch,
)
from golong_eval.rewards.official.rouge_l import common_words, summary_level_f
from golong_eval.rewards.spec import MetricSpec

FOUR = ["a", "b", "c", "d"]


def official(metric, response, gold, **options):
    return score(metric, response, gold, variant="official", **options)


def value(metric, lines, gold):
    return official(metric, lines if isinstance(lines, str) else "\n".join(lines), gold).value


# ---------------------------------------------------------------------------------------------------------
# Numbers by hand


@pytest.mark.parametrize(
    ("metric", "lines", "gold", "expected"),
    [
        # Blank lines count as items; so do repeats, where the metric is not over sets.
        ("f1", "a\n\nb\n\nc\n\nd", FOUR, 8 / 9),
        ("f1", ["a", "a", "a"], FOUR, 2 / 5),
        ("f1", ["- a", "b"], FOUR, 2 / 6),
        ("f1", ["x"], FOUR, 0.0),
        ("f1", "reasoning\n[Answer]\nA\n B  ", ["a", "b"], 1.0),
        ("f1", "[Answer] a [答案] b", ["b"], 0.0),
        ("f1", "[答案] a\n[答案]b", ["b"], 1.0),
        ("f1", "[answer]\na", ["a"], 2 / 3),
        ("sub_em", ["junk"] * 500 + FOUR, FOUR, 1.0),
        ("sub_em", ["a", "x"], FOUR, 1 / 4),
        ("sub_em", ["a"], ["a", "a", "b"], 2 / 3),
        ("ndcg", ["d", "c", "b", "a"], FOUR, 0.749),
        ("ndcg", ["a", "b", "c", "d", "a"], FOUR, 0.885),
        ("ndcg", ["a", "x", "y", "b"], FOUR, 0.723),
        ("ndcg", "a\n\nb\n\nc\n\nd", FOUR, (4 + 3 / math.log2(3) + 2 / 2) / 7.3235),
        ("ndcg", [*FOUR, "x", "y"], FOUR, 1.0),
        ("ndcg", ["a", "b"], ["a", "b", "a"], (1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3))),
        ("pairwise_accuracy", ["a", "b"], list("abcdef"), 1.0),
        ("pairwise_accuracy", "a\n\nb\n\nc\n\nd", FOUR, 6 / 21),
        ("pairwise_accuracy", [*FOUR, "x"], FOUR, 0.6),
        ("pairwise_accuracy", ["a", "b", "a"], FOUR, 0.0),
        ("pairwise_accuracy", ["a", "b"], ["a", "b", "a", "b"], 0.0),  # 3 ordered pairs of 1: above 1
        ("pairwise_accuracy", ["a"], FOUR, 0.0),
        ("pairwise_accuracy", ["a", "b"], ["a"], 0.0),
        ("exact_match", " e0\n", "e0", 1.0),
        ("exact_match", "**e0**", "e0", 0.0),
        ("exact_match", "E0", "e0", 0.0),
        ("exact_match", "[Answer] e0", "e0", 0.0),
        ("accuracy", "[Answer]\nB\nA", "b", 1.0),
        ("accuracy", "[Answer] A. No: B", "B", 0.0),
        ("accuracy", "B", ["A", "B"], 0.0),  # the first gold answer alone
        ("choice", "The correct answer is (B)", "B", 1.0),
        ("choice", "The correct answer is B. The correct answer is (C).", "B", 0.0),  # parentheses go first
        ("choice", "The correct answer is **B**", "The correct answer is (B).", 1.0),
        ("choice", "The correct answer is (A). Sorry, The correct answer is (B).", "B", 0.0),
        ("choice", "B", "B", 0.0),
        ("choice", "The correct answer is (E)", "E", 0.0),
        ("rouge_l", "the cat sat on the mat. " * 5, "The cat sat on the mat.", 1.0),
        ("rouge_l", "[Answer] the cat", "the cat", 4 / 5),  # the marker is a word
        ("rouge_l", "...", "the cat", 0.0),
        ("rouge_l", "the price rose 3.5 points", "the price rose 3.5 points", 1.0),
        ("rouge_l", "the cat", ["dogs. bark", "the cat"], 1.0),
        ("rouge_l", "the cat", ["the cat", "."], 0.0),  # one reference without a sentence fails all
        ("math_verify", "x" * 600 + " the answer is $42$", "42", 1.0),
        ("math_verify", "$42$" + " and so on" * 60, "42", 0.0),  # only the last 500 characters
        ("math_verify", "The answer is 5 km", "5 m", 1.0),  # units are not looked at
        ("math_verify", "no number", "42", 0.0),
    ],
)  # fmt: skip
def test_by_hand(metric, lines, gold, expected):
    assert value(metric, lines, gold) == pytest.approx(expected, abs=6e-4)


ROWS = [["a", 1], ["b", 2]]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json.dumps({"data": ROWS}), 1.0),
        (f"I think <answer>{json.dumps({'data': ROWS})}</answer> <answer>[]</answer>", 1.0),
        (f"<answer>{json.dumps({'data': ROWS})}", 1.0),
        (json.dumps({"data": [["a", "1"], ["b", "2"]]}), 1.0),
        (json.dumps({"data": [["a", 1.0], ["b", 2]]}), 1 / 3),
        (json.dumps({"data": [["a", 1]] * 3}), 1 / 4),
        (json.dumps({"columns": ["x"], "data": ROWS}), 1.0),  # column names are not looked at
        (json.dumps({"columns": ["year", "name"], "data": [[1, "a"], [2, "b"]]}), 0.0),
        (f"Here: {json.dumps({'data': ROWS})}", 0.0),
        (json.dumps({"data": {"a": 1}}), 0.0),
        (json.dumps(ROWS), 0.0),
        (json.dumps({"data": []}), 0.0),
        ("[" * 100_000, 0.0),
        ('{"data": [[' + "9" * 5000 + "]]}", 0.0),
    ],
)
def test_tables_by_hand(answer, expected):
    assert value("iou", answer, {"columns": ["name", "year"], "data": ROWS}) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_thinking_is_removed_up_to_its_last_end_and_may_stay_open(metric):
    gold = {"iou": {"columns": ["a", "b"], "data": ROWS}, "math_verify": "42"}.get(metric, ["aa", "bb"])
    good = render_gold(coerce_gold(metric, gold), MetricSpec(name=metric, variant="official"))
    assert official(metric, f"<think>no</think>no</think>{good}", gold).value == pytest.approx(1.0)
    assert official(metric, f"<think>{good}</think>", gold).status == "empty"
    assert official(metric, good, gold, thinking_unfinished=True).value == 0.0
    assert official(metric, good, gold, require_think=True).value == 0.0
    if metric in ("f1", "sub_em", "ndcg", "pairwise_accuracy", "accuracy"):
        assert official(metric, f"<think>{good}", gold).value == 1.0  # read like any other text


# ---------------------------------------------------------------------------------------------------------
# Parity


_WORDS = st.lists(st.sampled_from("abcdef"), max_size=12)
_TEXTS = st.lists(_WORDS.map(" ".join), min_size=1, max_size=4).map(". ".join)


@pytest.fixture(scope="module")
def rouge():
    from rouge import Rouge

    return Rouge(metrics=["rouge-l"])


@settings(max_examples=300, deadline=None)
@given(answer=_TEXTS, reference=_TEXTS)
def test_rouge_l_is_that_of_the_package_rouge(rouge, answer, reference):
    found = summary_level_f(answer, reference)
    try:
        (expected,) = rouge.get_scores([answer], [reference])
    except ValueError:
        assert found is None
    else:
        assert found == pytest.approx(expected["rouge-l"]["f"], abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(reference=st.lists(st.sampled_from("abcd"), max_size=14), answer=st.lists(st.sampled_from("abcde"), max_size=14))
def test_the_common_words_are_those_of_the_package_rouge(reference, answer):
    from rouge.rouge_score import _recon_lcs

    assert common_words(reference, answer) == set(_recon_lcs(reference, answer)._ngrams)


def test_rouge_l_where_the_package_fails_on_its_recursion(rouge):
    words = [f"w{i}" for i in range(1500)]
    with pytest.raises(RecursionError):
        rouge.get_scores([" ".join(words)], [" ".join(words)])
    assert value("rouge_l", " ".join(words), " ".join(words)) == pytest.approx(1.0)
    # 1,500 unique words, of which 750 are common: P = R = 1/2.
    other = [word if i % 2 else f"x{i}" for i, word in enumerate(words)]
    assert value("rouge_l", " ".join(other), " ".join(words)) == pytest.approx(0.5)


def test_chinese_is_cut_by_jieba_by_the_language_of_the_row_or_of_the_references(rouge):
    import jieba

    answer, reference = "委员会在三月开会，发现那座桥不安全。", "委员会三月开会认为桥不安全。"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cut = [" ".join(jieba.cut(text, cut_all=False)) for text in (answer, reference)]
    expected = rouge.get_scores([cut[0]], [cut[1]])[0]["rouge-l"]["f"]
    assert 0.3 < expected < 1
    assert value("rouge_l", answer, reference) == pytest.approx(expected, abs=1e-12)
    assert official("rouge_l", answer, reference, language="zh").value == pytest.approx(expected, abs=1e-12)
    assert official("rouge_l", answer, reference, language="en").value == 0.0  # one word each, and not the same


_LINES = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "", "x", "y"]), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(lines=_LINES, gold=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8))
def test_ndcg_is_that_of_pytrec_eval(lines, gold):
    import pytrec_eval

    read = [line.strip() for line in "\n".join(lines).strip().split("\n")]
    assume(any(read))
    measure = f"ndcg_cut.{len(gold)}"
    judged = {"q": {item: len(gold) - place for place, item in enumerate(gold)}}
    ranked = {"q": {line: float(len(read) - place) for place, line in enumerate(read)}}
    expected = pytrec_eval.RelevanceEvaluator(judged, {measure}).evaluate(ranked)["q"][f"ndcg_cut_{len(gold)}"]
    assert value("ndcg", lines, gold) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(lines=_LINES, gold=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=6))
def test_pairs_are_counted_as_one_counts_them(lines, gold):
    read = [line.strip() for line in "\n".join(lines).strip().split("\n")]
    assume(any(read))
    places = {line: place for place, line in enumerate(read)}
    pairs = len(read) * (len(read) - 1) // 2
    right = sum(a in places and b in places and places[a] < places[b] for a, b in itertools.combinations(gold, 2))
    expected = right / pairs if pairs else 0.0
    assert value("pairwise_accuracy", lines, gold) == pytest.approx(expected if expected <= 1 else 0.0)


MATHS = [
    ("42", "So it is 42."), ("42", r"\boxed{42}"), ("1/2", "$0.5$"), ("0.333", r"$\frac{1}{3}$"), ("12%", "0.12"),
    ("12", r"\boxed{11} or \boxed{12}"), ("1,234", "It is 1234"), ("x=3", "$3$"), ("A", "A"),
    ("2\\sqrt{3}", "$\\sqrt{12}$"),
    ("5", "5 million"), ("(1,2)", "$(1, 2)$"), ("7", "no"), ("-3", "The answer is −3"), ("3", "3 and 4"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), MATHS)
def test_math_is_that_of_math_verify_as_the_published_code_calls_it(gold, answer):
    from math_verify import parse, verify

    read = parse(answer[-500:])
    right = len(read) >= 2 and (read[1] == gold or verify(parse(f"\\boxed{{{gold}}}"), read))
    assert value("math_verify", answer, gold) == float(bool(right))


# ---------------------------------------------------------------------------------------------------------
# Hostile text


@pytest.mark.parametrize("metric", [*METRIC_NAMES, "choice"])
@settings(max_examples=40, deadline=None)
@given(
    response=st.text(max_size=80)
    | st.sampled_from(["\ud800", "\x00", "[Answer]", ".", "{", "。" * 9, "\u200b", "<answer>"])
)
def test_any_response_has_a_value_in_range(metric, response):
    gold = {"iou": {"columns": ["a"], "data": [[1]]}, "math_verify": "42", "choice": "B"}.get(metric, ["a", "b"])
    result = official(metric, response, gold)
    assert result.status in ("ok", "empty", "unparsed")
    assert 0 <= result.value <= 1
    assert score_batch([ScoreRequest(metric, response, gold, "official")]) == [result]


@pytest.mark.parametrize(
    "response",
    [
        "a b. " * 400_000,
        "a " * 1_000_000,
        ". ".join(f"a x{i} b" for i in range(100_000)),
        ". ".join(" ".join(p) for p in itertools.islice(itertools.permutations("abcdefgh"), 30_000)),
        "." * 1_000_000,
    ],
    ids=["sentences", "one", "distinct", "orders", "stops"],
)
def test_rouge_l_of_very_long_answers_takes_bounded_time(response):
    result = official("rouge_l", response, "a b c d e f g h. h g f e d c b a. b a c")
    assert result.status in ("ok", "unparsed", "scorer_error")


def test_what_takes_too_long_by_the_published_formula_has_no_score():
    words = " ".join(f"w{i % 7000}" for i in range(40_000))
    result = official("rouge_l", words, " ".join(f"w{i}" for i in range(7000)))
    assert (result.value, result.status) == (None, "scorer_error")


def test_a_loop_of_chinese_without_a_break_is_the_models_own():
    result = official("rouge_l", "桥" * 30_000, "那座桥不安全")
    assert (result.value, result.status) == (pytest.approx(0.0, abs=0.5), "ok")


def test_the_secondary_tasks():
    assert len(SECONDARY_TASKS) == 25
    counts = {metric: sum(m == metric for m in SECONDARY_TASKS.values()) for metric in set(SECONDARY_TASKS.values())}
    assert counts == {"ndcg": 2, "pairwise_accuracy": 3, "accuracy": 4, "rouge_l": 2, "f1": 8, "sub_em": 6}
    assert SECONDARY_TASKS["T6.3 Global Frequency Analysis"] == "pairwise_accuracy"
    assert [name.split()[0] for name in SECONDARY_TASKS if SECONDARY_TASKS[name] == "sub_em"] == [
        "T6.1", "T8.1", "T8.2", "T8.3", "T10.1", "T10.2"
    ]  # fmt: skip
