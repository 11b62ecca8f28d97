"""Published reward of tables: Jaccard index over rows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.schema import TableGold

__all__ = ["IoU"]


def _key(row: Any) -> str | tuple[str, ...]:
    return tuple(map(str, row)) if isinstance(row, list | tuple) else str(row)


@dataclass(frozen=True)
class IoU:
    """Jaccard index of two multisets of rows, each row the tuple of ``str(cell)`` in the order of its columns.

    Read is the text between the first ``<answer>`` and the next ``</answer>``, else the whole answer, as JSON; its
    ``data`` are the rows. Column names are not looked at.

    Source: GoLongRL, reward ``multitableqa_pretraining``.

    >>> score = IoU(TableGold(columns=("name", "year"), data=(("a", 1), ("b", 2))))
    >>> [score(f'{{"data": {rows}}}', Ask()).value for rows in ('[["a", 1], ["b", 2]]', '[["a", "1"]]', '[["a", 1.0]]')]
    [1.0, 0.5, 0.0]
    """

    gold: TableGold

    def __call__(self, answer: str, _ask: Ask) -> Outcome:
        """Score one answer."""
        _, found, inside = answer.partition("<answer>")
        text = inside.partition("</answer>")[0] if found else answer
        try:
            read = json.loads(text.strip())
        except (ValueError, RecursionError):
            return no_answer("not JSON")
        rows = read.get("data", []) if isinstance(read, dict) else []
        if not isinstance(rows, list):
            return no_answer("'data' is no list")
        answered, gold = Counter(map(_key, rows)), Counter(map(_key, self.gold.data))
        common = (answered & gold).total()
        return Outcome(common / (len(rows) + len(self.gold.data) - common), parsed=f"{len(rows)} rows")
