"""General benchmarks as lm-eval has them: MMLU-Pro, GPQA-Diamond, AIME 24 and 25, GSM8K, IFEval.

    pip install 'golong-eval[lm-eval]'
    golong run --model M --tasks mmlu_pro,gpqa_diamond --data mmlu_pro=path/to/folder

A model that was trained for long contexts should not have lost what it knew. Prompts, examples, extraction and scores
are lm-eval's own code, on its own task objects; engines, storage, intervals and reports are ours.

Source: github.com/EleutherAI/lm-evaluation-harness, version 0.4.13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from golong_eval._optional import require
from golong_eval.benchmarks.base import Answer, DataSource
from golong_eval.benchmarks.lm_eval_benchmark import LmEvalBenchmark, LmEvalRow
from golong_eval.errors import ConfigError, DataError
from golong_eval.rewards.outcome import Outcome
from golong_eval.schema import Variant

__all__ = ["AIME24", "AIME25", "GSM8K", "GPQADiamond", "IFEval", "MMLUPro"]


class MMLUPro(LmEvalBenchmark):
    """Ten choices in 14 subjects, five examples with reasoning from the same subject."""

    id = "mmlu_pro"
    name = "MMLU-Pro"
    capability = "knowledge and reasoning, ten choices"
    source = "arXiv 2406.01574; lm-eval mmlu_pro 3.1"
    data = DataSource(
        "TIGER-Lab/MMLU-Pro", ("data/validation-*.parquet", "data/test-*.parquet"), licence="MIT", megabytes=4
    )
    max_tokens = 2048
    size = "12,032"
    templates = ("lm-eval mmlu_pro 3.1, 5 examples",)
    task = "mmlu_pro_math"
    folder = "mmlu_pro"
    task_version = 3.1
    primary = "exact_match,custom-extract"
    hub_splits = ("validation", "test")
    shipped = ("question", "options", "answer", "category", "cot_content")

    identifier = "question_id"
    grouped_by: ClassVar[Mapping[str, str]] = {"category": "category"}

    def subtasks(self, rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]:
        """Yield the subjects. The rows of examples are those with a reasoning."""
        examples = [row for row in rows if row.get("cot_content")]
        asked = [row for row in rows if not row.get("cot_content")]
        for category in dict.fromkeys(str(row["category"]) for row in asked):
            yield f"mmlu_pro_{category.replace(' ', '_')}", asked, examples

    def choices(self, row: LmEvalRow) -> int | None:
        """Return the number of options."""
        options = row.doc.get("options")
        return len(options) if isinstance(options, list) and options else None

    def gold_answer(self, row: LmEvalRow) -> str:
        """Return the right letter in the form that is asked for."""
        return f"The answer is ({row.doc['answer']})."


class GPQADiamond(LmEvalBenchmark):
    """Four choices, no examples, reasoning asked for. Choices are shuffled by lm-eval, with its seed."""

    id = "gpqa_diamond"
    name = "GPQA-Diamond"
    capability = "graduate questions in science, four choices"
    source = "arXiv 2311.12022; lm-eval gpqa_diamond_cot_zeroshot 2.2"
    data = DataSource("Idavidrein/gpqa", ("gpqa_diamond.csv",), licence="CC-BY-4.0", megabytes=2, gated=True)
    max_tokens = 2048
    size = "198"
    templates = ("lm-eval gpqa_diamond_cot_zeroshot 2.2",)
    task = "gpqa_diamond_cot_zeroshot"
    folder = "gpqa"
    task_version = 2.2
    primary = "exact_match,flexible-extract"
    hub_config = "gpqa_diamond"
    hub_splits = ("train",)
    shipped = ("Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
    identifier = "Record ID"
    grouped_by: ClassVar[Mapping[str, str]] = {"domain": "High-level domain", "subdomain": "Subdomain"}

    def choices(self, row: LmEvalRow) -> int | None:
        """Return four."""
        return 4

    def gold_answer(self, row: LmEvalRow) -> str:
        """Return the right letter, which the doc has in brackets."""
        return f"The answer is {row.doc['answer']}."


class AIME24(LmEvalBenchmark):
    """Thirty problems whose answers are whole numbers; the last box, else what stands between dollar signs."""

    id = "aime24"
    name = "AIME 2024"
    capability = "competition mathematics"
    source = "lm-eval aime24 0.0"
    data = DataSource("Maxwell-Jia/AIME_2024", ("*.parquet",), licence="MIT", megabytes=1)
    max_tokens = 32768
    size = "30"
    templates: ClassVar[tuple[str, ...]] = ("lm-eval aime24 0.0",)
    task = "aime24"
    folder = "aime"
    task_version = 0.0
    primary = "exact_match,none"
    hub_splits = ("train",)
    shipped: ClassVar[tuple[str, ...]] = ("Problem", "Answer")
    identifier = "ID"

    def gold_answer(self, row: LmEvalRow) -> str:
        """Return the answer in a box."""
        return f"\\boxed{{{row.doc.get('Answer', row.doc.get('answer'))}}}"


class AIME25(AIME24):
    """As `AIME24`, with the problems of a year later."""

    id = "aime25"
    name = "AIME 2025"
    source = "lm-eval aime25 0.0"
    data = DataSource("math-ai/aime25", ("*.jsonl",), megabytes=1)
    templates = ("lm-eval aime25 0.0",)
    task = "aime25"
    hub_splits = ("test",)
    shipped = ("problem", "answer")
    identifier = "id"


class GSM8K(LmEvalBenchmark):
    """School problems after eight examples with reasoning, which are the task's own; the last number counts."""

    id = "gsm8k"
    name = "GSM8K"
    capability = "school mathematics"
    source = "arXiv 2110.14168; lm-eval gsm8k_cot 3.0"
    data = DataSource("openai/gsm8k", ("main/test-*.parquet",), licence="MIT", megabytes=1)
    max_tokens = 512
    size = "1,319"
    templates = ("lm-eval gsm8k_cot 3.0, 8 examples",)
    task = "gsm8k_cot"
    folder = "gsm8k"
    task_version = 3.0
    primary = "exact_match,flexible-extract"
    hub_config = "main"
    hub_splits = ("test",)
    shipped = ("question", "answer")

    def gold_answer(self, row: LmEvalRow) -> str:
        """Return the number behind the mark of the data set, in the form of the examples."""
        return f"The answer is {str(row.doc['answer']).split('####')[-1].strip()}."


class IFEval(LmEvalBenchmark):
    """Instructions whose following a program can check; an answer counts if it follows all of its prompt's."""

    id = "ifeval"
    name = "IFEval"
    capability = "following instructions"
    source = "arXiv 2311.07911; lm-eval ifeval 4.0"
    data = DataSource("google/IFEval", ("*.jsonl",), licence="Apache-2.0", megabytes=1)
    max_tokens = 1280
    size = "541"
    templates = ("lm-eval ifeval 4.0",)
    task = "ifeval"
    folder = "ifeval"
    task_version = 4.0
    primary = "prompt_level_strict_acc,none"
    hub_splits = ("train",)
    shipped = ("key", "prompt", "instruction_id_list", "kwargs")
    identifier = "key"

    def load(
        self, path: Path | None, on_fault: Callable[[DataError], None] | None = None
    ) -> Iterator[tuple[str, LmEvalRow]]:
        """Yield the rows; some instructions are checked with a model of NLTK's, which has to be there."""
        for place, row in super().load(path, on_fault):
            named = row.doc.get("instruction_id_list")
            if isinstance(named, list) and _WITH_PUNKT.intersection(map(str, named)) and not _has_punkt():
                raise ConfigError(
                    f"{place}: NLTK's punkt_tab, which counts sentences and words, is not on this machine",
                    "python -m nltk.downloader punkt_tab",
                )
            yield place, row

    def score(self, answer: Answer, row: LmEvalRow, variant: Variant) -> Outcome:
        """Score an answer; the detection of languages, which draws random numbers, gets a seed."""
        require("langdetect", "lm-eval", self.name).DetectorFactory.seed = 0
        return super().score(answer, row, variant)

    def answers(self, row: LmEvalRow) -> list[str]:
        """Return none: many answers are right."""
        return []

    def gold_answer(self, row: LmEvalRow) -> None:
        """Return nothing: there is no gold."""
        return


_WITH_PUNKT = frozenset({"length_constraints:number_sentences", "change_case:capital_word_frequency"})


def _has_punkt() -> bool:
    try:
        require("nltk.data", "lm-eval", "IFEval").find("tokenizers/punkt_tab")
    except LookupError:
        return False
    return True
