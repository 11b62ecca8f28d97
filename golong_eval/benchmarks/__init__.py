"""Benchmarks: their rows, prompts and scoring rules, one file each."""

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, NeedsEmbedding, NeedsJudge, Row
from golong_eval.benchmarks.loading import Located, locate, samples_of
from golong_eval.benchmarks.registry import BENCHMARKS, benchmark_named, data_set_named, load_benchmarks
from golong_eval.benchmarks.scoring import AnswerToScore, judge_questions, score_answers

__all__ = [
    "BENCHMARKS",
    "Answer",
    "AnswerToScore",
    "Benchmark",
    "DataSource",
    "Located",
    "NeedsEmbedding",
    "NeedsJudge",
    "Row",
    "benchmark_named",
    "data_set_named",
    "judge_questions",
    "load_benchmarks",
    "locate",
    "samples_of",
    "score_answers",
]
