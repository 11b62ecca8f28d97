"""Several checkpoints: which ones a folder holds, a run for each, one failing does not stop the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from golong_eval.engines import embedded_model
from golong_eval.errors import ConfigError, ModelError, ResumeError
from golong_eval.harness import RunSettings, evaluate_each, find_checkpoints


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    for step in (100, 20, 1000, 300, 200):
        (folder / f"checkpoint-{step}").mkdir(parents=True)
        (folder / f"checkpoint-{step}" / "config.json").write_text("{}")
    (folder / "checkpoint-400").mkdir()  # being written: holds no configuration yet
    (folder / "logs").mkdir()
    return folder


def steps(found: list[str]) -> list[str]:
    return [Path(path).name.removeprefix("checkpoint-") for path in found]


def test_a_folder_of_a_training_stands_for_its_checkpoints_by_step(training: Path) -> None:
    assert steps(find_checkpoints([str(training)])) == ["20", "100", "200", "300", "1000"]


def test_every_n_th_and_always_the_last(training: Path) -> None:
    assert steps(find_checkpoints([str(training)], 2)) == ["100", "300", "1000"]
    assert steps(find_checkpoints([str(training)], 9)) == ["1000"]


def test_the_final_model_of_a_training_is_itself_unless_its_checkpoints_are_asked_for(training: Path) -> None:
    (training / "config.json").write_text("{}")
    assert find_checkpoints([str(training)]) == [str(training)]
    assert steps(find_checkpoints([str(training)], 5)) == ["1000", "out"]


def test_other_models_stay_as_they_are(training: Path) -> None:
    names = ["org/model", str(training / "checkpoint-20"), "org/model"]
    assert find_checkpoints(names) == names[:2]
    for every, message in ((0, "takes no checkpoint"), (2, "holds no checkpoint-STEP folders")):
        with pytest.raises(ConfigError, match=message):
            find_checkpoints(["org/model"], every)


def test_each_checkpoint_has_its_run_and_a_broken_one_stops_none(tmp_path: Path, samples_file: Path) -> None:
    training = tmp_path / "out"
    for step in (1, 2, 3):
        shutil.copytree(embedded_model(), training / f"checkpoint-{step}")
    (training / "checkpoint-2" / "model.safetensors").write_bytes(b"broken")
    settings = [
        RunSettings.make(model=model, tasks=samples_file, max_tokens=2, limit=1, output_dir=tmp_path / "runs")
        for model in find_checkpoints([str(training)])
    ]
    seen = []
    outcomes = evaluate_each(settings, on_progress=lambda progress: seen.append(progress.stage))
    assert [outcome.results is not None for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, ModelError)
    runs = [Path(outcome.results.run) for outcome in outcomes if outcome.results]
    assert [run.parent.name for run in runs] == ["out-checkpoint-1", "out-checkpoint-3"]
    assert any(stage.startswith("[3/3") for stage in seen)
    # On resume the finished ones are found, and the mended one is begun.
    shutil.copy(Path(embedded_model()) / "model.safetensors", training / "checkpoint-2")
    again = evaluate_each([one.model_copy(update={"resume": True}) for one in settings])
    assert [Path(outcome.results.run) for outcome in again[::2] if outcome.results] == runs
    assert again[1].results is not None


def test_what_is_wrong_for_all_is_raised(tmp_path: Path) -> None:
    settings = [RunSettings.make(model=model, tasks="nowhere.jsonl", output_dir=tmp_path) for model in ("a/b", "c/d")]
    with pytest.raises(ConfigError, match="no file of samples"):
        evaluate_each(settings)


def test_resume_of_several_refuses_changed_settings(tmp_path: Path, samples_file: Path) -> None:
    def settings(**more: object) -> list[RunSettings]:
        values = {"engine": "scripted", "tasks": samples_file, "output_dir": tmp_path / "runs"} | more
        return [RunSettings.make(model=model, **values) for model in ("gold", "empty")]

    evaluate_each(settings())
    with pytest.raises(ResumeError, match="differs in seed"):
        evaluate_each(settings(seed=5, resume=True))
    assert len(list((tmp_path / "runs").rglob("config.json"))) == 2


def test_what_is_wrong_with_a_later_one_leaves_the_results_of_the_others(tmp_path: Path, samples_file: Path) -> None:
    values = {"engine": "scripted", "tasks": samples_file, "output_dir": tmp_path / "runs"}
    settings = [RunSettings.make(model=model, **values) for model in ("gold", "no-script")]
    outcomes = evaluate_each(settings)
    assert outcomes[0].results is not None
    assert "no script or file" in str(outcomes[1].error)
