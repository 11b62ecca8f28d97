"""Errors survive the way from one process to another."""

from __future__ import annotations

import pickle

import pytest

from golong_eval.errors import ConfigError, DataError, GolongError, UnknownNameError


@pytest.mark.parametrize(
    "error",
    [ConfigError("what", "hint"), DataError("what", "hint", file="a", line=3), UnknownNameError("task", "t33", ["t3"])],
)
def test_errors_can_be_pickled(error: GolongError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)
