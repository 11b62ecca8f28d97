"""Validation reports every planted fault with its file and line, and nothing else; it never stops at the first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golong_eval._content import content_path
from golong_eval.schema import sha256_text
from golong_eval.tasks.catalogue import Catalogue, load_catalogue
from golong_eval.tasks.validation import validate_folder, validate_samples

CATALOGUE: Catalogue = load_catalogue()
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def t3(tmp_path: Path) -> Path:
    """A copy of T3's folder."""
    return Path(shutil.copytree(content_path("tasks") / "t3_exhaustive_retrieval", tmp_path / "t3"))


def read_lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def plant(file: Path, number: int, change: Change) -> None:
    """Change the object in one line of a file."""
    lines = read_lines(file)
    change(lines[number - 1])
    write_lines(file, lines)


def write_lines(file: Path, lines: list[Any]) -> None:
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e["sample"].update(task="t4"), "sample.task: 't4' is not the id of this task, 't3'"),
        (lambda e: e["sample"].update(id="t3-example-1"), "'t3-example-1' stands in"),
        (lambda e: e["sample"].update(qestion=e["sample"].pop("question")), "did you mean 'question'?"),
        (lambda e: e.update(rigth=e.pop("right")), "unknown key 'rigth': did you mean 'right'?"),
        (lambda e: e.update(wrong=[]), "wrong: needs at least 1 entry, has 0"),
        (lambda e: e["sample"].update(gold={"type": "number", "value": "3"}), "gold: "),
        (lambda e: e["right"].append("[Answer]\n#427"), "right[2]: scores 0.4, must score 1.0"),
        (lambda e: e["right"].append(""), "right[2]: scores 0 (empty"),
        (lambda e: e["wrong"].insert(1, e["right"][0]), "wrong[1]: scores 1, must score below 1.0"),
        (lambda e: e["sample"]["metadata"]["evidence"][2].update(end=9999), "metadata.evidence[2]: "),
        (lambda e: e["sample"]["metadata"]["evidence"][0].update(document="D7"), "sample: evidence names the document"),
        (lambda e: e["sample"]["documents"][0].update(path="x.txt"), "sample.documents[0]: give exactly one of"),
        (
            lambda e: (e["sample"]["documents"][0].pop("text"), e["sample"]["documents"][0].update(path="gone.txt")),
            "gone.txt",
        ),
        (
            lambda e: (e["sample"]["documents"][0].pop("text"), e["sample"]["documents"][0].update(path="/etc/hosts")),
            "leaves the folder",
        ),
    ],
)
def test_a_fault_in_an_example_is_reported_once_with_its_line(t3: Path, change: Change, said: str) -> None:
    file = t3 / "examples.jsonl"
    plant(file, 2, change)
    faults = validate_folder(t3)
    assert [(fault.file, fault.line) for fault in faults] == [(str(file), 2)]
    assert said in faults[0].message


def test_a_broken_line_does_not_hide_faults_after_it(t3: Path) -> None:
    file = t3 / "examples.jsonl"
    plant(file, 3, lambda e: e["right"].append("[答案]\n周敏"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0][:200] + b"\n" + b"\n" + b"\xff\xfe\n" + lines[2] + b"[" * 3000 + b"\nnull\n")
    faults = validate_folder(t3)
    assert [fault.line for fault in faults] == [1, 3, 4, 5, 6]
    assert "not JSON" in faults[0].message
    assert "right[3]" in faults[2].message


def test_faults_of_the_definition_and_of_the_examples_are_told_together(t3: Path) -> None:
    task = t3 / "task.yaml"
    text = task.read_text(encoding="utf-8").replace("max_tokens: 512", "max_tokens: 0\nmax_token: 3")
    task.write_text(text.replace("metric: f1", "metric: f2"), encoding="utf-8")
    plant(t3 / "examples.jsonl", 1, lambda e: e.pop("right"))
    lines = text.splitlines()
    faults = validate_folder(t3)
    assert [(Path(fault.file).name, fault.line) for fault in faults] == [
        ("task.yaml", lines.index("metric: f1") + 1),
        ("task.yaml", lines.index("max_tokens: 0") + 1),
        ("task.yaml", lines.index("max_token: 3") + 1),
        ("examples.jsonl", 1),
    ]
    assert "needs the key 'right'" in faults[3].message


def test_a_folder_of_tasks_is_checked_across_tasks(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(content_path("tasks") / "t1_precise_retrieval", tmp_path / name)
    faults = validate_folder(tmp_path)
    assert {Path(fault.file).parent.name for fault in faults} == {"b"}
    assert [fault.line for fault in faults] == [None, 1, 2, 3]
    assert "the task id 't1' stands in" in faults[0].message


def test_missing_and_empty_files_are_faults(t3: Path, tmp_path: Path) -> None:
    (t3 / "examples.jsonl").write_text("\n")
    assert [fault.message for fault in validate_folder(t3)] == ["holds no samples"]
    (t3 / "examples.jsonl").unlink()
    assert "cannot be read" in validate_folder(t3)[0].message
    (t3 / "task.yaml").unlink()
    assert "holds no task.yaml" in validate_folder(t3)[0].message
    assert "cannot read" in validate_folder(tmp_path / "nowhere")[0].message


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A file with one sample of each task, texts of the first behind paths."""
    file = tmp_path / "samples.jsonl"
    lines = [CATALOGUE.examples(f"t{n}")[0].sample.model_dump(mode="json", exclude_none=True) for n in range(1, 10)]
    for document in lines[0]["documents"]:
        text = document.pop("text")
        (tmp_path / f"{document['id']}.txt").write_text(text, encoding="utf-8")
        document.update(path=f"{document['id']}.txt", sha256=sha256_text(text))
    write_lines(file, lines)
    return file


def test_good_samples_have_no_fault(samples: Path) -> None:
    assert validate_samples(samples, CATALOGUE) == []


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        (9, lambda s: s.update(task="t10"), "task: unknown task 't10'"),
        (4, lambda s: s.update(gold={"type": "items", "items": ["a"]}), "gold: "),
        (2, lambda s: s.update(id="t1-example-1"), "'t1-example-1' stands in"),
        (3, lambda s: s.update(tags=[]), "unknown key 'tags'"),
        (1, lambda s: s["documents"][1].update(path="D9.txt"), "D9.txt"),
        (1, lambda s: s["documents"][1].update(sha256="0" * 64), "has changed"),
        (1, lambda s: s["documents"][1].update(path="../../D2.txt"), "leaves the folder"),
        (1, lambda s: s["metadata"]["evidence"][0].update(end=5000), "metadata.evidence[0]"),
    ],
)
def test_a_fault_in_a_sample_is_reported_once_with_its_line(
    samples: Path, number: int, change: Change, said: str
) -> None:
    plant(samples, number, change)
    faults = validate_samples(samples, CATALOGUE)
    assert [(fault.file, fault.line) for fault in faults] == [(str(samples), number)]
    assert said in faults[0].message


def test_all_faults_of_a_sample_file_are_told(samples: Path) -> None:
    plant(samples, 1, lambda s: s["documents"][0].update(path="D9.txt"))
    plant(samples, 5, lambda s: s.update(question=" ", documents=3))
    plant(samples, 9, lambda s: s.update(task="summary"))
    samples.write_bytes(samples.read_bytes() + b"\x00\x01\n")
    assert [fault.line for fault in validate_samples(samples, CATALOGUE)] == [1, 5, 5, 9, 10]


def test_a_file_that_is_missing_a_folder_or_empty_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    for name in ("missing.jsonl", "empty.jsonl", "."):
        (fault,) = validate_samples(tmp_path / name, CATALOGUE)
        assert fault.line is None
