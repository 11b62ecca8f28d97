"""Forms in which a short answer is given."""

import pytest

from golong_eval.rewards import score


@pytest.mark.parametrize(
    "response",
    [
        r"\boxed{module}",
        r"The answer is $\boxed{\text{module}}$.",
        "module,",
        "[Answer]\nmodule\n\n---",
        "module</answer>",
        "[Answer]\nmodule\n[/Answer]",
        "[Answer]\nmodule\n[/Answer]\nThat is all.",
        "【答案】module",
        "The missing word is **module**.",
        "The word left out is module.",
        "The word that is left out is: module",
        "略去的词是“module”。",
        "缺失的词为：module",
        "I looked at D1.\nIt is module.",
    ],
)
def test_the_answer_is_found(response):
    assert score("exact_match", response, "module").value == 1.0


@pytest.mark.parametrize(
    "response",
    [
        "The missing word is not module.",
        "The wrong word is module.",
        "It isn't module",
        r"not \boxed{module}",
        r"\boxed{module} or class",
        r"\boxed{module}\nclass",
        "The word is class. The other is module",
        "The word is class or module",
        "module, class",
        "略去的词不是“module”。",
        "The missing word is class, and module",
    ],
)
def test_what_denies_it_or_names_another_is_wrong(response):
    assert score("exact_match", response, "module").value == 0.0


def test_a_gold_that_looks_like_a_lead_or_a_rule_is_a_gold():
    for gold in ("The word is module", "---", r"\boxed{a}", "a,", "it is", "【答案】"):
        assert score("exact_match", f"[Answer]\n{gold}", gold).value == 1.0
