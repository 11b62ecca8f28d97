"""The phase after the answers: ask the judge what no rule can decide, then score; a stored run can repeat it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golong_eval.benchmarks import Benchmark, judge_questions
from golong_eval.errors import ConfigError, DataError, JudgeError
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.records import Key, read_predictions
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.harness.scoring import answer_to_score, score_run
from golong_eval.harness.scoring_models import (
    note_models,
    open_embedder_of,
    read_verdicts,
    stored_models,
    verdicts_file,
)
from golong_eval.harness.settings import NOBODY, EmbedderSettings, JudgeSettings, RunSettings
from golong_eval.harness.task_book import Task, tasks_named
from golong_eval.judges.question import JudgeQuestion, Verdict
from golong_eval.schema import Generation, Sample
from golong_eval.tasks import read_samples

if TYPE_CHECKING:
    from golong_eval.judges import Judge

__all__ = ["check_models", "judge_and_score", "judge_run", "opened_judge", "questions_by_answer"]

_AT_ONCE = 64  # questions between two writes


def check_models(settings: RunSettings, specs: Mapping[str, Task], benchmarks: Iterable[str]) -> None:
    """Check, before anything is generated, that the judge and the embedder that scoring needs are there and answer.

    Raises:
        ConfigError: A benchmark needs a judge, and none is named; or one is named that nothing needs.
        JudgeError: The judge or the embedder does not answer, or does not know the model.
    """
    tasks = [specs[name] for name in benchmarks]
    judged = [spec for spec in tasks if isinstance(spec, Benchmark) and "judge" in spec.needs]
    if judged and settings.judge is None:
        raise ConfigError(
            f"{judged[0].name} needs a judge for the answers that its rule can't decide",
            "name one with --judge MODEL --judge-url URL; or --judge none: those answers then have no score",
        )
    if settings.judge is not None and settings.judge.models != (NOBODY,) and judged:
        with opened_judge(settings.judge) as judge:
            judge.check()
    if settings.embedder is not None:
        if not any(isinstance(spec, Benchmark) and spec.embeds for spec in tasks):
            raise ConfigError("--embedder is given, and no benchmark of the run has a semantic part", "leave it out")
        if settings.embedder.model != NOBODY:
            open_embedder_of(settings.embedder)(["a text"])


def open_judge_of(settings: JudgeSettings) -> Judge:
    """Return the judge that settings name."""
    from golong_eval.judges import open_judge

    return open_judge(
        settings.models,
        base_url=settings.base_url,
        api_key_env=settings.api_key_env,
        max_tokens=settings.max_tokens,
        concurrency=settings.concurrency,
        swap=settings.swap,
        cache=settings.cache,
    )


@contextlib.contextmanager
def opened_judge(settings: JudgeSettings) -> Iterator[Judge]:
    """Open a judge, and release what it holds afterwards."""
    judge = open_judge_of(settings)
    try:
        yield judge
    finally:
        close = getattr(judge, "close", None)
        if close is not None:
            close()


def judge_and_score(
    folder: RunFolder,
    specs: Mapping[str, Task],
    samples: Sequence[Sample],
    *,
    settings: RunSettings,
    stopped: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Results:
    """Judge a run's answers where that is needed, and score it.

    A judge that goes away loses nothing: what it has said is stored, and the answers it has not judged have no score.

    Args:
        folder: The run's folder.
        specs: The tasks by id.
        samples: The run's samples.
        settings: Name the judge and the embedder.
        stopped: Why the run ended early, if it did.
        on_progress: Told of what is done.
    """
    models = stored_models(folder, settings.embedder)
    if settings.judge is not None and settings.judge.models == (NOBODY,):
        note_models(folder, judge=None)
        models = dataclasses.replace(models, judge=None, verdicts={})
    elif settings.judge is not None:
        questions = _questions(folder, specs, samples, settings.repeats_of)
        if questions:
            with opened_judge(settings.judge) as judge:
                identity, verdicts = _asked(folder, judge, questions, on_progress)
            models = dataclasses.replace(models, judge=identity, verdicts=verdicts, price=settings.judge.price)
    return score_run(folder, specs, samples, stopped=stopped, models=models, on_progress=on_progress)


def judge_run(
    path: Path | str,
    judge: JudgeSettings,
    *,
    embedder: EmbedderSettings | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Results:
    """Judge a stored run again, by the same judge (which is asked what it has not decided) or another, and score it.

    Args:
        path: The run's folder.
        judge: The judge.
        embedder: The embedder, where a score has a semantic part.
        on_progress: Told of what is done.

    Raises:
        DataError: The folder holds no run, or a damaged one.
        ConfigError: Nothing in the run needs a judge, or none is named.
        JudgeError: The judge does not answer.
    """
    path = Path(path)
    if judge.models == (NOBODY,):
        raise ConfigError("--judge none asks nobody", f"golong score {path} scores it by what is stored")
    if not (path / "config.json").is_file():
        raise DataError("no config.json here", "name the folder of a run", file=path)
    with RunFolder(path) as folder:
        stored = folder.read_json("config.json") or {}
        settings: dict[str, Any] = stored.get("settings", {})
        samples = list(read_samples(folder.samples))
        specs = tasks_named((sample.task for sample in samples), settings.get("include", ()))
        if not any(isinstance(spec, Benchmark) and "judge" in spec.needs for spec in specs.values()):
            raise ConfigError("nothing in this run needs a judge", f"golong score {path} scores it by its rules")
        asked = RunSettings.make(
            judge=judge,
            embedder=embedder,
            repeats=settings.get("repeats", 1),
            task_repeats=settings.get("task_repeats") or {},
            temperature=1.0,
        )
        with opened_judge(judge) as opened:
            opened.check()
        stopped = (folder.read_json("results.json") or {}).get("stopped")
        return judge_and_score(folder, specs, samples, settings=asked, stopped=stopped, on_progress=on_progress)


def _questions(
    folder: RunFolder, specs: Mapping[str, Task], samples: Sequence[Sample], repeats_of: Callable[[str], int]
) -> list[JudgeQuestion]:
    """Return what no rule can decide, each question once."""
    judged = [name for name, spec in specs.items() if isinstance(spec, Benchmark) and "judge" in spec.needs]
    answers = read_predictions(folder.predictions, judged)
    wanted = {key: answer for key, answer in answers.items() if answer.text is not None}
    of_answers = questions_by_answer(specs, samples, wanted, repeats_of).values()
    return list({question.key: question for asked in of_answers for question in asked}.values())


def questions_by_answer(
    specs: Mapping[str, Task],
    samples: Iterable[Sample],
    answers: Mapping[Key, Generation],
    repeats_of: Callable[[str], int],
) -> dict[Key, list[JudgeQuestion]]:
    """Return what a judge has to be asked about each answer, by sample id and repeat, for either rule.

    Args:
        specs: The tasks by id.
        samples: The run's samples.
        answers: The answers.
        repeats_of: Tells by the task how many answers are wanted of a sample.
    """
    found: dict[Key, list[JudgeQuestion]] = {}
    for sample in samples:
        spec = specs.get(sample.task)
        if not isinstance(spec, Benchmark) or "judge" not in spec.needs:
            continue
        for repeat in range(repeats_of(sample.task)):
            answer = answers.get((sample.id, repeat))
            if answer is not None and answer.text is not None:
                asked = judge_questions(spec, [answer_to_score(sample, answer)])
                if asked:
                    found[sample.id, repeat] = asked
    return found


def _asked(
    folder: RunFolder, judge: Judge, questions: Sequence[JudgeQuestion], on_progress: OnProgress
) -> tuple[str, dict[str, Verdict]]:
    note_models(folder, judge=judge.identity)
    known = read_verdicts(folder.path, judge.identity)
    open_ones = [one for one in questions if one.key not in known or known[one.key].outcome == "error"]
    done = len(questions) - len(open_ones)
    on_progress(Progress("judge", done, len(questions)))
    file = verdicts_file(folder.path, judge.identity)
    file.parent.mkdir(exist_ok=True)
    log = AppendLog(file) if open_ones else None
    try:
        for start in range(0, len(open_ones), _AT_ONCE):
            for verdict in judge(open_ones[start : start + _AT_ONCE]):
                assert log is not None
                log.append(verdict.model_dump_json())
                known[verdict.key] = verdict
            done = min(len(questions), done + _AT_ONCE)
            on_progress(Progress("judge", done, len(questions)))
    except JudgeError as error:
        on_progress(Progress("judge", message=f"the judge went away: {error}"))
    finally:
        if log is not None:
            log.close()
    wanted = {question.key for question in questions}
    return judge.identity, {key: verdict for key, verdict in known.items() if key in wanted}
