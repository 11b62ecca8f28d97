"""``golong doctor`` tells versions, and the Makefile installs those that it calls tested."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from golong_eval.adapters.tested import TESTED

ROOT = Path(__file__).parents[2]


def test_it_says_what_is_here_and_what_was_tested(golong) -> None:
    outcome = golong("doctor")
    assert outcome.code == 0
    lines = {line.split()[0]: line for line in outcome.out.splitlines() if line.strip()}
    assert set(lines) >= {one.package for one in TESTED}
    assert "Python 3." in lines["golong-eval"]
    packages = json.loads(golong("doctor", "--json").out)["packages"]
    assert [one["tested"]["package"] for one in packages] == [one.package for one in TESTED]


def test_what_is_missing_comes_with_the_line_that_installs_it(golong, monkeypatch: pytest.MonkeyPatch) -> None:
    import golong_eval.adapters.tested as tested

    monkeypatch.setattr(tested, "_version", lambda package: "0.0.1" if package == "trl" else None)
    out = golong("doctor").out
    assert "pip install 'golong-eval[hf]'" in out
    assert re.search(r"^trl +0\.0\.1 .*another version than was tested$", out, re.MULTILINE)


def test_the_makefile_installs_the_tested_versions() -> None:
    """Where a version is pinned in the Makefile or in constraints.txt, it is the one that is called tested."""
    pinned: dict[str, set[str]] = {}
    text = (ROOT / "Makefile").read_text() + (ROOT / "constraints.txt").read_text()
    for name, version in re.findall(r"([A-Za-z][\w-]*)(?:\[[\w,]+\])?==([0-9][\w.]*)", text):
        pinned.setdefault(name.lower().removesuffix("-cpu"), set()).add(version)
    checked = [one for one in TESTED if one.package in pinned]
    assert len(checked) >= 8
    for one in checked:
        assert one.version in pinned[one.package], one.package
