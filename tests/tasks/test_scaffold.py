"""A new task works as it stands, and nothing is ever overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from golong_eval.errors import ConfigError, StorageError
from golong_eval.tasks.catalogue import load_catalogue
from golong_eval.tasks.scaffold import create_task
from golong_eval.tasks.validation import validate_folder


def test_a_new_task_validates_and_can_be_included(tmp_path: Path) -> None:
    folder = create_task("my_task2", tmp_path / "deep" / "er")
    assert folder == tmp_path / "deep" / "er" / "my_task2"
    assert validate_folder(folder) == []
    catalogue = load_catalogue([folder])
    examples = catalogue.examples("my_task2")
    assert [example.sample.metadata.language for example in examples] == ["en", "en", "zh"]


def test_a_new_task_shares_its_prompt_prefix_with_the_built_in_ones(tmp_path: Path) -> None:
    catalogue = load_catalogue([create_task("mine", tmp_path)])
    mine, theirs = catalogue.get("mine").prompt_template, catalogue.get("t1").prompt_template
    for one, other in ((mine.en, theirs.en), (mine.zh, theirs.zh)):
        assert one.partition("{documents}")[0] == other.partition("{documents}")[0]


def test_the_comments_tell_what_to_change(tmp_path: Path) -> None:
    text = (create_task("mine", tmp_path) / "task.yaml").read_text(encoding="utf-8")
    assert f"golong tasks validate {tmp_path / 'mine'}" in text
    assert "pairwise_accuracy" in text


@pytest.mark.parametrize("name", ["", "T1", "1st", "my-task", "a b", "../up", "ä", "mine\n", "_x"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a task"):
        create_task(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="exists"):
        create_task("mine", tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        create_task("mine", tmp_path / "file")
