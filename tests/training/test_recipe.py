"""Recipes: the shipped ones, and what is said of wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.training.recipe import Recipe, load_recipe, recipe_text, shipped_recipes

PUBLISHED = ["grpo-30b", "grpo-4b", "tmn-reweight-4b"]


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_read_and_written_alike(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    (tmp_path / "r.yaml").write_text(recipe_text(recipe))
    assert load_recipe(tmp_path / "r.yaml") == recipe


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name: str) -> None:
    """GoLongRL, arXiv 2605.19577: what its 4B and 30B trainings were run with."""
    recipe = load_recipe(name)
    rollouts, loss, optimiser = recipe.rollouts, recipe.loss, recipe.optimiser
    assert (rollouts.prompts, rollouts.group, rollouts.max_tokens, rollouts.refills) == (128, 16, 16_384, 32)
    assert (rollouts.temperature, rollouts.top_p) == (1.0, 1.0)
    assert recipe.data.max_prompt_tokens == 163_840
    assert (loss.clip_low, loss.clip_high, loss.dual_clip, loss.kl) == (0.2, 0.28, 3.0, 0)
    assert loss.aggregate == "token_mean"
    assert (optimiser.learning_rate, optimiser.warmup_steps, optimiser.schedule) == (2e-6, 5, "constant")
    assert (optimiser.weight_decay, optimiser.max_grad_norm) == (0.1, 1.0)
    assert (recipe.epochs, recipe.checkpoints.every) == (10, 5)
    assert recipe.data.limit == (None if "30b" in name else 8000)
    assert recipe.model.dtype == "auto"  # float32: held in bfloat16 most of a step would be rounded away
    assert recipe.data.held_out == 0  # such models are spread over devices, and evaluated after
    assert recipe.estimator.name == ("tmn_reweight" if "tmn" in name else "grpo")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rollouts.promts": "3"}, "rollouts: unknown key 'promts': did you mean 'prompts'"),
        ({"optimizer": "{}"}, "unknown key 'optimizer': did you mean 'optimiser'"),
        ({"estimator.name": "tnm"}, "did you mean 'tmn'"),
        ({"estimator.parameters": "{alhpa: 1}"}, "alhpa"),
        ({"estimator.parameters": "{alpha: x}"}, "alpha='x'"),
        ({"estimator": "{name: grpo, task_scale_decay: 0.9}"}, "grpo, which has no task scale"),
        ({"rollouts.group": "1"}, "rollouts.group"),
        ({"rollouts.prompts": "many"}, "rollouts.prompts: must be a whole number"),
        ({"epochs": "2"}, "one of 'steps' and 'epochs'"),
        ({"steps": "null"}, "one of 'steps' and 'epochs'"),
        ({"data.train": "[a.jsonl]"}, "one of 'train'"),
        ({"checkpoints.keep": "1"}, "checkpoints.keep"),
        ({"name": "../x"}, "name"),
        ({"data.mixture": "equall"}, "data.mixture"),
        ({"model.dtype": "bfloat16"}, "rounds small steps away"),
        ({"estimator.parameters": "{scale: 3}"}, "scale is no setting"),
    ],
)
def test_a_wrong_key_or_value_is_named(changes: dict[str, str], what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        load_recipe("laptop", changes)
    assert "laptop.yaml" in str(caught.value)


def test_what_is_no_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="labtop"):
        load_recipe("labtop")
    with pytest.raises(ConfigError, match="no recipe at"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_text("name: [\n")
    with pytest.raises(DataError, match=r"a\.yaml:2: no YAML"):
        load_recipe(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("- 1\n")
    with pytest.raises(DataError, match="mapping"):
        load_recipe(tmp_path / "b.yaml")
    with pytest.raises(ConfigError, match=r"--set steps: .* is no YAML"):
        load_recipe("laptop", {"steps": "[1"})
    with pytest.raises(ConfigError, match="no mapping"):
        load_recipe("laptop", {"name.x": "1"})


def test_values_are_never_code(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: !!python/object/apply:os.system [echo]\n")
    with pytest.raises(DataError, match="no YAML"):
        load_recipe(tmp_path / "a.yaml")


def test_a_whole_recipe_is_shown() -> None:
    shown = yaml.safe_load(recipe_text(load_recipe("laptop")))
    assert set(shown) == set(Recipe.model_fields)


def test_the_recipe_of_the_guide_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert Recipe.model_validate(yaml.safe_load(block)).name == "mine"
