"""``golong train``: GRPO and TMN-Reweight by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]


def train(
    recipe: Annotated[
        str | None, typer.Option(metavar="FILE", help="A recipe (YAML), or the name of a shipped one.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, as rollouts.prompts=8; often.")
    ] = None,
    output_dir: Annotated[Path, typer.Option(help="Where trainings are kept.")] = Path("runs/training"),
    resume: Annotated[bool, typer.Option(help="Go on with the last training of this recipe.")] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Say what would be trained on; load no weights, write nothing.")
    ] = False,
    show: Annotated[bool, typer.Option(help="Print the recipe with all its values, as YAML.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Train a checkpoint with the nine rewards: GRPO, TMN-Reweight or any other of the estimators.

    Evaluates held-out samples before and after, and keeps checkpoints, metrics and curves in the training's folder.
    Several devices: accelerate launch -m golong_eval train --recipe FILE.
    """
    import tempfile
    from dataclasses import asdict

    from golong_eval.cli.progress import progress_display
    from golong_eval.errors import ConfigError
    from golong_eval.reports.terminal import json_text, shown
    from golong_eval.training.recipe import load_recipe, recipe_text, shipped_recipes
    from golong_eval.training.summary import plan_text, training_text

    if recipe is None:
        raise ConfigError("no recipe", f"give --recipe FILE, or one of {', '.join(shipped_recipes())}")
    changes = {}
    for change in set_ or []:
        key, equals, value = change.partition("=")
        if not equals:
            raise ConfigError(f"--set {change}", "give KEY=VALUE, for instance --set rollouts.prompts=8")
        changes[key.strip()] = value
    read = load_recipe(recipe, changes)
    if show:
        typer.echo(recipe_text(read))
        return
    from golong_eval.training.run import plan_training
    from golong_eval.training.run import train as run_training

    if dry_run:
        with tempfile.TemporaryDirectory() as folder:
            plan = plan_training(read, Path(folder))
        typer.echo(json_text(asdict(plan)) if json else shown(plan_text(plan, read)))
        return
    with progress_display() as show_progress:
        result = run_training(read, output_dir=output_dir, resume=resume, on_progress=show_progress)
    if result.writes:
        typer.echo(json_text(asdict(result)) if json else shown(training_text(result)))
