"""``golong score``: score again without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from golong_eval.cli.model_options import (
    EmbedderModel,
    JudgeBudget,
    JudgeCache,
    JudgePrice,
    JudgeSwap,
    KeyEnv,
    ServerUrl,
    embedder_settings,
    judge_settings,
)

__all__ = ["score"]


def score(
    path: Annotated[Path | None, typer.Argument(help="Folder of a run, or JSONL file of responses.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Score a file of stored predictions by this benchmark's two rules.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="That file: JSON, JSONL, CSV, TSV or parquet.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="What a column that the scorer reads is called there. Repeatable."),
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Judge for what the benchmark's rule can't decide.")
    ] = None,
    judge_url: ServerUrl = None,
    judge_key_env: KeyEnv = "OPENAI_API_KEY",
    judge_max_tokens: JudgeBudget = 1024,
    judge_swap: JudgeSwap = False,
    judge_cache: JudgeCache = None,
    judge_price: JudgePrice = None,
    embedder: EmbedderModel = None,
    embedder_url: ServerUrl = None,
    embedder_key_env: KeyEnv = "OPENAI_API_KEY",
    samples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples that the responses of a file belong to.")
    ] = None,
    variant: Annotated[str | None, typer.Option(help="strict or official, for all tasks.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="TASK=METRIC", help="Metric of one task; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the score of each response of a file (JSONL).")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="Folder with tasks of your own; may be repeated.")
    ] = None,
    report: Annotated[
        bool, typer.Option(help="Write report.html, or report.VARIANT.html, into the run's folder.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of a table.")] = False,
) -> None:
    """Score a run again, or responses that came from elsewhere, and print the table.

    A line of a file is {"id": ..., "response": ...} with --samples, or {"metric": ..., "gold": ..., "response": ...}.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.errors import ConfigError
    from golong_eval.harness import RunSettings, rescore_run, score_file, score_predictions
    from golong_eval.reports import results_text
    from golong_eval.reports.run_report import report_line
    from golong_eval.reports.terminal import json_text, shown

    metrics = _pairs("--metric", metric, "TASK=METRIC", "t7=ndcg")
    file = predictions or path
    if file is None:
        raise ConfigError("nothing is named", "golong score RUN, or FILE, or --benchmark NAME --predictions FILE")
    if predictions is not None and (benchmark is None or path is not None):
        raise ConfigError(
            "--predictions is a benchmark's, and takes the place of the path",
            "golong score --benchmark NAME --predictions FILE",
        )
    path = file
    if benchmark is not None:
        _refuse(
            {
                "--variant": variant,
                "--metric": metric,
                "--samples": samples,
                "--include": include,
                "--embedder": embedder,
                "--embedder-url": embedder_url,
            },
            "a benchmark's stored predictions are scored by both of its rules, without",
        )
    else:
        _refuse({"--column": column}, "only --benchmark has")
        _refuse(
            {"--judge": judge, "--judge-url": judge_url},
            "only --benchmark has",
            f"golong judge {path} judges a run" if path.is_dir() else "leave it out",
        )
        if not path.is_dir():
            _refuse({"--embedder": embedder, "--embedder-url": embedder_url}, "only a run has")
    models = RunSettings.make(
        judge=judge_settings(
            judge=judge,
            judge_url=judge_url,
            judge_key_env=judge_key_env,
            judge_max_tokens=judge_max_tokens,
            judge_swap=judge_swap,
            judge_cache=judge_cache,
            judge_price=judge_price,
        ),
        embedder=embedder_settings(
            embedder=embedder,
            embedder_url=embedder_url,
            embedder_key_env=embedder_key_env,
            embedder_cache=None,
        ),
    )
    if benchmark is not None:
        results = score_predictions(
            benchmark,
            file,
            columns=_pairs("--column", column, "NAME=COLUMN", "answers=gold"),
            judge=models.judge,
            out=out,
        )
    elif path.is_dir():
        if samples is not None or out is not None:
            raise ConfigError("--samples and --out are for files of responses; a run has its own", "leave them out")
        with progress_display() as show:
            results = rescore_run(
                path,
                variant=variant,
                metrics=metrics,
                include=include or [],
                embedder=models.embedder,
                on_progress=show,
            )
    else:
        results = score_file(path, samples=samples, variant=variant, metrics=metrics, include=include or [], out=out)
    typer.echo(json_text(results) if json else shown(results_text(results)))
    if report and path.is_dir():
        typer.echo(shown(report_line(results)), err=json)
    if results.to_ask_again:
        raise typer.Exit(2)


def _refuse(options: dict[str, object], why: str, hint: str = "leave it out") -> None:
    """Refuse an option that would do nothing here."""
    from golong_eval.errors import ConfigError

    for option, value in options.items():
        if value:
            raise ConfigError(f"{why} {option}", hint)


def _pairs(option: str, given: list[str] | None, form: str, example: str) -> dict[str, str]:
    from golong_eval.errors import ConfigError

    pairs = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{option} {pair!r} is not {form}", f"for instance {option} {example}")
        pairs[name] = value
    return pairs
