"""Any causal language model that transformers loads: a folder or a hub name. Batched, on CPU or GPU.

    golong run --model path/to/checkpoint --engine transformers --engine-arg batch_size=4

Engine arguments: ``batch_size`` (prompts at once, 8), ``batch_tokens`` (prompt tokens at once, padding
included, 65536), ``dtype`` (``auto``), ``device`` (``auto``: CUDA where there is one).

Sampling is seeded per request, so an answer does not depend on the batch it was in, but for rounding.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from golong_eval._optional import require
from golong_eval.engines.arguments import read_arguments
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.encoding import Encoded, PromptEncoder, failed
from golong_eval.engines.logits import SeededSampler, ThinkingLimit
from golong_eval.engines.rope import RopeScaling
from golong_eval.errors import ConfigError, ModelError
from golong_eval.schema import Frozen, Generation
from golong_eval.text import CLOSE_THINK, OPEN_THINK

__all__ = ["TransformersEngine", "rope_config"]

_WINDOW = 8  # batches' worth of requests that are sorted by length together
_WINDOW_CHARACTERS = 8_000_000  # of documents in a window: what is held in memory at once


class _Arguments(Frozen):
    batch_size: int = Field(default=8, ge=1)
    batch_tokens: int = Field(default=65_536, ge=1)
    dtype: str = "auto"
    device: str = "auto"


class TransformersEngine:
    """An engine over ``transformers.AutoModelForCausalLM``. Make it with `open`."""

    name = "transformers"
    native_n = False

    def __init__(self, model: Any, tokenizer: Any, settings: EngineSettings, label: str) -> None:
        import torch

        self._torch = torch
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        self._label = label
        self._arguments = read_arguments(_Arguments, self.name, settings.args)
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.max_length: int | None = min(
            (limit for limit in (positions, settings.max_model_len) if limit is not None), default=None
        )
        self._encoder = PromptEncoder(tokenizer, settings, self.max_length)
        self.thinks = self._encoder.thinks
        # Fine-tunes of base models end their turn with the tokenizer's token, whatever the old generation config says.
        self._eos = _ids(model.generation_config.eos_token_id) | _ids(tokenizer.eos_token_id)
        # generate() fills what a request leaves open from the checkpoint's own generation config: a repetition
        # penalty, for instance, that would punish quoting the documents and be recorded nowhere.
        model.generation_config = _plain_generation_config()
        self._pad: int = next(
            token
            for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, *sorted(self._eos), 0)
            if token is not None
        )

    @classmethod
    def open(cls, model: str, settings: EngineSettings) -> Self:
        """Load a checkpoint.

        Args:
            model: Folder or hub name.
            settings: How to generate.

        Raises:
            MissingExtraError: torch or transformers is not installed.
            ModelError: There is no checkpoint, or it can't be loaded.
            ConfigError: An engine argument is unknown or not of its type.
        """
        arguments = read_arguments(_Arguments, cls.name, settings.args)
        torch = require("torch", "hf", "the transformers engine")
        transformers = require("transformers", "hf", "the transformers engine")
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        path = Path(model)
        if path.is_dir() and not (path / "config.json").is_file():
            raise ModelError(
                f"{model} holds no config.json", "give the folder of a checkpoint, as save_pretrained writes it"
            )
        remote: dict[str, Any] = {"trust_remote_code": settings.trust_remote_code}
        device = arguments.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            changed = rope_config(model, settings.rope_scaling, settings.max_model_len, **remote)
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, **remote)
            loaded = transformers.AutoModelForCausalLM.from_pretrained(
                model, dtype=arguments.dtype, **changed, **remote
            )
            loaded.to(device)
        except ConfigError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(
                f"cannot load the model {model} ({type(error).__name__}: {reason})",
                "check that the folder holds config.json, weights and tokenizer, all whole; a hub name needs a network",
            ) from error
        loaded.eval()
        return cls(loaded, tokenizer, settings, model)

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return versions, dtype, device and the kind of tokenizer."""
        return {
            "torch": self._torch.__version__,
            "transformers": require("transformers", "hf", "the transformers engine").__version__,
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "device": str(self._model.device),
            "parameters": self._model.num_parameters(),
            "revision": getattr(self._model.config, "_commit_hash", None),
            "seeded": True,
            "thinking_budget_held": None if self._settings.thinking_budget is None else True,
            "chat_template": bool(self._tokenizer.chat_template),
            "max_length": self.max_length,
        }

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model."""
        return self._encoder.over_length(request)

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield generations batch by batch; within a window of requests, largest budget and longest prompt first."""
        stream = iter(requests)
        while window := self._window(stream):
            encoded: list[Encoded] = []
            for request in window:
                outcome = self._encoder.encode(request)
                if isinstance(outcome, list):
                    yield from outcome
                else:
                    encoded.append(outcome)
            encoded.sort(key=lambda item: (item.request.max_tokens, len(item.ids)), reverse=True)
            for batch in self._batches(encoded):
                yield from self._run(batch)

    def close(self) -> None:
        """Drop the model and free its memory."""
        self._model = None
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()

    def _window(self, stream: Iterator[GenerationRequest]) -> list[GenerationRequest]:
        """Take the next requests: some batches' worth, or fewer where they are long."""
        window: list[GenerationRequest] = []
        characters = 0
        while len(window) < self._arguments.batch_size * _WINDOW and characters < _WINDOW_CHARACTERS:
            request = next(stream, None)
            if request is None:
                break
            window.append(request)
            characters += request.characters
        return window

    def _batches(self, encoded: list[Encoded]) -> Iterator[list[Encoded]]:
        """Yield batches of one answer budget each: a batch runs until its largest budget is used up."""
        for _, group in itertools.groupby(encoded, key=lambda item: item.request.max_tokens):
            batch: list[Encoded] = []
            for item in group:
                # Sorted longest first, so the first of a batch sets its padded length.
                if len(batch) == self._arguments.batch_size or (
                    batch and (len(batch) + 1) * len(batch[0].ids) > self._arguments.batch_tokens
                ):
                    yield batch
                    batch = []
                batch.append(item)
            yield batch

    def _run(self, batch: list[Encoded]) -> Iterator[Generation]:
        """Generate for one batch; where it fails, for each of its requests alone, and tell which failed."""
        try:
            started = time.monotonic()
            rows = self._forward(batch)
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            if len(batch) > 1:
                with contextlib.suppress(RuntimeError):
                    self._torch.cuda.empty_cache()
                for item in batch:
                    yield from self._run([item])
                return
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
            yield from failed(batch[0].request, reason, prompt_tokens=len(batch[0].ids))
            return
        for item, new in zip(batch, rows, strict=True):
            yield self._encoder.generation(item, new, self._eos, seconds=time.monotonic() - started)

    def _forward(self, batch: list[Encoded]) -> list[list[int]]:
        torch, settings = self._torch, self._settings
        transformers = require("transformers", "hf", "the transformers engine")

        longest = max(len(item.ids) for item in batch)
        padding = [longest - len(item.ids) for item in batch]
        ids = [[self._pad] * pad + item.ids for pad, item in zip(padding, batch, strict=True)]
        mask = [[0] * pad + [1] * len(item.ids) for pad, item in zip(padding, batch, strict=True)]
        processors = transformers.LogitsProcessorList()
        if settings.temperature > 0:
            processors.append(
                SeededSampler(settings.temperature, settings.top_p, [item.request.seed for item in batch])
            )
        if settings.thinking_budget is not None:
            opening, closing = (
                self._tokenizer(tag, add_special_tokens=False)["input_ids"] for tag in (OPEN_THINK, CLOSE_THINK)
            )
            opened = [item.opened_thinking for item in batch]
            processors.append(ThinkingLimit(settings.thinking_budget, opening, closing, opened))
        config = transformers.GenerationConfig(
            max_new_tokens=batch[0].request.max_tokens,
            do_sample=False,  # SeededSampler draws; what is left is to take the best
            eos_token_id=sorted(self._eos) or None,
            pad_token_id=self._pad,
        )
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=torch.tensor(ids, device=self._model.device),
                attention_mask=torch.tensor(mask, device=self._model.device),
                generation_config=config,
                logits_processor=processors,
            )
        rows: list[list[int]] = output[:, longest:].tolist()
        return rows


def rope_config(
    model: str,
    scaling: RopeScaling | None,
    needed: int | None,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> dict[str, Any]:
    """Return what loading needs for a rotary scaling: the checkpoint's configuration with the whole override in it.

    Args:
        model: Folder or hub name.
        scaling: The scaling; None: nothing is needed.
        needed: Tokens of prompt and answer that must fit.
        revision: Revision of a hub name.
        trust_remote_code: As transformers has it.

    Raises:
        ConfigError: The scaling does not fit the checkpoint.
    """
    if scaling is None:
        return {}
    transformers = require("transformers", "hf", "the transformers engine")
    config = transformers.AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=trust_remote_code)
    file = Path(model) / "config.json"
    # The file as it is: what transformers makes of it has its class's defaults filled in, a theta among them.
    stated = json.loads(file.read_bytes()) if file.is_file() else config.to_dict()
    overrides = scaling.overrides(stated, needed)
    nested = overrides.get("text_config")
    for key, value in (nested if isinstance(nested, dict) else overrides).items():
        setattr(config.get_text_config(), key, value)
    return {"config": config}


def _plain_generation_config() -> Any:
    return require("transformers", "hf", "the transformers engine").GenerationConfig()


def _ids(value: int | list[int] | None) -> frozenset[int]:
    if value is None:
        return frozenset()
    return frozenset([value] if isinstance(value, int) else value)
