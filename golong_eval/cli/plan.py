"""``golong plan``: what a run would take, before it is started."""

# No `from __future__ import annotations`: typer reads them as they are.
from typing import TYPE_CHECKING, Annotated

import typer

from golong_eval.cli.options import with_run_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golong_eval.harness import Plan, RunSettings

__all__ = ["plan", "print_plans"]


@with_run_options
def plan(
    settings: "list[RunSettings]",
    gpu: Annotated[str | None, typer.Option(help="Kind of GPU, such as H100, or its memory in GiB.")] = None,
    gpu_memory_utilization: Annotated[float, typer.Option(help="Share of its memory that the engine takes.")] = 0.92,
    kv_dtype: Annotated[
        str, typer.Option(help="KV cache in fp8, float16, bfloat16 or float32; auto: as the checkpoint.")
    ] = "auto",
    prefill_tps: Annotated[
        float | None, typer.Option(help="Prompt tokens a second that the whole deployment computes.")
    ] = None,
    decode_tps: Annotated[float | None, typer.Option(help="Answer tokens a second that it writes.")] = None,
    measured: Annotated[
        str | None, typer.Option(metavar="RUN_FOLDER", help="A finished run over the same deployment.")
    ] = None,
    json: Annotated[bool, typer.Option(help="Print the plan as JSON.")] = False,
) -> None:
    """Say what a run would take: prompts, memory, time and cost. Loads no model, writes nothing.

    Exit code 1 says that something does not fit the model or the GPUs.
    """
    from golong_eval.cli.progress import progress_display
    from golong_eval.harness.plan import Assumptions, plan_run

    assumptions = Assumptions.make(
        gpu=gpu,
        gpu_memory_utilization=gpu_memory_utilization,
        kv_dtype=kv_dtype,
        prefill_tps=prefill_tps,
        decode_tps=decode_tps,
        measured=measured,
    )
    with progress_display() as show:
        plans = [plan_run(one, show, assumptions) for one in settings]
    print_plans(plans, json=json)


def print_plans(plans: "Sequence[Plan]", *, json: bool) -> None:
    """Print the plan of each checkpoint; exit with code 1 where something is in the way."""
    from golong_eval.reports import plan_text
    from golong_eval.reports.terminal import json_text, shown

    if json:
        typer.echo(json_text(plans[0] if len(plans) == 1 else plans))
    else:
        typer.echo(shown("\n\n".join(plan_text(made) for made in plans)))
    if any(made.obstacles for made in plans):
        raise typer.Exit(1)
