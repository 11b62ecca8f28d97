"""What the tables say of benchmarks: both scorings, their flaws once, groups, the line of a suite."""

from __future__ import annotations

from golong_eval.harness.results import (
    Estimate,
    Group,
    Headline,
    JudgeUsage,
    Published,
    Results,
    SuiteCell,
    SuiteLine,
    TaskResult,
)
from golong_eval.harness.suite_table import suite_line
from golong_eval.reports.benchmark_tables import benchmarks_table, groups_tables, suite_table
from golong_eval.reports.export.markdown import results_markdown
from golong_eval.reports.results_text import results_text


def estimate(mean: float, n: int = 10) -> Estimate:
    return Estimate(mean=mean, low=mean - 0.1, high=mean + 0.1, stderr=0.05, method="bootstrap-t", n=n, clusters=n)


def row(task: str, mean: float, *, published: float, flaws: str = "", macro: float | None = None) -> TaskResult:
    groups = (Group(by="domain", group="law", score=estimate(mean, 4), scored=4),)
    headline = None if macro is None else Headline(of="2 domains", score=estimate(macro))
    return TaskResult(
        task=task,
        name=task.title(),
        metric="corpusqa[strict,v1]",
        task_version=1,
        prompt_hash="0" * 12,
        data_revision="0" * 16,
        n=10,
        samples=10,
        scored=10,
        coverage=1.0,
        mean=mean,
        mean_scored=mean,
        chance=None,
        low=mean - 0.1,
        high=mean + 0.1,
        interval="bootstrap-t",
        clusters=10,
        cap_hit_rate=0.0,
        context_cut_rate=0.0,
        statuses={"ok": 10},
        groups=groups,
        headline=headline,
        published=Published(
            metric="corpusqa[official,v1]",
            mean=published,
            low=None,
            high=None,
            scored=10,
            headline=None if macro is None else Headline(of="2 domains", score=estimate(macro + 0.2)),
            groups=(Group(by="domain", group="law", score=estimate(published, 4), scored=4),),
            flaws=flaws,
        ),
    )


def run(*rows: TaskResult, **changes: object) -> Results:
    made = Results(
        golong_eval="0",
        run="runs/m/1",
        model="m",
        engine="vllm",
        context="full",
        started="2026-01-01T00:00:00+00:00",
        tasks=rows,
    )
    return made.model_copy(update=changes)


def test_both_scorings_stand_side_by_side_headline_first() -> None:
    table = benchmarks_table(run(row("a", 0.5, published=0.4), row("b", 0.5, published=0.4, macro=0.3)))
    assert table is not None
    assert [list(cells) for cells in table.rows] == [
        ["a", "0.500", "0.400 – 0.600", "0.400", "–", "10 answers"],
        ["b", "0.300", "0.200 – 0.400", "0.500", "0.400 – 0.600", "2 domains"],
    ]


def test_a_flaw_that_benchmarks_share_is_told_once_with_their_names() -> None:
    results = run(
        row("a", 0.5, published=0.4, flaws="counts wrong"), row("b", 0.5, published=0.4, flaws="counts wrong")
    )
    assert results_text(results).count("counts wrong") == 1
    assert "a, b: counts wrong" in results_text(results)


def test_who_judged_and_what_it_took_is_told() -> None:
    usage = JudgeUsage(judge="j@1", questions=7, errors=1, cached=2, prompt_tokens=1234, completion_tokens=5)
    told = results_text(run(row("a", 0.5, published=0.4), judge=usage))
    assert (
        "judge j@1: 7 questions that no rule decides (2 from the cache), 1 without a verdict; 1,234 + 5 tokens" in told
    )


def test_groups_are_in_the_long_report_alone() -> None:
    results = run(row("a", 0.5, published=0.4))
    (table,) = groups_tables(results)
    assert table.title == "a by domain"
    assert list(table.rows[0]) == ["law", "4", "0.500 (0.400 – 0.600)", "0.400 (0.300 – 0.500)"]
    assert "a by domain" not in results_text(results)
    assert "a by domain" in results_text(results, details=True)
    assert "a by domain" in results_markdown(results)


def test_a_suite_has_a_line_of_percents_and_an_average_of_whole_lines_only() -> None:
    cells = (SuiteCell(name="x", score=0.5, published=0.25, n=4), SuiteCell(name="y", score=None, published=0.5, n=0))
    line = SuiteLine(suite="golong-128k", cells=cells, average=None, published_average=0.375)
    table = suite_table(run(row("a", 0.5, published=0.4), suite=line))
    assert table is not None
    assert list(table.header) == ["suite golong-128k", "x", "y", "average"]
    assert [list(cells) for cells in table.rows] == [
        ["strict", "50.00", "–", "–"],
        ["as published", "25.00", "50.00", "37.50"],
    ]


def test_the_average_of_a_suite_is_the_plain_mean_of_its_columns() -> None:
    names = ("docmath", "longbench_v2", "frames", "mrcr_128k", "corpusqa_128k", "longbench_v1_qa")
    rows = [row(name, place / 10, published=place / 20) for place, name in enumerate(names)]
    line = suite_line("golong-128k", rows)
    assert line is not None
    assert tuple(cell.name for cell in line.cells) == names
    assert (round(line.average or 0, 9), round(line.published_average or 0, 9)) == (0.25, 0.125)
    assert suite_line(None, rows) is None
    missing = suite_line("golong-128k", rows[:5])
    assert missing is not None
    assert missing.average is None
