"""Importing the rewards loads nothing heavy."""

import subprocess
import sys

import golong_eval.rewards

HEAVY = ["numpy", "rapidfuzz", "math_verify", "sympy", "jieba", "nltk", "rouge_score", "sklearn", "scipy", "torch"]


def test_import_is_light():
    script = f"import sys, golong_eval.rewards; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_all_is_what_there_is():
    for name in golong_eval.rewards.__all__:
        assert getattr(golong_eval.rewards, name) is not None
