"""General benchmarks through lm-eval's task objects: the same prompts and numbers as its own run.

make test-lm-eval
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="needs lm-eval")

from golong_eval.adapters.lm_eval_model import golong_lm
from golong_eval.benchmarks import AnswerToScore, score_answers
from golong_eval.benchmarks import lm_eval_tasks as ours
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Sample

pytestmark = pytest.mark.lm_eval

ROWS = Path(ours.__file__).parent / "rows"

# Right, wrong, in the thinking, without thinking's end, with a stop string, unreadable; by the place of the row.
ANSWERS = {
    "mmlu_pro": [
        ["The answer is (D).", "so the answer is (A)", "the answer is J"],
        [
            "<think>the answer is (D)?</think>The answer is (B).",
            "<think>The answer is (C)</think>the answer is (B)",
            "D",
        ],
        ["I say Question: the answer is (D)", "The answer is B, no, the answer is (C)", ""],
    ],
    "gpqa_diamond": [
        ["The answer is (A).", "(B) or (C), so (D)", "Answer: B"],
        ["<think>(A)? (B)?</think>The answer is (C).", "2 J", "none"],
        ["thymine", "one</s>(A)", "I can't tell"],
    ],
    "aime24": [
        ["So it is \\boxed{183}.", "$12$"],
        ["<think>\\boxed{183}</think>\\boxed{182}", "<think>$5$</think>12"],
        ["183 Question: \\boxed{1}", "\\boxed{\\frac{24}{2}}"],
    ],
    "aime25": [["\\boxed{5}", "700"], ["$x = 5$ so $5$", "\\fbox{700}"]],
    "gsm8k": [
        ["The answer is 42.", "It is $1,200", "five"],
        ["<think>The answer is 7.</think>The answer is 42.", "#### 1200", "5\n\nQ: and 9?"],
        ["42.0", "<think>1200</think>$1,200.", "So 10 / 2 = 5."],
    ],
    "ifeval": [
        ["A tower by the sea. It shows ships the way.", "* rope\n* lantern\n* tea", "Short. That is all."],
        [
            "<think>A tower, say.</think>A tower by the sea.",
            "**So**\n* rope\n* tea\n* lantern\n* map",
            "That is all.",
        ],
    ],
}
BENCHMARKS = {
    cls.id: cls for cls in (ours.MMLUPro, ours.GPQADiamond, ours.AIME24, ours.AIME25, ours.GSM8K, ours.IFEval)
}
ROUNDS = [(name, place) for name, rounds in ANSWERS.items() for place in range(len(rounds))]


def samples_of(name: str) -> list[Sample]:
    benchmark = BENCHMARKS[name]()
    return [benchmark.sample(row, place) for place, row in benchmark.load(ROWS / f"{name}.jsonl")]


def lm_eval_task(name: str, folder: Path) -> dict[str, Any]:
    """The task as lm-eval has it, over files of ours in place of the hub's."""
    rows = [json.loads(line) for line in (ROWS / f"{name}.jsonl").read_text().splitlines()]
    splits = {"train": rows, "test": rows}
    if name == "mmlu_pro":
        splits = {
            "validation": [row for row in rows if row["cot_content"]],
            "test": [row for row in rows if not row["cot_content"]],
        }
    files = {}
    for split, part in splits.items():
        files[split] = str(folder / f"{split}.jsonl")
        Path(files[split]).write_text("".join(json.dumps(row) + "\n" for row in part))
    data = {"data_files": files, "cache_dir": str(folder / "cache")}
    member = {"task": BENCHMARKS[name].task, "dataset_path": "json", "dataset_name": None, "dataset_kwargs": data}
    return {"group": "here", "task": [member]}


def evaluated(model: Any, name: str, folder: Path) -> list[dict[str, Any]]:
    import lm_eval.tasks

    place = Path(lm_eval.tasks.__file__).parent / BENCHMARKS[name].folder
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=[lm_eval_task(name, folder)],
        task_manager=lm_eval.tasks.TaskManager(include_path=place, include_defaults=False),  # reads its folder alone
        bootstrap_iters=0,
    )
    assert results is not None
    return sorted(results["samples"][BENCHMARKS[name].task], key=lambda sample: (sample["doc_id"], sample["filter"]))


def raw_model(answers: Sequence[str]) -> Any:
    """A model that leaves its thinking in the text, stopped as lm-eval's own are."""
    from lm_eval.api.model import LM
    from lm_eval.models.utils import postprocess_generated_text

    class Raw(LM):
        def generate_until(self, requests: list[Any]) -> list[str]:
            return [postprocess_generated_text(answers[one.doc_id], one.args[1]["until"], None) for one in requests]

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
            raise NotImplementedError

    return Raw()


def numbers(benchmark: Any, samples: Sequence[Sample], answers: Sequence[str], variant: str) -> list[dict[str, float]]:
    scored = score_answers(
        benchmark.scored_as(variant),
        [AnswerToScore(text, sample.gold) for text, sample in zip(answers, samples, strict=True)],
    )
    return [{benchmark.primary: result.value, **result.parts} for result in scored]


def of_lm_eval(logged: Sequence[dict[str, Any]], doc: int) -> dict[str, float]:
    found = {}
    for sample in logged:
        if sample["doc_id"] == doc:
            for metric in sample["metrics"]:
                value = sample[metric]
                found[f"{metric},{sample['filter']}"] = sum(value) / len(value) if isinstance(value, list) else value
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize(("name", "place"), ROUNDS)
def test_official_is_lm_eval_on_all_that_was_written(name: str, place: int, tmp_path: Path) -> None:
    answers, samples = ANSWERS[name][place], samples_of(name)
    logged = evaluated(raw_model(answers), name, tmp_path)
    for doc, (sample, scores) in enumerate(
        zip(samples, numbers(BENCHMARKS[name](), samples, answers, "official"), strict=True)
    ):
        assert sample.gold.type == "row"
        asked = next(one for one in logged if one["doc_id"] == doc)
        assert asked["arguments"][0][0] == sample.gold.row["context_text"]  # the choices in the same order, too
        if answers[doc]:  # what is empty has no parts
            assert scores == of_lm_eval(logged, doc)


@pytest.mark.parametrize(("name", "place"), ROUNDS)
def test_strict_is_lm_eval_behind_an_engine_of_ours(name: str, place: int, tmp_path: Path) -> None:
    answers, samples = ANSWERS[name][place], samples_of(name)

    def script(request: GenerationRequest) -> str:
        return answers[int(request.sample_id.split("/")[1])]

    logged = evaluated(golong_lm(ScriptedEngine(script)), name, tmp_path)
    for doc, scores in enumerate(numbers(BENCHMARKS[name](), samples, answers, "strict")):
        if answers[doc]:
            assert scores == of_lm_eval(logged, doc)


def test_a_guess_in_the_thinking_counts_for_lm_eval_and_not_in_strict() -> None:
    benchmark, (sample, *_) = ours.MMLUPro(), samples_of("mmlu_pro")
    answer = AnswerToScore("<think>The answer is (D)?</think>The answer is (A).", sample.gold)
    assert [score_answers(benchmark.scored_as(v), [answer])[0].value for v in ("official", "strict")] == [1.0, 0.0]


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "ifeval"])
def test_golds_score_one_in_both_variants(name: str) -> None:
    benchmark = BENCHMARKS[name]()
    for _, row in benchmark.load(ROWS / f"{name}.jsonl"):
        for variant in ("strict", "official"):
            (result,) = score_answers(benchmark.scored_as(variant), [AnswerToScore(benchmark.gold_answer(row), row)])
            assert result.value == 1.0


@pytest.mark.parametrize("name", BENCHMARKS)
def test_golden_rows_score_as_by_hand(name: str) -> None:
    benchmark = BENCHMARKS[name]()
    lines = (ROWS.parent / "golden" / f"{name}.jsonl").read_text().splitlines()
    assert len(lines) >= 6
    for number, line in enumerate(lines, 1):
        golden = json.loads(line)
        row = benchmark.row_of_columns(golden["columns"], f"line {number}")
        for variant in ("official", "strict"):
            (result,) = score_answers(benchmark.scored_as(variant), [AnswerToScore(golden["response"], row)])
            assert result.value == golden[variant], f"line {number}, {variant}: {golden['why']}"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_scores_need_the_doc_alone(name: str) -> None:
    """As it stands in the samples that lm-eval logs, read back from JSON."""
    benchmark = BENCHMARKS[name]()
    (_, row), *_ = benchmark.load(ROWS / f"{name}.jsonl")
    answer = ANSWERS[name][0][0]
    alone = benchmark.row_of_columns({"doc": json.loads(json.dumps(row.doc))}, "line 1")
    (of_doc,), (of_row,) = (score_answers(benchmark, [AnswerToScore(answer, one)]) for one in (alone, row))
    assert of_doc == of_row
    assert of_row.value == 1.0 if name != "gpqa_diamond" else of_row.status == "ok"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_rows_are_the_same_each_time_and_leave_random_numbers_alone(name: str) -> None:
    import random

    random.seed(5)
    before = random.getstate()
    first = samples_of(name)
    assert random.getstate() == before
    random.seed(6)
    assert samples_of(name) == first


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize(
    "text", ["1" * 900_000, "The answer is " * 60_000, "\\boxed{" * 100_000, "(A" * 300_000, "\x00"]
)
@pytest.mark.timeout(30)
def test_hostile_answers_are_worth_nothing_and_cost_little(name: str, text: str) -> None:
    benchmark = BENCHMARKS[name]()
    (sample, *_) = samples_of(name)
    (result,) = score_answers(benchmark, [AnswerToScore(text, sample.gold)])
    assert result.status in ("ok", "unparsed", "empty")
    if name != "ifeval":  # no comma is no comma
        assert result.value == 0.0


def test_examples_that_are_missing_are_told(tmp_path: Path) -> None:
    lines = (ROWS / "mmlu_pro.jsonl").read_text().splitlines(True)[4:]
    (tmp_path / "test.jsonl").write_text("".join(lines))
    with pytest.raises(DataError, match="shows 5 examples before each question, and there are fewer"):
        list(ours.MMLUPro().load(tmp_path / "test.jsonl"))


def test_a_row_of_another_data_set_is_told_or_left_out(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"question": "1 + 1?"}\n' + (ROWS / "gsm8k.jsonl").read_text())
    with pytest.raises(DataError, match="there is no column 'answer'"):
        list(ours.GSM8K().load(file))
    faults: list[DataError] = []
    assert len(list(ours.GSM8K().load(file, faults.append))) == 3
    assert len(faults) == 1


def test_without_files_and_network_two_lines_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(ConfigError, match="openai/gsm8k can't be loaded: ConnectionError: no route to the hub") as told:
        list(ours.GSM8K().load(None))
    assert "--data" in told.value.hint


def test_another_version_of_a_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours.AIME24, "task_version", 9.0)
    with pytest.raises(ConfigError, match=r"aime24 is version 0.0 .* 9.0 is expected"):
        samples_of("aime24")


def test_what_stands_in_the_reports() -> None:
    (sample, *_) = samples_of("mmlu_pro")
    assert sample.id == "mmlu_pro/9000"
    assert sample.metadata.groups == {"category": "math"}
    assert sample.metadata.candidates == 10
    assert sample.question.startswith("Question:\nA rectangle")
    prompt = ours.MMLUPro().prompt(sample)
    assert prompt.text.startswith("The following are multiple choice questions (with answers) about math.")
    assert prompt.text.count("Question:") == 6
    assert [sample.id for sample in samples_of("gpqa_diamond")] == [f"gpqa_diamond/self{n}" for n in (1, 2, 3)]


def test_instructions_that_need_a_model_of_nltk_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = json.loads((ROWS / "ifeval.jsonl").read_text().splitlines()[0])
    row |= {"instruction_id_list": ["length_constraints:number_sentences"], "kwargs": [{"num_sentences": 3}]}
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    for present in (False, True):
        monkeypatch.setattr(ours, "_has_punkt", lambda present=present: present)
        if present:
            assert len(list(ours.IFEval().load(file))) == 1
        else:
            with pytest.raises(ConfigError, match="punkt_tab") as told:
                list(ours.IFEval().load(file))
            assert told.value.hint == "python -m nltk.downloader punkt_tab"
