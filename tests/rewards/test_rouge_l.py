"""ROUGE-L against rouge-score, and on Chinese."""

import subprocess
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.errors import DataError
from golong_eval.rewards import score
from golong_eval.rewards.rouge_l import tokens

REFERENCE = "The price rose 3.5 percent in 2019, to $4; the café (Zoë's) did not close."
_WORDS = st.lists(
    st.sampled_from(
        [
            "the",
            "The",
            "cat",
            "3.5",
            "rose",
            "café",
            "naïve",
            "it's",
            "x_y",
            "e-mail",
            ",",
            ".",
            "$4",
            "\n",
            "Straße",
            "²",
        ]
    ),
    min_size=1,
    max_size=40,
).map(" ".join)


@pytest.fixture(scope="module")
def peer():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rouge_score.rouge_scorer import RougeScorer
    return RougeScorer(["rougeL"], use_stemmer=False)


@settings(deadline=None)
@given(reference=_WORDS, answer=_WORDS)
def test_equal_to_rouge_score(peer, reference, answer):
    try:
        ours = score("rouge_l", answer, reference).value
    except DataError:
        assert not tokens(reference, segment=False)
        return
    assert ours == pytest.approx(peer.score(reference, answer)["rougeL"].fmeasure, abs=1e-12)


@settings(deadline=None)
@given(reference=st.text(st.characters(max_codepoint=0x24F)), answer=st.text(st.characters(max_codepoint=0x24F)))
def test_tokens_of_latin_script_are_rouge_scores(reference, answer):
    from rouge_score.tokenize import tokenize

    for text in (reference, answer):
        assert tokens(text, segment=False) == tokenize(text, None)


def test_by_hand():
    result = score("rouge_l", "the cat on the mat", "The cat sat on the mat.")
    assert result.parts == {"precision": 1.0, "recall": pytest.approx(5 / 6)}
    assert result.value == pytest.approx(10 / 11)


def test_the_best_reference_counts():
    assert score("rouge_l", "a dog", ["The cat sat", "a dog"]).value == 1.0


def test_only_the_answer_area_counts():
    assert score("rouge_l", "Let me think about it.\n[Answer]\nthe cat", "the cat").value == 1.0


def test_repeating_the_reference_costs():
    assert score("rouge_l", " ".join([REFERENCE] * 5), REFERENCE).value == pytest.approx(1 / 3)


def test_long_summaries_have_no_limit():
    long = " ".join(f"word{i}" for i in range(5000))
    assert score("rouge_l", long, long).value == 1.0


def test_chinese_by_words():
    gold = "小明硕士毕业于中国科学院计算所"
    assert score("rouge_l", gold, gold).value == 1.0
    assert score("rouge_l", "小明硕士毕业于中国科学院计算所。", gold).value == 1.0
    assert score("rouge_l", "小明毕业于中国科学院", gold).value == pytest.approx(2 * 4 / (4 + 6))
    assert score("rouge_l", "天气很好", gold).value == 0.0


def test_mixed_and_other_scripts():
    assert tokens("他在 MIT 深造２０１９", segment=True) == ["他", "在", "mit", "深造", "2019"]
    assert tokens("Привет, мир! Γειά σου", segment=False) == ["привет", "мир", "γειά", "σου"]
    assert score("rouge_l", "Привет мир", "Привет, мир!").value == 1.0
    assert score("rouge_l", "한국어 문장", "한국어 문장").value == 1.0


def test_chinese_in_an_english_task_is_junk_of_known_size():
    assert score("rouge_l", "the cat 猫猫", "the cat").value == pytest.approx(2 * 2 / (2 + 4))


def test_a_reference_without_words_is_refused():
    with pytest.raises(DataError, match="no word"):
        score("rouge_l", "x", "...")


def test_a_missing_jieba_is_an_error_and_no_score():
    script = """
import sys
sys.modules["jieba"] = None
from golong_eval.errors import MissingExtraError
from golong_eval.rewards import score
assert score("rouge_l", "the cat 猫", "the cat").value == 0.8
try:
    score("rouge_l", "猫", "猫")
except MissingExtraError as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "pip install 'golong-eval[zh]'"
