"""What counts as a stated choice."""

import pytest

from golong_eval.rewards import score

STATED = {
    "B": ["B", "b", "(B)", "**B**", "`B`", "B.", "(b).", "[B]", "$B$", "【B】", "Ｂ", "（Ｂ）", "B\u200b"],
    "C": [
        r"\boxed{C}", r"$\boxed{\text{C}}$", r"\boxed{(C)}", "The answer is C.", "The answer is: **C**", "answer: c",
        "Answer: (C) Paris", "the correct option is C", "I choose C", "选C", "应选 C", "答案：C", "答案是C，不是A",
        "正确答案是（C）",
        "The answer is A. Wait, no: the answer is C.", "(A) is wrong, so (C)", "The answer is (C), not (A)",
        "The answer is C, not A",
        "A or B. The answer is C", r"\boxed{A}, no, \boxed{C}", "I am sure the answer is C", "C. Paris", "C) Paris",
        "option C",
        "C\n\nBecause the text says so.", "A is tempting.\nC", "Therefore, C.", "C!", "# C", "The answer is A. No, C.",
        "答案是A吗？不，是C", "A is wrong. Hence C", "所以选C。", "The answer is C because (see page 4) it says so",
    ],
    "A": ["The answer is A because it says so", "A", "The answer is A, and I am sure"],
    "I": ["I", "(I)", "The answer is I."],
}  # fmt: skip
NOT_STATED = [
    "I am sure", "The answer is I think so", "The answer is A dog", "A dog", "not B", "The answer is not B", "isn't B",
    "don't choose B", "I do not pick (B)", "不选B", "选项B错误", "(B) is wrong", "neither (A) nor (B)",
    "rather than (B)", "B. is wrong",
    "No, I think", "So, A dog it is", "Therefore I am sure",
    "A, B", "A or B", "A/B", "A和B", "A、B", "(A)(B)", "(A), (B), (C), (D)", "A\nB\nC\nD", r"\boxed{A}\boxed{B}",
    r"\boxed{A, B}",
    "The answer is A or B", "The answer is **A** and **B**", "The answer is A. B. C. D.", "ABCD", "A. Paris\nB. London",
    "A. x B. y C. z", "选A和B", "Β", "В", "选择题的答案", "BC", "C#", "Paris",
]  # fmt: skip


@pytest.mark.parametrize(("letter", "area"), [(letter, area) for letter, areas in STATED.items() for area in areas])
def test_a_stated_choice_counts(letter, area):
    result = score("accuracy", area, letter)
    assert (result.value, result.parsed) == (1.0, letter)
    assert score("accuracy", area, "J").value == 0.0


@pytest.mark.parametrize("area", NOT_STATED)
@pytest.mark.parametrize("gold", ["A", "B", "D", "I"])
def test_what_is_not_stated_is_no_answer(area, gold):
    assert score("accuracy", area, gold).status == "unparsed"


YES = [
    "Yes",
    "yes.",
    "**Yes**",
    "Yes, it does.",
    "The answer is yes",
    "是",
    "是的，文档提到",
    "答案是是",
    "No, wait. Yes.",
    r"\boxed{Yes}",
]
NO = ["No", "no.", "No. It does not.", "否", "不是", "答案是否", "The answer is: no", "(no)"]
NEITHER = ["yes or no", "Yes/No", "yes\nno", "I know", "是否", "The answer is not yes", "Nothing", "yesterday"]


@pytest.mark.parametrize("golds", [("yes", "no"), ("是", "否"), ("Yes.", "不是")])
def test_yes_and_no_in_two_languages(golds):
    assert [score("accuracy", area, golds[0]).value for area in [*YES, *NO, *NEITHER]] == (
        [1.0] * len(YES) + [0.0] * (len(NO) + len(NEITHER))
    )
    assert [score("accuracy", area, golds[1]).value for area in NO] == [1.0] * len(NO)
    assert {score("accuracy", area, golds[1]).status for area in NEITHER} == {"unparsed"}


def test_text_is_matched_like_exact_match():
    assert score("accuracy", "The answer is **Paris**.", "paris").value == 1.0
    assert score("accuracy", "London", "Paris").value == 0.0


def test_a_letter_and_its_text_are_aliases():
    for area in ("B", "Paris", "The answer is Paris."):
        assert score("accuracy", area, ["B", "Paris"]).value == 1.0
    assert score("accuracy", "A", ["B", "Paris"]).value == 0.0


B_IS_STATED = [
    "[Answer]\nB. A class definition defines a class object.",
    "B. I would say so.",
    "[Answer]\nB. The class ...\n\nThis appears in D3.",
    "The correct statement is B.",
    "Statement B",
    "It is B.",
    "B is correct.",
    "B because it appears in D1",
    "B - Paris",
    r"\boxed{\text{B. The class}}",
    r"\boxed{B. The class}",
    "The answer is 'B'",
    "> B",
    "正确选项是B",
    "选项B正确",
    "[Answer]\nB</answer>",
    "[Answer]\nB\n\nReason: (C) is from another document",
    "B. The class\n\n(C) is from another document",
    "C. Paris\nSo the answer is B",
    "C\n\\boxed{B}",
    "B: Paris",
    "B) Paris",
    "B. No, it does not.",
    "The answer is B, since A is wrong",
    "The answer is B and C is wrong.",
    "B\n---",
    "[Answer]\nB\n[/Answer]",
    "【答案】B",
    "The answer is B, no doubt.",
    "So B is correct.",
    "Option B: Paris",
    "B is the correct answer.",
    "选项B是正确的",
    "B、巴黎",
    "B. 巴黎",
    "B. Wrong answers do not matter",
    "This is B because of D1.",
    "A. Paris is wrong. The answer is B.",
    "B. False",
    "C\nThe answer is B",
    "The answer is B. False",
    "B. Not all of them",
    r"\boxed{B. False}",
    "B. Wait times are long.",
]
B_IS_NOT_STATED = [
    "A\nor\nB",
    "B\nor C",
    "The answer is B (or C)",
    "The answer is B or maybe C",
    "Answer: B / maybe C",
    "answer is B and also C",
    "The answer is B - no, wrong.",
    "the wrong answer is B",
    "It is false that the answer is B",
    "B. x\nC. y",
    "B. x C. y",
    "B. or C.",
    "选项B不正确",
    "B is not correct",
    "不正确选项是C",
    "It is Beautiful",
    r"The wrong answer is \boxed{B}",
    r"\boxed{A. x B. y}",
    "(A) (B)",
    "B, C",
    "B is wrong",
    "If B is correct or not",
    "B or (C)",
    "The answer is B or C because of D1",
    "whether B is correct",
    "C. x\nB. y\nA. z",
    "B / C",
    "A and B are correct",
    "not B. Paris",
    "B. not the answer",
    "The answer is B. Wait, no.",
    "\\boxed{A}\n\\boxed{B}",
]


@pytest.mark.parametrize("area", B_IS_STATED)
def test_b_is_stated(area):
    result = score("accuracy", area, "B")
    assert (result.value, result.parsed) == (1.0, "B")


@pytest.mark.parametrize("area", B_IS_NOT_STATED)
def test_b_is_not_stated(area):
    assert score("accuracy", area, "B").value == 0.0


def test_yes_with_its_reason():
    for area in ("Yes because it does", "Yes, because (no) is not", "yes since D1 says so"):
        assert score("accuracy", area, "yes").value == 1.0
