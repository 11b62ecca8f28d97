"""What happens beside the steps: a line of metrics, and evaluations of the held-out samples."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from golong_eval.engines import EngineSettings
from golong_eval.engines.transformers import TransformersEngine
from golong_eval.harness import Progress, Results, evaluate
from golong_eval.harness.progress import OnProgress
from golong_eval.harness.run_folder import AppendLog
from golong_eval.training.folder import read_metrics
from golong_eval.training.recipe import Recipe

__all__ = ["Evaluations", "MetricsLog", "evaluation_row"]


class MetricsLog(TrainerCallback):
    """Adds what the trainer logs to metrics.jsonl, and tells how training goes on.

    Args:
        log: The file, open.
        on_progress: Told of each step.
    """

    def __init__(self, log: AppendLog, on_progress: OnProgress) -> None:
        self._log, self._on_progress = log, on_progress

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Write one line; only the first process does."""
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        row = {name: value for name, value in logs.items() if isinstance(value, int | float) and math.isfinite(value)}
        self._log.append(json.dumps({"step": state.global_step, **row}))
        reward = row.get("golong/mean_reward", row.get("reward"))
        said = [] if reward is None else [f"reward {reward:.3f}"]
        said += [f"cv(|A|) {row['golong/cv_abs_advantage']:.2f}"] if "golong/cv_abs_advantage" in row else []
        self._on_progress(Progress("train", state.global_step, state.max_steps, ", ".join(said)))


class Evaluations(TrainerCallback):
    """Evaluates the held-out samples before the first step, every so many steps, and after the last one.

    Args:
        recipe: The recipe.
        samples: File of the held-out samples.
        folder: Where the runs go, one folder a step.
        log: metrics.jsonl, open.
        on_progress: Told how an evaluation goes on.
    """

    def __init__(
        self, recipe: Recipe, samples: Path, folder: Path, log: AppendLog | None, on_progress: OnProgress
    ) -> None:
        self._recipe, self._samples, self._folder = recipe, samples, folder
        self._log, self._on_progress = log, on_progress
        self.trainer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate what is started from."""
        if state.global_step == 0:
            self._evaluate(0)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Evaluate where it is due: when the step was logged, and before its checkpoint is written."""
        every, step = self._recipe.evaluation.every, state.global_step
        if logs and "loss" in logs and (step == state.max_steps or (every is not None and step % every == 0)):
            self._evaluate(step)

    def _evaluate(self, step: int) -> None:
        """Have the first process evaluate, and the others wait."""
        if self.trainer.accelerator.is_main_process:
            assert self._log is not None
            done = sorted(self._at(step).glob("*/*/results.json"))
            logged = any(row["step"] == step and "held_out" in row for row in read_metrics(self._folder.parent))
            if not logged:  # a kill may have come between the results and the line
                results = Results.model_validate_json(done[-1].read_bytes()) if done else self._run(step)
                self._log.append(json.dumps(evaluation_row(step, results)))
        self.trainer.accelerator.wait_for_everyone()

    def _at(self, step: int) -> Path:
        return self._folder / f"step-{step:06d}"

    def _run(self, step: int) -> Results:
        recipe = self._recipe
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        training, own = model.training, model.generation_config
        model.eval()
        settings = EngineSettings(
            temperature=recipe.evaluation.temperature,
            thinking=recipe.model.thinking,
            args={"batch_size": recipe.evaluation.batch_size},
        )
        try:
            return evaluate(
                model=TransformersEngine(model, self.trainer.processing_class, settings, f"step-{step}"),
                tasks=(str(self._samples),),
                include=recipe.data.include,
                limit=recipe.evaluation.limit,
                max_tokens=recipe.evaluation.max_tokens or recipe.rollouts.max_tokens,
                temperature=recipe.evaluation.temperature,
                thinking=recipe.model.thinking,
                seed=recipe.seed,
                output_dir=str(self._at(step)),
                on_progress=lambda one: (
                    self._on_progress(Progress(f"evaluate step {step}", one.done, one.total, one.message))
                    if one.stage == "generate"
                    else None
                ),
            )
        finally:
            model.generation_config = own  # an engine sets its own, which the trainer would generate by
            model.train(training)


def evaluation_row(step: int, results: Results) -> dict[str, Any]:
    """Return the line of metrics.jsonl that says how the held-out samples were answered at a step."""
    tasks = {task.task: {"mean": task.mean, "low": task.low, "high": task.high, "n": task.n} for task in results.tasks}
    means = [task.mean for task in results.tasks if task.mean is not None]
    average = results.average
    mean = average.mean if average is not None else (means[0] if means else None)
    return {
        "step": step,
        "held_out": {
            "mean": mean,
            "low": None if average is None else average.low,
            "high": None if average is None else average.high,
            "tasks": tasks,
            "run": results.run,
        },
    }
