"""Any causal language model that transformers loads: a folder or a hub name. Batched, on CPU or GPU.

    golong run --model path/to/checkpoint --engine transformers --engine-arg batch_size=4

Engine arguments: ``batch_size`` (prompts at once, 8), ``batch_tokens`` (prompt tokens at once, padding
included, 65536), ``dtype`` (``auto``), ``device`` (``auto``: CUDA where there is one).

A prompt that does not fit the model is cut in the middle of its documents, by tokens; question and
instructions stay whole, and the generation says ``context_cut``. Sampling is seeded per request, so an
answer does not depend on the batch it was in, but for rounding.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from golong_eval._optional import require
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.errors import ConfigError, ModelError
from golong_eval.schema import Generation

__all__ = ["TransformersEngine"]

_ARGS: dict[str, type] = {"batch_size": int, "batch_tokens": int, "dtype": str, "device": str}
_WINDOW = 8  # batches' worth of requests that are sorted by length together
_WINDOW_CHARACTERS = 8_000_000  # of documents in a window: what is held in memory at once
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class _Encoded:
    request: GenerationRequest
    ids: list[int]
    context_cut: bool
    opened_thinking: bool


class _Rendered(NamedTuple):
    """A rendered prompt: the chat template's opening, the prompt in its parts, the template's closing."""

    opening: str
    before: str
    documents: str
    after: str
    closing: str


class TransformersEngine:
    """An engine over ``transformers.AutoModelForCausalLM``. Make it with `open`."""

    name = "transformers"

    def __init__(self, model: Any, tokenizer: Any, settings: EngineSettings, label: str) -> None:
        import torch

        self._torch = torch
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        self._label = label
        self._batch_size = int(settings.args.get("batch_size", 8))
        self._batch_tokens = int(settings.args.get("batch_tokens", 65_536))
        config = model.config.get_text_config()
        self.max_length: int | None = getattr(config, "max_position_embeddings", None)
        self.thinks = bool(tokenizer.chat_template) and any(
            mark in str(tokenizer.chat_template) for mark in (_THINK_OPEN, "enable_thinking")
        )
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
        _check_args(settings.args)
        torch = require("torch", "hf", "the transformers engine")
        transformers = require("transformers", "hf", "the transformers engine")
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        path = Path(model)
        if path.is_dir() and not (path / "config.json").is_file():
            raise ModelError(
                f"{model} holds no config.json", "give the folder of a checkpoint, as save_pretrained writes it"
            )
        remote = {"trust_remote_code": settings.trust_remote_code}
        device = str(settings.args.get("device", "auto"))
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = settings.args.get("dtype", "auto")
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, **remote)
            loaded = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=dtype, **remote)
            loaded.to(device)
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
            "chat_template": bool(self._tokenizer.chat_template),
            "max_length": self.max_length,
        }

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        """Yield generations batch by batch; within a window of requests, largest budget and longest prompt first."""
        stream = iter(requests)
        while window := self._window(stream):
            encoded: list[_Encoded] = []
            for request in window:
                outcome = self._encode(request)
                if isinstance(outcome, Generation):
                    yield outcome
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
        while len(window) < self._batch_size * _WINDOW and characters < _WINDOW_CHARACTERS:
            request = next(stream, None)
            if request is None:
                break
            window.append(request)
            characters += len(request.prompt.documents)
        return window

    def _encode(self, request: GenerationRequest) -> _Encoded | Generation:
        """Tokenise a prompt, cutting the documents in the middle where it does not fit."""
        parts = self._rendered(request)
        opened_thinking = parts.closing.rfind(_THINK_OPEN) > parts.closing.rfind(_THINK_CLOSE)
        # Real text may hold <|im_end|> and the like: there it is text, and must not end the turn.
        literal = any(token in request.prompt.text for token in self._tokenizer.all_special_tokens)
        if literal:
            own = self._tokens(parts.before + parts.documents + parts.after, literal=True)
            ids = [*self._tokens(parts.opening, first=True), *own, *self._tokens(parts.closing)]
        else:
            ids = self._tokens("".join(parts), first=True)
        room = None if self.max_length is None else self.max_length - request.max_tokens
        if room is None or len(ids) <= room:
            return _Encoded(request, ids, False, opened_thinking)
        first = self._tokens(parts.opening, first=True) + self._tokens(parts.before, literal=literal)
        middle = self._tokens(parts.documents, literal=literal)
        last = self._tokens(parts.after, literal=literal) + self._tokens(parts.closing)
        left = room - len(first) - len(last)
        if left < 1:
            return Generation(
                sample_id=request.sample_id,
                repeat=request.repeat,
                text=None,
                finish_reason="error",
                over_length=True,
                error=f"question and answer budget take {len(first) + len(last) + request.max_tokens} tokens, "
                f"more than the model's {self.max_length}",
                prompt_tokens=len(ids),
            )
        kept = middle[: (left + 1) // 2] + (middle[-(left // 2) :] if left > 1 else [])
        return _Encoded(request, first + kept + last, True, opened_thinking)

    def _rendered(self, request: GenerationRequest) -> _Rendered:
        """Return the prompt with the chat template applied, in parts."""
        prompt = request.prompt
        if not self._tokenizer.chat_template:
            return _Rendered("", prompt.before, prompt.documents, prompt.after, "")
        flags = {} if self._settings.thinking == "auto" else {"enable_thinking": self._settings.thinking == "on"}
        rendered: str = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt.text}], tokenize=False, add_generation_prompt=True, **flags
        )
        # A template may trim its content; what lies between the ends stays as it is.
        content = prompt.text.strip()
        start = rendered.find(content)
        if start < 0:
            return _Rendered(rendered, "", "", "", "")
        head, tail = prompt.before.lstrip(), prompt.after.rstrip()
        documents = content.removeprefix(head).removesuffix(tail)
        return _Rendered(rendered[:start], head, documents, tail, rendered[start + len(content) :])

    def _tokens(self, text: str, *, first: bool = False, literal: bool = False) -> list[int]:
        # A chat template writes its own special tokens; without one the tokenizer adds them, once, at the start.
        special = first and not self._tokenizer.chat_template
        ids: list[int] = self._tokenizer(text, add_special_tokens=special, split_special_tokens=literal)["input_ids"]
        return ids

    def _batches(self, encoded: list[_Encoded]) -> Iterator[list[_Encoded]]:
        """Yield batches of one answer budget each: a batch runs until its largest budget is used up."""
        for _, group in itertools.groupby(encoded, key=lambda item: item.request.max_tokens):
            batch: list[_Encoded] = []
            for item in group:
                # Sorted longest first, so the first of a batch sets its padded length.
                if len(batch) == self._batch_size or (
                    batch and (len(batch) + 1) * len(batch[0].ids) > self._batch_tokens
                ):
                    yield batch
                    batch = []
                batch.append(item)
            yield batch

    def _run(self, batch: list[_Encoded]) -> Iterator[Generation]:
        """Generate for one batch; where it fails, for each of its requests alone, and tell which failed."""
        try:
            rows = self._forward(batch)
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            if len(batch) > 1:
                with contextlib.suppress(RuntimeError):
                    self._torch.cuda.empty_cache()
                for item in batch:
                    yield from self._run([item])
                return
            yield Generation(
                sample_id=batch[0].request.sample_id,
                repeat=batch[0].request.repeat,
                text=None,
                finish_reason="error",
                error=f"{type(error).__name__}: {' '.join(str(error).split())}"[:500],
                prompt_tokens=len(batch[0].ids),
                context_cut=batch[0].context_cut,
            )
            return
        for item, new in zip(batch, rows, strict=True):
            yield self._generation(item, new)

    def _forward(self, batch: list[_Encoded]) -> list[list[int]]:
        torch, settings = self._torch, self._settings
        transformers = require("transformers", "hf", "the transformers engine")

        longest = max(len(item.ids) for item in batch)
        padding = [longest - len(item.ids) for item in batch]
        ids = [[self._pad] * pad + item.ids for pad, item in zip(padding, batch, strict=True)]
        mask = [[0] * pad + [1] * len(item.ids) for pad, item in zip(padding, batch, strict=True)]
        processors = transformers.LogitsProcessorList()
        if settings.temperature > 0:
            processors.append(
                _SeededSampler(settings.temperature, settings.top_p, [item.request.seed for item in batch])
            )
        config = transformers.GenerationConfig(
            max_new_tokens=batch[0].request.max_tokens,
            do_sample=False,  # _SeededSampler draws; what is left is to take the best
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

    def _generation(self, item: _Encoded, new: list[int]) -> Generation:
        end = next((index for index, token in enumerate(new) if token in self._eos), None)
        answer = new if end is None else new[:end]
        # Thinking tags are special tokens in some tokenizers, and must be kept; every other special token goes.
        hidden = set(self._tokenizer.all_special_ids) - set(
            self._tokenizer.convert_tokens_to_ids([_THINK_OPEN, _THINK_CLOSE])
        )
        text = self._tokenizer.decode([token for token in answer if token not in hidden], skip_special_tokens=False)
        return Generation(
            sample_id=item.request.sample_id,
            repeat=item.request.repeat,
            text=text,
            finish_reason="length" if end is None else "stop",
            thinking_unfinished=item.opened_thinking and _THINK_CLOSE not in text,
            prompt_tokens=len(item.ids),
            completion_tokens=len(answer) + (end is not None),
            context_cut=item.context_cut,
        )


class _SeededSampler:
    """Temperature and top-p sampling with a generator per row, by the Gumbel-max trick.

    Adding Gumbel noise to log-probabilities and taking the largest draws from their distribution, so
    each row's draw depends on its own seed alone and not on its neighbours in the batch.
    """

    def __init__(self, temperature: float, top_p: float, seeds: list[int]) -> None:
        import torch
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        self._warpers = [TemperatureLogitsWarper(temperature)] + ([TopPLogitsWarper(top_p)] if top_p < 1 else [])
        # Noise is drawn on the CPU, so that a seed means the same on every device.
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        scores = scores.float()
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        noise = torch.stack(
            [torch.empty(scores.shape[-1]).exponential_(generator=generator) for generator in self._generators]
        )
        return scores - noise.log().to(scores.device)


def _plain_generation_config() -> Any:
    return require("transformers", "hf", "the transformers engine").GenerationConfig()


def _ids(value: int | list[int] | None) -> frozenset[int]:
    if value is None:
        return frozenset()
    return frozenset([value] if isinstance(value, int) else value)


def _check_args(args: dict[str, str | int | float | bool]) -> None:
    for key, value in args.items():
        if key not in _ARGS:
            raise ConfigError(f"the transformers engine has no argument {key!r}", f"known: {', '.join(_ARGS)}")
        number = _ARGS[key] is int
        if not isinstance(value, _ARGS[key]) or (number and int(value) < 1):
            wanted, example = ("a whole number from 1", "8") if number else ("a name", "auto")
            raise ConfigError(f"the engine argument {key}={value} is not {wanted}", f"for instance {key}={example}")
