"""Settle a run before anything costly: engine, tasks, identity and folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golong_eval import __version__
from golong_eval.benchmarks import BENCHMARKS
from golong_eval.benchmarks.suites import suite_named
from golong_eval.engines import RopeScaling, embedded_model, resolve_engine
from golong_eval.engines.scripted import SCRIPTS
from golong_eval.errors import ConfigError, ModelError, ResumeError, UnknownNameError
from golong_eval.harness.run_folder import RunFolder
from golong_eval.harness.settings import RunSettings, is_operational
from golong_eval.harness.sources import Sources, resolve_sources
from golong_eval.harness.task_book import Task
from golong_eval.tasks import MIN_LENGTH, Catalogue, load_catalogue

__all__ = ["TEMPLATE_TOKENS", "ResolvedRun", "has_runs", "open_run", "read_config", "resolve_run"]

THINKING_TOKENS = 4_096
"""Added to a task's answer budget when the model will think and no budget is named."""

TEMPLATE_TOKENS = 64
"""Room for what a chat template adds around a prompt."""

_PROBES, _PROBE_BYTES = 256, 64 * 1024


@dataclass(frozen=True)
class ResolvedRun:
    """A run with every choice made.

    Attributes:
        settings: As given.
        model: What the engine loads.
        model_name: Short name, for the folder and the table.
        engine: Name of the engine.
        engine_reason: Why that one.
        tokenizer: Counts the tokens of built prompts.
        catalogue: All known tasks.
        sources: Where the samples come from.
        specs: The tasks that samples may be of, benchmarks among them, by id.
        identity: What a resumed run must share.
    """

    settings: RunSettings
    model: str
    model_name: str
    engine: str
    engine_reason: str
    tokenizer: str
    catalogue: Catalogue
    sources: Sources
    specs: dict[str, Task]
    identity: dict[str, Any]

    def budget(self, spec: Task, *, thinks: bool = False, tokens: int | None = None) -> int:
        """Return the token budget of an answer to this task.

        Args:
            spec: The task.
            thinks: Whether the model thinks unless told not to.
            tokens: What the answer itself may take; None is the task's own.
        """
        settings = self.settings
        given = settings.task_max_tokens.get(spec.id, settings.max_tokens)
        if given is not None:
            return given
        answer = spec.max_tokens if tokens is None else tokens
        if settings.thinking_budget is not None:
            return answer + settings.thinking_budget
        thinking = settings.thinking == "on" or (settings.thinking == "auto" and thinks)
        return answer + (THINKING_TOKENS if thinking else 0)

    def stated_length(self) -> int | None:
        """Return the tokens of prompt and answer that the checkpoint's configuration and the settings allow.

        None where neither states any.

        Raises:
            ConfigError: The rotary scaling does not suit the checkpoint, or makes fewer than ``max_model_len``.
        """
        limit, scaling = self.settings.max_model_len, self.settings.rope_scaling
        config = read_config(self.model)
        if config is None:
            return limit
        if scaling is not None:
            scaling.overrides(config, limit)
            return limit or scaling.length(config)
        nested = config.get("text_config") or {}
        positions = config.get("max_position_embeddings", nested.get("max_position_embeddings"))
        return min((size for size in (positions, limit) if isinstance(size, int)), default=None)

    def check_length(self, max_length: int | None, *, thinks: bool = False) -> None:
        """Check that built prompts and their answers fit the model, where the context policy is to refuse.

        Raises:
            ModelError: They don't; says which length does.
        """
        most, longest = self.settings.max_prompt_tokens, self.settings.lengths[-1] if self.sources.built else 0
        if self.settings.context_policy == "refuse" and most is not None and longest > most - TEMPLATE_TOKENS:
            raise ModelError(
                f"prompts of {longest:,} tokens are built, and --max-prompt-tokens is {most:,}",
                f"use --length {most - TEMPLATE_TOKENS}, or leave --max-prompt-tokens out"
                if most - TEMPLATE_TOKENS >= MIN_LENGTH
                else "use a greater --max-prompt-tokens",
            )
        if not self.sources.built or max_length is None or self.settings.context_policy != "refuse":
            return
        budget = max(self.budget(self.specs[task], thinks=thinks) for task in self.sources.built)
        room = max_length - budget - TEMPLATE_TOKENS
        if longest > room:
            raise ModelError(
                f"prompts of {longest:,} tokens and answers of {budget} do not fit the model's "
                f"{max_length:,} positions",
                f"use --length {room}" if room >= MIN_LENGTH else "use a longer model, or a smaller --max-tokens",
            )


def read_config(model: str) -> dict[str, Any] | None:
    """Return the ``config.json`` of a checkpoint folder; None for a hub name or a script.

    A broken one is None too: it is told when the checkpoint is loaded.
    """
    try:
        config = json.loads((Path(model) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def resolve_run(settings: RunSettings, *, given_engine: str | None = None) -> ResolvedRun:
    """Settle a run's choices before a model is loaded.

    Args:
        settings: As the user gave them.
        given_engine: Name of the engine that the caller has opened already, if so.

    Raises:
        ConfigError: A setting names something that does not exist.
    """
    scripted = settings.engine == "scripted"
    model = settings.model or (SCRIPTS[0] if scripted else embedded_model())
    if Path(model).is_dir():
        model = os.path.normpath(model)
    engine, reason = (
        (given_engine, "as given") if given_engine else resolve_engine(settings.engine, model, settings.base_url)
    )
    if settings.base_url and settings.model is None:
        raise ConfigError(
            "a server is named, and no model of it", f"give --model; curl {settings.base_url[0]}/models lists them"
        )
    settings = _stretched(settings, model)
    catalogue = load_catalogue(settings.include)
    for task in {**settings.task_repeats, **settings.task_max_tokens}:
        if task not in catalogue.specs and task not in BENCHMARKS:
            raise UnknownNameError("task", task, [*catalogue.specs, *BENCHMARKS])
    sources = resolve_sources(settings, catalogue)
    specs: dict[str, Task] = {**catalogue.specs} | {one.benchmark.id: one.benchmark for one in sources.benchmarks}
    # What no folder is named for is counted by the tokenizer that is always there, and the samples say by which.
    own = (
        settings.model is not None
        and not scripted
        and not given_engine
        and (engine != "openai" or Path(model).is_dir())
    )
    tokenizer = settings.tokenizer or (model if own else "embedded")
    identity = _asked(settings, engine) | {
        "engine": engine,
        "model": "embedded" if settings.model is None and not scripted else model,
        "golong_eval": __version__,
        "task_identities": {
            task: f"{spec.version} {spec.prompt_hash} {spec.metric} {spec.max_tokens}"
            # What tasks a file holds shows when it is read.
            for task in ([*catalogue.specs, *sources.tasks] if sources.files else sources.tasks)
            for spec in [specs[task]]
        },
        "benchmark_data": {located.benchmark.id: located.identity for located in sources.benchmarks},
    }
    try:
        identity["checkpoint"] = _fingerprint(Path(model))
        # An adapter or a tokenizer, too, may be trained again into the same folder.
        named = {"tokenizer": settings.tokenizer, **settings.engine_args}
        paths = {key: Path(name) for key, name in named.items() if isinstance(name, str) and Path(name).exists()}
        identity["paths"] = {key: _fingerprint(path) for key, path in sorted(paths.items())}
        identity["files"] = {str(file): _file_hash(file) for file in sources.files}
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename} ({error.strerror})", "check its rights") from error
    return ResolvedRun(
        settings=settings,
        model=model,
        model_name="embedded" if identity["model"] == "embedded" else _slug(model),
        engine=engine,
        engine_reason=reason,
        tokenizer=tokenizer,
        catalogue=catalogue,
        sources=sources,
        specs=specs,
        identity=identity,
    )


def _stretched(settings: RunSettings, model: str) -> RunSettings:
    """Return settings with YaRN, where a suite is longer than the checkpoint was made for and nothing else is said."""
    wanted = None if settings.suite is None else suite_named(settings.suite).context_tokens
    config = read_config(model)
    if wanted is None or config is None or settings.rope_scaling is not None or settings.max_model_len is not None:
        return settings
    positions = config.get("max_position_embeddings", (config.get("text_config") or {}).get("max_position_embeddings"))
    if not isinstance(positions, int) or positions >= wanted:
        return settings
    scaling = RopeScaling(factor=float(-(-wanted // positions)), original_max_position_embeddings=positions)
    try:
        scaling.overrides(config, wanted)
    except ConfigError:  # it has a scaling of its own, say: what it was made for is what it is run with
        return settings
    return settings.model_copy(update={"rope_scaling": scaling, "max_model_len": wanted})


def open_run(run: ResolvedRun) -> RunFolder:
    """Make the run's folder, or find the one to resume; ``config.json`` is written before anything else.

    Raises:
        ResumeError: There is a run to resume, but of another configuration; names the keys that differ.
        ConfigError: There is nothing to resume.
    """
    output = Path(run.settings.output_dir)
    if run.settings.resume:
        return RunFolder(_run_to_resume(run))
    if (output / "config.json").exists():
        raise ConfigError(
            f"{output} already holds a run", "add --resume to go on with it, or give another --output-dir"
        )
    now = datetime.now(UTC)
    digest = hashlib.sha256(json.dumps(run.identity, sort_keys=True).encode()).hexdigest()[:8]
    name = f"{now:%Y%m%dT%H%M%SZ}-{digest}"
    path = output / run.model_name / name
    attempt = 1
    while path.exists():  # two runs in one second
        attempt += 1
        path = output / run.model_name / f"{name}.{attempt:03d}"
    folder = RunFolder(path)
    config = {
        "settings": run.identity,
        "model_name": run.model_name,
        "started": now.isoformat(timespec="seconds"),
    }
    folder.write_json("config.json", config | {"operation": _operation(run.settings, run.engine)})
    return folder


def has_runs(run: ResolvedRun) -> bool:
    """Return whether the model has a run of any settings."""
    return bool(_candidates(run))


def _candidates(run: ResolvedRun) -> list[Path]:
    output = Path(run.settings.output_dir)
    if (output / "config.json").is_file():
        return [output]
    return sorted((file.parent for file in (output / run.model_name).glob("*/config.json")), reverse=True)


def _difference(path: Path, run: ResolvedRun) -> str:
    """Say how a run differs from the one that is wanted; empty if it does not."""
    try:
        keys = _differing(_stored_identity(path), run.identity)
    except ConfigError as error:
        return str(error)
    return f"{path} differs in {', '.join(keys)}" if keys else ""


def _run_to_resume(run: ResolvedRun) -> Path:
    candidates = _candidates(run)
    if not candidates:
        raise ConfigError(
            f"there is no run of {run.model_name} to resume in {run.settings.output_dir}",
            "run without --resume, or give its --output-dir",
        )
    found = next((path for path in candidates if not _difference(path, run)), None)
    if found is None:
        raise ResumeError(
            _difference(candidates[0], run),
            "resume with the settings in its config.json, or run without --resume to start a new run",
        )
    return found


def _stored_identity(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads((path / "config.json").read_bytes())["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path / 'config.json'} is damaged ({error})", "run without --resume") from error
    return stored if isinstance(stored, dict) else {}


def _differing(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    plain = json.loads(json.dumps(wanted))
    keys = sorted(stored.keys() | plain.keys())
    return [
        f"{key} ({stored.get(key)!r}, now {plain.get(key)!r})" if key != "task_identities" else key
        for key in keys
        if stored.get(key) != plain.get(key)
    ]


def _slug(model: str) -> str:
    folder, _, name = model.rstrip("/").rpartition("/")
    if re.fullmatch(r"checkpoint-[0-9]+", name):  # of a training, whose folder has the telling name
        name = f"{folder.rpartition('/')[2]}-{name}"
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"


def _asked(settings: RunSettings, engine: str) -> dict[str, Any]:
    """Return the settings that say what a run asks, and of whom: two runs that share them are one."""
    values = {key: value for key, value in settings.masked().items() if not is_operational(key, engine)}
    values["engine_args"] = {
        key: value for key, value in values["engine_args"].items() if not is_operational(f"engine_args.{key}", engine)
    }
    return values


def _operation(settings: RunSettings, engine: str) -> dict[str, Any]:
    """Return the other settings: recorded, never compared."""
    values = settings.masked()
    arguments = values.pop("engine_args")
    return {key: value for key, value in values.items() if is_operational(key, engine)} | {
        "engine_args": {key: value for key, value in arguments.items() if is_operational(f"engine_args.{key}", engine)}
    }


def _fingerprint(path: Path) -> str | None:
    """Return a hash over a checkpoint's files, or a file of answers: names, sizes, and bytes from all over each.

    Training changes weights everywhere, so probes see it; reading all of a large checkpoint would take minutes.
    """
    if path.is_file():
        return _file_hash(path)
    if not path.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.name.startswith("."):
            continue
        size = file.stat().st_size
        digest.update(f"{file.name}\x00{size}\x00".encode())
        with file.open("rb") as content:
            if size <= _PROBES * _PROBE_BYTES:
                digest.update(content.read())
                continue
            for probe in range(_PROBES):
                content.seek(probe * (size - _PROBE_BYTES) // (_PROBES - 1))
                digest.update(content.read(_PROBE_BYTES))
    return digest.hexdigest()[:16]


def _file_hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]
