"""Worked samples of the nine tasks with right and wrong responses, their labels, and the scores that samples have."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from golong_eval.adapters.answered import score_text
from golong_eval.adapters.rows import label_of
from golong_eval.schema import Sample
from golong_eval.tasks import load_catalogue

NINE = tuple(f"t{number}" for number in range(1, 10))

T3 = '{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1", "D3"]}'
T1 = '{"golong": 1, "task": "t1", "metric": "exact_match[strict,v1]", "gold": ["42"]}'
BROKEN = '{"golong": 1, "task": "t3", "metric": "f1[strict,v1]"}'


class Labelled(NamedTuple):
    sample: Sample
    label: str
    response: str
    value: float


@cache
def labelled() -> tuple[Labelled, ...]:
    catalogue = load_catalogue()
    found = []
    for name in NINE:
        task = catalogue.get(name)
        for example in catalogue.examples(name):
            for response in (*example.right, *example.wrong):
                value = score_text(task, example.sample, response).value
                assert value is not None
                found.append(Labelled(example.sample, label_of(example.sample, task), response, value))
    return tuple(found)


def samples() -> list[Sample]:
    return list({one.sample.id: one.sample for one in labelled()}.values())
