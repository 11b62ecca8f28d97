"""The figures of the report as inline SVG: colours come from the page, so they follow its dark and light."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from golong_eval.harness import GridCell, Results, Slice, TaskResult
from golong_eval.harness.breakdown import UNKNOWN, group_rank
from golong_eval.reports.numbers import score

__all__ = ["Bin", "bar_figure", "bins_of", "grid_figure", "histogram_figure", "length_figures"]

_FEW = 5  # answers below which a cell of the heat map is pale


@dataclass(frozen=True)
class Bin:
    """A bar of a histogram: values from `low` up to, not including, `high`."""

    low: float
    high: float
    count: int


def bar_figure(results: Results) -> str:
    """Return the tasks' means as bars from 0 to 1, with their intervals and a tick at what chance earns."""
    left, right, row, top = 190, 56, 26, 22
    width = 720
    scale = width - left - right
    entries = [(_label(one), one.mean, one.low, one.high, one.chance) for one in results.tasks]
    if results.average is not None:
        average = results.average
        entries.append(("average", average.mean, average.low, average.high, None))
    height = top + row * len(entries) + 6
    parts = [_axis(left, scale, top, height - 6)]
    for place, (name, mean, low, high, chance) in enumerate(entries):
        middle = top + row * place + row / 2
        kind = "bar average" if name == "average" else "bar"
        parts.append(_text(left - 10, middle + 4, _short(name, 26), "end"))
        if mean is None:
            continue
        parts.append(_rect(left, middle - 8, scale * mean, 16, kind, f"{name}: {score(mean)}"))
        if low is not None and high is not None:
            parts.append(_line(left + scale * low, middle, left + scale * high, middle, "whisker"))
            for end in (low, high):
                parts.append(_line(left + scale * end, middle - 4, left + scale * end, middle + 4, "whisker"))
        if chance is not None:
            parts.append(_line(left + scale * chance, middle - 11, left + scale * chance, middle + 11, "chance"))
        parts.append(_text(width - right + 10, middle + 4, score(mean), "start", "number"))
    told = "Mean score of each task with its 95 % interval; a dashed tick marks what chance earns."
    return _svg(width, height, "Scores by task", told, parts)


def length_figures(results: Results) -> list[str]:
    """Return a small chart of the score by length for the average and for each task; none for a single length."""
    series = [("average", results.slices)] if results.slices else []
    series += [(_label(one), one.slices) for one in results.tasks]
    groups = {piece.group for _, pieces in series for piece in pieces if piece.by == "length"} - {UNKNOWN}
    if len(groups) < 2:
        return []
    order = sorted(groups, key=group_rank)
    figures = []
    for name, pieces in series:
        found = {piece.group: piece for piece in pieces if piece.by == "length" and piece.group != UNKNOWN}
        if found:
            figures.append(_length_figure(name, found, order))
    return figures


def _label(row: TaskResult) -> str:
    """Return what a task is called in a figure; the name of a benchmark says enough."""
    return row.name if row.published is not None else f"{row.task}  {row.name}"


def _length_figure(name: str, found: dict[str, Slice], order: Sequence[str]) -> str:
    width, height, left, right, top, bottom = 232, 150, 30, 10, 24, 22
    step = (width - left - right) / max(1, len(order) - 1)

    def at(group: str, value: float) -> tuple[float, float]:
        return left + step * order.index(group), top + (1 - value) * (height - top - bottom)

    parts = [_text(left, 14, _short(name, 30), "start", "title")]
    for value in (0.0, 0.5, 1.0):
        y = at(order[0], value)[1]
        parts.append(_line(left, y, width - right, y, "grid"))
        parts.append(_text(left - 5, y + 4, f"{value:g}", "end", "tick"))
    # Beyond six lengths every other label, or they run into one another.
    for group in order[:: 1 if len(order) <= 6 else 2]:
        parts.append(_text(at(group, 0)[0], height - 6, group, "middle", "tick"))
    shown = [(group, found[group].score) for group in order if group in found]
    band = [(group, one.low, one.high) for group, one in shown if one.low is not None and one.high is not None]
    if len(band) > 1:
        outline = [at(group, high) for group, _, high in band] + [at(group, low) for group, low, _ in reversed(band)]
        parts.append(f'<polygon class="band" points="{_points(outline)}"/>')
    line = [at(group, one.mean) for group, one in shown if one.mean is not None]
    parts.append(f'<polyline class="curve" points="{_points(line)}"/>')
    for group, one in shown:
        if one.mean is not None:
            x, y = at(group, one.mean)
            told = f"{group}: {score(one.mean)}, n {one.n}"
            parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(told)}</title></circle>')
    return _svg(width, height, f"{name}: score by length", "Mean score by tokens of the prompt.", parts)


def grid_figure(grids: Iterable[Sequence[GridCell]]) -> str | None:
    """Return a heat map of length by depth over the answers of all tasks; None where there is no depth."""
    cells: dict[tuple[str, str], tuple[float, int]] = {}
    for grid in grids:
        for cell in grid:
            total, count = cells.get((cell.length, cell.depth), (0.0, 0))
            cells[cell.length, cell.depth] = total + cell.mean * cell.n, count + cell.n
    if not cells:
        return None
    lengths = sorted({length for length, _ in cells}, key=group_rank)
    depths = sorted({depth for _, depth in cells}, key=group_rank)
    left, top, wide, high = 86, 26, 88, 34
    width, height = left + wide * len(lengths) + 4, top + high * len(depths) + 4
    parts = [
        _text(left + wide * (column + 0.5), top - 8, length, "middle", "tick") for column, length in enumerate(lengths)
    ]
    for line, depth in enumerate(depths):
        parts.append(_text(left - 8, top + high * (line + 0.5) + 4, depth, "end", "tick"))
        for column, length in enumerate(lengths):
            total, count = cells.get((length, depth), (0.0, 0))
            x, y = left + wide * column, top + high * line
            if not count:
                parts.append(_rect(x + 1, y + 1, wide - 2, high - 2, "cell none", f"{length}, {depth}: no answers"))
                continue
            mean = total / count
            kind = "cell few" if count < _FEW else "cell"
            told = f"{length}, {depth}: {score(mean)}, n {count}"
            shade = f"--share:{round(100 * mean)}%"
            parts.append(_rect(x + 1, y + 1, wide - 2, high - 2, kind, told, shade))
            parts.append(_text(x + wide / 2, y + high / 2 + 1, f"{mean:.2f}", "middle"))
            parts.append(_text(x + wide / 2, y + high - 5, f"n {count}", "middle", "small"))
    told = "Mean score by tokens of the prompt (columns) and place of the evidence in the context (rows)."
    return _svg(width, height, "Length by depth", told, parts)


def bins_of(values: Sequence[float], wanted: int = 24) -> list[Bin]:
    """Return a histogram's bins, with round edges.

    They are of equal width; or of equal ratio, with edges at the powers of ten, where the values above 0 span more
    than a factor of 20: then those of 0 have a bin of their own.

    >>> [(one.low, one.high, one.count) for one in bins_of([1, 2, 2, 3])]
    [(1.0, 2.0, 1), (2.0, 3.0, 2), (3.0, 4.0, 1)]
    """
    if not values:
        return []
    if min(values) == max(values):
        return [Bin(float(values[0]), float(values[0]), len(values))]
    if not _by_ratio(values):
        return _counted(values, _even_edges(min(values), max(values), wanted, all(one == int(one) for one in values)))
    above = [value for value in values if value > 0]
    bins = _counted(above, _ratio_edges(min(above), max(above), wanted))
    zeros = len(values) - len(above)
    return [Bin(0.0, bins[0].low, zeros), *bins] if zeros else bins


def _by_ratio(values: Sequence[float]) -> bool:
    above = [value for value in values if value > 0]
    return min(values) >= 0 and bool(above) and max(above) > 20 * min(above)


def _even_edges(low: float, high: float, wanted: int, whole: bool) -> list[float]:
    """Return edges at multiples of 1, 2 or 5 times a power of ten.

    Where all values are whole the step is no less than 1, and the highest has a bin that starts with it or below.
    """
    power = math.floor(math.log10((high - low) / wanted)) if not whole or high - low > wanted else 0
    for step in (factor * 10.0**exponent for exponent in (power, power + 1, power + 2) for factor in (1, 2, 5)):
        first = math.floor(low / step + 1e-9)
        last = math.floor(high / step) + 1 if whole else math.ceil(high / step - 1e-9)
        if last - first <= wanted:
            break
    return [number * step for number in range(first, last + 1)]


def _ratio_edges(low: float, high: float, wanted: int) -> list[float]:
    """Return edges that divide each power of ten into as many bins, up to 5, as there is room for."""
    for parts in (5, 4, 3, 2, 1):
        first = math.floor(parts * math.log10(low) + 1e-9)
        last = math.ceil(parts * math.log10(high) - 1e-9)
        if last - first <= wanted:
            break
    return [10.0 ** (number / parts) for number in range(first, last + 1)]


def _counted(values: Sequence[float], edges: Sequence[float]) -> list[Bin]:
    counts = [0] * (len(edges) - 1)
    for value in values:
        # A value on an edge belongs above it, also where the edge was rounded up by a hair.
        counts[min(len(counts) - 1, max(0, bisect.bisect_right(edges, value * (1 + 1e-12)) - 1))] += 1
    return [Bin(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def histogram_figure(name: str, unit: str, values: Sequence[float]) -> str | None:
    """Return a histogram; None without values."""
    bins = bins_of(values)
    if not bins:
        return None
    width, height, left, right, top, bottom = 340, 150, 12, 12, 40, 22
    step = (width - left - right) / len(bins)
    most = max(one.count for one in bins)
    summary = f"median {_size(statistics.median(values))}, highest {_size(max(values))} {unit}".strip()
    summary += ", log scale" if _by_ratio(values) else ""
    parts = [_text(left, 14, name, "start", "title"), _text(left, 31, summary, "start", "tick")]
    floor = height - bottom
    for number, one in enumerate(bins):
        tall = (floor - top) * one.count / most
        told = f"{_size(one.low)} to {_size(one.high)} {unit}: {one.count:,}"
        parts.append(_rect(left + step * number + 0.5, floor - tall, max(1.0, step - 1), tall, "bar", told))
    parts.append(_line(left, floor, width - right, floor, "axis"))
    for number, edge in _ticks(bins):
        anchor = "start" if number == 0 else "end" if number == len(bins) else "middle"
        parts.append(_text(left + step * number, height - 6, _size(edge), anchor, "tick"))
    return _svg(width, height, name, f"Histogram of {len(values):,} answers; {summary}.", parts)


def _ticks(bins: Sequence[Bin]) -> list[tuple[int, float]]:
    """Return the edges to label, by their number: powers of ten, or up to five at even distances."""
    if len(bins) == 1:
        return [(0, bins[0].low)]
    edges = list(enumerate([*(one.low for one in bins), bins[-1].high]))
    if _by_ratio([one.low for one in bins if one.low > 0] + [bins[-1].high]):
        powers = [(number, edge) for number, edge in edges if edge > 0 and _is_power(edge)]
        zero = [edge for edge in edges[:1] if edge[1] == 0]
        if len(powers) > 1:
            return zero + powers
    return edges[:: math.ceil(len(bins) / 4)]


def _is_power(value: float) -> bool:
    return math.isclose(value, 10.0 ** round(math.log10(value)))


def _size(value: float) -> str:
    """Return a number in three digits or so.

    >>> _size(0.0123), _size(12.34), _size(1234), _size(1_200_000)
    ('0.012', '12.3', '1,234', '1,200,000')
    """
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _axis(left: float, scale: float, top: float, bottom: float) -> str:
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + scale * value
        parts.append(_line(x, top, x, bottom, "grid"))
        parts.append(_text(x, top - 7, f"{value:g}", "middle", "tick"))
    return "".join(parts)


def _svg(width: float, height: float, title: str, told: str, parts: Sequence[str]) -> str:
    limits = f"max-width:{width:g}px;min-width:{0.72 * width:.0f}px"  # smaller, its text could not be read
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" style="{limits}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str, told: str, style: str = "") -> str:
    shade = f' style="{style}"' if style else ""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{shade}>'
        f"<title>{escape(told)}</title></rect>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
