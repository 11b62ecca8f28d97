"""Single answers for a terminal: the end of the prompt, what the model wrote, what was read of it, and the gold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from golong_eval.errors import DataError, DocumentError
from golong_eval.harness import StoredAnswer
from golong_eval.reports.numbers import NONE, score
from golong_eval.reports.samples import Selection, facets, prompt_text, split_thinking, statuses_of
from golong_eval.reports.terminal import shown, shown_line
from golong_eval.schema import (
    Generation,
    Gold,
    ItemsGold,
    NumberGold,
    OrderGold,
    RankingGold,
    ReferencesGold,
    RowGold,
    TableGold,
    TextGold,
)

__all__ = ["gold_text", "samples_text"]

_ENDS = 1_000  # characters of an answer's beginning and end that are shown of a long one
_LABEL = 9
_WIDTH = 110


def samples_text(selection: Selection, *, tail: int = 400, full: bool = False) -> str:
    """Return answers one below the other, and how many there are.

    Text of models and documents is shown with its control characters as escapes, so it can't steer the terminal.

    Args:
        selection: The answers.
        tail: Characters of the end of each prompt.
        full: Whole prompts, thinking and answers.

    Raises:
        DocumentError: Whole prompts are asked for and a document can't be read.
    """
    blocks = ["\n".join(_block(selection, row, tail, full)) for row in selection.answers]
    return "\n\n".join([*blocks, _count(selection)])


def gold_text(gold: Gold) -> str:
    """Return a gold to be read: alternatives with ``or``, items and rows of a table a line each.

    >>> gold_text(TextGold(answers=("Ada", "Lovelace")))
    'Ada  or  Lovelace'
    """
    match gold:
        case TextGold():
            return "  or  ".join(gold.answers)
        case ItemsGold():
            return "\n".join(gold.items)
        case RankingGold() | OrderGold():
            return "\n".join(f"{place}. {item}" for place, item in enumerate(gold.items, 1))
        case NumberGold():
            return gold.value
        case TableGold():
            rows = [" | ".join("" if cell is None else str(cell) for cell in row) for row in gold.data]
            return "\n".join([" | ".join(gold.columns), *rows])
        case ReferencesGold():
            return "\n  or\n".join(gold.texts)
        case RowGold():
            return "\n  or\n".join(gold.answers)


def _count(selection: Selection) -> str:
    shown_of = f"{len(selection.answers)} of {selection.matching} matching answers shown"
    if not selection.matching:
        shown_of = "no answer matches"
    if selection.unranked:
        shown_of += f"; {selection.unranked} without a score have no place in the ranking"
    return f"{shown_of}: {selection.run.path}"


def _block(selection: Selection, row: StoredAnswer, tail: int, full: bool) -> Iterator[str]:
    made, result = row.generation, row.result
    title = f"── {shown_line(row.sample.id)}, repeat {row.repeat} "
    yield title + "─" * max(2, _WIDTH - len(title))
    parts = ", ".join(f"{shown_line(name)} {_number(value)}" for name, value in result.parts.items())
    yield _line("score", f"{score(result.value)}  {result.metric}" + (f"  ({parts})" if parts else ""))
    yield _line("status", ", ".join(statuses_of(row)) + (f": {shown_line(result.reason)}" if result.reason else ""))
    kinds = ", ".join(f"{name} {shown_line(value)}" for name, value in facets(row).items())
    yield _line("sample", f"{row.sample.task}; {kinds}")
    if made is not None:
        yield _line("tokens", _tokens(made))
    yield from _prompt(selection, row, tail, full)
    if made is None or made.text is None:
        # The reason that the status gives is the engine's own error where there is one.
        yield _line("answer", "(no answer)")
    else:
        yield from _answer(made, full)
    parsed = (result.parsed,) if isinstance(result.parsed, str) else result.parsed
    yield from _text("parsed", NONE if parsed is None else "\n".join(parsed), full)
    yield from _text("gold", gold_text(row.sample.gold), full)


def _number(value: float) -> str:
    return f"{value:g}" if value == int(value) else f"{value:.3f}"


def _tokens(made: Generation) -> str:
    thinking = "" if made.reasoning_tokens is None else f" ({made.reasoning_tokens:,} of thinking)"
    cut = f", {made.cut_tokens:,} more of documents cut out" if made.context_cut else ""
    seconds = "" if made.seconds is None else f", {made.seconds:.1f} s"
    cached = ", from the response cache" if made.from_cache else ""
    prompt, answer = made.prompt_tokens, made.completion_tokens
    return f"{prompt:,} of the prompt{cut}, {answer:,} of the answer{thinking}{seconds}{cached}"


def _prompt(selection: Selection, row: StoredAnswer, tail: int, full: bool) -> Iterator[str]:
    try:
        prompt = prompt_text(selection, row, whole=full)
    except DocumentError as error:
        raise DocumentError(str(error), "leave out --full") from error
    begun = full  # whether the prompt is there from its beginning
    if not full and prompt is not None and tail > len(prompt):
        with contextlib.suppress(DocumentError, DataError):  # its end, which was stored, needs no document
            prompt, begun = prompt_text(selection, row, whole=True), True
    if prompt is None:
        yield from _text("question", row.sample.question, full)
        return
    if full:
        yield from _text("prompt", prompt, full)
        return
    end = prompt[len(prompt) - min(tail, len(prompt)) :]
    if row.sample.question not in end:
        yield from _text("question", row.sample.question, full)
    if end:
        yield from _text("prompt", ("…" if len(end) < len(prompt) or not begun else "") + end, True)


def _answer(made: Generation, full: bool) -> Iterator[str]:
    thinking, answer = split_thinking(made)
    if thinking and full:
        yield from _text("thinking", thinking, full)
    elif thinking:
        ended = "" if answer is not None else ", never ended"
        yield _line("thinking", f"{len(thinking):,} characters{ended} (--full shows them)")
    if answer is not None:
        yield from _text("answer", answer or "(empty)", full)


def _text(label: str, text: str, full: bool) -> Iterator[str]:
    """Yield a text beside its label where it is short, else below it and indented."""
    if not full and len(text) > 2 * _ENDS:
        left_out = f"\n… {len(text) - 2 * _ENDS:,} characters left out; --full shows them …\n"
        text = text[:_ENDS] + left_out + text[-_ENDS:]
    lines = shown(text.strip("\n")).split("\n")
    if len(lines) == 1 and len(lines[0]) <= _WIDTH - _LABEL:
        yield _line(label, lines[0])
        return
    yield label
    yield from (f"    {line}".rstrip() for line in lines)


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL}} {text}".rstrip()
