"""T9: summarise a document whose own opening paragraph was cut out; that opening is the reference.

A proxy, and no more: an author's opening often says what the section is about, but it is not a summary of it, and
ROUGE-L against one reference rewards shared wording. Use it to compare models at the same length, not as a measure
of how good summaries are.

The cut is the only edit ever made to a text; the sample records it. Proof: no run of eight words (twelve
characters of Chinese) of the opening stands anywhere else in the context or in the question.
"""

from __future__ import annotations

import random

from golong_eval.schema import Edit, ReferencesGold
from golong_eval.tasks.builders.context import Context, Drops, Place
from golong_eval.tasks.builders.draft import Draft, TaskBuilder, Wording
from golong_eval.tasks.builders.sentences import paragraphs, sentences
from golong_eval.tasks.builders.terms import fold

__all__ = ["BUILDER", "build"]

MIN_WORDS, MAX_WORDS = 20, 120
MIN_HAN, MAX_HAN = 30, 240
REST = 1.5
"""What is left of the section must be this many times longer than its opening."""
MAX_HEADING_LINES = 5
SHINGLE_WORDS, SHINGLE_HAN = 8, 12
QUESTION = Wording(
    en=(
        "The opening paragraph of document {label} ({title}) was removed. Write the summary that could stand in its "
        "place: what document {label} is about and its main points, in one paragraph of about {size} words."
    ),
    zh=(
        "文档 {label}（{title}）的开头一段已被删去。请写出可以放在该处的摘要："
        "用一段约 {size} 字的话说明文档 {label} 的主题和要点。"
    ),
)


def build(context: Context, rng: random.Random, drops: Drops) -> Draft | None:
    """Make one question, or return None when no section has an opening to cut."""
    for unit in rng.sample(range(len(context.units)), len(context.units)):
        opening = _opening(context, unit, drops)
        if opening is None:
            continue
        start, end = opening
        section = context.units[unit]
        reference = fold(section.text[start:end])
        size = _size(context, reference)
        # The blank line goes with the paragraph.
        end += len(section.text[end:]) - len(section.text[end:].lstrip("\n"))
        rest = section.text[:start] + section.text[end:]
        question = QUESTION.fill(
            context.language, label=section.label, title=section.title, size=max(10, round(size, -1))
        )
        document = context.documents[unit].model_copy(update={"text": rest})
        return Draft(
            question,
            ReferencesGold(texts=(reference,)),
            [Place(unit, 0, len(rest))],
            documents=(*context.documents[:unit], document, *context.documents[unit + 1 :]),
            edits=(Edit(document=section.label, start=start, removed=section.text[start:end]),),
            key=reference,
        )
    drops["no section left with an opening to cut"] += 1
    return None


def _opening(context: Context, unit: int, drops: Drops) -> tuple[int, int] | None:
    """Return where the opening paragraph of a section stands, if it is prose and stands nowhere else."""
    section = context.units[unit]
    if not section.opens:
        drops["section starts in the middle"] += 1
        return None
    first = next(iter(paragraphs(section.text, context.language)), None)
    if first is None or not _only_headings(section.text[: first[0]]):
        drops["section does not open with prose"] += 1
        return None
    opening = fold(section.text[slice(*first)])
    least, most = (MIN_HAN, MAX_HAN) if context.language == "zh" else (MIN_WORDS, MAX_WORDS)
    size = _size(context, opening)
    prose = sentences(section.text[slice(*first)], context.language)
    if not least <= size <= most or opening[-1] not in ".!?。！？" or not prose:
        drops["opening too short, too long, or no whole paragraph"] += 1
    elif _size(context, fold(section.text[first[1] :])) < REST * size:
        drops["too little left of the section"] += 1
    elif _stands_elsewhere(context, opening.lower()):
        drops["opening stands elsewhere too"] += 1
    else:
        return first
    return None


def _only_headings(text: str) -> bool:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return len(lines) <= MAX_HEADING_LINES and all(
        len(line) <= 100 and line[-1] not in ".:;,。：；，" and line[0] not in "-+•|`" for line in lines
    )


def _size(context: Context, text: str) -> int:
    return len(text) if context.language == "zh" else len(text.split())


def _stands_elsewhere(context: Context, opening: str) -> bool:
    pieces, glue, size = (
        (list(opening), "", SHINGLE_HAN) if context.language == "zh" else (opening.split(), " ", SHINGLE_WORDS)
    )
    shingles = (glue.join(pieces[at : at + size]) for at in range(max(1, len(pieces) - size + 1)))
    return any(not context.occurs_once(shingle) for shingle in shingles)


BUILDER = TaskBuilder(build, version=1, wordings=(QUESTION,), whole_sections=True)
