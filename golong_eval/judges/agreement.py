"""How far judges agree: Cohen's kappa of two, Krippendorff's alpha of any number, and with a person's labels."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from golong_eval._optional import require
from golong_eval.errors import ConfigError, DataError, MissingExtraError
from golong_eval.faults import explain
from golong_eval.schema import Frozen

__all__ = ["Agreement", "agreement", "cohen_kappa", "krippendorff_alpha", "read_labels"]

Label = Literal["right", "wrong"]


class Agreement(Frozen):
    """How far two raters, or several, agree."""

    raters: tuple[str, ...]
    n: int
    """Questions that two of them or more have decided."""
    share: float | None
    """Of the pairs of labels to one question, those that are equal."""
    kappa: float | None = None
    """Cohen's, of two raters, where scikit-learn is there: 1 is agreement, 0 what chance gives.

    None where both always say the same.
    """
    alpha: float | None = None
    """Krippendorff's, of any number of raters with gaps. None where all labels are the same."""
    rubric: str | None = None
    """Id of the rubric whose questions these are; None is all of them."""


class _Labelled(Frozen):
    key: str | None = None
    id: str | None = None
    repeat: int = Field(default=0, ge=0)
    label: Label

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.key is None) == (self.id is None):
            raise ValueError("give either key or id (and repeat)")
        return self


def cohen_kappa(one: Sequence[Label], other: Sequence[Label]) -> float | None:
    """Return Cohen's kappa, by scikit-learn; None where it is not defined, as when all labels are one.

    Args:
        one: Labels of a rater.
        other: Those of the other, to the same questions.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        ValueError: They are not equally many.
    """
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} labels")
    if not one or len({*one, *other}) < 2:
        return None
    metrics = require("sklearn.metrics", "stats", "Cohen's kappa")
    kappa = float(metrics.cohen_kappa_score(list(one), list(other), labels=["right", "wrong"]))
    return kappa if math.isfinite(kappa) else None


def krippendorff_alpha(units: Sequence[Sequence[Label | None]]) -> float | None:
    """Return Krippendorff's alpha for nominal labels; None where all are one, or no unit has two.

    One minus observed over expected disagreement, over the pairs of labels within units. Source: Krippendorff, Content
    Analysis (2004), chapter 11.

    Args:
        units: Of each question, the label of each rater; None where it has none.

    >>> krippendorff_alpha([["right", "right"], ["wrong", "wrong"], ["right", "wrong"]])
    0.4444444444444444
    """
    values = [[label for label in unit if label is not None] for unit in units]
    pairable = [unit for unit in values if len(unit) > 1]
    totals = Counter(label for unit in pairable for label in unit)
    n = totals.total()
    if len(totals) < 2:
        return None
    observed = sum(_unequal_pairs(Counter(unit)) / (len(unit) - 1) for unit in pairable) / n
    expected = _unequal_pairs(totals) / (n * (n - 1))
    return 1 - observed / expected


def _unequal_pairs(counts: Counter[Label]) -> int:
    """Return how many ordered pairs of labels differ."""
    return counts.total() ** 2 - sum(count * count for count in counts.values())


def agreement(labels: Mapping[str, Mapping[str, Label]], rubrics: Mapping[str, str] | None = None) -> list[Agreement]:
    """Return how far all raters agree together, where there are more than two, and each two of them.

    Args:
        labels: Rater -> question -> label; questions that a rater did not decide are left out.
        rubrics: Question -> id of its rubric. Where there are several rubrics, the same follows for each.
    """
    found = _of_all(labels)
    rubric_of = rubrics or {}
    names = sorted({rubric_of[key] for given in labels.values() for key in given if key in rubric_of})
    for name in names if len(names) > 1 else ():
        of_rubric = {
            rater: {key: label for key, label in given.items() if rubric_of.get(key) == name}
            for rater, given in labels.items()
        }
        found += [one.model_copy(update={"rubric": name}) for one in _of_all(of_rubric)]
    return found


def _of_all(labels: Mapping[str, Mapping[str, Label]]) -> list[Agreement]:
    names = list(labels)
    together = [_of(names, labels)] if len(names) > 2 else []
    return [*together, *(_of(pair, labels) for pair in combinations(names, 2))]


def _of(raters: Sequence[str], labels: Mapping[str, Mapping[str, Label]]) -> Agreement:
    keys = sorted({key for rater in raters for key in labels[rater]})
    units = [[labels[rater].get(key) for rater in raters] for key in keys]
    shared = [unit for unit in units if sum(label is not None for label in unit) > 1]
    pairs = [
        one == other
        for unit in shared
        for one, other in combinations([label for label in unit if label is not None], 2)
    ]
    kappa = None
    if len(raters) == 2:
        both = [(one, other) for one, other in shared if one is not None and other is not None]
        # Without scikit-learn there is no kappa; the share and alpha are told all the same.
        with contextlib.suppress(MissingExtraError):
            kappa = cohen_kappa([one for one, _ in both], [other for _, other in both])
    return Agreement(
        raters=tuple(raters),
        n=len(shared),
        share=sum(pairs) / len(pairs) if pairs else None,
        kappa=kappa,
        alpha=krippendorff_alpha(shared),
    )


def read_labels(path: Path, keys: Mapping[tuple[str, int], Sequence[str]] | None = None) -> dict[str, Label]:
    """Return a person's labels by the key of the question, as ``verdicts/`` in a run's folder names it.

    Args:
        path: JSONL; each line is ``{"key": ..., "label": "right" or "wrong"}``, or names the answer instead:
            ``{"id": ..., "repeat": 0, "label": ...}``.
        keys: The questions about an answer, by the sample's id and the repeat; without them no line may name answers.

    Raises:
        ConfigError: The file can't be read.
        DataError: A line is malformed, names an answer that no judge is asked about, or labels a question that has
            another label already.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} ({error})", "give a JSONL file of labels") from error
    labels: dict[str, Label] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = _Labelled.model_validate(json.loads(line))
        except ValidationError as error:
            raise DataError(explain(error, _Labelled)[0], _FORM, file=path, line=number) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"no JSON ({error})", _FORM, file=path, line=number) from None
        named = [one.key] if one.key is not None else list((keys or {}).get((one.id or "", one.repeat), ()))
        if not named:
            raise DataError(
                f"no judge is asked about {one.id!r}, repeat {one.repeat}",
                "leave the line out; or name the question by its key in verdicts/ of the run",
                file=path,
                line=number,
            )
        for key in named:
            if labels.setdefault(key, one.label) != one.label:
                raise DataError(f"a second label of {key[:12]}...", "keep one of them", file=path, line=number)
    if not labels:
        raise DataError("holds no labels", _FORM, file=path)
    return labels


_FORM = 'each line is {"key": ..., "label": "right"} or "wrong"; keys stand in verdicts/ of the run'
