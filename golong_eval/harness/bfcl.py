"""BFCL's memory questions: bfcl-eval asks them in an environment of its own, and the answers become a run.

settings -> run folder -> the driver, as a subprocess -> its answers, recorded -> scores -> results.json

The driver (`golong_eval.adapters.bfcl_driver`) and bfcl-eval's own files lie in ``bfcl/`` in the run's folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

import golong_eval
from golong_eval.benchmarks import benchmark_named
from golong_eval.benchmarks.bfcl_memory import BfclMemoryRow
from golong_eval.errors import ConfigError, DataError, EngineError, MissingExtraError
from golong_eval.faults import explain
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.records import StoredScore
from golong_eval.harness.resolve import ResolvedRun, open_run, resolve_run
from golong_eval.harness.results import Results
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.harness.scoring import score_run, scores_file
from golong_eval.harness.settings import RunSettings
from golong_eval.schema import Generation, Sample
from golong_eval.tasks import SampleWriter

__all__ = ["BFCL_VERSION", "BfclRun", "run_bfcl"]

BFCL_VERSION = "2025.10.27.1"
BACKENDS = ("kv", "vector", "rec_sum")
SCENARIOS = ("student", "customer", "finance", "healthcare", "notetaker")
_ENGINE = "bfcl-eval"
_TASK = "bfcl_memory"
_INSTALL = f"python -m venv bfcl && bfcl/bin/pip install bfcl-eval=={BFCL_VERSION} soundfile"
_DRIVER = Path(golong_eval.__file__).parent / "adapters" / "bfcl_driver.py"
# bfcl-eval evaluates what a model writes; it shall find no secrets of other services.
_SECRET = re.compile("key|token|secret|passw|credential", re.IGNORECASE)


@dataclass(frozen=True)
class BfclRun:
    """What came of it.

    Attributes:
        results: As in ``results.json``.
        disagreements: Questions that our ``official`` rule and bfcl-eval's own checker score differently; there should
            be none.
    """

    results: Results
    disagreements: tuple[str, ...] = ()


class _Line(BfclMemoryRow):
    """A line of the driver's ``answers.jsonl``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    response: str | None
    error: str | None
    valid: bool
    """What bfcl-eval's own checker says."""
    steps: int = Field(ge=0)
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


def run_bfcl(
    *,
    model: str,
    base_url: str,
    python: Path | str,
    backends: Sequence[str] = BACKENDS,
    scenarios: Sequence[str] = SCENARIOS,
    temperature: float = 0.7,
    concurrency: int = 8,
    limit: int | None = None,
    seed: int = 0,
    function_calling: bool = True,
    api_key_env: str = "OPENAI_API_KEY",
    output_dir: Path | str = "runs",
    resume: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> BfclRun:
    """Have bfcl-eval ask a served model its memory questions, and record and score the answers.

    Args:
        model: What the server calls it.
        base_url: Address of the server, as ``http://localhost:8000/v1``.
        python: The Python of the environment that bfcl-eval is installed in.
        backends: Kinds of memory; the published score is the mean of all three.
        scenarios: Groups of questions that share their conversations.
        temperature: Of all requests; the server's own defaults hold for whatever else there is.
        concurrency: Most conversations at once.
        limit: So many questions of each back end, picked at random.
        seed: Seed of the picking.
        function_calling: Tools go into the request; else into the prompt, and calls are read from the text.
        api_key_env: Environment variable that holds the server's key.
        output_dir: Where runs are kept.
        resume: Go on with the last run of these settings: what failed is asked again.
        on_progress: Called as the run goes on.

    Raises:
        ConfigError: A setting is wrong, the server can't be reached, or a back end can't be used.
        MissingExtraError: There is no bfcl-eval of the right version in that environment.
        EngineError: The driver died; what was finished is kept for `resume`.
    """
    from golong_eval.engines.http_client import read_key

    for what, names, known in (("back end", backends, BACKENDS), ("scenario", scenarios, SCENARIOS)):
        if wrong := [name for name in names if name not in known] or ([] if names else ["none"]):
            raise ConfigError(f"there is no {what} {wrong[0]!r}", f"name some of {', '.join(known)}")
    settings = RunSettings.make(
        model=model,
        tasks=(_TASK,),
        engine="openai",
        base_url=(base_url,),
        temperature=temperature,
        concurrency=concurrency,
        limit=limit,
        seed=seed,
        api_key_env=api_key_env,
        output_dir=str(output_dir),
        resume=resume,
    )
    _check_server(settings, model)
    _check_package(Path(python))
    run = _resolved(settings, backends, scenarios, function_calling=function_calling)
    with open_run(run) as folder:
        work = folder.path / "bfcl"
        work.mkdir(exist_ok=True)
        command = [
            *(str(python), "-I", str(_DRIVER), "--model", model, "--base-url", base_url, "--out", str(work)),
            *("--backends", ",".join(backends), "--scenarios", ",".join(scenarios), "--temperature", str(temperature)),
            *("--threads", str(concurrency), "--seed", str(seed)),
            *(() if limit is None else ("--limit", str(limit))),
            *(() if function_calling else ("--no-fc",)),
        ]
        try:
            told = _drive(command, work / "log.txt", read_key(api_key_env), on_progress)
        except ConfigError:
            if not resume:
                shutil.rmtree(folder.path, ignore_errors=True)
            raise
        lines = _read_answers(work / "answers.jsonl")
        samples = _record(folder, lines)
        results = score_run(folder, run.specs, samples, on_progress=on_progress)
        differing = tuple(_disagreements(folder, run, lines))
        sessions = (folder.read_json("env.json") or {}).get("sessions", [])
        folder.write_json("env.json", {"sessions": [*sessions, _session(told, model, differing)]})
    return BfclRun(results, differing)


def _check_server(settings: RunSettings, model: str) -> None:
    from golong_eval.engines.http_client import check_address, read_key
    from golong_eval.engines.openai.served_models import ask_servers

    key = read_key(settings.api_key_env)
    if not key and settings.api_key_env != RunSettings.model_fields["api_key_env"].default:
        raise ConfigError(
            f"--api-key-env names {settings.api_key_env}, which is not set",
            f"export {settings.api_key_env}=..., or leave --api-key-env out",
        )
    ask_servers([check_address(url) for url in settings.base_url], model, key, settings.api_key_env)


def _check_package(python: Path) -> None:
    """Check that the environment has the version of bfcl-eval that the driver knows: it calls its inner functions."""
    code = "import importlib.metadata as m; print(m.version('bfcl-eval'))"
    try:
        asked = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{python} does not run ({error})", f"name the Python of: {_INSTALL}") from error
    version = asked.stdout.strip()
    if asked.returncode or version != BFCL_VERSION:
        found = f"bfcl-eval {version}" if version else "no bfcl-eval"
        raise MissingExtraError(f"the environment of {python} has {found}, not {BFCL_VERSION}", _INSTALL)


def _resolved(
    settings: RunSettings, backends: Sequence[str], scenarios: Sequence[str], *, function_calling: bool
) -> ResolvedRun:
    """Return the run as `golong run` would settle it, its rows and its engine being bfcl-eval's."""
    shipped = settings.model_copy(update={"data": (f"{_TASK}=shipped",)})
    run = resolve_run(shipped, given_engine=_ENGINE)
    asked = {"backends": sorted(backends), "scenarios": sorted(scenarios), "function_calling": function_calling}
    data = {_TASK: {"made": f"by bfcl-eval {BFCL_VERSION}"}}
    identity = run.identity | {"data": [], "engine": _ENGINE, "engine_args": asked, "benchmark_data": data}
    return ResolvedRun(**{**vars(run), "settings": settings, "identity": identity, "specs": {_TASK: run.specs[_TASK]}})


def _drive(command: Sequence[str], log: Path, key: str, on_progress: OnProgress) -> dict[str, Any]:
    """Run the driver to its end; return what it told. It is ended where this is interrupted."""
    environment = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    environment |= {"OPENAI_API_KEY": key} if key else {}
    told: dict[str, Any] = {}
    on_progress(Progress("load", message=f"bfcl-eval {BFCL_VERSION}; what it says goes to {log}"))
    with (
        log.open("ab") as out,
        # A session of its own: Ctrl-C is for this process, which ends the other one.
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            env=environment,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                event = _event(line)
                told |= event
                if event.get("event") == "progress":
                    failed = event.get("failed") or 0
                    message = f"{failed} failed" if failed else ""
                    on_progress(Progress("generate", int(event["done"]), int(event["total"]), message))
            code = process.wait()
        finally:
            _end(process)
    if told.get("event") == "refused":
        raise ConfigError(str(told.get("message")), _remedy(str(told.get("message"))))
    if code or told.get("event") != "done":
        raise EngineError(f"the driver of bfcl-eval ended with {code}", f"see {log}; then the same with --resume")
    return told


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
        return
    process.kill()


def _remedy(message: str) -> str:
    if "back end vector" in message:
        return (
            "it needs the model sentence-transformers/all-MiniLM-L6-v2 in the cache of Hugging Face; "
            "or leave it out: --backends kv,rec_sum"
        )
    return _INSTALL


def _read_answers(file: Path) -> list[_Line]:
    lines = []
    try:
        raw = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"the driver wrote no answers ({error.strerror})", "run it again", file=file) from error
    for number, line in enumerate(raw, 1):
        try:
            lines.append(_Line.model_validate_json(line))
        except ValidationError as error:
            raise DataError(explain(error, _Line)[0], "run it again", file=file, line=number) from None
    return lines


def _record(folder: RunFolder, lines: Sequence[_Line]) -> list[Sample]:
    """Write samples and answers as the harness does; a question without an answer is a failed request."""
    benchmark = benchmark_named(_TASK)
    samples = []
    with SampleWriter(folder.samples, overwrite=True) as writer:
        for line in lines:
            row = benchmark.row.model_validate(line.model_dump())
            samples.append(writer.write(benchmark.sample(row, line.id)))
    answers = [_generation(sample.id, line).model_dump_json() for sample, line in zip(samples, lines, strict=True)]
    folder.write_lines(f"predictions/{_TASK}.jsonl", answers)
    return samples


def _generation(identifier: str, line: _Line) -> Generation:
    failed = line.error is not None
    return Generation(
        sample_id=identifier,
        text=None if failed else line.response or "",
        error=line.error,
        finish_reason="error" if failed else "stop",
        prompt_tokens=line.prompt_tokens,
        completion_tokens=line.completion_tokens,
    )


def _disagreements(folder: RunFolder, run: ResolvedRun, lines: Sequence[_Line]) -> Iterator[str]:
    metric = run.specs[_TASK].scored_as("official").metric  # type: ignore[union-attr]  # it is a benchmark
    scores = AppendLog.read(folder.path / scores_file(_TASK, metric), StoredScore)
    values = {score.sample_id: score.result.value for score in scores}
    for line in lines:
        value = values.get(f"{_TASK}/{line.id}")
        if value is not None and (value == 1) != line.valid:
            yield f"{line.id}: bfcl-eval says {'right' if line.valid else 'wrong'}, the official rule gives {value:g}"


def _session(told: dict[str, Any], model: str, differing: Sequence[str]) -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {"golong-eval": golong_eval.__version__, "bfcl-eval": told.get("version")},
        "engine": {"name": _ENGINE, "model": model, "python": told.get("python")},
        "tokens_of_filling_the_memories": told.get("filling"),
        "verdicts_that_differ_from_bfcl_evals": list(differing),
    }
