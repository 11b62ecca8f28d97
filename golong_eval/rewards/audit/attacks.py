"""All attacks, in the order in which they are printed. A new one is one decorated function in the file of its kind."""

from __future__ import annotations

from golong_eval.rewards.audit.attack import Attack
from golong_eval.rewards.audit.content_free import CONTENT_FREE
from golong_eval.rewards.audit.displaced_gold import DECORATED_GOLD, DISPLACED_GOLD
from golong_eval.rewards.audit.partial_knowledge import PARTIAL_KNOWLEDGE

__all__ = ["ATTACKS"]

ATTACKS: tuple[Attack, ...] = (*CONTENT_FREE, *PARTIAL_KNOWLEDGE, *DISPLACED_GOLD, *DECORATED_GOLD)
