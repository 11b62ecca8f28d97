"""Metric identities and parameters: chance correction, the semantic part, and reward terms."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from golong_eval.errors import ConfigError, DataError
from golong_eval.rewards import (
    METRIC_NAMES,
    FormatBonus,
    MetricSpec,
    OverlongPenalty,
    RepetitionGate,
    ScoreRequest,
    Semantic,
    chance_level,
    coerce_gold,
    score,
    score_batch,
    shaped,
)

# ---------------------------------------------------------------------------------------------------------
# Identity

SPECS = st.builds(
    MetricSpec,
    name=st.sampled_from(METRIC_NAMES),
    variant=st.sampled_from(["strict", "official"]),
    version=st.integers(1, 99),
    chance_corrected=st.booleans(),
) | st.builds(
    MetricSpec,
    name=st.just("rouge_l"),
    semantic=st.builds(
        Semantic,
        model=st.sampled_from(["Qwen/Qwen3-Embedding-8B", "bge-m3@1f2e", "a.b_c:d"]),
        weight=st.floats(0.001, 1),
    ),
    chance_corrected=st.booleans(),
)


@given(SPECS)
def test_the_printed_identity_is_the_metric(spec):
    assert MetricSpec.model_validate(str(spec)) == spec
    assert MetricSpec.model_validate_json(spec.model_dump_json()) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_identities_by_hand():
    assert str(MetricSpec(name="ndcg")) == "ndcg@gold[strict,v1]"
    assert (
        str(MetricSpec(name="pairwise_accuracy", chance_corrected=True))
        == "pairwise_accuracy[strict,v1,chance_corrected]"
    )
    semantic = MetricSpec(name="rouge_l", variant="official", semantic=Semantic(model="m"))
    assert str(semantic) == "rouge_l[official,v1,semantic=0.5*m]"
    assert score("f1[official,v1]", "a\n\nb", ["a", "b"]).metric == "f1[official,v1]"


@pytest.mark.parametrize(
    "text",
    [
        "f1[strict]", "f1[strict,v0]", "f1@gold(strict)", "f1[strict,v1,chance]", "rouge_l[strict,v1,semantic=2*m]",
        "f1@gold[strict,v1]", "ndcg[strict,v1]", "f1[strict,v1chance_corrected]",
    ],
)  # fmt: skip
def test_what_is_no_identity_is_refused(text):
    with pytest.raises(ValidationError):
        MetricSpec.model_validate(text)


def test_only_summaries_have_a_semantic_part():
    with pytest.raises(ValidationError, match="rouge_l has"):
        MetricSpec(name="f1", semantic=Semantic(model="m"))


# ---------------------------------------------------------------------------------------------------------
# Chance

GOLDS = {
    "exact_match": ("e0", None), "accuracy": ("B", 4), "f1": (["D1", "D3"], 6), "math_verify": ("42", 5),
    "sub_em": (["F1: D7", "F2: D3"], 4), "ndcg": (["a", "b", "c"], None), "pairwise_accuracy": (["a", "b", "c"], None),
}  # fmt: skip


@pytest.mark.parametrize("metric", GOLDS)
@pytest.mark.parametrize("answer", ["B", "a\nb\nc", "c\nb\na", "D1\nD9", "F1: D7", "42", "e0", "", "nothing"])
def test_what_chance_earns_is_taken_off(metric, answer):
    gold, candidates = GOLDS[metric]
    plain = score(metric, answer, gold, candidates=candidates)
    spec = MetricSpec(name=metric, chance_corrected=True)
    result = score(spec, answer, gold, candidates=candidates)
    chance = chance_level(metric, coerce_gold(metric, gold), candidates)
    assert result.value == pytest.approx(max(0.0, (plain.value - chance) / (1 - chance)))
    assert result.status == plain.status
    if result.status == "ok":
        assert (result.parts["chance"], result.parts["uncorrected"]) == (chance, plain.value)
    assert score_batch([ScoreRequest(spec, answer, gold, candidates=candidates)]) == [result]


def test_a_ranking_of_one_item_is_right_or_wrong():
    spec = MetricSpec(name="ndcg", chance_corrected=True)
    assert [score(spec, answer, ["a"]).value for answer in ("a", "a\nb", "b")] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("metric", ["accuracy", "f1", "sub_em", "iou", "rouge_l"])
def test_without_a_chance_level_there_is_no_correction(metric):
    gold = {"columns": ["a"], "data": [[1]]} if metric == "iou" else ["B"]
    with pytest.raises(DataError, match="chance level") as caught:
        score(MetricSpec(name=metric, chance_corrected=True), "x", gold)
    assert ("candidates" in caught.value.hint) == (metric not in ("iou", "rouge_l"))


def test_recall_alone_pays_for_naming_everything():
    gold = coerce_gold("sub_em", ["D1", "D3"])
    assert chance_level("sub_em", gold, 6, "official") == 1.0
    assert score("sub_em", "\n".join(f"D{i}" for i in range(1, 7)), gold, variant="official").value == 1.0


# ---------------------------------------------------------------------------------------------------------
# The semantic part


class Letters:
    """An embedder: how often a text has a, b and c."""

    name = "letters"

    def __init__(self):
        self.calls = []

    def __call__(self, texts):
        self.calls.append(list(texts))
        return [[float(text.count(letter)) for letter in "abc"] for text in texts]


SEMANTIC = MetricSpec(name="rouge_l", semantic=Semantic(model="letters", weight=0.25))


def test_the_value_is_the_weighted_sum_by_hand():
    # ROUGE-L of "a b" against "a c": P = R = 1/2. Cosine of (1,1,0) and (1,0,1): 1/2; of (1,1,0) and (2,2,0): 1.
    result = score(SEMANTIC, "a b", "a c", embedder=Letters())
    assert result.value == pytest.approx(0.75 * 0.5 + 0.25 * 0.5)
    assert (result.parts["rouge_l"], result.parts["cosine"]) == (0.5, pytest.approx(0.5))
    assert result.metric == "rouge_l[strict,v1,semantic=0.25*letters]"
    # The maximum over references, of each half by itself.
    assert score(SEMANTIC, "a b", ["a c", "aabb"], embedder=Letters()).value == pytest.approx(0.75 * 0.5 + 0.25 * 1)


def test_a_batch_embeds_all_texts_in_one_call_and_each_once():
    embedder = Letters()
    answers = ["a b", "a b", "<think>hm</think>[Answer]\na b", "c c", "", "[Answer]"]
    requests = [ScoreRequest(SEMANTIC, answer, "a c") for answer in answers] + [ScoreRequest("f1", "a", ["a"])]
    results = score_batch(requests, embedder=embedder)
    assert [sorted(call) for call in embedder.calls] == [["a b", "a c", "c c"]]
    assert [r.status for r in results] == ["ok"] * 4 + ["empty"] * 2 + ["ok"]
    assert results[:6] == [score(SEMANTIC, answer, "a c", embedder=Letters()) for answer in answers]


def test_the_official_form_embeds_the_whole_answer_in_lower_case():
    embedder = Letters()
    spec = MetricSpec(name="rouge_l", variant="official", semantic=Semantic(model="letters"))
    score(spec, "<think>x</think>So:\n\n[Answer] A b", "A  c", embedder=embedder)
    assert embedder.calls == [["so: [answer] a b", "a c"]]


class Broken(Letters):
    def __init__(self, what):
        self.what = what

    def __call__(self, texts):
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


@pytest.mark.parametrize("what", [OSError("down"), [[1.0]], [[1.0], [1.0, 2.0]], [[float("nan")]] * 2, None])
def test_an_embedder_that_fails_gives_no_score(what):
    result = score(SEMANTIC, "a b", "a c", embedder=Broken(what))
    assert (result.value, result.status) == (None, "judge_error")
    assert result.reason
    assert score(SEMANTIC, "", "a c", embedder=Broken(what)).value == 0.0  # it is not asked


def test_cosines_below_zero_cost_and_zero_vectors_are_worth_nothing():
    assert score(SEMANTIC, "a b", "a b", embedder=Broken([[1.0, 0.0]])).value == 1.0
    assert score(SEMANTIC, "a b", "a c", embedder=Broken([[1.0, 0.0], [-1.0, 0.0]])).value == pytest.approx(0.125)
    assert score(SEMANTIC, "a b", "a c", embedder=Broken([[0.0, 0.0], [1.0, 0.0]])).value == pytest.approx(0.375)


def test_the_embedder_must_be_the_one_that_the_metric_names():
    with pytest.raises(ConfigError, match="needs an embedder"):
        score(SEMANTIC, "a", "a")
    with pytest.raises(ConfigError, match="has no name"):
        score(SEMANTIC, "a", "a", embedder=lambda texts: [[1.0]] * len(texts))
    other = Letters()
    other.name = "other"
    with pytest.raises(ConfigError, match=r"request 0: .*'other'"):
        score_batch([ScoreRequest(SEMANTIC, "a", "a")], embedder=other)


# ---------------------------------------------------------------------------------------------------------
# Reward terms

RIGHT = "<think>D1 has it.</think>\n[Answer]\nD1"


def test_terms_compose_and_leave_the_metric_alone():
    result = score("f1", RIGHT, ["D1", "D2"])
    terms = [OverlongPenalty(100, 50, weight=2), FormatBonus(0.1), RepetitionGate()]
    found = shaped(result, RIGHT, terms, tokens=75)
    assert found.metric == result.value == pytest.approx(2 / 3)
    assert found.terms == {"overlong_penalty": -1.0, "format_bonus": 0.1, "repetition_gate": 1.0}
    assert found.value == pytest.approx(2 / 3 + 0.1 - 1)
    loop = RIGHT.replace("has it.", "has it. " * 2000)
    assert shaped(score("f1", loop, ["D1"]), loop, terms, tokens=75).value == pytest.approx(-1.0)
    assert shaped(result, RIGHT, []).value == result.value
    with pytest.raises(ConfigError, match="same name"):
        shaped(result, RIGHT, [FormatBonus(0.1), FormatBonus(0.2)])
    with pytest.raises(ConfigError, match="needs the length"):
        shaped(result, RIGHT, terms)


def test_what_has_no_score_is_not_shaped():
    result = score(SEMANTIC, "a", "a", embedder=Broken(OSError()))
    assert shaped(result, "a", [FormatBonus(0.1)]).value is None


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 2 * 10**6))
def test_the_overlong_penalty_is_that_of_dapo(limit, buffer, length):
    if buffer > limit:
        with pytest.raises(ConfigError):
            OverlongPenalty(limit, buffer)
        return
    expected = 0.0 if length <= limit - buffer else (limit - buffer - length) / buffer if length <= limit else -1.0
    assert OverlongPenalty(limit, buffer).of(length) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("response", "bonus"),
    [
        (RIGHT, 0.1),
        ("thought</think>[Answer]\nD9", 0.1),  # wrong, and in form; the opening tag may stand in the prompt
        ("[Answer]\nD1", 0.0),
        ("<think>x</think>D1", 0.0),
        ("<think>x</think>[Answer]\n", 0.0),
        ("<think>x</think>[Answer]\n[Answer]\nD1", 0.0),
        ("<think><think>x</think>[Answer]\nD1", 0.0),
        ("<think>x</think></think>[Answer]\nD1", 0.0),
        ("<think>[Answer]\nD1", 0.0),
    ],
)
def test_form_without_an_answer_earns_nothing(response, bonus):
    assert FormatBonus(0.1)(score("f1", response, ["D1"]), response, None) == bonus


def test_loops_are_told_from_text():
    import pydoc_data.topics

    prose = "\n".join(pydoc_data.topics.topics.values())
    gate = RepetitionGate()
    assert not any(gate.shut(prose[i : i + 20_000]) for i in range(0, 200_000, 20_000))
    assert not gate.shut("\n".join(f"{i}. D{i}" for i in range(1, 3000)))
    assert not gate.shut("委员会在三月开会" * 3)
    assert not gate.shut(
        "\n".join(f"Document D{i}: the term is not mentioned in this document." for i in range(1, 400))
    )
    for loop in (
        "Wait. ",
        "是",
        "\n",
        "D1\nD2\nD3\n",
        "I should check the third document again, in case I missed it. ",
    ):
        assert gate.shut(prose[:10_000] + loop * (16_000 // len(loop)))
        assert gate.shut(loop * (24_000 // len(loop)) + prose[:10_000])


@pytest.mark.parametrize(
    "make",
    [
        lambda: FormatBonus(-1),
        lambda: OverlongPenalty(10, 0),
        lambda: OverlongPenalty(10, 5, -1),
        lambda: RepetitionGate(2),
        lambda: RepetitionGate(window=9),
    ],
)
def test_terms_check_their_arguments(make):
    with pytest.raises(ConfigError):
        make()


def test_terms_pickle():
    for term in (OverlongPenalty(100, 50), FormatBonus(0.1), RepetitionGate()):
        assert pickle.loads(pickle.dumps(term)) == term
