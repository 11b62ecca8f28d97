"""From samples to results with scripted answers: right numbers, every failure counted, resume, context modes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from golong_eval import evaluate
from golong_eval.engines import GenerationRequest, ScriptedEngine, embedded_model
from golong_eval.errors import ConfigError, DataError, GolongError, ModelError, ResumeError, UnknownNameError
from golong_eval.harness import Results, RunSettings, plan_run
from golong_eval.harness.resolve import resolve_run
from golong_eval.schema import Generation, sha256_text
from golong_eval.statistics import wilson_interval
from golong_eval.tasks import create_task, load_catalogue, read_samples

NINE = tuple(f"t{number}" for number in range(1, 10))


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_gold_scores_one_and_empty_zero_on_all_nine(tmp_path: Path) -> None:
    gold = evaluate(model="gold", engine="scripted", length="1k", limit=2, output_dir=tmp_path)
    assert tuple(row.task for row in gold.tasks) == NINE
    assert [row.mean for row in gold.tasks] == [1.0] * 9
    assert all(
        (row.n, row.coverage, row.cap_hit_rate, row.context_cut_rate) == (2, 1.0, 0.0, 0.0) for row in gold.tasks
    )
    for model in ("empty", "wrong"):
        results = evaluate(model=model, engine="scripted", length="1k", limit=2, output_dir=tmp_path)
        assert [row.mean for row in results.tasks] == [0.0] * 9, model
        assert [row.data_revision for row in results.tasks] == [row.data_revision for row in gold.tasks]


def test_means_intervals_and_chance_by_hand(tmp_path: Path, write_samples: Callable[[int], Path]) -> None:
    """T1: 9 of 12 right. T7: reversed order. T8: two of four items, in order."""
    answers = {"t1": "[Answer]\nAda", "t7": "[Answer]\nD3\nD2\nD1", "t8": "[Answer]\nA\nB"}

    def script(request: GenerationRequest) -> str:
        wrong = request.sample_id in ("t1-3", "t1-5", "t1-7")
        return "[Answer]\nBob" if wrong else answers[request.sample_id[:2]]

    results = evaluate(model=ScriptedEngine(script), tasks=write_samples(12), output_dir=tmp_path / "runs")
    assert results["t1"].mean == 0.75
    assert (results["t1"].low, results["t1"].high) == pytest.approx(wilson_interval(9, 12))
    assert results["t1"].interval == "wilson"
    # gains 3, 2, 1 and discounts 1, 0.6309, 0.5: (1 + 2 x 0.6309 + 3 x 0.5) / (3 + 2 x 0.6309 + 0.5)
    assert results["t7"].mean == pytest.approx(3.7619 / 4.7619, abs=1e-4)
    # a random order: mean gain 2 times the discounts' sum 2.1309, over the ideal
    assert results["t7"].chance == pytest.approx(2 * 2.1309 / 4.7619, abs=1e-4)
    assert results["t8"].mean == pytest.approx(1 / 6)
    assert results["t8"].chance == 0.5
    assert results["t8"].interval == "all equal"
    assert (results["t8"].low, results["t8"].high) == (None, None)
    assert results.average is not None
    assert results.average.mean == pytest.approx((0.75 + 3.7619 / 4.7619 + 1 / 6) / 3, abs=1e-4)
    # Only t1 varies: its textbook error, a third of it in the average of three tasks.
    assert results["t1"].stderr == pytest.approx((0.75 * 0.25 / 11) ** 0.5)
    assert results.average.stderr == pytest.approx((0.75 * 0.25 / 11) ** 0.5 / 3)
    assert results.average.clusters == 12


def test_several_lengths_make_a_curve(tmp_path: Path) -> None:
    def script(request: GenerationRequest) -> str:
        return "[Answer]\nnone"

    results = evaluate(
        model=ScriptedEngine(script), tasks="t1,t7", length="2k,1k", limit=3, output_dir=tmp_path / "runs"
    )
    assert [(row.task, row.samples) for row in results.tasks] == [("t1", 6), ("t7", 6)]
    assert [(piece.group, piece.score.n) for piece in results.slices] == [("1K", 6), ("2K", 6)]
    assert [piece.group for piece in results["t1"].slices if piece.by == "length"] == ["1K", "2K"]
    with pytest.raises(ConfigError, match="'2q' is not a length"):
        evaluate(model="gold", engine="scripted", length="1k,2q", output_dir=tmp_path / "runs")


def test_what_is_on_disk_can_be_read_back(tmp_path: Path, samples_file: Path) -> None:
    results = evaluate(model="gold", engine="scripted", tasks=samples_file, output_dir=tmp_path / "runs")
    folder = Path(results.run)
    assert Results.model_validate_json((folder / "results.json").read_bytes()) == results
    assert json.loads((folder / "env.json").read_text())["sessions"][0]["packages"]["golong-eval"]
    assert {file.name for file in (folder / "scores").iterdir()} == {
        "t1.exact_match.strict@1.jsonl",
        "t7.ndcg.strict@1.jsonl",
        "t8.pairwise_accuracy.strict@1.jsonl",
    }
    # Each prompt is kept once, and rebuilt from its parts has the hash that its answers name.
    prompts = {line["hash"]: line for line in lines(folder / "prompts.jsonl")}
    samples = {sample.id: sample for sample in read_samples(folder / "samples.jsonl")}
    specs = load_catalogue().specs
    answers = [line for file in (folder / "predictions").iterdir() for line in lines(file)]
    assert len(answers) == 12
    for answer in answers:
        sample = samples[str(answer["sample_id"])]
        assert sha256_text(specs[sample.task].prompt(sample).text) == answer["prompt_hash"]
        assert answer["prompt_hash"] in prompts
    # Two documents of four contexts, shared by three tasks: eight texts.
    assert len(list((folder / "samples.documents").iterdir())) == 8


def test_failures_are_counted_twice_over_and_resume_retries_them(tmp_path: Path, samples_file: Path) -> None:
    broken = {"t1-0", "t7-1"}

    def answer(request: GenerationRequest) -> str:
        if request.sample_id in broken:
            raise TimeoutError("no reply")
        return {"t1": "Ada", "t7": "D1\nD2\nD3", "t8": "A\nB\nC\nD"}[request.sample_id[:2]]

    settings = {"tasks": samples_file, "output_dir": tmp_path / "runs"}
    first = evaluate(model=ScriptedEngine(answer), **settings)
    assert first.failures == 2
    assert (first["t1"].mean, first["t1"].mean_scored, first["t1"].coverage) == (0.75, 1.0, 0.75)
    assert first["t1"].statuses == {"ok": 3, "provider_error": 1}
    broken.clear()
    second = evaluate(model=ScriptedEngine(answer), resume=True, **settings)
    assert second.run == first.run
    assert second.failures == 0
    assert [row.mean for row in second.tasks] == [1.0, 1.0, 1.0]
    # Only the two were asked again.
    assert sum(len(lines(file)) for file in (Path(first.run) / "predictions").iterdir()) == 14


def test_resume_refuses_another_configuration_and_names_it(tmp_path: Path, samples_file: Path) -> None:
    settings = {"model": "gold", "engine": "scripted", "tasks": samples_file, "output_dir": tmp_path / "runs"}
    with pytest.raises(ConfigError, match="no run of gold to resume"):
        evaluate(resume=True, **settings)
    evaluate(**settings)
    with pytest.raises(ResumeError, match=r"differs in max_tokens \(None, now 7\), seed \(0, now 3\)"):
        evaluate(resume=True, seed=3, max_tokens=7, **settings)
    samples_file.write_text(samples_file.read_text().replace("Who opened", "Who shut"))
    with pytest.raises(ResumeError, match="differs in files"):
        evaluate(resume=True, **settings)


def test_a_run_is_not_overwritten(tmp_path: Path, samples_file: Path) -> None:
    settings = {"model": "gold", "engine": "scripted", "tasks": samples_file}
    first, second = (evaluate(output_dir=tmp_path / "runs", **settings) for _ in range(2))
    assert first.run != second.run
    with pytest.raises(ConfigError, match="already holds a run"):
        evaluate(output_dir=first.run, **settings)
    assert evaluate(output_dir=first.run, resume=True, **settings).run == first.run


def test_context_modes_show_all_none_or_the_evidence(tmp_path: Path, samples_file: Path) -> None:
    seen: dict[str, str] = {}
    for context in ("full", "none", "evidence"):

        def keep(prompt: str, context: str = context) -> str:
            seen[context] = prompt
            return "Ada"

        evaluate(model=keep, tasks=samples_file, context=context, output_dir=tmp_path / "runs")
    assert "pump stopped" in seen["full"]
    assert "Ada opened" in seen["full"]
    assert "pump stopped" not in seen["evidence"]
    assert "Document D2: Crew\n" in seen["evidence"]
    assert "Ada opened" not in seen["none"]
    assert all("Who opened the valve?" in prompt for prompt in seen.values())


def test_prompts_share_their_beginning_over_a_context(samples_file: Path) -> None:
    """Questions over one context share everything up to the end of the documents: a prefix cache's condition."""
    specs = load_catalogue().specs
    heads = {
        (prompt := specs[sample.task].prompt(sample)).before + prompt.documents
        for sample in read_samples(samples_file)
        if sample.id.endswith("-0")
    }
    assert len(heads) == 1


def test_repeats_share_a_cluster(tmp_path: Path, samples_file: Path) -> None:
    results = evaluate(
        model=lambda prompt: "Ada", tasks=samples_file, repeats=3, temperature=0.7, output_dir=tmp_path / "runs"
    )
    assert (results["t1"].n, results["t1"].samples, results["t1"].clusters) == (12, 4, 4)


def test_limit_takes_a_seeded_choice_of_each_task(tmp_path: Path, samples_file: Path) -> None:
    chosen = set()
    for seed in range(6):
        results = evaluate(
            model="gold", engine="scripted", tasks=samples_file, limit=2, seed=seed, output_dir=tmp_path / "r"
        )
        ids = [sample.id for sample in read_samples(Path(results.run) / "samples.jsonl")]
        assert [row.n for row in results.tasks] == [2, 2, 2]
        assert ids == [line["id"] for line in lines(samples_file) if line["id"] in ids]
        chosen.add(tuple(ids))
    assert len(chosen) > 1


def test_thinking_that_is_cut_off_is_no_answer(tmp_path: Path, samples_file: Path) -> None:
    results = evaluate(model=lambda prompt: "<think>[Answer]\nAda", tasks=samples_file, output_dir=tmp_path / "runs")
    assert results["t1"].mean == 0.0
    assert results["t1"].statuses == {"unparsed": 4}


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"tsks": "t1"}, ConfigError, "unknown key 'tsks': did you mean 'tasks'"),
        ({"repeats": 2}, ConfigError, "greedy decoding gives the same answer"),
        ({"tasks": "t1,t99"}, UnknownNameError, "unknown task 't99'"),
        ({"tasks": "nowhere.jsonl"}, ConfigError, "no file of samples at nowhere.jsonl"),
        ({"engine": "vlm"}, UnknownNameError, "unknown engine 'vlm'"),
        ({"length": "much"}, ConfigError, "much"),
        ({"length": "64k", "tasks": "t1"}, ModelError, "do not fit the model's 32,768 positions"),
        ({"model": "./nowhere"}, ModelError, "no checkpoint folder"),
        ({"context": "half"}, ConfigError, "context"),
        ({"limit": 0}, ConfigError, "limit"),
    ],
)
def test_bad_settings_are_told_before_anything_is_generated(
    tmp_path: Path, values: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        evaluate(output_dir=tmp_path / "runs", **values)  # type: ignore[arg-type]
    assert caught.value.hint  # type: ignore[attr-defined]
    assert not list(tmp_path.rglob("predictions/*.jsonl"))


def test_bad_samples_are_named_by_line(tmp_path: Path, samples_file: Path) -> None:
    rows = samples_file.read_text().splitlines()
    samples_file.write_text("\n".join([*rows[:2], rows[2].replace('"question"', '"qestion"')]))
    with pytest.raises(DataError, match=r"samples\.jsonl:3: .*'qestion'.*'question'"):
        evaluate(model="gold", engine="scripted", tasks=samples_file, output_dir=tmp_path / "runs")
    samples_file.write_text(rows[0] + "\n" + rows[0])
    with pytest.raises(DataError, match=r"samples\.jsonl:2: the sample id 't1-0' stands in line 1 too"):
        evaluate(model="gold", engine="scripted", tasks=samples_file, output_dir=tmp_path / "runs")
    samples_file.write_text(rows[0].replace('"task":"t1"', '"task":"t11"'))
    with pytest.raises(DataError, match="unknown task 't11'"):
        evaluate(model="gold", engine="scripted", tasks=samples_file, output_dir=tmp_path / "runs")


def test_a_document_path_may_not_leave_its_folder(tmp_path: Path, samples_file: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    inner = tmp_path / "inner"
    inner.mkdir()
    row = json.loads(samples_file.read_text().splitlines()[0])
    row["documents"] = [{"id": "D2", "path": "../secret.txt"}]
    (inner / "s.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match="leaves the folder"):
        list(read_samples(inner / "s.jsonl"))


def test_secrets_stay_out_of_the_run_folder() -> None:
    nested = {"body": {"headers": [{"Authorization": "Bearer s3cret"}], "top_k": 3}, "hf_token": "s3cret", "n": 2}
    settings = RunSettings.make(engine_args=nested | {"eos_token": "</s>"})
    assert "s3cret" not in json.dumps(settings.masked())
    # What is no secret stays, and tells two runs apart.
    assert settings.masked()["engine_args"]["eos_token"] == "</s>"
    assert settings.masked()["engine_args"]["body"]["top_k"] == 3


def test_a_password_in_an_address_is_refused_before_it_is_shown(tmp_path: Path, samples_file: Path) -> None:
    seen: list[str] = []
    with pytest.raises(ConfigError, match="a password or a query") as caught:
        evaluate(
            model="m",
            base_url="http://user:s3cret@host/v1",
            tasks=samples_file,
            output_dir=tmp_path,
            on_progress=lambda progress: seen.append(progress.message),
        )
    assert "s3cret" not in str(caught.value) + caught.value.hint + "".join(seen)


def test_a_start_that_fails_leaves_no_folder(tmp_path: Path, samples_file: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database " * 50)
    gold = {"model": "gold", "engine": "scripted", "output_dir": tmp_path / "runs"}
    for change, message in (
        ({"tasks": samples_file, "cache": tmp_path / "notes.txt"}, "no response cache"),
        ({"tasks": samples_file, "shard": "9/9"}, "is empty"),
        ({"tasks": "t9", "length": 512, "documents": _tiny(tmp_path), "limit": 1}, "no sample could be made|too few"),
    ):
        with pytest.raises(GolongError, match=message):
            evaluate(**(gold | change))  # type: ignore[arg-type]
        assert not list((tmp_path / "runs").rglob("config.json"))


def _tiny(folder: Path) -> Path:
    (folder / "tiny").mkdir()
    for number in range(40):
        (folder / "tiny" / f"{number}.txt").write_text(
            f"Note {number}. The pump {number} stopped. It was {number} pm. " * 6
        )
    return folder / "tiny"


def test_a_server_without_a_model_is_told(samples_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model of it"):
        evaluate(base_url="http://localhost:1/v1", tasks=samples_file, output_dir=tmp_path)


def test_an_adapter_trained_again_into_its_folder_is_another_run(tmp_path: Path, samples_file: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    identities = []
    for weights in ("old", "new"):
        (adapter / "adapter_model.safetensors").write_text(weights)
        settings = RunSettings.make(
            model="gold", engine="scripted", tasks=samples_file, engine_args={"lora": str(adapter)}
        )
        identities.append(resolve_run(settings).identity)
    assert identities[0]["engine_args"] == identities[1]["engine_args"]
    assert identities[0] != identities[1]


def test_two_spellings_of_one_folder_are_one_model(samples_file: Path) -> None:
    folder = Path(embedded_model())
    found = [
        resolve_run(RunSettings.make(model=name, tasks=samples_file)).identity
        for name in (str(folder), f"{folder.parent}/./{folder.name}/")
    ]
    assert found[0] == found[1]


def test_a_plan_counts_what_a_run_does(tmp_path: Path) -> None:
    values = {"model": "gold", "engine": "scripted", "length": "1k", "limit": 2, "tasks": "t1,t7"}
    plan = plan_run(RunSettings.make(**values))
    results = evaluate(output_dir=tmp_path, **values)
    assert [(row.task, row.samples) for row in plan.tasks] == [(row.task, row.n) for row in results.tasks]
    lengths = [sample.metadata.length for sample in read_samples(Path(results.run) / "samples.jsonl")]
    assert sum(row.prompt_tokens for row in plan.tasks) == sum(length or 0 for length in lengths)
    assert max(row.longest for row in plan.tasks) <= 1024


class _Fixed:
    """An engine of the user's own."""

    name = "fixed"
    max_length = None
    thinks = False
    native_n = False
    closed = False

    def describe(self) -> dict[str, str]:
        return {"version": "1"}

    def over_length(self, request: GenerationRequest) -> str | None:
        return None

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
        for request in requests:
            yield Generation(sample_id=request.sample_id, repeat=request.repeat, text="Ada", finish_reason="stop")

    def close(self) -> None:
        self.closed = True


def test_an_engine_of_one_s_own_is_used_and_left_open(tmp_path: Path, samples_file: Path) -> None:
    engine = _Fixed()
    results = evaluate(model=engine, tasks=samples_file, output_dir=tmp_path / "runs")
    assert (results.engine, results.model, results["t1"].mean) == ("fixed", "fixed", 1.0)
    assert not engine.closed
    assert evaluate(model=engine, tasks="t1", length="1k", limit=1, output_dir=tmp_path / "runs")["t1"].n == 1


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    for thing in (3, object()):
        with pytest.raises(ConfigError, match="a model is a checkpoint"):
            evaluate(model=thing, output_dir=tmp_path)  # type: ignore[arg-type]


def test_resume_notices_a_changed_checkpoint_answer_or_task(tmp_path: Path, samples_file: Path) -> None:
    settings = {"tasks": samples_file, "output_dir": tmp_path / "runs", "max_tokens": 2, "limit": 1}
    model = tmp_path / "model"
    shutil.copytree(embedded_model(), model)
    evaluate(model=model, **settings)
    weights = bytearray((model / "model.safetensors").read_bytes())
    middle = slice(2_000_000, 2_000_200)
    weights[middle] = bytes(byte ^ 1 for byte in weights[middle])
    (model / "model.safetensors").write_bytes(weights)
    with pytest.raises(ResumeError, match="differs in checkpoint"):
        evaluate(model=model, resume=True, **settings)

    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": "t1-0", "response": "Ada"}')
    evaluate(model=answers, engine="scripted", **settings)
    answers.write_text('{"id": "t1-0", "response": "Bob"}')
    with pytest.raises(ResumeError, match="differs in checkpoint"):
        evaluate(model=answers, engine="scripted", resume=True, **settings)

    task = create_task("mine", tmp_path)
    settings |= {"include": (str(task),), "model": "gold", "engine": "scripted"}
    evaluate(**settings)
    (task / "task.yaml").write_text((task / "task.yaml").read_text().replace("version: 1", "version: 2"))
    with pytest.raises(ResumeError, match="differs in task_identities"):
        evaluate(resume=True, **settings)


def test_a_thinking_model_gets_room_to_think(tmp_path: Path, samples_file: Path) -> None:
    seen = {}

    class Thinker(_Fixed):
        thinks = True

        def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Generation]:
            for request in requests:
                seen[request.sample_id] = request.max_tokens
                yield Generation(sample_id=request.sample_id, text="Ada", finish_reason="stop")

    own = load_catalogue().specs["t1"].max_tokens
    for thinking, expected in (("auto", own + 4096), ("off", own), ("on", own + 4096)):
        evaluate(model=Thinker(), tasks=samples_file, thinking=thinking, output_dir=tmp_path / "runs")
        assert seen["t1-0"] == expected


def test_samples_are_checked_before_a_model_is_loaded_and_a_failed_start_leaves_no_folder(
    tmp_path: Path, samples_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("golong_eval.harness.evaluation.open_engine", never)
    samples_file.write_text(samples_file.read_text().replace('"question"', '"qestion"', 1))
    with pytest.raises(DataError):
        evaluate(tasks=samples_file, output_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_chance_is_not_claimed_where_only_right_documents_are_shown(tmp_path: Path) -> None:
    values = {"model": "gold", "engine": "scripted", "tasks": "t2,t3,t6", "length": 2048, "limit": 2}
    full = evaluate(output_dir=tmp_path, **values)
    evidence = evaluate(output_dir=tmp_path, context="evidence", **values)
    assert all(row.chance is not None for row in full.tasks)
    assert [row.chance is None for row in evidence.tasks] == [False, True, True]


def test_runs_of_lambdas_are_not_resumed(tmp_path: Path, samples_file: Path) -> None:
    settings = {"tasks": samples_file, "output_dir": tmp_path / "runs"}
    evaluate(model=lambda prompt: "Ada", **settings)
    with pytest.raises(ConfigError, match="a run of a lambda can't be resumed"):
        evaluate(model=lambda prompt: "Bob", resume=True, **settings)


def test_a_function_that_gives_no_text_fails_its_requests(tmp_path: Path, samples_file: Path) -> None:
    results = evaluate(model=lambda prompt: None, tasks=samples_file, output_dir=tmp_path)  # type: ignore[arg-type, return-value]
    assert results.failures == 12
