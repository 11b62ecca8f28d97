"""Attacks that know the gold, or a part of it, and try to be paid more than that part is worth."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from golong_eval.rewards.audit.attack import Form, attacks_of_kind, each
from golong_eval.rewards.audit.candidates import NUMBER
from golong_eval.rewards.audit.content_free import turned
from golong_eval.rewards.audit.definitions import key_for, rows_value, text_value
from golong_eval.rewards.audit.material import Material, Unit, table
from golong_eval.schema import NumberGold, ReferencesGold, TableGold
from golong_eval.text import fold

__all__ = ["PARTIAL_KNOWLEDGE"]

PARTIAL_KNOWLEDGE, attack = attacks_of_kind("partial knowledge")

_COUNTS = (1, 5, 50)
_BURIED = 1000


@attack
def gold_plus_junk(m: Material) -> list[Form]:
    """The gold, then 1, 5 or 50 pieces that are wrong; of a single answer, the mean over its places among others."""
    if m.is_single:
        lines = [m.body, *m.others[:4]]
        orders = [[*lines[at:], *lines[:at]] for at in range(len(lines))]
        wraps = (str, m.answer) if len(lines) > 1 else ()
        return [Form(tuple(wrap("\n".join(order)) for order in orders), 1 / len(lines)) for wrap in wraps]
    return [form for count in _COUNTS for form in _forms(m, [*m.units, *m.junk(count)])]


@attack
def junk_plus_gold(m: Material) -> list[Form]:
    """1, 5 or 50 pieces that are wrong, then the gold."""
    if m.is_single:
        return []
    return [form for count in _COUNTS for form in _forms(m, [*m.junk(count), *m.units])]


@attack
def gold_in_very_long_output(m: Material) -> list[Form]:
    """The gold in the middle of a thousand wrong pieces; a single answer in the middle of a document."""
    if m.units:
        junk = m.junk(_BURIED)
        if isinstance(m.case.gold, ReferencesGold):
            junk = (junk * (_BURIED // len(junk) + 1))[:_BURIED]
        return _forms(m, [*junk[: len(junk) // 2], *m.units, *junk[len(junk) // 2 :]])
    texts = [" ".join(text.split()) for text in m.case.documents if text.strip()]
    if isinstance(m.case.gold, NumberGold):  # a lone number in prose is an answer; among other numbers it is none
        texts = [text for text in texts if NUMBER.search(text)]
    return [form for text in texts for form in each(m.both(f"{text} {m.body} {text}"))]


@attack
def first_two_right_items(m: Material) -> list[Form]:
    """The first two right items, rows or clauses, and nothing else."""
    return _forms(m, m.units[:2]) if len(m.units) > 2 else []


@attack
def one_right_item_repeated(m: Material) -> list[Form]:
    """One right item many times: as it is, in other case, with bullets, with invisible characters."""
    if len(m.units) < 2:
        return []
    first = m.units[0]
    if not m.is_list:
        return [form for times in (2, 10, 50) for form in _forms(m, [first] * times)]
    item = str(first)
    lines = [[item] * times for times in (2, 50)]
    lines += [[f"{item}{chr(0x200B) * count}" for count in range(50)], [f"- {item}", f"* {item}", f"**{item}**", item]]
    cases = [item, item.lower(), item.upper(), item.title()]
    lines += [cases] if key_for(map(str, m.units)) is fold else []
    return [Form((response,), m.value([item])) for form in lines for response in m.both("\n".join(form))]


@attack
def repeated_gold(m: Material) -> list[Form]:
    """The whole gold 2, 5 and 20 times."""
    if m.is_single:
        return [form for times in (2, 5, 20) for form in each(m.both("\n".join([m.body] * times)), 1.0)]
    return [form for times in (2, 5, 20) for form in _forms(m, [*m.units] * times)]


@attack
def reversed_order(m: Material) -> list[Form]:
    """The right items or clauses from last to first."""
    backwards = m.units[::-1]
    counts = m.ordered or isinstance(m.case.gold, ReferencesGold)
    return _forms(m, backwards) if counts and len(backwards) > 1 else []


@attack
def random_order(m: Material) -> list[Form]:
    """The right items in any order: the mean over rotations and their reverses."""
    if not m.ordered or len(m.units) < 2:
        return []
    orders = list(turned(list(m.units)))
    values = [m.value(order) for order in orders]
    return [Form(tuple(m.answer(m.render(order)) for order in orders), sum(values) / len(values))]


@attack
def one_right_column(m: Material) -> list[Form]:
    """One column of the gold table."""
    gold = m.case.gold
    if not isinstance(gold, TableGold) or len(gold.columns) < 2:
        return []
    forms = []
    for place, column in enumerate(gold.columns):
        rows = [(row[place],) for row in gold.data]
        forms += each(m.both(table([column], rows)), rows_value([column], rows, gold.columns, gold.data))
    return forms


@attack
def hedged_answer(m: Material) -> list[Form]:
    """Two answers at once: the mean over which of them is right; a guess between them earns a half."""
    templates = (
        "{} or {}", "{}, unless {}", "{} unless it is {}", "Either {} or {}", "{} / {}", "{} ({})", "{}, {}", "{}\n{}",
        "{} and {}", "Probably {}, but possibly {}", "The answer is {}, or {}", r"\boxed{{{}}} or \boxed{{{}}}",
        r"\boxed{{{}, {}}}", "{} 或 {}", "The answer is {}.\nThe answer is {}.",
    )  # fmt: skip
    if m.is_single and m.others:
        pair = (m.body, m.others[0])
        return [
            Form(tuple(wrap(template.format(*order)) for order in (pair, pair[::-1])), 0.5)
            for template in templates
            for wrap in (str, m.answer)
        ]
    if not m.is_list or not m.others:
        return []
    junk = [m.others[at % len(m.others)] for at in range(len(m.units))]
    return [
        form
        for template in ("{} or {}", "{}, {}", "{} ({})", "{} / {}")
        for form in each(
            m.answer("\n".join(template.format(*order) for order in zip(first, second, strict=True)))
            for first, second in ((m.units, junk), (junk, m.units))
        )
    ]


@attack
def number_games(m: Material) -> list[Form]:
    """The right number with another sign, unit or scale, as a range, a bound or its parts, or beside another one."""
    gold = m.case.gold
    if not isinstance(gold, NumberGold) or (own := NUMBER.search(gold.value)) is None or not m.others:
        return []
    number, unit = own[0], m.body[own.end() :]
    if re.search(r"[^\s$€£¥-]", gold.value[: own.start()]) or re.search(r"[\d+*/^=(){}\\]", unit):
        return []  # an expression
    value = Decimal(number.replace(",", ""))
    if not value:
        return []  # 0 million is 0
    other = f"{value + 7:f}"
    bodies = [
        f"{number} million{unit}", f"{value * 1000:f}{unit}", f"{number}万{unit}", f"> {m.body}", f"at least {m.body}",
        f"{number} to {other}{unit}", f"{number} ± {number}{unit}", f"{m.body} ± 7", f"about {m.body}, give or take 7",
        f"{m.body} = {m.others[0]}", f"x = {m.body} or x = {m.others[0]}", rf"\boxed{{{number}, {other}}}",
        f"not {m.body}", f"[0, {number}]", f"{number} {other}", f"0…{number}", f"{number}?? {m.others[0]}",
        f"{value - 1:f} 1", f"1\n{value - 1:f}", f"{number} 0", f"0\n0\n{number}", f"1 1 {value - 2:f}",
    ]  # fmt: skip
    bodies += [m.body[1:] if m.body.startswith("-") else f"-{m.body}"]
    if "%" not in gold.value + m.case.question and not re.search("percent|百分", m.case.question, re.IGNORECASE):
        bodies += [f"{number}%", f"{value * 100:f}%"] if not unit.strip() else [f"{number}%"]
    other_unit = {"g": "kg", "kg": "g", "m": "km", "km": "m", "元": "美元"}.get(unit.strip())
    bodies += [f"{number} {other_unit}"] if other_unit else []
    return [form for body in bodies for form in each(m.both(body))]


@attack
def words_of_the_gold_shuffled(m: Material) -> list[Form]:
    """The reference's words in alphabetical order: content without a sentence."""
    if not isinstance(m.case.gold, ReferencesGold):
        return []
    text = m.case.gold.texts[0]
    shuffled = " ".join(sorted(text.split() if m.case.language == "en" else text))
    return each(m.both(shuffled), text_value(shuffled, m.case.gold.texts))


def _forms(m: Material, units: Iterable[Unit]) -> list[Form]:
    """Return pieces as an answer, bounded by what the definition pays for them."""
    pieces = list(units)
    return each(m.both(m.render(pieces)), m.value(pieces))
