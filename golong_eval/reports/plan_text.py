"""What a run would do, as text: a table of the tasks, and a line or two on each question that a plan answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from golong_eval.harness import Plan
from golong_eval.harness.capacity import GpuFit
from golong_eval.harness.model_shape import ModelShape
from golong_eval.harness.prefixes import BLOCK
from golong_eval.reports.table import table

__all__ = ["plan_text"]

_GIB = 2**30
_LABEL = 10


def plan_text(plan: Plan) -> str:
    """Return what a run would do."""
    header = ("task", "metric", "prompts", "answers", "prompt tokens", "longest", "answer budget", "prompts by length")
    rows = [
        (
            row.task,
            row.metric,
            str(row.samples),
            str(row.answers),
            f"{row.prompt_tokens:,}",
            f"{row.longest:,}",
            f"{row.budget:,}",
            ", ".join(f"≤{bound}: {prompts}" for bound, prompts in row.lengths.items()),
        )
        for row in plan.tasks
    ]
    lines = [
        f"model {plan.model}, engine {plan.engine} ({plan.engine_reason}), context {plan.context}",
        "",
        *table(header, rows, right=range(2, 7)),
        "",
    ]
    sections = {
        "prompts": _prompts(plan),
        "answers": _answers(plan),
        "length": _length(plan),
        "model": _model(plan),
        "GPUs": _gpus(plan),
        "time": _time(plan),
        "cost": _cost(plan),
        "dropped": (f"{task}: {reason}" for task, reason in plan.dropped.items()),
        "in the way": iter(plan.obstacles),
    }
    for label, section in sections.items():
        for number, line in enumerate(section):
            lines.append(f"{label if number == 0 else '':<{_LABEL}}  {line}")
    return "\n".join([*lines, "", "nothing was loaded or written: a dry run"])


def _prompts(plan: Plan) -> Iterator[str]:
    yield (
        f"{sum(row.samples for row in plan.tasks):,} prompts of {plan.prompt_tokens:,} tokens by the tokenizer "
        f"{plan.tokenizer}, before any chat template"
    )
    saved = 1 - plan.unique_prefix_tokens / max(1, plan.prompt_tokens)
    yield (
        f"{plan.unique_prefix_tokens:,} are left to compute if every shared beginning is computed once, in blocks of "
        f"{BLOCK}: prefix caching can save {100 * saved:.1f} %"
    )


def _answers(plan: Plan) -> Iterator[str]:
    count = sum(row.answers for row in plan.tasks)
    expected = plan.expected_answer_tokens
    likely = "" if expected is None else f"; {expected:,} if they are as long as the measured run's"
    yield f"{count:,} answers of at most {plan.answer_tokens:,} tokens by their budgets{likely}"
    if plan.thinks is None:
        yield "whether the model thinks unasked is not known: its chat template is not at hand; see --thinking"
    if plan.token_limit is not None:
        yield f"the run stops at {plan.token_limit:,} tokens of prompts and answers, by --token-limit"


def _length(plan: Plan) -> Iterator[str]:
    length = plan.length
    scaled = " by rotary scaling" if length.overrides is not None else ""
    if length.limit is None:
        yield f"the longest prompt and answer take {length.longest:,} positions; the model's are not known"
    else:
        yield f"the longest prompt and answer take {length.longest:,} of {length.limit:,} positions{scaled}"
    if length.too_long and length.policy == "truncate":
        yield f"prompts that do not fit: {length.too_long}; their documents would be cut, and are counted uncut here"
    if length.too_long and length.policy == "skip":
        yield f"prompts that do not fit: {length.too_long}; they would get no answer, and are counted here all the same"
    if length.overrides is not None:
        yield f"override: {json.dumps(length.overrides)}"
    if length.serve is not None:
        yield f"to serve: {length.serve}"


def _model(plan: Plan) -> Iterator[str]:
    shape = plan.shape
    if shape is None:
        yield f"memory is not known: {plan.shape_note}"
        return
    parameters = "" if shape.parameters is None else f"{_count(shape.parameters)} parameters, "
    weights = "no files with weights" if shape.weight_bytes is None else f"{_size(shape.weight_bytes)} of weights"
    yield f"{parameters}{weights}; KV cache of {shape.kv_bytes_per_token:,} bytes a token in {shape.kv_dtype}"
    yield _layers(shape)


def _layers(shape: ModelShape) -> str:
    kinds = []
    if shape.full_layers:
        kinds.append(f"{shape.full_layers} layers keep every token")
    if shape.window_layers:
        kinds.append(
            f"{shape.window_layers} keep the last {shape.window:,} ({_size(shape.window_bytes)} a request at most)"
        )
    if shape.linear_layers:
        kinds.append(f"{shape.linear_layers} keep a state ({_size(shape.state_bytes)} a request)")
    what = "one latent vector" if shape.latent else f"{shape.kv_heads} KV heads"
    return f"{'; '.join(kinds)}; {what}, {shape.values_per_layer:,} numbers a token and layer"


def _gpus(plan: Plan) -> Iterator[str]:
    fit = plan.gpus
    if fit is None:
        if plan.shape is not None:
            missing = (
                "the size of the weights is not known" if plan.shape.weight_bytes is None else "name them with --gpu"
            )
            yield f"not planned: {missing}"
        return
    budget = (
        f"of {100 * fit.utilization:g} % of {fit.gpu.gib:g} GiB, on each: {_size(fit.weight_bytes)} of weights, "
        f"{_size(fit.reserve_bytes)} assumed for activations, graphs and communication, {_size(fit.free_bytes)} for "
        "requests"
    )
    if fit.degree is None:
        yield f"the longest request, {fit.longest_tokens:,} tokens, does not fit on {_gpu_counts(fit)} x {fit.gpu.name}"
        yield budget
        yield f"on {fit.at} it needs {_size(fit.longest_bytes)} on each; the longest that fits has {fit.most_tokens:,}"
        return
    yield f"{fit.degree} x {fit.gpu.name}" + (f", --tensor-parallel-size {fit.degree}" if fit.degree > 1 else "")
    yield budget
    yield (
        f"requests at once: {fit.concurrent_longest:,} as long as the longest ({fit.longest_tokens:,} tokens, "
        f"{_size(fit.longest_bytes)} on each), {fit.concurrent_mean:,} as the mean; more where they share beginnings"
    )
    if fit.whole_length_fits is False:
        yield (
            "vLLM starts only if a request of all positions fits, which it does not: add --max-model-len "
            f"{fit.longest_tokens}"
        )


def _gpu_counts(fit: GpuFit) -> str:
    return " or ".join(str(degree) for degree in fit.tried)


def _time(plan: Plan) -> Iterator[str]:
    time = plan.time
    if time is None:
        yield (
            f"not known: {plan.time_note}"
            if plan.time_note
            else "not known: give --prefill-tps and --decode-tps, or --measured RUN_FOLDER"
        )
        return
    if time.expected is not None:
        yield f"{_between(time.expected)} {time.source}, if answers are as long as its answers"
    yield f"{_between(time.bound)} {time.source}, if every answer takes its whole budget"


def _cost(plan: Plan) -> Iterator[str]:
    if plan.cost is not None:
        limit = "" if plan.cost_limit is None else f"; the run stops at {plan.cost_limit:,.2f}, by --cost-limit"
        # Rounded up: it is a bound.
        most = f"{math.ceil(plan.cost * 1e4) / 1e4:,.4f}"
        yield f"at most {most} by --price: each answer pays for its prompt and its whole budget{limit}"


def _between(seconds: tuple[float, float]) -> str:
    low, high = map(_duration, seconds)
    return low if low == high else f"{low} to {high}"


def _duration(seconds: float) -> str:
    """Return seconds in a readable unit.

    >>> _duration(0.4), _duration(59), _duration(600), _duration(9000)
    ('under 1 s', '59 s', '10 min', '2 h 30 min')
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60:,} h {minutes % 60} min"


def _size(size: int) -> str:
    """Return bytes in GiB, or in MiB where they are few.

    >>> _size(8 * 2**30), _size(3 * 2**20), _size(-(2**30))
    ('8.0 GiB', '3.0 MiB', '-1.0 GiB')
    """
    return f"{size / _GIB:,.1f} GiB" if abs(size) >= _GIB / 10 else f"{size / 2**20:,.1f} MiB"


def _count(parameters: int) -> str:
    """Return a number of parameters.

    >>> _count(4_022_468_096), _count(837_000)
    ('4.0B', '0.8M')
    """
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e8 else f"{parameters / 1e6:.1f}M"
