"""Replicas of a model on a Ray cluster: Ray Data's vLLM processor.

Prompts go in as tokens and answers come back as tokens, so that both are those of the vllm engine. The processor tells
neither why an answer ended nor how much of its prompt was cached: the first is read off its tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from golong_eval._optional import require
from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.encoding import Encoded, PromptEncoder, failed
from golong_eval.engines.ray.stream import PURPOSE
from golong_eval.engines.vllm.arguments import OwnArguments, Plan, plan
from golong_eval.engines.vllm.engine import ends_of_turn, load_tokenizer
from golong_eval.errors import ConfigError, ModelError
from golong_eval.schema import Generation

__all__ = ["RayReplicas"]

_BATCHES = 8  # that a replica has at once, so that it does not wait for the slowest answer of one


class RayReplicas:
    """The vLLM processor, seen from the process that runs the evaluation.

    Args:
        model: Folder, on every node, or hub name.
        settings: How to generate.
        engine_kwargs: Fields of ``vllm.EngineArgs``.
        workers: Replicas.
        batch_size: Prompts that are handed to a replica together.

    Raises:
        MissingExtraError: vLLM is not installed here; it must be on every node.
        ModelError: There is no checkpoint.
        ConfigError: An argument does not fit.
    """

    kind = "vllm"

    def __init__(
        self,
        model: str,
        settings: EngineSettings,
        engine_kwargs: Mapping[str, JsonValue],
        workers: int,
        batch_size: int,
    ) -> None:
        own = sorted(OwnArguments.model_fields.keys() & engine_kwargs)
        if own:
            raise ConfigError(
                f"engine arguments of ray: engine_kwargs takes no {', '.join(own)}",
                "they are the vllm engine's own; a replica each is --engine-arg workers=N",
            )
        vllm = require("vllm", "vllm", f"{PURPOSE} without --base-url")
        made = plan(model, settings.model_copy(update={"args": dict(engine_kwargs)}))
        try:
            tokenizer = load_tokenizer(model, made)
            self._ends = ends_of_turn(model, tokenizer, made)
            transformers = require("transformers", "vllm", PURPOSE)
            checkpoint = transformers.AutoConfig.from_pretrained(
                model, trust_remote_code=made.trust_remote_code, revision=made.revision
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise ModelError(
                f"cannot load the tokenizer or the configuration of {model} ({reason})",
                "check that the folder is whole and on every node; a hub name needs a network",
            ) from error
        self.max_length = _length(checkpoint, made)
        self._encoder = PromptEncoder(tokenizer, settings, self.max_length)
        self.thinks = self._encoder.thinks
        self.window = (_BATCHES + 2) * workers * batch_size
        self._model = model
        self._settings = settings
        self._workers = workers
        self._batch_size = batch_size
        # Without a GPU in the cluster, Ray would wait for one for ever.
        self._on_gpu = require("ray", "ray", PURPOSE).cluster_resources().get("GPU", 0) > 0
        self._budget = settings.thinking_budget if _holds_budget(vllm, made) else None
        stored = getattr(checkpoint, "quantization_config", None)
        self._recorded = {
            "vllm": vllm.__version__,
            "transformers": transformers.__version__,
            "quantization": made.arguments.get("quantization") or _method(stored),
            "chat_template": bool(tokenizer.chat_template),
            "revision": made.revision or getattr(checkpoint, "_commit_hash", None),
            "hf_overrides": None if made.hf_overrides is None else json.dumps(made.hf_overrides, sort_keys=True),
        }
        known = {key: value for key, value in made.arguments.items() if key not in ("model", "use_tqdm_on_load")}
        self._engine_kwargs = known | ({} if self.max_length is None else {"max_model_len": self.max_length})

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return the versions of vLLM and transformers here, what was asked of them, and what checkpoint it is."""
        arguments = self._engine_kwargs
        return {
            **self._recorded,
            "model": self._model,
            "max_length": self.max_length,
            "dtype": str(arguments.get("dtype", "auto")),
            "device": "cuda" if self._on_gpu else "cpu",
            "tensor_parallel": int(arguments.get("tensor_parallel_size", 1)),
            "seeded": self._on_gpu,  # the CPU's sampler fails on a request's own seed
            "thinking_budget_held": None if self._settings.thinking_budget is None else self._budget is not None,
        }

    def over_length(self, request: GenerationRequest) -> str | None:
        """Say why a request does not fit the model."""
        return self._encoder.over_length(request)

    def processor(self) -> Any:
        """Return a processor of Ray Data. Its replicas load the model when the first rows come."""
        llm = require("ray.data.llm", "ray", PURPOSE)
        data = require("ray.data", "ray", PURPOSE)
        light = {"num_cpus": 0, "compute": data.TaskPoolStrategy(size=1)}
        config = llm.vLLMEngineProcessorConfig(
            model_source=self._model,
            engine_kwargs=dict(self._engine_kwargs),
            concurrency=(self._workers, self._workers),
            batch_size=self._batch_size,
            max_concurrent_batches=_BATCHES,
            should_continue_on_error=True,
            log_engine_metrics=False,  # they need more of Ray than its data library
            chat_template_stage=False,
            tokenize_stage=False,
            detokenize_stage=False,
            **({} if self._on_gpu else {"placement_group_config": {"bundles": [{"CPU": 1}]}}),
        )
        return llm.build_processor(config, postprocess=_kept, preprocess_map_kwargs=light, postprocess_map_kwargs=light)

    def prepare(self, request: GenerationRequest) -> Encoded | list[Generation]:
        """Return a request's tokens, or its failures where it does not fit."""
        return self._encoder.encode(request)

    def row(self, item: Encoded) -> dict[str, Any]:
        """Return the columns of a request's row."""
        settings = self._settings
        sampling: dict[str, Any] = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": item.request.max_tokens,
            "detokenize": False,
        }
        if self._ends:
            sampling["stop_token_ids"] = sorted(self._ends)
        if self._on_gpu and settings.temperature > 0:
            sampling["seed"] = item.request.seed
        if self._budget is not None:
            sampling["thinking_token_budget"] = self._budget
        return {"tokenized_prompt": item.ids, "sampling_params": sampling}

    def read(self, item: Encoded, row: Mapping[str, Any]) -> Generation:
        """Return what a finished row says."""
        request = item.request
        if row["__inference_error__"]:
            reason = f"vLLM failed: {' '.join(row['__inference_error__'].split())}"[:500]
            return failed(request, reason, prompt_tokens=len(item.ids))[0]
        new: list[int] = row["generated_tokens"]
        room = request.max_tokens
        if self.max_length is not None:
            room = min(room, self.max_length - len(item.ids))
        if len(new) < room and self._ends.isdisjoint(new):
            reason = f"vLLM broke the answer off after {len(new)} tokens"
            return failed(request, reason, prompt_tokens=len(item.ids))[0]
        return self._encoder.generation(item, new, self._ends, seconds=row["time_taken_llm"])


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that go back. Rows that failed go back whole."""
    return {name: row[name] for name in ("key", "generated_tokens", "time_taken_llm")}


def _length(checkpoint: Any, made: Plan) -> int | None:
    """Return the tokens of prompt and answer: what was asked for, else the checkpoint's positions."""
    asked = made.arguments.get("max_model_len")
    if asked is not None:
        return int(asked)
    positions = getattr(checkpoint.get_text_config(), "max_position_embeddings", None)
    return None if positions is None else int(positions)


def _method(quantization: Any) -> str | None:
    """Return the name in a checkpoint's ``quantization_config``, which is a mapping or an object of transformers."""
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    method = method or getattr(quantization, "quant_method", None)
    return None if method is None else str(getattr(method, "value", method))


def _holds_budget(vllm: Any, made: Plan) -> bool:
    return "reasoning_config" in made.arguments and "thinking_token_budget" in vllm.SamplingParams.__struct_fields__
