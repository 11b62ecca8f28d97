"""Results by hand, and a run whose answers are as bad as answers can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from golong_eval import evaluate
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.harness import AtK, EffectiveLength, Estimate, Results, Slice, StoredRun, TaskResult, read_run
from golong_eval.harness.results import SliceBy
from golong_eval.tasks import SampleWriter

from ..harness.conftest import make_samples

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\u200b"
HOSTILE = f'<think>hm {ESCAPES}</think>{ESCAPES} | `x` <img src=x>\n[Answer]\n=HYPERLINK("http://x","y")'


def estimate(mean: float | None, low: float | None = None, high: float | None = None, n: int = 20) -> Estimate:
    method = "fewer than 10 scores" if low is None else "bootstrap-t"
    return Estimate(mean=mean, low=low, high=high, stderr=0.05, method=method, n=n, clusters=n)


def piece(by: SliceBy, group: str, mean: float, low: float | None = None, high: float | None = None) -> Slice:
    return Slice(by=by, group=group, score=estimate(mean, low, high, 10), scored=10, mean_scored=mean)


def at_k(k: int, mean: float) -> AtK:
    return AtK(k=k, pass_at_k=estimate(mean, mean - 0.1, mean + 0.1), best_of_k=estimate(mean))


def task(name: str, /, **changes: Any) -> TaskResult:
    row = TaskResult(
        task=name,
        name=f"Task {name}",
        metric="f1[strict,v1]",
        task_version=1,
        prompt_hash="0" * 12,
        data_revision="1" * 16,
        n=20,
        samples=20,
        scored=20,
        coverage=1.0,
        mean=0.5,
        mean_scored=0.5,
        chance=0.1,
        low=0.4,
        high=0.6,
        stderr=0.05,
        interval="bootstrap-t",
        clusters=20,
        scored_low=0.4,
        scored_high=0.6,
        mean_finished=0.5,
        cap_hit_rate=0.0,
        context_cut_rate=0.0,
        statuses={"ok": 20},
    )
    return row.model_copy(update=changes)


def results(*tasks: TaskResult, **changes: Any) -> Results:
    made = Results(
        golong_eval="0.1.0",
        run="runs/m/1",
        model="m",
        engine="transformers",
        context="full",
        started="2026-01-02T03:04:05+00:00",
        tasks=tasks or (task("t1"),),
    )
    return made.model_copy(update=changes)


def effective(tokens: int, longest: int = 32_768) -> EffectiveLength:
    return EffectiveLength(tokens=tokens, share=0.85, shortest=2048, longest=longest)


KINDS = (HOSTILE, "<think>never ends", "", "y" * 5000, RuntimeError(f"boom {ESCAPES}\nsecond line"))


def hostile_run(folder: Path, per_task: int = 5) -> StoredRun:
    """Return a run of t1, t7 and t8 whose answers are hostile, endless, empty, overlong, and failed, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    with SampleWriter(folder / "samples.jsonl") as writer:
        for sample in make_samples(per_task):
            writer.write(sample)

    def script(request: GenerationRequest) -> str:
        kind = KINDS[int(request.sample_id.rpartition("-")[2]) % len(KINDS)]
        if isinstance(kind, Exception):
            raise kind
        return kind

    made = evaluate(model=ScriptedEngine(script), tasks=folder / "samples.jsonl", output_dir=folder / "runs")
    return read_run(made.run)
