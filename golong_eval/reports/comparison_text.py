"""A comparison of runs for a terminal and, with real links, for Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from golong_eval.harness import Comparison, Paired, RunComparison, RunFacts, SamplePair, TaskComparison
from golong_eval.reports.markdown_text import code, escaped, link
from golong_eval.reports.table import table
from golong_eval.reports.terminal import shown_line

__all__ = ["comparison_markdown", "comparison_text"]

_AVERAGE = "average"
_PLACE, _REPEAT = "#sample=", "&repeat=0"  # of a sample in a report
_NO_INTERVAL = {
    "one cluster": "all samples share one document or context: neither an interval nor a test",
    "all equal": "no interval: the difference is the same in all clusters",
}


def comparison_text(comparison: Comparison) -> str:
    """Return the comparison as text: for each run a table against the baseline, what was found, what to know."""
    lines: list[str] = []
    for one in comparison.comparisons:
        header, rows = _table(comparison, one)
        lines += _head(comparison, one)
        lines += ["", *table(header, rows, right=range(2, len(header))), *_legend(comparison), ""]
        lines += [*_findings(comparison, one), *_bulleted("to know:", _notes(one), "  ")]
        for title, found in _extremes(one):
            lines += ["", title, *_pairs_text(comparison.baseline, one.run, found)]
        lines += ["", ""]
    return "\n".join(lines).rstrip()


def comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown, its samples linked to the runs' HTML reports where there are some."""
    lines: list[str] = []
    for one in comparison.comparisons:
        header, rows = _table(comparison, one)
        head = _head(comparison, one)
        lines += [f"## {escaped(head[0])}", "", *(f"- {escaped(line)}" for line in head[1:]), ""]
        lines += [*_grid(header, rows, right=range(2, len(header))), ""]
        lines += [escaped(" ".join(_legend(comparison))), ""]
        lines += [f"- {escaped(finding)}" for finding in _findings(comparison, one)]
        if notes := _notes(one):
            lines += ["", "To know:", "", *(f"- {escaped(note)}" for note in notes)]
        for name, found in _extremes(one):
            lines += ["", f"### {escaped(name)}", "", *_pairs_markdown(comparison.baseline, one.run, found)]
        lines.append("")
    return "\n".join(lines).rstrip()


def _head(comparison: Comparison, one: RunComparison) -> list[str]:
    differ = ", ".join(one.differ_in) or "nothing that is recorded"
    runs = [
        f"{facts.label}: {facts.engine}, context {facts.context}, {facts.started}, {facts.path}"
        for facts in (comparison.baseline, one.run)
    ]
    return [f"{one.run.label} compared with {comparison.baseline.label}", *runs, f"differ in: {differ}"]


def _table(comparison: Comparison, one: RunComparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    header = (
        "task",
        "metric",
        "n",
        "clusters",
        comparison.baseline.label,
        one.run.label,
        "difference",
        "95 % interval",
        "p (Holm)",
        "detectable",
        "won/lost/tied",
    )
    rows = [
        (row.task, row.metric, *_cells(row), _p(row.p_holm, significant=bool(row.significant)), *_rest(row))
        for row in one.tasks
    ]
    if one.average is not None:
        rows.append(
            (_AVERAGE, "", *_cells(one.average), _p(one.average.p_value, significant=False), *_rest(one.average))
        )
    return header, rows


def _cells(row: Paired) -> tuple[str, ...]:
    interval = "–" if row.low is None or row.high is None else f"{_signed(row.low)} to {_signed(row.high)}"
    means = f"{row.baseline_mean:.3f}", f"{row.other_mean:.3f}"
    return str(row.n), str(row.clusters), *means, _signed(row.difference), interval


def _rest(row: Paired) -> tuple[str, ...]:
    return _detectable(row.minimum_detectable), f"{row.wins}/{row.losses}/{row.ties}"


def _legend(comparison: Comparison) -> list[str]:
    average = any(one.average is not None for one in comparison.comparisons)
    adjusted = f" after Holm's method for all {comparison.family} tests here" if comparison.family > 1 else ""
    lines = [
        f"* p below {comparison.alpha:g}{adjusted}; each interval is for itself.",
        f"detectable: the true difference that a row's test by itself finds with a chance of {_chance(comparison)}.",
    ]
    if average:
        lines.append("The average gives every task the same weight; its p is its own, and no part of Holm's family.")
    return lines


def _findings(comparison: Comparison, one: RunComparison) -> list[str]:
    """Return what was found, in sentences: the differences, then where none was found, and what could have been."""
    found: list[str] = []
    none: dict[str, list[str]] = defaultdict(list)
    unseen: list[TaskComparison] = []
    among = "" if comparison.family == 1 else f" among {comparison.family} tests"
    for row in one.tasks:
        if row.significant:
            found.append(f"{row.task}: {_higher(one, row)} (p {_p_text(row.p_holm)}{among})")
        elif row.p_value is None:
            none["all samples are of one cluster, so there is nothing to test by"].append(row.task)
        elif row.p_value < comparison.alpha:
            found.append(
                f"{row.task}: {_higher(one, row)}, which is no finding: p is {_p_text(row.p_value)} alone, and "
                f"{_p_text(row.p_holm)}{among}"
            )
        elif not row.wins and not row.losses:
            none["all scores are equal"].append(row.task)
        elif row.minimum_detectable is None or row.minimum_detectable > 1:
            none["no difference was found, and too few clusters differ to say what could have been"].append(row.task)
        else:
            unseen.append(row)
    if len(unseen) == 1:
        found.append(f"{unseen[0].task}: {_not_found(unseen[0], comparison)}")
    elif unseen:
        tasks = ", ".join(row.task for row in unseen)
        found.append(f"{tasks}: no difference was found; one as large as under 'detectable' {_would(comparison)}")
    found += [f"{', '.join(tasks)}: {why}" for why, tasks in none.items()]
    average = one.average
    if average is not None and average.p_value is not None:
        if average.p_value < comparison.alpha:
            found.append(f"{_AVERAGE}: {_higher(one, average)} (p {_p_text(average.p_value)})")
        elif average.minimum_detectable is not None and average.minimum_detectable <= 1:
            found.append(f"{_AVERAGE}: {_not_found(average, comparison)}")
    return found


def _higher(one: RunComparison, row: Paired) -> str:
    way = "higher" if row.difference > 0 else "lower"
    text = f"{one.run.label} is {way} by {abs(row.difference):.3f}"
    both = row.scored_in_both if isinstance(row, TaskComparison) else None
    if both is not None and both.difference is not None:
        # A server that failed is no finding about a model.
        text += f" ({both.difference:+.3f} where both runs have a score)"
    return text


def _not_found(row: Paired, comparison: Comparison) -> str:
    could = f"one of {_detectable(row.minimum_detectable)} or more"
    return f"no difference was found; {could} {_would(comparison, alone=row)}"


def _would(comparison: Comparison, alone: Paired | None = None) -> str:
    """Say that a difference would have been found; where tests are adjusted for their number, by which of them."""
    adjusted = comparison.family > 1 and (alone is None or isinstance(alone, TaskComparison))
    return f"would have been ({_chance(comparison)}{', by a test alone' if adjusted else ''})"


def _notes(one: RunComparison) -> list[str]:
    """Return what a reader of the table must know: what was left out, then what weakens it."""
    notes = []
    refused: dict[tuple[str, str], list[str]] = defaultdict(list)
    for task in one.refused:
        refused[task.reason, task.hint].append(task.task)
    notes += [f"not compared: {', '.join(names)}: {reason} – {hint}" for (reason, hint), names in refused.items()]
    for label, tasks in (("the baseline", one.only_baseline), (one.run.label, one.only_other)):
        if tasks:
            notes.append(f"only in {label}: {', '.join(tasks)}")
    failing = {row.task for row in one.tasks if row.scored_in_both is not None}
    # A failing task has one note of its own, below, instead of three.
    notes += [
        caution.message
        for caution in one.cautions
        if caution.task not in failing or caution.about not in ("failures", "coverage")
    ]
    notes += [_failures(one, row) for row in one.tasks if row.task in failing]
    methods: dict[str, list[str]] = defaultdict(list)
    for row in one.tasks:
        if row.low is None and (row.wins or row.losses):
            methods[row.method].append(row.task)
    average = one.average
    if average is not None and average.low is None and (average.wins or average.losses):
        methods[average.method].append(_AVERAGE)
    for method, without in methods.items():
        notes.append(f"{', '.join(without)}: {_NO_INTERVAL.get(method, f'no interval: {method}')}")
    return notes


def _failures(one: RunComparison, row: TaskComparison) -> str:
    both = row.scored_in_both
    assert both is not None
    told = [
        caution.message.removeprefix(f"{row.task}: ")
        for caution in one.cautions
        if caution.task == row.task and caution.about == "failures"
    ]
    if both.difference is None:
        without = "no sample has a score in both runs"
    else:
        ends = "" if both.low is None or both.high is None else f" ({_signed(both.low)} to {_signed(both.high)})"
        without = f"over the {both.n} scored in both runs the difference is {_signed(both.difference)}{ends}"
    return f"{row.task}: {'; '.join(told)}; {without}"


def _extremes(one: RunComparison) -> list[tuple[str, tuple[SamplePair, ...]]]:
    """Return the listed samples under their titles."""
    gained = sum(row.wins for row in one.tasks)
    lost = sum(row.losses for row in one.tasks)
    found = ((f"largest gains of {one.run.label}", one.gains, gained), ("largest losses", one.losses, lost))
    return [(f"{title} ({len(pairs)} of {count})", pairs) for title, pairs, count in found if pairs]


def _pairs_text(baseline: RunFacts, run: RunFacts, pairs: Sequence[SamplePair]) -> list[str]:
    rows = [_pair_cells(pair) for pair in pairs]
    lines = table(("task", "sample", baseline.label, run.label, "difference"), rows, right=range(2, 5))
    for facts, places in ((baseline, [pair.baseline_at for pair in pairs]), (run, [pair.other_at for pair in pairs])):
        found = [place for place in places if place is not None]
        if found and not found[0].endswith(_REPEAT):
            found = found[:1]  # one command says how to read any
        lines += [f"{facts.label}: {place}" for place in found]
    return lines


def _pairs_markdown(baseline: RunFacts, run: RunFacts, pairs: Sequence[SamplePair]) -> list[str]:
    header = ("task", "sample", baseline.label, run.label, "difference", "read")
    rows = []
    for pair in pairs:
        links = [_link(facts.label, at) for facts, at in ((baseline, pair.baseline_at), (run, pair.other_at))]
        rows.append((*_pair_cells(pair), ", ".join(links)))
    return _grid(header, rows, right=range(2, 5), written=5)


def _pair_cells(pair: SamplePair) -> tuple[str, ...]:
    scores = (_pair_score(pair.baseline, pair.baseline_failures), _pair_score(pair.other, pair.other_failures))
    return pair.task, shown_line(pair.sample), *scores, _signed(pair.difference)


def _pair_score(score: float, failures: int) -> str:
    return f"{score:.3f}" + (" (failed)" if failures else "")


def _link(label: str, at: str | None) -> str:
    if at is None:
        return ""
    if not at.endswith(_REPEAT):  # a command, in which such an end would stand in quotes
        return code(at)
    path, _, sample = at.rpartition(_PLACE)
    return link(label, path, f"sample={sample}")


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], right: range, written: int | None = None) -> list[str]:
    """Return a Markdown table; the cells of the column ``written`` are Markdown already."""

    def line(row: Sequence[str]) -> str:
        return (
            "| "
            + " | ".join(cell if place == written else escaped(cell.strip()) for place, cell in enumerate(row))
            + " |"
        )

    rule = "|" + "|".join("--:" if place in right else "---" for place in range(len(header))) + "|"
    return [line(header), rule, *(line(row) for row in rows)]


def _bulleted(title: str, lines: Sequence[str], before: str) -> list[str]:
    return ["", title, *(before + line for line in lines)] if lines else []


def _signed(value: float) -> str:
    return f"{value:+.3f}" if round(value, 3) else "0.000"


def _detectable(value: float | None) -> str:
    return "–" if value is None or value > 1 else f"{value:.3f}"


def _p(value: float | None, *, significant: bool) -> str:
    # Two spaces in place of the star keep the numbers below one another.
    return "–" if value is None else _p_text(value) + (" *" if significant else "  ")


def _p_text(value: float | None) -> str:
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _chance(comparison: Comparison) -> str:
    return f"{100 * comparison.power:g} %"
