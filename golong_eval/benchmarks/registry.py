"""Which benchmarks there are: a table of names. A module is imported when its benchmark is first used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from golong_eval.benchmarks.base import Benchmark, DataSource
from golong_eval.errors import UnknownNameError

__all__ = ["BENCHMARKS", "DataSet", "benchmark_named", "data_set_named", "load_benchmarks"]

BENCHMARKS: dict[str, str] = {
    "longbench_pro": "longbench_pro:LongBenchPro",
    "longbench_pro_cot": "longbench_pro:LongBenchProCoT",
    "mrcr": "mrcr:MRCR",
    "mrcr_128k": "mrcr:MRCR128K",
    "mrcr_512k": "mrcr:MRCR512K",
    "mrcr_1m": "mrcr:MRCR1M",
    "corpusqa_128k": "corpusqa:CorpusQA128K",
    "corpusqa_1m": "corpusqa:CorpusQA1M",
    "frames": "frames:Frames",
    "docmath": "docmath:DocMath",
    "longbench_v1": "longbench_v1:LongBenchV1",
    "longbench_v1_qa": "longbench_v1_qa:LongBenchV1QA",
    "longmemeval_s": "longmemeval:LongMemEval",
    "longmemeval_m": "longmemeval:LongMemEvalM",
    "longmemeval_oracle": "longmemeval:LongMemEvalOracle",
    "bfcl_memory": "bfcl_memory:BfclMemory",
    "ruler": "ruler:Ruler",
    "babilong": "babilong:BABILong",
    "longbench_v2": "longbench_v2:LongBenchV2",
    "longbench_v2_cot": "longbench_v2:LongBenchV2CoT",
    "mmlu_pro": "lm_eval_tasks:MMLUPro",
    "gpqa_diamond": "lm_eval_tasks:GPQADiamond",
    "aime24": "lm_eval_tasks:AIME24",
    "aime25": "lm_eval_tasks:AIME25",
    "gsm8k": "lm_eval_tasks:GSM8K",
    "ifeval": "lm_eval_tasks:IFEval",
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


class DataSet(NamedTuple):
    """A data set, and the benchmarks that are made of it."""

    name: str
    data: DataSource
    benchmarks: tuple[str, ...]


def data_set_named(name: str) -> DataSet:
    """Return a data set by its own name, or that of a benchmark.

    Raises:
        UnknownNameError: There is none of this name; the hint gives the nearest.

    >>> data_set_named("longbench_v2_cot").name
    'longbench_v2'
    """
    by_set: dict[str, list[Benchmark[Any]]] = {}
    for benchmark in load_benchmarks().values():
        by_set.setdefault(benchmark.data_name(), []).append(benchmark)
    found = next((key for key, of in by_set.items() if name == key or name in [one.id for one in of]), None)
    if found is None:
        raise UnknownNameError("benchmark", name, {*by_set, *BENCHMARKS})
    own = [one for one in by_set[found] if one.id == name] or by_set[found]
    return DataSet(found, _together([one.data for one in own]), tuple(one.id for one in own))


def _together(sources: Sequence[DataSource]) -> DataSource:
    """Return one source for benchmarks that read different files of the same data set."""
    files = tuple(dict.fromkeys(pattern for source in sources for pattern in source.files))
    megabytes = sum({source.files: source.megabytes for source in sources}.values())
    return replace(sources[0], files=files, megabytes=megabytes)


def load_benchmarks() -> dict[str, Benchmark[Any]]:
    """Return all benchmarks by id."""
    return {name: benchmark_named(name) for name in BENCHMARKS}
