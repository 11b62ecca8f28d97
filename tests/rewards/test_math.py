"""Numbers, quantities and expressions."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from golong_eval.rewards import ScoreRequest, score, score_batch
from golong_eval.rewards.math_pool import MathPool, shared_pool
from golong_eval.rewards.outcome import Comparison, Verdict
from golong_eval.rewards.quantities import plain_math, read_quantity, same_quantity

RIGHT = [
    ("42", ["42", "42.", "**42**", "`42`", "$42$", r"\(42\)", "42.0", "+42", "４２", "4\u200b2", r"\boxed{42}",
    r"$\boxed{42}$.",
            "The answer is 42.", "The final answer is **42**, ", "x = 42", "$x = 42$.", "6*7=42", "答案是42",
            "答案：42个。", "42 km",
            "In all there are 42 apples.", "According to D3, 42 were left.", r"\boxed{41}. No: \boxed{42}",
            r"\boxed{\text{42}}",
            "84/2", r"\frac{84}{2}", "40+2", r"\boxed{6 \times 7}", "The answer is below:\n\n42", "42\n",
            "COVID-19 left 42 of them."]),
    ("-42", ["-42", "−42", "–42", "-42.0", r"\boxed{-42}", "The answer is −42."]),
    ("1234.5", ["1,234.5", "1234.50", "1\u202f234.5", "1，234.5", r"1{,}234.5", r"1\,234.5", "1.2345e3",
    "1.2345 × 10³", r"1.2345\times10^{3}"]),
    ("$3.5 million", ["3.5 million", "$3,500,000", "3500000", "3.5 million dollars", "US$3.5 million", "$3.5M",
    "3.5 million USD"]),
    ("3.5亿元", ["3.5亿", "350000000", "350 million yuan", "¥3.5亿", "35000万元", "人民币3.5亿元"]),
    ("5 km", ["5 km", "5km", "5", "5 kilometres", "5公里", r"5\text{ km}", r"\boxed{5\,\mathrm{km}}",
    "They walked 5 km in 1h."[:17]]),
    ("12%", ["12%", "12 %", r"12\%", "12 percent", "12", "0.12", "百分之12"]),
    ("1/2", ["0.5", ".5", "2/4", r"\frac12", r"\dfrac{1}{2}", "½"]),
    ("7/2", ["3½", "3.5", r"3\frac{1}{2}"]),
    ("1/3", ["0.3333333", r"\frac{1}{3}", "2/6"]),
    (r"2\sqrt{3}", [r"\sqrt{12}", r"$2\sqrt{3}$", r"The answer is $\sqrt{12}$.", r"\boxed{2 \sqrt 3}"]),
    ("x^2+1", ["1+x^2", r"\boxed{x^{2}+1}", "y = x^2 + 1"]),
    ("1000", ["10³", "10^3", r"\boxed{10^{3}}"]),
    (r"\{1,2\}", [r"\{2,1\}", "1, 2"]),
    ("none", ["None", "The answer is none.", r"\boxed{none}"]),
    ("42 apples", ["42 red apples", "There are 42 apples in it", "42"]),
    ("50 km/h", ["50 km per hour", "50 kph", "50"]),
    ("9 m^2", ["9 m²", "9 square meters", "9平方米"]),
    ("5 pounds", ["£5", "5 lb"]),
    ("2019-05-03", ["2019-05-03", "The answer is 2019-05-03."]),
    ("10-20", ["10–20", "**10-20**"]),
    ("12:30", [r"\boxed{12:30}"]),
    ("42", ["50-8"]),
]  # fmt: skip
WRONG = [
    ("42", ["-42", "43", "42 and 43", "43 and 42", "42, 43", "42 in 2019", "The answer is 42 or 43", "42%2", "4 2",
    r"\boxed{42 and 43}",
            r"\boxed{42}. No: \boxed{41}", "The answer is 42. No, the answer is 41.", "D42", "42nd", "42!", "42x",
            "four", "42-43", "x >= 42",
            r"\boxed{42", "12:42", "2042-01-02", "D\u200b42"]),
    ("12", [r"\sqrt{12}", "12^2", "12!", "1 2"]),
    ("103", ["10³", "10^3"]),
    ("3.5", ["$3.5 million", "3.5 million", "3.5万", "3,5,"]),
    ("$3.5 million", ["3.5", "$3.5", "€3.5 million", "3.5 billion", "3.5 million km", "$3.5 thousand"]),
    ("5 km", ["5 m", "5000 m", "5 miles", "5 apples", "$5", "5%"]),
    ("0.12", ["12%"]),
    ("15.5", ["3½", r"3\frac{1}{2}", r"\boxed{3\frac{1}{2}}", r"it is $3\frac{1}{2}$ or so"]),
    ("12%", ["0.0012", "12 km", "12 percentage points", "1.2%"]),
    ("42 apples", ["42 oranges", "There are 42 oranges"]),
    ("1/3", ["0.333", "0.3"]),
    ("1e-7", ["2e-7", "0"]),
    ("x", ["y"]),
    (r"2\sqrt{3} km", [r"2\sqrt{3} m", r"2\sqrt{3} cm"]),
    ("7", ["9", "1e999999999", "-7", "seven"]),
    ("none", ["42", "some"]),
    ("42", ["The answer is not 42", "The answer isn't 42", "It is not 42.", "答案不是42"]),
    ("2019-05-03", ["2011", "2019-05-04"]),
    ("10-20", ["-10", "10"]),
    ("12:30", ["12", "0.4"]),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "area"), [(gold, area) for gold, areas in RIGHT for area in areas])
def test_right(gold, area):
    result = score("math_verify", area, gold)
    assert (result.value, result.status) == (1.0, "ok"), result


@pytest.mark.parametrize(("gold", "area"), [(gold, area) for gold, areas in WRONG for area in areas])
def test_wrong(gold, area):
    result = score("math_verify", area, gold)
    assert result.value == 0.0, result


@pytest.mark.parametrize(
    "area", ["42 and 43", "42 in 2019", "about the same", "D3", "It is 5! = 120 or 6! = 720?", "\\boxed{}"]
)
def test_no_answer(area):
    assert score("math_verify", area, "42").status in ("unparsed", "ok")
    assert score("math_verify", area, "42").value == 0.0


def test_a_percentage_is_its_fraction_where_one_is_asked_for():
    for question in ("What percentage of them?", "What % of them?", "占百分之几？", "How many percent?"):
        assert score("math_verify", "12%", "0.12", question=question).value == 1.0
    for question in (None, "What fraction of the 5% were there?", "How many?"):
        assert score("math_verify", "12%", "0.12", question=question).value == 0.0
        assert score("math_verify", "0.12", "12%", question=question).value == 1.0


_PLAIN = st.one_of(
    st.integers(-3000, 3000).map(str),
    st.decimals(-50, 50, places=2).map(str),
    st.tuples(st.integers(-9, 9), st.integers(1, 9)).map(lambda f: f"{f[0]}/{f[1]}"),
    st.integers(-30, 30).map(lambda n: f"{n}%"),
    st.integers(1000, 10**7).map(lambda n: f"{n:,}"),
)


@settings(max_examples=150, deadline=None)
@given(gold=_PLAIN, answer=_PLAIN, factor=st.sampled_from(["same", "other"]))
def test_the_exact_path_agrees_with_math_verify(gold, answer, factor):
    if factor == "same":
        value = read_quantity(gold).value
        answer = f"{float(value):.2f}" if value.denominator in (1, 2, 4, 5, 10, 20, 25, 50, 100) else gold
    gold_quantity, answer_quantity = read_quantity(plain_math(gold)), read_quantity(plain_math(answer))
    # The contract has its own rule for a percentage beside a plain number (math_verify: 1% is 1, and is not 1.00).
    assume(gold_quantity.percent == answer_quantity.percent)
    same = same_quantity(gold_quantity, answer_quantity, percent_asked=True)
    if same is not None:
        assert compare(gold, answer).outcome == ("equal" if same else "different")


@given(st.fractions(max_denominator=10**6))
def test_latex_of_a_quantity_is_its_value(value):
    text = read_quantity(f"{value.numerator}/{value.denominator}").latex
    assert Fraction(read_quantity(text).value) == value


BOMBS = ["9^{9^{9^9}}", "((10^{10})!)!"]


def compare(gold, answer):
    return shared_pool().compare(Comparison(gold, answer))


def test_bombs_are_stopped_and_the_next_item_is_unharmed():
    pool = MathPool(size=1, seconds=0.5)
    try:
        for bomb in BOMBS:
            assert pool.compare(Comparison("7", bomb)).outcome in ("failed", "different", "answer_unread")
            assert pool.compare(Comparison("7", f"3+4+{len(bomb)}-{len(bomb)}")) == Verdict("equal")
    finally:
        pool.close()


def test_a_bomb_is_worth_nothing_and_says_why(monkeypatch):
    monkeypatch.setattr(shared_pool(), "seconds", 0.5)
    result = score("math_verify", r"\boxed{5^{9^{9}}}", "7")
    assert (result.value, result.status) == (0.0, "unparsed")
    assert "stopped after" in result.reason
    monkeypatch.undo()
    assert score("math_verify", "3+4", "7").value == 1.0


@pytest.mark.parametrize(
    "bomb",
    ["9^{9^{9^9}}", "10^{10000000}", "((9!)!)!", "(999999)!", "9!!", "2^(2^(2^(2^9)))", "x^{-9999999}", "99^{99}!"],
)
def test_what_is_plainly_too_large_is_not_tried(bomb, monkeypatch):
    monkeypatch.setattr(MathPool, "run", None)
    result = score("math_verify", rf"\boxed{{{bomb}}}", "7")
    assert (result.value, result.status) == (0.0, "unparsed")
    assert score("math_verify", rf"\boxed{{{bomb}}}", bomb).value == 1.0  # unless the gold says the same


@pytest.mark.parametrize(
    ("gold", "answer"), [("2^{10}", "2^10"), ("3628800", "10!"), ("x^{4}", "(x^2)^2"), ("1024", "2^{5^1 2}")]
)
def test_what_is_not_too_large_is_tried(gold, answer):
    assert score("math_verify", answer, gold).status == "ok"


def test_what_math_verify_says_of_both_sides():
    assert compare("7", "/").outcome == "answer_unread"
    assert compare("/", "7").outcome == "gold_unread"
    assert compare("7", "8").outcome == "different"


def test_without_a_child_there_is_no_score(monkeypatch):
    monkeypatch.setattr("golong_eval.rewards.math_child.sys.executable", "/nowhere/python")
    monkeypatch.setattr("golong_eval.rewards.math_pool._SHARED", MathPool())
    result = score("math_verify", "3+4", "7")
    assert (result.value, result.status) == (None, "scorer_error")
    assert [r.status for r in score_batch([ScoreRequest("math_verify", f"{i}+{7 - i}", "7") for i in range(3)])] == [
        "scorer_error"
    ] * 3
    assert math.isclose(score("math_verify", "7", "7").value, 1.0)  # needs none
