"""Runs beside a baseline: hand-computed differences, what is refused, what is told, and that nothing is silent."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golong_eval import evaluate
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, DataError, UnknownNameError
from golong_eval.harness import Comparison, RunComparison, compare_runs, rescore_run
from golong_eval.harness.comparison.compared_run import content_hash
from golong_eval.schema import Document, Evidence, Sample, SampleMetadata, TextGold
from golong_eval.statistics import holm
from golong_eval.tasks import SampleWriter

from .conftest import make_samples

RIGHT = {"t1": "[Answer]\nAda", "t7": "[Answer]\nD1\nD2\nD3", "t8": "[Answer]\nA\nB\nC\nD"}


def only_t1(count: int) -> list[Sample]:
    return [sample for sample in make_samples(count) if sample.task == "t1"]


class Runs:
    """Makes runs whose answers are right but for the samples that are named."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def __call__(
        self,
        samples: list[Sample],
        wrong: set[str] = frozenset(),  # type: ignore[assignment]
        failing: set[str] = frozenset(),  # type: ignore[assignment]
        **values: Any,
    ) -> Path:
        self.count += 1
        file = self.folder / f"samples-{self.count}.jsonl"
        with SampleWriter(file) as writer:
            for sample in samples:
                writer.write(sample)

        def answer(request: GenerationRequest) -> str:
            for name in (request.sample_id, f"{request.sample_id}/{request.repeat}"):
                if name in failing:
                    raise TimeoutError("no reply")
                if name in wrong:
                    return "[Answer]\nBob"
            return RIGHT[request.sample_id[:2]]

        engine = ScriptedEngine(answer)
        results = evaluate(model=engine, tasks=file, output_dir=self.folder / f"runs-{self.count}", **values)
        return Path(results.run)


@pytest.fixture
def run(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def changed(path: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """The run with one of its files changed, as another version or machine would have written it."""
    file = path / name
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return path


def told(comparison: Comparison) -> dict[str, str]:
    (one,) = comparison.comparisons
    return {caution.about: caution.message for caution in one.cautions}


def ids(*numbers: int, task: str = "t1") -> set[str]:
    return {f"{task}-{number}" for number in numbers}


def test_differences_by_hand(run: Runs) -> None:
    """12 samples of clusters of their own: the second run loses 1 and wins 4 of them."""
    samples = make_samples(12)
    found = compare_runs([run(samples, wrong=ids(0, 1, 2, 3)), run(samples, wrong=ids(11))])
    (one,) = found.comparisons
    t1 = one["t1"]
    assert (t1.baseline_mean, t1.other_mean) == pytest.approx((8 / 12, 11 / 12))
    assert t1.difference == pytest.approx(3 / 12)
    assert (t1.n, t1.clusters, t1.wins, t1.losses, t1.ties) == (12, 12, 4, 1, 7)
    # Of the 32 signs of five differences, 12 make a sum of 3 or more in size: one or no sign turned, either way.
    assert t1.p_value == pytest.approx(12 / 32)
    assert (t1.low, t1.method) == (None, "fewer than 10 clusters differ")
    assert t1.minimum_detectable is None
    assert t1.significant is False
    assert (one["t7"].difference, one["t7"].method, one["t7"].p_value) == (0.0, "all equal", 1.0)
    # Each of the three tasks has the same weight.
    assert one.average is not None
    assert one.average.difference == pytest.approx(1 / 12)
    assert (one.average.n, one.average.clusters, one.average.p_value) == (36, 12, t1.p_value)
    assert [pair.sample for pair in one.gains] == ["t1-0", "t1-1", "t1-2", "t1-3"]
    assert [pair.sample for pair in one.losses] == ["t1-11"]


def test_the_means_of_repeats_are_compared(run: Runs) -> None:
    samples = only_t1(6)
    several = {"repeats": 4, "temperature": 0.7}
    first = run(samples, wrong={"t1-0/0"}, **several)
    second = run(samples, wrong={"t1-0/0", "t1-0/1", "t1-0/2"}, failing={"t1-1/3"}, **several)
    (one,) = compare_runs([first, second], pairs=True).comparisons
    assert one["t1"].pairs is not None
    assert [(pair.baseline, pair.other) for pair in one["t1"].pairs[:3]] == [(0.75, 0.25), (1.0, 0.75), (1.0, 1.0)]
    assert one["t1"].other_failures == 1
    # A repeat without a score is left out of its sample's mean.
    assert one["t1"].scored_in_both is not None
    assert one["t1"].scored_in_both.difference == pytest.approx(-0.5 / 6)
    # Runs with and without repeats compare; it is told.
    assert told(compare_runs([first, run(samples, temperature=0.7)])) == {
        "repeats": "the runs differ in repeats (4, 1)"
    }


def test_holm_counts_all_tasks_and_all_runs(run: Runs) -> None:
    samples = make_samples(16)
    first = run(samples)
    others = [
        run(samples, wrong=ids(*range(7))),
        run(samples, wrong=ids(*range(9)) | ids(*range(6), task="t7")),
    ]
    found = compare_runs([first, *others])
    rows = [row for one in found.comparisons for row in one.tasks]
    assert found.family == 6
    assert [row.p_holm for row in rows] == holm([row.p_value for row in rows if row.p_value is not None])
    assert [row.significant for row in rows] == [False, False, False, True, False, False]
    # By itself the first would have been one; and the average is no part of the family.
    alone = compare_runs([first, run(only_t1(16), wrong=ids(*range(7)))])
    assert (alone.family, alone.comparisons[0]["t1"].significant) == (1, True)
    assert alone.comparisons[0].average is None


def test_failures_count_as_0_and_are_left_out_beside_that(run: Runs) -> None:
    samples = only_t1(12)
    first = run(samples, wrong=ids(4))
    found = compare_runs([first, run(samples, failing=ids(0, 1, 2))])
    (one,) = found.comparisons
    assert one["t1"].difference == pytest.approx(-2 / 12)
    both = one["t1"].scored_in_both
    assert both is not None
    assert (both.n, both.clusters) == (9, 9)
    assert both.difference == pytest.approx(1 / 9)
    assert told(found) == {
        "coverage": "t1: answers with a score: 100 % (scripted (1)), 75.0 % (scripted (2))",
        "failures": "t1: 3 answers of scripted (2) to these samples without a score, counted as 0",
    }
    assert [pair.other_failures for pair in one.losses] == [1, 1, 1]
    assert compare_runs([first, run(samples)]).comparisons[0]["t1"].scored_in_both is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, (0.0, "all equal", 1.0)),
        ({"failing": ids(*range(12))}, {"failing": ids(*range(12))}, (0.0, "all equal", 1.0)),
        ({}, {"failing": ids(*range(12))}, (-1.0, "all equal", 2 / 2**12)),
    ],
)
def test_runs_that_are_alike_everywhere(run: Runs, first: Any, second: Any, expected: tuple[float, str, float]) -> None:
    samples = only_t1(12)
    found = compare_runs([run(samples, **first), run(samples, **second)])
    row = found.comparisons[0]["t1"]
    assert (row.difference, row.method, row.p_value) == expected
    assert (row.low, row.high, row.minimum_detectable) == (None, None, None)
    no_nan(found)
    if second:
        assert row.scored_in_both is not None
        assert (row.scored_in_both.n, row.scored_in_both.difference) == (0, None)


def test_one_sample_and_one_cluster_are_told_and_not_tested(run: Runs) -> None:
    together = [sample.model_copy(update={"metadata": SampleMetadata(cluster="one")}) for sample in only_t1(12)]
    for samples, method in ((only_t1(1), "fewer than 10 scores"), (together, "one cluster")):
        found = compare_runs([run(samples), run(samples, wrong=ids(0))])
        row = found.comparisons[0]["t1"]
        assert (row.method, row.p_value, row.p_holm, row.significant) == (method, None, None, None)
        assert (found.family, row.minimum_detectable, row.losses) == (0, None, 1)
        no_nan(found)


def no_nan(found: Comparison) -> None:
    text = found.model_dump_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert Comparison.model_validate_json(text) == found


def test_order_does_not_matter_and_other_samples_are_left_out(run: Runs) -> None:
    samples = only_t1(14)
    first = run(samples[:12], wrong=ids(0, 1, 2, 3))
    usual = compare_runs([first, run(samples[:12], wrong=ids(11))])
    mixed = compare_runs([first, run(samples[11::-1], wrong=ids(11))])
    assert mixed.comparisons[0].tasks == usual.comparisons[0].tasks
    assert set(told(mixed)) == {"data revision"}
    more = compare_runs([first, run(samples[2:], wrong=ids(11, 12))])
    row = more.comparisons[0]["t1"]
    assert (row.n, row.only_baseline, row.only_other) == (10, 2, 2)
    assert row.difference == pytest.approx(1 / 10)
    assert told(more)["samples"] == (
        "t1: 2 only in scripted (1), 2 only in scripted (2); compared are the 10 that both have"
    )


def test_a_limit_is_told_and_the_shared_samples_are_compared(run: Runs) -> None:
    samples = only_t1(12)
    found = compare_runs([run(samples), run(samples, limit=5)])
    assert found.comparisons[0]["t1"].n == 5
    assert told(found)["limit"] == "the runs differ in limit (none, 5)"
    assert "7 only in" in told(found)["samples"]


def test_the_same_id_with_other_content_is_never_paired(run: Runs) -> None:
    samples = only_t1(12)
    other = [sample.model_copy(update={"question": "Who shut the valve?"}) for sample in samples[:2]]
    first = run(samples)
    found = compare_runs([first, run([*other, *samples[2:]], wrong=ids(0, 1))])
    row = found.comparisons[0]["t1"]
    assert (row.n, row.difference, row.other_content) == (10, 0.0, ("t1-0", "t1-1"))
    assert "2 samples have the same id and other content" in told(found)["content"]
    with pytest.raises(DataError, match=r"share no sample \(2 have the same id and other content, for instance t1-0"):
        compare_runs([first, run(other)])


def test_content_is_what_is_asked_and_scored() -> None:
    sample = only_t1(1)[0]
    first, second = sample.documents
    noted = SampleMetadata(evidence=(Evidence(document="D1", start=0, end=1, depth=0),), difficulty="hard")
    same = [
        {"metadata": noted},
        {"documents": (first.model_copy(update={"source": "elsewhere", "licence": "MIT"}), second)},
    ]
    other = [
        {"task": "t2"},
        {"question": "Who?"},
        {"gold": TextGold(answers=("Ada", "A. L."))},
        {"documents": (second, first)},
        {"documents": (first, second.model_copy(update={"title": "Log"}))},
        {"documents": (first, Document(id="D2", title="Crew", text="Shift 0. Eve opened the valve."))},
        {"metadata": SampleMetadata(language="zh")},
        {"metadata": SampleMetadata(candidates=4)},
    ]
    assert {content_hash(sample.model_copy(update=update)) for update in same} == {content_hash(sample)}
    hashes = {content_hash(sample.model_copy(update=update)) for update in other} | {content_hash(sample)}
    assert len(hashes) == len(other) + 1


def test_runs_that_share_nothing_say_so(run: Runs) -> None:
    samples = make_samples(4)
    first = run(only_t1(2))
    renamed = [sample.model_copy(update={"id": f"t1-x{place}"}) for place, sample in enumerate(only_t1(2))]
    with pytest.raises(DataError, match=r"share no sample \(for instance t1-0 in the first and t1-x0 in the second"):
        compare_runs([first, run(renamed)])
    with pytest.raises(ConfigError, match=r"\(t7\) shares no task with .* \(t1\)"):
        compare_runs([first, run([sample for sample in samples if sample.task == "t7"])])
    (one,) = compare_runs([first, run(samples)]).comparisons
    assert (one.only_baseline, one.only_other) == ((), ("t7", "t8"))


def test_other_contexts_and_policies_are_refused_unless_allowed(run: Runs) -> None:
    samples = make_samples(12)
    first = run(samples)
    for key, value, name in (("context", "none", "context"), ("context_policy", "skip", "context-policy")):
        second = run(samples, wrong=ids(*range(8)), **{key: value})
        with pytest.raises(DataError, match=rf"t1, t7, t8: {name} differs \(\w+, {value}\)") as caught:
            compare_runs([first, second])
        assert f"--allow {name}" in caught.value.hint
        found = compare_runs([first, second], allow=[key])
        assert found.comparisons[0]["t1"].difference == pytest.approx(-8 / 12)
        assert told(found)[name].endswith(f"{value}): compared because that was allowed")
        assert name in found.comparisons[0].differ_in
    with pytest.raises(UnknownNameError, match="unknown difference to allow 'contxt'") as unknown:
        compare_runs([first, second], allow=["contxt"])
    assert "did you mean 'context'" in unknown.value.hint


def test_the_evidence_that_prompts_showed_must_agree(run: Runs) -> None:
    samples = only_t1(3)
    moved = SampleMetadata(evidence=(Evidence(document="D1", start=0, end=1, depth=0),))
    others = [samples[0].model_copy(update={"metadata": moved}), *samples[1:]]
    (full,) = compare_runs([run(samples), run(others)]).comparisons
    assert (full["t1"].n, full["t1"].other_content) == (3, ())
    (shown,) = compare_runs([run(samples, context="evidence"), run(others, context="evidence")]).comparisons
    assert (shown["t1"].n, shown["t1"].other_content) == (2, ("t1-0",))


@pytest.mark.parametrize(("name", "key", "value"), [("version", "task_version", 2), ("prompt", "prompt_hash", "abc")])
def test_a_task_of_another_version_or_prompt_is_refused_alone(run: Runs, name: str, key: str, value: object) -> None:
    samples = make_samples(3)
    second = changed(run(samples), "results.json", lambda content: content["tasks"][1].update({key: value}))
    paths = [run(samples), second]
    (one,) = compare_runs(paths).comparisons
    assert [row.task for row in one.tasks] == ["t1", "t8"]
    (refused,) = one.refused
    assert (refused.task, refused.mismatches[0].about, refused.mismatches[0].other) == ("t7", name, str(value))
    assert f"--allow {name}" in refused.hint
    found = compare_runs(paths, allow=[name])
    assert len(found.comparisons[0].tasks) == 3
    assert told(found)[name].startswith(f"t7: {name} differs (")


def test_other_metrics_are_refused_always(run: Runs) -> None:
    samples = make_samples(3)
    first, second = run(samples), run(samples)
    rescore_run(second, metrics={"t7": "ndcg@gold[strict,v1,chance_corrected]"})
    rescore_run(second, variant="official")
    (second / "results.custom.json").replace(second / "results.json")
    (one,) = compare_runs([first, second], allow=["version", "prompt", "context", "context-policy"]).comparisons
    assert [refused.task for refused in one.refused] == ["t7"]
    assert "golong score" in one.refused[0].hint
    with pytest.raises(DataError, match=r"the run has no results\.official\.json") as caught:
        compare_runs([first, second], variant="official")
    assert f"golong score {first} --variant official" in caught.value.hint
    rescore_run(first, variant="official")
    (official,) = compare_runs([first, second], variant="official").comparisons
    assert official["t7"].metric == "ndcg@gold[official,v1]"
    # The runs' own scores are strict, so there is no file of them beside the first.
    assert compare_runs([first, run(samples)], variant="strict").comparisons[0]["t1"].n == 3
    with pytest.raises(UnknownNameError, match="unknown variant 'offical'"):
        compare_runs([first, second], variant="offical")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"seed": 3}, {"seed": "the runs differ in seed (0, 3)"}),
        ({"temperature": 0.5}, {"temperature": "the runs differ in temperature (0.0, 0.5)"}),
        ({"top_p": 0.5}, {"top_p": "the runs differ in top_p (1.0, 0.5)"}),
        ({"max_tokens": 99}, {"max_tokens": "the runs differ in max_tokens (none, 99)"}),
        ({"thinking": "on"}, {"thinking": "the runs differ in thinking (auto, on)"}),
        ({"thinking_budget": 9}, {"thinking_budget": "the runs differ in thinking_budget (none, 9)"}),
        ({"max_model_len": 4096}, {"max_model_len": "the runs differ in max_model_len (none, 4096)"}),
        (
            {"rope_scaling": {"factor": 4}},
            {"rope_scaling.factor": "the runs differ in rope_scaling.factor (none, 4.0)"},
        ),
        ({"shard": "1/1"}, {"shard": "scripted (2) is part 1/1 of a run"}),
        ({"concurrency": 3}, {}),
        ({"token_limit": 10**6}, {}),
    ],
)
def test_every_setting_that_differs_is_told(run: Runs, values: dict[str, Any], expected: Mapping[str, str]) -> None:
    samples = only_t1(2)
    found = compare_runs([run(samples), run(samples, **values)])
    messages = told(found)
    assert expected.items() <= messages.items()
    assert {about.partition(".")[0] for about in messages} == {about.partition(".")[0] for about in expected}


@pytest.mark.parametrize(
    ("name", "change", "about"),
    [
        ("config.json", lambda content: content["settings"].update(engine="vllm"), "engine"),
        ("config.json", lambda content: content["settings"].update(engine_args={"quantization": "fp8"}),
         "engine_args.quantization"),
        ("config.json", lambda content: content["settings"].update(golong_eval="0.0.9"), "golong version"),
        ("config.json", lambda content: content["settings"].update(
            task_identities={"t1": "1 x exact_match[strict,v1] 9"}), "answer budget"),
        ("results.json", lambda content: content.update(golong_eval="0.0.9"), "golong version"),
        ("results.json", lambda content: content.update(stopped="the limit of 9 tokens is reached"), "stopped"),
        ("results.json", lambda content: content["tasks"][0].update(cap_hit_rate=0.2), "cap hit"),
        ("results.json", lambda content: content["tasks"][0].update(context_cut_rate=0.2), "cut"),
        ("results.json", lambda content: content["tasks"][0].update(coverage=0.98), "coverage"),
        ("env.json", lambda content: content["sessions"][0]["packages"].update({"math-verify": "0.1"}), "math-verify"),
    ],
)  # fmt: skip
def test_what_was_recorded_of_a_run_is_told(
    run: Runs, name: str, change: Callable[[dict[str, Any]], None], about: str
) -> None:
    samples = only_t1(2)
    found = compare_runs([run(samples), changed(run(samples), name, change)])
    assert set(told(found)) == {about}


def test_the_versions_of_engines_are_told_with_those_of_every_session(run: Runs) -> None:
    samples = only_t1(2)
    paths = [run(samples), run(samples)]
    for path, versions in zip(paths, (["0.10"], ["0.10", "0.11"]), strict=True):
        sessions = [{"engine": {"name": "vllm", "vllm": version, "parameters": path.name}} for version in versions]
        changed(path, "env.json", lambda content, sessions=sessions: content.update(sessions=sessions))  # type: ignore[misc]
    assert told(compare_runs(paths)) == {"engine vllm": "engine's vllm differs (0.10, 0.10, then 0.11)"}
    for path in paths:
        (path / "env.json").unlink()
    assert told(compare_runs(paths)) == {}


def test_lengths_counted_by_other_tokenizers_are_told(run: Runs) -> None:
    counted = [
        [
            sample.model_copy(update={"metadata": SampleMetadata(tokenizer=name, cluster=sample.id)})
            for sample in only_t1(2)
        ]
        for name in ("a", "b")
    ]
    assert (
        "2 prompts were counted by other tokenizers (a, b)"
        in told(compare_runs([run(one) for one in counted]))["lengths"]
    )


def test_what_differs_is_said_in_one_line(run: Runs) -> None:
    samples = only_t1(2)
    first = run(samples)
    assert compare_runs([first, run(samples)]).comparisons[0].differ_in == ()
    found = compare_runs([first, run(samples, context="none", seed=2)], allow=["context"])
    assert found.comparisons[0].differ_in == ("context", "seed")
    assert (found.baseline.label, found.comparisons[0].run.label) == (
        "scripted, context full",
        "scripted, context none",
    )
    other = changed(run(samples), "config.json", lambda content: content["settings"].update(model="b"))
    assert compare_runs([first, other]).comparisons[0].differ_in == ("model",)
    trained = changed(run(samples), "config.json", lambda content: content["settings"].update(checkpoint="f00"))
    assert compare_runs([first, trained]).comparisons[0].differ_in == ("weights",)


def test_samples_are_linked_to_a_report_where_there_is_one(run: Runs) -> None:
    sample = only_t1(1)[0].model_copy(update={"id": "t1 0/ä"})
    first, second = run([sample]), run([sample], wrong={"t1 0/ä"})
    (second / "report.html").write_text("")
    (pair,) = compare_runs([first, second]).comparisons[0].losses
    assert pair.baseline_at == f"golong samples {first} --id 't1 0/ä'"
    assert pair.other_at == f"{second}/report.html#sample=t1%200%2F%C3%A4&repeat=0"


def test_samples_are_linked_to_the_scores_that_were_compared(run: Runs) -> None:
    samples = [sample for sample in make_samples(1) if sample.task == "t7"]
    paths = [run(samples), run(samples, wrong=ids(0, task="t7"))]
    for path in paths:
        rescore_run(path, variant="official")
        (path / "report.html").write_text("")
    (paths[1] / "report.official.html").write_text("")
    (official,) = compare_runs(paths, variant="official").comparisons[0].losses
    assert official.baseline_at == f"golong samples {paths[0]} --variant official --id t7-0"
    assert official.other_at == f"{paths[1]}/report.official.html#sample=t7-0&repeat=0"
    (strict,) = compare_runs(paths, variant="strict").comparisons[0].losses
    assert strict.baseline_at == f"{paths[0]}/report.html#sample=t7-0&repeat=0"


def test_of_equal_gains_some_of_every_task_are_listed(run: Runs) -> None:
    samples = make_samples(4)
    wrong = {sample.id for sample in samples}
    (one,) = compare_runs([run(samples, wrong=wrong), run(samples)], show=3).comparisons
    assert [pair.sample for pair in one.gains] == ["t1-0", "t7-0", "t8-0"]
    assert one.losses == ()


def test_one_run_or_the_same_twice_is_an_error(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run(only_t1(1))
    with pytest.raises(ConfigError, match="no runs are named"):
        compare_runs([])
    with pytest.raises(ConfigError, match="one run alone"):
        compare_runs([path])
    monkeypatch.chdir(path.parent)
    for again in (path, Path(path.name)):
        with pytest.raises(ConfigError, match="is named twice"):
            compare_runs([path, again])
    with pytest.raises(ConfigError, match="a power of 1 is none"):
        compare_runs([path, run(only_t1(1))], power=1)


@pytest.mark.parametrize(
    "name", ["config.json", "results.json", "samples.jsonl", "scores/t1.exact_match.strict@1.jsonl"]
)
def test_a_folder_that_lacks_something_is_named(run: Runs, name: str) -> None:
    paths = [run(only_t1(1)), run(only_t1(1))]
    (paths[1] / name).unlink()
    with pytest.raises(DataError) as caught:
        compare_runs(paths)
    assert str(paths[1]) in str(caught.value)
    assert caught.value.hint


def test_no_text_of_a_document_is_read(run: Runs) -> None:
    paths = [run(only_t1(2)), run(only_t1(2))]
    for path in paths:
        for file in (path / "samples.documents").iterdir():
            file.unlink()
    assert compare_runs(paths).comparisons[0]["t1"].n == 2


@settings(max_examples=15, deadline=None)
@given(
    first=st.sets(st.integers(0, 11)),
    second=st.sets(st.integers(0, 11)),
    failing=st.sets(st.integers(0, 11), max_size=3),
)
def test_swapping_the_runs_turns_everything_round(first: set[int], second: set[int], failing: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Runs(Path(folder))
        samples = make_samples(12)
        paths = [run(samples, wrong=ids(*first)), run(samples, wrong=ids(*second), failing=ids(*failing, task="t7"))]
        there, back = (compare_runs(order).comparisons[0] for order in (paths, paths[::-1]))
        for one, other in zip(there.tasks, back.tasks, strict=True):
            assert one.difference == pytest.approx(-other.difference)
            assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties)
            assert (one.p_value, one.p_holm) == (other.p_value, other.p_holm)
            assert (one.baseline_mean, one.other_mean) == (other.other_mean, other.baseline_mean)
            assert one.minimum_detectable == pytest.approx(other.minimum_detectable)
            if one.scored_in_both is not None and one.scored_in_both.difference is not None:
                assert other.scored_in_both is not None
                assert one.scored_in_both.difference == pytest.approx(-(other.scored_in_both.difference or 0))
        assert there.average is not None
        assert back.average is not None
        assert there.average.difference == pytest.approx(-back.average.difference)
        assert listed(there) == listed(back)[::-1]


def listed(one: RunComparison) -> list[list[str]]:
    return [[pair.sample for pair in pairs] for pairs in (one.gains, one.losses)]
