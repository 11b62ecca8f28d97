"""Samples and answers of the nine tasks and of a benchmark, with our own scores, for bridges to agree with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from golong_eval.adapters.answered import score_text, task_for
from golong_eval.adapters.inspect_tasks import OFFERED
from golong_eval.benchmarks import BENCHMARKS, benchmark_named
from golong_eval.benchmarks.loading import SHIPPED, locate, samples_of
from golong_eval.schema import Sample, Variant
from golong_eval.tasks import load_catalogue

NINE = tuple(f"t{number}" for number in range(1, 10))
LONG = ("mrcr_512k", "mrcr_1m")  # the rows that are shipped are too short for them
BRIDGED = tuple(name for name in OFFERED if name not in NINE + LONG)
ROWS = Path(__file__).parents[2] / "golong_eval" / "benchmarks" / "rows"


@dataclass
class Asked:
    """Samples of a task, an answer to each, and where another harness finds the samples."""

    samples: list[Sample]
    answers: dict[str, str]
    place: str

    def scores(self, name: str, variant: Variant = "strict") -> list[float | None]:
        """Return our scores, in the order of the samples."""
        task = task_for(name, variant)
        return [score_text(task, sample, self.answers[sample.id]).value for sample in self.samples]


def of_task(name: str, folder: Path) -> Asked:
    """Return the worked samples of one of the nine, a right and a wrong answer of each, in a file."""
    samples, answers = [], {}
    for example in load_catalogue().examples(name):
        for kind, texts in (("right", example.right), ("wrong", example.wrong)):
            sample = example.sample.model_copy(update={"id": f"{example.sample.id}-{kind}"})
            samples.append(sample)
            answers[sample.id] = f"<think>[Answer]\nqwzx</think>{texts[0]}"
    file = folder / f"{name}.jsonl"
    file.write_text("".join(sample.model_dump_json(exclude_none=True) + "\n" for sample in samples))
    return Asked(samples, answers, str(file))


def of_benchmark(name: str) -> Asked | None:
    """Return the shipped rows of a benchmark, the first answered rightly; None where they are not there."""
    if name not in BENCHMARKS or not list(ROWS.glob(f"{benchmark_named(name).data_name()}.json*")):
        return None
    benchmark = benchmark_named(name)
    located = locate(benchmark, [f"{benchmark.data_name()}={SHIPPED}"])
    samples = list(samples_of(located, limit=None, seed=0, lengths=(), tokens=lambda: len))
    answers = {sample.id: "I can't tell: (A) 7, or not." for sample in samples}
    gold = samples[0].gold
    assert gold.type == "row"
    answers[samples[0].id] = benchmark.gold_answer(benchmark.row_of(gold))
    return Asked(samples, answers, f"{benchmark.data_name()}={SHIPPED}")


def longbench_v2_file(folder: Path) -> Path:
    """Write two rows of LongBench v2."""
    row = {
        "domain": "Single-Document QA",
        "sub_domain": "Legal",
        "difficulty": "easy",
        "length": "short",
        "question": "Which gate is open on Sundays?",
        "choice_A": "the north gate",
        "choice_B": "the south gate",
        "choice_C": "both",
        "choice_D": "none",
        "context": "The north gate is shut on Sundays. The south gate is always open.",
    }
    file = folder / "rows.jsonl"
    rows = [row | {"_id": "one", "answer": "B"}, row | {"_id": "two", "answer": "C"}]
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return file
