"""Settings are read alike for every framework, and a wrong one is an error that says what to type."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from golong_eval.adapters.batch_advantages import (
    REWARD_SETTINGS,
    SETTINGS,
    BatchAdvantages,
    check_environment,
    check_names,
    read_advantages,
    read_reward_settings,
    read_switch,
)
from golong_eval.adapters.nemo_rl import GolongEnvironment
from golong_eval.adapters.slime import reward as slime_reward
from golong_eval.adapters.verl import compute_score
from golong_eval.adapters.verl_advantages import check, parameters_of
from golong_eval.errors import ConfigError, DataError, UnknownNameError

ON = ["true", "True", "1", "yes", "YES", "on", "y", " Yes \n", True, 1]
OFF = ["false", "False", "0", "no", "No", "off", "n", " OFF", False, 0]


@pytest.mark.parametrize(("value", "says"), [*((one, True) for one in ON), *((one, False) for one in OFF)])
def test_a_switch_reads_alike_for_every_framework(value: Any, says: bool) -> None:
    assert read_switch("recenter", value) is says
    assert read_reward_settings({"require_think": value}.get) == (None, says)
    assert GolongEnvironment({"require_think": value}).require_think is says
    assert read_advantages({"recenter": value}.get).parameters == {"recenter": says}
    assert parameters_of("tmn_reweight", {"tmn": {"recenter": value}}) == {"recenter": says}
    bare = compute_score("EM", "[Answer]\n42", {"golden_label": "42"}, require_think=value)
    assert bare["score"] == (0.0 if says else 1.0)
    assert not bare["unscored"]


class Config(dict[str, Any]):
    """verl's configuration, as far as the reward goes."""

    algorithm = SimpleNamespace(adv_estimator="grpo", get={}.get)


@pytest.mark.parametrize("value", ["perhaps", "2", 2, "tru", [], "\u00e9"])
def test_what_is_no_switch_is_an_error_that_names_it(value: Any) -> None:
    with pytest.raises(ConfigError, match="recenter is"):
        read_switch("recenter", value)
    with pytest.raises(ConfigError, match="require_think is"):
        GolongEnvironment({"require_think": value})
    assert compute_score("EM", "[Answer]\n42", {"golden_label": "42"}, require_think=value)["row_error"] == 1.0
    function = {"path": "pkg://golong_eval.adapters.verl", "reward_kwargs": {"require_think": value}}
    with pytest.raises(ConfigError, match="require_think is"):
        check(Config(reward={"custom_reward_function": function}))


def test_a_setting_that_is_not_given_is_off() -> None:
    for empty in (None, ""):
        assert read_reward_settings({"require_think": empty, "variant": empty}.get) == (None, False)
    assert read_reward_settings({"variant": "official"}.get) == ("official", False)
    with pytest.raises(UnknownNameError, match="oficial"):
        read_reward_settings({"variant": "oficial"}.get)


@pytest.mark.parametrize(
    ("key", "hint"),
    [("GOLONG_ALHPA", "GOLONG_ALPHA"), ("GOLONG_REQUIRE_THINKING", "GOLONG_REQUIRE_THINK"), ("GOLONG_QQQ", "known")],
)
def test_an_unknown_variable_is_refused_with_the_nearest(key: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(key, "1")
    with pytest.raises(ConfigError, match=key) as caught:
        check_environment((*SETTINGS, *REWARD_SETTINGS))
    assert hint in caught.value.hint


def test_variables_of_other_parts_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "SAMPLES", "BFCL_PYTHON", "CHROMIUM", "VLLM_GUARD", "ALPHA", "REQUIRE_THINK"):
        monkeypatch.setenv(f"GOLONG_{name}", "1")
    monkeypatch.setenv("MY_GOLONG_ALHPA", "1")
    check_environment((*SETTINGS, *REWARD_SETTINGS))


def test_an_unknown_name_of_another_form_is_refused_too() -> None:
    check_names(["golong_alpha", "lr"], SETTINGS, "golong_")
    with pytest.raises(ConfigError, match="golong_alhpa") as caught:
        check_names(["golong_alhpa"], SETTINGS, "golong_")
    assert "'golong_alpha'" in caught.value.hint


def test_slime_refuses_an_unknown_key_before_it_scores() -> None:
    sample = SimpleNamespace(prompt="p", response="x", label=None, metadata=None)
    with pytest.raises(ConfigError, match="golong_requirethink"):
        asyncio.run(slime_reward(SimpleNamespace(golong_requirethink=True), sample))


@pytest.mark.parametrize("text", ["", "{", '{"version": 1, "dec', "[]", "null", '{"version": 1}'])
def test_a_torn_scale_file_is_an_error_and_stays(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scale.json"
    file.write_text(text)
    with pytest.raises(DataError):
        BatchAdvantages("tmn", decay=0.5, scale_file=file)
    assert file.read_text() == text


def test_a_scale_file_that_was_written_is_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "scale.json"
    give = BatchAdvantages("tmn", decay=0.5, scale_file=file)
    give([1.0, 0.0], ["p", "p"], ["t1", "t1"])
    assert json.loads(file.read_text())["tasks"] == [["t1", 1.0, 0.5, 0.5]]
    assert [one.name for one in tmp_path.iterdir()] == ["scale.json"]


def test_a_scale_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        BatchAdvantages("tmn", decay=0.5, scale_file=tmp_path)


@pytest.mark.parametrize("name", ["alpha", "gamma", "decay"])
def test_a_number_that_is_text_is_read_or_refused(name: str) -> None:
    assert parameters_of("tmn_reweight", {"tmn": {name: "0.5"}}).keys() == ({"scale"} if name == "decay" else {name})
    with pytest.raises(ConfigError, match=f"{name} is 'much'"):
        parameters_of("tmn_reweight", {"tmn": {name: "much"}})
    with pytest.raises(ConfigError, match=f"{name} is 'much'"):
        read_advantages({name: "much"}.get)
