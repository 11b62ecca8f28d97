"""Which benchmarks there are: a table of names. A module is imported when its benchmark is first used."""

from __future__ import annotations

import importlib
from typing import Any

from golong_eval.benchmarks.base import Benchmark
from golong_eval.errors import UnknownNameError

__all__ = ["BENCHMARKS", "benchmark_named", "load_benchmarks"]

BENCHMARKS: dict[str, str] = {
    "longbench_v2": "longbench_v2:LongBenchV2",
    "longbench_v2_cot": "longbench_v2:LongBenchV2CoT",
}
"""Id -> module and class below `golong_eval.benchmarks`, in the order in which they are listed."""


def benchmark_named(name: str) -> Benchmark[Any]:
    """Return a benchmark.

    Raises:
        UnknownNameError: There is none of this name; the hint gives the nearest.

    >>> benchmark_named("longbench_v2").size
    '503'
    """
    if name not in BENCHMARKS:
        raise UnknownNameError("benchmark", name, BENCHMARKS)
    module, _, cls = BENCHMARKS[name].partition(":")
    found: type[Benchmark[Any]] = getattr(importlib.import_module(f"golong_eval.benchmarks.{module}"), cls)
    return found()


def load_benchmarks() -> dict[str, Benchmark[Any]]:
    """Return all benchmarks by id."""
    return {name: benchmark_named(name) for name in BENCHMARKS}
