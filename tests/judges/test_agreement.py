"""Agreement: numbers that were published or computed by another library, rubrics apart, a person's labels."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval.errors import ConfigError, DataError
from golong_eval.judges.agreement import Agreement, agreement, cohen_kappa, krippendorff_alpha, read_labels

SIDES = st.sampled_from(["right", "wrong"])


def test_alpha_is_what_krippendorff_published() -> None:
    """His worked examples of nominal data: two observers without gaps, and four with gaps and five values."""
    meg, owen = "0100000010", "1110010000"
    assert krippendorff_alpha(list(zip(meg, owen, strict=True))) == pytest.approx(0.095, abs=5e-4)  # type: ignore[arg-type]
    four = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    units: Any = [[None if value == "." else value for value in unit] for unit in zip(*four, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


@settings(deadline=None)  # the first one imports scikit-learn
@given(st.lists(st.tuples(SIDES, SIDES), min_size=2, max_size=30))
def test_alpha_and_kappa_are_at_most_one_and_one_where_all_agree(pairs: Any) -> None:
    alpha = krippendorff_alpha(pairs)
    assert alpha is None or alpha <= 1
    same = [(one, one) for one, _ in pairs]
    assert krippendorff_alpha(same) in (None, 1.0)
    kappa = cohen_kappa([one for one, _ in same], [one for one, _ in same])
    assert kappa is None or kappa == pytest.approx(1.0)
    assert krippendorff_alpha([(other, one) for one, other in pairs]) == (
        None if alpha is None else pytest.approx(alpha)
    )


def test_alpha_of_coins_is_about_nothing() -> None:
    draw = random.Random(1)
    units: Any = [[draw.choice(["right", "wrong"]) for _ in range(3)] for _ in range(4000)]
    assert krippendorff_alpha(units) == pytest.approx(0, abs=0.03)


def test_rubrics_are_told_apart_where_there_are_several() -> None:
    labels: Any = {"a": {"1": "right", "2": "wrong", "3": "right"}, "b": {"1": "right", "2": "wrong", "3": "wrong"}}
    found = agreement(labels, {"1": "same", "2": "same", "3": "number"})
    assert [(one.rubric, one.n, one.share) for one in found] == [
        (None, 3, pytest.approx(2 / 3)),
        ("number", 1, 0.0),
        ("same", 2, 1.0),
    ]
    assert found[:1] == agreement(labels) == agreement(labels, {"1": "same", "2": "same", "3": "same"})


def test_two_who_share_no_question_agree_on_nothing() -> None:
    assert agreement({"a": {"1": "right"}, "b": {"2": "right"}}) == [Agreement(raters=("a", "b"), n=0, share=None)]


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    return path


def test_labels_by_question_and_by_answer(tmp_path: Path) -> None:
    file = write(
        tmp_path / "labels.jsonl",
        {"key": "k1", "label": "right"},
        {"id": "s\u20282", "repeat": 1, "label": "wrong"},
        {"id": "s3", "label": "right"},
    )
    keys = {("s\u20282", 1): ["k2"], ("s3", 0): ["k3", "k1"]}
    assert read_labels(file, keys) == {"k1": "right", "k2": "wrong", "k3": "right"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"id": "s", "label": "right"}, "no judge is asked about 's', repeat 0"),
        ({"id": "s", "repeat": -1, "label": "right"}, "repeat"),
        ({"id": "s", "key": "k", "label": "right"}, "either key or id"),
        ({"label": "right"}, "either key or id"),
        ({"key": "k", "label": "Right"}, "label"),
        ({"key": "k", "label": "right", "by": "me"}, "by"),
    ],
)
def test_a_malformed_label_is_told_with_its_line(tmp_path: Path, line: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told) as error:
        read_labels(write(tmp_path / "labels.jsonl", {"key": "a", "label": "right"}, line))
    assert error.value.line == 2
    assert error.value.hint


def test_a_file_of_labels_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_labels(tmp_path / "absent")
