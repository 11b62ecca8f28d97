"""The audit of rewards: what attacks earn, beside what chance and an honest wrong answer earn.

>>> from golong_eval.rewards.audit import AuditCase, audit_rewards
>>> gold = {"type": "items", "items": ["D1", "D3"]}
>>> case = AuditCase(id="1", metric="sub_em", gold=gold, labels=("D1", "D2", "D3"))
>>> audit_rewards([case]).passed
True
"""

from golong_eval.rewards.audit.attack import KINDS, Attack, Form, Kind
from golong_eval.rewards.audit.attacks import ATTACKS
from golong_eval.rewards.audit.bounds import Bounds
from golong_eval.rewards.audit.case import AuditCase
from golong_eval.rewards.audit.report import AttackInfo, AuditReport, CaseReport, Finding, Trial, check_output
from golong_eval.rewards.audit.runner import audit_rewards

__all__ = [
    "ATTACKS",
    "KINDS",
    "Attack",
    "AttackInfo",
    "AuditCase",
    "AuditReport",
    "Bounds",
    "CaseReport",
    "Finding",
    "Form",
    "Kind",
    "Trial",
    "audit_rewards",
    "check_output",
]
