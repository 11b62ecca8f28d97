"""What is called different without a process is different for math_verify, and every value read is its value."""

import math

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from golong_eval.rewards import score
from golong_eval.rewards.math_pool import shared_pool
from golong_eval.rewards.numeric import far_apart, numeric_value
from golong_eval.rewards.outcome import Comparison
from golong_eval.rewards.quantities import plain_math

_NUMBERS = st.integers(0, 60).map(str) | st.decimals(0, 9, places=2).map(str)


def _extend(inner):
    return st.one_of(
        st.tuples(inner, inner).map(lambda p: rf"\frac{{{p[0]}}}{{{p[1]}}}"),
        inner.map(lambda p: rf"\sqrt{{{p}}}"),
        st.tuples(_NUMBERS, inner).map(lambda p: rf"{p[0]}\sqrt{{{p[1]}}}"),
        st.tuples(inner, st.sampled_from(["+", "-", " + ", r" \times ", r" \cdot ", "*"]), inner).map("".join),
        inner.map(lambda p: f"({p})"),
        st.tuples(_NUMBERS, st.integers(0, 4)).map(lambda p: f"{p[0]}^{{{p[1]}}}"),
        st.tuples(_NUMBERS, _NUMBERS).map("/".join),
        _NUMBERS.map(lambda p: rf"{p}\pi"),
        inner.map(lambda p: f"-{p}" if p[0] != "-" else p),
    )


EXPRESSIONS = st.recursive(_NUMBERS, _extend, max_leaves=5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(gold=EXPRESSIONS, answer=EXPRESSIONS)
def test_what_is_far_apart_is_different_for_math_verify(gold, answer):
    gold, answer = plain_math(gold), plain_math(answer)
    assume(far_apart(gold, answer))
    # Nested roots can take sympy longer than it is given: stopped is not equal either.
    assert shared_pool().compare(Comparison(gold, answer)).outcome != "equal"


def _valued(inner):
    return st.one_of(
        st.tuples(inner, inner).map(
            lambda p: (rf"\frac{{{p[0][0]}}}{{{p[1][0]}}}", p[0][1] / p[1][1] if p[1][1] else None)
        ),
        inner.map(lambda p: (rf"\sqrt{{{p[0]}}}", math.sqrt(p[1]) if p[1] >= 0 else None)),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]})+({p[1][0]})", p[0][1] + p[1][1])),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]}) - ({p[1][0]})", p[0][1] - p[1][1])),
        st.tuples(inner, inner).map(lambda p: (rf"({p[0][0]}) \times ({p[1][0]})", p[0][1] * p[1][1])),
        inner.map(lambda p: (f"-({p[0]})", -p[1])),
        inner.map(lambda p: (rf"({p[0]})\pi", p[1] * math.pi)),
        st.tuples(inner, st.integers(0, 3)).map(lambda p: (f"({p[0][0]})^{{{p[1]}}}", p[0][1] ** p[1])),
    ).filter(lambda p: p[1] is not None and abs(p[1]) < 1e9)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.recursive(st.integers(0, 60).map(lambda n: (str(n), float(n))), _valued, max_leaves=6))
def test_the_value_is_the_value(pair):
    text, value = pair
    found = numeric_value(plain_math(text))
    assert found is None or found == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert found is not None or len(plain_math(text)) > 200 or "^" in text  # whatever is of the grammar is read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2^{10}", 1024), ("-2^2", -4), ("1/2", 0.5), ("2(3+4)", 14), (r"\pi", math.pi),
        (r"\frac{1}{2}\pi", math.pi / 2),
        ("1-2-3", -4), ("12/4/3", None), (r"1/2\pi", None), (r"3\frac{1}{2}", None), ("3 4", None), ("2^{2}^{3}", None),
        ("x", None), ("1/0", None), (r"\sqrt{-1}", None), ("(1", None), ("1)", None), ("", None), ("9^{99}9", None),
        ("(" * 90 + "1" + ")" * 90, 1.0), ("1" * 500, None), ("9" * 150 + "^{9}", None), (r"\sqrt{}", None),
        ("1,2", None),
    ],
)  # fmt: skip
def test_values_by_hand(text, value):
    assert numeric_value(text) == (None if value is None else pytest.approx(value))


def test_different_numbers_and_the_same_text_need_no_process(monkeypatch):
    monkeypatch.setattr("golong_eval.rewards.math_pool.MathPool.run", None)
    assert score("math_verify", r"\boxed{ 15 \sqrt{5} + x }", r"15\sqrt{5}+x").value == 1.0
    result = score("math_verify", r"\boxed{\frac{\sqrt{7}}{7}}", r"\frac{\sqrt{2}}{11}")
    assert (result.value, result.status) == (0.0, "ok")
