"""Our tasks for lm-eval: our prompts, budgets and scorers; its models, its loop.

    lm_eval --include_path FOLDER --tasks golong_t1 --metadata '{"samples": "samples.jsonl"}' --apply_chat_template ...

Written for lm-eval 0.4.13, which reads the YAML files of this folder; each names `GolongTask`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from golong_eval._optional import require
from golong_eval.adapters.answered import bare_sample, sample_of, samples_for, score_text, target_of, task_for
from golong_eval.benchmarks import Benchmark
from golong_eval.errors import ConfigError
from golong_eval.harness.task_book import Task
from golong_eval.schema import Sample

__all__ = ["task_class"]


def __getattr__(name: str) -> Any:
    """Return the class that the YAML files name: it is made where lm-eval asks for it."""
    if name == "GolongTask":
        return task_class()
    raise AttributeError(name)


@cache
def task_class() -> type[Any]:
    """Return the class behind all tasks of this folder.

    Raises:
        MissingExtraError: lm-eval is not installed.
    """
    base: Any = require("lm_eval.api.task", "lm-eval", "a task of lm-eval").ConfigurableTask
    datasets = require("datasets", "lm-eval", "a task of lm-eval")

    class GolongTask(base):  # type: ignore[misc]  # lm-eval has no types
        """A task of ours, called ``golong_`` and its id."""

        def __init__(self, config: dict[str, Any]) -> None:
            given = dict(config.get("metadata") or {})
            name = str(config["task"]).rpartition("golong_")[2]
            self._golong = task_for(name, given.get("variant", "strict"))
            kept = {key: value for key, value in config.items() if key not in ("class", "include")}
            super().__init__(config=kept | _config(self._golong, given))

        def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: Any) -> None:
            """Read the samples that the metadata or the environment names."""
            del dataset_kwargs
            place = _place(self._golong, self.config.metadata)
            rows = [_row(self._golong, sample) for sample in samples_for(self._golong, place)]
            self.dataset = {"test": datasets.Dataset.from_list(rows)}

        def fewshot_context(self, doc: Mapping[str, Any], num_fewshot: int = 0, **options: Any) -> Any:
            """Return our prompt: with a chat template all its messages, without one its text."""
            if num_fewshot:
                raise ConfigError("golong-eval's tasks show no examples", "leave --num_fewshot out")
            system = options.get("system_instruction")
            template = options.get("chat_template")
            if template is None or not options.get("apply_chat_template"):
                return doc["prompt"] if system is None else f"{system}\n\n{doc['prompt']}"
            messages = json.loads(doc["messages"])
            return template(messages if system is None else [{"role": "system", "content": system}, *messages])

        def process_results(self, doc: Mapping[str, Any], results: list[str]) -> dict[str, float]:
            """Score an answer. One that only a judge could decide is 0 and lowers the coverage."""
            result = score_text(self._golong, sample_of(doc["sample"]), results[0])
            return {"score": result.value or 0.0, "coverage": float(result.value is not None)}

    return GolongTask


def _config(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what lm-eval's configuration of a task says, all of it from our definition of the task."""
    own = {"version": task.version, "metric": str(task.metric), "prompt_hash": task.prompt_hash}
    return {
        "output_type": "generate_until",
        "test_split": "test",
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "num_fewshot": 0,
        "generation_kwargs": {
            "until": [],
            "max_gen_toks": int(given.get("max_gen_toks", task.max_tokens)),
            "do_sample": False,
            "temperature": 0.0,
        },
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("score", "coverage")
        ],
        "process_results": "ours",  # keeps lm-eval from looking these metrics up in its own list
        "metadata": {**given, **own},
    }


def _place(task: Task, metadata: Mapping[str, Any]) -> Any:
    """Return where samples are: ``samples`` or GOLONG_SAMPLES for the nine, ``data`` or GOLONG_DATA for benchmarks."""
    key = "data" if isinstance(task, Benchmark) else "samples"
    place = metadata.get(key) or os.environ.get(f"GOLONG_{key.upper()}")
    if not place:
        raise ConfigError(
            f"golong_{task.id}: nothing says where its samples are",
            f'--metadata \'{{"{key}": "PATH"}}\', or the environment variable GOLONG_{key.upper()}',
        )
    return place


def _row(task: Task, sample: Sample) -> dict[str, str]:
    prompt = task.prompt(sample)
    return {
        "id": sample.id,
        "prompt": prompt.text,
        "messages": json.dumps(prompt.messages, ensure_ascii=False),
        "target": target_of(sample, task),
        "sample": bare_sample(sample),
    }
