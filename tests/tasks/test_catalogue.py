"""Tasks are found in the built-in folder, in installed packages and in --include folders; faults name their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.tasks.catalogue import load_catalogue, load_tasks
from golong_eval.tasks.scaffold import create_task


def new_task(parent: Path, name: str, /, **changes: str) -> Path:
    """Make a task folder, with lines of its task.yaml replaced: ``key="new line"``."""
    folder = create_task(name, parent)
    file = folder / "task.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    for key, line in changes.items():
        lines = [line if old.startswith(f"{key}:") else old for old in lines]
    file.write_text("\n".join(lines), encoding="utf-8")
    return folder


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "task.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(text))


def installed(parent: Path, name: str, entry_point: str, module: str) -> None:
    """Put a distribution with one module and one entry point into ``parent``."""
    info = parent / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[golong_eval.tasks]\n{entry_point}\n")
    (parent / f"{name}.py").write_text(module)


def test_built_in_tasks_come_first() -> None:
    assert list(load_tasks())[:9] == [f"t{number}" for number in range(1, 10)]


def test_a_task_is_found_by_id_and_by_folder_name() -> None:
    catalogue = load_catalogue()
    assert catalogue.get("t7") is catalogue.get("t7_graded_ranking")


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_catalogue().get("T7")
    assert "did you mean 't7'?" in caught.value.hint


def test_include_takes_a_task_folder_or_a_folder_of_them(tmp_path: Path) -> None:
    new_task(tmp_path / "many", "one")
    new_task(tmp_path / "many", "two")
    single = new_task(tmp_path, "three")
    assert list(load_tasks([tmp_path / "many", str(single)]))[9:] == ["one", "two", "three"]


def test_including_the_same_folder_twice_is_no_clash(tmp_path: Path) -> None:
    folder = new_task(tmp_path, "one")
    assert list(load_tasks([folder, tmp_path]))[9:] == ["one"]


def test_the_same_id_twice_names_both_files(tmp_path: Path) -> None:
    folder = new_task(tmp_path, "mine", id="id: t3")
    with pytest.raises(ConfigError, match="'t3'") as caught:
        load_tasks([folder])
    assert str(folder / "task.yaml") in str(caught.value)
    assert "t3_exhaustive_retrieval" in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_a_folder_without_tasks_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=name):
        load_tasks([tmp_path / name])


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ({"metric": "metrik: f1"}, "metrik", "unknown key 'metrik': did you mean 'metric'?"),
        ({"metric": "metric: ndgc"}, "metric", "did you mean 'ndcg'?"),
        ({"version": "version: 0"}, "version", "version: must be greater than or equal to 1, not 0"),
        ({"max_tokens": "max_tokens: many"}, "max_tokens", "max_tokens: must be a whole number, not 'many'"),
        ({"capability": "name: again"}, "name: again", "the key 'name' stands twice"),
        ({"capability": "capability: [open"}, "", "not YAML"),
        ({"capability": "capability: !!python/name:os.system"}, "capability", "not YAML: could not determine a constr"),
        ({"id": "id: T1"}, "id", "id: 'T1' does not match"),
        ({"name": "# nothing"}, "id", "needs the key 'name'"),
    ],
)
def test_a_broken_task_names_the_line(tmp_path: Path, changes: dict[str, str], line: str, said: str) -> None:
    folder = new_task(tmp_path, "mine", **changes)
    with pytest.raises(DataError) as caught:
        load_tasks([folder])
    assert said in caught.value.problem
    assert caught.value.file == str(folder / "task.yaml")
    if line:
        assert caught.value.line == line_of(folder, line)
    else:
        assert caught.value.line is not None


def test_a_fault_inside_a_nested_key_names_its_own_line(tmp_path: Path) -> None:
    folder = new_task(tmp_path, "mine")
    file = folder / "task.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("  zh: |-\n    请在", "  zh_cn: |-\n    请在"), encoding="utf-8"
    )
    with pytest.raises(DataError) as caught:
        load_tasks([folder])
    assert caught.value.line == line_of(folder, "  zh_cn")
    assert "answer_contract: unknown key 'zh_cn': did you mean 'zh'?" in caught.value.problem


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"- 1\n", b"text", b"a: &a [*a]", b"\x00", b"[" * 3000, b"when: 2024-99-99"]
)
def test_any_bytes_give_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "task.yaml").write_bytes(content)
    with pytest.raises(DataError, match=r"task\.yaml"):
        load_tasks([tmp_path])


@pytest.mark.parametrize("value", ["HERE", "lambda: HERE", "lambda: str(HERE)"])
def test_an_installed_package_adds_its_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    name = f"golong_extra_{abs(hash(value))}"
    new_task(tmp_path / "content", "installed_task")
    module = f"from pathlib import Path\nHERE = Path(__file__).parent / 'content'\nTASKS = {value}\n"
    installed(tmp_path, name, f"extra = {name}:TASKS", module)
    monkeypatch.syspath_prepend(tmp_path)
    catalogue = load_catalogue()
    assert catalogue.entry("installed_task").folder == tmp_path / "content" / "installed_task"
    assert len(catalogue.examples("installed_task")) == 3


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("TASKS = 3", "gives 3, not the path of a folder"),
        ("TASKS = '/nowhere/at/all'", "/nowhere/at/all"),
        ("", "AttributeError"),
    ],
)
def test_a_broken_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, said: str) -> None:
    name = f"golong_broken_{abs(hash(module))}"
    installed(tmp_path, name, f"sad = {name}:TASKS", module)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_tasks()
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert "'sad'" in str(caught.value)


def test_examples_with_a_malformed_line_name_it(tmp_path: Path) -> None:
    folder = new_task(tmp_path, "mine")
    file = folder / "examples.jsonl"
    file.write_text(file.read_text(encoding="utf-8") + '\n{"sample": 1}\n', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_catalogue([folder]).examples("mine")
    assert (caught.value.file, caught.value.line) == (file, 5)
    file.unlink()
    with pytest.raises(DataError, match=r"examples\.jsonl"):
        load_catalogue([folder]).examples("mine")
