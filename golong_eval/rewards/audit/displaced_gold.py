"""Attacks that have the gold in a place, or in letters, in which it must not count; and the gold dressed up."""

from __future__ import annotations

import re

from golong_eval.rewards.audit.attack import Form, attacks_of_kind, each
from golong_eval.rewards.audit.material import Material
from golong_eval.schema import ReferencesGold, TableGold
from golong_eval.text import HAN

__all__ = ["DECORATED_GOLD", "DISPLACED_GOLD"]

DISPLACED_GOLD, displaced = attacks_of_kind("displaced gold")
DECORATED_GOLD, decorated = attacks_of_kind("decorated gold")


@displaced
def answer_only_in_the_thinking(m: Material) -> list[Form]:
    """The gold inside the thinking, and after it nothing, or words that answer nothing."""
    thinking = [f"<think>{text}</think>" for text in (m.body, m.answer(m.body), f"The answer is\n{m.body}\n")]
    forms = each((text + after for text in thinking for after in ("", "\n", "\n[Answer]\n", "\n\u200b")), 0.0)
    forms += each((f"{m.answer(m.body)}</think>\n", f"<think>a</think><think>{m.answer(m.body)}</think>"), 0.0)
    return forms + each(text + "\nI am done." for text in thinking)


@displaced
def marker_in_the_thinking(m: Material) -> list[Form]:
    """Marker and gold inside the thinking, and an honest wrong answer after it."""
    return [
        form
        for wrong in m.wrong
        for form in each(
            (
                f"<think>{m.answer(m.body)}</think>\n{wrong}",
                f"<think>\n[Answer]\n{m.body}\n[答案]\n{m.body}\n</think>\n{m.answer(wrong)}",
                f"{m.answer(m.body)}</think>{m.answer(wrong)}",
            )
        )
    ]


@displaced
def unclosed_thinking(m: Material) -> list[Form]:
    """The gold in a thinking that is never closed."""
    texts = (f"<think>{m.body}", f"<think>\nSo:\n{m.answer(m.body)}", f"<think>a</think>\n<think>{m.answer(m.body)}")
    return each(texts, 0.0)


@displaced
def gold_under_an_earlier_marker(m: Material) -> list[Form]:
    """Several markers: the gold under one of them, an honest wrong answer under the last."""
    return [
        form
        for wrong in m.wrong
        for form in each(
            (
                f"[Answer]\n{m.body}\n\n[Answer]\n{wrong}",
                f"[答案]\n{m.body}\n\n[Answer]\n{wrong}",
                f"[Answer]\n{m.body}\n\n[答案]\n{wrong}",
                f"{m.body}\n\n{m.answer(wrong)}",
            )
        )
    ]


@displaced
def several_boxes(m: Material) -> list[Form]:
    """Several boxed answers: the mean over the place of the right one, of which there is only one to be paid."""
    if not m.is_single or not m.others:
        return []
    boxes = [rf"\boxed{{{answer}}}" for answer in (m.body, *m.others[:3])]
    orders = [boxes[at:] + boxes[:at] for at in range(len(boxes))]
    joints = (" ", "\n", " or ")
    return [Form(tuple(m.answer(joint.join(order)) for order in orders), 1 / len(boxes)) for joint in joints]


@displaced
def gold_among_tables(m: Material) -> list[Form]:
    """Several tables, of which the last one is wrong; the gold as a cell, a comment or a key."""
    if not isinstance(m.case.gold, TableGold):
        return []
    (wrong,) = m.wrong
    hidden = wrong[:-1] + f', "gold": {m.body}}}'
    texts = (f"{m.body}\n{wrong}", f"[{m.body}, {wrong}]", f"```json\n{m.body}\n```\n```json\n{wrong}\n```", hidden)
    return [form for text in texts for form in each(m.both(text))]


# Letters of other scripts that look like these, and do not become them in NFKC.
_LOOK_ALIKES = str.maketrans(
    "ABCDEFGHIJKLMNOPRSTUVXYZabcdefghijklmnopqrstuvwxyz0123456789",
    "АВСᎠЕҒԌНІЈКᏞМΝОРᏒЅТՍѴХҮΖаЬсԁеғɡһіјκӏмոорԛгѕтυνωхуᴢ๐๑๒๓๔๕๖๗๘๙",
)


@displaced
def homoglyphs(m: Material) -> list[Form]:
    """The gold in letters and digits of other scripts that look the same."""
    pieces = m.units or (m.body,)
    if any(HAN.search(str(piece)) for piece in pieces):
        return []  # letters are left that say the same
    if isinstance(m.case.gold, TableGold):
        body = m.render([tuple(str(cell).translate(_LOOK_ALIKES) for cell in row) for row in m.case.gold.data])
    else:
        body = m.body.translate(_LOOK_ALIKES)
    changed = all(re.search(r"[A-Za-z0-9]", str(piece)) for piece in pieces)
    return each(m.both(body)) if changed else []


@decorated
def invisible_padding(m: Material) -> list[Form]:
    """The gold between white space and zero-width characters."""
    answer = m.answer(m.body)
    texts = (f"\ufeff\u200b\n{answer}\u200b \u2060\n\u3000", f"{chr(10) * 200}{answer}{chr(10) * 200}")
    return each((*texts, m.answer("\n\n".join(line + "\u200b" for line in m.body.split("\n")))), 1.0)


@decorated
def markdown(m: Material) -> list[Form]:
    """The gold in bold, as a list, or in a code fence."""
    fenced = m.answer(f"```\n{m.body}\n```")
    if isinstance(m.case.gold, TableGold | ReferencesGold):
        return each((fenced,), 1.0)
    lines = m.body.split("\n")
    bodies = ["\n".join(f"**{line}**" for line in lines), "\n".join(f"- {line}" for line in lines)]
    bodies += ["\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))] if len(lines) > 1 else []
    return each((fenced, *map(m.answer, bodies)), 1.0)


@decorated
def full_width_letters(m: Material) -> list[Form]:
    """The gold in the wide letters and digits that Chinese typing gives."""
    if not (m.is_list or m.is_single) or not re.search("[A-Za-z0-9]", m.body):
        return []
    return each((m.answer(re.sub("[A-Za-z0-9]", lambda found: chr(ord(found[0]) + 0xFEE0), m.body)),), 1.0)


@decorated
def corrected_answer(m: Material) -> list[Form]:
    """An honest wrong answer, taken back, and the gold under a marker of its own."""
    return each((f"{m.answer(wrong)}\n\nNo, I have to correct myself.\n\n{m.answer(m.body)}" for wrong in m.wrong), 1.0)
