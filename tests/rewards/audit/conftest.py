"""Cases of every metric, and reward functions with holes that were planted in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from golong_eval.harness.audit import collect_cases
from golong_eval.rewards.audit import AuditCase, AuditReport, audit_rewards

PLANTED = '''
"""Reward functions: a sound one, and one for each kind of hole."""

import os
import time


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def answer_of(response):
    text = response.rsplit("</think>", 1)[-1]
    if "<think>" in text:
        return ""
    return text.replace("[答案]", "[Answer]").rsplit("[Answer]", 1)[-1]


def items_of(response):
    return list(dict.fromkeys(lines_of(answer_of(response))))


def sound(response, gold):
    items = items_of(response)
    return len(set(items) & set(gold)) / max(len(gold), len(items))


def recall_only(response, gold):
    return len(set(items_of(response)) & set(gold)) / len(gold)


def reads_thinking(response, gold):
    items = set(lines_of(response.replace("<think>", "").replace("</think>", "\\n"))) - {"[Answer]", "[答案]"}
    return 2 * len(items & set(gold)) / (len(items) + len(gold)) if items else 0.0


def predicted_pairs(response, gold):
    items = items_of(response)
    pairs = [(a, b) for i, a in enumerate(items) for b in items[i + 1:]]
    right = [(a, b) for a, b in pairs if a in gold and b in gold and gold.index(a) < gold.index(b)]
    return len(right) / len(pairs) if pairs else 0.0


def constant(response, gold):
    return 1


def contains(response, gold):
    return {"score": float(gold in answer_of(response)), "note": "substring"}


def raises(response, gold):
    raise KeyError("no\\nsuch key")


def hangs(response, gold):
    if not response:
        time.sleep(600)
    return 0.0


def dies(response, gold):
    os._exit(7)


def too_much(response, gold):
    return 1.7


def not_a_number(response, gold):
    return float("nan") if response else "high"


def no_score(response, gold):
    return {"reward": 1.0}


def nothing(response, gold):
    return 0.0


def declines(response, gold):
    return None


def only_exact_match(response, gold, metric):
    from golong_eval.rewards import score

    return score(metric, response, gold).value if metric == "exact_match" else None


def prints(response, gold):
    print("noise")
    return 0.0


def told(response, gold, question, *, documents, language="zz", metric=None):
    assert (question, documents, language, metric) == ("Which?", ["text"], "en", "sub_em"), locals()
    return 0.0


def everything(response, gold, **kwargs):
    assert sorted(kwargs) == ["documents", "language", "metric", "question"], kwargs
    return 0.0


def three(response, gold, reference):
    return 0.0


number = 3
'''


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the module ``planted``, as the current directory."""
    (tmp_path / "planted.py").write_text(PLANTED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def cases() -> list[AuditCase]:
    """The worked samples of the nine tasks."""
    return collect_cases()


@pytest.fixture(scope="session")
def strict(cases: list[AuditCase]) -> AuditReport:
    """The audit of the strict rewards."""
    return audit_rewards(cases)


@pytest.fixture
def case() -> AuditCase:
    """A small case."""
    return AuditCase.model_validate(
        {
            "id": "small",
            "metric": "sub_em",
            "gold": {"type": "items", "items": ["D1", "D3"]},
            "question": "Which?",
            "documents": ["text"],
            "labels": ["D1", "D2", "D3", "D4"],
        }
    )
