"""A run split into parts and merged is the run that was never split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golong_eval import evaluate
from golong_eval.errors import ConfigError, DataError
from golong_eval.harness import Results, merge_runs
from golong_eval.harness.schedule import with_parts
from golong_eval.schema import Sample, TextGold
from golong_eval.tasks import read_samples


@pytest.fixture
def part(tmp_path: Path, samples_file: Path) -> Callable[..., Results]:
    def run(shard: str | None, **settings: Any) -> Results:
        values = {"model": "gold", "engine": "scripted", "tasks": samples_file, "output_dir": tmp_path / "runs"}
        return evaluate(shard=shard, **(values | settings))

    return run


def test_merged_parts_equal_the_whole(part: Callable[..., Results], tmp_path: Path) -> None:
    whole = part(None)
    parts = [part(f"{number}/3") for number in (1, 2, 3)]
    assert [results.shard for results in parts] == ["1/3", "2/3", "3/3"]
    merged = merge_runs([results.run for results in reversed(parts)], tmp_path / "merged")
    assert merged.tasks == whole.tasks  # data revision, means, intervals
    assert merged.usage == whole.usage
    assert merged.shard is None
    names = ("samples.jsonl", "results.json", "env.json", "prompts.jsonl")
    assert all((Path(merged.run) / name).is_file() for name in names)
    assert (Path(merged.run) / "samples.jsonl").read_text() == (Path(whole.run) / "samples.jsonl").read_text()
    # It is a run like any other: resumed by the settings of the whole.
    again = part(None, output_dir=tmp_path / "merged", resume=True)
    assert again.run == merged.run


def test_a_part_has_whole_contexts_and_no_other_s(part: Callable[..., Results]) -> None:
    seen: dict[str, int] = {}
    for number in (1, 2, 3):
        samples = list(read_samples(Path(part(f"{number}/3").run) / "samples.jsonl"))
        for sample in samples:
            context = "".join(str(document.sha256) for document in sample.documents)
            assert seen.setdefault(context, number) == number
    assert len(seen) == 4


def test_built_tasks_are_split_alike_on_every_machine(part: Callable[..., Results], tmp_path: Path) -> None:
    settings = {"tasks": "t1,t3,t8", "length": "1k", "limit": 3}
    whole = part(None, **settings)
    parts = [part(f"{number}/2", **settings) for number in (1, 2)]
    assert merge_runs([results.run for results in parts], tmp_path / "merged").tasks == whole.tasks


def test_what_a_part_lacks_counts_as_failed(part: Callable[..., Results], tmp_path: Path) -> None:
    one, two = part("1/2"), part("2/2", engine_args={"fail": 1.0})
    assert two.failures == 6
    merged = merge_runs([one.run, two.run], tmp_path / "merged")
    assert (merged.failures, merged["t1"].n, merged["t1"].scored) == (6, 4, 2)


def test_parts_that_do_not_belong_together_are_refused(part: Callable[..., Results], tmp_path: Path) -> None:
    one, two, other = part("1/2"), part("2/2"), part("2/2", seed=7)
    whole = part(None)
    out = tmp_path / "merged"
    with pytest.raises(ConfigError, match="2/2 missing"):
        merge_runs([one.run], out)
    with pytest.raises(ConfigError, match="1/2 twice"):
        merge_runs([one.run, two.run, one.run], out)
    with pytest.raises(ConfigError, match=r"differs from .* in seed"):
        merge_runs([one.run, other.run], out)
    with pytest.raises(ConfigError, match="the number of parts"):
        merge_runs([one.run, part("2/3").run], out)
    with pytest.raises(ConfigError, match="is no part of a run"):
        merge_runs([one.run, whole.run], out)
    with pytest.raises(DataError, match="no config"):
        merge_runs([tmp_path], out)
    assert not out.exists()
    merge_runs([one.run, two.run], out)
    with pytest.raises(ConfigError, match="exists"):
        merge_runs([one.run, two.run], out)


def test_a_merge_that_was_interrupted_is_done_again(part: Callable[..., Results], tmp_path: Path) -> None:
    parts = [part(f"{number}/2").run for number in (1, 2)]
    merged = merge_runs(parts, tmp_path / "merged")
    (Path(merged.run) / "config.json").unlink()
    (Path(merged.run) / "samples.jsonl").write_text("{")
    assert merge_runs(parts, tmp_path / "merged").tasks == merged.tasks


def test_parts_of_other_samples_are_refused(part: Callable[..., Results], tmp_path: Path) -> None:
    one, two = part("1/2"), part("2/2")
    file = Path(two.run) / "build.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"order": ["x"]}))
    with pytest.raises(ConfigError, match="other samples"):
        merge_runs([one.run, two.run], tmp_path / "merged")
    shutil.rmtree(Path(two.run))


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_part_that_does_not_exist_is_refused(part: Callable[..., Results], shard: str) -> None:
    with pytest.raises(ConfigError, match="shard"):
        part(shard)


def test_an_empty_part_is_told(part: Callable[..., Results]) -> None:
    with pytest.raises(ConfigError, match="the part 9/9 is empty: there are fewer contexts"):
        part("9/9")


def test_samples_without_documents_are_split_too(tmp_path: Path) -> None:
    samples = [Sample(id=f"s{number}", task="t1", question="?", gold=TextGold(answers=("Ada",))) for number in range(6)]
    parts = [[sample.id for sample, place in with_parts(samples, 3) if place == part] for part in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2]
