"""Results in the shape of lm-eval 0.4.13: what its ``--output_path`` and ``--log_samples`` write.

The layout is its own too, so that its tools find the files: ``lm-eval/MODEL/results_STAMP.json`` beside
``samples_TASK_STAMP.jsonl``. Names of metrics hold no comma, which lm-eval splits a name and its filter at.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golong_eval.errors import DataError
from golong_eval.harness import Estimate, StoredAnswer, StoredRun, TaskResult
from golong_eval.reports.export.files import write_lines
from golong_eval.reports.samples import Selection, prompt_text
from golong_eval.reports.terminal import shown_line
from golong_eval.rewards import MetricSpec, render_gold
from golong_eval.schema import Sample

__all__ = ["metric_name", "write_lm_eval"]

_GROUP = "golong"
_FILTER = "none"
_SOURCES = {"transformers": "hf", "openai": "local-chat-completions"}
"""What lm-eval calls our engines, where it does not call them the same."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)  # by Windows
_LONGEST = 200  # bytes of a folder's name


def write_lm_eval(run: StoredRun, folder: Path) -> list[Path]:
    """Write a file of results and one of samples a task, and return the paths, that of the results first."""
    model = _model(run)
    # As lm-eval has it, and without a zone: its names hold local time.
    stamp = _started(run).strftime("%Y-%m-%dT%H-%M-%S.%f")
    place = folder / "lm-eval" / _sanitized(model)
    by_task: dict[str, dict[str, list[StoredAnswer]]] = {row.task: {} for row in run.results.tasks}
    for answer in run.rows():
        by_task[answer.sample.task].setdefault(answer.sample.id, []).append(answer)
    whole = Selection(run, (), 0)
    hashes: dict[str, str] = {}
    files = []
    for row in run.results.tasks:
        digest = hashlib.sha256()
        lines = _samples(whole, row, list(by_task[row.task].values()), digest)
        files.append(write_lines(place / f"samples_{row.task}_{stamp}.jsonl", lines))
        hashes[row.task] = digest.hexdigest()
    content = json.dumps(_results(run, model, hashes), indent=2, ensure_ascii=False, allow_nan=False)
    return [write_lines(place / f"results_{stamp}.json", [content]), *files]


def metric_name(identity: str) -> str:
    """Return the name of a metric as lm-eval can have it.

    >>> metric_name("f1[strict,v1]"), metric_name("ndcg@gold[official,v1,chance_corrected]")
    ('f1', 'ndcg_official_chance_corrected')
    """
    metric = MetricSpec.model_validate(identity)
    changes = ["official"] * (metric.variant == "official") + ["chance_corrected"] * metric.chance_corrected
    changes += ["semantic"] * (metric.semantic is not None)
    return "_".join([metric.name, *changes])


def _results(run: StoredRun, model: str, hashes: dict[str, str]) -> dict[str, Any]:
    results = run.results
    metrics = {row.task: _metrics(row) for row in results.tasks}
    average = results.average
    group: dict[str, Any] = {}
    if average is not None:
        group = {"name": _GROUP, "alias": _GROUP, "sample_len": sum(row.samples for row in results.tasks)}
        group |= {**_value("score", average), "sample_count": {f"score,{_FILTER}": group["sample_len"]}}
    names = [*([_GROUP] if group else []), *metrics]
    higher = {row.task: dict.fromkeys(_names(metrics[row.task]), True) for row in results.tasks}
    return {
        "results": ({_GROUP: group} if group else {}) | metrics,
        **({"groups": {_GROUP: group}} if group else {}),
        "group_subtasks": {_GROUP: list(metrics)} if group else {},
        "configs": {row.task: _task_config(run, row) for row in results.tasks},
        "versions": {row.task: row.task_version for row in results.tasks},
        "n-shot": dict.fromkeys(names, 0),
        "higher_is_better": ({_GROUP: {"score": True}} if group else {}) | higher,
        "n-samples": {row.task: {"original": row.samples, "effective": row.samples} for row in results.tasks},
        "config": _config(run, model),
        "git_hash": None,
        "date": _started(run).timestamp(),
        "pretty_env_info": _environment(run),
        "transformers_version": _packages(run).get("transformers", "N/A"),
        "golong_eval_version": results.golong_eval,
        "upper_git_hash": None,
        "max_length": run.settings.get("max_model_len"),
        "task_hashes": hashes,
        "model_source": _source(run),
        "model_name": model,
        "model_name_sanitized": _sanitized(model),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "total_evaluation_time_seconds": str(_seconds(run)),
    }


def _metrics(row: TaskResult) -> dict[str, Any]:
    """Return the values of a task: a metric counts failures as 0, as our table does; ``_scored`` leaves them out."""
    name = metric_name(row.metric)
    found: dict[str, Any] = {"name": row.task, "alias": f"{row.task} {row.name}", "sample_len": row.samples}
    found[f"{name},{_FILTER}"] = row.mean
    found[f"{name}_stderr,{_FILTER}"] = "N/A" if row.stderr is None else row.stderr
    if row.scored < row.n:
        found[f"coverage,{_FILTER}"] = row.coverage
        found[f"coverage_stderr,{_FILTER}"] = "N/A"
        if row.mean_scored is not None:
            found[f"{name}_scored,{_FILTER}"] = row.mean_scored
            found[f"{name}_scored_stderr,{_FILTER}"] = "N/A"
    for at in row.at_k:
        found |= _value(f"pass@{at.k}", at.pass_at_k) | _value(f"best@{at.k}", at.best_of_k)
    return found if row.majority is None else found | _value("majority", row.majority)


def _value(name: str, estimate: Estimate) -> dict[str, Any]:
    stderr = "N/A" if estimate.stderr is None else estimate.stderr
    return {f"{name},{_FILTER}": estimate.mean, f"{name}_stderr,{_FILTER}": stderr}


def _names(metrics: dict[str, Any]) -> list[str]:
    names = [key.removesuffix(f",{_FILTER}") for key in metrics if key.endswith(f",{_FILTER}")]
    return [name for name in names if not name.endswith("_stderr")]


def _task_config(run: StoredRun, row: TaskResult) -> dict[str, Any]:
    name = metric_name(row.metric)
    return {
        "task": row.task,
        "task_alias": f"{row.task} {row.name}",
        "tag": [_GROUP],
        "output_type": "generate_until",
        "num_fewshot": 0,
        "metric_list": [{"metric": name, "aggregation": "mean", "higher_is_better": True}],
        "generation_kwargs": _generation(run),
        "repeats": row.repeats,
        "should_decontaminate": False,
        "metadata": {
            "version": row.task_version,
            "metric": row.metric,
            "prompt_hash": row.prompt_hash,
            "data_revision": row.data_revision,
            "context": run.results.context,
        },
    }


def _config(run: StoredRun, model: str) -> dict[str, Any]:
    settings = run.settings
    arguments = {"pretrained" if _source(run) in ("hf", "vllm") else "model": model}
    if settings.get("max_model_len") is not None:
        arguments["max_length"] = settings["max_model_len"]
    return {
        "model": _source(run),
        "model_args": arguments,
        "batch_size": None,
        "batch_sizes": [],
        "device": None,
        "use_cache": None,
        "limit": settings.get("limit"),
        "bootstrap_iters": 0,  # standard errors are computed, not resampled
        "gen_kwargs": _generation(run),
        "random_seed": settings.get("seed"),
        "numpy_seed": settings.get("seed"),
        "torch_seed": settings.get("seed"),
        "fewshot_seed": settings.get("seed"),
    }


def _generation(run: StoredRun) -> dict[str, Any]:
    settings = run.settings
    temperature = settings.get("temperature") or 0.0
    found: dict[str, Any] = {
        "do_sample": temperature > 0,
        "temperature": temperature,
        "top_p": settings.get("top_p"),
        "until": [],
    }
    return found | ({} if settings.get("max_tokens") is None else {"max_gen_toks": settings["max_tokens"]})


def _samples(
    whole: Selection, row: TaskResult, answers: Sequence[Sequence[StoredAnswer]], digest: Any
) -> Iterator[str]:
    """Yield a line a sample with all its repeats, and feed `digest` as lm-eval makes the hash of a task."""
    name = metric_name(row.metric)
    for place, repeats in enumerate(answers):
        sample = repeats[0].sample
        # A repeat that never came has no prompt of its own, and the sample's is the same.
        asked = next((one for one in repeats if one.generation is not None), repeats[0])
        prompt = prompt_text(whole, asked, whole=True) or sample.question
        document, target = _document(sample), render_gold(sample.gold)
        hashes = [_hash(text) for text in (json.dumps(document, indent=2, ensure_ascii=False), prompt, target)]
        texts = [(one.generation.text if one.generation is not None else None) or "" for one in repeats]
        values = [one.result.value for one in repeats]
        line = {
            "doc_id": place,
            "doc": document,
            "target": target,
            "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": _generation(whole.run)}},
            "resps": [texts],
            "filtered_resps": texts if len(texts) == 1 else [texts],
            "filter": _FILTER,
            "metrics": [name],
            "doc_hash": hashes[0],
            "prompt_hash": hashes[1],
            "target_hash": hashes[2],
            name: sum(value or 0.0 for value in values) / len(values),
            "scores": values,
            "statuses": [one.result.status for one in repeats],
        }
        digest.update("".join(hashes).encode())
        yield json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"


def _document(sample: Sample) -> dict[str, Any]:
    """Return a sample without the texts of its documents, which stand in the prompt."""
    documents = [{"id": one.id, "title": one.title, "sha256": one.sha256} for one in sample.documents]
    kept = sample.model_dump(mode="json", exclude={"documents"}, exclude_none=True)
    return kept | {"documents": documents}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _started(run: StoredRun) -> datetime:
    try:
        started = datetime.fromisoformat(run.results.started)
        return started.astimezone(UTC) if started.tzinfo is not None else started.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        problem = f"the results have no date: 'started' is {run.results.started!r}"
        raise DataError(problem, f"write them again: golong score {run.path}", file=run.path) from None


def _model(run: StoredRun) -> str:
    return str(run.settings.get("model") or run.results.model)


def _source(run: StoredRun) -> str:
    return _SOURCES.get(run.results.engine, run.results.engine)


def _sanitized(model: str) -> str:
    """Return a model as the name of a folder: as lm-eval has it, where every system has such a name.

    >>> _sanitized("org/model"), _sanitized(".."), _sanitized("con.txt")
    ('org__model', '_', '_con.txt')
    """
    name = re.sub(r"[\"<>:/|\\?*\[\]]+", "__", shown_line(model))
    name = re.sub(r"[. ]+$|^$", "_", name)
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    if len(name.encode()) <= _LONGEST:
        return name
    digest = f"-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return name.encode()[: _LONGEST - len(digest)].decode(errors="ignore") + digest


def _sessions(run: StoredRun) -> list[dict[str, Any]]:
    return [session for session in run.environment.get("sessions", []) if isinstance(session, dict)]


def _packages(run: StoredRun) -> dict[str, str]:
    sessions = _sessions(run)
    return dict(sessions[-1].get("packages", {})) if sessions else {}


def _environment(run: StoredRun) -> str:
    if not _sessions(run):
        return "N/A"
    last = _sessions(run)[-1]
    lines = [f"Python: {last.get('python')}", f"Platform: {last.get('platform')}", f"CPUs: {last.get('cpus')}"]
    return "\n".join([*lines, *(f"{name}: {version}" for name, version in _packages(run).items())])


def _seconds(run: StoredRun) -> float:
    return float(sum(session.get("generate_seconds") or 0.0 for session in _sessions(run)))
