"""T5, structured extraction: intersection over union of table rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from golong_eval.rewards.outcome import Ask, Outcome, no_answer
from golong_eval.rewards.tables import CellKey, Table, TableError, cell_key, last_table
from golong_eval.schema import TableGold
from golong_eval.text import GoldItems, visible

__all__ = ["IoU"]


@dataclass(frozen=True)
class IoU:
    """Jaccard index of the two multisets of rows on the shared columns, times shared columns over all columns.

    With row counts a (answer) and g (gold), ``J = sum of min(a, g) / sum of max(a, g)``. Columns are aligned by
    name, in any order; a column of either table that the other lacks counts in the denominator. Cells say the same
    in any spelling: 1.0 = 1 = "1", but true is not 1.

    The answer is the last complete JSON table of the area that shares a column with the gold (else the last one), in
    a fence or in prose: an object with ``columns`` and
    ``data``, a list of objects with the same keys, or a list of rows whose first row names every gold column. NaN
    and Infinity are no JSON. Ragged rows and repeated column names make it ``unparsed``. A table without rows is an
    answer, worth 0.

    Source: GoLongRL (arXiv 2605.19577), table IoU reward. The published code compares rows as tuples of ``str(cell)``
    in the order of the columns, finds only bare JSON, and never looks at the columns.

    >>> score = IoU(TableGold(columns=("name", "year"), data=(("a", 1), ("b", 2))))
    >>> score('{"columns": ["Year", "Name"], "data": [["1", "a"], [2.0, "b"]]}', Ask()).value
    1.0
    >>> score('{"columns": ["name"], "data": [["a"], ["c"]]}', Ask()).parts
    {'rows': 0.3333333333333333, 'columns': 0.5}
    """

    gold: TableGold
    _columns: GoldItems = field(init=False, repr=False)
    _places: tuple[int | None, ...] = field(init=False, repr=False)
    _rows: tuple[tuple[CellKey, ...], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        columns = GoldItems(self.gold.columns)
        # Columns that differ in white space alone are one item, and can then only be named exactly.
        found = [" ".join(visible(column).split()) for column in self.gold.columns]
        places = tuple(found.index(item) if found.count(item) == 1 else None for item in columns.items)
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_rows", tuple(tuple(map(cell_key, row)) for row in self.gold.data))

    def _place(self, name: str) -> int | None:
        """Return which gold column a name is: as written, else by the item rules."""
        if name in self.gold.columns:
            return self.gold.columns.index(name)
        item = self._columns.find(name)
        return None if item is None else self._places[item]

    def _names_columns(self, row: Sequence[Any]) -> bool:
        """Whether a row of cells names every gold column."""
        places = {self._place(cell) for cell in row if isinstance(cell, str)}
        return places >= set(range(len(self.gold.columns)))

    def _shares_columns(self, table: Table) -> bool:
        return any(self._place(name) is not None for name in table.columns)

    def __call__(self, area: str, _ask: Ask) -> Outcome:
        """Score one answer area."""
        try:
            table = last_table(area, self._names_columns, self._shares_columns)
        except TableError as error:
            return no_answer(f"not a proper table: {error}")
        if table is None:
            return no_answer("no JSON table")
        places = [self._place(name) for name in table.columns]
        named = [place for place in places if place is not None]
        if len(set(named)) != len(named):
            return no_answer("not a proper table: column names repeat")
        return self._compare(table, places)

    def _compare(self, table: Table, places: list[int | None]) -> Outcome:
        shared = sorted(place for place in places if place is not None)
        total = len(self.gold.columns) + places.count(None)
        order = [places.index(place) for place in shared]
        answered = Counter(tuple(cell_key(row[i]) for i in order) for row in table.rows)
        gold = Counter(tuple(row[place] for place in shared) for row in self._rows)
        union = (answered | gold).total()
        rows = (answered & gold).total() / union if shared and union else 0.0
        columns = len(shared) / total
        described = f"{len(table.rows)} rows of {', '.join(table.columns)}"
        return Outcome(rows * columns, {"rows": rows, "columns": columns}, described)
