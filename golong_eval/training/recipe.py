"""Training recipes: YAML files, typed, every key checked before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, PositiveInt, ValidationError, model_validator

from golong_eval._content import content_path
from golong_eval.advantages import check_parameters
from golong_eval.engines import RopeScaling, Thinking
from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.faults import explain
from golong_eval.schema import Frozen, Variant

__all__ = [
    "Build",
    "Checkpoints",
    "Data",
    "Estimator",
    "Evaluation",
    "Lora",
    "Loss",
    "Model",
    "Optimiser",
    "Recipe",
    "Rollouts",
    "load_recipe",
    "recipe_path",
    "recipe_text",
    "shipped_recipes",
]

_Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Model(Frozen):
    """The checkpoint that is trained."""

    path: str = "embedded"
    """Folder, hub name, or ``embedded``."""
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What the weights are loaded as; ``auto`` is float32, and with ``lora`` the checkpoint's own. In 16 bits a step of
    a learning rate of 1e-6 is rounded away in most weights, so weights that are trained are never held in them;
    ``optimiser.precision`` says what is computed in."""
    rope_scaling: RopeScaling | None = None
    """YaRN, where prompts and answers are longer than the checkpoint's positions."""
    thinking: Thinking = "auto"
    trust_remote_code: bool = False


class Lora(Frozen):
    """Train low-rank adapters instead of all weights (peft)."""

    rank: PositiveInt = 16
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0, ge=0, lt=1)
    target_modules: str | tuple[str, ...] = "all-linear"


class Build(Frozen):
    """Samples built from documents, without a language model; see ``golong tasks build``."""

    documents: str = "pydoc"
    tasks: tuple[str, ...] = ("all",)
    length: Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)] = "4k"
    """Tokens of a prompt: 512, 4k, 1M."""
    per_task: PositiveInt = 40
    seed: int = 0


class Data(Frozen):
    """Samples, which of them are held out, and how tasks are mixed."""

    train: tuple[str, ...] = ()
    """Files of samples (JSONL)."""
    build: Build | None = None
    """Or: build them."""
    include: tuple[str, ...] = ()
    """Folders of further tasks."""
    limit: PositiveInt | None = None
    """Take this many training samples, drawn at random."""
    held_out: str | Annotated[float, Field(ge=0, lt=1)] = 0.1
    """A file of samples, or the share of clusters (documents) that is kept out of training; 0: nothing is evaluated."""
    max_prompt_tokens: PositiveInt | None = None
    """Longer samples are left out, and counted."""
    mixture: Literal["data", "released", "equal"] | dict[str, _Share] = "data"
    """Shares of tasks: as the samples have them, as the released data has them, equal, or by task."""
    at_least: Annotated[int, Field(ge=0)] = 0
    """Prompts of each task in every step."""
    variant: Variant | None = None
    """Reward variant; None is the tasks' own, ``strict``."""
    require_think: bool = False
    """Exactly one closed thinking, else reward 0."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.train) == (self.build is not None):
            raise ValueError("needs one of 'train' (files of samples) and 'build'")
        return self


class Estimator(Frozen):
    """How rewards become advantages; see `golong_eval.advantages`."""

    name: str = "tmn_reweight"
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    task_scale_decay: float = Field(default=0, ge=0, lt=1)
    """Decay of the running task scale of `tmn` and `tmn_reweight`; 0 is the batch alone, as published."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            check_parameters(self.name, dict(self.parameters), self.task_scale_decay)
        except UnknownNameError as error:
            raise ValueError(f"{error}: {error.hint}") from None
        except (ConfigError, TypeError) as error:
            raise ValueError(f"{error}; {getattr(error, 'hint', '')}".rstrip("; ")) from None
        return self


class Rollouts(Frozen):
    """What is generated in a step."""

    prompts: PositiveInt = 128
    """Prompts a step."""
    group: Annotated[int, Field(ge=2)] = 16
    """Rollouts of each prompt."""
    max_tokens: PositiveInt = 16_384
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    top_p: float = Field(default=1.0, gt=0, le=1)
    refills: Annotated[int, Field(ge=0)] = 0
    """Dynamic sampling: rounds in which groups of equal rewards are replaced by other prompts of their task."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """What generates: the model itself, or vLLM in the same process and on the same devices."""
    vllm_memory: float = Field(default=0.3, gt=0, le=1)
    """Share of a device's memory that vLLM takes."""
    tensor_parallel: PositiveInt = 1
    """Devices that one vLLM spreads over."""


class Loss(Frozen):
    """The policy loss: clipped, averaged over tokens."""

    clip_low: float = Field(default=0.2, ge=0)
    clip_high: float = Field(default=0.28, ge=0)
    dual_clip: float | None = Field(default=3.0, gt=1)
    """Bound of the ratio where the advantage is negative; None: none."""
    kl: float = Field(default=0, ge=0)
    """Weight of the divergence from the starting checkpoint."""
    aggregate: Literal["token_mean", "sequence_mean", "dr_grpo"] = "token_mean"
    mask_truncated: bool = False
    """Leave answers that hit their budget out of the loss."""


class Optimiser(Frozen):
    """AdamW and what goes with it."""

    learning_rate: float = Field(default=2e-6, gt=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 5
    weight_decay: float = Field(default=0.1, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    rows_per_device: PositiveInt = 1
    """Rows in one forward pass of a device."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """What is computed in."""
    gradient_checkpointing: bool = True


class Checkpoints(Frozen):
    """When checkpoints are written."""

    every: PositiveInt = 5
    keep: Annotated[int, Field(ge=2)] | None = None
    """Newest ones that are kept, at least two: one may be torn by a crash. None keeps all."""


class Evaluation(Frozen):
    """When and how the held-out samples are evaluated, by `golong_eval.evaluate`."""

    every: PositiveInt | None = None
    """Steps; None: before the first step and after the last one."""
    limit: PositiveInt | None = None
    """Samples of each task."""
    max_tokens: PositiveInt | None = None
    """Budget of an answer; None is that of training."""
    temperature: float = Field(default=0, ge=0)
    batch_size: PositiveInt = 8


class Recipe(Frozen):
    """A training."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run's folder."""
    model: Model = Model()
    data: Data
    estimator: Estimator = Estimator()
    rollouts: Rollouts = Rollouts()
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    steps: PositiveInt | None = None
    epochs: float | None = Field(default=None, gt=0)
    """Times that as many prompts are taken as there are training samples, where ``steps`` is not given."""
    lora: Lora | None = None
    checkpoints: Checkpoints = Checkpoints()
    evaluation: Evaluation = Evaluation()
    seed: int = Field(default=0, ge=0)
    report_to: tuple[str, ...] = ()
    """Loggers besides metrics.jsonl: ``wandb``, ``tensorboard``, ..."""
    trl: dict[str, JsonValue] = Field(default_factory=dict)
    """Further settings of TRL's GRPOConfig, for instance ``fsdp`` or ``deepspeed``; none that the recipe has itself."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("needs one of 'steps' and 'epochs'")
        if self.lora is None and self.model.dtype in ("bfloat16", "float16"):
            raise ValueError(
                f"model.dtype {self.model.dtype} rounds small steps away: leave it out (optimiser.precision says what "
                "is computed in), or train adapters (lora)"
            )
        return self


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with golong-eval, by name."""
    return {file.stem: file for file in sorted(content_path("training/recipes").glob("*.yaml"))}


def recipe_path(name: str) -> Path:
    """Return the file of a recipe: a path, or the name of one that is shipped.

    Raises:
        UnknownNameError: There is neither; the hint names those that are shipped.
    """
    file = Path(name)
    if file.is_file():
        return file
    shipped = shipped_recipes()
    if name in shipped:
        return shipped[name]
    if file.suffix in (".yaml", ".yml"):
        raise ConfigError(f"no recipe at {name}", f"shipped ones go by name: {', '.join(shipped)}")
    raise UnknownNameError("recipe", name, shipped)


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe with all its values as YAML, as `load_recipe` reads it."""
    import yaml

    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True).rstrip()


def load_recipe(source: str | Path, changes: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe; paths in it are taken from the working directory.

    Args:
        source: Its file, or the name of a shipped one.
        changes: Values that replace the file's, by dotted key, as YAML: ``{"rollouts.prompts": "8"}``.

    Raises:
        ConfigError: There is no such recipe.
        DataError: It is no YAML, or holds a wrong key or value; names the key, and the nearest valid one.
    """
    import yaml

    file = recipe_path(str(source))
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise DataError(f"no YAML ({str(error).splitlines()[0]})", "correct it", file=file, line=line) from None
    if not isinstance(read, dict):
        raise DataError("a recipe is a mapping of keys", "start from: golong train --recipe laptop --show", file=file)
    for key, value in (changes or {}).items():
        *parents, last = key.split(".")
        place = read
        for parent in parents:
            if not isinstance(place.setdefault(parent, {}), dict):
                raise ConfigError(
                    f"--set {key}: {parent} is no mapping", "see a whole one: golong train --recipe laptop --show"
                )
            place = place[parent]
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"--set {key}: {value!r} is no YAML", "quote it, for instance --set 'steps=10'"
            ) from error
    try:
        return Recipe.model_validate(read)
    except ValidationError as error:
        first, *more = explain(error, Recipe)
        also = f" (and {len(more)} more: {'; '.join(more)})" if more else ""
        raise DataError(first + also, "see a whole one: golong train --recipe laptop --show", file=file) from None
