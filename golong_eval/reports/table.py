"""One table for a terminal, a file and a pipe."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["table"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: range) -> list[str]:
    """Return the lines of a table.

    Args:
        header: Names of the columns.
        rows: Cells.
        right: Columns to align at their right.
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [line(header), "  ".join("─" * width for width in widths), *(line(row) for row in rows)]
