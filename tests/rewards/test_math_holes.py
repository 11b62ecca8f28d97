"""Answers that say something else than the gold, and forms of the gold that are easily missed, in numbers."""

import os
import subprocess
import sys

import pytest

from golong_eval.rewards import ScoreRequest, score, score_batch

RIGHT = [
    ("-7", [r"\boxed{- 7}", "The answer is - 7", r"\boxed{-\,7}", "$- 7$"]),
    (
        "42",
        [
            "- 42",
            "- 42 apples in it",
            "x = 42",
            r"\boxed{x = 42}",
            r"\boxed{6 \times 7 = 42}",
            "6*7=42",
            "42 (30 + 12)",
            "42 ✓",
            r"\boxed{\approx 42}",
            "x ≈ 42",
            "= 42",
            r"\boxed{|-42|}",
            "about 42",
            r"\boxed{\theta = 42}",
            r"\boxed{f(x) = 42}",
            r"\boxed{\text{Total} = 42}",
            "So 6*7 = 42.",
            r"\boxed{42!/41!}",
            r"\frac{84}{2} = 42",
            "**42** (30 + 12)",
            r"\boxed{2 \cdot 21}",
            "The answer is 42 (see D3).",
            "Total: 42",
            "total = 42 apples",
            r"\boxed{\$42}",
        ],
    ),
    ("- 42", ["- 42"]),
    ("-42", ["minus 42", "negative 42", "负42", "It is minus 42."]),
    (r"6.626\times10^{-34}", [r"6.626\times10^{-34}"]),
    ("10^{-9}", [r"1\times 10^{-9}"]),
    ("5 pounds/week", ["5 lb/week"]),
    (r"2\sqrt3", [r"\sqrt{12}"]),
    ("12%", ["12", "0.12"]),
    ("$3.5 million", ["$3.5M", "$3.5 m", "3.5 x 10^6", "3 500 000"]),
    ("3500000", ["3.5 x 10^6", "3 500 000"]),
    ("3 1/2", ["3 1/2", "3½", r"3\frac{1}{2}", "3.5", "7/2", r"\boxed{3\frac12}"]),
    ("3½", ["3 1/2", "3½", r"3\frac{1}{2}", "3.5", "7/2", r"\boxed{3\frac12}"]),
    (r"3\frac{1}{2}", ["3 1/2", "3½", r"3\frac{1}{2}", "3.5", "7/2", r"\boxed{3\frac12}"]),
    ("3.5", ["3 1/2", "3½", r"3\frac{1}{2}", "3.5", "7/2", r"\boxed{3\frac12}"]),
    (r"2\sqrt{3}", ["2√3", "2*sqrt(3)"]),
    (r"\pi", ["pi"]),
    (r"2\pi", ["2π"]),
    ("x^2+1", ["x**2+1"]),
    ("pi", [r"\pi"]),
    ("x>42", ["x>42"]),
    (r"x \geq 4", [r"x \ge 4"]),
    ("1/3", [r"\frac{1}{3} = 0.3333333"]),
    ("y=1+2x", ["y=2x+1"]),
    ("2x + 1", ["2x+1"]),
    ("x=5", [r"\boxed{x = 5}"]),
    ("3", ["x_1 = 3"]),
    ("a_n", ["a_n"]),
    ("1+2a_n", ["2a_n+1"]),
    (r"2\pm\sqrt 3", [r"\boxed{2 \pm \sqrt{3}}"]),
    ("[1, 2)", ["[1,2)"]),
    (r"(-\infty,2]\cup[3,4)", [r"(-\infty, 2] \cup [3,4)"]),
    ("3.5 km", ["3 1/2 km"]),
    ("-3.5", ["-3 1/2"]),
]
WRONG = [
    ("7", [r"\boxed{- 7}", "x = - 7"]),
    ("x^2-4", [r"\boxed{- x^2 - 4}"]),
    ("-42", ["- 42", "It was 12.\n- 42 apples"]),
    (
        "42",
        [
            "minus 42",
            "negative 42",
            "负42",
            r"\boxed{\neq 42}",
            r"\boxed{> 42}",
            r"\leq 42",
            "!= 42",
            r"\boxed{\not 42}",
            "at least 42",
            "less than 42",
            r"\boxed{43 \lor 42}",
            r"\boxed{43 \cup 42}",
            r"\boxed{43 | 42}",
            "43 & 42",
            "43 ? 42",
            "43 # 42",
            r"\boxed{43 = 42}",
            r"\boxed{42_{8}}",
            "42 is wrong",
            "42 is not the answer",
            "not equal to 42",
            "anything but 42",
            "It can't be 42",
            "43 = 42",
            "The answer is at least 42",
            "≥ 42",
            "<42",
            r"\boxed{\geq 42}",
            "more than 42 apples",
            "42 or more",
            "wrong answer is 42",
            "It is false that the answer is 42",
            "42%",
            "42 ✗",
            r"\boxed{42 \text{ or } 43}",
            r"\boxed{2x = 42}",
            "It cannot be 42.",
            "至少42",
            r"\boxed{6\times 8 = 42}",
            "6*8=42",
            r"\boxed{x = 43 = 42}",
            r"\boxed{\pm 42}",
            "!42",
            "42 (43)",
            "42 (or 43)",
            r"\boxed{\lnot 42}",
            r"\boxed{42 \vee 43}",
            r"\boxed{43;42}",
            r"\boxed{41,42}",
            r"\boxed{{}42,}\boxed{1}",
            r"\boxed{|42|43|}",
            r"\boxed{x \to 42}",
            "42%",
        ],
    ),
    (r"6.626\times10^{-34}", [r"9.1\times10^{-31}"]),
    ("10^{-9}", [r"2\cdot 10^{-9}"]),
    (r"\sqrt{2}\cdot 10^{-7}", ["0.0000003"]),
    ("100", ["100%"]),
    ("1", ["100%"]),
    ("12%", ["0.0012"]),
    ("{1, 2}", ["(1,2)"]),
    ("(1,2)", ["{1, 2}", r"\{1,2\}"]),
    ("25", ["5 (3+2)"]),
]
ASKED = [
    ("0.12", "What percentage?", 1.0, ["12%"]),
    ("0.12", "What percentage?", 0.0, ["0.12%"]),
    ("12", "What percentage?", 1.0, ["12%"]),
    ("12", "growth of 5% in what year?", 0.0, ["12%"]),
    ("12", "What % of", 1.0, ["12%"]),
    ("12", "占百分之几", 1.0, ["12%"]),
    ("1", "What percentage?", 1.0, ["100%"]),
]


@pytest.mark.parametrize(("gold", "area"), [(gold, area) for gold, areas in RIGHT for area in areas])
def test_right(gold, area):
    result = score("math_verify", area, gold)
    assert (result.value, result.status) == (1.0, "ok"), result


UNIVERSAL = [
    r"\max(1,\infty)", r"|\infty|", "inf", "infinity", "∞", r"-\infty", r"|\log 0|", "1/0", r"\frac{1}{0}", "0/0",
    r"\int_0^{\infty} 1 dx", r"\lim_{x\to 0} \frac{1}{x}", r"\sum_{n=1}^{\infty} 1", r"\tan(\pi/2)", "x", "x=x",
    r"\{\}", "()", r"\emptyset", r"0\cdot\infty", r"\text{NaN}", "|x|", "1, 2, 3, ...", r"[0,\infty)",
]  # fmt: skip


@pytest.mark.parametrize("answer", UNIVERSAL)
def test_no_answer_is_right_whatever_is_asked(answer):
    golds = [
        "0",
        "1",
        "42",
        "-3",
        "0.5",
        "1/3",
        "12.5%",
        "$3.5 million",
        "5.5 km",
        r"\pi",
        r"\{1,2\}",
        "(1,2)",
        "x^2+1",
        "3.5亿元",
    ]
    requests = [ScoreRequest("math_verify", rf"\boxed{{{answer}}}", gold) for gold in golds]
    assert [(r.gold, v.value) for r, v in zip(requests, score_batch(requests), strict=True) if v.value] == []


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1800", r"2^3 \cdot 3^2 \cdot 5^2"), ("x^2y^3z^4", "x^{2}y^{3}z^{4}"), ("a^2b^2c^2", "b^2a^2c^2"),
        (r"\frac{x^2y^2}{z^2}", r"\frac{y^2x^2}{z^2}"), (r"\infty", "∞"), (r"(0,\infty)", "(0, ∞)"), ("42", "42 times"),
        ("42", "42倍"), ("12", "It happened 12 times in the first quarter."), ("42", "该定理在42处成立"),
    ],
)  # fmt: skip
def test_products_of_powers_and_infinities_of_the_gold_are_read(gold, answer):
    assert score("math_verify", rf"\boxed{{{answer}}}", gold).value == 1.0


@pytest.mark.parametrize(
    "answer",
    ["42‰", "42 dozen", "42 tenths", "42 squared", "42 and a half", "42 basis points", "half of 42", "twice 42", "42成",
     "the square root of 42", "42分之一", "42又二分之一", "42的一半", "42 BC", "公元前42年"],
)  # fmt: skip
def test_a_factor_is_no_unit(answer):
    assert score("math_verify", answer, "42").value == 0.0
    assert score("math_verify", answer, answer).value == 1.0


@pytest.mark.parametrize(
    ("gold", "area", "value"),
    [
        ("3.5 million", r"It is \boxed{3.5} million.", 1.0), ("3.5万元", r"\boxed{3.5}万", 1.0),
        ("12%", r"\boxed{12}%", 1.0), ("5 km", r"\boxed{5} m", 0.0), ("5 km", r"\boxed{5} km", 1.0),
        ("5 km", r"\boxed{5} in total", 1.0), ("5", r"\boxed{5} million", 0.0),
        ("5 km", r"$\boxed{5}$ $\text{m}$", 0.0), ("42", r"\boxed{42} is the answer", 1.0),
    ],
)  # fmt: skip
def test_the_unit_behind_a_box_belongs_to_it(gold, area, value):
    assert score("math_verify", area, gold).value == value


@pytest.mark.parametrize(("gold", "area"), [(gold, area) for gold, areas in WRONG for area in areas])
def test_wrong(gold, area):
    result = score("math_verify", area, gold)
    assert result.value == 0.0, result


@pytest.mark.parametrize(("gold", "question", "value", "areas"), ASKED)
def test_percentages_as_the_question_asks(gold, question, value, areas):
    assert [score("math_verify", area, gold, question=question).value for area in areas] == [value] * len(areas)


def test_the_hash_seed_changes_nothing():
    code = (
        "from golong_eval.rewards.quantities import plain_math, read_quantity, same_quantity as same\n"
        "pairs = [('5 pounds/week', '5 lb/week'), ('$5', '5 dollars'), ('¥5', '5元')]\n"
        "read = [[read_quantity(plain_math(text)) for text in pair] for pair in pairs]\n"
        "print([same(*pair, percent_asked=False) for pair in read], [sorted(q.unit) for pair in read for q in pair])"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(4)
    ]
    found = {child.communicate(timeout=100)[0] for child in children}
    assert len(found) == 1
    assert found.pop().startswith("[True,")


@pytest.mark.parametrize("area", ["=> 42", "6*7 => 42", "So → 42", "<b>42</b>", r"\boxed{6 \times 7 \Rightarrow 42}"])
def test_arrows_and_html_are_decoration(area):
    assert score("math_verify", area, "42").value == 1.0


@pytest.mark.parametrize(
    ("gold", "areas"),
    [
        ("10^{-9}", ["10^-9", "1e-9", "0.000000001"]),
        ("2^{10}", ["1024", "2^10", "2**10"]),
        ("log(2)", [r"\log 2", r"\log(2)"]),
        (
            "42",
            ["42（见文档3）", "1 + 41 = 42", "42 = 42", r"\boxed{42} (i.e., 40+2)", "There were 42, not including D3."],
        ),
        ("x = 42", ["42", "x=42"]),
        (r"\frac{\sqrt{3}}{2}", ["sqrt(3)/2", "√3/2", "0.8660254"]),
        ("-3.5", ["-3½", "minus 3 1/2", r"-3\frac{1}{2}"]),
    ],
)
def test_spellings_of_an_expression(gold, areas):
    assert [score("math_verify", area, gold).value for area in areas] == [1.0] * len(areas)
