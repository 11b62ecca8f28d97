"""Answers of the gold's form that are not the gold: what an attacker finds in documents and question by form alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from golong_eval.rewards.audit.case import AuditCase
from golong_eval.rewards.audit.definitions import key_for
from golong_eval.rewards.choices import choice_of, yes_no_of
from golong_eval.schema import Cell, ItemsGold, NumberGold, OrderGold, RankingGold, TextGold
from golong_eval.text import HAN, fold

__all__ = ["NUMBER", "column_candidates", "inferred_count", "other_answers", "paired"]

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
_PAIR = re.compile(r"(.+?)(\s*[:：]\s*)(.+)")
_OPTION = re.compile(r"^\s*\(?([A-J])[.)、:：]", re.MULTILINE)
_NAME = re.compile(r"[A-Z][\w'’-]*(?: [A-Z][\w'’-]*)*")
_MOST = 200


def other_answers(case: AuditCase) -> tuple[str, ...]:
    """Return answers of the gold's form that are not right, in the order in which they are met; 200 at most.

    - Choices: the letters that the question lists (else A to D); yes or no: the other one.
    - Numbers: the gold with another number of the documents in place of its own.
    - Items "key: label": every key of the gold with every label.
    - Items and texts with digits (D3, #427): what differs in the digits alone.
    - Names and phrases: as many capitalised words, words or Chinese characters, from the documents.
    - Golds that stand nowhere in the sample ("none"): the documents' labels.

    Tables and references have none.
    """
    match case.gold:
        case TextGold():
            found = _texts(case, case.gold.answers)
            right = case.gold.answers
        case NumberGold():
            found, right = _numbers(case, case.gold.value), (case.gold.value,)
        case ItemsGold() | RankingGold() | OrderGold():
            found, right = _items(case, case.gold.items), case.gold.items
        case _:
            return ()
    known = {fold(answer) for answer in right}
    return tuple({fold(other): other for other in found if fold(other) and fold(other) not in known}.values())[:_MOST]


def inferred_count(case: AuditCase, others: tuple[str, ...]) -> int | None:
    """Return how many candidates an answer, or each item of "key: label" form, is chosen from; None where open."""
    match case.gold:
        case TextGold(answers=(answer, *_)):
            return 1 + len(others) if choice_of(answer) or yes_no_of(answer) else None
        case ItemsGold(items=items):
            if case.metric == "sub_em" and (pairs := paired(items)):
                right = {fold(label) for _, _, label in pairs}
                return len(right | {fold(pair[2]) for other in others if (pair := _pair(other))})
            return len(set(map(key_for(items), items))) + len(others)
        case _:
            return None


def paired(items: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return items of "key: label" form in three parts; nothing when one of them has another form.

    >>> paired(["F1: D3", "F2: D1"])
    [('F1', ': ', 'D3'), ('F2', ': ', 'D1')]
    """
    pairs = [_pair(item) for item in items]
    return [pair for pair in pairs if pair is not None] if all(pairs) else []


def _pair(item: str) -> tuple[str, str, str] | None:
    match = _PAIR.fullmatch(item)
    return None if match is None else (match[1], match[2], match[3])


def _texts(case: AuditCase, answers: tuple[str, ...]) -> list[str]:
    if choice_of(answers[0]):
        return _OPTION.findall(case.question) or list("ABCD")
    if (said := yes_no_of(answers[0])) is not None:
        chinese = HAN.search(answers[0]) is not None
        return [("否" if chinese else "no") if said == "yes" else ("是" if chinese else "yes")]
    return _alike(case, answers)


def _numbers(case: AuditCase, value: str) -> list[str]:
    own = NUMBER.search(value)
    if own is None:
        return []
    met = [number for text in (*case.documents, case.question) for number in NUMBER.findall(text)]
    others = [number for number in met if _plain(number) != _plain(own[0])] or [f"{_plain(own[0]) + 1:g}"]
    return [value[: own.start()] + number + value[own.end() :] for number in others]


def _plain(number: str) -> float:
    return float(number.replace(",", ""))


def _items(case: AuditCase, items: tuple[str, ...]) -> list[str]:
    pairs = paired(items)
    if pairs:
        labels = [label for _, _, label in pairs]
        every = dict.fromkeys([*labels, *_alike(case, labels)])
        return [key + colon + label for key, colon, _ in pairs for label in every]
    return _alike(case, items)


def _alike(case: AuditCase, answers: Iterable[str]) -> list[str]:
    """Return what looks like one of the answers: the same but for its digits, or as many words of its kind."""
    texts = "\n".join((case.question, *case.labels, *case.documents))
    folded = fold(texts)
    found: list[str] = []
    for answer in dict.fromkeys(answers):
        if fold(answer) in folded or re.search(r"\d", answer):
            found += _of_form(answer, texts)
    return found or list(case.labels)


def _of_form(answer: str, texts: str) -> list[str]:
    if re.search(r"\d", answer):
        pattern = r"\d+".join(map(re.escape, re.split(r"\d+", answer)))
        return re.findall(rf"(?<!\w){pattern}(?!\w)" if answer[0].isalnum() else rf"{pattern}(?!\w)", texts)
    if HAN.search(answer):
        return re.findall(rf"(?<!{HAN.pattern}){HAN.pattern}{{{len(answer)}}}(?!{HAN.pattern})", texts)
    words = len(answer.split())
    if answer[:1].isupper():
        return [name for name in _NAME.findall(texts) if len(name.split()) == words]
    return re.findall(rf"(?<![\w'’])[a-z]{{4,}}(?: [a-z]+){{{words - 1}}}(?![\w'’])", texts)


def column_candidates(case: AuditCase, cells: Iterable[Cell]) -> Sequence[Cell]:
    """Return what could stand in a column: all numbers, or all names, of the documents; 200 at most.

    Args:
        case: The sample.
        cells: The column's gold cells, which tell whether it holds numbers.
    """
    numeric = all(isinstance(cell, int | float) or NUMBER.fullmatch(str(cell)) for cell in cells)
    found: list[str] = []
    for text in case.documents:
        found += NUMBER.findall(text) if numeric else _NAME.findall(text) + re.findall(rf"{HAN.pattern}{{2,8}}", text)
    return [*dict.fromkeys(found)][:_MOST]
