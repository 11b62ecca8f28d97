"""Exports: what others read is what was found, the same bytes every time, and harmless."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import importlib
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golong_eval.errors import DataError, DocumentError, StorageError, UnknownNameError
from golong_eval.harness import StoredRun, read_run, rescore_run
from golong_eval.reports.export import EXPORTS, check_exports, export_run, results_markdown
from golong_eval.reports.export.files import write_lines
from golong_eval.reports.export.lm_eval import _sanitized, metric_name
from golong_eval.reports.export.tables_csv import safe_cell
from golong_eval.rewards import MetricSpec, Semantic
from golong_eval.schema import sha256_text

from .builders import ESCAPES, at_k, effective, estimate, hostile_run, piece, results, task

HAS_LM_EVAL = importlib.util.find_spec("lm_eval") is not None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    return hostile_run(tmp_path_factory.mktemp("hostile"), per_task=10)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def exported(run: StoredRun, folder: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The lm-eval export, as read back: results, and samples by task."""
    first, *others = export_run(run, "lm-eval", folder)
    samples = {file.name.split("_")[1]: [json.loads(line) for line in file.read_text().splitlines()] for file in others}
    return json.loads(first.read_text()), samples


OF_EVERY_RUN = [name for name in EXPORTS if name != "longbench-pro"]  # which is in tests/benchmarks


@pytest.mark.parametrize("name", OF_EVERY_RUN)
def test_an_export_is_the_same_every_time_and_leaves_nothing_else(name: str, run: StoredRun, tmp_path: Path) -> None:
    first = export_run(run, name, tmp_path / "a")
    again = export_run(read_run(run.path), name, tmp_path / "b")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    assert {file for file in (tmp_path / "a").rglob("*") if file.is_file()} == set(first)
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", b"".join(file.read_bytes() for file in first))


def test_an_unknown_export_and_a_folder_that_can_not_be_made_are_told(run: StoredRun, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as unknown:
        check_exports(["csv", "lmeval"])
    assert "did you mean 'lm-eval'?" in unknown.value.hint
    (tmp_path / "file").write_text("")
    for name in OF_EVERY_RUN:
        with pytest.raises(StorageError, match="cannot write"):
            export_run(run, name, tmp_path / "file")


# ---------------------------------------------------------------------------------------------------------
# CSV


def test_results_as_csv_have_every_field_and_the_average(run: StoredRun, tmp_path: Path) -> None:
    export_run(run, "csv", tmp_path)
    found = rows(tmp_path / "results.csv")
    assert [row["task"] for row in found] == ["t1", "t7", "t8", "average"]
    for row, result in zip(found, run.results.tasks, strict=False):
        assert float(row["mean"]) == result.mean
        assert row["low"] == ("" if result.low is None else repr(result.low))
        assert int(row["status_provider_error"]) == 2
        assert row["metric"] == result.metric
    assert run.results.average is not None
    assert float(found[-1]["mean"]) == run.results.average.mean
    assert found[-1]["interval"] == run.results.average.method


def test_samples_as_csv_have_a_line_an_answer(run: StoredRun, tmp_path: Path) -> None:
    export_run(run, "csv", tmp_path)
    assert len((tmp_path / "samples.csv").read_text().splitlines()) == 31
    found = rows(tmp_path / "samples.csv")
    assert [(row["id"], row["repeat"]) for row in found] == [(row.sample.id, "0") for row in run.rows()]
    by_id = {row["id"]: row for row in found}
    assert by_id["t1-4"]["score"] == ""
    assert by_id["t1-4"]["reason"].startswith("RuntimeError: boom \\x1b[2J")
    assert json.loads(by_id["t7-0"]["gold"]) == {"type": "ranking", "items": ["D1", "D2", "D3"]}
    for row, answer in zip(found, run.rows(), strict=True):
        assert json.loads(row["parts"] or "{}") == answer.result.parts


def test_slices_as_csv() -> None:
    from golong_eval.reports.export.tables_csv import _csv, _slices

    sliced = results(task("t1", slices=(piece("length", "2K", 0.5, 0.4, 0.6),)), slices=(piece("length", "2K", 0.25),))
    found = list(csv.DictReader("".join(_csv(_slices(sliced))).splitlines()))
    assert [(row["task"], row["by"], row["group"], row["mean"], row["low"]) for row in found] == [
        ("t1", "length", "2K", "0.5", "0.4"),
        ("average", "length", "2K", "0.25", ""),
    ]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\n=1", " =1", "＝1", "-"])
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert safe_cell(text).startswith(("'", "\\"))
    assert "\n" not in safe_cell(text)


@pytest.mark.parametrize(
    ("value", "cell"), [("-5", "-5"), ("+1.5", "+1.5"), (-0.5, -0.5), (None, ""), (True, "true"), ("D1", "D1")]
)
def test_other_cells_stay_what_they_are(value: object, cell: object) -> None:
    assert safe_cell(value) == cell


def test_what_a_model_wrote_is_no_formula_in_any_row(tmp_path: Path, run: StoredRun) -> None:
    export_run(run, "csv", tmp_path)
    assert any("HYPERLINK" in row["parsed"] for row in rows(tmp_path / "samples.csv"))
    for row in rows(tmp_path / "samples.csv"):
        assert not any(cell[:1] in ("=", "@", "+", "-", "\t", "\r") for cell in row.values()), row


# ---------------------------------------------------------------------------------------------------------
# Markdown


def test_markdown_has_the_tables_and_escapes_what_names_hold() -> None:
    row = task("t1", name="a|b `c` <img src=x> [l](u) *x*", cap_hit_rate=0.5, mean_finished=0.75)
    text = results_markdown(results(row, task("t2"), model=f"m|{ESCAPES}", average=estimate(0.5, 0.4, 0.6)))
    lines = text.splitlines()
    assert lines[0].startswith("## m\\|\\\\x1b\\[2J")
    name = "a\\|b \\`c\\` &lt;img src=x&gt; \\[l\\](u) \\*x\\*"
    cells = f"| t1 | {name} | f1\\[strict,v1\\] | 20 | 100 % | 0.500 | 0.400 – 0.600 | 0.750 | 0.100 | 50 % | 0 % |"
    assert cells in lines
    assert "| average |  |  | 20 |  | 0.500 | 0.400 – 0.600 |  |  |  |  |" in lines
    assert "- t1: more than 10 % of answers ended at their token cap; see --max-tokens" in lines


def test_every_row_of_a_markdown_table_has_as_many_cells() -> None:
    slices = (piece("length", "2K", 0.5), piece("length", "4K", 0.5))
    repeated = task(
        "t|1", repeats=2, at_k=(at_k(1, 0.5), at_k(2, 0.6)), slices=slices, effective_length=effective(4096)
    )
    blocks = re.findall(r"(?:^\|.*\n)+", results_markdown(results(repeated)), re.MULTILINE)
    assert len(blocks) == 3
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


# ---------------------------------------------------------------------------------------------------------
# lm-eval


def test_metric_names_hold_no_comma() -> None:
    assert metric_name("ndcg@gold[strict,v1]") == "ndcg"
    assert metric_name("f1[official,v1]") == "f1_official"
    semantic = MetricSpec(name="rouge_l", semantic=Semantic(model="a/b", weight=0.5))
    assert metric_name(str(semantic)) == "rouge_l_semantic"


def test_lm_eval_results_have_the_keys_and_types_of_its_schema(run: StoredRun, tmp_path: Path) -> None:
    """As in ``lm_eval/result_schema.py`` of 0.4.13."""
    found, samples = exported(run, tmp_path)
    tasks = ["t1", "t7", "t8"]
    assert list(found["results"]) == ["golong", *tasks]
    for name, values in found["results"].items():
        assert (values["name"], isinstance(values["alias"], str), isinstance(values["sample_len"], int)) == (
            name,
            True,
            True,
        )
        metrics = {key for key in values if "," in key}
        assert metrics
        for key in metrics:
            metric, name_of_filter = key.split(",")  # exactly one comma
            assert name_of_filter == "none"
            assert isinstance(values[key], float) or values[key] == "N/A"
            if not metric.endswith("_stderr"):
                assert f"{metric}_stderr,none" in values
    assert found["groups"]["golong"] == found["results"]["golong"]
    assert found["group_subtasks"] == {"golong": tasks}
    for key in ("configs", "versions", "n-samples", "task_hashes"):
        assert list(found[key]) == tasks
    assert found["n-shot"] == dict.fromkeys(["golong", *tasks], 0)
    assert set(found["n-samples"]["t1"]) == {"original", "effective"}
    assert all(value is True for kinds in found["higher_is_better"].values() for value in kinds.values())
    assert isinstance(found["config"]["model"], str)
    assert {"model_args", "batch_size", "device", "limit", "gen_kwargs", "random_seed"} <= set(found["config"])
    assert isinstance(found["date"], float)
    assert isinstance(float(found["total_evaluation_time_seconds"]), float)
    assert found["model_name_sanitized"] == next(iter((tmp_path / "lm-eval").iterdir())).name
    for name, lines in samples.items():
        metric = lines[0]["metrics"][0]
        assert sum(line[metric] for line in lines) / len(lines) == pytest.approx(
            found["results"][name][f"{metric},none"]
        )
        joined = "".join(line["doc_hash"] + line["prompt_hash"] + line["target_hash"] for line in lines)
        assert found["task_hashes"][name] == hashlib.sha256(joined.encode()).hexdigest()


def test_lm_eval_samples_have_the_prompt_that_was_asked_and_the_whole_answers(run: StoredRun, tmp_path: Path) -> None:
    _, samples = exported(run, tmp_path)
    answers = {row.sample.id: row.generation for row in run.rows()}
    for line in (line for lines in samples.values() for line in lines):
        made = answers[line["doc"]["id"]]
        assert made is not None
        prompt = line["arguments"]["gen_args_0"]["arg_0"]
        assert sha256_text(prompt) == line["prompt_hash"] == made.prompt_hash
        assert line["resps"] == [[made.text or ""]]
        assert line["filtered_resps"] == [made.text or ""]
        assert isinstance(line["target"], str)
        assert (line["filter"], list(line["arguments"]["gen_args_0"])) == ("none", ["arg_0", "arg_1"])
        assert line["doc_hash"] == sha256_text(json.dumps(line["doc"], indent=2, ensure_ascii=False))


def test_the_names_of_lm_eval_s_files_are_those_that_it_looks_for(run: StoredRun, tmp_path: Path) -> None:
    first, *others = export_run(run, "lm-eval", tmp_path)
    stamp = re.fullmatch(r"results_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6})\.json", first.name)
    assert stamp is not None
    assert [file.name for file in others] == [f"samples_{task}_{stamp[1]}.jsonl" for task in ("t1", "t7", "t8")]


def test_another_variant_has_metrics_of_its_own_name(run: StoredRun, tmp_path: Path) -> None:
    rescore_run(run.path, variant="official")
    found, samples = exported(read_run(run.path, variant="official"), tmp_path)
    assert "ndcg_official,none" in found["results"]["t7"]
    assert samples["t7"][0]["metrics"] == ["ndcg_official"]


@pytest.mark.slow
@pytest.mark.skipif(not HAS_LM_EVAL, reason="needs the extra lm-eval")
def test_lm_eval_makes_its_table_of_the_file(run: StoredRun, tmp_path: Path) -> None:
    utils = importlib.import_module("lm_eval.utils")
    found, _ = exported(run, tmp_path)
    table = utils.make_table(found)
    assert re.search(r"- t7 .*\| *1\|none *\| *0\|", table)
    assert "score" in utils.make_table(found, "groups")
    assert utils.get_results_filenames([str(file) for file in tmp_path.rglob("*.json*")])


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("org/model-7b", "org__model-7b"),
        (".", "_"),
        ("..", "_"),
        ("../..", "..___"),
        ("a\x00b\x1b[2J", "a__x00b__x1b__2J"),
        ("a. . ", "a_"),
        ("CON", "_CON"),
        ("com1.txt", "_com1.txt"),
        ("console", "console"),
        ("", "_"),
    ],
)
def test_a_model_s_folder_has_a_name_on_every_system(model: str, folder: str) -> None:
    assert _sanitized(model) == folder


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    one, two = _sanitized("答" * 300), _sanitized("答" * 301)
    assert one != two
    assert all(190 < len(name.encode()) <= 200 for name in (one, two))


def test_a_start_that_is_no_date_is_told(run: StoredRun, tmp_path: Path) -> None:
    for started in ("yesterday", "", "0001-01-01T00:00:00+23:00"):
        damaged = dataclasses.replace(run, results=run.results.model_copy(update={"started": started}))
        with pytest.raises(DataError, match="the results have no date"):
            export_run(damaged, "lm-eval", tmp_path)


def test_a_run_without_notes_or_settings_of_sampling_is_exported(run: StoredRun, tmp_path: Path) -> None:
    kept = {key: value for key, value in run.settings.items() if key not in ("temperature", "top_p", "seed")}
    bare = dataclasses.replace(run, config=run.config | {"settings": kept}, environment={})
    found, _ = exported(bare, tmp_path)
    assert found["config"]["gen_kwargs"]["do_sample"] is False


def test_a_temporary_file_is_not_left_behind(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield "a"
        raise DocumentError("gone")

    with pytest.raises(DocumentError):
        write_lines(tmp_path / "it" / "a.csv", lines())
    assert not list((tmp_path / "it").iterdir())
