"""How LongBench v1 scores the answers of its 21 data sets, as published and without the flaws.

Source: github.com/THUDM/LongBench, ``metrics.py`` and ``eval.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from golong_eval.benchmarks.qa_text import first_line, token_f1
from golong_eval.benchmarks.similarity import difflib_ratio
from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.rewards.registry import scorer_class
from golong_eval.schema import ReferencesGold

__all__ = ["CLASSIFIED", "FIRST_LINE", "RULES", "bare_answer", "code_line", "official_score", "strict_score"]

CLASSIFIED = frozenset({"trec", "lsht"})
FIRST_LINE = frozenset({"trec", "triviaqa", "samsum", "lsht"})
_MARKS = r"[*_\s]{0,9}"
_LEAD = re.compile(
    rf"{_MARKS}(?:the )?(?:final )?(?:answer|summary)(?:{_MARKS}[:：]|\s{{1,4}}is\b{_MARKS}[:：]?){_MARKS}"
    rf"|{_MARKS}(?:答案|回答|摘要|会议总结)(?:{_MARKS}[:：]|[是为]{_MARKS}[:：]?){_MARKS}",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")
_LONGEST = 50_000  # characters of a summary; the published budget is 512 tokens


def bare_answer(text: str) -> str:
    """Return an answer without code fences around it and a leading ``Answer:``.

    >>> bare_answer("**Answer:** Paris")
    'Paris'
    """
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("```")).strip()
    lead = _LEAD.match(plain)
    return plain if lead is None else plain[lead.end() :]


def code_line(text: str) -> str:
    r"""Return the line of code that an answer gives: the first that is no comment, in the fence where there is one.

    >>> code_line("Here it is:\n```c\n// next\n*p = a[0]; // end\n```")
    '*p = a[0]; // end'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fences = [place for place, line in enumerate(lines) if line.startswith("```")]
    if len(fences) > 1:
        lines = lines[fences[0] + 1 : fences[1]]
    elif fences:
        opens = fences[0] == 0 or lines[fences[0]] != "```"
        lines = lines[fences[0] + 1 :] if opens else lines[: fences[0]]
    return next((line for line in lines if not line.startswith(("#", "//"))), lines[0] if lines else "")


def _f1_en(said: str, gold: str, _classes: Sequence[str]) -> float:
    return token_f1(said, gold, "en")


def _f1_zh(said: str, gold: str, _classes: Sequence[str]) -> float:
    return token_f1(said, gold, "zh")


def _rouge_en(said: str, gold: str, _classes: Sequence[str]) -> float:
    from golong_eval.rewards.official.rouge_l import summary_level_f

    return summary_level_f(said[:_LONGEST], gold) or 0.0


def _rouge_zh(said: str, gold: str, classes: Sequence[str]) -> float:
    from golong_eval.rewards.chinese import SEGMENTER

    said, gold = (" ".join(SEGMENTER.words(text)) for text in (said[:_LONGEST], gold))
    return _rouge_en(said, gold, classes)


def _classification(said: str, gold: str, classes: Sequence[str]) -> float:
    """Return 1 over the number of classes that are named, if the right one is among them.

    Classes within the right one's name are to be left out; but the list is walked while it shrinks, so that the one
    behind each of them is passed over.
    """
    named = [name for name in classes if name in said]
    for name in named:
        if name in gold and name != gold:
            named.remove(name)  # as published
    return 1 / len(named) if gold in named else 0.0


def _classification_strict(said: str, gold: str, classes: Sequence[str]) -> float:
    named = {name for name in classes if name in said and (name == gold or name not in gold)}
    return 1 / len(named) if gold in named else 0.0


def _numbers(said: str, gold: str, _classes: Sequence[str]) -> float:
    """Return the share of an answer's numbers that are the gold's, which is "7", "Paragraph 7" or "段落7"."""
    wanted, found = _NUMBER.search(gold), _NUMBER.findall(said)
    return found.count(wanted[0]) / len(found) if wanted and found else 0.0


def _code(said: str, gold: str, _classes: Sequence[str]) -> float | None:
    """Return the similarity of the first line without a mark of comments or fences, in whole hundredths.

    By difflib, as ``fuzzywuzzy`` has it where the package python-Levenshtein is not installed.
    """
    lines = said.lstrip("\n").split("\n")
    line = next((line for line in lines if not any(mark in line for mark in ("`", "#", "//"))), "")
    if not line or not gold:
        return 0.0
    ratio = difflib_ratio(line, gold)
    return None if ratio is None else round(100 * ratio) / 100


def _code_strict(said: str, gold: str, _classes: Sequence[str]) -> float:
    from rapidfuzz import fuzz

    return fuzz.ratio(code_line(said), gold.strip()) / 100


_Rule = Callable[[str, str, Sequence[str]], float | None]
RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(
        ("narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique", "triviaqa"), _f1_en
    ),
    "multifieldqa_zh": _f1_zh,
    **dict.fromkeys(("gov_report", "qmsum", "multi_news", "samsum"), _rouge_en),
    **dict.fromkeys(("dureader", "vcsum"), _rouge_zh),
    **dict.fromkeys(sorted(CLASSIFIED), _classification),
    **dict.fromkeys(("passage_count", "passage_retrieval_en", "passage_retrieval_zh"), _numbers),
    **dict.fromkeys(("lcc", "repobench-p"), _code),
}
"""The published rule of each data set."""
_MENDED: Mapping[_Rule, _Rule] = {_classification: _classification_strict, _code: _code_strict}


def official_score(said: str, answers: Sequence[str], dataset: str, classes: Sequence[str]) -> Outcome:
    """Return the best value over the right answers by the published rule.

    Args:
        said: The whole response.
        answers: The right answers.
        dataset: One of `RULES`.
        classes: All classes, where the rule is of classification.

    >>> official_score("**Answer:** Cipriano Castro", ["Cipriano Castro"], "2wikimqa", ()).value
    0.8
    """
    said = first_line(said) if dataset in FIRST_LINE else said
    return _best(RULES[dataset], [said], answers, classes)


def strict_score(said: str, answers: Sequence[str], dataset: str, classes: Sequence[str]) -> Outcome:
    """Return the best value over the right answers, fences and a leading "Answer:" taken off where that helps.

    Args:
        said: What follows the thinking.
        answers: The right answers.
        dataset: One of `RULES`.
        classes: All classes, where the rule is of classification.

    >>> strict_score("**Answer:** Cipriano Castro", ["Cipriano Castro"], "2wikimqa", ()).value
    1.0
    """
    rule = RULES[dataset]
    forms = [said.strip()] if rule is _code else list(dict.fromkeys((said.strip(), bare_answer(said))))
    if dataset in FIRST_LINE:
        forms = [first_line(form) for form in forms]
    as_written = {" ".join(gold.split()) for gold in answers}
    if any(" ".join(form.split()) in as_written for form in forms):
        return Outcome(1.0, parsed=said[:200])
    if rule in (_rouge_en, _rouge_zh):
        score = scorer_class("rouge_l", "strict")(ReferencesGold(texts=tuple(answers)))
        outcomes: list[Outcome] = [score(form[:_LONGEST], Ask()) for form in forms]
        return max(outcomes, key=lambda outcome: outcome.value)
    return _best(_MENDED.get(rule, rule), forms, answers, classes)


def _best(rule: _Rule, forms: Sequence[str], answers: Sequence[str], classes: Sequence[str]) -> Outcome:
    values = [rule(form, gold, classes) for form in forms for gold in answers]
    known = [value for value in values if value is not None]
    if not known:
        return no_answer("the comparison would take too long", forms[0][:200])
    return Outcome(max(known), parsed=forms[-1][:200])
