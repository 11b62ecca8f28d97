"""Several checkpoints in one go: which ones a folder of a training holds, and one run for each."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from golong_eval.errors import ConfigError, EngineError, GolongError, ModelError
from golong_eval.harness.evaluation import evaluate
from golong_eval.harness.progress import Progress
from golong_eval.harness.resolve import has_runs, resolve_run
from golong_eval.harness.results import Results
from golong_eval.harness.settings import RunSettings

__all__ = ["Outcome", "evaluate_each", "find_checkpoints"]

_CHECKPOINT = re.compile(r"checkpoint-([0-9]+)")


@dataclass(frozen=True)
class Outcome:
    """What became of one checkpoint: results, or why there are none.

    Attributes:
        model: As it was named.
        results: Its results.
        error: What kept it from any.
    """

    model: str
    results: Results | None = None
    error: GolongError | None = None


def find_checkpoints(models: Sequence[str], every: int | None = None) -> list[str]:
    """Return the checkpoints that models name: a folder of a training stands for those in it.

    Args:
        models: Folders, hub names or others. A folder that holds ``checkpoint-STEP`` folders and no checkpoint itself
            stands for all of them, in the order of their steps.
        every: Take every N-th of them and the last, then the folder's own checkpoint if it has one.

    Raises:
        ConfigError: `every` is below 1, or given for something that holds no checkpoints.
    """
    if every is not None and every < 1:
        raise ConfigError(f"--every {every} takes no checkpoint", "give 1 or more")
    if every is not None and not models:
        raise ConfigError("--every is given and no folder of a training", "name one with --model")
    found: list[str] = []
    for model in models:
        folder = Path(model)
        steps = {
            int(match[1]): str(child)
            for child in (folder.iterdir() if folder.is_dir() else ())
            if (match := _CHECKPOINT.fullmatch(child.name)) and (child / "config.json").is_file()
        }
        own = (folder / "config.json").is_file()
        if every is not None and not steps:
            raise ConfigError(
                f"{model} holds no checkpoint-STEP folders", "leave --every out, or name the folder of a training"
            )
        if not steps or (own and every is None):
            found.append(model)
            continue
        ordered = [steps[step] for step in sorted(steps)]
        taken = ordered[(every or 1) - 1 :: every or 1]
        found += taken + ([ordered[-1]] if ordered[-1] not in taken else []) + ([model] if own else [])
    return list(dict.fromkeys(found))


def evaluate_each(
    settings: Sequence[RunSettings], on_progress: Callable[[Progress], None] = lambda _: None
) -> list[Outcome]:
    """Evaluate one checkpoint after the other, each in a run of its own; the memory of each is released in between.

    A checkpoint that can't be loaded or whose engine dies does not keep the others from their turn. With ``resume``,
    finished and unfinished runs are taken up, and a checkpoint that has no run yet is begun.

    Args:
        settings: The settings of each, which differ in the model.
        on_progress: Called as the runs go on.

    Raises:
        GolongError: Anything that would go wrong for all of them.
    """
    outcomes = []
    for number, one in enumerate(settings, 1):
        name = one.model or "embedded"

        def show(progress: Progress, number: int = number, name: str = name) -> None:
            stage = f"[{number}/{len(settings)} {name}] {progress.stage}"
            on_progress(dataclasses.replace(progress, stage=stage) if len(settings) > 1 else progress)

        try:
            resumed = one.resume and (len(settings) == 1 or has_runs(resolve_run(one)))
            outcomes.append(Outcome(name, evaluate(one.model_copy(update={"resume": resumed}), on_progress=show)))
        except GolongError as error:
            # What is wrong with the first one's settings is wrong with all; of a later one, the others' results count.
            if len(settings) == 1 or not (isinstance(error, ModelError | EngineError) or number > 1):
                raise
            outcomes.append(Outcome(name, error=error))
    return outcomes
