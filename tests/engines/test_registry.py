"""Which engine is chosen, and why; what an engine that is not installed says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from golong_eval.engines import ENGINES, OPERATIONAL, EngineSettings, embedded_model, open_engine, resolve_engine
from golong_eval.errors import ConfigError, MissingExtraError, ModelError, UnknownNameError

CHECKPOINT = embedded_model()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """A machine with or without vLLM and a GPU."""
    torch = pytest.importorskip("torch", reason="needs the extra [hf]")
    found = importlib.util.find_spec

    def set_up(*, vllm: bool, gpu: bool) -> None:
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: (object() if vllm else None) if name == "vllm" else found(name)
        )
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)

    return set_up


@pytest.mark.parametrize(
    ("vllm", "gpu", "engine", "why"),
    [
        (True, True, "vllm", "vLLM is installed and a GPU is seen"),
        (True, False, "transformers", "no GPU is seen (--engine vllm runs it without one)"),
        (False, True, "transformers", "vLLM is not installed"),
    ],
)
def test_a_checkpoint_is_run_by_vllm_where_it_sees_a_gpu(machine, vllm: bool, gpu: bool, engine: str, why: str) -> None:
    machine(vllm=vllm, gpu=gpu)
    for model in (CHECKPOINT, "org/model"):
        chosen, reason = resolve_engine("auto", model)
        assert chosen == engine
        assert why in reason


def test_a_server_is_asked_by_the_openai_engine(machine) -> None:
    machine(vllm=True, gpu=True)
    assert resolve_engine("auto", "any-name", ["http://host/v1"]) == ("openai", "--base-url names http://host/v1")
    assert resolve_engine("ray", "m", ["http://host/v1"])[0] == "ray"
    with pytest.raises(ConfigError, match="the engine vllm asks none"):
        resolve_engine("vllm", CHECKPOINT, ["http://host/v1"])


def test_what_is_named_is_taken_and_what_is_not_there_is_told() -> None:
    assert resolve_engine("scripted", "gold") == ("scripted", "as asked")
    with pytest.raises(UnknownNameError, match="unknown engine 'vlm'") as caught:
        resolve_engine("vlm", CHECKPOINT)
    assert "did you mean 'vllm'?" in caught.value.hint
    for model in ("./nowhere", "/nowhere/at/all", "name-alone"):
        with pytest.raises(ModelError, match="no checkpoint folder"):
            resolve_engine("auto", model)


@pytest.mark.parametrize(
    ("engine", "module", "extra"), [("vllm", "vllm", "vllm"), ("ray", "ray", "ray"), ("transformers", "torch", "hf")]
)
def test_a_missing_extra_names_its_install_line(
    monkeypatch: pytest.MonkeyPatch, engine: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as caught:
        open_engine(engine, CHECKPOINT, EngineSettings())
    assert caught.value.hint == f"pip install 'golong-eval[{extra}]'"


def test_every_engine_is_there_and_says_what_may_change() -> None:
    assert set(OPERATIONAL) == set(ENGINES)
    for target in ENGINES.values():
        module, _, _ = target.partition(":")
        assert Path(importlib.util.find_spec(module).origin or "").is_file()  # type: ignore[union-attr]
