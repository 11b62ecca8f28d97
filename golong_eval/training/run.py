"""``golong train``: from a recipe to a trained checkpoint, resumable at every step."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golong_eval._optional import require
from golong_eval.engines import embedded_model
from golong_eval.errors import ConfigError, GolongError, ModelError, StorageError
from golong_eval.harness.progress import OnProgress, Progress
from golong_eval.harness.run_folder import AppendLog, RunFolder
from golong_eval.reports.training_figures import write_training_figures
from golong_eval.training.folder import last_checkpoint, open_training, read_metrics, rewind
from golong_eval.training.mixture import plan_prompts
from golong_eval.training.recipe import Recipe
from golong_eval.training.samples import TrainingSamples, count_tokens, prepare_samples, write_held_out
from golong_eval.training.trl_config import make_config, steps_of

if TYPE_CHECKING:
    from golong_eval.training.trl_trainer import TMNGRPOTrainer

__all__ = ["TrainingPlan", "TrainingResult", "plan_training", "train"]

_WAIT = 24 * 3600  # seconds


@dataclass(frozen=True)
class TrainingPlan:
    """What a training will do.

    Attributes:
        steps: Optimiser steps.
        rows: Rollouts a step.
        samples: By task, how many samples are trained on, how many held out, and the task's share of the prompts.
        too_long: Samples left out for their length.
        shortfalls: Of built samples, the tasks that have fewer than were asked for, and why.
        shared: Held-out samples that stand in documents which are trained on too.
    """

    steps: int
    rows: int
    samples: dict[str, tuple[int, int, float]]
    too_long: int
    shortfalls: dict[str, str]
    shared: int


@dataclass(frozen=True)
class TrainingResult:
    """What a training did.

    Attributes:
        folder: Its folder.
        plan: What it was to do.
        metrics: The lines of metrics.jsonl.
        model: The trained checkpoint.
        writes: This is the process that writes.
    """

    folder: Path
    plan: TrainingPlan
    metrics: list[dict[str, Any]]
    model: Path
    writes: bool = True


def train(
    recipe: Recipe,
    *,
    output_dir: Path | str = "runs/training",
    resume: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> TrainingResult:
    """Train by a recipe.

    Under a launcher (``accelerate launch``, ``torchrun``) every process calls this, and the first one writes.

    Args:
        recipe: The recipe.
        output_dir: Where trainings are kept.
        resume: Go on with the newest training of this recipe, from its last whole checkpoint.
        on_progress: Called as it goes on.

    Raises:
        MissingExtraError: trl is not installed.
        ConfigError: A setting does not fit the data, the processes or the model.
        DataError: A file of samples is malformed.
        ModelError: The checkpoint can't be loaded.
        ResumeError: The training to resume had another recipe.
        StorageError: Something could not be written; the last whole checkpoint is kept.
    """
    require("trl", "train", "training")
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    _check_spread(recipe)
    # The others wait while the first process builds samples and evaluates: not for the ten minutes that are usual.
    wait = timedelta(seconds=float(str(recipe.trl.get("ddp_timeout", _WAIT))))
    state = PartialState(cpu=bool(recipe.trl.get("use_cpu")), timeout=wait)
    with contextlib.ExitStack() as stack:
        opened: RunFolder | None = None
        place: list[Any] = [None]
        if state.is_main_process:
            try:
                opened = stack.enter_context(open_training(recipe, Path(output_dir), resume=resume))
                place = [str(opened.path)]
            except GolongError as error:
                place = [error]
        if state.num_processes > 1:
            broadcast_object_list(place)
        if isinstance(place[0], GolongError):
            raise place[0]
        path = Path(place[0])
        on_progress(Progress("load", message=f"model {recipe.model.path}"))
        model, tokenizer = _load(recipe)
        with state.main_process_first():  # the others read what the first one built
            on_progress(Progress("build", message="samples"))
            samples = prepare_samples(recipe.data, path, recipe.seed, count_tokens(tokenizer))
        plan, order = _plan(recipe, samples)
        checkpoint = last_checkpoint(path) if resume else None
        log = None
        if opened is not None:
            _record(opened, samples, plan)
            rewind(opened, 0 if checkpoint is None else int(checkpoint.name.removeprefix("checkpoint-")))
            log = stack.enter_context(contextlib.closing(AppendLog(path / "metrics.jsonl")))
        trainer = _trainer(recipe, path, (model, tokenizer), samples, order, plan, log, on_progress)
        with _storage_errors(path):
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
            _save(trainer, tokenizer, path / "model", merge=recipe.lora is not None)
        if log is None:
            return TrainingResult(path, plan, [], path / "model", writes=False)
        log.sync()
        shutil.rmtree(path / "cache", ignore_errors=True)
        metrics = read_metrics(path)
        if importlib.util.find_spec("matplotlib") is not None:
            write_training_figures(metrics, path / "figures")
        return TrainingResult(path, plan, metrics, path / "model")


def plan_training(recipe: Recipe, folder: Path) -> TrainingPlan:
    """Return what a training would do, without loading weights; samples to be built go into `folder`."""
    _, tokenizer = _load(recipe, weights=False)
    samples = prepare_samples(recipe.data, folder, recipe.seed, count_tokens(tokenizer))
    return _plan(recipe, samples)[0]


def _plan(recipe: Recipe, samples: TrainingSamples) -> tuple[TrainingPlan, list[int]]:
    tasks = [sample.task for sample in samples.train]
    steps = steps_of(recipe, len(tasks))
    mixture, at_least = recipe.data.mixture, recipe.data.at_least
    order = plan_prompts(tasks, recipe.rollouts.prompts, steps, mixture=mixture, at_least=at_least, seed=recipe.seed)
    taken = Counter(tasks[place] for place in order)  # at_least lifts a task above its share of the mixture
    counts = {task: (train, held, taken[task] / len(order)) for task, (train, held) in samples.counts().items()}
    rows = recipe.rollouts.prompts * recipe.rollouts.group
    return TrainingPlan(steps, rows, counts, sum(samples.too_long.values()), samples.shortfalls, samples.shared), order


def _model_path(recipe: Recipe) -> str:
    return embedded_model() if recipe.model.path == "embedded" else recipe.model.path


def _load(recipe: Recipe, *, weights: bool = True) -> tuple[Any, Any]:
    """Return the model, None without weights, and its tokenizer."""
    transformers = require("transformers", "train", "training")
    from golong_eval.engines.transformers import rope_config

    wanted, path = recipe.model, _model_path(recipe)
    which: dict[str, Any] = {"revision": wanted.revision, "trust_remote_code": wanted.trust_remote_code}
    needed = None
    if wanted.rope_scaling is not None and recipe.data.max_prompt_tokens is not None:
        needed = recipe.data.max_prompt_tokens + recipe.rollouts.max_tokens
    transformers.utils.logging.disable_progress_bar()
    try:
        changed = rope_config(path, wanted.rope_scaling, needed, **which)
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, **which)
        if not weights:
            return None, tokenizer
        model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=_dtype(recipe), **changed, **which)
    except ConfigError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"cannot load the model {path} ({type(error).__name__}: {reason})",
            "check that the folder holds config.json, weights and tokenizer, all whole; a hub name needs a network",
        ) from error
    return model, tokenizer


def _dtype(recipe: Recipe) -> str:
    """Return what weights are loaded as: those that are trained in float32, where small steps are not rounded away."""
    if recipe.model.dtype == "auto":
        return "auto" if recipe.lora is not None else "float32"
    return recipe.model.dtype


def _check_spread(recipe: Recipe) -> None:
    """Refuse, before anything is loaded, what can't be done with a model that is spread over devices."""
    spread = bool(recipe.trl.get("fsdp") or recipe.trl.get("deepspeed")) or any(
        os.environ.get(name, "").lower() in ("1", "true")
        for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
    )
    if spread and recipe.data.held_out:
        raise ConfigError(
            "held-out samples are evaluated on one device, and FSDP or DeepSpeed spread the model over several",
            "give data.held_out 0, and evaluate checkpoints with golong run --model .../checkpoint-N",
        )
    if spread and recipe.lora is not None:
        raise ConfigError("adapters are merged on one device, and FSDP or DeepSpeed spread the model", "leave out lora")


def _record(folder: RunFolder, samples: TrainingSamples, plan: TrainingPlan) -> None:
    """Write what was settled; refuse to go on with other samples."""
    from golong_eval.harness.environment import package_versions

    config = folder.read_json("config.json") or {}
    before = config.get("data_revision")
    if before is not None and before != samples.revision:
        raise ConfigError(
            f"the samples are not those that {folder.path} was trained on ({samples.revision}, then {before})",
            "bring back the files, or leave out --resume",
        )
    settled = {
        "data_revision": samples.revision,
        "steps": plan.steps,
        "samples": {task: {"train": a, "held_out": b, "share": c} for task, (a, b, c) in plan.samples.items()},
        "too_long": dict(samples.too_long),
    }
    folder.write_json("config.json", config | settled)
    sessions = (folder.read_json("env.json") or {}).get("sessions", [])
    folder.write_json(
        "env.json", {"sessions": [*sessions, package_versions(("trl", "accelerate", "peft", "datasets"))]}
    )
    if samples.held_out:
        write_held_out(samples.held_out, folder.path / "held_out.jsonl")


def _trainer(
    recipe: Recipe,
    path: Path,
    loaded: tuple[Any, Any],
    samples: TrainingSamples,
    order: list[int],
    plan: TrainingPlan,
    log: AppendLog | None,
    on_progress: OnProgress,
) -> TMNGRPOTrainer:
    from accelerate import PartialState
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar
    from transformers import PrinterCallback

    from golong_eval.adapters.trl import reward_funcs, trl_rows
    from golong_eval.training.callbacks import Evaluations, MetricsLog
    from golong_eval.training.trl_trainer import TMNGRPOTrainer

    disable_progress_bar()
    state = PartialState()
    model, tokenizer = loaded
    data = recipe.data
    with state.main_process_first():
        # Onto the disk and mapped from there: prompts of a large training do not fit into memory.
        rows = Dataset.from_generator(
            trl_rows,
            gen_kwargs={"samples": samples.train, "variant": data.variant, "include": data.include},
            cache_dir=str(path / "cache"),
        )
    callbacks: list[Any] = [] if log is None else [MetricsLog(log, on_progress)]
    evaluations = None
    if samples.held_out:
        evaluations = Evaluations(recipe, path / "held_out.jsonl", path / "evaluations", log, on_progress)
        callbacks.append(evaluations)
    trainer = TMNGRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=reward_funcs(variant=data.variant, require_think=data.require_think),
        train_dataset=rows.select(order),
        args=make_config(recipe, path / "checkpoints", plan.steps, state.num_processes),
        callbacks=callbacks,
        peft_config=_lora(recipe),
    )
    trainer.remove_callback(PrinterCallback)
    if evaluations is not None:
        evaluations.trainer = trainer
    return trainer


def _lora(recipe: Recipe) -> Any:
    if recipe.lora is None:
        return None
    peft = require("peft", "train", "training with LoRA")
    lora = recipe.lora
    targets = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    return peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )


def _save(trainer: TMNGRPOTrainer, tokenizer: Any, folder: Path, *, merge: bool) -> None:
    """Write the trained checkpoint; adapters are merged into it, so that every engine can load it."""
    if not merge:
        trainer.save_model(str(folder))
    elif trainer.accelerator.is_main_process:
        trainer.accelerator.unwrap_model(trainer.model).merge_and_unload().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.is_main_process and not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"no weights were saved to {folder}",
            "with FSDP set fsdp_state_dict_type to FULL_STATE_DICT; the checkpoints before it are kept",
        )


@contextlib.contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise StorageError(
            f"cannot write below {path} ({error.strerror})",
            "the last whole checkpoint is kept: free some space, then run the same command with --resume",
        ) from error
