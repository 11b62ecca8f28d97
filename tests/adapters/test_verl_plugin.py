"""verl's entry point is light, and where verl is not as expected it says so and breaks nothing.

What it does in verl itself is tested in tests/adapters/verl.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from types import ModuleType

import pytest

from golong_eval.adapters import verl_plugin
from golong_eval.advantages import ESTIMATORS


def test_reading_it_loads_nothing_else() -> None:
    code = (
        "import sys, golong_eval.adapters.verl_plugin\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('golong_eval', 'pydantic', 'numpy', 'torch')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = ["golong_eval", *(f"golong_eval.adapters{name}" for name in ("", ".import_hook", ".verl_plugin"))]
    assert out.stdout.strip() == str(own)


def test_it_waits_once() -> None:
    verl_plugin.install()
    verl_plugin.install()
    assert sum(getattr(finder, "owner", None) == "verl" for finder in sys.meta_path) == 1


def test_every_estimator_has_a_name_in_verl_that_is_not_verl_s() -> None:
    assert set(verl_plugin.NAMES.values()) == set(ESTIMATORS)
    assert not {"grpo", "gae", "rloo"} & set(verl_plugin.NAMES)


@pytest.mark.parametrize("name", verl_plugin._PATCHES)
def test_a_verl_that_is_not_as_expected_is_named_and_left_alone(name: str, caplog: pytest.LogCaptureFixture) -> None:
    module = ModuleType(name)
    before = set(vars(module))
    with caplog.at_level(logging.WARNING):
        verl_plugin._patch(module)
    assert name in caplog.text
    assert "0.9.1" in caplog.text
    assert set(vars(module)) - before == {"_golong_patched"}
