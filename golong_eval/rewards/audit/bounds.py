"""What an attack that needs no answer may earn: chance, or an honest wrong answer, whichever is higher."""

from __future__ import annotations

from typing import Literal

from golong_eval.rewards.audit.candidates import inferred_count
from golong_eval.rewards.audit.material import Material
from golong_eval.rewards.chance import chance_level
from golong_eval.schema import Frozen

__all__ = ["Bounds", "bounds_of"]


class Bounds(Frozen):
    """The bounds of one sample, from the metric's strict definition; the reward under audit has no part in them."""

    chance: float
    """What the best content-free strategy earns."""
    source: Literal["formula", "measured"]
    """Whether `chance_level` tells it, or the best of a fixed set of strategies was measured."""
    strategy: str
    """The strategy, where it was measured."""
    honest_wrong: float
    """What an honest wrong answer earns; see `Material.wrong`."""

    @property
    def bound(self) -> float:
        """The most that an attack without the answer may earn."""
        return max(self.chance, self.honest_wrong)


def bounds_of(material: Material) -> Bounds:
    """Return the bounds of a sample.

    Where the sample does not tell how many candidates there are, or tells of more than its texts name, those that an
    attacker finds in question and documents are counted.

    Raises:
        DataError: The sample names fewer candidates than it has gold items.
    """
    case = material.case
    if material.content_free or case.metric in ("iou", "rouge_l"):
        name, _, value = max(material.content_free, key=lambda found: found[2], default=("nothing", "", 0.0))
        return Bounds(chance=value, source="measured", strategy=name, honest_wrong=material.wrong_value)
    if material.is_single and material.others and inferred_count(case, material.others) is None:
        guess = 1 / (1 + len(material.others))
        told = chance_level(case.metric, case.gold, case.candidates) or 0.0
        strategy = "one of all that has the gold's form in question and documents"
        return Bounds(chance=max(guess, told), source="measured", strategy=strategy, honest_wrong=material.wrong_value)
    inferred = inferred_count(case, material.others)
    counts = [count for count in (case.candidates, inferred) if count is not None]
    chance = chance_level(case.metric, case.gold, min(counts, default=None))
    return Bounds(chance=chance or 0.0, source="formula", strategy="", honest_wrong=material.wrong_value)
