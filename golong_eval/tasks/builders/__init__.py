"""Build samples of the nine tasks from any documents, with golds that are proven, not judged.

No language model takes part. Texts are untouched slices of real documents; each builder proves that its question
has one right answer over the context at hand, or drops it and counts why.

    >>> from golong_eval.tasks.builders import parse_length
    >>> parse_length("64k")
    65536
"""

from __future__ import annotations

from golong_eval.tasks.builders.lengths import MIN_LENGTH, length_label, parse_length
from golong_eval.tasks.builders.report import BuildReport, TaskReport
from golong_eval.tasks.builders.run import BUILDERS, BuildRun, build_samples
from golong_eval.tasks.builders.tokenizer import Tokenizer, load_tokenizer

__all__ = [
    "BUILDERS",
    "MIN_LENGTH",
    "BuildReport",
    "BuildRun",
    "TaskReport",
    "Tokenizer",
    "build_samples",
    "length_label",
    "load_tokenizer",
    "parse_length",
]
