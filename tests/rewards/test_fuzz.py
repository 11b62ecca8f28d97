"""The cases that fuzzing kept: each outcome that it reached, and everything that it ever found."""

import importlib.util
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("golong_fuzz", Path(__file__).with_name("fuzz.py"))
fuzz = sys.modules["golong_fuzz"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)


def test_the_kept_cases_have_no_fault():
    cases = fuzz.read_corpus()
    assert {case.metric for case in cases} == set(fuzz.GOLDS)
    assert [(fuzz.line_of(case), found) for case in cases if (found := fuzz.faults(case)[0])] == []


def test_the_fuzzer_finds_what_is_planted(monkeypatch):
    from golong_eval.rewards import scoring
    from golong_eval.rewards.outcome import Outcome

    def planted(_metric, _variant):
        return lambda _gold: lambda answer, _ask: Outcome(1.5 if "(C)" in answer else 0.0)

    case = fuzz.Case("f1", "strict", ["D1"], "(C)")
    assert fuzz.faults(case)[0] == []
    monkeypatch.setattr(scoring, "scorer_class", planted)
    scoring._rule_of_strings.cache_clear()
    assert "raised ValidationError" in fuzz.faults(case)[0][0]
    scoring._rule_of_strings.cache_clear()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_minutes_of_fuzzing_find_nothing():
    findings, _, summary = fuzz.fuzz(2.0, seed=3)
    assert findings == [], summary
