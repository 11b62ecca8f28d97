"""The nine tasks: what they are, their worked examples, and the builders that make samples from documents."""

from golong_eval.faults import Fault
from golong_eval.tasks.build_file import build_to_file
from golong_eval.tasks.builders import (
    BUILDERS,
    MIN_LENGTH,
    BuildReport,
    BuildRun,
    build_samples,
    load_tokenizer,
    parse_length,
)
from golong_eval.tasks.catalogue import Catalogue, Example, load_catalogue, load_tasks
from golong_eval.tasks.samples import SampleWriter, read_samples, samples_hash
from golong_eval.tasks.scaffold import create_task
from golong_eval.tasks.spec import ContextMode, Localized, TaskSpec
from golong_eval.tasks.validation import validate_folder, validate_path, validate_samples

__all__ = [
    "BUILDERS",
    "MIN_LENGTH",
    "BuildReport",
    "BuildRun",
    "Catalogue",
    "ContextMode",
    "Example",
    "Fault",
    "Localized",
    "SampleWriter",
    "TaskSpec",
    "build_samples",
    "build_to_file",
    "create_task",
    "load_catalogue",
    "load_tasks",
    "load_tokenizer",
    "parse_length",
    "read_samples",
    "samples_hash",
    "validate_folder",
    "validate_path",
    "validate_samples",
]
