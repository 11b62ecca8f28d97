"""Tables and figures of the study, from the records alone.

    python training/study/report.py            # rewrites what stands between the marks in README.md, and figures/

Rewards of one sample are averaged over the seeds, then compared sample by sample, documents as clusters, tasks as
strata. A seed is a run of its own, so the spread between seeds is given beside.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from run import ESTIMATORS, HERE

from golong_eval.statistics import mean_interval, paired_test

START, END = "<!-- report: start -->", "<!-- report: end -->"
PUBLISHED_CV = {"dr_grpo": 0.54, "grpo": 0.34, "tmn": 0.18}
Record = dict[str, Any]


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=HERE / "records")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md")
    parser.add_argument("--no-figures", action="store_true")
    given = parser.parse_args()
    groups = read_records(given.records)
    text = report(groups)
    before, _, rest = given.readme.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    given.readme.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")
    if groups and not given.no_figures:
        draw(groups, given.readme.parent / "figures")
    print(text)


def read_records(folder: Path) -> dict[str, list[Record]]:
    """Return the whole records by estimator; those of one start, one set of samples and one length alone."""
    found: dict[str, list[Record]] = {}
    kinds: dict[str, str] = {}
    for name in ESTIMATORS:
        for file in sorted(folder.glob(f"{name}-[0-9]*.json")):
            record = json.loads(file.read_text())
            settings = {key: value for key, value in record["settings"].items() if key not in ("estimator", "seed")}
            kinds.setdefault(json.dumps([settings, record["start"], record["samples"]], sort_keys=True), file.name)
            found.setdefault(name, []).append(record)
    if len(kinds) > 1:
        raise SystemExit(f"the records are not of one study: {' and '.join(kinds.values())} differ in their settings")
    return found


def report(groups: dict[str, list[Record]]) -> str:
    """Return the tables."""
    if not groups:
        return "No run is complete yet."
    parts = [_settings(groups), _means(groups), _tasks(groups), _against(groups), _balance(groups), _shares(groups)]
    return "\n\n".join(parts)


def _settings(groups: dict[str, list[Record]]) -> str:
    record = next(iter(groups.values()))[0]
    settings = record["settings"]
    runs = ", ".join(f"{name} {len(records)}" for name, records in groups.items())
    seconds = [record["seconds"] / 60 for records in groups.values() for record in records]
    rollouts = 9 * settings["prompts_per_task"] * settings["group"]
    missing = [name for name in ESTIMATORS if name not in groups]
    return (
        f"Runs: {runs}{'; none yet: ' + ', '.join(missing) if missing else ''}. Each: {settings['steps']} steps of "
        f"{rollouts} rollouts ({settings['prompts_per_task']} prompts a task, groups of {settings['group']}), learning "
        f"rate {settings['rate']:g}; {min(seconds):.0f} to {max(seconds):.0f} minutes on {record['threads']} "
        f"thread{'s' if record['threads'] > 1 else ''}. Held-out: {len(record['before']['samples'])} samples."
    )


def _rows(records: Sequence[Record], when: str) -> dict[str, tuple[str, str, float]]:
    """Return task, cluster and mean reward over seeds of each held-out sample."""
    samples = [record[when]["samples"] for record in records]
    return {
        name: (first["task"], first["cluster"], statistics.fmean(each[name]["reward"] for each in samples))
        for name, first in samples[0].items()
        if all(name in each for each in samples)
    }


def _compare(first: Sequence[Record], then: Sequence[Record], when: tuple[str, str], task: str | None = None) -> Any:
    """Return the paired test of two sets of runs, over all tasks (as strata) or one."""
    left, right = _rows(first, when[0]), _rows(then, when[1])
    names = [name for name in left if name in right and task in (None, left[name][0])]
    return paired_test(
        [left[name][2] for name in names],
        [right[name][2] for name in names],
        [left[name][1] for name in names],
        strata=[left[name][0] for name in names],
    )


def _means(groups: dict[str, list[Record]]) -> str:
    rows = []
    for name, records in groups.items():
        test = _compare(records, records, ("before", "after"))
        after = _rows(records, "after")
        interval = mean_interval(
            [row[2] for row in after.values()],
            [row[1] for row in after.values()],
            strata=[row[0] for row in after.values()],
        )
        seeds = ", ".join(f"{record['after']['mean']:.3f}" for record in records)
        rows.append(
            (
                name,
                f"{statistics.fmean(record['before']['mean'] for record in records):.3f}",
                f"{interval.mean:.3f} ({ends(interval)})",
                f"{test.difference:+.3f} ({ends(test, '+')})",
                _p(test.p_value),
                seeds,
            )
        )
    return "**Mean held-out reward, greedy answers**\n\n" + as_table(
        ("estimator", "before", "after (95 %)", "difference (95 %)", "p", "after, by seed"), rows
    )


def _tasks(groups: dict[str, list[Record]]) -> str:
    tasks = sorted(next(iter(groups.values()))[0]["before"]["tasks"])
    rows = [("supervised start", *(f"{next(iter(groups.values()))[0]['before']['tasks'][task]:.3f}" for task in tasks))]
    for name, records in groups.items():
        cells = []
        for task in tasks:
            test = _compare(records, records, ("before", "after"), task)
            mean = statistics.fmean(record["after"]["tasks"][task] for record in records)
            clear = "" if test.low is None or test.low <= 0 <= test.high else "**"
            cells.append(f"{clear}{mean:.3f}{clear}")
        rows.append((name, *cells))
    return (
        "**Held-out reward after, by task** (bold: the interval of the paired difference to the start excludes 0)\n\n"
        + as_table(("estimator", *tasks), rows)
    )


def _against(groups: dict[str, list[Record]]) -> str:
    if "grpo" not in groups:
        return ""
    rows = []
    for name, records in groups.items():
        if name != "grpo":
            test = _compare(groups["grpo"], records, ("after", "after"))
            rows.append(
                (
                    name,
                    f"{test.difference:+.3f} ({ends(test, '+')})",
                    _p(test.p_value),
                    "–" if test.minimum_detectable is None else f"{test.minimum_detectable:.3f}",
                )
            )
    return "**Against grpo, after training, the same samples**\n\n" + as_table(
        ("estimator", "difference (95 %)", "p", "least difference that would show"), rows
    )


def _balance(groups: dict[str, list[Record]]) -> str:
    rows = []
    for name, records in groups.items():
        series = [[step.get("cv_abs_advantage", math.nan) for step in record["steps"]] for record in records]
        whole = [value for each in series for value in each if not math.isnan(value)]
        third = len(series[0]) // 3
        early = [value for each in series for value in each[:third] if not math.isnan(value)]
        late = [value for each in series for value in each[-third:] if not math.isnan(value)]
        rows.append(
            (
                name,
                f"{statistics.fmean(whole):.2f}",
                f"{statistics.fmean(early):.2f}" if early else "–",
                f"{statistics.fmean(late):.2f}" if late else "–",
                f"{PUBLISHED_CV[name]:.2f}" if name in PUBLISHED_CV else "–",
            )
        )
    return "**Imbalance between tasks, cv(|A|), mean over steps**\n\n" + as_table(
        ("estimator", "here", "first third", "last third", "published"), rows
    )


def _shares(groups: dict[str, list[Record]]) -> str:
    tasks = sorted(next(iter(groups.values()))[0]["before"]["tasks"])
    rows = []
    for name, records in groups.items():
        shares = [
            statistics.fmean(
                step.get(f"{task}/share_of_advantage", 0.0) for record in records for step in record["steps"]
            )
            for task in tasks
        ]
        rows.append((name, *(f"{100 * share:.0f} %" for share in shares)))
    return "**Share of the advantage mass (sum of |A|), mean over steps**\n\n" + as_table(("estimator", *tasks), rows)


def ends(found: Any, sign: str = "") -> str:
    """Return an interval's ends, or why there is none."""
    return found.method if found.low is None else f"{found.low:{sign}.3f} to {found.high:{sign}.3f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def as_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(groups: dict[str, list[Record]], folder: Path) -> None:
    """Draw the learning curves, the imbalance and the shares."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name, records in groups.items():
        for axis, key in zip(axes, ("mean_task_reward", "cv_abs_advantage"), strict=True):
            series = [_smooth([step.get(key, math.nan) for step in record["steps"]]) for record in records]
            length = min(map(len, series))
            mean = [statistics.fmean(each[at] for each in series) for at in range(length)]
            (line,) = axis.plot(range(1, length + 1), mean, label=name)
            for each in series if len(series) > 1 else ():
                axis.plot(range(1, length + 1), each[:length], color=line.get_color(), alpha=0.2, linewidth=0.8)
    axes[0].set(xlabel="step", ylabel="reward of rollouts, mean of tasks", title="Learning curves")
    axes[1].set(xlabel="step", ylabel="cv(|A|) over tasks", title="Imbalance between tasks")
    axes[0].legend(fontsize=7)
    figure.savefig(folder / "curves.png", dpi=110)
    plt.close(figure)
    tasks = sorted(next(iter(groups.values()))[0]["before"]["tasks"])
    figure, panels = plt.subplots(3, 3, figsize=(10, 7), layout="constrained", sharex=True)
    for panel, task in zip(panels.flat, tasks, strict=True):
        for name, records in groups.items():
            series = [
                _smooth([step.get(f"{task}/mean_reward", math.nan) for step in record["steps"]]) for record in records
            ]
            length = min(map(len, series))
            panel.plot(
                range(1, length + 1),
                [statistics.fmean(each[at] for each in series) for at in range(length)],
                label=name,
            )
        panel.set_title(task, fontsize=9)
    panels.flat[0].legend(fontsize=6)
    figure.supxlabel("step")
    figure.supylabel("reward of rollouts")
    figure.savefig(folder / "tasks.png", dpi=110)
    plt.close(figure)


def _smooth(values: Sequence[float], weight: float = 0.8) -> list[float]:
    smoothed: list[float] = []
    last = math.nan
    for value in values:
        if not math.isnan(value):
            last = value if math.isnan(last) else weight * last + (1 - weight) * value
        smoothed.append(last)
    return smoothed


if __name__ == "__main__":
    main()
