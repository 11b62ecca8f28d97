"""``golong train`` as a user types it: a whole run, killed and resumed, interrupted, on a full disk, with adapters."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="trl is not installed: make test-train")
pytestmark = pytest.mark.train

import yaml  # noqa: E402

from golong_eval.harness import evaluate  # noqa: E402
from golong_eval.harness.run_folder import RunFolder  # noqa: E402
from golong_eval.tasks import build_to_file  # noqa: E402
from golong_eval.training.folder import PARTS, last_checkpoint, read_metrics, rewind  # noqa: E402
from golong_eval.training.recipe import Recipe, shipped_recipes  # noqa: E402
from golong_eval.training.recipe import load_recipe as load  # noqa: E402
from golong_eval.training.trl_config import make_config, steps_of  # noqa: E402

SMALL: dict[str, Any] = {
    "name": "small",
    "model": {"dtype": "float32", "thinking": "off"},
    "data": {"train": ["samples.jsonl"], "held_out": 0.25, "mixture": "equal", "at_least": 1},
    "estimator": {"name": "tmn_reweight", "task_scale_decay": 0.5},
    "rollouts": {"prompts": 2, "group": 2, "max_tokens": 4},
    "optimiser": {"rows_per_device": 4, "precision": "float32", "gradient_checkpointing": False},
    "steps": 3,
    "checkpoints": {"every": 1},
    "evaluation": {"limit": 1, "batch_size": 2},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with samples of two tasks."""
    folder = tmp_path_factory.mktemp("home")
    build_to_file(folder / "samples.jsonl", tasks=("t1", "t3"), length="512", per_task=6)
    return folder


def recipe(home: Path, name: str, **changes: Any) -> Path:
    file = home / f"{name}.yaml"
    file.write_text(yaml.safe_dump(SMALL | {"name": name} | changes))
    return file


def start(home: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "golong_eval", "train", *arguments],
        cwd=home,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def golong(home: Path, *arguments: str, **options: Any) -> tuple[int, str, str]:
    process = start(home, *arguments, **options)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def folder_of(home: Path, name: str) -> Path:
    (found,) = (home / "runs/training" / name).iterdir()
    return found


def wait_for(home: Path, pattern: str, process: subprocess.Popen[str], seconds: float = 200) -> None:
    until = time.monotonic() + seconds
    while not list(home.glob(pattern)):
        assert process.poll() is None, process.communicate()[1][-2000:]
        assert time.monotonic() < until, f"no {pattern}"
        time.sleep(0.05)


def test_a_whole_training(home: Path) -> None:
    """Everything that docs/training.md names is there, and the trained checkpoint is one like any other."""
    code, out, err = golong(home, "--recipe", str(recipe(home, "whole")))
    assert code == 0, err[-2000:]
    folder = folder_of(home, "whole")
    assert f"training folder: runs/training/whole/{folder.name}" in out
    assert "golong compare" in out
    config = json.loads((folder / "config.json").read_text())
    assert Recipe.model_validate(config["recipe"]).name == "whole"
    assert config["samples"]["t1"]["train"] + config["samples"]["t1"]["held_out"] == 6
    assert "trl" in json.loads((folder / "env.json").read_text())["sessions"][0]["packages"]
    metrics = read_metrics(folder)
    assert [(row["step"], "held_out" in row) for row in metrics] == [
        (0, True),
        (1, False),
        (2, False),
        (3, False),
        (3, True),
    ]
    assert metrics[1]["golong/t1/prompts"] == metrics[1]["golong/t3/prompts"] == 1
    assert set(metrics[-1]["held_out"]["tasks"]) == {"t1", "t3"}
    assert {file.name for file in (folder / "figures").iterdir()} >= {"rewards.svg", "held_out.svg"}
    held_out = {json.loads(line)["id"] for line in (folder / "held_out.jsonl").read_text().splitlines()}
    assert held_out
    again = evaluate(
        model=str(folder / "model"),
        engine="transformers",
        tasks=(str(folder / "held_out.jsonl"),),
        limit=1,
        max_tokens=4,
        thinking="off",
        output_dir=str(home / "again"),
    )
    assert again.failures == 0
    code, _, err = golong(home, "--recipe", str(home / "whole.yaml"), "--set", "rollouts.group=4", "--resume")
    assert code == 1
    assert "differs in rollouts.group (2, now 4)" in err
    assert "config.json" in err


def test_a_killed_training_goes_on_from_its_last_whole_checkpoint(home: Path) -> None:
    file = recipe(home, "killed", steps=4)
    process = start(home, "--recipe", str(file))
    wait_for(home, "runs/training/killed/*/checkpoints/checkpoint-2/trainer_state.json", process)
    process.kill()
    process.communicate()
    folder = folder_of(home, "killed")
    torn = folder / "checkpoints" / "checkpoint-9"  # what a kill while saving leaves
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"torn")
    with (folder / "metrics.jsonl").open("a") as out:
        out.write('{"step": 3, "rew')
    before = last_checkpoint(folder)
    assert before is not None
    assert before.name in ("checkpoint-2", "checkpoint-3", "checkpoint-4")
    code, out_text, err = golong(home, "--recipe", str(file), "--resume")
    assert code == 0, err[-2000:]
    assert str(folder.name) in out_text
    metrics = read_metrics(folder)
    assert [row["step"] for row in metrics if "held_out" not in row] == [1, 2, 3, 4]
    assert [row["step"] for row in metrics if "held_out" in row] == [0, 4]
    assert not (folder / "cache").exists()
    scale = json.loads((folder / "checkpoints/checkpoint-4/task_scale.json").read_text())
    assert {task for task, *_ in scale["tasks"]} == {"t1", "t3"}
    assert len(json.loads((folder / "env.json").read_text())["sessions"]) == 2


def test_what_came_after_the_checkpoint_is_put_aside(tmp_path: Path) -> None:
    """An evaluation of a step that is trained anew is one of a model that no longer exists."""
    with RunFolder(tmp_path / "run", PARTS) as folder:
        for step in (0, 2, 4):
            (folder.path / "evaluations" / f"step-{step:06d}").mkdir()
        rows = [{"step": 0, "held_out": {}}, *({"step": step, "reward": step / 10} for step in range(1, 6))]
        folder.write_lines("metrics.jsonl", [json.dumps(row) for row in rows])
        rewind(folder, 2)
        assert sorted(path.name for path in (folder.path / "evaluations").iterdir()) == ["step-000000", "step-000002"]
        assert [row["step"] for row in read_metrics(folder.path)] == [0, 1, 2]
        assert sorted(path.name for path in (folder.path / "superseded").iterdir()) == ["metrics.jsonl", "step-000004"]
        (folder.path / "evaluations" / "step-000004").mkdir()
        rewind(folder, 2)
        assert (folder.path / "superseded" / "step-000004.2").is_dir()


def test_ctrl_c_leaves_a_training_that_can_be_resumed(home: Path) -> None:
    file = recipe(home, "stopped", steps=50)
    process = start(home, "--recipe", str(file))
    wait_for(home, "runs/training/stopped/*/checkpoints/checkpoint-1/trainer_state.json", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err[-2000:]
    assert "--resume" in err
    assert "Traceback" not in err
    code, _, err = golong(home, "--recipe", str(file), "--set", "steps=3", "--resume")
    assert code == 0, err[-2000:]
    assert read_metrics(folder_of(home, "stopped"))[-1]["step"] >= 3


def test_a_full_disk_at_a_checkpoint_is_told_and_loses_nothing(home: Path) -> None:
    """No file above 1 MB can be written: the checkpoint's weights can't, the training's own files can."""
    file = recipe(home, "full", steps=2)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # noqa: E731
    code, _, err = golong(home, "--recipe", str(file), preexec_fn=limit)
    assert code == 1, err[-2000:]
    assert "cannot write the checkpoint" in err
    assert "free some space" in err
    assert "Traceback" not in err
    assert last_checkpoint(folder_of(home, "full")) is None
    code, _, err = golong(home, "--recipe", str(file), "--resume")
    assert code == 0, err[-2000:]


def test_adapters_are_merged_into_the_trained_checkpoint(home: Path) -> None:
    pytest.importorskip("peft")
    file = recipe(home, "lora", steps=1, lora={"rank": 2}, data=SMALL["data"] | {"held_out": 0})
    code, _, err = golong(home, "--recipe", str(file))
    assert code == 0, err[-2000:]
    model = folder_of(home, "lora") / "model"
    assert not list(model.glob("adapter*"))
    assert (model / "model.safetensors").is_file()
    assert (model / "tokenizer.json").is_file()


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(home: Path) -> None:
    file = recipe(home, "dry", data=SMALL["data"] | {"max_prompt_tokens": 480})
    code, out, err = golong(home, "--recipe", str(file), "--dry-run", "--json")
    assert code == 0, err[-2000:]
    plan = json.loads(out)
    assert plan["steps"] == 3
    assert plan["rows"] == 4
    assert sum(train + held for train, held, _ in plan["samples"].values()) + plan["too_long"] == 12
    assert not (home / "runs/training/dry").exists()


def test_shares_are_those_of_the_prompts_that_are_taken(home: Path) -> None:
    """Also where at_least lifts a rare task; and held-out samples over known documents are counted."""
    held_out = home / "held.jsonl"
    lines = [json.loads(line) for line in (home / "samples.jsonl").read_text().splitlines()]
    held_out.write_text("".join(json.dumps(row | {"id": "h" + row["id"]}) + "\n" for row in lines[:3]))
    data = SMALL["data"] | {"held_out": str(held_out), "mixture": {"t1": 0.99, "t3": 0.01}}
    file = recipe(home, "shares", data=data, rollouts=SMALL["rollouts"] | {"prompts": 4})
    code, out, err = golong(home, "--recipe", str(file), "--dry-run", "--json")
    assert code == 0, err[-2000:]
    plan = json.loads(out)
    assert {task: share for task, (_, _, share) in plan["samples"].items()} == {"t1": 0.75, "t3": 0.25}
    assert plan["shared"] == 3


def test_tasks_that_could_not_be_built_are_told(home: Path) -> None:
    """At 512 tokens pydoc gives no samples of t7: that is said, and not left for the user to miss."""
    build = {"tasks": ["t1", "t7"], "length": 512, "per_task": 4}
    file = recipe(home, "short", data={"build": build, "held_out": 0.25})
    code, out, err = golong(home, "--recipe", str(file), "--dry-run")
    assert code == 0, err[-2000:]
    assert "t7: only 0 of 4 samples" in out
    assert [line.split()[1:3] for line in out.splitlines() if line.startswith("t7 ")] == [["0", "0"]]
    code, _, err = golong(home, "--recipe", str(file), "--dry-run", "--set", "model.path=/nowhere")
    assert code == 1
    assert "cannot load the model /nowhere" in err


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rollouts": SMALL["rollouts"] | {"prompts": 3}}, "can't be shared by 1 processes of 4"),
        ({"data": SMALL["data"] | {"train": ["none.jsonl"]}}, "cannot read the samples"),
        ({"data": SMALL["data"] | {"at_least": 2}}, "no room for 2"),
        ({"data": SMALL["data"] | {"held_out": "samples.jsonl"}}, "in the training files too"),
        ({"data": SMALL["data"] | {"max_prompt_tokens": 10}}, "no samples are left"),
        ({"trl": {"epsilom": 0.1}}, "did you mean 'epsilon'"),
        ({"trl": {"epsilon": 0.1}}, "the recipe has itself"),
        ({"trl": {"num_iterations": 2}}, "a multiple of trl.num_iterations"),
        ({"trl": {"fsdp": "full_shard"}}, "evaluated on one device"),
        ({"model": {"path": "nowhere"}}, "cannot load the model nowhere"),
    ],
)
def test_what_does_not_fit_is_told_in_two_lines(home: Path, changes: dict[str, Any], what: str) -> None:
    name = "wrong" + str(abs(hash(what)))
    code, out, err = golong(home, "--recipe", str(recipe(home, name, **changes)))
    assert code == 1, out
    assert what in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_settings_that_trl_takes(name: str, tmp_path: Path) -> None:
    """Composed for as many processes as the published trainings had."""
    read = load(name)
    processes = 1 if name == "laptop" else 128
    config = make_config(
        read.model_copy(
            update={"trl": {"use_cpu": True}, "optimiser": read.optimiser.model_copy(update={"precision": "float32"})}
        ),
        tmp_path,
        steps_of(read, 8000),
        processes,
    )
    assert config.num_generations == read.rollouts.group
    assert config.per_device_train_batch_size * config.steps_per_generation * processes == (
        read.rollouts.prompts * read.rollouts.group
    )
    assert config.advantage_estimator == read.estimator.name
    assert config.loss_type == "dapo"
    assert (config.epsilon, config.epsilon_high, config.delta) == (0.2, 0.28, 3.0)
