"""The nine tasks for verifiers: with this folder in PYTHONPATH, ``vf-eval golong-tasks`` finds them."""

from golong_eval.adapters.verifiers import GolongTaskset

__all__ = ["GolongTaskset"]
